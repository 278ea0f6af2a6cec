//! The readiness transport: a socket, a protocol, and what is between them.
//!
//! One allocation a connection holds all of it: a [`Connection`] its protocol as well, an
//! [`Embedded`](crate::Embedded) a protocol that is shared. The rest of the crate sees either as
//! `dyn Endpoint`, and users as a [`Transport`](crate::Transport). What only few connections need
//! (other water marks, another protocol), and the write queue, which is there only while something is
//! queued, are in [`Rare`]. The state:
//!
//! | flag | set | cleared |
//! |---|---|---|
//! | `CLOSING` | by `close`, `abort`, a failure | never |
//! | `LOST` | when `connection_lost` has been scheduled; no event comes any more | never |
//! | `ENDED` | after `connection_lost`: socket and protocol are gone | never |
//! | `RESET` | by `abort` and by failures: the peer is to see a reset | never |
//! | `READING_PAUSED` | by `pause_reading` | by `resume_reading` |
//! | `EOF_SEEN` | when the peer has ended its side | never |
//! | `EOF_WANTED` | by `write_eof` | never |
//! | `BLOCKED` | when the socket took less than it was offered: it is watched for room | when it took all |
//! | `FLUSHING` | when `flush` was asked of the loop | in `flush` |
//! | `WRITING_PAUSED` | when the queue went over the high water mark | when it came down to the low one |
//! | `PAUSE_TOLD` | when the protocol was told of `WRITING_PAUSED` | when it was told of its end |
//! | `IN_CALLBACK` | while the protocol runs | when it has returned |
//! | `REPLACED` | by `set_protocol` | never |
//! | `OFFERING` | by `offer_reads`: the protocol is asked whether it reads by itself | never |
//! | `METERED` | by `limit_sending`: no more leaves than was allowed | never |
//! | `COUNTED` | when it joined a server that counts what goes in and out | never |
//! | `UNWATCHED` | by `start_reading`: the socket is read from once before it is watched | by that read |
//! | `IN_LINE` | while what is long waits for its turn at a turn's end | when it is |
//! | `LET_GO` | when an embedded protocol was told that it is called no more | never |

mod embedded;
mod face;
mod reading;
mod state;
mod writing;

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::{ExceptionContext, Interest, LoopRef, Readiness, Source};

use crate::Address;
use crate::carrier::Carrier;
use crate::group::{Group, Member};
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::transport::Transport;
pub use embedded::{Embedded, EmbeddedProtocol};
pub(crate) use embedded::{around, embedded};
pub(crate) use state::State;
use state::{
    BLOCKED, CLOSING, COUNTED, ENDED, EOF_SEEN, EOF_WANTED, FLUSHING, IN_CALLBACK, IN_LINE, LET_GO,
    LOST, METERED, NOT_READING, OFFERING, PAUSE_TOLD, READING_PAUSED, REPLACED, RESET, UNWATCHED,
    WRITING_PAUSED,
};

/// A connection: one allocation.
pub(crate) struct Connection<P> {
    /// Itself, for what it gives to the loop.
    this: Weak<Connection<P>>,
    state: State,
    protocol: RefCell<Option<P>>,
}

/// A connection, whatever its protocol.
pub(crate) trait Endpoint: Source + 'static {
    fn state(&self) -> &State;
    /// Itself, without its type.
    fn shared(&self) -> &(dyn Endpoint + 'static);
    /// Itself, to be held.
    fn this(&self) -> Option<Rc<dyn Endpoint>>;
    /// Calls `body` with the protocol it was made with, unless that is gone, or runs just now.
    fn with_protocol(&self, body: &mut dyn FnMut(&mut dyn Protocol));
    /// Lets go of that protocol; if it runs just now, it goes with the connection.
    fn drop_protocol(&self);
    /// The same, as a transport sees it.
    fn carrier(self: Rc<Self>) -> Rc<dyn Carrier>;
}

impl<P: Protocol> Endpoint for Connection<P> {
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
        if let Ok(mut slot) = self.protocol.try_borrow_mut()
            && let Some(protocol) = &mut *slot
        {
            body(protocol);
        }
    }

    fn drop_protocol(&self) {
        // It is borrowed only where a callback of it closed the loop.
        if let Ok(mut slot) = self.protocol.try_borrow_mut() {
            *slot = None;
        }
    }

    fn carrier(self: Rc<Self>) -> Rc<dyn Carrier> {
        self
    }
}

