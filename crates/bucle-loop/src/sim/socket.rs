//! [`SimNetwork`] and [`SimSocket`]: the simulated network from outside.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::address::SimAddress;
use super::network::Net;
use super::options::{SimOptions, Stream};
use super::trace::SimEvent;
use crate::clock::Clock;
use crate::pollable::{AsPollable, Pollable};

/// A simulated socket's number, and its network's: what a loop knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimKey {
    pub(crate) network: u32,
    pub(crate) number: u32,
}

/// The network of one simulated loop; cheap to clone. By
/// [`LoopRef::sim_network`](crate::LoopRef::sim_network).
#[derive(Clone)]
pub struct SimNetwork {
    pub(crate) id: u32,
    pub(crate) net: Rc<RefCell<Net>>,
}

impl SimNetwork {
    pub(crate) fn new(clock: Rc<Clock>, options: &SimOptions) -> SimNetwork {
        static NEXT_ID: AtomicU32 = AtomicU32::new(1);
        let random = options.stream(Stream::Network);
        SimNetwork {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            net: Rc::new(RefCell::new(Net::new(clock, options.clone(), random))),
        }
    }

    /// A socket that listens at `address`. A port of 0 gets a free one, which
    /// [`local_address`](SimSocket::local_address) tells. At most `backlog` connections wait to be
    /// accepted.
    ///
    /// # Errors
    /// `EADDRINUSE`; `EMFILE` at [`max_sockets`](super::SimOptions::max_sockets).
    pub fn listen(&self, address: &SimAddress, backlog: usize) -> io::Result<SimSocket> {
        let socket = self.bind(address)?;
        socket.listen(backlog)?;
        Ok(socket)
    }

    /// A socket that has its address, and does not listen yet: whoever connects is refused.
    ///
    /// # Errors
    /// As [`listen`](SimNetwork::listen), which is this and [`SimSocket::listen`].
    pub fn bind(&self, address: &SimAddress) -> io::Result<SimSocket> {
        let number = self.net.borrow_mut().bind(address)?;
        Ok(self.socket(number))
    }

    /// Starts a connection. TCP: `Ok` means under way; wait for writable, then ask
    /// [`take_error`](SimSocket::take_error), which is `ECONNREFUSED` where nobody listens and
    /// `ETIMEDOUT` where nobody answered. Unix: done.
    ///
    /// # Errors
    /// For a Unix name, `ENOENT` when nobody is there, `EAGAIN` when the queue is full;
    /// `EMFILE` at [`max_sockets`](super::SimOptions::max_sockets).
    pub fn connect(&self, address: &SimAddress) -> io::Result<SimSocket> {
        let number = self.net.borrow_mut().connect(address)?;
        Ok(self.socket(number))
    }

    /// Two connected sockets without a name, as `socketpair` makes.
    ///
    /// # Errors
    /// `EMFILE` at [`max_sockets`](super::SimOptions::max_sockets).
    pub fn pair(&self) -> io::Result<(SimSocket, SimSocket)> {
        let (a, b) = self.net.borrow_mut().pair()?;
        Ok((self.socket(a), self.socket(b)))
    }

    /// Resets every established connection, now, at both ends.
    pub fn reset_all(&self) {
        self.net.borrow_mut().reset_all();
    }

    /// Cuts the network: nothing arrives until [`heal`](SimNetwork::heal), though all may be sent.
    pub fn partition(&self) {
        self.net.borrow_mut().set_partitioned(true);
    }

    /// Ends a [`partition`](SimNetwork::partition): what should have arrived meanwhile arrives now.
    pub fn heal(&self) {
        self.net.borrow_mut().set_partitioned(false);
    }

    /// How many sockets exist: a test can see that none was left behind.
    pub fn open_sockets(&self) -> usize {
        self.net.borrow().open_sockets()
    }

    /// What happened since this was last asked, where [`trace`](super::SimOptions::trace) is on.
    /// Two runs with equal traces are the same run. Each event displays as one line.
    ///
    /// It has each task, callback and socket that ran, what happened on the network, and each random
    /// number that was drawn from the loop; not the bytes that were sent, only how many they were.
    pub fn take_trace(&self) -> Vec<SimEvent> {
        self.net.borrow_mut().take_trace()
    }

