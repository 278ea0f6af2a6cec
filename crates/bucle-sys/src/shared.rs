//! Memory that processes share: a file without a name (memfd), its size sealed, mapped.
//!
//! A [`Segment`] is *leased*: one process at a time holds the right to look into it, and gives it
//! up by saying so to the other (see the process pool). What both use at once is only ever reached
//! as atomic words ([`Segment::words`]). Linux only.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU64;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// A piece of memory that can be sent to another process by its descriptor.
///
/// Nothing of it is left when the last process that has it ends, however it ends.
pub struct Segment {
    fd: OwnedFd,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, until the one `Segment` that owns it
// is dropped; shared references give out shared slices and atomics only.
unsafe impl Send for Segment {}
// SAFETY: as above; writing takes `&mut`, or goes through atomics.
unsafe impl Sync for Segment {}

impl Segment {
    /// `len` bytes of zeros, at least one. The memory is taken when it is first written to.
    ///
    /// # Errors
    /// `ENOMEM`, `EMFILE` and the like; `InvalidInput` for a length that no memory has.
    pub fn new(name: &str, len: usize) -> io::Result<Segment> {
        let len = len.max(1);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create(name, flags)?;
        rustix::fs::ftruncate(&fd, u64::try_from(len).map_err(too_long)?)?;
        // Nobody can take pages away under a reader, who would get SIGBUS for it.
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&fd, seals)?;
        Segment::map(fd, len)
    }

    /// The segment that another process sent.
    ///
    /// # Errors
    /// `InvalidData` if it is anything but a file of memory whose size is sealed; the system's.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Segment> {
        let seals = rustix::fs::fcntl_get_seals(&fd).unwrap_or(SealFlags::empty());
        if !seals.contains(SealFlags::SHRINK) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the descriptor that was sent is no sealed piece of memory",
            ));
        }
        let file = File::from(fd);
        let len = usize::try_from(file.metadata()?.len()).map_err(too_long)?;
        if len == 0 {
            let message = "the piece of memory that was sent is empty";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Segment::map(file.into(), len)
    }

    fn map(fd: OwnedFd, len: usize) -> io::Result<Segment> {
        if isize::try_from(len).is_err() {
            return Err(too_long(len));
        }
        // SAFETY: a new mapping at an address of the system's choice touches nothing that exists;
        // the descriptor is a memory file of `len` bytes, as both callers have seen to.
        let start = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &fd,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Segment { fd, start, len })
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a segment has a byte at least.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The bytes, for who holds the lease.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, readable and initialized (a new page is zeros) for `len` bytes, which
        // `map` compared with `isize::MAX`, for as long as `self` lives; the size is sealed, so no
        // page is taken away. Within this process writing takes `&mut self`. The other process is
        // of the same build, and writes only while it holds the lease, which it gave up in the
        // message that brought this side to look.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, to be written by who holds the lease.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` makes it exclusive in this process, and the lease
        // among processes.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// The whole of it as words that any number of processes read and write at once.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: a mapping begins at a page, so it is aligned; every pattern of bytes is an
        // `AtomicU64`, which may change at any time under a shared reference; the length is
        // rounded down to what is mapped.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), self.len / 8) }
    }

    /// Gives the pages back to the system; the bytes are zeros again.
    ///
    /// # Errors
    /// The system's.
    pub fn discard(&mut self) -> io::Result<()> {
        use rustix::fs::FallocateFlags;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.fd, flags, 0, self.len as u64)?)
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: `map` made the mapping, `self` alone owns it, and every slice into it borrows
        // `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("fd", &self.fd)
            .field("len", &self.len)
            .finish()
    }
}

fn too_long<E>(_: E) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a piece of shared memory can't be that long",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn two_mappings_are_the_same_memory() {
        let mut one = Segment::new("test", 5000).unwrap();
        assert_eq!(one.len(), 5000);
        assert!(one.bytes().iter().all(|byte| *byte == 0));
        one.bytes_mut()[4999] = 7;
        let other = Segment::from_fd(one.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(other.bytes()[4999], 7);
        assert_eq!(other.words().len(), 625);
        other.words()[3].store(1 << 40, Ordering::Release);
        assert_eq!(one.words()[3].load(Ordering::Acquire), 1 << 40);
        one.discard().unwrap();
        assert_eq!(other.bytes()[4999], 0);
    }

    #[test]
    fn its_size_is_sealed_and_others_are_refused() {
        let segment = Segment::new("test", 4096).unwrap();
        let fd = segment.as_fd().try_clone_to_owned().unwrap();
        assert!(File::from(fd).set_len(0).is_err());
        let plain = File::open("/dev/null").unwrap();
        let error = Segment::from_fd(plain.into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("no sealed piece"), "{error}");
        assert!(Segment::new("test", usize::MAX).is_err());
    }
}
