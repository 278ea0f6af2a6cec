//! [`DatagramTransport`]: an endpoint for callbacks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use bucle_loop::{ExceptionContext, Interest, LoopRef, Readiness, Source};

use super::DatagramProtocol;
use super::socket::DatagramSocket;
use crate::transport::{HIGH_WATER, LOW_WATER};

/// Most datagrams that are received for one event, lest one endpoint starve the others.
const DATAGRAMS_PER_EVENT: usize = 32;

/// A UDP endpoint: where its protocol sends. asyncio's `DatagramTransport`.
///
/// Clones are the same endpoint; dropping them ends nothing: the loop keeps it until it is closed.
/// No method fails; what goes wrong is told by [`DatagramProtocol::error_received`].
#[derive(Clone)]
pub struct DatagramTransport {
    endpoint: Rc<Endpoint>,
}

struct Endpoint {
    this: Weak<Endpoint>,
    event_loop: LoopRef,
    /// `None` once closed.
    socket: RefCell<Option<DatagramSocket>>,
    /// Empty while it is called, and after its end.
    protocol: RefCell<Option<Box<dyn DatagramProtocol>>>,
    queue: RefCell<VecDeque<(Vec<u8>, Option<SocketAddr>)>>,
    /// Bytes that are queued.
    queued: Cell<usize>,
    /// What is told when the callback that runs has returned.
    errors: RefCell<Vec<io::Error>>,
    high: Cell<usize>,
    low: Cell<usize>,
    busy: Cell<bool>,
    closing: Cell<bool>,
    /// `connection_lost` is scheduled.
    lost: Cell<bool>,
    writing_paused: Cell<bool>,
    pause_told: Cell<bool>,
}

impl DatagramTransport {
    pub(super) fn start(
        event_loop: &LoopRef,
        socket: DatagramSocket,
        protocol: Box<dyn DatagramProtocol>,
    ) -> io::Result<DatagramTransport> {
        let endpoint = Rc::new_cyclic(|this| Endpoint {
            this: this.clone(),
            event_loop: event_loop.clone(),
            socket: RefCell::new(Some(socket)),
            protocol: RefCell::new(Some(protocol)),
            queue: RefCell::default(),
            queued: Cell::new(0),
            errors: RefCell::default(),
            high: Cell::new(HIGH_WATER),
            low: Cell::new(LOW_WATER),
            busy: Cell::new(false),
            closing: Cell::new(false),
            lost: Cell::new(false),
            writing_paused: Cell::new(false),
            pause_told: Cell::new(false),
        });
        endpoint
            .with_socket(|socket| socket.register(Interest::READ, endpoint.clone()))
            .transpose()?;
        let transport = DatagramTransport {
            endpoint: endpoint.clone(),
        };
        endpoint.call(|protocol| protocol.connection_made(transport.clone()));
        Ok(transport)
    }

    /// Sends a datagram: to `address`, or to the remote address of the endpoint. What the system
    /// does not take at once is queued.
    ///
    /// A datagram that can't be sent (it is too long, has no address, or is for another than the
    /// remote address) is told by [`DatagramProtocol::error_received`]. After
    /// [`close`](DatagramTransport::close) it is dropped.
    pub fn sendto(&self, data: &[u8], address: Option<SocketAddr>) {
        self.endpoint.send(data, address);
    }

    /// Closes it: nothing more is received, what is queued still leaves, then
    /// `connection_lost(None)` comes by the loop.
    pub fn close(&self) {
        self.endpoint.close();
    }

    /// Closes it at once: what is queued is dropped.
    pub fn abort(&self) {
        self.endpoint.lose(None);
    }

    /// Whether it is closing or closed.
    pub fn is_closing(&self) -> bool {
        self.endpoint.closing.get()
    }

    /// Bytes that are queued.
    pub fn get_write_buffer_size(&self) -> usize {
        self.endpoint.queued.get()
    }

    /// The low and the high water mark, in this order, as asyncio has it.
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        (self.endpoint.low.get(), self.endpoint.high.get())
    }

    /// Sets the water marks; see
    /// [`Transport::set_write_buffer_limits`](crate::Transport::set_write_buffer_limits).
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        self.endpoint.high.set(high);
        self.endpoint.low.set(low.min(high));
        self.endpoint.check_water();
    }

    /// Our own address; `None` after the end.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.endpoint.with_socket(DatagramSocket::local_address)?
    }

    /// The remote address, if it has one.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.endpoint.with_socket(DatagramSocket::peer_address)?
    }

    /// Lends the socket, to set an option on it; `None` after the end.
    pub fn with_socket<R>(&self, body: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        self.endpoint.with_socket(|socket| body(socket.as_fd()))
    }
}

#[cfg(test)]
impl DatagramTransport {
    /// Has the system take nothing more, or again what it is given.
    pub(super) fn set_full(&self, full: bool) {
        self.endpoint.with_socket(|socket| socket.full.set(full));
    }
}

impl Endpoint {
    fn with_socket<R>(&self, body: impl FnOnce(&DatagramSocket) -> R) -> Option<R> {
        self.socket.borrow().as_ref().map(body)
    }

