//! The settable `Future`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, Future, FutureError, get_running_loop, spawn, timeout, yield_now};

use crate::{Log, WATCHDOG, drive, told, turns, within};

#[test]
fn many_wait_and_all_get_it() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let future: Future<String> = Future::new();
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    let future = future.clone();
                    spawn(future)
                })
                .collect();
            yield_now().await;
            assert!(!future.done() && future.result().is_none());
            future.set_result("done".into()).unwrap();
            assert_eq!(
                future.set_result("again".into()).unwrap_err().0,
                "again",
                "what could not be set comes back"
            );
            for waiter in waiters {
                assert_eq!(waiter.await.unwrap().unwrap(), "done");
            }
            assert_eq!(future.await.unwrap(), "done");
        })
        .unwrap();
    });
}

#[test]
fn exceptions_and_cancellations_reach_who_waits() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let failed: Future<u8, &str> = Future::new();
            failed.set_exception("broken").unwrap();
            assert!(failed.set_result(1).is_err());
            assert_eq!(failed.await, Err(FutureError::Exception("broken")));

            let cancelled: Future<u8> = Future::new();
            let waiter = spawn(cancelled.clone());
            yield_now().await;
            assert!(cancelled.cancel("not needed"));
            assert!(!cancelled.cancel("again"));
            assert!(cancelled.cancelled());
            match waiter.await.unwrap() {
                Err(FutureError::Cancelled(why)) => assert_eq!(why.reason(), "not needed"),
                other => panic!("{other:?}"),
            }
        })
        .unwrap();
    });
}

#[test]
fn done_callbacks_run_by_the_loop_in_order() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let log = Rc::new(RefCell::new(Vec::new()));
            let future: Future<u8> = Future::new();
            for n in 0..3 {
                let log = log.clone();
                future.add_done_callback(move |future| {
                    log.borrow_mut()
                        .push((n, future.result().unwrap().unwrap()));
                });
            }
            future.set_result(7).unwrap();
            assert!(log.borrow().is_empty(), "not before the next turn");
            let last = log.clone();
            future.add_done_callback(move |_| last.borrow_mut().push((9, 9)));
            yield_now().await;
            yield_now().await;
            assert_eq!(*log.borrow(), [(0, 7), (1, 7), (2, 7), (9, 9)]);
        })
        .unwrap();
    });
}

#[test]
fn a_waiter_that_gave_up_holds_no_waker() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let future: Future<u8> = Future::new();
            for _ in 0..10 {
                let wait = future.clone();
                let _ = bucle_loop::timeout(std::time::Duration::from_micros(10), wait).await;
            }
            future.set_result(1).unwrap();
            assert_eq!(future.await, Ok(1));
        })
        .unwrap();
    });
}

#[test]
fn it_begins_empty_and_ends_once() {
    drive(|| async {
        let future: Future<u8, &str> = Future::new();
        assert!(!future.done() && !future.cancelled());
        assert!(future.result().is_none() && future.exception().is_none());
        assert!(future.cancel("for good"));
        assert!(future.done() && future.cancelled());
        assert!(future.set_result(1).is_err() && future.set_exception("no").is_err());
        assert!(!future.cancel("again"));
        let Some(FutureError::Cancelled(why)) = future.exception() else {
            panic!("no cancellation")
        };
        assert_eq!(why.reason(), "for good");
        assert!(why.by().is_some() && why.asked_at().is_some());

        let future: Future<u8, &str> = Future::new();
        future.set_result(42).unwrap();
        assert_eq!(future.result(), Some(Ok(42)));
        assert_eq!(future.exception(), None);
        assert!(!future.cancelled() && !future.cancel("too late"));
        assert_eq!(future.set_exception("too late").unwrap_err().0, "too late");

        let future: Future<u8, &str> = Future::new();
        future.set_exception("broken").unwrap();
        assert_eq!(future.result(), Some(Err(FutureError::Exception("broken"))));
        assert_eq!(future.exception(), Some(FutureError::Exception("broken")));
        assert!(!future.cancelled() && !future.cancel("too late"));
    });
}

#[test]
#[should_panic(expected = "no event loop is running in this thread")]
fn without_a_loop_it_says_what_to_do() {
    drop(Future::<u8>::new());
}

#[test]
fn it_belongs_to_the_loop_it_was_made_on() {
    within(WATCHDOG, || {
        let event_loop = EventLoop::new().unwrap();
        let future: Future<u8> = Future::on(&event_loop);
        let set = future.clone();
        event_loop.call_soon(move || set.set_result(5).unwrap());
        let got = event_loop.run_until_complete(future.clone()).unwrap();
        assert_eq!(got, Ok(5));
        assert!(!future.get_loop().is_closed());
        let here = event_loop
            .run_until_complete(async { Some(Future::<u8>::new()) })
            .unwrap()
            .unwrap();
        drop(event_loop);
        assert!(here.get_loop().is_closed());
    });
}

