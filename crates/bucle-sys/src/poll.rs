//! `poll(2)` over a set of descriptors: the portable fallback.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// What one descriptor of a [`PollSet`] is watched for, or ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollEvents {
    /// Data to read, or the end of the stream.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
    /// A hang-up or an error; reported unasked.
    pub hangup: bool,
    /// The number is not that of an open descriptor; reported unasked.
    pub closed: bool,
}

/// Descriptors to wait for, by number.
///
/// No descriptor is kept open or duplicated, as epoll keeps none: one that was closed meanwhile is
/// reported as [`closed`](PollEvents::closed).
#[derive(Debug, Default)]
pub struct PollSet {
    fds: Vec<libc::pollfd>,
}

fn bits(events: PollEvents) -> libc::c_short {
    let mut bits = 0;
    if events.readable {
        bits |= libc::POLLIN;
    }
    if events.writable {
        bits |= libc::POLLOUT;
    }
    bits
}

impl PollSet {
    /// How many descriptors there are.
    pub fn len(&self) -> usize {
        self.fds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fds.is_empty()
    }

    /// Appends a descriptor; its place is the former [`len`](PollSet::len).
    pub fn push(&mut self, fd: impl AsFd, events: PollEvents) {
        self.fds.push(libc::pollfd {
            fd: fd.as_fd().as_raw_fd(),
            events: bits(events),
            revents: 0,
        });
    }

    /// Changes what the descriptor at `place` is watched for.
    ///
    /// # Panics
    /// If there is none at `place`.
    pub fn set(&mut self, place: usize, events: PollEvents) {
        self.fds[place].events = bits(events);
    }

    /// Takes the descriptor at `place` out; the last one moves into its place.
    ///
    /// # Panics
    /// If there is none at `place`.
    pub fn swap_remove(&mut self, place: usize) {
        self.fds.swap_remove(place);
    }

    /// Waits until a descriptor has an event, or the time-out has passed; returns how many have one.
    ///
    /// `None` waits without end. The time-out is honoured to the nanosecond on Linux, elsewhere
    /// rounded up to the millisecond.
    ///
    /// # Errors
    /// `EINTR` when a signal handler ran; `EINVAL` for more descriptors than the process may open.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        let count = {
            let timeout = timeout.map(|timeout| libc::timespec {
                tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: timeout.subsec_nanos().into(),
            });
            let timeout = timeout.as_ref().map_or(std::ptr::null(), |t| t as *const _);
            // SAFETY: the pointer and length are those of a live vector of `pollfd`, which the
            // kernel reads and whose `revents` it writes; a number that is no open descriptor is
            // answered with POLLNVAL; `timeout` is null or outlives the call; the null mask leaves
            // the signal mask alone.
            unsafe {
                libc::ppoll(
                    self.fds.as_mut_ptr(),
                    self.fds.len() as libc::nfds_t,
                    timeout,
                    std::ptr::null(),
                )
            }
        };
        #[cfg(not(target_os = "linux"))]
        let count = {
            let timeout = timeout.map_or(-1, |timeout| {
                let millis = timeout.as_nanos().div_ceil(1_000_000);
                libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX)
            });
            // SAFETY: as above.
            unsafe {
                libc::poll(
                    self.fds.as_mut_ptr(),
                    self.fds.len() as libc::nfds_t,
                    timeout,
                )
            }
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(count as usize)
    }

    /// What the last [`wait`](PollSet::wait) saw at `place`.
    ///
    /// # Panics
    /// If there is no descriptor at `place`.
    pub fn events(&self, place: usize) -> PollEvents {
        let bits = self.fds[place].revents;
        PollEvents {
            readable: bits & libc::POLLIN != 0,
            writable: bits & libc::POLLOUT != 0,
            hangup: bits & (libc::POLLHUP | libc::POLLERR) != 0,
            closed: bits & libc::POLLNVAL != 0,
        }
    }
}

/// Whether waiting for this descriptor means anything: a regular file or a directory is always
/// ready, so that a loop waiting for it would spin. (epoll refuses them with `EPERM`.)
///
/// # Errors
/// `EBADF`.
pub fn is_pollable(fd: impl AsFd) -> io::Result<bool> {
    use rustix::fs::FileType;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode);
    Ok(!matches!(kind, FileType::RegularFile | FileType::Directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn tells_readable_hung_up_and_closed_apart() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let mut set = PollSet::default();
        let readable = PollEvents {
            readable: true,
            ..PollEvents::default()
        };
        set.push(&b, readable);
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), 0);
        a.write_all(b"x").unwrap();
        assert_eq!(set.wait(Some(Duration::from_nanos(1))).unwrap(), 1);
        assert_eq!(set.events(0), readable);
        drop(a);
        set.wait(None).unwrap();
        assert!(set.events(0).hangup);
        drop(b);
        set.wait(None).unwrap();
        assert!(set.events(0).closed);
    }
}