    fn socket(&self, number: u32) -> SimSocket {
        SimSocket {
            network: self.clone(),
            number,
        }
    }
}

impl fmt::Debug for SimNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNetwork")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A socket of the simulated network: a listener, or one end of a stream.
///
/// Never blocks: what would block fails with [`io::ErrorKind::WouldBlock`], and the loop it is
/// registered with tells when to try again. Errors are the kernel's, by their numbers. Dropping it
/// closes it: the peer reads the end of the stream, or gets a reset where bytes were left unread (or
/// after [`reset_on_close`](SimSocket::reset_on_close)).
pub struct SimSocket {
    network: SimNetwork,
    number: u32,
}

impl SimSocket {
    /// Lets a bound socket take connections, of which at most `backlog` wait to be accepted.
    ///
    /// # Errors
    /// `EINVAL` for a stream.
    pub fn listen(&self, backlog: usize) -> io::Result<()> {
        self.network.net.borrow_mut().listen(self.number, backlog)
    }

    /// Takes one connection off a listener's queue, with the peer's address where it has one.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; `EMFILE` at [`max_sockets`](super::SimOptions::max_sockets), in
    /// which case the connection stays in the queue; `EINVAL` when it does not listen.
    pub fn accept(&self) -> io::Result<(SimSocket, Option<SimAddress>)> {
        let (number, peer) = self.network.net.borrow_mut().accept(self.number)?;
        Ok((self.network.socket(number), peer))
    }

    /// Reads into `buffer`; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock`; `ECONNRESET`, once, after the bytes that arrived before the reset were read.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.network.net.borrow_mut().recv(self.number, buffer)
    }

    /// Writes from `bytes` and returns how many were taken.
    ///
    /// # Errors
    /// `WouldBlock` when the peer has not read enough of what was sent before; `EPIPE` after the
    /// stream was ended; `ECONNRESET`, once.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.network.net.borrow_mut().send(self.number, &[bytes])
    }

    /// Writes several buffers in one call.
    ///
    /// # Errors
    /// As [`send`](SimSocket::send).
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let buffers: Vec<&[u8]> = buffers.iter().map(|buffer| &**buffer).collect();
        self.network.net.borrow_mut().send(self.number, &buffers)
    }

    /// Ends one or both directions. What was sent before still arrives.
    ///
    /// # Errors
    /// `ENOTCONN` when the connection is not there yet, or no longer.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let (read, write) = match how {
            Shutdown::Read => (true, false),
            Shutdown::Write => (false, true),
            Shutdown::Both => (true, true),
        };
        let mut net = self.network.net.borrow_mut();
        net.shutdown(self.number, read, write)
    }

    /// The error the connection has collected, cleared by looking (`SO_ERROR`).
    ///
    /// # Errors
    /// That one.
    pub fn take_error(&self) -> io::Result<()> {
        self.network.net.borrow_mut().take_error(self.number)
    }

    /// The address it is bound to; `None` for an unnamed Unix socket.
    ///
    /// # Errors
    /// None today; the kernel's call has some.
    pub fn local_address(&self) -> io::Result<Option<SimAddress>> {
        self.network.net.borrow_mut().local_address(self.number)
    }

    /// The address of the peer; `None` for an unnamed Unix socket.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn peer_address(&self) -> io::Result<Option<SimAddress>> {
        self.network.net.borrow_mut().peer_address(self.number)
    }

    /// Makes closing it send a reset and forget what was not read (`SO_LINGER` of zero).
    ///
    /// # Errors
    /// `ENOTCONN` for a listener.
    pub fn reset_on_close(&self) -> io::Result<()> {
        self.network.net.borrow_mut().reset_on_close(self.number)
    }

    fn key(&self) -> SimKey {
        SimKey {
            network: self.network.id,
            number: self.number,
        }
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.network.net.borrow_mut().close(self.number);
    }
}

impl fmt::Debug for SimSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSocket")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl AsPollable for SimSocket {
    fn as_pollable(&self) -> Pollable<'_> {
        Pollable::Sim(self.key())
    }
}

impl AsPollable for &SimSocket {
    fn as_pollable(&self) -> Pollable<'_> {
        Pollable::Sim(self.key())
    }
}
