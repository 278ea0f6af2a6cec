//! `poll(2)`: the portable fallback, and what a blocking caller uses to wait for one descriptor.

use std::io;
use std::time::Duration;

use rustix::event::Timespec;
pub use rustix::event::{PollFd, PollFlags};

/// Waits until one of `fds` has an event, or the time-out has passed; returns how many have one.
///
/// `None` waits without end. A time-out is honoured to the nanosecond on Linux (`ppoll`).
///
/// # Errors
/// `EINTR` when a signal handler ran; `EINVAL` for more descriptors than the process may open.
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    Ok(rustix::event::poll(fds, timeout.as_ref())?)
}
