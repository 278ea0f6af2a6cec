//! Selectors: how the loop waits for the operating system.
//!
//! One trait about *readiness*, level-triggered and persistent, as `add_reader` means it, and a
//! file for each way to get it:
//!
//! | file | what | when |
//! |---|---|---|
//! | `epoll` | Linux epoll | the default on Linux |
//! | `kqueue` | kqueue | the default on macOS and the BSDs; its logic is tested against a queue in memory, its few system calls are type-checked only, and neither has run on such a system yet (`BUCLE_SELECTOR=poll` is the way round) |
//! | `poll` | `poll(2)` | anywhere, and where `BUCLE_SELECTOR=poll` asks for it |
//! | `sim` | no system at all: virtual time, sockets in memory | [`LoopBuilder::simulated`](crate::LoopBuilder::simulated) |
//!
//! A selector knows nothing of tasks, callbacks or timers. Completion (io_uring) is not a selector:
//! it lives above, in the transports, which alone know what is to be read or written.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::fds::{Interest, Readiness};
use crate::pollable::Pollable;

#[cfg(target_os = "linux")]
pub(crate) mod epoll;
#[cfg_attr(target_os = "linux", allow(dead_code))]
pub(crate) mod kqueue;
pub(crate) mod poll;
pub(crate) mod sim;
#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests;

/// What a selector saw: the token a descriptor was added with, and what it is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) token: u64,
    pub(crate) readiness: Readiness,
}

/// A way to wait for many descriptors at once.
pub(crate) trait Selector {
    /// The name by which `BUCLE_SELECTOR` knows it.
    fn name(&self) -> &'static str;

    /// Watches `fd` for a non-empty interest. Works too if the selector still knew a descriptor of
    /// that number.
    fn add(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()>;

    /// Changes the interest, to a non-empty one, or the token. Works too if the selector did not
    /// know the descriptor.
    fn modify(&mut self, fd: Pollable<'_>, token: u64, interest: Interest) -> io::Result<()>;

    /// Watches the [`WakeFd`](bucle_sys::wake::WakeFd) that ends a wait. Unless the selector can do
    /// without, it is reported as any other, and has to be cleared then.
    fn add_wake(&mut self, fd: Pollable<'_>, token: u64) -> io::Result<()> {
        self.add(fd, token, Interest::READ)
    }

    /// Stops watching `fd`.
    fn remove(&mut self, fd: Pollable<'_>) -> io::Result<()>;

    /// Waits until something is ready or the time-out has passed (`None`: without end), and appends
    /// what is. May return early with nothing.
    fn select(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;
}

/// The selectors one can ask for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SelectorKind {
    /// The best the system has.
    #[default]
    Default,
    /// Linux epoll.
    Epoll,
    /// kqueue, of macOS and the BSDs.
    Kqueue,
    /// `poll(2)`.
    Poll,
}

impl SelectorKind {
    /// What `BUCLE_SELECTOR` asks for; the default when it is unset or empty.
    ///
    /// # Errors
    /// A name that is none of `epoll`, `kqueue` and `poll`.
    pub fn from_env() -> io::Result<SelectorKind> {
        match std::env::var_os("BUCLE_SELECTOR") {
            None => Ok(SelectorKind::Default),
            Some(name) => match name.to_str() {
                Some("") => Ok(SelectorKind::Default),
                Some("epoll") => Ok(SelectorKind::Epoll),
                Some("kqueue") => Ok(SelectorKind::Kqueue),
                Some("poll") => Ok(SelectorKind::Poll),
                _ => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "BUCLE_SELECTOR is {name:?}; it can be `epoll`, `kqueue` or `poll` (or be \
                         unset, for the best the system has)"
                    ),
                )),
            },
        }
    }

    pub(crate) fn open(self) -> io::Result<Box<dyn Selector>> {
        match self {
            #[cfg(target_os = "linux")]
            SelectorKind::Default | SelectorKind::Epoll => {
                Ok(Box::new(epoll::EpollSelector::new()?))
            }
            #[cfg(not(target_os = "linux"))]
            SelectorKind::Epoll => Err(missing("epoll", "Linux")),
            #[cfg(not(target_os = "linux"))]
            SelectorKind::Default | SelectorKind::Kqueue => {
                let queue = kqueue::system::SystemQueue::new()?;
                Ok(Box::new(kqueue::KqueueSelector::new(queue)))
            }
            #[cfg(target_os = "linux")]
            SelectorKind::Kqueue => Err(missing("kqueue", "macOS and the BSDs")),
            SelectorKind::Poll => Ok(Box::new(poll::PollSelector::default())),
        }
    }
}

/// No system has all of them.
fn missing(name: &str, system: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("the selector `{name}` exists on {system} only; use `poll`"),
    )
}

/// `poll` and kqueue wait for a regular file happily, and return at once for ever; epoll refuses it.
/// All refuse here.
fn refuse_files(fd: BorrowedFd<'_>) -> io::Result<()> {
    if bucle_sys::poll::is_pollable(fd)? {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}
