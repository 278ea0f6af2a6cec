//! A descriptor whose only purpose is to end another thread's wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Readable after [`wake`](WakeFd::wake), until [`clear`](WakeFd::clear).
///
/// An `eventfd` on Linux, a pipe elsewhere. `Send + Sync`: waking is a single write of a few bytes,
/// allowed from any thread.
#[derive(Debug)]
pub struct WakeFd {
    read: OwnedFd,
    /// `None` where one descriptor serves both ends.
    write: Option<OwnedFd>,
}

impl WakeFd {
    /// Makes a descriptor that is not readable.
    ///
    /// # Errors
    /// What the system says, for example `EMFILE`.
    pub fn new() -> io::Result<WakeFd> {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{EventfdFlags, eventfd};
            Ok(WakeFd {
                read: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
                write: None,
            })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                rustix::io::ioctl_fionbio(end, true)?;
                rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            }
            Ok(WakeFd {
                read,
                write: Some(write),
            })
        }
    }

    /// Makes the descriptor readable. Never blocks: a counter or pipe that is full is readable
    /// already.
    pub fn wake(&self) {
        let write = self.write.as_ref().unwrap_or(&self.read);
        let _ = rustix::io::write(write, &1u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable again.
    pub fn clear(&self) {
        let mut bytes = [0u8; 64];
        while matches!(rustix::io::read(&self.read, &mut bytes[..]), Ok(64)) {}
    }
}

impl AsFd for WakeFd {
    /// The end to wait on for reading.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