#[test]
fn awaiting_twice_gives_it_twice() {
    drive(|| async {
        let future: Future<u8> = Future::new();
        let mut awaited = future.clone();
        let set = future.clone();
        get_running_loop().call_soon(move || set.set_result(1).unwrap());
        assert_eq!((&mut awaited).await, Ok(1));
        assert_eq!((&mut awaited).await, Ok(1));
    });
}

#[test]
fn its_state_can_be_printed() {
    drive(|| async {
        let future: Future<u8, u8> = Future::new();
        let line = line!() - 1;
        let told = format!("{future:?}");
        assert!(told.contains("pending") && told.contains(&format!("settable.rs:{line}:")));
        future.set_result(1).unwrap();
        assert!(format!("{future:?}").contains("finished"));
        let future: Future<u8, u8> = Future::new();
        future.cancel("");
        assert!(format!("{future:?}").contains("cancelled"));
        let future: Future<u8, u8> = Future::new();
        future.set_exception(1).unwrap();
        assert!(format!("{future:?}").contains("failed"));
        assert!(future.exception().is_some());
    });
}

#[test]
fn done_callbacks_can_be_taken_back() {
    drive(|| async {
        let log = Log::<u32>::default();
        let future: Future<&str> = Future::new();
        let add = |n| {
            let log = log.clone();
            future.add_done_callback(move |_| log.borrow_mut().push(n))
        };
        let (first, _second, third) = (add(42), add(17), add(100));
        assert!(future.remove_done_callback(first));
        assert!(!future.remove_done_callback(first), "once is all");
        assert!(future.remove_done_callback(third));
        let _fourth = add(5);
        future.set_result("foo").unwrap();
        assert!(!future.remove_done_callback(_second), "on its way");
        turns(2).await;
        assert_eq!(*log.borrow(), [17, 5]);
    });
}

#[test]
fn a_callback_may_add_remove_and_drop() {
    drive(|| async {
        let log = Log::<&str>::default();
        let future: Future<u8> = Future::new();
        let (inside, outer) = (log.clone(), log.clone());
        struct Last(Option<Future<u8>>, Log<&'static str>);
        impl Drop for Last {
            fn drop(&mut self) {
                let future = self.0.take().unwrap();
                assert!(future.done());
                self.1.borrow_mut().push("dropped");
            }
        }
        let last = Last(Some(future.clone()), log.clone());
        future.add_done_callback(move |future| {
            let _last = last;
            let again = inside.clone();
            future.add_done_callback(move |_| again.borrow_mut().push("added"));
            inside.borrow_mut().push("first");
        });
        future.add_done_callback(move |_| outer.borrow_mut().push("second"));
        future.set_result(1).unwrap();
        turns(4).await;
        assert_eq!(*log.borrow(), ["first", "dropped", "second", "added"]);
    });
}

#[test]
fn callbacks_run_also_when_nobody_holds_the_future_any_more() {
    drive(|| async {
        let log = Log::<u8>::default();
        let future: Future<u8> = Future::new();
        let to = log.clone();
        future.add_done_callback(move |future| {
            to.borrow_mut().push(future.result().unwrap().unwrap());
        });
        future.set_result(9).unwrap();
        drop(future);
        turns(2).await;
        assert_eq!(*log.borrow(), [9]);
        // And one that is never set keeps nothing alive.
        let held = Rc::new(());
        let keep = held.clone();
        let future: Future<u8> = Future::new();
        future.add_done_callback(move |_| drop(keep));
        drop(future);
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn an_exception_nobody_looked_at_is_told_of_once_with_its_place() {
    drive(|| async {
        let told = told();
        let future: Future<u8, String> = Future::new();
        let line = line!() - 1;
        let clone = future.clone();
        future.set_exception("boom".into()).unwrap();
        drop(future);
        assert!(told.borrow().is_empty(), "a clone may still look");
        drop(clone);
        let told = told.borrow();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("never looked at: \"boom\""), "{told:?}");
        assert!(
            told[0].contains(&format!("settable.rs:{line}:")),
            "{told:?}"
        );
    });
}

#[test]
fn what_was_looked_at_or_is_no_exception_is_not_told_of() {
    drive(|| async {
        let told = told();
        drop(Future::<u8, u8>::new());
        let value: Future<u8, u8> = Future::new();
        value.set_result(1).unwrap();
        drop(value);
        let cancelled: Future<u8, u8> = Future::new();
        cancelled.cancel("no exception");
        drop(cancelled);
        let make = || {
            let future: Future<u8, u8> = Future::new();
            future.set_exception(1).unwrap();
            future
        };
        assert!(make().exception().is_some());
        assert!(make().result().is_some());
        assert!(make().await.is_err());
        let waiter = spawn(make());
        assert!(waiter.await.unwrap().is_err());
        assert!(told.borrow().is_empty(), "{:?}", told.borrow());
    });
}

#[test]
fn dropping_an_await_leaves_the_future() {
    drive(|| async {
        let future: Future<u8> = Future::new();
        assert!(timeout(Duration::ZERO, future.clone()).await.is_err());
        assert!(!future.done());
        future.set_result(3).unwrap();
        assert_eq!(future.await, Ok(3));
    });
}
