//! `gather`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{gather, sleep, yield_now};

use crate::{WATCHDOG, new_loop, within};

#[test]
fn results_come_in_the_order_given() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let all = gather([3u64, 1, 2].map(|ms| async move {
                sleep(Duration::from_millis(ms * 3)).await;
                ms
            }))
            .await;
            assert_eq!(all.unwrap(), [3, 1, 2]);
            let none: [std::future::Ready<u8>; 0] = [];
            assert_eq!(gather(none).await.unwrap(), [] as [u8; 0]);
        })
        .unwrap();
    });
}

#[test]
fn the_first_failure_ends_it_and_the_others_go_on() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let went_on = Rc::new(Cell::new(false));
            let flag = went_on.clone();
            let all = gather([0, 1].map(|n| {
                let flag = flag.clone();
                async move {
                    if n == 0 {
                        sleep(Duration::from_millis(5)).await;
                        flag.set(true);
                    } else {
                        panic!("number {n} fails");
                    }
                }
            }))
            .await;
            let error = all.unwrap_err();
            assert_eq!(error.panicked().unwrap().message(), "number 1 fails");
            assert!(!went_on.get());
            sleep(Duration::from_millis(30)).await;
            assert!(went_on.get());
        })
        .unwrap();
    });
}

#[test]
fn return_exceptions_waits_for_all() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let all = gather((0..4).map(|n| async move {
                for _ in 0..n {
                    yield_now().await;
                }
                assert!(n != 1, "not one");
                n
            }))
            .return_exceptions()
            .await;
            assert_eq!(all.len(), 4);
            assert!(all[1].is_err());
            assert_eq!(*all[3].as_ref().unwrap(), 3);
        })
        .unwrap();
    });
}

#[test]
fn dropping_it_cancels_the_children() {
    within(WATCHDOG, || {
        let event_loop = new_loop();
        let held = Rc::new(());
        let inner = held.clone();
        event_loop
            .run_until_complete(async move {
                let all = gather((0..3).map(|_| {
                    let held = inner.clone();
                    async move {
                        std::future::pending::<()>().await;
                        drop(held);
                    }
                }));
                let out = bucle_loop::timeout(Duration::from_millis(5), all).await;
                assert!(out.is_err());
                yield_now().await;
            })
            .unwrap();
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

#[test]
fn many_children_cost_no_quadratic_time() {
    within(WATCHDOG, || {
        bucle_loop::run(async {
            let all = gather((0..100_000).map(|n| async move {
                yield_now().await;
                n
            }));
            assert_eq!(all.await.unwrap().len(), 100_000);
        })
        .unwrap();
    });
}
