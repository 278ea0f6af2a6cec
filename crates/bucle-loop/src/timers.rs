//! Timers: a heap by (deadline, order of arming).
//!
//! Deadlines are whole nanoseconds on the loop's clock. Equal deadlines come due in the order they
//! were armed. Cancelling is lazy: the cancelled entry stays until it comes to the top, or until
//! over [`COMPACT_ABOVE`] and over half of the entries are cancelled, when they all leave at once;
//! so a million cancelled timers do not stay in memory. The heap reads no clock and runs nothing.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use crate::handles::HandleCell;
use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// Fewer cancelled timers than this are not worth sweeping (asyncio's
/// `_MIN_SCHEDULED_TIMER_HANDLES`).
const COMPACT_ABOVE: usize = 100;

struct Timer {
    deadline: u64,
    sequence: u64,
    cell: Rc<HandleCell>,
}

impl Ord for Timer {
    /// Reversed, because `BinaryHeap` keeps the greatest on top and the earliest is wanted.
    fn cmp(&self, other: &Timer) -> Ordering {
        (other.deadline, other.sequence).cmp(&(self.deadline, self.sequence))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Timer) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Timer) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

/// The timers of one loop.
#[derive(Default)]
pub(crate) struct TimerQueue {
    heap: RefCell<BinaryHeap<Timer>>,
    sequence: Cell<u64>,
    /// Cancelled entries still in the heap.
    dead: Cell<usize>,
}

impl TimerQueue {
    /// Arms a timer.
    pub(crate) fn arm(&self, deadline: u64, cell: Rc<HandleCell>) {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        cell.armed.set(true);
        self.heap.borrow_mut().push(Timer {
            deadline,
            sequence,
            cell,
        });
    }

    /// The earliest deadline that was not cancelled.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let mut heap = self.heap.borrow_mut();
        loop {
            let top = heap.peek()?;
            if !top.cell.is_cancelled() {
                return Some(top.deadline);
            }
            // A cancelled cell holds nothing whose destructor could call back into this heap.
            heap.pop();
            self.dead.set(self.dead.get().saturating_sub(1));
        }
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&self, now: u64) -> Option<Rc<HandleCell>> {
        if self.next_deadline()? > now {
            return None;
        }
        let cell = self.heap.borrow_mut().pop()?.cell;
        cell.armed.set(false);
        Some(cell)
    }

    /// Called once for each cell that was cancelled.
    pub(crate) fn note_cancelled(&self, cell: &HandleCell) {
        if !cell.armed.get() {
            return;
        }
        let dead = self.dead.get() + 1;
        self.dead.set(dead);
        let mut heap = self.heap.borrow_mut();
        if dead > COMPACT_ABOVE && dead * 2 > heap.len() {
            heap.retain(|timer| !timer.cell.is_cancelled());
            // The memory of a burst is given back as well, with room for what is armed now.
            let keep = heap.len() * 2;
            heap.shrink_to(keep);
            self.dead.set(0);
        }
    }

    /// Entries in the heap, cancelled ones among them.
    pub(crate) fn len(&self) -> usize {
        self.heap.borrow().len()
    }

    /// Tells of the tasks that sleep.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        for timer in self.heap.borrow().iter() {
            timer.cell.look_at_waker(|waker| {
                let mut what = What::new(WaitKind::Sleep, "");
                what.deadline = Some(timer.deadline);
                survey.waits(waker, what, Needs::Anyone);
            });
        }
    }

    /// Takes every entry out, in no order.
    pub(crate) fn clear(&self) -> Vec<Rc<HandleCell>> {
        self.dead.set(0);
        let heap = std::mem::take(&mut *self.heap.borrow_mut());
        heap.into_iter().map(|timer| timer.cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handles::Action;
    use proptest::prelude::*;
    use std::panic::Location;

    fn cell() -> Rc<HandleCell> {
        HandleCell::new(Action::Call(Box::new(|| ())), Location::caller())
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

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u64),
        Cancel(usize),
        Expire(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u64..50).prop_map(Step::Arm),
            3 => any::<usize>().prop_map(Step::Cancel),
            1 => (0u64..50).prop_map(Step::Expire),
        ];
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        /// Against a plain sorted list: the same timers, in the same order.
        #[test]
        fn agrees_with_a_sorted_list(steps in steps()) {
            let timers = TimerQueue::default();
            let mut model: Vec<(u64, usize, Rc<HandleCell>)> = Vec::new();
            let mut armed = 0;
            for step in steps {
                match step {
                    Step::Arm(deadline) => {
                        let cell = cell();
                        timers.arm(deadline, cell.clone());
                        model.push((deadline, armed, cell));
                        armed += 1;
                    }
                    Step::Cancel(which) if !model.is_empty() => {
                        let (_, _, cell) = model.remove(which % model.len());
                        prop_assert!(cell.cancel());
                        timers.note_cancelled(&cell);
                    }
                    Step::Cancel(_) => {}
                    Step::Expire(now) => {
                        model.sort_by_key(|(deadline, order, _)| (*deadline, *order));
                        while let Some(cell) = timers.pop_due(now) {
                            let (deadline, _, expected) = model.remove(0);
                            prop_assert!(deadline <= now);
                            prop_assert!(Rc::ptr_eq(&cell, &expected));
                            cell.take();
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
}
