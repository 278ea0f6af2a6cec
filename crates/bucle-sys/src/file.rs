//! Files, by descriptor.

use std::io;
use std::os::fd::AsFd;

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
}
