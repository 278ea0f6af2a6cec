//! How much memory the process has, and what of it the allocator could do without.
//!
//! An allocator keeps what is freed, to give it out again; what lies between pieces that are in use stays with it
//! for good, however much it is. [`give_back`] hands that to the system.

/// How much memory of this process is resident and its own alone (no file's, not shared with others), in bytes.
///
/// Recent kernels count in each CPU apart, so it may be off by some hundred KiB. `None` where the system has
/// no `/proc`, and when there is no descriptor left to read it with.
pub fn resident() -> Option<u64> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open("/proc/self/statm", flags, Mode::empty()).ok()?;
    // Seven numbers, none of more than 20 digits.
    let mut text = [0; 160];
    let length = rustix::io::read(&file, &mut text).ok()?;
    let pages = own_pages(&text[..length])?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// The difference of the second and the third number, proc(5).
fn own_pages(statm: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(statm).ok()?;
    let mut fields = text.split_ascii_whitespace().skip(1).map(str::parse);
    let resident: u64 = fields.next()?.ok()?;
    let shared: u64 = fields.next()?.ok()?;
    Some(resident.saturating_sub(shared))
}

/// How much the system's allocator has given out, in bytes; `None` where that is not glibc, and nonsense where the
/// program has an allocator of its own.
///
/// It goes through all that is free, which takes microseconds for a hundred pieces and milliseconds for many
/// thousands, while threads that allocate wait. It counts modulo 4 GiB.
pub fn in_use() -> Option<u64> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // `mallinfo2`, which has wider numbers, is missing from glibc before 2.33.
        // SAFETY: it has no preconditions, and takes the allocator's locks.
        let info = unsafe { libc::mallinfo() };
        let pieces = info.uordblks.cast_unsigned();
        Some(u64::from(pieces.wrapping_add(info.hblkhd.cast_unsigned())))
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    None
}

/// Gives the system every whole page in which nothing is in use; returns whether there was any. Nothing but time is
/// lost: what is needed again comes back as zeros, a page at a time. Does nothing where the allocator is not glibc's.
///
/// It takes as long as [`in_use`], and a microsecond or so for every piece that is given back.
pub fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it has no preconditions, takes the allocator's locks, and touches only what is free.
        unsafe { libc::malloc_trim(0) != 0 }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        assert_eq!(own_pages(b"1942 823 768 1178 0 100 0\n"), Some(55));
        assert_eq!(
            own_pages(b"1 2 3 4 5 6 7\n"),
            Some(0),
            "both are read apart"
        );
        assert_eq!(own_pages(b"1 2"), None);
        assert_eq!(own_pages(b"1 x 3"), None);
        assert_eq!(own_pages(b""), None);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_lies_between_pieces_in_use_is_given_back() {
        const PIECE: usize = 64 * 1024;
        const MUCH: u64 = 32 * 1024 * 1024;
        let mut pieces: Vec<Vec<u8>> = (0..1_000).map(|_| vec![1; PIECE]).collect();
        let most = resident().unwrap();
        // Every tenth stays, so that nothing but holes is left.
        let mut number = 0;
        pieces.retain(|_| {
            number += 1;
            number % 10 == 0
        });
        let used = in_use().unwrap();
        assert!(used + MUCH < most, "{used} of {most} bytes are in use");
        assert!(give_back());
        let least = resident().unwrap();
        assert!(least + MUCH < most, "{least} of {most} bytes are left");
        assert!(pieces.iter().flatten().all(|byte| *byte == 1));
    }
}
