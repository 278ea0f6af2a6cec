//! Coroutines submitted from other threads.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bucle_loop::concurrent::{FutureError, Rejected};
use bucle_loop::{
    EventLoop, Remote, all_tasks, current_task, get_running_loop, run_coroutine_threadsafe, sleep,
    to_thread, yield_now,
};

use crate::{WATCHDOG, new_loop, within};

/// A loop in a thread of its own, until it is dropped.
struct Elsewhere {
    remote: Remote,
    thread: Option<thread::JoinHandle<()>>,
}

impl Elsewhere {
    fn new() -> Elsewhere {
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            let event_loop = new_loop();
            send.send(event_loop.remote()).unwrap();
            event_loop.run_forever();
        });
        Elsewhere {
            remote: receive.recv().unwrap(),
            thread: Some(thread),
        }
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = self
                .remote
                .call_soon_threadsafe(|| get_running_loop().stop());
            thread.join().unwrap();
        }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn the_result_comes_back() {
    within(WATCHDOG, || {
        let elsewhere = Elsewhere::new();
        let here = thread::current().id();
        for n in 0..50 {
            let future = run_coroutine_threadsafe(elsewhere.remote, move || {
                let local = Rc::new(Cell::new(n));
                async move {
                    yield_now().await;
                    local.set(local.get() + 1);
                    (thread::current().id(), local.get())
                }
            });
            let (there, value) = future.result().unwrap();
            assert!(there != here && value == n + 1);
        }
    });
}

#[test]
fn a_panic_comes_back_too() {
    within(WATCHDOG, || {
        let elsewhere = Elsewhere::new();
        let line = line!() + 1;
        let inside = run_coroutine_threadsafe(elsewhere.remote, || async {
            yield_now().await;
            panic!("inside");
        });
        let error: FutureError = inside.result().unwrap_err();
        let panic = error.panicked().unwrap();
        assert_eq!(panic.message(), "inside");
        assert_eq!(panic.location().line(), line);
        assert!(error.to_string().contains("inside"));
        let making = run_coroutine_threadsafe(elsewhere.remote, || -> std::future::Ready<()> {
            panic!("while making it")
        });
        let error = making.result().unwrap_err();
        assert_eq!(error.panicked().unwrap().message(), "while making it");
    });
}

#[test]
fn cancelling_it_cancels_the_task() {
    within(WATCHDOG, || {
        let elsewhere = Elsewhere::new();
        struct Tell(mpsc::Sender<()>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (send, dropped) = mpsc::channel();
        let (begun, begin) = mpsc::channel();
        let future = run_coroutine_threadsafe(elsewhere.remote, move || async move {
            let _tell = Tell(send);
            begun.send(()).unwrap();
            sleep(Duration::from_secs(3600)).await;
        });
        begin.recv().unwrap();
        assert!(future.cancel("changed my mind"));
        dropped.recv().unwrap();
        let error = future.result().unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "changed my mind");
    });
}

#[test]
fn cancelled_before_it_began_it_never_does() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let held = Arc::new(());
        let captured = held.clone();
        let future = run_coroutine_threadsafe(event_loop.remote(), move || async move {
            drop(captured);
            unreachable!("it was cancelled");
        });
        assert!(future.cancel(""));
        event_loop.run_until_complete(yield_now()).unwrap();
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(future.cancelled());
        future.detach();
    });
}

#[test]
fn a_task_that_is_cancelled_over_there_says_so() {
    within(WATCHDOG, || {
        let elsewhere = Elsewhere::new();
        let future = run_coroutine_threadsafe(elsewhere.remote, || async {
            current_task().unwrap().cancel("had enough");
            sleep(Duration::from_secs(3600)).await;
        });
        let error = future.result().unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "had enough");
    });
}

#[test]
fn dropping_it_lets_the_task_run_on() {
    within(WATCHDOG, || {
        let elsewhere = Elsewhere::new();
        let (send, receive) = mpsc::channel();
        run_coroutine_threadsafe(elsewhere.remote, || async move {
            yield_now().await;
            send.send(5).unwrap();
        })
        .detach();
        assert_eq!(receive.recv().unwrap(), 5);
    });
}

#[test]
fn a_loop_that_closes_leaves_nobody_waiting() {
    within(WATCHDOG, || {
        let mut elsewhere = Elsewhere::new();
        let (begun, begin) = mpsc::channel();
        let running = run_coroutine_threadsafe(elsewhere.remote, move || async move {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        begin.recv().unwrap();
        elsewhere.end();
        let error = running.result().unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
        let late = run_coroutine_threadsafe(elsewhere.remote, || async {});
        assert!(matches!(
            late.result(),
            Err(FutureError::Rejected(Rejected::LoopClosed))
        ));
        // Sent, and never begun.
        let event_loop: EventLoop = new_loop();
        let sent = run_coroutine_threadsafe(event_loop.remote(), || async {});
        event_loop.close();
        let error = sent.result().unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
    });
}

#[test]
fn cancel_against_completion() {
    within(WATCHDOG, || {
        let elsewhere = Elsewhere::new();
        for round in 0..300 {
            let future = run_coroutine_threadsafe(elsewhere.remote, move || async move {
                if round % 2 == 0 {
                    yield_now().await;
                }
                round
            });
            if round % 3 == 0 {
                thread::yield_now();
            }
            let cancelled = future.cancel("race");
            match future.result() {
                Ok(value) => assert!(!cancelled && value == round),
                Err(error) => assert!(cancelled && error.cancelled().is_some()),
            }
        }
    });
}

/// The usual round: a job of the loop in a thread, which asks the loop for something.
#[test]
fn a_job_may_ask_its_own_loop() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let remote = get_running_loop().remote();
            let asked = to_thread(move || {
                let answer = run_coroutine_threadsafe(remote, || async {
                    yield_now().await;
                    3
                });
                answer.result().unwrap()
            });
            assert_eq!(asked.await.unwrap(), 3);
            // It gives up, and leaves no task behind.
            let gave_up = to_thread(move || {
                let answer = run_coroutine_threadsafe(remote, || async {
                    sleep(Duration::from_secs(3600)).await;
                });
                let answer = answer.result_timeout(Duration::ZERO).unwrap_err();
                answer.cancel("took too long")
            });
            assert!(gave_up.await.unwrap());
            while all_tasks().len() > 1 {
                yield_now().await;
            }
        })
        .unwrap();
    });
}
