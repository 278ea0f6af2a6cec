//! Timers: a heap by (deadline, order of arming).
//!
//! Deadlines are whole nanoseconds on the loop's clock. Equal deadlines come due in the order they
//! were armed. Cancelling is lazy: the cancelled entry stays until it comes to the top, or until
//! over [`COMPACT_ABOVE`] and over half of the entries are cancelled, when they all leave at once;
//! so a million cancelled timers do not stay in memory. The heap reads no clock and runs nothing.
//!
//! What a timer does lies beside the heap, in a slab: the heap moves its entries about, and a sleep
//! has to find its waker.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use crate::handles::HandleCell;
use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// Fewer cancelled timers than this are not worth sweeping (asyncio's
/// `_MIN_SCHEDULED_TIMER_HANDLES`).
const COMPACT_ABOVE: usize = 100;

/// Room for more timers than this is given back when the last of them is gone.
const KEEP_ROOM: usize = 4096;

struct Timer {
    deadline: u64,
    sequence: u64,
    slot: u32,
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

/// What a timer does. All but `Woken` have an entry in the heap.
enum Slot {
    Callback(Rc<HandleCell>),
    /// A sleep that lasts.
    Sleeps(Waker),
    /// A sleep that was dropped while it lasted.
    Dropped,
    /// A sleep whose time has come, which holds its slot until it is dropped.
    Woken,
}

impl Slot {
    fn is_cancelled(&self) -> bool {
        match self {
            Slot::Callback(cell) => cell.is_cancelled(),
            Slot::Dropped => true,
            Slot::Sleeps(_) | Slot::Woken => false,
        }
    }
}

/// A timer whose time has come, or that goes with its loop.
pub(crate) enum Due {
    Callback(Rc<HandleCell>),
    /// Who sleeps is to be woken.
    Sleep(Waker),
}

/// The timers of one loop.
#[derive(Default)]
pub(crate) struct TimerQueue {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    heap: BinaryHeap<Timer>,
    slots: Slab<Slot>,
    sequence: u64,
    /// Cancelled entries still in the heap.
    dead: usize,
}

impl TimerQueue {
    /// Arms a timer that calls back.
    pub(crate) fn arm(&self, deadline: u64, cell: Rc<HandleCell>) {
        cell.armed.set(true);
        self.inner
            .borrow_mut()
            .insert(deadline, Slot::Callback(cell));
    }

    /// Arms a timer that wakes.
    pub(crate) fn arm_sleep(self: &Rc<TimerQueue>, deadline: u64, waker: Waker) -> SleepTimer {
        let slot = self
            .inner
            .borrow_mut()
            .insert(deadline, Slot::Sleeps(waker));
        SleepTimer {
            timers: self.clone(),
            slot,
        }
    }

    /// The earliest deadline that was not cancelled.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.inner.borrow_mut().next_deadline()
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&self, now: u64) -> Option<Due> {
        let mut inner = self.inner.borrow_mut();
        if inner.next_deadline()? > now {
            return None;
        }
        let slot = inner.heap.pop()?.slot as usize;
        inner.take(slot)
    }

    /// Called once for each cell that was cancelled.
    pub(crate) fn note_cancelled(&self, cell: &HandleCell) {
        if cell.armed.get() {
            self.inner.borrow_mut().note_dead();
        }
    }

    /// Entries in the heap, cancelled ones among them.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.inner.borrow().heap.len()
    }

    /// Tells of the tasks that sleep.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        let inner = self.inner.borrow();
        for timer in &inner.heap {
            if let Slot::Sleeps(waker) = &inner.slots[timer.slot as usize] {
                let mut what = What::new(WaitKind::Sleep, "");
                what.deadline = Some(timer.deadline);
                survey.waits(waker, what, Needs::Anyone);
            }
        }
    }

    /// Takes every entry out, in no order.
    pub(crate) fn clear(&self) -> Vec<Due> {
        let mut inner = self.inner.borrow_mut();
        inner.dead = 0;
        let heap = std::mem::take(&mut inner.heap);
        heap.into_iter()
            .filter_map(|timer| inner.take(timer.slot as usize))
            .collect()
    }
}

