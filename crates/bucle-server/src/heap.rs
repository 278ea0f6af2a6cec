//! [`Heap`]: memory that the allocator keeps when many connections, or large answers, have gone is given to the system.
//!
//! What it keeps is free, but lies between pieces that are in use: the buffer of a connection that has gone beside
//! the file that was read meanwhile. It is looked at with a worker's tick, never for a request, and given back
//! when it is worth it and nothing grows; see `docs/design/connection-memory.md`.

use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use bucle_sys::memory;

/// Less is not worth the trouble, in bytes.
const WORTH: u64 = 512 * 1024;

/// Memory that has not grown by more since the last look is at rest, in bytes.
const SLIGHT: u64 = 128 * 1024;

/// From one look to the next, at least.
const APART: Duration = Duration::from_millis(500);

/// So many times as long as the last look took is waited for the next: looks at a heap of many pieces take long, and are
/// seldom then.
const SHARE: u32 = 1_000;

/// The heap of the process, which its workers look at by turns.
pub(crate) struct Heap(Mutex<Looks>);

struct Looks {
    /// What was resident when that was least, since something was given back last.
    least: u64,
    /// What was resident at the last look.
    before: u64,
    /// When the next look may be.
    next: Instant,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing, until something happens.
    Rest,
    /// It is to be looked at again.
    Wait,
    GiveBack,
}

impl Heap {
    /// What is resident now is the beginning.
    pub(crate) fn new() -> Heap {
        let resident = memory::resident().unwrap_or(0);
        Heap(Mutex::new(Looks {
            least: resident,
            before: resident,
            next: Instant::now() + APART,
        }))
    }

    /// Gives back what there is, if that is worth it. Returns whether it is to be looked at again even if nothing
    /// happens meanwhile.
    pub(crate) fn look(&self) -> bool {
        let mut looks = match self.0.try_lock() {
            Ok(looks) => looks,
            // Another worker is at it.
            Err(TryLockError::WouldBlock) => return false,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
        };
        let begun = Instant::now();
        if begun < looks.next {
            return true;
        }
        let Some(resident) = memory::resident() else {
            return false;
        };
        let verdict = looks.judge(resident, memory::free);
        if verdict == Verdict::GiveBack {
            memory::give_back();
            looks.given_back(memory::resident().unwrap_or(resident));
        }
        let took = begun.elapsed();
        looks.next = begun + (took * SHARE).max(APART);
        verdict == Verdict::Wait
    }
}

impl Looks {
    /// `resident` is what is resident, `free` what the allocator has that nobody uses, resident or not. What both say
    /// has grown since it was least and is free: so much may be given back, and not more.
    fn judge(&mut self, resident: u64, free: impl FnOnce() -> u64) -> Verdict {
        let grows = resident > self.before + SLIGHT;
        self.before = resident;
        self.least = self.least.min(resident);
        if resident - self.least < WORTH {
            Verdict::Rest
        } else if grows {
            Verdict::Wait
        } else if free() < WORTH {
            Verdict::Rest
        } else {
            Verdict::GiveBack
        }
    }

    fn given_back(&mut self, resident: u64) {
        self.least = resident;
        self.before = resident;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn looks(resident: u64) -> Looks {
        Looks {
            least: resident,
            before: resident,
            next: Instant::now(),
        }
    }

    #[test]
    fn what_has_grown_and_is_free_is_given_back_once_it_grows_no_more() {
        let mut looks = looks(6 * MIB);
        let unasked = || panic!("there is nothing to ask for");
        assert_eq!(looks.judge(6 * MIB + WORTH - 1, unasked), Verdict::Rest);
        assert_eq!(looks.judge(12 * MIB, unasked), Verdict::Wait);
        assert_eq!(looks.judge(13 * MIB, unasked), Verdict::Wait);
        assert_eq!(
            looks.judge(13 * MIB, || WORTH - 1),
            Verdict::Rest,
            "it is in use"
        );
        assert_eq!(looks.judge(13 * MIB, || WORTH), Verdict::GiveBack);
        looks.given_back(7 * MIB);
        assert_eq!(looks.judge(7 * MIB, unasked), Verdict::Rest);
    }

    #[test]
    fn what_could_not_be_given_back_is_not_tried_again() {
        let mut looks = looks(6 * MIB);
        assert_eq!(looks.judge(12 * MIB, || 5 * MIB), Verdict::Wait);
        assert_eq!(looks.judge(12 * MIB, || 5 * MIB), Verdict::GiveBack);
        looks.given_back(12 * MIB);
        for _ in 0..3 {
            assert_eq!(looks.judge(12 * MIB, || 5 * MIB), Verdict::Rest);
        }
        // What goes by itself counts as the least, and what comes then as grown.
        assert_eq!(looks.judge(8 * MIB, || 5 * MIB), Verdict::Rest);
        assert_eq!(looks.judge(9 * MIB, || 5 * MIB), Verdict::Wait);
        assert_eq!(looks.judge(9 * MIB, || 5 * MIB), Verdict::GiveBack);
    }

    #[test]
    fn looks_are_apart() {
        let heap = Heap::new();
        assert!(heap.look(), "it is too early, and to be looked at again");
        heap.0.lock().unwrap().next = Instant::now();
        heap.look();
        assert!(heap.look());
        let next = heap.0.lock().unwrap().next;
        assert!(next > Instant::now());
    }
}
