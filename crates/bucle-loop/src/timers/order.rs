//! [`Order`]: which timer is next. A heap while there are few; a timing wheel under it for many.
//!
//! ```text
//!   deadline    ◀── due ── start ──────── edge ──────────────────────────────────▶ later
//!   kept in                near: a heap    wheel: 64 slots a level, a slot of a level is
//!                                          as long as all the slots of the level below
//! ```
//!
//! What lies before the edge is in the heap, which knows its order to the nanosecond. What lies
//! behind is in a slot of the wheel, unsorted: a push appends it there and moves nothing. When time
//! comes to a slot, its timers go to slots of the level below, and from the lowest level into the
//! heap, which is therefore small and stays in the cache, however many there are. Nothing depends
//! on where a timer was: the order is that of [`Timer`], with or without the wheel.
//!
//! As long as there were never over [`FEW`] there is no wheel, and no edge.

#[cfg(all(test, not(loom)))]
#[path = "order_tests.rs"]
mod tests;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::{iter, mem};

/// Up to so many the heap is in the first-level cache, and no wheel is better.
pub(super) const FEW: usize = 1024;

/// A slot of the lowest level lasts 2^18 nanoseconds, a quarter of a millisecond: of a million
/// timers within a second, it holds 262.
const SHIFT: u32 = 18;
/// From so many timers in a slot of the lowest level on, a sleep for each of them takes more of the
/// processor than they do.
const DENSE: usize = 32;
/// A level has 2^6 slots, one bit of a word for each.
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Together they reach as far as the clock does.
const LEVELS: usize = 8;

const _: () = assert!(SHIFT + BITS * LEVELS as u32 >= u64::BITS);

/// One armed timer. The earlier is the greater one, because [`BinaryHeap`] keeps the greatest on
/// top.
pub(super) struct Timer {
    pub(super) deadline: u64,
    /// How many were armed before it.
    pub(super) sequence: u64,
    /// What it does: a place in the slab.
    pub(super) slot: u32,
}

impl Ord for Timer {
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

/// The armed timers of a loop.
#[derive(Default)]
pub(super) struct Order {
    near: BinaryHeap<Timer>,
    wheel: Option<Box<Wheel>>,
    len: usize,
    /// The latest time that was asked about.
    now: u64,
}

impl Order {
    /// All entries, cancelled ones among them.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, timer: Timer) {
        self.len += 1;
        if let Some(wheel) = &mut self.wheel
            && timer.deadline >= wheel.edge()
        {
            wheel.insert(timer);
            return;
        }
        self.near.push(timer);
        if self.near.len() > FEW && self.wheel.is_none() {
            self.spread();
        }
    }

    /// There have come to be many: those that are not near go to a wheel.
    #[cold]
    fn spread(&mut self) {
        let mut wheel = Wheel::starting_at(self.now);
        let edge = wheel.edge();
        let (near, far): (Vec<Timer>, Vec<Timer>) = mem::take(&mut self.near)
            .into_iter()
            .partition(|timer| timer.deadline < edge);
        for timer in far {
            wheel.insert(timer);
        }
        self.near = near.into();
        self.wheel = Some(wheel);
    }

    /// A time before which none is due; `None` if there are none. The earliest deadline, unless
    /// that timer was cancelled. Looks at no timer.
    pub(super) fn not_before(&self) -> Option<u64> {
        match (self.near.peek(), &self.wheel) {
            (Some(timer), _) => Some(timer.deadline),
            (None, Some(wheel)) => wheel.earliest(),
            (None, None) => None,
        }
    }

    /// When who sleeps until a timer is due should wake: then, or where there are [`DENSE`] in a slot,
    /// when it ends.
    pub(super) fn wake_at(&self) -> Option<u64> {
        match &self.wheel {
            Some(wheel) if self.near.len() >= DENSE => Some(wheel.edge()),
            _ => self.not_before(),
        }
    }

    /// The next timer if it is due at `now`. The slots that have begun are emptied on the way, of
    /// what `is_live` does not want kept too.
    #[inline]
    pub(super) fn peek_due(
        &mut self,
        now: u64,
        is_live: impl FnMut(&Timer) -> bool,
    ) -> Option<&Timer> {
        if self.near.is_empty() && self.wheel.is_some() {
            self.turn_to(now, is_live);
        }
        self.now = self.now.max(now);
        self.near.peek().filter(|timer| timer.deadline <= now)
    }

    /// The next timer, if it is near.
    pub(super) fn peek_near(&self) -> Option<&Timer> {
        self.near.peek()
    }

    /// Takes the next timer, which was looked at.
    pub(super) fn pop_near(&mut self) -> Option<Timer> {
        let timer = self.near.pop()?;
        self.len -= 1;
        Some(timer)
    }

    /// Fills the heap, which is empty, with the earliest timers that may be due.
    #[inline(never)]
    fn turn_to(&mut self, now: u64, mut is_live: impl FnMut(&Timer) -> bool) {
        let Some(wheel) = &mut self.wheel else {
            return;
        };
        while let Some((level, mut timers)) = wheel.take_begun(now) {
            let all = timers.len();
            timers.retain(&mut is_live);
            self.len -= all - timers.len();
            if timers.is_empty() {
                continue;
            }
            if level == 0 {
                self.near = timers.into();
                return;
            }
            for timer in timers {
                wheel.insert(timer);
            }
        }
        if wheel.first().is_none() {
            self.wheel = None;
        }
    }

