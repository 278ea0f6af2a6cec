//! `Semaphore` and `BoundedSemaphore` as asyncio has them.

use std::cell::RefCell;
use std::rc::Rc;

use bucle_loop::sync::{BoundedSemaphore, Semaphore};
use bucle_loop::{Task, gather, run, spawn, yield_now};

use super::turns;
use crate::{WATCHDOG, within};

type Log = Rc<RefCell<Vec<u32>>>;

/// A task that takes a permit for good and logs its number.
fn taker(semaphore: &Rc<Semaphore>, log: &Log, number: u32) -> Task<()> {
    let (semaphore, log) = (semaphore.clone(), log.clone());
    spawn(async move {
        semaphore.acquire().await.forget();
        log.borrow_mut().push(number);
    })
}

#[test]
fn it_can_begin_with_none() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.locked());
    assert!(semaphore.try_acquire().is_none());
    semaphore.release();
    assert!(!semaphore.locked());
    assert!(semaphore.try_acquire().is_some());
}

#[test]
fn making_the_future_of_acquire_takes_nothing() {
    let semaphore = Semaphore::new(1);
    drop(semaphore.acquire());
    assert_eq!(semaphore.value(), 1);
}

#[test]
fn releases_let_as_many_on() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(3));
            let log = Log::default();
            semaphore.acquire().await.forget();
            semaphore.acquire().await.forget();
            assert!(!semaphore.locked());
            let tasks = [1, 2, 3].map(|n| taker(&semaphore, &log, n));
            turns(2).await;
            assert_eq!(*log.borrow(), [1]);
            assert!(semaphore.locked());
            let fourth = taker(&semaphore, &log, 4);
            semaphore.release();
            semaphore.release();
            assert_eq!(semaphore.value(), 0, "they are the waiters' already");
            turns(3).await;
            assert_eq!(*log.borrow(), [1, 2, 3]);
            assert!(semaphore.locked());
            semaphore.release();
            gather(tasks).await.unwrap();
            fourth.await.unwrap();
            assert_eq!(*log.borrow(), [1, 2, 3, 4]);
        })
        .unwrap();
    });
}

#[test]
fn cancelled_waiters_are_passed_over() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(0));
            let log = Log::default();
            let [a, b, c, d] = [1, 2, 3, 4].map(|n| taker(&semaphore, &log, n));
            yield_now().await;
            a.cancel("before the release");
            b.cancel("before the release");
            semaphore.release();
            turns(4).await;
            assert_eq!(*log.borrow(), [3]);
            assert!(a.done() && b.done() && c.done() && !d.done());
            super::cancel(d).await;
            assert!(!format!("{semaphore:?}").contains("waiters"));
            drop((a, b, c));
        })
        .unwrap();
    });
}

#[test]
fn a_waiter_cancelled_after_it_was_given_a_permit_passes_it_on() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(0));
            let log = Log::default();
            let [a, b] = [1, 2].map(|n| taker(&semaphore, &log, n));
            yield_now().await;
            semaphore.release();
            a.cancel("after the release");
            assert!(a.await.is_err());
            b.await.unwrap();
            assert!(semaphore.locked());
            assert_eq!(*log.borrow(), [2]);
        })
        .unwrap();
    });
}

#[test]
fn a_holder_that_cancels_the_next_one_leaves_the_permit_free() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(1));
            let second: Rc<RefCell<Option<bucle_loop::TaskHandle>>> = Rc::default();
            let first = spawn({
                let (semaphore, second) = (semaphore.clone(), second.clone());
                async move {
                    let permit = semaphore.acquire().await;
                    yield_now().await;
                    drop(permit);
                    second.borrow().as_ref().unwrap().cancel("not you");
                }
            });
            let task = spawn({
                let semaphore = semaphore.clone();
                async move {
                    let _permit = semaphore.acquire().await;
                    unreachable!("it is cancelled while the permit is on its way");
                }
            });
            *second.borrow_mut() = Some(task.handle());
            first.await.unwrap();
            assert!(task.await.unwrap_err().cancelled().is_some());
            assert!(semaphore.try_acquire().is_some());
        })
        .unwrap();
    });
}

#[test]
fn a_bounded_one_refuses_a_release_too_many() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = BoundedSemaphore::new(1);
            let error = semaphore.release().unwrap_err();
            assert!(error.to_string().contains("too often"), "{error}");
            let permit = semaphore.acquire().await;
            assert!(semaphore.release().is_err(), "the permit gives itself back");
            assert!(semaphore.locked());
            permit.forget();
            semaphore.release().unwrap();
            assert_eq!(semaphore.value(), 1);
        })
        .unwrap();
    });
}