impl<P: Protocol> Source for Connection<P> {
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

/// A connection that does not run yet.
pub(crate) fn connection<P: Protocol>(
    event_loop: &LoopRef,
    socket: Socket,
    protocol: P,
) -> Rc<dyn Endpoint> {
    Rc::new_cyclic(|this| Connection {
        this: this.clone(),
        state: State::new(event_loop, Some(socket)),
        protocol: RefCell::new(Some(protocol)),
    })
}

/// Life: from `connection_made` to `connection_lost`.
impl dyn Endpoint {
    /// Makes it a connection of a server, which will close it by `face`, or by itself.
    pub(crate) fn join(&self, group: &Rc<Group>, face: Option<Weak<dyn Carrier>>) {
        group.join();
        let state = self.state();
        state.group.set(Some(group.clone()));
        if group.traffic.is_some() {
            state.set(COUNTED);
        }
        if let Some(face) = face {
            self.show_as(face);
        }
    }

    /// What it is to the server it came in by.
    fn member(self: Rc<Self>) -> Option<Rc<dyn Any>> {
        let state = self.state();
        let group = state.group.take();
        state.group.set(group.clone());
        let group = group?;
        let face = state.if_rare(|rare| rare.face.as_ref()?.upgrade());
        let face = face.flatten().unwrap_or_else(|| self.carrier());
        Some(Rc::new(Member { group, face }))
    }

    /// Tells the protocol, and starts reading.
    pub(crate) fn start(self: &Rc<Self>) {
        self.start_by(|socket| {
            let event_loop = &self.state().event_loop;
            socket.register(event_loop, Interest::NONE, self.clone())
        });
        self.update_interest();
    }

    /// [`start`](Self::start) where the peer has most likely sent something already: that is read in
    /// the next turn, and only then is the socket watched, if there is still something to wait for.
    pub(crate) fn start_reading(self: &Rc<Self>) {
        self.start_by(|socket| {
            let state = self.state();
            socket.register_unwatched(&state.event_loop, self.clone())?;
            state.set(UNWATCHED);
            Ok(())
        });
    }

    /// The loop knows of the connection before the protocol does, and its server by the loop.
    fn start_by(self: &Rc<Self>, register: impl FnOnce(&Socket) -> io::Result<()>) {
        let registered = match &*self.state().socket.borrow() {
            Some(socket) => register(socket),
            None => return,
        };
        if let Err(error) = registered {
            self.fail(error);
        }
        let transport = Transport::new(self.clone().carrier());
        self.call("connection_made", |protocol| {
            protocol.connection_made(transport);
        });
    }

    /// [`call`] of an endpoint of whatever type.
    fn call<R>(&self, name: &'static str, body: impl FnOnce(&mut dyn Protocol) -> R) -> Option<R> {
        call(self, name, body)
    }

    #[cold]
    fn panicked(&self, name: &'static str, payload: Box<dyn Any + Send>) {
        let text = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a value that is not text");
        let message = format!("Protocol::{name} panicked: {text}");
        let error = io::Error::other(message.clone());
        let mut context = ExceptionContext::new("transport", message);
        context.name = self.describe_ends();
        context.panic = Some(payload);
        self.state().event_loop.call_exception_handler(context);
        self.fail(error);
    }

    pub(crate) fn close(&self) {
        let state = self.state();
        if state.any(CLOSING) {
            return;
        }
        state.set(CLOSING);
        // Else it ends when the queue has drained.
        if !state.has_queue() {
            self.lose(None);
        }
    }

