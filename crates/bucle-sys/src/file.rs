//! Files, by descriptor.

use std::io;
use std::os::fd::AsFd;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, BorrowedFd};

#[cfg(target_os = "linux")]
use rustix::io::Errno;

/// The length of a regular file, in bytes.
///
/// # Errors
/// `InvalidInput` for what is no regular file, and has none; `EBADF`.
pub fn length(file: impl AsFd) -> io::Result<u64> {
    let stat = rustix::fs::fstat(file)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "only a regular file has a length",
        ));
    }
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

/// Reads into `buffer` from `offset`; the file's own position is neither used nor moved (`pread`).
/// 0 means that the file ends before `offset`.
///
/// # Errors
/// `ESPIPE` for what has no offsets; the system's.
pub fn read_at(file: impl AsFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let count = rustix::io::retry_on_intr(|| rustix::io::pread(&file, &mut *buffer, offset))?;
    Ok(count)
}

/// Like [`read_at`], but never waits for a disk: what is not in the system's memory is not read.
/// Where the system or the file system can't tell (other than Linux, some network file systems), it
/// reads as [`read_at`] does.
///
/// # Errors
/// `WouldBlock` where it would have to wait; as [`read_at`].
pub fn read_cached_at(file: impl AsFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    match probe(&file, buffer, offset) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        result => return Ok(result?),
    }
    read_at(file, buffer, offset)
}

/// Reads with `RWF_NOWAIT`.
#[cfg(target_os = "linux")]
fn probe(file: impl AsFd, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2};

    rustix::io::retry_on_intr(|| {
        let mut buffers = [IoSliceMut::new(&mut *buffer)];
        preadv2(&file, &mut buffers, offset, ReadWriteFlags::NOWAIT)
    })
}

/// Whether `length` bytes of a file from `offset` on are in the system's memory, so that sending
/// them waits for no disk. `None` where that can't be told.
///
/// The kernel is asked for the number of pages (`cachestat(2)`, Linux 6.5); where it doesn't say
/// (an older one, a file of somebody else's), a byte is read without waiting in every 32 KiB, which
/// may miss a hole.
#[cfg(target_os = "linux")]
pub fn is_cached(file: impl AsFd, offset: u64, length: u64) -> Option<bool> {
    /// Between two bytes that are probed.
    const STEP: u64 = 32 * 1024;

    if length == 0 {
        return Some(true);
    }
    if let Some(cached) = cached_pages(file.as_fd(), offset, length) {
        let page = page_size();
        let first = offset / page;
        let last = offset.saturating_add(length - 1) / page;
        return Some(cached > last - first);
    }
    let mut at = offset;
    let last = offset.saturating_add(length - 1);
    loop {
        match probe(&file, &mut [0], at) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Some(false),
            Err(_) => return None,
        }
        if at == last {
            return Some(true);
        }
        at = at.saturating_add(STEP).min(last);
    }
}

/// [`is_cached`], on a system that can't tell.
#[cfg(not(target_os = "linux"))]
pub fn is_cached(_: impl AsFd, _: u64, _: u64) -> Option<bool> {
    None
}

#[cfg(target_os = "linux")]
fn page_size() -> u64 {
    // SAFETY: it takes a number and touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(0).max(4096)
}

/// How many pages of a part of a file are in the page cache, if the kernel says it.
#[cfg(target_os = "linux")]
fn cached_pages(file: BorrowedFd<'_>, offset: u64, length: u64) -> Option<u64> {
    /// The same on all architectures but Alpha and MIPS, where nothing else has that number.
    const SYS_CACHESTAT: libc::c_long = 451;

    #[repr(C)]
    struct Range {
        offset: u64,
        length: u64,
    }

    let range = Range { offset, length };
    // Cached, dirty, in writeback, evicted, recently evicted.
    let mut counts = [0u64; 5];
    // SAFETY: the kernel reads two 64-bit numbers by the third argument's pointer (`struct
    // cachestat_range`) and writes five by the next one (`struct cachestat`); both live until the
    // call returns, and are as long. The descriptor is open for as long as it is borrowed. A kernel
    // that doesn't know the call touches nothing.
    let result = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            file.as_raw_fd(),
            &raw const range,
            &raw mut counts,
            0,
        )
    };
    (result == 0).then_some(counts[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn reads_where_it_is_told_to() {
        let mut file = std::fs::File::open("/proc/self/exe").unwrap();
        let mut head = [0; 8];
        file.read_exact(&mut head).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(read_at(&file, &mut buffer, 4).unwrap(), 4);
        assert_eq!(buffer, head[4..]);
        assert_eq!(file.stream_position().unwrap(), 8);
        assert_eq!(read_at(&file, &mut buffer, 1 << 40).unwrap(), 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_was_just_written_is_in_memory() {
        let path = std::env::temp_dir().join(format!("bucle-cached-{}", std::process::id()));
        std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for (offset, length) in [(0, 100_000), (1, 1), (99_999, 1), (4095, 2), (0, 0)] {
            assert_ne!(
                is_cached(&file, offset, length),
                Some(false),
                "{offset} {length}"
            );
        }
        let mut buffer = [0; 10];
        assert_eq!(read_cached_at(&file, &mut buffer, 99_995).unwrap(), 5);
        assert_eq!(buffer, *b"xxxxx\0\0\0\0\0");
    }
}