#[test]
fn without_waiters_a_release_sets_a_permit_free() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Semaphore::new(1);
            let permit = semaphore.acquire().await;
            assert!(semaphore.locked());
            drop(permit);
            assert!(!semaphore.locked());
            semaphore.release();
            assert_eq!(semaphore.value(), 2, "a plain one can grow");
        })
        .unwrap();
    });
}

#[test]
fn tasks_take_turns() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(1));
            let log = Log::default();
            let tasks = (1..=3).map(|n| {
                let (semaphore, log) = (semaphore.clone(), log.clone());
                async move {
                    for round in [10, 20] {
                        let _permit = semaphore.acquire().await;
                        log.borrow_mut().push(round + n);
                        turns(3).await;
                    }
                }
            });
            gather(tasks).await.unwrap();
            assert_eq!(*log.borrow(), [11, 12, 13, 21, 22, 23]);
        })
        .unwrap();
    });
}

#[test]
fn who_releases_and_asks_again_goes_to_the_end() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(1));
            let log = Log::default();
            let first = taker(&semaphore, &log, 1);
            let second = spawn({
                let (semaphore, log) = (semaphore.clone(), log.clone());
                async move {
                    semaphore.acquire().await.forget();
                    log.borrow_mut().push(2);
                    semaphore.release();
                    semaphore.acquire().await.forget();
                    log.borrow_mut().push(4);
                }
            });
            let third = taker(&semaphore, &log, 3);
            yield_now().await;
            semaphore.release();
            semaphore.release();
            gather([first, second, third]).await.unwrap();
            assert_eq!(*log.borrow(), [1, 2, 3, 4]);
        })
        .unwrap();
    });
}

#[test]
fn after_the_first_was_cancelled_the_others_keep_their_order() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(0));
            let log = Log::default();
            let [a, b, c] = [1, 2, 3].map(|n| taker(&semaphore, &log, n));
            yield_now().await;
            super::cancel(a).await;
            semaphore.release();
            semaphore.release();
            b.await.unwrap();
            c.await.unwrap();
            assert_eq!(*log.borrow(), [2, 3]);
        })
        .unwrap();
    });
}

/// One waits; a second one releases three permits and asks for one: it goes behind the first, though
/// there is a permit for it, and a third one behind both.
#[test]
fn who_was_woken_runs_before_who_comes_then() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(0));
            let log = Log::default();
            let fourth: Rc<RefCell<Option<Task<()>>>> = Rc::default();
            let first = spawn({
                let (semaphore, log, fourth) = (semaphore.clone(), log.clone(), fourth.clone());
                async move {
                    semaphore.acquire().await.forget();
                    log.borrow_mut().push(1);
                    let log = log.clone();
                    *fourth.borrow_mut() = Some(spawn(async move { log.borrow_mut().push(4) }));
                }
            });
            let second = spawn({
                let (semaphore, log) = (semaphore.clone(), log.clone());
                async move {
                    for _ in 0..3 {
                        semaphore.release();
                    }
                    assert!(semaphore.locked(), "somebody is on its way");
                    semaphore.acquire().await.forget();
                    log.borrow_mut().push(2);
                }
            });
            let third = taker(&semaphore, &log, 3);
            gather([first, second, third]).await.unwrap();
            let fourth = fourth.borrow_mut().take().unwrap();
            fourth.await.unwrap();
            assert_eq!(*log.borrow(), [1, 2, 3, 4]);
            assert_eq!(semaphore.value(), 0);
        })
        .unwrap();
    });
}

#[test]
fn owned_permits_bound_what_is_spawned() {
    within(WATCHDOG, || {
        run(async {
            let semaphore = Rc::new(Semaphore::new(2));
            let peak = Rc::new(RefCell::new((0, 0)));
            for _ in 0..10 {
                let permit = semaphore.clone().acquire_owned().await;
                let peak = peak.clone();
                spawn(async move {
                    {
                        let (now, most) = &mut *peak.borrow_mut();
                        *now += 1;
                        *most = (*most).max(*now);
                    }
                    turns(3).await;
                    peak.borrow_mut().0 -= 1;
                    drop(permit);
                })
                .detach();
            }
            let both = [semaphore.acquire().await, semaphore.acquire().await];
            assert_eq!(*peak.borrow(), (0, 2));
            drop(both);
            semaphore.clone().acquire_owned().await.forget();
            assert_eq!(semaphore.value(), 1);
            let waiting = [0, 1].map(|_| spawn(semaphore.clone().acquire_owned()));
            turns(2).await;
            for task in waiting {
                task.cancel("one has its permit, one waits");
                drop(task.await);
            }
            assert_eq!(semaphore.value(), 1);
        })
        .unwrap();
    });
}
