//! Timers, by (deadline, order of arming).
//!
//! Deadlines are whole nanoseconds on the loop's clock. Equal deadlines come due in the order they
//! were armed. Cancelling is lazy: the cancelled entry stays until its time has come, or until over
//! [`COMPACT_ABOVE`] and over half of the entries are cancelled, when they all leave at once; so a
//! million cancelled timers do not stay in memory. No clock is read here and nothing is run.
//!
//! Which timer is next, [`Order`] knows. What a timer does lies beside it, in a slab: the order
//! moves its entries about, and a sleep has to find its waker.

mod order;
#[cfg(all(test, not(loom)))]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use self::order::{Order, Timer};
use crate::handles::HandleCell;
use crate::wait_graph::{Needs, Survey, WaitKind, What};

/// Fewer cancelled timers than this are not worth sweeping (asyncio's
/// `_MIN_SCHEDULED_TIMER_HANDLES`).
const COMPACT_ABOVE: usize = 100;

/// Room for more timers than this is given back when the last of them is gone.
const KEEP_ROOM: usize = 4096;

/// What a timer does. All but `Woken` have an entry in the order.
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
    order: Order,
    slots: Slab<Slot>,
    sequence: u64,
    /// Cancelled entries still in the order.
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

    /// The earliest deadline. Of many timers it may be one that was cancelled; then the next is
    /// later.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.inner.borrow_mut().next_deadline()
    }

    /// Until when a loop with nothing to do may sleep: the earliest deadline, or a quarter of a
    /// millisecond later at most if that many timers are due meanwhile that it would sleep and wake
    /// the whole time.
    pub(crate) fn wake_at(&self) -> Option<u64> {
        let mut inner = self.inner.borrow_mut();
        inner.next_deadline()?;
        inner.order.wake_at()
    }

    /// Whether a timer may be due at `now`. It costs the same however many there are, and none of
    /// them is looked at.
    #[inline]
    pub(crate) fn may_be_due(&self, now: u64) -> bool {
        let first = self.inner.borrow().order.not_before();
        first.is_some_and(|deadline| deadline <= now)
    }

    /// Moves the earliest timers that are due at `now` to the end of `batch`, in their order, as many
    /// as it has room for.
    pub(crate) fn take_due(&self, now: u64, batch: &mut Vec<Due>) {
        let mut inner = self.inner.borrow_mut();
        while batch.len() < batch.capacity()
            && let Some(due) = inner.pop_due(now)
        {
            batch.push(due);
        }
    }

    /// Takes the earliest timer that is due at `now`.
    #[cfg(test)]
    fn pop_due(&self, now: u64) -> Option<Due> {
        self.inner.borrow_mut().pop_due(now)
    }

    /// Called once for each cell that was cancelled.
    pub(crate) fn note_cancelled(&self, cell: &HandleCell) {
        if cell.armed.get() {
            self.inner.borrow_mut().note_dead();
        }
    }

    /// Armed timers, and those that were cancelled and are not gone yet.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.inner.borrow().order.len()
    }

    /// Tells of the tasks that sleep.
    pub(crate) fn tell(&self, survey: &mut Survey) {
        let inner = self.inner.borrow();
        for timer in inner.order.iter() {
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
        let all = inner.order.take_all();
        all.into_iter()
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
        self.order.push(Timer {
            deadline,
            sequence,
            slot,
        });
        slot
    }

    fn next_deadline(&mut self) -> Option<u64> {
        while let Some(next) = self.order.peek_near() {
            let slot = next.slot as usize;
            if !self.slots[slot].is_cancelled() {
                break;
            }
            self.order.pop_near();
            self.bury(slot);
        }
        self.order.not_before()
    }

    fn pop_due(&mut self, now: u64) -> Option<Due> {
        loop {
            let (slots, dead) = (&mut self.slots, &mut self.dead);
            let due = self
                .order
                .peek_due(now, |timer| is_live(slots, dead, timer))?;
            let slot = due.slot as usize;
            self.order.pop_near();
            if self.slots[slot].is_cancelled() {
                self.bury(slot);
            } else if let Some(due) = self.take(slot) {
                return Some(due);
            }
        }
    }

    /// For the slot of a cancelled timer, whose entry has left. It holds nothing whose destructor
    /// could call back.
    fn bury(&mut self, slot: usize) {
        self.slots.remove(slot);
        self.dead = self.dead.saturating_sub(1);
    }

    /// What to do for a slot whose entry was taken out of the order.
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
        if self.dead > COMPACT_ABOVE && self.dead * 2 > self.order.len() {
            let (slots, dead) = (&mut self.slots, &mut self.dead);
            self.order.retain(|timer| is_live(slots, dead, timer));
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

/// Whether a timer whose entry is moved is to stay; if not, it leaves its slot.
fn is_live(slots: &mut Slab<Slot>, dead: &mut usize, timer: &Timer) -> bool {
    let slot = timer.slot as usize;
    let cancelled = slots[slot].is_cancelled();
    if cancelled {
        slots.remove(slot);
        *dead = dead.saturating_sub(1);
    }
    !cancelled
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
