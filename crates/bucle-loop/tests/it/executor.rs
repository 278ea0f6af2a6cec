//! Blocking work, awaited on a loop.

use std::cell::RefCell;
use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bucle_loop::concurrent::{FutureError, Promise, Rejected, ThreadPoolExecutor};
use bucle_loop::sim::SimOptions;
use bucle_loop::{
    EventLoop, FIRST_COMPLETED, FIRST_EXCEPTION, Runner, gather, get_running_loop, sleep, spawn,
    timeout, to_thread, wait, wrap_future, yield_now,
};

use crate::{WATCHDOG, new_loop, within};

fn pool_of(max_workers: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::builder()
        .max_workers(max_workers)
        .build()
        .unwrap()
}

#[test]
fn the_work_is_done_elsewhere_while_the_loop_goes_on() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let (go, wait) = mpsc::channel();
            let here = thread::current().id();
            let ticker = spawn(async move {
                for _ in 0..5 {
                    sleep(Duration::from_millis(1)).await;
                }
                go.send(thread::current().id()).unwrap();
            });
            let (there, sent) = to_thread(move || (thread::current().id(), wait.recv()))
                .await
                .unwrap();
            assert_ne!(there, here);
            assert_eq!(sent.unwrap(), here);
            ticker.await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn many_at_once() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            for _ in 0..20 {
                let jobs = (0..50_u64).map(|n| to_thread(move || n * n));
                let results = gather(jobs).await.unwrap();
                let results: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
                assert_eq!(results, (0..50).map(|n| n * n).collect::<Vec<_>>());
            }
        })
        .unwrap();
    });
}

#[test]
fn to_thread_waits_to_be_awaited_and_run_in_executor_does_not() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let ran = Arc::new(AtomicUsize::new(0));
            let count = || {
                let ran = ran.clone();
                move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                }
            };
            let lazy = to_thread(count());
            let eager = get_running_loop().run_in_executor(None, count());
            let handle = eager.handle().unwrap();
            while !handle.done() {
                yield_now().await;
            }
            eager.await.unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), 1);
            lazy.await.unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), 2);
        })
        .unwrap();
    });
}

#[test]
fn a_panic_is_the_error_of_the_await() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let line = line!() + 1;
            let error = to_thread(|| panic!("too hot")).await.unwrap_err();
            let panic = error.panicked().unwrap();
            assert_eq!(panic.message(), "too hot");
            assert_eq!(panic.location().line(), line);
            assert_eq!(panic.thread(), Some("bucle_0"));
        })
        .unwrap();
    });
}

#[test]
fn an_executor_of_ones_own() {
    within(WATCHDOG, || {
        let pool = ThreadPoolExecutor::builder()
            .max_workers(1)
            .thread_name_prefix("resolve")
            .build()
            .unwrap();
        bucle_loop::run(async move {
            let name = get_running_loop()
                .run_in_executor(Some(&pool), || thread::current().name().map(String::from));
            assert_eq!(name.await.unwrap().as_deref(), Some("resolve_0"));
        })
        .unwrap();
    });
}

#[test]
fn dropping_the_await_cancels_what_has_not_begun() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let pool = pool_of(1);
            let (free, blocked) = mpsc::channel::<()>();
            let busy = pool.submit(move || blocked.recv().is_err());
            let held = Arc::new(());
            let captured = held.clone();
            let waiting = get_running_loop().run_in_executor(Some(&pool), move || drop(captured));
            let handle = waiting.handle().unwrap();
            assert!(timeout(Duration::from_millis(1), waiting).await.is_err());
            let why = handle.cancellation().unwrap();
            assert_eq!(why.reason(), "the await of it was dropped");
            assert_eq!(Arc::strong_count(&held), 1);
            drop(free);
            assert!(wrap_future(busy).await.unwrap());
        })
        .unwrap();
    });
}

#[test]
fn dropping_the_await_leaves_what_has_begun_alone() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let (begun, begin) = mpsc::channel();
            let (go, wait) = mpsc::channel::<()>();
            let ended = Arc::new(AtomicBool::new(false));
            let held = Arc::new(());
            let (flag, result) = (ended.clone(), held.clone());
            let job = spawn(to_thread(move || {
                begun.send(()).unwrap();
                let _ = wait.recv();
                flag.store(true, Ordering::Release);
                result
            }));
            while begin.try_recv().is_err() {
                yield_now().await;
            }
            job.cancel("enough");
            assert!(job.await.unwrap_err().cancelled().is_some());
            drop(go);
            while !ended.load(Ordering::Acquire) || Arc::strong_count(&held) > 1 {
                yield_now().await;
            }
        })
        .unwrap();
    });
}

