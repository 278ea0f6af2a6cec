//! `Condition` as asyncio has it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::sync::{Condition, Lock, LockGuard};
use bucle_loop::{Task, gather, run, spawn, timeout, yield_now};

use super::turns;
use crate::{WATCHDOG, within};

type Log = Rc<RefCell<Vec<u32>>>;

/// A task that waits once, keeps the lock by hand if it is to, and logs its number.
fn waiter(condition: &Rc<Condition>, log: &Log, number: u32, keep: bool) -> Task<()> {
    let (condition, log) = (condition.clone(), log.clone());
    spawn(async move {
        let guard = condition.acquire().await;
        let guard = condition.wait(guard).await;
        log.borrow_mut().push(number);
        if keep {
            LockGuard::forget(guard);
        }
    })
}

#[test]
fn a_notified_waiter_goes_on_when_it_has_the_lock() {
    within(WATCHDOG, || {
        run(async {
            let condition = Rc::new(Condition::new());
            let log = Log::default();
            let tasks = [1, 2, 3].map(|n| waiter(&condition, &log, n, true));
            turns(3).await;
            assert!(log.borrow().is_empty());
            assert!(!condition.locked(), "waiting gives the lock up");

            LockGuard::forget(condition.acquire().await);
            condition.notify(1).unwrap();
            turns(3).await;
            assert!(log.borrow().is_empty(), "the lock is held still");
            condition.release().unwrap();
            turns(3).await;
            assert_eq!(*log.borrow(), [1]);
            assert!(condition.locked(), "the first one has it");

            condition.notify(2).unwrap();
            turns(3).await;
            assert_eq!(*log.borrow(), [1]);
            condition.release().unwrap();
            turns(3).await;
            assert_eq!(*log.borrow(), [1, 2]);
            condition.release().unwrap();
            turns(3).await;
            assert_eq!(*log.borrow(), [1, 2, 3]);
            assert!(condition.locked());
            gather(tasks).await.unwrap();
        })
        .unwrap();
    });
}

#[test]
fn a_cancelled_wait_leaves_nothing_and_the_lock_free() {
    within(WATCHDOG, || {
        run(async {
            let condition = Rc::new(Condition::new());
            let task = waiter(&condition, &Log::default(), 1, false);
            turns(2).await;
            super::cancel(task).await;
            assert!(!format!("{condition:?}").contains("waiters"));
            assert!(!condition.locked());
        })
        .unwrap();
    });
}

/// Cancelled while it has been notified, is in the lock's line, and the lock is given up.
#[test]
fn a_wait_cancelled_on_its_way_back_to_the_lock_passes_the_lock_on() {
    within(WATCHDOG, || {
        run(async {
            let condition = Rc::new(Condition::new());
            let log = Log::default();
            let task = waiter(&condition, &log, 1, false);
            turns(2).await;
            let guard = condition.acquire().await;
            condition.notify(1).unwrap();
            turns(2).await;
            task.cancel("in the line for the lock");
            drop(guard);
            assert!(task.await.is_err());
            assert!(log.borrow().is_empty());
            assert!(!condition.locked());
            assert!(condition.lock().try_acquire().is_some());
        })
        .unwrap();
    });
}

#[test]
#[should_panic(expected = "of another lock")]
fn waiting_with_the_guard_of_another_lock_is_refused() {
    let (condition, other) = (Condition::new(), Lock::new());
    drop(condition.wait(other.try_acquire().unwrap()));
}

#[test]
fn wait_for_asks_at_once_and_after_each_notification() {
    within(WATCHDOG, || {
        run(async {
            let condition = Rc::new(Condition::of(0));
            let guard = condition.acquire().await;
            drop(condition.wait_for(guard, |value| *value == 0).await);

            let asked = Rc::new(RefCell::new(Vec::new()));
            let task = spawn({
                let (condition, asked) = (condition.clone(), asked.clone());
                async move {
                    let guard = condition.acquire().await;
                    let seen = |value: &mut i32| {
                        asked.borrow_mut().push(*value);
                        *value == 2
                    };
                    *condition.wait_for(guard, seen).await
                }
            });
            for _ in 0..2 {
                turns(3).await;
                let mut guard = condition.acquire().await;
                *guard += 1;
                condition.notify(1).unwrap();
            }
            assert_eq!(task.await.unwrap(), 2);
            assert_eq!(*asked.borrow(), [0, 1, 2]);
        })
        .unwrap();
    });
}

#[test]
fn notify_wakes_so_many_or_all() {
    within(WATCHDOG, || {
        run(async {
            let condition = Rc::new(Condition::new());
            let log = Log::default();
            let tasks = [1, 2, 3].map(|n| waiter(&condition, &log, n, false));
            turns(2).await;
            let guard = condition.acquire().await;
            condition.notify(1).unwrap();
            drop(guard);
            turns(5).await;
            assert_eq!(*log.borrow(), [1]);
            let guard = condition.acquire().await;
            condition.notify(0).unwrap();
            condition.notify(1).unwrap();
            condition.notify(2048).unwrap();
            drop(guard);
            gather(tasks).await.unwrap();
            assert_eq!(*log.borrow(), [1, 2, 3]);
        })
        .unwrap();
    });
}

