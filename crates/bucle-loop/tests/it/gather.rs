//! `gather`.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{Future, Gather, gather, sleep, spawn, try_gather, yield_now};

use crate::{WATCHDOG, drive, new_loop, quiet_panic, told, turns, within};

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

#[test]
fn a_tuple_s_results_have_types_of_their_own() {
    drive(|| async {
        let (number, text, unit) = gather((async { 1 }, async { "two" }, yield_now()))
            .await
            .unwrap();
        assert_eq!((number, text, unit), (1, "two", ()));
        let panics = async |message| {
            turns(1).await;
            quiet_panic(message)
        };
        let (good, bad) = gather((async { 1 }, panics("second")))
            .return_exceptions()
            .await;
        assert_eq!(good.unwrap(), 1);
        let Err(error) = bad;
        assert_eq!(error.panicked().unwrap().message(), "second");
        let failed = gather((pending::<()>(), panics("first"))).await;
        assert!(failed.unwrap_err().panicked().is_some());
        assert_eq!(gather((async { 3 },)).await.unwrap(), (3,));
    });
}

#[test]
fn futures_set_in_any_order_give_results_in_theirs() {
    drive(|| async {
        let futures: [Future<u32>; 3] = [Future::new(), Future::new(), Future::new()];
        let all = spawn(gather(futures.clone()));
        turns(2).await;
        futures[1].set_result(1).unwrap();
        futures[0].set_result(2).unwrap();
        turns(4).await;
        assert!(!all.done());
        futures[2].set_result(3).unwrap();
        let values: Vec<_> = all
            .await
            .unwrap()
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(values, [2, 1, 3]);
    });
}

#[test]
fn the_first_failure_in_time_is_the_one() {
    drive(|| async {
        let all = gather([3usize, 1, 2].map(|n| async move {
            turns(n).await;
            quiet_panic(["", "one", "two", "three"][n]) as ()
        }));
        let told = told();
        assert_eq!(all.await.unwrap_err().panicked().unwrap().message(), "one");
        turns(6).await;
        assert_eq!(told.borrow().len(), 2, "the later ones are told of");
    });
}

#[test]
fn a_cancelled_child_is_a_failure_of_the_gather_not_of_who_awaits_it() {
    drive(|| async {
        let tasks = [spawn(pending::<()>()), spawn(pending::<()>())];
        let (first, second) = (tasks[0].handle(), tasks[1].handle());
        let outer = spawn(Gather::of(tasks));
        yield_now().await;
        first.cancel("one child");
        let error = outer.await.expect("not cancelled itself").unwrap_err();
        assert_eq!(error.cancelled().unwrap().reason(), "one child");
        assert!(!second.done());
        second.cancel("the rest");
    });
}

#[test]
fn existing_tasks_give_their_results_unwrapped() {
    drive(|| async {
        let tasks = (0..3).map(|n| spawn(async move { n }));
        assert_eq!(Gather::of(tasks).await.unwrap(), [0, 1, 2]);
        let tasks: Vec<_> = (0..3).map(|n| spawn(async move { n })).collect();
        turns(3).await;
        assert_eq!(Gather::of(tasks).await.unwrap(), [0, 1, 2], "done before");
        let mixed = [spawn(async { 1 }), spawn(pending())];
        mixed[1].cancel("no");
        let results = Gather::of(mixed).return_exceptions().await;
        assert!(results[0].is_ok() && results[1].is_err());
    });
}

#[test]
fn cancelling_who_awaits_cancels_all_children() {
    drive(|| async {
        let children = [spawn(pending::<()>()), spawn(pending::<()>())];
        let handles = [children[0].handle(), children[1].handle()];
        let outer = spawn(async move {
            Gather::of(children).await.unwrap();
        });
        turns(2).await;
        assert!(outer.cancel("broadcast"));
        assert!(outer.await.is_err());
        turns(1).await;
        assert!(handles.iter().all(bucle_loop::TaskHandle::cancelled));
    });
}

#[test]
fn try_gather_ends_at_the_first_err() {
    drive(|| async {
        let went_on = Rc::new(Cell::new(0));
        let work = |fail: usize| {
            let went_on = went_on.clone();
            try_gather((1..=3).map(move |n| {
                let went_on = went_on.clone();
                async move {
                    turns(n).await;
                    went_on.set(went_on.get() + 1);
                    if n == fail { Err(n) } else { Ok(n * 10) }
                }
            }))
        };
        assert_eq!(work(0).await.unwrap(), [10, 20, 30]);
        went_on.set(0);
        match work(1).await.unwrap_err() {
            bucle_loop::GatherError::Failed(n) => assert_eq!(n, 1),
            bucle_loop::GatherError::Task(error) => panic!("{error}"),
        }
        turns(6).await;
        assert_eq!(went_on.get(), 3, "the others go on");
        let panics = try_gather([async { quiet_panic("inside") as Result<(), u8> }]);
        let error = panics.await.unwrap_err();
        assert!(error.to_string().contains("inside"));
        let none: [std::future::Ready<Result<u8, u8>>; 0] = [];
        assert!(try_gather(none).await.unwrap().is_empty());
    });
}
