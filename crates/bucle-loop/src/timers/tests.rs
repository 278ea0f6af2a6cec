//! The timers against a plain sorted list, and what becomes of those that are cancelled.

use super::*;
use proptest::prelude::*;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Wake;

fn cell() -> Rc<HandleCell> {
    HandleCell::new(Box::new(|| ()), Location::caller())
}

#[test]
fn a_million_cancelled_timers_do_not_stay() {
    let timers = TimerQueue::default();
    for deadline in 0..1_000_000 {
        let cell = cell();
        timers.arm(deadline, cell.clone());
        cell.cancel();
        timers.note_cancelled(&cell);
    }
    assert!(timers.len() <= COMPACT_ABOVE + 1, "{}", timers.len());
}

#[test]
fn a_million_dropped_sleeps_do_not_stay() {
    let timers = Rc::new(TimerQueue::default());
    let sleeps: Vec<SleepTimer> = (0..1_000_000)
        .map(|deadline| timers.arm_sleep(deadline, Waker::noop().clone()))
        .collect();
    drop(sleeps);
    assert!(timers.len() <= COMPACT_ABOVE + 1, "{}", timers.len());
    assert!(timers.pop_due(u64::MAX).is_none());
    let inner = timers.inner.borrow();
    assert!(inner.slots.is_empty());
    assert!(inner.order.capacity() <= KEEP_ROOM);
}

#[test]
fn a_sleep_that_outlives_its_loop_holds_no_waker() {
    let timers = Rc::new(TimerQueue::default());
    let count = Arc::new(Count::default());
    let timer = timers.arm_sleep(7, count.clone().into());
    drop(timers.arm_sleep(8, count.clone().into()));
    assert_eq!(timers.clear().len(), 1);
    assert_eq!(Arc::strong_count(&count), 1);
    assert!(timer.poll(Waker::noop()));
    drop(timer);
    assert!(timers.inner.borrow().slots.is_empty());
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl std::ops::Deref for Count {
    type Target = AtomicUsize;
    fn deref(&self) -> &AtomicUsize {
        &self.0
    }
}

enum Kept {
    Callback(Rc<HandleCell>),
    Sleep(SleepTimer, Arc<Count>),
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u64),
    Sleep(u64),
    Cancel(usize),
    Expire(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0u64..50).prop_map(Step::Arm),
        2 => (0u64..50).prop_map(Step::Sleep),
        3 => any::<usize>().prop_map(Step::Cancel),
        1 => (0u64..50).prop_map(Step::Expire),
    ];
    prop::collection::vec(step, 0..600)
}

proptest! {
    /// Against a plain sorted list: the same timers, in the same order.
    #[test]
    fn agrees_with_a_sorted_list(steps in steps()) {
        let timers = Rc::new(TimerQueue::default());
        let mut model: Vec<(u64, usize, Kept)> = Vec::new();
        let mut armed = 0;
        for step in steps {
            match step {
                Step::Arm(deadline) => {
                    let cell = cell();
                    timers.arm(deadline, cell.clone());
                    model.push((deadline, armed, Kept::Callback(cell)));
                    armed += 1;
                }
                Step::Sleep(deadline) => {
                    let count = Arc::new(Count::default());
                    let timer = timers.arm_sleep(deadline, count.clone().into());
                    // Polled again by another, or by the same, it has that one's waker.
                    prop_assert!(!timer.poll(Waker::noop()));
                    prop_assert!(!timer.poll(&count.clone().into()));
                    model.push((deadline, armed, Kept::Sleep(timer, count)));
                    armed += 1;
                }
                Step::Cancel(which) if !model.is_empty() => {
                    match model.remove(which % model.len()).2 {
                        Kept::Callback(cell) => {
                            prop_assert!(cell.cancel());
                            timers.note_cancelled(&cell);
                        }
                        Kept::Sleep(timer, count) => {
                            drop(timer);
                            prop_assert_eq!(Arc::strong_count(&count), 1);
                        }
                    }
                }
                Step::Cancel(_) => {}
                Step::Expire(now) => {
                    model.sort_by_key(|(deadline, order, _)| (*deadline, *order));
                    while let Some(due) = timers.pop_due(now) {
                        let (deadline, _, expected) = model.remove(0);
                        prop_assert!(deadline <= now);
                        match (due, expected) {
                            (Due::Callback(cell), Kept::Callback(expected)) => {
                                prop_assert!(Rc::ptr_eq(&cell, &expected));
                                cell.take();
                            }
                            (Due::Sleep(waker), Kept::Sleep(timer, count)) => {
                                waker.wake();
                                prop_assert_eq!(count.load(Relaxed), 1);
                                prop_assert!(timer.poll(Waker::noop()));
                            }
                            _ => prop_assert!(false, "one of the other kind"),
                        }
                    }
                    prop_assert!(model.iter().all(|(deadline, ..)| *deadline > now));
                }
            }
            prop_assert_eq!(
                timers.next_deadline(),
                model.iter().map(|(deadline, ..)| *deadline).min()
            );
        }
    }
}
