//! `Lock` as asyncio has it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bucle_loop::sync::{Lock, LockGuard};
use bucle_loop::{gather, run, spawn, spawn_named, yield_now};

use super::{cancel, turns};
use crate::{WATCHDOG, within};

#[test]
fn it_says_whether_it_is_locked() {
    within(WATCHDOG, || {
        run(async {
            let lock = Lock::new();
            assert!(!lock.locked());
            let guard = lock.acquire().await;
            assert!(lock.locked());
            assert!(lock.try_acquire().is_none());
            drop(guard);
            assert!(!lock.locked());
            assert!(lock.try_acquire().is_some());
        })
        .unwrap();
    });
}

#[test]
fn making_the_future_of_acquire_takes_nothing() {
    let lock = Lock::new();
    let acquire = lock.acquire();
    assert!(!lock.locked());
    drop(acquire);
}

#[test]
fn one_release_lets_one_waiter_on_in_order() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::new());
            let log = Rc::new(RefCell::new(Vec::new()));
            let locker = |n| {
                let (lock, log) = (lock.clone(), log.clone());
                spawn(async move {
                    LockGuard::forget(lock.acquire().await);
                    log.borrow_mut().push(n);
                })
            };
            LockGuard::forget(lock.acquire().await);
            let first_two = [locker(1), locker(2)];
            yield_now().await;
            assert!(log.borrow().is_empty());
            lock.release().unwrap();
            turns(2).await;
            assert_eq!(*log.borrow(), [1]);
            let third = locker(3);
            lock.release().unwrap();
            turns(2).await;
            assert_eq!(*log.borrow(), [1, 2]);
            lock.release().unwrap();
            turns(2).await;
            assert_eq!(*log.borrow(), [1, 2, 3]);
            gather(first_two).await.unwrap();
            third.await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn a_cancelled_waiter_leaves_nothing() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::new());
            let guard = lock.acquire().await;
            let waiter = spawn({
                let lock = lock.clone();
                async move { drop(lock.acquire().await) }
            });
            yield_now().await;
            assert!(format!("{lock:?}").contains("waiters"));
            cancel(waiter).await;
            assert!(!format!("{lock:?}").contains("waiters"));
            drop(guard);
            assert!(!lock.locked());
        })
        .unwrap();
    });
}

/// A holds it, B and C wait; in one turn A gives it up and B is cancelled, in both orders.
#[test]
fn cancelling_the_next_one_while_it_is_released_lets_the_one_after_on() {
    for cancel_first in [true, false] {
        within(WATCHDOG, move || {
            run(async move {
                let lock = Rc::new(Lock::new());
                let guard = lock.acquire().await;
                let waiter = || {
                    let lock = lock.clone();
                    spawn(async move { drop(lock.acquire().await) })
                };
                let (b, c) = (waiter(), waiter());
                yield_now().await;
                if cancel_first {
                    b.cancel("race");
                    drop(guard);
                } else {
                    drop(guard);
                    b.cancel("race");
                }
                assert!(b.await.is_err());
                c.await.unwrap();
                assert!(!lock.locked());
            })
            .unwrap();
        });
    }
}

#[test]
fn of_three_waiters_one_gets_it_when_the_first_is_cancelled() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::new());
            let taken = Rc::new(Cell::new(0));
            let guard = lock.acquire().await;
            let waiter = || {
                let (lock, taken) = (lock.clone(), taken.clone());
                spawn(async move {
                    LockGuard::forget(lock.acquire().await);
                    taken.set(taken.get() + 1);
                })
            };
            let (a, b, c) = (waiter(), waiter(), waiter());
            yield_now().await;
            a.cancel("race");
            drop(guard);
            turns(4).await;
            assert_eq!(taken.get(), 1);
            assert!(a.await.is_err());
            assert!(b.done() && !c.done());
            cancel(c).await;
            lock.release().unwrap();
            assert!(!lock.locked());
        })
        .unwrap();
    });
}

#[test]
fn releasing_what_is_not_acquired_is_an_error() {
    let lock = Lock::new();
    let error = lock.release().unwrap_err();
    assert_eq!(error.to_string(), "the lock is not acquired");
    let guard = lock.try_acquire().unwrap();
    let error = lock.release().unwrap_err();
    assert!(error.to_string().contains("held by a guard"), "{error}");
    assert!(lock.locked(), "and it is held still");
    LockGuard::forget(guard);
    lock.release().unwrap();
    assert!(!lock.locked());
}

#[test]
fn it_knows_its_owner() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::new());
            assert!(lock.owner().is_none());
            let holder = |name| {
                let lock = lock.clone();
                spawn_named(name, async move {
                    let _guard = lock.acquire().await;
                    turns(3).await;
                })
            };
            let (first, second) = (holder("first"), holder("second"));
            turns(2).await;
            assert_eq!(lock.owner().unwrap().name(), Some("first"));
            first.await.unwrap();
            assert_eq!(lock.owner().unwrap().name(), Some("second"));
            second.await.unwrap();
            assert!(lock.owner().is_none());
        })
        .unwrap();
    });
}

#[test]
fn an_owner_that_ended_with_the_lock_is_still_known() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::new());
            let keep = lock.clone();
            spawn_named("gone", async move {
                LockGuard::forget(keep.acquire().await);
            })
            .await
            .unwrap();
            assert_eq!(lock.owner().unwrap().to_string(), "gone");
            lock.release().unwrap();
        })
        .unwrap();
    });
}

#[test]
fn the_value_is_reached_through_the_guard_only() {
    within(WATCHDOG, || {
        run(async {
            let mut lock = Lock::of(vec![1]);
            lock.acquire().await.push(2);
            let mut guard = lock.acquire().await;
            guard.push(3);
            LockGuard::forget(guard);
            assert_eq!(*lock.value_mut(), [1, 2, 3]);
            assert!(lock.locked());
            assert_eq!(lock.into_inner(), [1, 2, 3]);
        })
        .unwrap();
    });
}

#[test]
fn a_task_that_panics_gives_it_up() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::of(1));
            let broken = lock.clone();
            let task = spawn(async move {
                *broken.acquire().await = 2;
                let _guard = broken.acquire().await;
                panic!("while it holds the lock");
            });
            assert!(task.await.is_err());
            assert_eq!(*lock.acquire().await, 2);
        })
        .unwrap();
    });
}

#[test]
fn a_loop_that_closes_around_waiters_leaves_the_lock_in_order() {
    within(WATCHDOG, || {
        let lock = Rc::new(Lock::new());
        let inner = lock.clone();
        run(async move {
            let guard = inner.acquire().await;
            for _ in 0..3 {
                let lock = inner.clone();
                spawn(async move { drop(lock.acquire().await) }).detach();
            }
            yield_now().await;
            LockGuard::forget(guard);
        })
        .unwrap();
        assert_eq!(Rc::strong_count(&lock), 1);
        lock.release().unwrap();
        assert!(!lock.locked());
    });
}
