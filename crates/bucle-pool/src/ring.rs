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

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::payload::AlignedBytes;

/// How many words a frame's header has, the first of which the ring uses.
pub(crate) const HEADER: usize = 6;

/// The shared words of a ring. The number of words for data is a power of two.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) data: &'a [AtomicU64],
    pub(crate) head: &'a AtomicU64,
    pub(crate) freed: &'a AtomicU64,
    pub(crate) tail: &'a AtomicU64,
}

/// What stands in the ring can't have been written by our code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage;

impl Ring<'_> {
    fn at(&self, position: u64) -> &AtomicU64 {
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

/// The words that a frame with a payload of `len` bytes takes.
pub(crate) fn frame_words(len: usize) -> usize {
    HEADER + len.div_ceil(8)
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
    pub(crate) fn push(
        &mut self,
        ring: Ring<'_>,
        mut header: [u64; HEADER],
        payload: &[u8],
    ) -> Option<u64> {
        let words = frame_words(payload.len()) as u64;
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
    fn free_from(&mut self, ring: Ring<'_>) -> u64 {
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
    pub(crate) fn reclaim(&mut self, ring: Ring<'_>) -> u64 {
        let mut head = ring.head.load(Ordering::Acquire);
        loop {
            if head >= self.tail {
                return self.tail;
            }
            let swapped =
                ring.head
                    .compare_exchange(head, self.tail, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
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
pub(crate) fn pop(
    ring: Ring<'_>,
    payload: &mut AlignedBytes,
) -> Result<Option<[u64; HEADER]>, Garbage> {
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
        let fits = (HEADER as u64..=tail - head).contains(&words);
        let next = head.wrapping_add(words);
        // Only after this is what was read known to belong to the frame.
        let swapped = ring
            .head
            .compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire);
        match swapped {
            Ok(_) if fits => break words,
            Ok(_) => return Err(Garbage),
            Err(now) => head = now,
        }
    };
    let mut header = [0; HEADER];
    for (position, word) in header.iter_mut().enumerate() {
        *word = ring.at(head + position as u64).load(Ordering::Relaxed);
    }
    let first = head + HEADER as u64;
    let words = words as usize - HEADER;
    for (position, word) in payload.begin(words * 8)[..words].iter_mut().enumerate() {
        *word = ring.at(first + position as u64).load(Ordering::Relaxed);
    }
    ring.freed.store(first + words as u64, Ordering::Release);
    Ok(Some(header))
}

/// Says that the writer waits for room; it looks once more after that, before it sleeps.
pub(crate) fn want_room(wants_room: &AtomicU64) {
    wants_room.store(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
}

/// Asks, after frames were read, whether the writer waits for room; if so it is not said to wait any
/// more, and the caller wakes it.
pub(crate) fn take_waiter(wants_room: &AtomicU64) -> bool {
    // Against `want_room`, as in `take_sleeper`: without it the writer may see a full ring, and this
    // side nobody who waits.
    fence(Ordering::SeqCst);
    wants_room.load(Ordering::Relaxed) != 0 && wants_room.swap(0, Ordering::SeqCst) != 0
}

/// Asks, after a frame was written, whether the reader sleeps; if so it is not said to sleep any
/// more, and the caller wakes it.
pub(crate) fn take_sleeper(asleep: &AtomicU64) -> bool {
    // Against `fall_asleep`: one of the two sees what the other has written.
    fence(Ordering::SeqCst);
    asleep.load(Ordering::Relaxed) != 0 && asleep.swap(0, Ordering::SeqCst) != 0
}

/// Says that the reader of `ring` is about to sleep; false if there is something to read after all.
pub(crate) fn fall_asleep(asleep: &AtomicU64, ring: Ring<'_>) -> bool {
    asleep.store(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    if ring.has_frames() {
        asleep.store(0, Ordering::Relaxed);
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    struct Memory {
        data: Vec<AtomicU64>,
        positions: [AtomicU64; 3],
    }

    impl Memory {
        fn new(words: usize) -> Memory {
            Memory {
                data: (0..words).map(|_| AtomicU64::new(0)).collect(),
                positions: Default::default(),
            }
        }

        fn ring(&self) -> Ring<'_> {
            let [head, freed, tail] = &self.positions;
            Ring {
                data: &self.data,
                head,
                freed,
                tail,
            }
        }
    }

    fn header(number: u64) -> [u64; HEADER] {
        [7 << 32, number, 0, 0, 0, 0]
    }

    #[test]
    fn frames_go_round_and_round() {
        let memory = Memory::new(32);
        let mut producer = Producer::default();
        let mut payload = AlignedBytes::default();
        for number in 0..1000 {
            let bytes = vec![number as u8; number as usize % 40];
            producer
                .push(memory.ring(), header(number), &bytes)
                .unwrap();
            let header = pop(memory.ring(), &mut payload).unwrap().unwrap();
            assert_eq!((header[0] >> 32, header[1]), (7, number));
            assert_eq!(payload.bytes()[..bytes.len()], bytes);
            assert_eq!(pop(memory.ring(), &mut payload), Ok(None));
        }
    }

    #[test]
    fn a_full_ring_takes_no_more() {
        let memory = Memory::new(16);
        let mut producer = Producer::default();
        assert!(producer.push(memory.ring(), header(0), &[0; 80]).is_some());
        assert!(producer.push(memory.ring(), header(1), &[]).is_none());
        pop(memory.ring(), &mut AlignedBytes::default()).unwrap();
        assert!(producer.push(memory.ring(), header(1), &[0; 81]).is_none());
        assert!(producer.push(memory.ring(), header(1), &[]).is_some());
    }

    #[test]
    fn what_was_not_claimed_is_taken_back() {
        let memory = Memory::new(64);
        let mut producer = Producer::default();
        let mut payload = AlignedBytes::default();
        let first = producer.push(memory.ring(), header(0), &[]).unwrap();
        producer.push(memory.ring(), header(1), &[]).unwrap();
        pop(memory.ring(), &mut payload).unwrap().unwrap();
        assert_eq!(producer.reclaim(memory.ring()), first);
        assert_eq!(pop(memory.ring(), &mut payload), Ok(None));
        // All of the ring is there again.
        for number in 2..12 {
            assert!(producer.push(memory.ring(), header(number), &[]).is_some());
        }
        assert!(producer.push(memory.ring(), header(12), &[]).is_none());
        let header = pop(memory.ring(), &mut payload).unwrap().unwrap();
        assert_eq!(header[1], 2);
    }

    #[test]
    fn garbage_is_told() {
        let memory = Memory::new(16);
        let mut payload = AlignedBytes::default();
        memory.ring().tail.store(17, Ordering::Release);
        assert_eq!(pop(memory.ring(), &mut payload), Err(Garbage));
        memory.ring().tail.store(8, Ordering::Release);
        for words in [0, 5, 9, u64::MAX] {
            memory.ring().head.store(0, Ordering::Release);
            memory.data[0].store(words, Ordering::Relaxed);
            assert_eq!(pop(memory.ring(), &mut payload), Err(Garbage), "{words}");
        }
        // A frame of 32 GiB that ends behind the last position there is.
        memory.ring().head.store(u64::MAX - 8, Ordering::Release);
        memory.ring().tail.store(u64::MAX, Ordering::Release);
        memory.data[(u64::MAX - 8) as usize % 16].store(u64::MAX, Ordering::Relaxed);
        assert_eq!(pop(memory.ring(), &mut payload), Err(Garbage));
        // And one that ends just there.
        memory.ring().head.store(u64::MAX - 6, Ordering::Release);
        memory.data[(u64::MAX - 6) as usize % 16].store(6, Ordering::Relaxed);
        assert!(pop(memory.ring(), &mut payload).unwrap().is_some());
        let mut producer = Producer::default();
        memory.ring().freed.store(u64::MAX, Ordering::Release);
        assert!(producer.push(memory.ring(), header(0), &[0; 100]).is_none());
    }

    /// One thread writes and takes back, another reads: every frame is had by exactly one of them.
    #[test]
    fn every_frame_is_read_or_taken_back_once() {
        const FRAMES: u64 = 20_000;
        let memory = Arc::new(Memory::new(256));
        let reader = std::thread::spawn({
            let memory = memory.clone();
            move || {
                let (mut seen, mut payload) = (Vec::new(), AlignedBytes::default());
                loop {
                    match pop(memory.ring(), &mut payload).unwrap() {
                        Some(header) if header[1] == u64::MAX => return seen,
                        Some(header) => {
                            let fill = (header[1] % 251) as u8;
                            assert!(payload.bytes().iter().all(|byte| *byte == fill));
                            seen.push(header[1]);
                        }
                        None => std::thread::yield_now(),
                    }
                }
            }
        });
        let mut producer = Producer::default();
        let (mut pending, mut back) = (Vec::new(), Vec::new());
        for number in 0..FRAMES {
            let payload = vec![(number % 251) as u8; (number % 7) as usize * 8];
            let end = loop {
                match producer.push(memory.ring(), header(number), &payload) {
                    Some(end) => break end,
                    None => std::thread::yield_now(),
                }
            };
            pending.push((number, end));
            if number % 5 == 0 {
                let from = producer.reclaim(memory.ring());
                back.extend(pending.drain(..).filter(|(_, end)| *end > from));
            }
        }
        while producer
            .push(memory.ring(), header(u64::MAX), &[])
            .is_none()
        {
            std::thread::yield_now();
        }
        let mut all = reader.join().unwrap();
        all.extend(back.into_iter().map(|(number, _)| number));
        all.sort_unstable();
        assert_eq!(all, (0..FRAMES).collect::<Vec<_>>());
    }
}