#[test]
fn dropping_the_await_of_what_is_done_changes_nothing() {
    let (promise, future) = Promise::<u32>::new();
    let wrapped = wrap_future(future);
    let handle = wrapped.handle().unwrap();
    promise.set_result(42).unwrap();
    drop(wrapped);
    assert!(handle.done() && !handle.cancelled());
    // What is only promised can be cancelled too.
    let (promise, future) = Promise::<u32>::new();
    drop(wrap_future(future));
    assert!(promise.handle().cancelled());
}

#[test]
fn a_job_can_be_let_go() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let pool = pool_of(1);
            let (free, blocked) = mpsc::channel::<()>();
            let busy = pool.submit(move || blocked.recv().is_err());
            let ran = Arc::new(AtomicUsize::new(0));
            let event_loop = get_running_loop();
            for way in 0..2 {
                let ran = ran.clone();
                let job = event_loop.run_in_executor(Some(&pool), move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                });
                match way {
                    0 => job.detach(),
                    _ => drop(job.into_concurrent()),
                }
            }
            drop(free);
            assert!(busy.await.unwrap());
            drop(pool);
            assert_eq!(ran.load(Ordering::Relaxed), 2);
        })
        .unwrap();
    });
}

#[test]
fn an_await_that_changes_hands_wakes_the_last_one() {
    within(WATCHDOG, || {
        let (promise, future) = Promise::<u32>::new();
        let mut wrapped = pin!(wrap_future(future));
        // Somebody else polls it first.
        let mut other = Context::from_waker(Waker::noop());
        assert!(wrapped.as_mut().poll(&mut other).is_pending());
        let event_loop = new_loop();
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            receive.recv().unwrap();
            promise.set_result(5).unwrap();
        });
        let (inner, future) = Promise::<u32>::new();
        drop(inner);
        let mut moved = wrap_future(future);
        std::mem::swap(&mut *wrapped, &mut moved);
        let value = event_loop.run_until_complete(async move {
            let mut moved = moved;
            let first = std::future::poll_fn(|cx| Poll::Ready(pin!(&mut moved).poll(cx))).await;
            assert!(first.is_pending());
            send.send(()).unwrap();
            moved.await
        });
        assert_eq!(value.unwrap().unwrap(), 5);
        thread.join().unwrap();
    });
}

#[test]
fn the_default_executor_can_be_set() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let shared = Arc::new(
            ThreadPoolExecutor::builder()
                .thread_name_prefix("mine")
                .build()
                .unwrap(),
        );
        event_loop.set_default_executor(shared.clone());
        let name = event_loop
            .run_until_complete(to_thread(|| thread::current().name().map(String::from)))
            .unwrap();
        assert_eq!(name.unwrap().as_deref(), Some("mine_0"));
        // By value, in place of the other.
        event_loop.set_default_executor(pool_of(1));
        event_loop.close();
        // What others hold too is theirs.
        assert!(shared.submit(|| ()).result().is_ok());
    });
}

#[test]
fn shutting_the_default_executor_down_waits_for_its_jobs() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let event_loop = get_running_loop();
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..20 {
                let ran = ran.clone();
                let work = move || {
                    thread::sleep(Duration::from_micros(300));
                    ran.fetch_add(1, Ordering::Relaxed);
                };
                event_loop.run_in_executor(None, work).detach();
            }
            event_loop.shutdown_default_executor(None).await.unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), 20);
            let error = to_thread(|| ()).await.unwrap_err();
            assert!(matches!(error, FutureError::Rejected(Rejected::Shutdown)));
            // Once more does nothing.
            event_loop.shutdown_default_executor(None).await.unwrap();
            event_loop.set_default_executor(pool_of(1));
            assert_eq!(to_thread(|| 5).await.unwrap(), 5);
        })
        .unwrap();
    });
}

#[test]
fn shutting_the_default_executor_down_has_a_limit() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let event_loop = get_running_loop();
            let (go, wait) = mpsc::channel::<()>();
            let job = event_loop.run_in_executor(None, move || wait.recv().is_err());
            let limit = Some(Duration::from_millis(5));
            assert!(event_loop.shutdown_default_executor(limit).await.is_err());
            drop(go);
            assert!(job.await.unwrap());
        })
        .unwrap();
    });
}