    /// Drops those that `is_live` does not want kept, and the memory of a burst, with room for as
    /// many again.
    pub(super) fn retain(&mut self, mut is_live: impl FnMut(&Timer) -> bool) {
        self.near.retain(&mut is_live);
        self.near.shrink_to(self.near.len() * 2);
        self.len = self.near.len();
        if let Some(wheel) = &mut self.wheel {
            self.len += wheel.retain(is_live);
            if self.len == 0 {
                self.wheel = None;
            }
        }
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Timer> {
        let far = self.wheel.iter().flat_map(|wheel| &wheel.slots);
        self.near.iter().chain(far.flat_map(|slot| &slot.timers))
    }

    /// Takes all, in no order.
    pub(super) fn take_all(&mut self) -> Vec<Timer> {
        let mut all = mem::take(&mut self.near).into_vec();
        if let Some(mut wheel) = self.wheel.take() {
            for slot in &mut wheel.slots {
                all.append(&mut slot.timers);
            }
        }
        self.len = 0;
        all
    }

    #[cfg(all(test, not(loom)))]
    fn has_wheel(&self) -> bool {
        self.wheel.is_some()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let far = self.wheel.iter().flat_map(|wheel| &wheel.slots);
        self.near.capacity() + far.map(|slot| slot.timers.capacity()).sum::<usize>()
    }
}

/// A hierarchical timing wheel (Varghese and Lauck 1987, scheme 7).
///
/// A deadline, less its lowest bits, is a number of eight digits to the base of 64. A timer lies in
/// the level of the first digit that is not the start's, and in that digit's slot. So the earliest
/// are in the lowest level that holds any, in its first slot that does.
struct Wheel {
    /// The beginning of the slot of the lowest level that time has come to. It only grows.
    start: u64,
    /// A bit for each slot of a level that holds timers.
    filled: [u64; LEVELS],
    slots: Vec<Slot>,
}

struct Slot {
    /// The earliest deadline there, meaningless if there are none.
    earliest: u64,
    timers: Vec<Timer>,
}

impl Wheel {
    fn starting_at(now: u64) -> Box<Wheel> {
        let empty = || Slot {
            earliest: u64::MAX,
            timers: Vec::new(),
        };
        Box::new(Wheel {
            start: now >> SHIFT << SHIFT,
            filled: [0; LEVELS],
            slots: iter::repeat_with(empty).take(LEVELS * SLOTS).collect(),
        })
    }

    /// What is due before it is not the wheel's.
    #[inline]
    fn edge(&self) -> u64 {
        self.start.saturating_add(1 << SHIFT)
    }

    /// The place of a deadline that is not before the start.
    #[inline]
    fn place(&self, deadline: u64) -> (usize, usize) {
        let differs = (deadline ^ self.start) >> SHIFT;
        let level = differs.checked_ilog2().unwrap_or(0) / BITS;
        let digit = (deadline >> (SHIFT + BITS * level)) as usize % SLOTS;
        (level as usize, digit)
    }

    #[inline]
    fn insert(&mut self, timer: Timer) {
        let (level, digit) = self.place(timer.deadline);
        let slot = &mut self.slots[level * SLOTS + digit];
        let bit = 1 << digit;
        if self.filled[level] & bit == 0 {
            self.filled[level] |= bit;
            slot.earliest = timer.deadline;
        }
        slot.earliest = slot.earliest.min(timer.deadline);
        slot.timers.push(timer);
    }

    /// The slot that holds the earliest timers: its level and digit.
    fn first(&self) -> Option<(usize, usize)> {
        let level = self.filled.iter().position(|filled| *filled != 0)?;
        Some((level, self.filled[level].trailing_zeros() as usize))
    }

    fn earliest(&self) -> Option<u64> {
        let (level, digit) = self.first()?;
        Some(self.slots[level * SLOTS + digit].earliest)
    }

    /// Takes the timers of the first slot, and starts where it begins, if that is not after `now`;
    /// says which level it is of.
    fn take_begun(&mut self, now: u64) -> Option<(usize, Vec<Timer>)> {
        let (level, digit) = self.first()?;
        let shift = SHIFT + BITS * level as u32;
        // The start's digits above this level, and this one.
        let above = self.start.checked_shr(shift + BITS).unwrap_or(0);
        let begins = (above << BITS | digit as u64) << shift;
        if begins > now {
            // No slot lies between, so no timer's place changes. It spares what is armed next some
            // of the levels.
            self.start = self.start.max(now >> SHIFT << SHIFT);
            return None;
        }
        self.start = begins;
        self.filled[level] &= !(1 << digit);
        let timers = mem::take(&mut self.slots[level * SLOTS + digit].timers);
        Some((level, timers))
    }

    /// Drops those that `is_live` does not want kept; how many are left.
    fn retain(&mut self, mut is_live: impl FnMut(&Timer) -> bool) -> usize {
        let mut left = 0;
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if slot.timers.capacity() == 0 {
                continue;
            }
            slot.timers.retain(&mut is_live);
            slot.timers.shrink_to(slot.timers.len() * 2);
            left += slot.timers.len();
            match slot.timers.iter().map(|timer| timer.deadline).min() {
                Some(earliest) => slot.earliest = earliest,
                None => self.filled[place / SLOTS] &= !(1 << (place % SLOTS)),
            }
        }
        left
    }
}
