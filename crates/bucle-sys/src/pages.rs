//! Memory straight from the system, page by page, with a say in how large its pages are.

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

/// Which pages the system is to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// The smallest (4 KiB on x86-64), always.
    Small,
    /// Huge ones where the system has them (transparent huge pages).
    Huge,
}

/// Private memory that nobody else has a part of: zeros, each page of which comes into being when
/// it is first touched. Given back on drop.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it owns its memory as a `Box<[u8]>` does.
unsafe impl Send for Pages {}
// SAFETY: shared, it can only be read.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps `length` bytes.
    ///
    /// # Errors
    /// `InvalidInput` for no bytes or more than half of the address space, `ENOMEM`.
    pub fn map(length: usize, size: PageSize) -> io::Result<Pages> {
        if length == 0 || isize::try_from(length).is_err() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new mapping at an address that the system chooses touches no memory in use.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = Pages { start, length };
        pages.advise(size);
        Ok(pages)
    }

    /// A system without huge pages refuses, and has small ones in any case.
    #[cfg(target_os = "linux")]
    fn advise(&self, size: PageSize) {
        let advice = match size {
            PageSize::Small => libc::MADV_NOHUGEPAGE,
            PageSize::Huge => libc::MADV_HUGEPAGE,
        };
        // SAFETY: it is our own mapping, and this advice changes nothing of what it holds.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.length, advice) };
    }

    #[cfg(not(target_os = "linux"))]
    fn advise(&self, _: PageSize) {}
}

/// Bytes of the smallest page.
pub fn page_size() -> usize {
    rustix::param::page_size()
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is `length` readable bytes, initialised by the system to zeros, and
        // lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; `&mut self` makes sure that nobody else looks.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: it is our own mapping, and no reference into it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_zeros_that_can_be_written() {
        for size in [PageSize::Small, PageSize::Huge] {
            let mut pages = Pages::map(3 * page_size(), size).unwrap();
            assert!(pages.iter().all(|&byte| byte == 0));
            pages[2 * page_size()] = 7;
            assert_eq!(pages.iter().map(|&byte| u32::from(byte)).sum::<u32>(), 7);
        }
        assert!(Pages::map(0, PageSize::Small).is_err());
        assert!(Pages::map(usize::MAX, PageSize::Small).is_err());
    }
}
