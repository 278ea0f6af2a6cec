//! [`Pollable`]: what a loop can wait for.
//!
//! A descriptor of the system in the real world, a socket of the simulated network in the other.
//! Both are a small number to the loop's table; what lies behind it only the selector knows.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::sim::SimKey;

/// Something to wait for, borrowed for the length of a call.
#[derive(Clone, Copy, Debug)]
pub enum Pollable<'a> {
    /// A file descriptor.
    Fd(BorrowedFd<'a>),
    /// A socket of the simulated network.
    Sim(SimKey),
}

impl<'a> Pollable<'a> {
    /// Its place in the loop's table.
    #[inline]
    pub(crate) fn number(self) -> i32 {
        match self {
            Pollable::Fd(fd) => fd.as_raw_fd(),
            Pollable::Sim(key) => key.number as i32,
        }
    }

    /// The descriptor, for selectors that ask the system.
    pub(crate) fn fd(self) -> io::Result<BorrowedFd<'a>> {
        match self {
            Pollable::Fd(fd) => Ok(fd),
            Pollable::Sim(key) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "socket {} is simulated, and this loop is a real one; use it on the simulated \
                     loop whose network it belongs to",
                    key.number
                ),
            )),
        }
    }

    /// The simulated socket, for the selector that asks the simulated network.
    pub(crate) fn sim(self) -> io::Result<SimKey> {
        match self {
            Pollable::Sim(key) => Ok(key),
            Pollable::Fd(fd) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "file descriptor {} is real; a simulated loop has none; use the simulated \
                     network (`LoopRef::sim_network`), or run the test as `#[bucle::test(real)]`",
                    fd.as_raw_fd()
                ),
            )),
        }
    }
}

/// What can be registered with a loop: everything that has a file descriptor, and simulated sockets.
pub trait AsPollable {
    /// Borrows it as a [`Pollable`].
    fn as_pollable(&self) -> Pollable<'_>;
}

impl<T: AsFd> AsPollable for T {
    fn as_pollable(&self) -> Pollable<'_> {
        Pollable::Fd(self.as_fd())
    }
}

impl AsPollable for Pollable<'_> {
    fn as_pollable(&self) -> Pollable<'_> {
        *self
    }
}
