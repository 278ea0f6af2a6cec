//! [`DatagramSocket`]: a descriptor that keeps its registration with the loop.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use bucle_loop::{Interest, LoopRef, Registration, Source};
use bucle_sys::{socket, udp};

pub(super) struct DatagramSocket {
    fd: OwnedFd,
    event_loop: LoopRef,
    registration: Cell<Option<Registration>>,
    remote: Cell<Option<SocketAddr>>,
    /// Has sending answer that there is no room, which loopback never does.
    #[cfg(test)]
    pub(super) full: Cell<bool>,
}

impl DatagramSocket {
    pub(super) fn open(
        event_loop: &LoopRef,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
        reuse_port: bool,
        allow_broadcast: bool,
    ) -> io::Result<DatagramSocket> {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let fd = udp::open(&local.or(remote).unwrap_or(any))?;
        if allow_broadcast {
            udp::set_broadcast(&fd, true)?;
        }
        if let Some(local) = local {
            udp::bind(&fd, &local, reuse_port).map_err(|error| {
                io::Error::new(error.kind(), format!("can't bind to {local}: {error}"))
            })?;
        } else if remote.is_none() {
            udp::bind(&fd, &any, reuse_port)?;
        }
        let socket = DatagramSocket {
            fd,
            event_loop: event_loop.clone(),
            registration: Cell::new(None),
            remote: Cell::new(None),
            #[cfg(test)]
            full: Cell::new(false),
        };
        if let Some(remote) = remote {
            socket.connect(&remote)?;
        }
        Ok(socket)
    }

    pub(super) fn connect(&self, remote: &SocketAddr) -> io::Result<()> {
        udp::connect(&self.fd, remote).map_err(|error| {
            io::Error::new(error.kind(), format!("can't connect to {remote}: {error}"))
        })?;
        self.remote.set(Some(*remote));
        Ok(())
    }

    pub(super) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        udp::recv_from(&self.fd, buffer)
    }

    pub(super) fn send_to(&self, data: &[u8], address: Option<&SocketAddr>) -> io::Result<usize> {
        #[cfg(test)]
        if self.full.get() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        udp::send_to(&self.fd, data, address)
    }

    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        SocketAddr::try_from(socket::local_address(&self.fd).ok()?).ok()
    }

    pub(super) fn peer_address(&self) -> Option<SocketAddr> {
        self.remote.get()
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn register(&self, interest: Interest, source: Rc<dyn Source>) -> io::Result<()> {
        let registration = self.event_loop.register(&self.fd, interest, source)?;
        self.registration.set(Some(registration));
        Ok(())
    }

    pub(super) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        let Some(registration) = self.registration.take() else {
            return Ok(());
        };
        let result = self
            .event_loop
            .set_interest(&self.fd, &registration, interest);
        self.registration.set(Some(registration));
        result
    }

    pub(super) fn deregister(&self) {
        if let Some(registration) = self.registration.take() {
            self.event_loop.deregister(&self.fd, registration);
        }
    }
}

impl Drop for DatagramSocket {
    fn drop(&mut self) {
        self.deregister();
    }
}
