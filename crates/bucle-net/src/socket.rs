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
use bucle_sys::socket as sys;

use crate::Address;

/// A stream socket, connected or listening.
pub(crate) struct Socket {
    fd: OwnedFd,
    registration: Cell<Option<Registration>>,
}

impl Socket {
    fn new(fd: OwnedFd) -> Socket {
        Socket {
            fd,
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

    #[inline]
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::recv(&self.fd, buffer)
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
        let registration = event_loop.register(&self.fd, interest, source)?;
        self.registration.set(Some(registration));
        Ok(())
    }

    /// Does nothing before [`register`](Socket::register).
    pub(crate) fn set_interest(&self, event_loop: &LoopRef, interest: Interest) -> io::Result<()> {
        let Some(registration) = self.registration.take() else {
            return Ok(());
        };
        let result = event_loop.set_interest(&self.fd, &registration, interest);
        self.registration.set(Some(registration));
        result
    }

    pub(crate) fn deregister(&self, event_loop: &LoopRef) {
        if let Some(registration) = self.registration.take() {
            event_loop.deregister(&self.fd, registration);
        }
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
        if more {
            sys::send_more(&self.fd, bytes)
        } else {
            sys::send(&self.fd, bytes)
        }
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        sys::send_vectored(&self.fd, buffers, more)
    }

    fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
        sys::sendfile(&self.fd, file, offset, count)
    }
}