#[test]
fn run_waits_for_the_jobs_that_were_let_go() {
    within(WATCHDOG, || {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        bucle_loop::run(async move {
            let (begun, begin) = mpsc::channel();
            let event_loop = get_running_loop();
            let running = event_loop.run_in_executor(None, move || {
                begun.send(()).unwrap();
                thread::sleep(Duration::from_millis(10));
                count.fetch_add(1, Ordering::Relaxed);
            });
            begin.recv().unwrap();
            drop(running);
        })
        .unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_runner_waits_for_the_jobs_at_its_end() {
    for close in [true, false] {
        within(WATCHDOG, move || {
            let ended = Arc::new(AtomicBool::new(false));
            let runner = Runner::new().unwrap();
            let (begun, wait) = mpsc::channel();
            let job = ended.clone();
            runner
                .run(async move {
                    let job = get_running_loop().run_in_executor(None, move || {
                        begun.send(()).unwrap();
                        thread::sleep(Duration::from_millis(20));
                        job.store(true, Ordering::SeqCst);
                    });
                    job.detach();
                })
                .unwrap();
            wait.recv().unwrap();
            // Between two runs nothing is waited for: the pool is still there.
            let sum = runner.run(async { to_thread(|| 1 + 1).await.unwrap() });
            assert_eq!(sum.unwrap(), 2);
            match close {
                true => runner.close(),
                false => drop(runner),
            }
            assert!(ended.load(Ordering::SeqCst));
        });
    }
}

#[test]
fn jobs_are_gathered_and_waited_for_like_anything_else() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let pool = pool_of(3);
            let jobs = (1..=3).map(|n| wrap_future(pool.submit(move || n * n)));
            let squares = gather(jobs).await.unwrap();
            let squares: Vec<i32> = squares.into_iter().map(Result::unwrap).collect();
            assert_eq!(squares, [1, 4, 9]);

            let (go, wait_for_it) = mpsc::channel::<()>();
            let event_loop = get_running_loop();
            let slow = event_loop.run_in_executor(Some(&pool), move || {
                let _ = wait_for_it.recv();
                1
            });
            let quick = event_loop.run_in_executor(Some(&pool), || 2);
            let first = wait([slow, quick]).return_when(FIRST_COMPLETED).await;
            let (mut done, pending) = first;
            assert_eq!((done.len(), pending.len()), (1, 1));
            assert_eq!(done.pop().unwrap().await.unwrap(), 2, "the result stayed");
            go.send(()).unwrap();
            let (done, _) = wait(pending).await;
            for job in done {
                assert_eq!(job.await.unwrap(), 1);
            }

            // As they are, too; a panic is an exception.
            let futures = vec![pool.submit(|| panic!("too hot")), pool.submit(|| ())];
            let (done, _) = wait(futures).return_when(FIRST_EXCEPTION).await;
            let failed = done.into_iter().map(|mut job| job.exception());
            assert_eq!(failed.flatten().count(), 1);
        })
        .unwrap();
    });
}

#[test]
fn closing_the_loop_waits_for_nothing() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        let job = event_loop.run_in_executor(None, move || {
            begun.send(()).unwrap();
            let _ = wait.recv();
            ended.send(()).unwrap();
        });
        begin.recv().unwrap();
        let late = event_loop.clone();
        event_loop.close();
        assert!(end.try_recv().is_err());
        let refused = late.run_in_executor(None, || ());
        assert!(matches!(
            refused.into_concurrent().result(),
            Err(FutureError::Rejected(Rejected::LoopClosed))
        ));
        drop(go);
        end.recv().unwrap();
        // Its result can be had without the loop.
        job.into_concurrent().result().unwrap();
    });
}

#[test]
fn closing_the_loop_cancels_what_has_not_begun() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        event_loop.set_default_executor(pool_of(1));
        let (go, wait) = mpsc::channel::<()>();
        let (begun, begin) = mpsc::channel();
        let work = move || {
            begun.send(()).unwrap();
            let _ = wait.recv();
        };
        event_loop.run_in_executor(None, work).detach();
        begin.recv().unwrap();
        let held = Arc::new(());
        let captured = held.clone();
        event_loop.spawn(to_thread(move || drop(captured))).detach();
        let captured = held.clone();
        let job = event_loop.run_in_executor(None, move || drop(captured));
        event_loop.turn_once();
        event_loop.close();
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(job.handle().unwrap().cancelled());
        drop(go);
    });
}

