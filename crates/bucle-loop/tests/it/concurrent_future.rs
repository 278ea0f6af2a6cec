//! The two ends of a concurrent future.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bucle_loop::concurrent::{Future, FutureError, FutureHandle, Promise};

use crate::{WATCHDOG, within};

type Pair = (Promise<u32, String>, Future<u32, String>);

/// Futures in every state, by name.
fn in_every_state() -> Vec<(&'static str, Pair)> {
    let running = Promise::new();
    assert!(running.0.set_running_or_notify_cancel());
    let cancelled: Pair = Promise::new();
    assert!(cancelled.1.cancel("not needed"));
    let noticed: Pair = Promise::new();
    assert!(noticed.1.cancel("not needed"));
    assert!(!noticed.0.set_running_or_notify_cancel());
    let failed = Promise::new();
    failed.0.set_exception("out of paper".to_string()).unwrap();
    let finished = Promise::new();
    finished.0.set_result(42).unwrap();
    vec![
        ("pending", Promise::new()),
        ("running", running),
        ("cancelled", cancelled),
        ("cancelled and noticed", noticed),
        ("failed", failed),
        ("finished", finished),
    ]
}

#[test]
fn it_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Future<Cell<u32>, Cell<u32>>>();
    check::<Promise<Cell<u32>, Cell<u32>>>();
    check::<FutureHandle>();
    check::<FutureError<String>>();
}

#[test]
fn what_is_said_of_each_state() {
    let said: Vec<_> = in_every_state()
        .into_iter()
        .map(|(name, (_promise, future))| {
            let handle = future.handle();
            assert_eq!(handle.done(), future.done());
            assert_eq!(handle.cancelled(), future.cancelled());
            assert_eq!(handle.running(), future.running());
            (name, future.cancelled(), future.running(), future.done())
        })
        .collect();
    assert_eq!(
        said,
        [
            ("pending", false, false, false),
            ("running", false, true, false),
            ("cancelled", true, false, true),
            ("cancelled and noticed", true, false, true),
            ("failed", false, false, true),
            ("finished", false, false, true),
        ]
    );
}

#[test]
fn only_what_is_pending_can_be_cancelled() {
    let cancelled: Vec<_> = in_every_state()
        .into_iter()
        .map(|(name, (promise, future))| {
            let said = future.cancel("too late");
            let set = promise.set_result(7).is_ok();
            (name, said, set)
        })
        .collect();
    assert_eq!(
        cancelled,
        [
            ("pending", true, false),
            ("running", false, true),
            ("cancelled", true, false),
            ("cancelled and noticed", true, false),
            ("failed", false, false),
            ("finished", false, false),
        ]
    );
}

