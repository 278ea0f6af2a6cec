//! [`Heap`]: memory that the allocator keeps when many connections, or large answers, have gone is given to the system.
//!
//! What it keeps is free, but lies between pieces that are in use: the buffer of a connection that has gone beside
//! the file that was read meanwhile. It is looked at with a worker's tick, never for a request, and given back
//! when it is worth it and nothing grows; see `docs/design/connection-memory.md`.

use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use bucle_sys::memory;
use rustix::time::{ClockId, clock_gettime};

/// Less is not worth the trouble, in bytes.
const WORTH: u64 = 512 * 1024;

/// Memory that has not grown by more since the last look is at rest, in bytes.
const SLIGHT: u64 = 128 * 1024;

/// From one look to the next, at least.
const APART: Duration = Duration::from_millis(500);

/// So many times the processor time of the last look is waited for the next: looks at a heap of many pieces take milliseconds,
/// and are seldom then.
const SHARE: u32 = 10_000;

/// The heap of the process, which its workers look at by turns.
pub(crate) struct Heap(Mutex<Looks>);

struct Looks {
    /// What was resident and not in use when that was least, since something was given back last: stacks, and what the
    /// allocator can't give back.
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
    /// None where the allocator does not tell, and can't be told to give back.
    pub(crate) fn new() -> Option<Heap> {
        let (resident, used) = (memory::resident()?, memory::in_use()?);
        Some(Heap(Mutex::new(Looks {
            least: resident.saturating_sub(used),
            before: resident,
            next: Instant::now() + APART,
        })))
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
        let spent = processor_time();
        let now = || memory::resident().zip(memory::in_use());
        let Some((resident, used)) = now() else {
            return false;
        };
        let verdict = looks.judge(resident, used);
        if verdict == Verdict::GiveBack {
            memory::give_back();
            let (resident, used) = now().unwrap_or((resident, used));
            looks.given_back(resident, used);
        }
        let took = processor_time().saturating_sub(spent);
        looks.next = begun + took.saturating_mul(SHARE).max(APART);
        verdict == Verdict::Wait
    }
}

/// That of this thread: on a busy machine, a look may last for long without being long.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Looks {
    /// So much is resident, and so much of it in use.
    fn judge(&mut self, resident: u64, used: u64) -> Verdict {
        let grows = resident > self.before + SLIGHT;
        self.before = resident;
        let unused = resident.saturating_sub(used);
        self.least = self.least.min(unused);
        if unused - self.least < WORTH {
            Verdict::Rest
        } else if grows {
            Verdict::Wait
        } else {
            Verdict::GiveBack
        }
    }

    fn given_back(&mut self, resident: u64, used: u64) {
        self.before = resident;
        self.least = resident.saturating_sub(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// At the beginning: 3 MiB, two of which are in use.
    fn looks() -> Looks {
        Looks {
            least: MIB,
            before: 3 * MIB,
            next: Instant::now(),
        }
    }

    #[test]
    fn what_is_free_is_given_back_once_memory_grows_no_more() {
        let mut looks = looks();
        assert_eq!(looks.judge(3 * MIB, 2 * MIB), Verdict::Rest);
        assert_eq!(
            looks.judge(12 * MIB, 11 * MIB),
            Verdict::Rest,
            "all is in use"
        );
        assert_eq!(
            looks.judge(12 * MIB, 11 * MIB - WORTH + 1),
            Verdict::Rest,
            "it is not worth it"
        );
        assert_eq!(looks.judge(14 * MIB, 3 * MIB), Verdict::Wait);
        assert_eq!(looks.judge(14 * MIB, 3 * MIB), Verdict::GiveBack);
        looks.given_back(4 * MIB, 3 * MIB);
        assert_eq!(looks.judge(4 * MIB, 3 * MIB), Verdict::Rest);
    }

    #[test]
    fn what_is_freed_after_some_was_given_back_is_given_back_too() {
        let mut looks = looks();
        assert_eq!(looks.judge(12 * MIB, 9 * MIB), Verdict::Wait);
        assert_eq!(looks.judge(12 * MIB, 9 * MIB), Verdict::GiveBack);
        looks.given_back(10 * MIB, 9 * MIB);
        assert_eq!(looks.judge(10 * MIB, 9 * MIB), Verdict::Rest);
        assert_eq!(looks.judge(8 * MIB, 2 * MIB), Verdict::GiveBack);
    }

    #[test]
    fn what_could_not_be_given_back_is_not_tried_again() {
        let mut looks = looks();
        assert_eq!(looks.judge(3 * MIB, MIB), Verdict::GiveBack);
        looks.given_back(3 * MIB, MIB);
        for _ in 0..3 {
            assert_eq!(looks.judge(3 * MIB, MIB), Verdict::Rest);
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn looks_are_apart() {
        let heap = Heap::new().unwrap();
        assert!(heap.look(), "it is too early, and to be looked at again");
        heap.0.lock().unwrap().next = Instant::now();
        heap.look();
        assert!(heap.0.lock().unwrap().next > Instant::now());
    }
}
