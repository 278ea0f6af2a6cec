//! [`FirstReads`]: whether connections are read from before the system says that there is something.
//!
//! Most clients speak first, and at once: when their connection is accepted, and the others that came
//! with it, the first request is there. Then it is cheaper to read than to have the socket watched; a
//! client that leaves with the answer is never watched at all. Where clients do not speak first (it is
//! the server's turn, or the network is slow and the server idle), such a read is in vain; it costs
//! about a seventh of what it saves elsewhere. So it is given up for a while where nearly all are.

use std::cell::Cell;

/// How many are tried before they are judged, and how many of these may be in vain.
const TRIED: u32 = 32;
const IN_VAIN: u32 = TRIED / 8 * 7;

/// Judged so, how many connections come in before it is tried again.
const PAUSE: u32 = 128;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct FirstReads {
    tried: Cell<u32>,
    missed: Cell<u32>,
    paused: Cell<u32>,
}

impl FirstReads {
    /// Whether to try with the connection that comes in.
    pub(crate) fn is_due(&self) -> bool {
        if let paused @ 1.. = self.paused.get() {
            self.paused.set(paused - 1);
            return false;
        }
        if self.tried.get() == TRIED {
            let missed = self.missed.replace(0);
            self.tried.set(0);
            if missed > IN_VAIN {
                self.paused.set(PAUSE - 1);
                return false;
            }
        }
        self.tried.set(self.tried.get() + 1);
        true
    }

    /// There was nothing to read.
    pub(crate) fn missed(&self) {
        self.missed.set(self.missed.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_long_as_one_in_eight_finds_something_it_is_tried() {
        let reads = FirstReads::default();
        for number in 0..100 * TRIED {
            assert!(reads.is_due(), "{number}");
            if number % 8 != 0 {
                reads.missed();
            }
        }
    }

    #[test]
    fn in_vain_it_is_given_up_and_tried_again_later() {
        let reads = FirstReads::default();
        for _ in 0..3 {
            for _ in 0..TRIED {
                assert!(reads.is_due());
                reads.missed();
            }
            for number in 0..PAUSE {
                assert!(!reads.is_due(), "{number}");
            }
        }
        for _ in 0..10 * TRIED {
            assert!(reads.is_due());
        }
    }

    /// They are known a turn later only.
    #[test]
    fn misses_that_are_told_late_count() {
        let reads = FirstReads::default();
        let tried = (0..64).filter(|_| reads.is_due()).count();
        (0..tried).for_each(|_| reads.missed());
        let later = (0..PAUSE).filter(|_| reads.is_due()).count();
        assert!(later <= TRIED as usize, "{later}");
    }
}
