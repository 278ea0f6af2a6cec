//! The board: the shared memory that a pool and one of its workers have between them, and nobody
//! else. Two rings of frames, and a few words that either reads at any time.
//!
//! It outlives the worker: what a worker had finished is in its ring when it is killed, and which
//! task it had begun stands in [`Board::running`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use bucle_sys::shared::Segment;

use crate::ring::Ring;

/// Words of each ring: 64 KiB.
const RING: usize = 8192;

/// The longest arguments that travel in a ring, in bytes. Longer ones take shared memory, which is as
/// fast for one task from here on, and faster for many: it leaves the ring its room.
pub const LONGEST_INLINE: usize = 8 * 1024;

/// The longest output that does. In shared memory it costs a message more, by which the worker gets
/// the memory back.
pub const LONGEST_INLINE_OUTPUT: usize = 16 * 1024;

/// Where the rings' words begin; the words before are 64 bytes apart where both sides write.
const DATA: usize = 128;

/// The board of one worker.
#[derive(Debug)]
pub(crate) struct Board {
    memory: Segment,
}

/// The task that a worker has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// The task's number, from its frame.
    pub(crate) task: u64,
    /// Which item of a chunk.
    pub(crate) item: u64,
    /// When it began, in nanoseconds of the monotonic clock.
    pub(crate) since: u64,
    /// The worker's processor time then, in nanoseconds; may be a millisecond old.
    pub(crate) cpu: u64,
}

impl Board {
    /// A new one.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new() -> io::Result<Board> {
        let memory = Segment::new("bucle-board", (DATA + 2 * RING) * 8)?;
        Ok(Board { memory })
    }

    /// The one that the parent sent.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<Board> {
        let memory = Segment::from_fd(fd)?;
        if memory.words().len() < DATA + 2 * RING {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the shared memory that was sent is too short for a worker's board",
            ));
        }
        Ok(Board { memory })
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.memory.words()[at]
    }

    /// Tasks, to the worker.
    pub(crate) fn requests(&self) -> Ring<'_> {
        self.ring(32, DATA)
    }

    /// Results, from the worker.
    pub(crate) fn responses(&self) -> Ring<'_> {
        self.ring(64, DATA + RING)
    }

    fn ring(&self, positions: usize, data: usize) -> Ring<'_> {
        Ring {
            data: &self.memory.words()[data..data + RING],
            head: self.word(positions),
            freed: self.word(positions + 8),
            tail: self.word(positions + 16),
        }
    }

    /// Whether the worker sleeps and wants a message when there is a task.
    pub(crate) fn worker_asleep(&self) -> &AtomicU64 {
        self.word(0)
    }

    /// Whether the parent wants a message when there is a result.
    pub(crate) fn parent_asleep(&self) -> &AtomicU64 {
        self.word(8)
    }

    /// Whether the worker wants a message when there is room for results.
    pub(crate) fn wants_room(&self) -> &AtomicU64 {
        self.word(1)
    }

    /// For how many nanoseconds the worker may stay awake without work.
    pub(crate) fn spin(&self) -> &AtomicU64 {
        self.word(16)
    }

    /// Says, in the worker, which task begins.
    pub(crate) fn set_running(&self, running: Running) {
        self.word(25).store(running.item, Ordering::Relaxed);
        self.word(26).store(running.since, Ordering::Relaxed);
        self.word(27).store(running.cpu, Ordering::Relaxed);
        self.word(24).store(running.task + 1, Ordering::Release);
    }

    /// Says, in the worker, that none runs.
    pub(crate) fn set_idle(&self) {
        self.word(24).store(0, Ordering::Release);
    }

    /// What the worker runs.
    pub(crate) fn running(&self) -> Option<Running> {
        let task = self.word(24).load(Ordering::Acquire).checked_sub(1)?;
        Some(Running {
            task,
            item: self.word(25).load(Ordering::Relaxed),
            since: self.word(26).load(Ordering::Relaxed),
            cpu: self.word(27).load(Ordering::Relaxed),
        })
    }
}

impl AsFd for Board {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::AlignedBytes;
    use crate::ring::{HEADER, Producer, pop};

    #[test]
    fn both_sides_see_the_same() {
        let parent = Board::new().unwrap();
        let worker = Board::from_fd(parent.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(parent.running(), None);
        let running = Running {
            task: 0,
            item: 3,
            since: 5,
            cpu: 7,
        };
        worker.set_running(running);
        assert_eq!(parent.running(), Some(running));
        worker.set_idle();
        assert_eq!(parent.running(), None);
        let mut payload = AlignedBytes::default();
        for (from, to) in [
            (parent.requests(), worker.requests()),
            (worker.responses(), parent.responses()),
        ] {
            let mut producer = Producer::default();
            producer.push(from, [1 << 32; HEADER], b"hello").unwrap();
            pop(to, &mut payload).unwrap().unwrap();
            assert_eq!(&payload.bytes()[..5], b"hello");
        }
        let short = Segment::new("short", 4096).unwrap();
        assert!(Board::from_fd(short.as_fd().try_clone_to_owned().unwrap()).is_err());
    }
}