    pub(crate) fn abort(&self) {
        let state = self.state();
        if !state.any(LOST) {
            state.set(RESET);
            self.lose(None);
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().any(CLOSING)
    }

    fn takes_writes(&self) -> bool {
        self.state().takes_writes()
    }

    fn was_cut(&self) -> bool {
        self.state().any(RESET)
    }

    /// Ends with an error, at once.
    fn fail(&self, error: io::Error) {
        let state = self.state();
        if !state.any(LOST) {
            state.set(RESET);
            self.lose(Some(error));
        }
    }

    /// Schedules `connection_lost`. What is queued is dropped; no event comes any more.
    fn lose(&self, error: Option<io::Error>) {
        let state = self.state();
        if state.any(LOST) {
            return;
        }
        state.set(LOST | CLOSING);
        state.clear(BLOCKED);
        let queue = state.take_queue();
        if let Some(queue) = &queue {
            state.with_rare(|rare| rare.unsent = queue.size());
        }
        if let Some(socket) = &*state.socket.borrow() {
            socket.deregister(&state.event_loop);
        }
        drop(queue);
        if let Some(this) = self.this() {
            let ending = Ending(this);
            state.event_loop.call_soon(move || ending.run(error));
        }
    }

    /// The loop is closing: lets go of socket and protocol, which may hold this very connection.
    fn on_loop_closed(&self) {
        let state = self.state();
        state.set(LOST | CLOSING);
        let queue = state.take_queue();
        drop(queue);
        self.end();
    }

    /// The last step.
    fn end(&self) {
        let state = self.state();
        if state.any(ENDED) {
            return;
        }
        state.set(ENDED);
        // It is borrowed only where `with_socket` closed the loop; it is closed with the connection
        // then.
        let socket = state
            .socket
            .try_borrow_mut()
            .map_or(None, |mut it| it.take());
        if let Some(socket) = socket {
            socket.deregister(&state.event_loop);
            if state.any(RESET) {
                socket.reset_on_close();
            }
        }
        self.drop_protocol();
        let rare = state.rare.take();
        if let Some(rare) = rare {
            rare.drained.wake();
        }
        if let Some(group) = state.group.take() {
            group.leave();
        }
    }

    fn show_as(&self, face: Weak<dyn Carrier>) {
        let before = self.state().with_rare(|rare| rare.face.replace(face));
        drop(before);
    }

    pub(crate) fn set_protocol(&self, protocol: Box<dyn Protocol>) {
        let state = self.state();
        if state.any(ENDED) {
            return;
        }
        let protocol = Rc::new(RefCell::new(protocol));
        let before = state.with_rare(|rare| rare.protocol.replace(protocol));
        state.set(REPLACED);
        drop(before);
        // The first one, if it is not the one that asks.
        if !state.any(IN_CALLBACK) {
            self.drop_protocol();
        }
    }

    /// Our address and the peer's, for reports.
    fn describe_ends(&self) -> Option<String> {
        let (ours, peer) = self.with_socket(|socket| {
            let text = |address: Option<Address>| address.map_or("?".into(), |it| it.to_string());
            (text(socket.local_address()), text(socket.peer_address()))
        })?;
        Some(format!("{ours} with {peer}"))
    }

    pub(crate) fn with_socket<R>(&self, body: impl FnOnce(&Socket) -> R) -> Option<R> {
        self.state().socket.borrow().as_ref().map(body)
    }

    pub(crate) fn event_loop(&self) -> &LoopRef {
        &self.state().event_loop
    }

    /// Tells of the tasks that wait. A protocol that runs just now is left out.
    fn tell_waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        let replaced = self.state().if_rare(|rare| {
            rare.drained.each(|waker| tell(waker, Interest::WRITE));
            rare.protocol.clone()
        });
        if let Some(protocol) = replaced.flatten() {
            if let Ok(protocol) = protocol.try_borrow() {
                protocol.waiting(tell);
            }
        } else {
            self.with_protocol(&mut |protocol| protocol.waiting(tell));
        }
    }
}

/// Calls the protocol. Whatever the call leads to is told after it; a panic ends the connection.
///
/// It knows the type of the endpoint, where its caller does: then the call of a protocol is one of a
/// function, not of four by tables.
#[inline]
fn call<E: Endpoint + ?Sized, R>(
    endpoint: &E,
    name: &'static str,
    body: impl FnOnce(&mut dyn Protocol) -> R,
) -> Option<R> {
    let state = endpoint.state();
    state.set(IN_CALLBACK);
    let replaced = state.any(REPLACED);
    let result = if replaced {
        let protocol = state.with_rare(|rare| rare.protocol.clone());
        catch_unwind(AssertUnwindSafe(|| {
            protocol.map(|protocol| body(&mut **protocol.borrow_mut()))
        }))
    } else {
        catch_unwind(AssertUnwindSafe(|| {
            let (mut body, mut value) = (Some(body), None);
            endpoint.with_protocol(&mut |protocol| value = body.take().map(|body| body(protocol)));
            value
        }))
    };
    state.clear(IN_CALLBACK);
    if !replaced && state.any(REPLACED) {
        endpoint.drop_protocol();
    }
    let value = match result {
        Ok(value) => value,
        Err(payload) => {
            endpoint.shared().panicked(name, payload);
            None
        }
    };
    // Most have nothing to be told.
    if state.any(WRITING_PAUSED | PAUSE_TOLD) {
        endpoint.shared().tell_flow();
    }
    value
}

/// The scheduled end of a connection, which comes also if it is dropped unrun.
struct Ending(Rc<dyn Endpoint>);

impl Ending {
    fn run(self, error: Option<io::Error>) {
        if self.0.state().any(IN_CALLBACK) {
            // The loop was run from inside a callback of this very connection.
            let event_loop = self.0.state().event_loop.clone();
            event_loop.call_soon(move || self.run(error));
            return;
        }
        self.0.state().if_rare(|rare| rare.ending = true);
        self.0.call("connection_lost", |protocol| {
            protocol.connection_lost(error);
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bar for a transport without its protocol, its two counters included.
    #[test]
    fn an_idle_transport_is_small() {
        struct Nothing;
        impl Protocol for Nothing {
            fn connection_made(&mut self, _: Transport) {}
            fn data_received(&mut self, _: &[u8]) {}
        }
        let size = size_of::<Connection<Nothing>>() + 2 * size_of::<usize>();
        assert!(size <= 96, "{size}");
    }
}