    /// Calls the protocol, then tells what the call led to.
    fn call(&self, body: impl FnOnce(&mut dyn DatagramProtocol)) {
        let Some(mut protocol) = self.protocol.take() else {
            return;
        };
        self.busy.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut *protocol)));
        self.busy.set(false);
        if !self.event_loop.is_closed() {
            self.protocol.replace(Some(protocol));
        }
        if let Err(payload) = result {
            let message = "a DatagramProtocol panicked";
            let mut context = ExceptionContext::new("datagram transport", message.to_owned());
            context.panic = Some(payload);
            self.event_loop.call_exception_handler(context);
            self.lose(Some(io::Error::other(message)));
        }
        self.tell();
    }

    /// Tells what waits to be told, one thing at a time.
    fn tell(&self) {
        if self.busy.get() || self.lost.get() {
            return;
        }
        let error = self.errors.borrow_mut().pop();
        if let Some(error) = error {
            return self.call(|protocol| protocol.error_received(error));
        }
        let paused = self.writing_paused.get();
        if paused != self.pause_told.replace(paused) {
            self.call(|protocol| {
                if paused {
                    protocol.pause_writing();
                } else {
                    protocol.resume_writing();
                }
            });
        }
    }

    fn error(&self, error: io::Error) {
        self.errors.borrow_mut().insert(0, error);
        self.tell();
    }

    fn send(&self, data: &[u8], address: Option<SocketAddr>) {
        if self.closing.get() {
            return;
        }
        if self.queue.borrow().is_empty() {
            match self.send_now(data, address) {
                Some(Ok(_)) | None => return,
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Some(Err(error)) => return self.error(error),
            }
            self.watch(Interest::BOTH);
        }
        self.queued.set(self.queued.get() + data.len());
        self.queue.borrow_mut().push_back((data.to_vec(), address));
        self.check_water();
    }

    fn send_now(&self, data: &[u8], address: Option<SocketAddr>) -> Option<io::Result<usize>> {
        self.with_socket(|socket| match (socket.peer_address(), address) {
            (Some(peer), Some(address)) if peer != address => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the endpoint speaks to {peer} alone; {address} gets nothing from it"),
            )),
            (Some(_), _) => socket.send_to(data, None),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a datagram without an address, of an endpoint without a remote one",
            )),
            (None, Some(address)) => socket.send_to(data, Some(&address)),
        })
    }

    fn send_queue(&self) {
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some((data, address)) = next else { break };
            match self.send_now(&data, address) {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.queue.borrow_mut().push_front((data, address));
                    break;
                }
                sent => {
                    self.queued.set(self.queued.get() - data.len());
                    if let Some(Err(error)) = sent {
                        self.error(error);
                    }
                }
            }
        }
        self.check_water();
        if !self.lost.get() && self.queue.borrow().is_empty() {
            if self.closing.get() {
                self.lose(None);
            } else {
                self.watch(Interest::READ);
            }
        }
    }

    fn check_water(&self) {
        let queued = self.queued.get();
        if queued > self.high.get() {
            self.writing_paused.set(true);
        } else if queued <= self.low.get() {
            self.writing_paused.set(false);
        }
        self.tell();
    }

    fn watch(&self, interest: Interest) {
        if let Some(Err(error)) = self.with_socket(|socket| socket.set_interest(interest)) {
            self.lose(Some(error));
        }
    }

    fn receive(&self) {
        let event_loop = &self.event_loop;
        event_loop.with_read_buffer(|buffer| {
            for _ in 0..DATAGRAMS_PER_EVENT {
                if self.closing.get() {
                    return;
                }
                match self.with_socket(|socket| socket.recv_from(buffer)) {
                    None => return,
                    Some(Ok((count, address))) => {
                        self.call(|protocol| protocol.datagram_received(&buffer[..count], address));
                    }
                    Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                    Some(Err(error)) => self.error(error),
                }
            }
        });
    }

    fn close(&self) {
        if self.closing.replace(true) {
            return;
        }
        if self.queue.borrow().is_empty() {
            self.lose(None);
        } else {
            self.watch(Interest::WRITE);
        }
    }

    /// Schedules `connection_lost`; no event comes any more.
    fn lose(&self, error: Option<io::Error>) {
        self.closing.set(true);
        if self.lost.replace(true) {
            return;
        }
        self.queue.take();
        self.queued.set(0);
        self.with_socket(DatagramSocket::deregister);
        if let Some(this) = self.this.upgrade() {
            let ending = Ending(this);
            self.event_loop.call_soon(move || ending.run(error));
        }
    }
}

impl Source for Endpoint {
    fn ready(&self, readiness: Readiness) {
        if readiness.writable() && !self.queue.borrow().is_empty() {
            self.send_queue();
        }
        if readiness.readable() && !self.closing.get() {
            self.receive();
        }
    }

    fn describe(&self) -> Option<String> {
        let local = self.with_socket(DatagramSocket::local_address)??;
        Some(format!("datagrams at {local}"))
    }

    fn closed(&self) {
        self.closing.set(true);
        self.lost.set(true);
        let protocol = self.protocol.take();
        drop(protocol);
        let socket = self.socket.take();
        drop(socket);
    }
}

/// The scheduled end, which comes also if it is dropped unrun.
struct Ending(Rc<Endpoint>);

impl Ending {
    fn run(self, error: Option<io::Error>) {
        self.0.call(|protocol| protocol.connection_lost(error));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.closed();
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("local", &self.local_address())
            .field("peer", &self.peer_address())
            .field("queued", &self.get_write_buffer_size())
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
