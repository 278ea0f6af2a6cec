//! Prefetching: asking for a cell's memory before it is needed.
//!
//! Where there are many tasks, each is out of the processor's caches by the time it is woken, and
//! waiting for its memory is most of what a wake and a poll cost. Memory that was asked for in time
//! comes while others are being woken. Nothing depends on it but time.

use std::task::Waker;

use super::TaskRef;

/// What is one load from memory.
const LINE: usize = 64;

/// What of a cell is asked for: the header, and the beginning of its future.
const LINES: usize = 3;

/// Asks for the cell behind a waker. Of a waker of somebody else's making, what it points to.
#[inline]
pub(crate) fn prefetch_woken(waker: &Waker) {
    prefetch(waker.data().cast());
}

impl TaskRef {
    /// Asks for the task's cell.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self.ptr.as_ptr().cast_const().cast());
    }
}

#[inline]
fn prefetch(address: *const u8) {
    for line in 0..LINES {
        prefetch_line(address.wrapping_add(line * LINE));
    }
}

#[inline]
pub(super) fn prefetch_line(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing that a program could see, and does not fault,
        // whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