trait TurnOnce {
    fn turn_once(&self);
}

impl TurnOnce for EventLoop {
    /// One turn with the loop running, so that tasks find it.
    fn turn_once(&self) {
        self.run_until_complete(yield_now()).unwrap();
    }
}

/// A loop that only its jobs can wake.
#[test]
fn a_sleeping_loop_is_woken() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            for _ in 0..300 {
                to_thread(|| ()).await.unwrap();
            }
        })
        .unwrap();
    });
}

fn simulated<T: 'static>(options: SimOptions, body: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::builder().simulated(options).build().unwrap();
    event_loop.run_until_complete(body).unwrap()
}

/// Jobs and sleeping tasks, and the order in which they ended.
async fn a_race() -> Vec<u32> {
    let order = Rc::new(RefCell::new(Vec::new()));
    let racers: Vec<_> = (0..12)
        .map(|number| {
            let order = order.clone();
            spawn(async move {
                if number % 3 == 0 {
                    sleep(Duration::from_micros(500)).await;
                } else {
                    let here = thread::current().id();
                    assert_eq!(to_thread(|| thread::current().id()).await.unwrap(), here);
                }
                order.borrow_mut().push(number);
            })
        })
        .collect();
    for racer in racers {
        racer.await.unwrap();
    }
    order.take()
}

#[test]
fn simulated_jobs_run_on_the_loop_in_an_order_that_the_seed_decides() {
    within(WATCHDOG, || {
        let run = |seed| simulated(SimOptions::seeded(seed), a_race());
        let orders: HashSet<Vec<u32>> = (0..20).map(run).collect();
        assert!(orders.len() > 10, "{} orders", orders.len());
        for seed in 0..20 {
            assert_eq!(run(seed), run(seed));
        }
        // What jobs draw changes nothing for the program, and the other way round.
        let draws = |jobs: bool| {
            simulated(SimOptions::seeded(1), async move {
                if jobs {
                    a_race().await;
                }
                get_running_loop().random_u64()
            })
        };
        assert_eq!(draws(true), draws(false));
    });
}

#[test]
fn simulated_jobs_take_virtual_time_and_no_threads() {
    within(WATCHDOG, || {
        let pool = pool_of(1);
        let hour = Duration::from_secs(3600);
        let options = SimOptions {
            job_latency: hour..=hour,
            ..SimOptions::default()
        };
        let took = simulated(options, async move {
            let event_loop = get_running_loop();
            let begun = event_loop.time();
            // Whichever executor is given.
            let named = event_loop.run_in_executor(Some(&pool), || 1);
            assert_eq!(to_thread(|| 2).await.unwrap() + named.await.unwrap(), 3);
            assert_eq!(pool.threads(), 0);
            event_loop.time() - begun
        });
        assert_eq!(took, hour);
    });
}

#[test]
fn simulated_jobs_are_jobs() {
    within(WATCHDOG, || {
        simulated(SimOptions::calm(), async {
            let event_loop = get_running_loop();
            let error = to_thread(|| -> u32 { panic!("too hot") })
                .await
                .unwrap_err();
            assert_eq!(error.panicked().unwrap().message(), "too hot");
            let held = Arc::new(());
            let captured = held.clone();
            let job = event_loop.run_in_executor(None, move || drop(captured));
            drop(job);
            assert_eq!(Arc::strong_count(&held), 1, "cancelled before it began");
            let ran = Arc::new(AtomicBool::new(false));
            let flag = ran.clone();
            let work = move || flag.store(true, Ordering::Relaxed);
            event_loop.run_in_executor(None, work).detach();
            event_loop.shutdown_default_executor(None).await.unwrap();
            assert!(ran.load(Ordering::Relaxed), "the shutdown waited for it");
            let error = to_thread(|| ()).await.unwrap_err();
            assert!(matches!(error, FutureError::Rejected(Rejected::Shutdown)));
        });
        // A job that went with its loop.
        let builder = EventLoop::builder().simulated(SimOptions::default());
        let event_loop = builder.build().unwrap();
        let job = event_loop.run_in_executor(None, || ()).into_concurrent();
        event_loop.close();
        assert!(job.result().unwrap_err().cancelled().is_some());
    });
}
