//! The settable `Future`.

use std::cell::RefCell;
use std::rc::Rc;

use bucle_loop::{Future, FutureError, spawn, yield_now};

use crate::{WATCHDOG, within};

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
