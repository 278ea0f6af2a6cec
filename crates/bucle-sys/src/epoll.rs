//! Linux `epoll`, with time-outs below a millisecond where the kernel has `epoll_pwait2` (5.11).
//!
//! A thin, safe layer: which descriptor belongs to whom, and which events are stale, is the
//! caller's knowledge.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;

pub use rustix::event::epoll::{Event, EventData, EventFlags};

/// Set once the kernel has answered that it does not know `epoll_pwait2`.
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);

/// An epoll instance, closed on drop.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// Creates an instance (`epoll_create1`, close-on-exec).
    ///
    /// # Errors
    /// What the system says, for example `EMFILE`.
    pub fn new() -> io::Result<Epoll> {
        Ok(Epoll {
            fd: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// Starts watching `fd`; its events will carry `data`.
    ///
    /// # Errors
    /// `EEXIST` when it is already watched, `EPERM` for a descriptor that can't be polled (a
    /// regular file or directory).
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.fd, fd, EventData::new_u64(data), flags)?)
    }

    /// Changes what is watched on `fd`, and the data its events carry.
    ///
    /// # Errors
    /// `ENOENT` when it is not watched.
    pub fn modify(&self, fd: BorrowedFd<'_>, data: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(
            &self.fd,
            fd,
            EventData::new_u64(data),
            flags,
        )?)
    }

    /// Stops watching `fd`.
    ///
    /// # Errors
    /// `ENOENT` when it is not watched.
    pub fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.fd, fd)?)
    }

    /// Waits for events and appends them to the spare capacity of `events`.
    ///
    /// `None` waits without end; `Some(Duration::ZERO)` does not wait. A time-out is rounded up,
    /// never down: to the nanosecond where the kernel can, else to the millisecond.
    ///
    /// # Errors
    /// `EINTR` when a signal handler ran.
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        if let Some(timeout) = timeout
            && timeout.subsec_nanos() % 1_000_000 != 0
            && !NO_PWAIT2.load(Ordering::Relaxed)
        {
            match self.pwait2(events, timeout) {
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::ENOSYS) | Some(libc::EPERM)) =>
                {
                    NO_PWAIT2.store(true, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        let timeout = timeout.map(timespec);
        epoll::wait(&self.fd, spare_capacity(events), timeout.as_ref())?;
        Ok(())
    }

    fn pwait2(&self, events: &mut Vec<Event>, timeout: Duration) -> io::Result<()> {
        let spare = events.spare_capacity_mut();
        let timeout = timespec(timeout);
        // SAFETY: `spare` is writable memory for `spare.len()` events, laid out as the kernel's
        // `struct epoll_event` (rustix's `Event` is that structure); `timeout` outlives the call;
        // a null signal mask means "leave it".
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_fd().as_raw_fd(),
                spare.as_mut_ptr(),
                spare.len().min(i32::MAX as usize) as libc::c_int,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel wrote `count` events, at most `spare.len()`, at the start of `spare`.
        unsafe { events.set_len(events.len() + count as usize) };
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn reports_what_is_readable_with_both_waits() {
        for timeout in [Duration::from_secs(5), Duration::from_nanos(5_000_000_001)] {
            let epoll = Epoll::new().unwrap();
            let (mut a, b) = UnixStream::pair().unwrap();
            epoll.add(b.as_fd(), 7, EventFlags::IN).unwrap();
            a.write_all(b"x").unwrap();
            let mut events = Vec::with_capacity(4);
            epoll.wait(&mut events, Some(timeout)).unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!({ events[0].data }.u64(), 7);
        }
    }

    #[test]
    fn a_regular_file_is_refused() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let error = Epoll::new()
            .unwrap()
            .add(file.as_fd(), 0, EventFlags::IN)
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }
}
