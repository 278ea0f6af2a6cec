//! A ring of frames in memory that two processes share: one writes, one reads, and the writer may
//! take back what was not read yet.
//!
//! ```text
//!   freed ≤ head ≤ tail        positions in words, which only grow; `position & mask` is the place
//!     │      │      └ written up to here            (the writer's)
//!     │      └ claimed up to here                   (whoever claims: compare and swap)
//!     └ read up to here: its place is free          (the reader's)
//! ```
//!
//! The reader *claims* a frame before it reads it, so what lies between `head` and `tail` has not
//! been begun by anybody: that is the started mark of the tasks in it, and it costs no message. The
//! writer takes back all of that in one step by claiming it itself ([`Producer::reclaim`]).
//!
//! Nothing here trusts the other side: positions and lengths that can't be are [`Garbage`], and a
//! frame is copied out before it is looked at. Words are atomics, so a torn frame is wrong data and
//! no more.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::payload::AlignedBytes;

/// How many words a frame's header has, the first of which the ring uses.
pub(crate) const HEADER: usize = 6;

/// A word that both sides use: an `AtomicU64`; loom's in its models of this file.
pub(crate) trait Word {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn swap(&self, value: u64, order: Ordering) -> u64;
    /// With acquire and release, where it succeeds.
    fn exchange(&self, known: u64, new: u64) -> Result<u64, u64>;
    /// One order of all fences, in which what comes before one is seen by what comes after a later
    /// one.
    fn fence();
}

macro_rules! word {
    ($atomic:ty, $fence:path) => {
        impl Word for $atomic {
            #[inline]
            fn load(&self, order: Ordering) -> u64 {
                self.load(order)
            }

            #[inline]
            fn store(&self, value: u64, order: Ordering) {
                self.store(value, order);
            }

            #[inline]
            fn swap(&self, value: u64, order: Ordering) -> u64 {
                self.swap(value, order)
            }

            #[inline]
            fn exchange(&self, known: u64, new: u64) -> Result<u64, u64> {
                self.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire)
            }

            #[inline]
            fn fence() {
                $fence(Ordering::SeqCst);
            }
        }
    };
}

word!(AtomicU64, std::sync::atomic::fence);
#[cfg(loom)]
word!(loom::sync::atomic::AtomicU64, loom::sync::atomic::fence);

/// The shared words of a ring. The number of words for data is a power of two.
pub(crate) struct Ring<'a, W: Word = AtomicU64> {
    pub(crate) data: &'a [W],
    pub(crate) head: &'a W,
    pub(crate) freed: &'a W,
    pub(crate) tail: &'a W,
}

impl<W: Word> Clone for Ring<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W: Word> Copy for Ring<'_, W> {}

/// What stands in the ring can't have been written by our code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage;

impl<W: Word> Ring<'_, W> {
    fn at(&self, position: u64) -> &W {
        &self.data[(position & (self.data.len() as u64 - 1)) as usize]
    }

    /// Whether there is anything to claim.
    pub(crate) fn has_frames(&self) -> bool {
        self.head.load(Ordering::Relaxed) != self.tail.load(Ordering::Acquire)
    }

    /// How far frames have been claimed.
    pub(crate) fn claimed(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }
}

/// The writer's own state.
#[derive(Debug, Default)]
pub(crate) struct Producer {
    tail: u64,
    /// Taken back: free once the reader has read up to the first.
    skipped: Option<(u64, u64)>,
}