#[test]
fn a_result_in_no_time() {
    for (name, (_promise, future)) in in_every_state() {
        match (name, future.result_timeout(Duration::ZERO)) {
            ("pending" | "running", Err(future)) => assert!(!future.done()),
            ("cancelled" | "cancelled and noticed", Ok(Err(FutureError::Cancelled(why)))) => {
                // The first reason stays.
                assert_eq!(why.reason(), "not needed");
            }
            ("failed", Ok(Err(FutureError::Exception(error)))) => assert_eq!(error, "out of paper"),
            ("finished", Ok(Ok(42))) => {}
            (name, other) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn an_exception_is_a_copy() {
    for (name, (_promise, mut future)) in in_every_state() {
        if !future.done() {
            continue;
        }
        let told = future.exception().map(|error| error.to_string());
        assert_eq!(
            told.as_deref(),
            match name {
                "finished" => None,
                "failed" => Some("out of paper"),
                _ => Some("cancelled: not needed"),
            }
        );
        // The result is still there.
        assert_eq!(future.result().is_ok(), name == "finished");
    }
}

#[test]
fn a_second_set_gives_back_what_it_was_given() {
    let (promise, future) = Promise::<u32, String>::new();
    promise.set_result(1).unwrap();
    let again = promise.set_result(2).unwrap_err();
    assert_eq!(again.0, 2);
    assert!(again.to_string().contains("only once"), "{again}");
    assert_eq!(promise.set_exception("no".into()).unwrap_err().0, "no");
    assert_eq!(future.result().unwrap(), 1);

    let (promise, future) = Promise::<u32, String>::new();
    promise.set_exception("no".into()).unwrap();
    assert!(promise.set_exception("never".into()).is_err());
    assert!(matches!(future.result(), Err(FutureError::Exception(error)) if error == "no"));
}

#[test]
fn a_promise_that_is_dropped_leaves_nobody_waiting() {
    within(WATCHDOG, || {
        let (promise, future) = Promise::<u32>::new();
        let waiter = thread::spawn(move || future.result());
        drop(promise);
        let error = waiter.join().unwrap().unwrap_err();
        assert!(matches!(error, FutureError::Abandoned));
        assert!(error.to_string().contains("dropped unset"), "{error}");
    });
}

/// What the waiter waits in is not known; each of these has it blocked, or just about to be.
#[test]
fn a_thread_that_blocks_is_woken() {
    within(WATCHDOG, || {
        for round in 0..60 {
            let (promise, mut future) = Promise::<u32, String>::new();
            let handle = future.handle();
            let waiter = thread::spawn(move || match round % 3 {
                0 => future.result().map_err(|error| error.to_string()),
                1 => future
                    .result_timeout(WATCHDOG)
                    .unwrap()
                    .map_err(|e| e.to_string()),
                _ => Err(future.exception().unwrap().to_string()),
            });
            if round % 2 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            match round % 4 {
                0 if round % 3 != 2 => promise.set_result(5).unwrap(),
                1 => drop(promise),
                2 => assert!(handle.cancel("enough")),
                _ => promise.set_exception("bad".into()).unwrap(),
            }
            let _ = waiter.join().unwrap();
        }
    });
}

#[test]
fn callbacks_run_in_order_in_the_thread_that_completes() {
    type End = fn(&Promise<u32, String>, &FutureHandle);
    let ends: [End; 3] = [
        |promise, _| promise.set_result(5).unwrap(),
        |promise, _| promise.set_exception("no".into()).unwrap(),
        |_, handle| assert!(handle.cancel("")),
    ];
    for end in ends {
        let (promise, future) = Promise::<u32, String>::new();
        let handle = future.handle();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let seen = seen.clone();
            future.add_done_callback(move |future| {
                assert!(future.done() && !future.running());
                seen.lock().unwrap().push((number, thread::current().id()));
            });
        }
        let completer = thread::spawn(move || {
            end(&promise, &handle);
            thread::current().id()
        });
        let id = completer.join().unwrap();
        assert_eq!(*seen.lock().unwrap(), [(0, id), (1, id), (2, id)]);
        // Late, it's called here and now.
        let here = thread::current().id();
        let late = seen.clone();
        future.add_done_callback(move |_| {
            late.lock().unwrap().push((3, thread::current().id()));
        });
        assert_eq!(seen.lock().unwrap()[3], (3, here));
    }
}

#[test]
fn a_callback_that_panics_stops_no_other() {
    let (promise, future) = Promise::<u32>::new();
    let called = Arc::new(AtomicUsize::new(0));
    let count = |called: &Arc<AtomicUsize>| {
        let called = called.clone();
        move |_: &FutureHandle| {
            called.fetch_add(1, Ordering::Relaxed);
        }
    };
    future.add_done_callback(count(&called));
    future.add_done_callback(|_| panic!("in a callback, on purpose"));
    future.add_done_callback(count(&called));
    promise.set_result(5).unwrap();
    future.add_done_callback(|_| panic!("in a late callback, on purpose"));
    assert_eq!(called.load(Ordering::Relaxed), 2);
    assert_eq!(future.result().unwrap(), 5);
}

#[test]
fn a_callback_may_use_the_future() {
    let (promise, future) = Promise::<u32>::new();
    let added = Arc::new(AtomicBool::new(false));
    let flag = added.clone();
    future.add_done_callback(move |future| {
        assert!(!future.cancel("late"));
        let flag = flag.clone();
        future.add_done_callback(move |_| flag.store(true, Ordering::Relaxed));
    });
    promise.set_result(5).unwrap();
    assert!(added.load(Ordering::Relaxed));
}

#[test]
fn when_done_gives_the_result_away() {
    let (send, receive) = mpsc::channel();
    let (promise, future) = Promise::<Box<u32>>::new();
    let sender = send.clone();
    future.when_done(move |result| sender.send(result.map(|value| *value)).unwrap());
    promise.set_result(Box::new(5)).unwrap();
    assert_eq!(receive.recv().unwrap().unwrap(), 5);
    let (promise, future) = Promise::<u32>::new();
    drop(promise);
    future.when_done(move |result| send.send(result).unwrap());
    assert!(matches!(
        receive.recv().unwrap(),
        Err(FutureError::Abandoned)
    ));
}

#[test]
fn a_result_nobody_wants_is_dropped_when_it_comes() {
    let held = Arc::new(());
    let (promise, future) = Promise::<Arc<()>>::new();
    let handle = future.handle();
    future.detach();
    promise.set_result(held.clone()).unwrap();
    assert_eq!(Arc::strong_count(&held), 1, "neither end keeps it");
    assert!(handle.done() && !handle.cancelled());
    // The other way round.
    let (promise, future) = Promise::<Arc<()>>::new();
    promise.set_result(held.clone()).unwrap();
    drop(future);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn try_result_takes() {
    let (promise, mut future) = Promise::<u32>::new();
    assert!(future.try_result().is_none());
    promise.set_result(5).unwrap();
    assert_eq!(future.try_result().unwrap().unwrap(), 5);
    assert!(future.try_result().is_none() && future.done());
}

#[test]
fn debug_tells_the_state() {
    let told: Vec<String> = in_every_state()
        .iter()
        .map(|(_, (promise, future))| {
            assert!(format!("{promise:?}").starts_with("Promise"));
            assert!(format!("{:?}", future.handle()).starts_with("FutureHandle"));
            format!("{future:?}")
        })
        .collect();
    assert_eq!(
        told,
        [
            "Future { state: pending }",
            "Future { state: running }",
            "Future { state: cancelled }",
            "Future { state: cancelled }",
            "Future { state: finished }",
            "Future { state: finished }",
        ]
    );
}

#[test]
fn the_cancellation_says_who_and_why() {
    within(WATCHDOG, || {
        let (_promise, future) = Promise::<u32>::new();
        let handle = future.handle();
        assert!(handle.cancellation().is_none());
        bucle_loop::run(async move {
            bucle_loop::spawn_named("janitor", async move { future.cancel("closing time") })
                .await
                .unwrap();
        })
        .unwrap();
        let why = handle.cancellation().unwrap();
        assert_eq!(why.to_string(), "cancelled by task janitor: closing time");
    });
}

#[test]
fn set_against_cancel_one_wins() {
    within(WATCHDOG, || {
        for _ in 0..500 {
            let (promise, future) = Promise::<u32>::new();
            let handle = future.handle();
            let setter = thread::spawn(move || promise.set_result(1).is_ok());
            let cancelled = handle.cancel("race");
            let set = setter.join().unwrap();
            assert!(set != cancelled);
            assert_eq!(future.result().is_ok(), set);
        }
    });
}

#[test]
fn it_can_be_awaited_anywhere() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            for round in 0..100 {
                let (promise, future) = Promise::<u32>::new();
                let thread = thread::spawn(move || {
                    if round % 2 == 0 {
                        thread::yield_now();
                    }
                    promise.set_result(round).unwrap();
                });
                assert_eq!(future.await.unwrap(), round);
                thread.join().unwrap();
            }
        })
        .unwrap();
    });
}
