//! [`Embedded`]: a protocol and its connection in one allocation, which is held by whoever holds the
//! protocol.
//!
//! A [`Protocol`] is its connection's alone, so what it shares with tasks it has to put behind a
//! pointer: an allocation more, two counters more, and a [`Transport`] kept in it, for each
//! connection. An [`EmbeddedProtocol`] is shared from the start: the [`Rc`] that its callbacks get
//! holds connection and protocol, and is the transport too.

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::{Interest, LoopRef, Readiness, Source, get_running_loop};

use super::{Endpoint, LET_GO, State, reading, writing};
use crate::carrier::Carrier;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::transport::Transport;

/// A [`Protocol`] that lives in the same allocation as its connection, and is shared: its callbacks
/// get `this`, which holds both, derefs to the protocol, and gives out the
/// [transport](Embedded::transport).
///
/// They come as a [`Protocol`]'s do, and never enter one another; but what holds `this` may use the
/// protocol meanwhile, so its state is in cells. It is made for what has very many connections at
/// rest; where that doesn't matter, a [`Protocol`] is simpler.
pub trait EmbeddedProtocol: Sized + 'static {
    /// [`Protocol::connection_made`]; the transport is [`Embedded::transport`] from here on.
    fn connection_made(this: Rc<Embedded<Self>>);

    /// [`Protocol::data_received`].
    fn data_received(this: Rc<Embedded<Self>>, data: &[u8]);

    /// [`Protocol::eof_received`].
    fn eof_received(this: Rc<Embedded<Self>>) -> bool {
        let _ = this;
        false
    }

    /// [`Protocol::connection_lost`].
    fn connection_lost(this: Rc<Embedded<Self>>, error: Option<io::Error>) {
        let _ = (this, error);
    }

    /// [`Protocol::pause_writing`].
    fn pause_writing(this: Rc<Embedded<Self>>) {
        let _ = this;
    }

    /// [`Protocol::resume_writing`].
    fn resume_writing(this: Rc<Embedded<Self>>) {
        let _ = this;
    }

    /// Nothing is told any more: the connection has ended, was given
    /// [another protocol](Transport::set_protocol), or its loop is closed, in which case this is all
    /// that is told of the end. Where a [`Protocol`] is dropped, this is called; the protocol itself
    /// lives as long as somebody holds it. What it holds of others that hold it is to be let go here.
    fn let_go(this: Rc<Embedded<Self>>);
}

/// A connection with its protocol inside. See [`EmbeddedProtocol`].
pub struct Embedded<P> {
    /// Itself, for what it gives to the loop.
    this: Weak<Embedded<P>>,
    state: State,
    protocol: P,
}

/// A connection that does not run yet.
pub(crate) fn embedded<P: EmbeddedProtocol>(
    event_loop: &LoopRef,
    socket: Socket,
    protocol: P,
) -> Rc<dyn Endpoint> {
    Embedded::new(event_loop, Some(socket), protocol)
}

/// The same as the protocol of another transport: of a layer's.
pub(crate) fn around<P: EmbeddedProtocol>(
    event_loop: &LoopRef,
    protocol: P,
) -> impl Protocol + use<P> {
    Outside(Embedded::new(event_loop, None, protocol))
}

impl<P: EmbeddedProtocol> Embedded<P> {
    fn new(event_loop: &LoopRef, socket: Option<Socket>, protocol: P) -> Rc<Embedded<P>> {
        Rc::new_cyclic(|this| Embedded {
            this: this.clone(),
            state: State::new(event_loop, socket),
            protocol,
        })
    }

    /// [`Transport::from_connected`] with an embedded protocol.
    ///
    /// # Errors
    /// `NotConnected` and the like, for what is no connected socket.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn from_connected(fd: OwnedFd, protocol: P) -> io::Result<Transport> {
        let socket = Socket::from_connected(fd)?;
        let endpoint = embedded(&get_running_loop(), socket, protocol);
        endpoint.start();
        Ok(Transport::new(endpoint.carrier()))
    }

    /// The connection's transport: this very connection, or what is between it and its socket. It
    /// costs nothing to ask for. Before
    /// [`connection_made`](EmbeddedProtocol::connection_made) it may be one that does nothing.
    #[inline]
    pub fn transport(self: &Rc<Self>) -> Transport {
        match self.state.if_rare(|rare| rare.below.clone()).flatten() {
            Some(below) => below,
            None => Transport::new(self.clone()),
        }
    }

    /// [`Transport::write`] on its [transport](Embedded::transport).
    #[inline]
    pub fn write(self: &Rc<Self>, bytes: &[u8]) {
        match self.state.if_rare(|rare| rare.below.clone()).flatten() {
            Some(below) => below.write(bytes),
            None => writing::write(&**self, bytes),
        }
    }
}