impl Producer {
    /// Writes a frame and gives the position of its end; `None` if there is no room now. The first
    /// word of `header` is the ring's, but for its upper half.
    pub(crate) fn push<W: Word, const N: usize>(
        &mut self,
        ring: Ring<'_, W>,
        mut header: [u64; N],
        payload: &[u8],
    ) -> Option<u64> {
        let words = (N + payload.len().div_ceil(8)) as u64;
        let end = self.tail + words;
        if end - self.free_from(ring) > ring.data.len() as u64 {
            return None;
        }
        header[0] = header[0] & !u64::from(u32::MAX) | words;
        let mut at = self.tail;
        for word in header {
            ring.at(at).store(word, Ordering::Relaxed);
            at += 1;
        }
        let (whole, rest) = payload.as_chunks::<8>();
        for chunk in whole {
            ring.at(at)
                .store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
            at += 1;
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            ring.at(at)
                .store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
        self.tail = end;
        ring.tail.store(end, Ordering::Release);
        Some(end)
    }

    /// Where the next frame begins.
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// From where on the ring's words may not be written to.
    fn free_from<W: Word>(&mut self, ring: Ring<'_, W>) -> u64 {
        // A reader gone mad gets no room beyond what was written.
        let freed = ring.freed.load(Ordering::Acquire).min(self.tail);
        match self.skipped {
            // The reader says nothing of what it was never given.
            Some((from, to)) if freed >= from => {
                if freed >= to {
                    self.skipped = None;
                }
                to.max(freed)
            }
            _ => freed,
        }
    }

    /// Takes back all frames that were not claimed, and gives the position from which on they lie;
    /// what ends behind it is the caller's again.
    pub(crate) fn reclaim<W: Word>(&mut self, ring: Ring<'_, W>) -> u64 {
        let mut head = ring.head.load(Ordering::Acquire);
        loop {
            if head >= self.tail {
                return self.tail;
            }
            match ring.head.exchange(head, self.tail) {
                Ok(_) => {
                    self.skipped = match self.skipped {
                        // The reader still reads what came before the first one.
                        Some((from, to)) if to == head => Some((from, self.tail)),
                        _ => Some((head, self.tail)),
                    };
                    return head;
                }
                Err(now) => head = now,
            }
        }
    }
}

/// Claims the next frame and copies it out; `Ok(None)` if there is none.
#[inline]
pub(crate) fn pop<W: Word>(
    ring: Ring<'_, W>,
    payload: &mut AlignedBytes,
) -> Result<Option<[u64; HEADER]>, Garbage> {
    pop_frame(ring, payload)
}

/// The same with a header of any length.
fn pop_frame<W: Word, const N: usize>(
    ring: Ring<'_, W>,
    payload: &mut AlignedBytes,
) -> Result<Option<[u64; N]>, Garbage> {
    let capacity = ring.data.len() as u64;
    let mut head = ring.head.load(Ordering::Acquire);
    let words = loop {
        let tail = ring.tail.load(Ordering::Acquire);
        if head == tail {
            return Ok(None);
        }
        if tail < head || tail - head > capacity {
            // It may have been taken back, and more written, between the two loads.
            let now = ring.head.load(Ordering::Acquire);
            if now == head {
                return Err(Garbage);
            }
            head = now;
            continue;
        }
        let words = ring.at(head).load(Ordering::Relaxed) & u64::from(u32::MAX);
        // Not by comparing ends, which may have gone round: the positions are the other side's.
        let fits = (N as u64..=tail - head).contains(&words);
        let next = head.wrapping_add(words);
        // Only after this is what was read known to belong to the frame.
        match ring.head.exchange(head, next) {
            Ok(_) if fits => break words,
            Ok(_) => return Err(Garbage),
            Err(now) => head = now,
        }
    };
    let mut header = [0; N];
    for (position, word) in header.iter_mut().enumerate() {
        *word = ring.at(head + position as u64).load(Ordering::Relaxed);
    }
    let first = head + N as u64;
    let words = words as usize - N;
    for (position, word) in payload.begin(words * 8)[..words].iter_mut().enumerate() {
        *word = ring.at(first + position as u64).load(Ordering::Relaxed);
    }
    ring.freed.store(first + words as u64, Ordering::Release);
    Ok(Some(header))
}

/// Says that the writer waits for room; it looks once more after that, before it sleeps.
pub(crate) fn want_room<W: Word>(wants_room: &W) {
    wants_room.store(1, Ordering::SeqCst);
    W::fence();
}

/// Asks, after frames were read, whether the writer waits for room; if so it is not said to wait any
/// more, and the caller wakes it.
pub(crate) fn take_waiter<W: Word>(wants_room: &W) -> bool {
    // Against `want_room`, as in `take_sleeper`: without it the writer may see a full ring, and this
    // side nobody who waits.
    W::fence();
    wants_room.load(Ordering::Relaxed) != 0 && wants_room.swap(0, Ordering::SeqCst) != 0
}

/// Asks, after a frame was written, whether the reader sleeps; if so it is not said to sleep any
/// more, and the caller wakes it.
pub(crate) fn take_sleeper<W: Word>(asleep: &W) -> bool {
    // Against `fall_asleep`: one of the two sees what the other has written.
    W::fence();
    asleep.load(Ordering::Relaxed) != 0 && asleep.swap(0, Ordering::SeqCst) != 0
}

/// Says that the reader of `ring` is about to sleep; false if there is something to read after all.
pub(crate) fn fall_asleep<W: Word>(asleep: &W, ring: Ring<'_, W>) -> bool {
    asleep.store(1, Ordering::SeqCst);
    W::fence();
    if ring.has_frames() {
        asleep.store(0, Ordering::Relaxed);
        return false;
    }
    true
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
