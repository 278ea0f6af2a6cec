//! [`Socket`]: the one seam between this crate and whatever carries its bytes.
//!
//! Transports and listeners call nothing else. Everything is non-blocking: what can't be done now
//! is [`io::ErrorKind::WouldBlock`]. A socket keeps its registration with the loop, so that it can't
//! be closed without ending it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use bucle_loop::{Interest, LoopRef, Registration, Source};
use bucle_sys::pipe;
use bucle_sys::socket as sys;

use crate::Address;

/// A stream socket, connected or listening; or one end of a pipe.
pub(crate) struct Socket {
    fd: OwnedFd,
    kind: Kind,
    registration: Cell<Option<Registration>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socket,
    /// Only read.
    ReadEnd,
    /// Only written. Of a pipe, readable means that nobody reads it any more; of anything else it
    /// may mean that there is input, which is none of ours.
    WriteEnd {
        watched: bool,
    },
}

impl Socket {
    fn new(fd: OwnedFd) -> Socket {
        Socket::of_kind(fd, Kind::Socket)
    }

    fn of_kind(fd: OwnedFd, kind: Kind) -> Socket {
        Socket {
            fd,
            kind,
            registration: Cell::new(None),
        }
    }

    /// A socket that is bound to `address` and doesn't listen yet.
    pub(crate) fn bind(_: &LoopRef, address: &Address, reuse_port: bool) -> io::Result<Socket> {
        match address {
            Address::Tcp(address) => sys::bind_tcp(address, reuse_port),
            Address::Unix(Some(path)) => sys::bind_unix(path),
            Address::Unix(None) => Err(io::ErrorKind::InvalidInput.into()),
        }
        .map(Socket::new)
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
        Ok(Socket::new(fd))
    }

    /// A connected stream socket that comes from elsewhere.
    pub(crate) fn from_connected(fd: OwnedFd) -> io::Result<Socket> {
        sys::peer_address(&fd)?;
        sys::set_nonblocking(&fd)?;
        Ok(Socket::new(fd))
    }

    /// The end of a pipe that is read, or anything else that is read like one.
    pub(crate) fn from_read_end(fd: OwnedFd) -> io::Result<Socket> {
        pollable(&fd)?;
        sys::set_nonblocking(&fd)?;
        Ok(Socket::of_kind(fd, Kind::ReadEnd))
    }

    /// The end of a pipe that is written, or anything else that is written like one.
    pub(crate) fn from_write_end(fd: OwnedFd) -> io::Result<Socket> {
        let watched = pollable(&fd)? == pipe::Kind::Fifo;
        sys::set_nonblocking(&fd)?;
        Ok(Socket::of_kind(fd, Kind::WriteEnd { watched }))
    }

    /// Starts a connection; it stands, or has failed, once the socket is writable: see
    /// [`take_error`](Socket::take_error).
    pub(crate) fn connect(_: &LoopRef, address: &Address) -> io::Result<Socket> {
        match address {
            Address::Tcp(address) => sys::connect_tcp(address),
            Address::Unix(Some(path)) => sys::connect_unix(path),
            Address::Unix(None) => Err(io::ErrorKind::InvalidInput.into()),
        }
        .map(Socket::new)
    }

    pub(crate) fn listen(&self, backlog: i32) -> io::Result<()> {
        sys::listen(&self.fd, backlog)
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        sys::accept(&self.fd).map(Socket::new)
    }

    /// A descriptor to hold in reserve, given back when there are no others.
    pub(crate) fn reserve(&self) -> Option<OwnedFd> {
        std::fs::File::open("/dev/null").map(OwnedFd::from).ok()
    }

    /// Whether it carries bytes both ways, and can end one of them. What does not is at its end when
    /// its only way is.
    pub(crate) fn is_two_way(&self) -> bool {
        self.kind == Kind::Socket
    }

    /// `BrokenPipe` says that nobody reads the other end of a pipe that is written.
    #[inline]
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => sys::recv(&self.fd, buffer),
            Kind::ReadEnd => pipe::read(&self.fd, buffer),
            Kind::WriteEnd { .. } => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Ends our side.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        sys::shutdown(&self.fd, sys::Shutdown::Write)
    }

    /// The error the socket has collected, cleared by looking.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        sys::take_error(&self.fd)?
    }

    pub(crate) fn local_address(&self) -> Option<Address> {
        Address::from_system(sys::local_address(&self.fd).ok()?)
    }

    pub(crate) fn peer_address(&self) -> Option<Address> {
        match sys::peer_address(&self.fd).ok()? {
            Some(address) => Address::from_system(address),
            None => Some(Address::Unix(None)),
        }
    }

    /// Has the peer see a reset when the socket is closed; what the kernel still holds is dropped.
    pub(crate) fn reset_on_close(&self) {
        let _ = sys::reset_on_close(&self.fd);
    }

    /// The descriptor, where there is a real one.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    pub(crate) fn register(
        &self,
        event_loop: &LoopRef,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<()> {
        let registration = event_loop.register(&self.fd, self.of_interest(interest), source)?;
        self.registration.set(Some(registration));
        Ok(())
    }

    /// Does nothing before [`register`](Socket::register).
    pub(crate) fn set_interest(&self, event_loop: &LoopRef, interest: Interest) -> io::Result<()> {
        let Some(registration) = self.registration.take() else {
            return Ok(());
        };
        let result = event_loop.set_interest(&self.fd, &registration, self.of_interest(interest));
        self.registration.set(Some(registration));
        result
    }

    fn of_interest(&self, interest: Interest) -> Interest {
        if self.kind == (Kind::WriteEnd { watched: false }) {
            interest.without(Interest::READ)
        } else {
            interest
        }
    }

    pub(crate) fn deregister(&self, event_loop: &LoopRef) {
        if let Some(registration) = self.registration.take() {
            event_loop.deregister(&self.fd, registration);
        }
    }
}

/// Refuses what can't be waited for.
fn pollable(fd: &OwnedFd) -> io::Result<pipe::Kind> {
    match pipe::kind(fd)? {
        pipe::Kind::Other => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a transport is for pipes, sockets and character devices; a regular file is always \
             ready, read and write it in a thread",
        )),
        kind => Ok(kind),
    }
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
        match self.kind {
            Kind::Socket if more => sys::send_more(&self.fd, bytes),
            Kind::Socket => sys::send(&self.fd, bytes),
            Kind::WriteEnd { .. } => pipe::write(&self.fd, bytes),
            Kind::ReadEnd => Err(for_reading()),
        }
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => sys::send_vectored(&self.fd, buffers, more),
            Kind::WriteEnd { .. } => pipe::write_vectored(&self.fd, buffers),
            Kind::ReadEnd => Err(for_reading()),
        }
    }

    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
        match self.kind {
            Kind::Socket | Kind::WriteEnd { .. } => sys::sendfile(&self.fd, file, offset, count),
            Kind::ReadEnd => Err(for_reading()),
        }
    }
}

#[cold]
fn for_reading() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "this end of the pipe is for reading; nothing can be written to it",
    )
}