impl Inner {
    /// # Panics
    /// At 2^32 timers.
    fn insert(&mut self, deadline: u64, slot: Slot) -> u32 {
        let slot = self.slots.insert(slot);
        let slot = u32::try_from(slot).expect("a loop holds fewer than 2^32 timers");
        let sequence = self.sequence;
        self.sequence += 1;
        self.heap.push(Timer {
            deadline,
            sequence,
            slot,
        });
        slot
    }

    fn next_deadline(&mut self) -> Option<u64> {
        loop {
            let top = self.heap.peek()?;
            if !self.slots[top.slot as usize].is_cancelled() {
                return Some(top.deadline);
            }
            // A cancelled slot holds nothing whose destructor could call back into this heap.
            self.slots.remove(top.slot as usize);
            self.heap.pop();
            self.dead = self.dead.saturating_sub(1);
        }
    }

    /// What to do for a slot whose entry was taken out of the heap.
    fn take(&mut self, slot: usize) -> Option<Due> {
        let place = self.slots.get_mut(slot)?;
        // A sleep finds out by its slot that it was woken.
        match std::mem::replace(place, Slot::Woken) {
            Slot::Sleeps(waker) => Some(Due::Sleep(waker)),
            Slot::Callback(cell) => {
                self.slots.remove(slot);
                cell.armed.set(false);
                Some(Due::Callback(cell))
            }
            Slot::Dropped | Slot::Woken => {
                self.slots.remove(slot);
                None
            }
        }
    }

    fn note_dead(&mut self) {
        self.dead += 1;
        if self.dead > COMPACT_ABOVE && self.dead * 2 > self.heap.len() {
            let slots = &mut self.slots;
            self.heap.retain(|timer| {
                let cancelled = slots[timer.slot as usize].is_cancelled();
                if cancelled {
                    slots.remove(timer.slot as usize);
                }
                !cancelled
            });
            // The memory of a burst is given back as well, with room for what is armed now.
            let keep = self.heap.len() * 2;
            self.heap.shrink_to(keep);
            self.dead = 0;
            self.give_back_room();
        }
    }

    fn give_back_room(&mut self) {
        if self.slots.is_empty() && self.slots.capacity() > KEEP_ROOM {
            self.slots = Slab::new();
        }
    }
}

/// A sleep's hold on its timer, which it takes back when it is dropped.
pub(crate) struct SleepTimer {
    timers: Rc<TimerQueue>,
    slot: u32,
}

impl SleepTimer {
    /// Whether the time has come; if not, `waker` is woken when it has.
    pub(crate) fn poll(&self, waker: &Waker) -> bool {
        let slot = self.slot as usize;
        match self.timers.inner.borrow().slots.get(slot) {
            Some(Slot::Sleeps(old)) if old.will_wake(waker) => return false,
            Some(Slot::Sleeps(_)) => {}
            _ => return true,
        }
        // Wakers are other people's code: cloned and dropped while nothing is borrowed.
        let new = waker.clone();
        let mut inner = self.timers.inner.borrow_mut();
        let old = match inner.slots.get_mut(slot) {
            Some(Slot::Sleeps(place)) => std::mem::replace(place, new),
            _ => new,
        };
        drop(inner);
        drop(old);
        false
    }
}

impl Drop for SleepTimer {
    fn drop(&mut self) {
        let slot = self.slot as usize;
        let mut inner = self.timers.inner.borrow_mut();
        let Some(place) = inner.slots.get_mut(slot) else {
            return;
        };
        let waker = match std::mem::replace(place, Slot::Dropped) {
            Slot::Sleeps(waker) => {
                inner.note_dead();
                Some(waker)
            }
            _ => {
                inner.slots.remove(slot);
                inner.give_back_room();
                None
            }
        };
        drop(inner);
        drop(waker);
    }
}

impl fmt::Debug for SleepTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SleepTimer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(inner.heap.capacity() <= KEEP_ROOM);
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
}