impl<P> Deref for Embedded<P> {
    type Target = P;

    #[inline]
    fn deref(&self) -> &P {
        &self.protocol
    }
}

impl<P: fmt::Debug> fmt::Debug for Embedded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl<P: EmbeddedProtocol> Endpoint for Embedded<P> {
    #[inline]
    fn state(&self) -> &State {
        &self.state
    }

    #[inline]
    fn shared(&self) -> &(dyn Endpoint + 'static) {
        self
    }

    fn this(&self) -> Option<Rc<dyn Endpoint>> {
        Some(self.this.upgrade()?)
    }

    #[inline]
    fn with_protocol(&self, body: &mut dyn FnMut(&mut dyn Protocol)) {
        if !self.state.any(LET_GO)
            && let Some(this) = self.this.upgrade()
        {
            body(&mut Inside(Some(this)));
        }
    }

    fn drop_protocol(&self) {
        if !self.state.any(LET_GO) {
            self.state.set(LET_GO);
            if let Some(this) = self.this.upgrade() {
                P::let_go(this);
            }
        }
    }

    fn carrier(self: Rc<Self>) -> Rc<dyn Carrier> {
        self
    }
}

impl<P: EmbeddedProtocol> Source for Embedded<P> {
    fn ready(&self, readiness: Readiness) {
        reading::on_ready(self, readiness);
    }

    fn flush(&self) {
        (self as &dyn Endpoint).on_flush();
    }

    fn closed(&self) {
        (self as &dyn Endpoint).on_loop_closed();
    }

    fn describe(&self) -> Option<String> {
        (self as &dyn Endpoint).describe_ends()
    }

    fn part(self: Rc<Self>) -> Option<Rc<dyn Any>> {
        (self as Rc<dyn Endpoint>).member()
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        (self as &dyn Endpoint).tell_waiting(tell);
    }
}

/// The protocol of a connection, for one callback.
struct Inside<P>(Option<Rc<Embedded<P>>>);

impl<P: EmbeddedProtocol> Protocol for Inside<P> {
    fn connection_made(&mut self, _: Transport) {
        if let Some(this) = self.0.take() {
            P::connection_made(this);
        }
    }

    #[inline]
    fn data_received(&mut self, data: &[u8]) {
        if let Some(this) = self.0.take() {
            P::data_received(this, data);
        }
    }

    fn eof_received(&mut self) -> bool {
        self.0.take().is_some_and(P::eof_received)
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        if let Some(this) = self.0.take() {
            P::connection_lost(this, error);
        }
    }

    fn pause_writing(&mut self) {
        if let Some(this) = self.0.take() {
            P::pause_writing(this);
        }
    }

    fn resume_writing(&mut self) {
        if let Some(this) = self.0.take() {
            P::resume_writing(this);
        }
    }
}

/// The protocol of another transport. The connection's own state is not used but for where that
/// transport is.
struct Outside<P: EmbeddedProtocol>(Rc<Embedded<P>>);

impl<P: EmbeddedProtocol> Protocol for Outside<P> {
    fn connection_made(&mut self, transport: Transport) {
        self.0.state.with_rare(|rare| rare.below = Some(transport));
        P::connection_made(self.0.clone());
    }

    fn data_received(&mut self, data: &[u8]) {
        P::data_received(self.0.clone(), data);
    }

    fn eof_received(&mut self) -> bool {
        P::eof_received(self.0.clone())
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        P::connection_lost(self.0.clone(), error);
    }

    fn pause_writing(&mut self) {
        P::pause_writing(self.0.clone());
    }

    fn resume_writing(&mut self) {
        P::resume_writing(self.0.clone());
    }
}

impl<P: EmbeddedProtocol> Drop for Outside<P> {
    fn drop(&mut self) {
        P::let_go(self.0.clone());
    }
}
