//! [`Socket`]: the one seam between this crate and whatever carries its bytes.
//!
//! Transports and listeners call nothing else. Everything is non-blocking: what can't be done now
//! is [`io::ErrorKind::WouldBlock`]. A socket keeps its registration with the loop, so that it can't
//! be closed without ending it.
//!
//! On a real loop it is the system's; on a simulated one it is made of memory. Which it is, is
//! decided by the loop it is made for, and known to nobody above this file.

mod pipe_end;
mod simulated;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use bucle_loop::{Interest, LoopRef, Pollable, Registration, Source};
use bucle_sys::socket as sys;

use crate::Address;
use crate::unix::{self, SocketPath};
use pipe_end::PipeEnd;
use simulated::Simulated;

/// A stream socket, connected or listening; or one end of a pipe.
pub(crate) struct Socket {
    kind: Kind,
}

/// All connections have room for any of these, so those that are rare are boxed.
enum Kind {
    System(Watched<OwnedFd>),
    Pipe(Box<Watched<PipeEnd>>),
    Simulated(Box<Watched<Simulated>>),
}

/// With its registration, which takes four bytes here and would take eight beside them.
struct Watched<T> {
    inner: T,
    registration: Cell<Option<Registration>>,
}

impl<T> Watched<T> {
    fn new(inner: T) -> Watched<T> {
        Watched {
            inner,
            registration: Cell::new(None),
        }
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: AsFd> AsFd for Watched<T> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Socket {
    fn system(fd: OwnedFd) -> Socket {
        Socket {
            kind: Kind::System(Watched::new(fd)),
        }
    }

    fn pipe(end: PipeEnd) -> Socket {
        Socket {
            kind: Kind::Pipe(Box::new(Watched::new(end))),
        }
    }

    fn simulated(socket: Simulated) -> Socket {
        Socket {
            kind: Kind::Simulated(Box::new(Watched::new(socket))),
        }
    }

    #[inline]
    fn registration(&self) -> &Cell<Option<Registration>> {
        match &self.kind {
            Kind::System(fd) => &fd.registration,
            Kind::Pipe(end) => &end.registration,
            Kind::Simulated(socket) => &socket.registration,
        }
    }

    /// A socket that is bound to `address` and doesn't listen yet. A Unix socket nobody listens at
    /// is replaced.
    pub(crate) fn bind(
        event_loop: &LoopRef,
        address: &Address,
        reuse_port: bool,
    ) -> io::Result<Socket> {
        if let Some(network) = event_loop.sim_network() {
            return Simulated::bind(&network, address).map(Socket::simulated);
        }
        match address {
            Address::Tcp(address) => sys::bind_tcp(address, reuse_port),
            Address::Unix(Some(path)) => unix::bind(path),
            Address::Unix(None) => Err(io::ErrorKind::InvalidInput.into()),
        }
        .map(Socket::system)
    }

    /// What [`bind`](Socket::bind) left in the file system, to be removed at the end.
    pub(crate) fn path(&self, address: &Address) -> Option<SocketPath> {
        match self.kind {
            Kind::System(_) => address.as_path().map(SocketPath::new),
            Kind::Pipe(_) | Kind::Simulated(_) => None,
        }
    }

    /// A socket that listens already and comes from elsewhere.
    pub(crate) fn from_listening(fd: OwnedFd) -> io::Result<Socket> {
        if !sys::is_listening(&fd) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the descriptor is no listening stream socket; call `listen` on it first",
            ));
        }
        sys::set_nonblocking(&fd)?;
        Ok(Socket::system(fd))
    }

    /// A connected stream socket that comes from elsewhere.
    pub(crate) fn from_connected(fd: OwnedFd) -> io::Result<Socket> {
        sys::peer_address(&fd)?;
        sys::set_nonblocking(&fd)?;
        Ok(Socket::system(fd))
    }

    /// The end of a pipe that is read, or anything else that is read like one.
    pub(crate) fn from_read_end(fd: OwnedFd) -> io::Result<Socket> {
        PipeEnd::for_reading(fd).map(Socket::pipe)
    }

    /// The end of a pipe that is written, or anything else that is written like one.
    pub(crate) fn from_write_end(fd: OwnedFd) -> io::Result<Socket> {
        PipeEnd::for_writing(fd).map(Socket::pipe)
    }

    /// Starts a connection; it stands, or has failed, once the socket is writable: see
    /// [`take_error`](Socket::take_error).
    pub(crate) fn connect(event_loop: &LoopRef, address: &Address) -> io::Result<Socket> {
        if let Some(network) = event_loop.sim_network() {
            return Simulated::connect(&network, address).map(Socket::simulated);
        }
        match address {
            Address::Tcp(address) => sys::connect_tcp(address),
            Address::Unix(Some(path)) => sys::connect_unix(path),
            Address::Unix(None) => Err(io::ErrorKind::InvalidInput.into()),
        }
        .map(Socket::system)
    }

    pub(crate) fn listen(&self, backlog: i32) -> io::Result<()> {
        match &self.kind {
            Kind::System(fd) => sys::listen(fd, backlog),
            Kind::Pipe(_) => Err(no_socket()),
            Kind::Simulated(socket) => socket.listen(backlog),
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        match &self.kind {
            Kind::System(fd) => sys::accept(fd).map(Socket::system),
            Kind::Pipe(_) => Err(no_socket()),
            Kind::Simulated(socket) => socket.accept().map(Socket::simulated),
        }
    }

    /// A descriptor to hold in reserve, given back when there are no others.
    pub(crate) fn reserve(&self) -> Option<OwnedFd> {
        match self.kind {
            Kind::System(_) => std::fs::File::open("/dev/null").map(OwnedFd::from).ok(),
            Kind::Pipe(_) | Kind::Simulated(_) => None,
        }
    }

    /// The number of its descriptor; none in the simulated world.
    #[inline]
    pub(crate) fn descriptor_number(&self) -> Option<u64> {
        match &self.kind {
            Kind::System(fd) => u64::try_from(fd.as_raw_fd()).ok(),
            Kind::Pipe(_) | Kind::Simulated(_) => None,
        }
    }

    /// Whether it carries bytes both ways, and can end one of them. What does not is at its end when
    /// its only way is.
    pub(crate) fn is_two_way(&self) -> bool {
        !matches!(self.kind, Kind::Pipe(_))
    }

    /// `BrokenPipe` says that nobody reads the other end of a pipe that is written.
    #[inline]
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::System(fd) => sys::recv(fd, buffer),
            _ => self.recv_otherwise(buffer),
        }
    }

    /// Apart, since most never do.
    #[inline(never)]
    fn recv_otherwise(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::System(fd) => sys::recv(fd, buffer),
            Kind::Pipe(end) => end.recv(buffer),
            Kind::Simulated(socket) => socket.recv(buffer),
        }
    }

    /// [`recv`](Socket::recv) into the room that `bytes` has behind its end.
    pub(crate) fn recv_append(&self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        if let Kind::System(fd) = &self.kind {
            return sys::recv_append(fd, bytes);
        }
        let start = bytes.len();
        bytes.resize(bytes.capacity(), 0);
        let received = self.recv(&mut bytes[start..]);
        bytes.truncate(start + received.as_ref().map_or(0, |count| *count));
        received
    }

    /// Ends our side.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match &self.kind {
            Kind::System(fd) => sys::shutdown(fd, sys::Shutdown::Write),
            Kind::Pipe(_) => Err(no_socket()),
            Kind::Simulated(socket) => socket.shutdown(),
        }
    }

    /// The error the socket has collected, cleared by looking.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        match &self.kind {
            Kind::System(fd) => sys::take_error(fd)?,
            Kind::Pipe(_) => Ok(()),
            Kind::Simulated(socket) => socket.take_error(),
        }
    }

    pub(crate) fn local_address(&self) -> Option<Address> {
        match &self.kind {
            Kind::System(fd) => Address::from_system(sys::local_address(fd).ok()?),
            Kind::Pipe(_) => None,
            Kind::Simulated(socket) => socket.local_address(),
        }
    }

    pub(crate) fn peer_address(&self) -> Option<Address> {
        match &self.kind {
            Kind::System(fd) => match sys::peer_address(fd).ok()? {
                Some(address) => Address::from_system(address),
                None => Some(Address::Unix(None)),
            },
            Kind::Pipe(_) => None,
            Kind::Simulated(socket) => socket.peer_address(),
        }
    }

    /// Has the peer see a reset when the socket is closed; what the kernel still holds is dropped.
    pub(crate) fn reset_on_close(&self) {
        match &self.kind {
            Kind::System(fd) => drop(sys::reset_on_close(fd)),
            Kind::Pipe(_) => {}
            Kind::Simulated(socket) => socket.reset_on_close(),
        }
    }

    /// The descriptor, where there is a real one.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::System(fd) => Some(fd.as_fd()),
            Kind::Pipe(end) => Some(end.as_fd()),
            Kind::Simulated(_) => None,
        }
    }

    /// Apart, since most never do.
    #[inline(never)]
    fn send_otherwise(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        match &self.kind {
            Kind::System(fd) if more => sys::send_more(fd, bytes),
            Kind::System(fd) => sys::send(fd, bytes),
            Kind::Pipe(end) => end.send(bytes),
            Kind::Simulated(socket) => socket.send(bytes, more),
        }
    }

    fn pollable(&self) -> Pollable<'_> {
        match &self.kind {
            Kind::System(fd) => Pollable::Fd(fd.as_fd()),
            Kind::Pipe(end) => Pollable::Fd(end.as_fd()),
            Kind::Simulated(socket) => socket.as_pollable(),
        }
    }

    pub(crate) fn register(
        &self,
        event_loop: &LoopRef,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<()> {
        let registration =
            event_loop.register(self.pollable(), self.of_interest(interest), source)?;
        self.registration().set(Some(registration));
        Ok(())
    }

    /// [`register`](Socket::register) where something is there to be read, most likely: the source
    /// is told so in the next turn, and the socket is not watched before it asks for that.
    pub(crate) fn register_unwatched(
        &self,
        event_loop: &LoopRef,
        source: Rc<dyn Source>,
    ) -> io::Result<()> {
        let registration = event_loop.register_unwatched(self.pollable(), source)?;
        self.registration().set(Some(registration));
        Ok(())
    }

    /// Does nothing before [`register`](Socket::register).
    pub(crate) fn set_interest(&self, event_loop: &LoopRef, interest: Interest) -> io::Result<()> {
        let Some(registration) = self.registration().take() else {
            return Ok(());
        };
        let result =
            event_loop.set_interest(self.pollable(), &registration, self.of_interest(interest));
        self.registration().set(Some(registration));
        result
    }

    fn of_interest(&self, interest: Interest) -> Interest {
        match &self.kind {
            Kind::Pipe(end) => end.of_interest(interest),
            _ => interest,
        }
    }

    pub(crate) fn deregister(&self, event_loop: &LoopRef) {
        if let Some(registration) = self.registration().take() {
            event_loop.deregister(self.pollable(), registration);
        }
    }
}

#[cold]
fn no_socket() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a pipe is no socket")
}

/// Where bytes go: a socket, or a test's stand-in.
pub(crate) trait Sink {
    /// Writes from `bytes`; `more` says that more follows at once, to share packets with it.
    fn send(&self, bytes: &[u8], more: bool) -> io::Result<usize>;
    /// The same from several buffers.
    fn send_vectored(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize>;
    /// The same from a file; 0 means that it ends before `offset`.
    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize>;
}

impl Sink for Socket {
    #[inline]
    fn send(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        match &self.kind {
            Kind::System(fd) if !more => sys::send(fd, bytes),
            _ => self.send_otherwise(bytes, more),
        }
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        match &self.kind {
            Kind::System(fd) => sys::send_vectored(fd, buffers, more),
            Kind::Pipe(end) => end.send_vectored(buffers),
            Kind::Simulated(socket) => socket.send_vectored(buffers, more),
        }
    }

    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
        match &self.kind {
            Kind::System(fd) => sys::sendfile(fd, file, offset, count),
            Kind::Pipe(end) => end.send_file(file, offset, count),
            Kind::Simulated(socket) => socket.send_file(file, offset, count),
        }
    }
}