#[test]
fn notify_all_wakes_all() {
    within(WATCHDOG, || {
        run(async {
            let condition = Rc::new(Condition::new());
            let log = Log::default();
            let tasks = [1, 2].map(|n| waiter(&condition, &log, n, false));
            turns(2).await;
            let guard = condition.acquire().await;
            condition.notify_all().unwrap();
            drop(guard);
            gather(tasks).await.unwrap();
            assert_eq!(*log.borrow(), [1, 2]);
        })
        .unwrap();
    });
}

#[test]
fn notifying_without_the_lock_is_an_error() {
    let condition = Condition::new();
    assert!(condition.notify(1).is_err());
    assert!(condition.notify_all().is_err());
    assert!(condition.release().is_err());
}

#[test]
fn it_shares_the_lock_it_is_given() {
    within(WATCHDOG, || {
        run(async {
            let lock = Rc::new(Lock::named("shared"));
            let condition = Condition::with_lock(lock.clone());
            let another = Condition::with_lock(lock.clone());
            assert!(Rc::ptr_eq(condition.lock(), &lock));
            assert_eq!(condition.name(), Some("shared"));
            let guard = condition.acquire().await;
            assert!(lock.locked() && another.locked());
            drop(guard);
            assert!(!condition.locked());
            let guard = lock.acquire().await;
            assert!(condition.locked());
            let waited = timeout(Duration::from_millis(1), another.wait(guard)).await;
            assert!(
                waited.is_err(),
                "its guard is as good as the condition's own"
            );
        })
        .unwrap();
    });
}

#[test]
fn after_a_timeout_around_a_wait_the_lock_is_acquired_anew() {
    within(WATCHDOG, || {
        run(async {
            let condition = Condition::new();
            let guard = condition.acquire().await;
            assert!(
                timeout(Duration::from_millis(2), condition.wait(guard))
                    .await
                    .is_err()
            );
            assert!(!condition.locked());
            let _guard = condition.acquire().await;
        })
        .unwrap();
    });
}

#[test]
fn the_reason_of_a_cancellation_comes_through() {
    for on_its_way_back in [false, true] {
        within(WATCHDOG, move || {
            run(async move {
                let condition = Rc::new(Condition::new());
                let task = waiter(&condition, &Log::default(), 1, false);
                turns(2).await;
                let guard = condition.acquire().await;
                if on_its_way_back {
                    condition.notify(1).unwrap();
                    turns(2).await;
                }
                task.cancel("foo");
                drop(guard);
                let error = task.await.unwrap_err();
                assert_eq!(error.cancelled().unwrap().reason(), "foo");
            })
            .unwrap();
        });
    }
}

/// Two consumers wait, one item is made and one consumer notified, and that one is cancelled before
/// it can run, or while it waits for the lock: the other one takes the item.
#[test]
fn a_notification_that_meets_a_cancellation_goes_to_the_next() {
    for turns_between in [0, 1, 2] {
        within(WATCHDOG, move || {
            run(async move {
                let condition = Rc::new(Condition::of(0));
                let consumer = || {
                    let condition = condition.clone();
                    spawn(async move {
                        let guard = condition.acquire().await;
                        let mut guard = condition.wait_for(guard, |items| *items > 0).await;
                        *guard -= 1;
                        condition.notify_all().unwrap();
                    })
                };
                let (first, second) = (consumer(), consumer());
                turns(2).await;
                let mut guard = condition.acquire().await;
                *guard += 1;
                condition.notify(1).unwrap();
                turns(turns_between).await;
                first.cancel("at the same time");
                drop(condition.wait_for(guard, |items| *items == 0).await);
                assert!(first.await.is_err());
                second.await.unwrap();
            })
            .unwrap();
        });
    }
}

#[test]
fn dropping_a_wait_that_was_never_polled_gives_the_lock_up() {
    let condition = Condition::new();
    let guard = condition.lock().try_acquire().unwrap();
    let wait = condition.wait(guard);
    assert!(condition.locked());
    drop(wait);
    assert!(!condition.locked());
}

#[test]
fn waiters_on_two_conditions_of_one_lock_do_not_mix() {
    within(WATCHDOG, || {
        run(async {
            // A buffer for one: the classic two conditions.
            let buffer = Rc::new(Lock::of(Vec::new()));
            let not_full = Rc::new(Condition::with_lock(buffer.clone()));
            let not_empty = Rc::new(Condition::with_lock(buffer.clone()));
            let producer = spawn({
                let (not_full, not_empty) = (not_full.clone(), not_empty.clone());
                async move {
                    for item in 0..20 {
                        let guard = not_full.acquire().await;
                        let mut guard = not_full.wait_for(guard, |b| b.is_empty()).await;
                        guard.push(item);
                        not_empty.notify(1).unwrap();
                    }
                }
            });
            let mut seen = Vec::new();
            while seen.len() < 20 {
                let guard = not_empty.acquire().await;
                let mut guard = not_empty.wait_for(guard, |b| !b.is_empty()).await;
                seen.append(&mut guard);
                not_full.notify(1).unwrap();
                drop(guard);
                yield_now().await;
            }
            producer.await.unwrap();
            assert_eq!(seen, (0..20).collect::<Vec<_>>());
        })
        .unwrap();
    });
}
