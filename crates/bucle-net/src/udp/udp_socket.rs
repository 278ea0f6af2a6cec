//! [`UdpSocket`]: datagrams for `async` code.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bucle_loop::{Interest, Readiness, Source, get_running_loop};

use super::DatagramOptions;
use super::socket::DatagramSocket;
use crate::resolve::resolve;
use crate::waiters::{Seat, Waiters};
use crate::{Address, ToAddresses};

/// A UDP socket on the running loop, closed when dropped. It can be used by several tasks at once.
///
/// ```
/// use bucle_net::udp::UdpSocket;
///
/// bucle_loop::run(async {
///     let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
///     a.send_to(b"ping", b.local_address()?).await?;
///     let mut buffer = [0; 64];
///     let (count, from) = b.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..count], from), (&b"ping"[..], a.local_address()?));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("sock_recvfrom", "sock_sendto"))]
pub struct UdpSocket {
    shared: Rc<Shared>,
}

struct Shared {
    /// `None` once the loop is closed.
    socket: RefCell<Option<DatagramSocket>>,
    interest: Cell<Interest>,
    readers: Waiters,
    writers: Waiters,
}

impl UdpSocket {
    /// A socket that is bound to `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// As [`create_datagram_endpoint`](super::create_datagram_endpoint).
    ///
    /// # Panics
    /// If no loop is running in this thread.
    pub async fn bind(address: impl ToAddresses) -> io::Result<UdpSocket> {
        UdpSocket::open(DatagramOptions::default().local_addr(address)).await
    }

    /// A socket with options.
    ///
    /// # Errors
    /// As [`create_datagram_endpoint`](super::create_datagram_endpoint).
    ///
    /// # Panics
    /// If no loop is running in this thread.
    pub async fn open(options: DatagramOptions) -> io::Result<UdpSocket> {
        let socket = options.socket().await?;
        let shared = Rc::new(Shared {
            socket: RefCell::new(None),
            interest: Cell::new(Interest::NONE),
            readers: Waiters::default(),
            writers: Waiters::default(),
        });
        socket.register(Interest::NONE, shared.clone())?;
        shared.socket.replace(Some(socket));
        Ok(UdpSocket { shared })
    }

    /// Fixes the peer: [`send`](UdpSocket::send) goes to it, and only its datagrams are received.
    ///
    /// # Errors
    /// `InvalidInput` for what is no address; the system's.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    pub async fn connect(&self, address: impl ToAddresses) -> io::Result<()> {
        let found = resolve(&get_running_loop(), &address.to_targets()?).await?;
        let mut failed = None;
        for address in found.iter().filter_map(Address::as_tcp) {
            match self.shared.with_socket(|socket| socket.connect(&address)) {
                Ok(()) => return Ok(()),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    /// Receives one datagram, and where it came from. What does not fit into `buffer` is lost: 65,535
    /// bytes take any. Cancel-safe.
    ///
    /// # Errors
    /// The system's; `ConnectionRefused` where a peer is fixed and nobody is there.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut seat = Seat::default();
        poll_fn(|cx| {
            let received = self.shared.with_socket(|socket| socket.recv_from(buffer));
            self.shared.wait(Interest::READ, received, &mut seat, cx)
        })
        .await
    }

    /// [`recv_from`](UdpSocket::recv_from), where one knows from whom.
    ///
    /// # Errors
    /// As [`recv_from`](UdpSocket::recv_from).
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buffer).await.map(|(count, _)| count)
    }

    /// Sends one datagram, waiting while the system has no room for it. Cancel-safe: it is sent whole
    /// or not at all.
    ///
    /// # Errors
    /// The system's: it is too long, the network is not there.
    pub async fn send_to(&self, data: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.send_or_wait(data, Some(&address)).await
    }

    /// [`send_to`](UdpSocket::send_to) the peer that was fixed.
    ///
    /// # Errors
    /// As [`send_to`](UdpSocket::send_to); without a peer too.
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_or_wait(data, None).await
    }

    async fn send_or_wait(&self, data: &[u8], address: Option<&SocketAddr>) -> io::Result<usize> {
        let mut seat = Seat::default();
        poll_fn(|cx| {
            let sent = self
                .shared
                .with_socket(|socket| socket.send_to(data, address));
            self.shared.wait(Interest::WRITE, sent, &mut seat, cx)
        })
        .await
    }

    /// Our own address.
    ///
    /// # Errors
    /// The system's; the loop being closed.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.shared.with_socket(|socket| {
            let address = socket.local_address();
            address.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
        })
    }

    /// The peer, if one was fixed.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.shared.socket.borrow().as_ref()?.peer_address()
    }

    /// Lends the socket, to set an option on it; `None` once the loop is closed.
    pub fn with_socket<R>(&self, body: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        let socket = self.shared.socket.borrow();
        socket.as_ref().map(|socket| body(socket.as_fd().as_fd()))
    }
}

impl Shared {
    fn with_socket<R>(&self, body: impl FnOnce(&DatagramSocket) -> io::Result<R>) -> io::Result<R> {
        match &*self.socket.borrow() {
            Some(socket) => body(socket),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the loop of this socket is closed",
            )),
        }
    }

    /// Gives the result out, or waits for the socket if it would have blocked.
    fn wait<T>(
        &self,
        side: Interest,
        result: io::Result<T>,
        seat: &mut Seat,
        cx: &Context<'_>,
    ) -> Poll<io::Result<T>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        let waiting = if side.reads() {
            &self.readers
        } else {
            &self.writers
        };
        waiting.join(seat, cx.waker());
        match self.watch(self.interest.get().with(side)) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn watch(&self, interest: Interest) -> io::Result<()> {
        self.with_socket(|socket| socket.set_interest(interest))?;
        self.interest.set(interest);
        Ok(())
    }
}

impl Source for Shared {
    fn ready(&self, readiness: Readiness) {
        let mut interest = self.interest.get();
        // Nobody has asked again since the last event: it is not watched until somebody does.
        if readiness.readable() && !self.readers.wake() {
            interest = interest.without(Interest::READ);
        }
        if readiness.writable() && !self.writers.wake() {
            interest = interest.without(Interest::WRITE);
        }
        if interest != self.interest.get() {
            let _ = self.watch(interest);
        }
    }

    fn describe(&self) -> Option<String> {
        let local = self.socket.borrow().as_ref()?.local_address()?;
        Some(format!("UDP socket at {local}"))
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        self.readers.each(|reader| tell(reader, Interest::READ));
        self.writers.each(|writer| tell(writer, Interest::WRITE));
    }

    fn closed(&self) {
        let socket = self.socket.take();
        drop(socket);
        self.readers.wake();
        self.writers.wake();
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        // The loop holds the other half until then.
        let socket = self.shared.socket.take();
        drop(socket);
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("local", &self.local_address().ok())
            .field("peer", &self.peer_address())
            .finish_non_exhaustive()
    }
}
