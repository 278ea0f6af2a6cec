//! The readiness transport: a socket, a protocol, and what is between them.
//!
//! One allocation a connection holds all of it ([`Connection`]); the rest of the crate sees it as
//! `dyn Endpoint`, and users as a [`Transport`](crate::Transport). What only few connections need
//! (other water marks, another protocol) is in [`Rare`]; a write queue exists only while something
//! is queued. The state:
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

mod face;
mod reading;
mod writing;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::{ExceptionContext, Interest, LoopRef, Readiness, Source};

use crate::Address;
use crate::carrier::Carrier;
use crate::group::Group;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::traffic::Traffic;
use crate::transport::{HIGH_WATER, LOW_WATER, SEND_LIMIT, Transport};
use crate::waiters::Waiters;
use crate::write_queue::WriteQueue;

const CLOSING: u32 = 1 << 0;
const LOST: u32 = 1 << 1;
const ENDED: u32 = 1 << 2;
const RESET: u32 = 1 << 3;
const READING_PAUSED: u32 = 1 << 4;
const EOF_SEEN: u32 = 1 << 5;
const EOF_WANTED: u32 = 1 << 6;
const BLOCKED: u32 = 1 << 7;
const FLUSHING: u32 = 1 << 8;
const WRITING_PAUSED: u32 = 1 << 9;
const PAUSE_TOLD: u32 = 1 << 10;
const IN_CALLBACK: u32 = 1 << 11;
const REPLACED: u32 = 1 << 12;
const OFFERING: u32 = 1 << 13;
const METERED: u32 = 1 << 14;
const COUNTED: u32 = 1 << 15;
const UNWATCHED: u32 = 1 << 16;

/// All of a connection but its protocol.
pub(crate) struct State {
    event_loop: LoopRef,
    /// The connection itself, for what it gives to the loop.
    this: Weak<dyn Endpoint>,
    /// `None` once closed.
    socket: RefCell<Option<Socket>>,
    queue: RefCell<Option<Box<WriteQueue>>>,
    rare: RefCell<Option<Box<Rare>>>,
    /// The server it came in by, and its place there.
    member: Cell<Option<(Rc<Group>, u32)>>,
    flags: Cell<u32>,
    /// The turn in which something was sent last, cut to 32 bits, and how much.
    turn: Cell<u32>,
    sent: Cell<u32>,
}

/// What few connections have.
struct Rare {
    high: usize,
    low: usize,
    protocol: Option<Rc<RefCell<Box<dyn Protocol>>>>,
    /// Who waits for the queue to be empty.
    drained: Waiters,
    /// How many bytes may still be sent, where that is metered.
    allowed: u64,
    /// Whom it is for, as a proxy has told it.
    announced: Option<Rc<Address>>,
    /// What was queued when the connection was lost.
    unsent: u64,
    /// `connection_lost` is being called.
    ending: bool,
}

impl Default for Rare {
    fn default() -> Rare {
        Rare {
            high: HIGH_WATER,
            low: LOW_WATER,
            protocol: None,
            drained: Waiters::default(),
            allowed: 0,
            announced: None,
            unsent: 0,
            ending: false,
        }
    }
}

/// A connection: one allocation.
pub(crate) struct Connection<P> {
    state: State,
    protocol: RefCell<Option<P>>,
}

/// A connection, whatever its protocol.
pub(crate) trait Endpoint: Source {
    fn state(&self) -> &State;
    fn protocol(&self) -> &RefCell<dyn Slot>;
    /// The same, as a transport sees it.
    fn carrier(self: Rc<Self>) -> Rc<dyn Carrier>;
}

/// The place of a protocol, empty after its end.
pub(crate) trait Slot {
    fn get(&mut self) -> Option<&mut dyn Protocol>;
    fn clear(&mut self);
}

impl<P: Protocol> Slot for Option<P> {
    fn get(&mut self) -> Option<&mut dyn Protocol> {
        match self {
            Some(protocol) => Some(protocol),
            None => None,
        }
    }

    fn clear(&mut self) {
        *self = None;
    }
}

impl<P: Protocol> Endpoint for Connection<P> {
    #[inline]
    fn state(&self) -> &State {
        &self.state
    }

    #[inline]
    fn protocol(&self) -> &RefCell<dyn Slot> {
        &self.protocol
    }

    fn carrier(self: Rc<Self>) -> Rc<dyn Carrier> {
        self
    }
}

impl<P: Protocol> Source for Connection<P> {
    fn ready(&self, readiness: Readiness) {
        (self as &dyn Endpoint).on_ready(readiness);
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
    Rc::new_cyclic(|this: &Weak<Connection<P>>| Connection {
        state: State {
            event_loop: event_loop.clone(),
            this: this.clone(),
            socket: RefCell::new(Some(socket)),
            queue: RefCell::new(None),
            rare: RefCell::new(None),
            member: Cell::new(None),
            flags: Cell::new(0),
            turn: Cell::new((event_loop.turn_number() as u32).wrapping_sub(1)),
            sent: Cell::new(0),
        },
        protocol: RefCell::new(Some(protocol)),
    })
}

impl State {
    #[inline]
    fn any(&self, flags: u32) -> bool {
        self.flags.get() & flags != 0
    }

    #[inline]
    fn set(&self, flags: u32) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    fn clear(&self, flags: u32) {
        self.flags.set(self.flags.get() & !flags);
    }

    /// Whether what is written now is sent.
    #[inline]
    fn takes_writes(&self) -> bool {
        !self.any(CLOSING | EOF_WANTED)
    }

    #[inline]
    fn reads(&self) -> bool {
        !self.any(READING_PAUSED | EOF_SEEN | CLOSING | LOST)
    }

    fn interest(&self) -> Interest {
        let mut interest = Interest::NONE;
        if self.reads() {
            interest = interest.with(Interest::READ);
        }
        if self.any(BLOCKED) {
            interest = interest.with(Interest::WRITE);
        }
        interest
    }

    fn queued(&self) -> u64 {
        self.queue.borrow().as_ref().map_or(0, |queue| queue.size())
    }

    fn enqueue(&self, body: impl FnOnce(&mut WriteQueue)) {
        body(self.queue.borrow_mut().get_or_insert_default());
    }

    /// How much of this turn's share is left to send.
    #[inline]
    fn budget(&self) -> usize {
        let share = if self.turn.get() == self.event_loop.turn_number() as u32 {
            SEND_LIMIT.saturating_sub(self.sent.get() as usize)
        } else {
            SEND_LIMIT
        };
        if self.any(METERED) {
            share.min(usize::try_from(self.allowed()).unwrap_or(usize::MAX))
        } else {
            share
        }
    }

    /// How many bytes may still be sent, where that is metered.
    #[cold]
    fn allowed(&self) -> u64 {
        self.rare.borrow().as_ref().map_or(0, |rare| rare.allowed)
    }

    /// Whether nothing may be sent until it is allowed.
    #[inline]
    fn is_held_back(&self) -> bool {
        self.any(METERED) && self.allowed() == 0
    }

    #[inline]
    fn note_sent(&self, count: usize) {
        let now = self.event_loop.turn_number() as u32;
        let before = if self.turn.get() == now {
            self.sent.get()
        } else {
            0
        };
        self.turn.set(now);
        self.sent.set(before.saturating_add(count as u32));
        if self.any(METERED) {
            self.with_rare(|rare| rare.allowed = rare.allowed.saturating_sub(count as u64));
        }
        self.with_traffic(|traffic| traffic.count_sent(count));
    }

    /// Lends what its server counts, if it does.
    #[inline]
    fn with_traffic(&self, body: impl FnOnce(&Traffic)) {
        if !self.any(COUNTED) {
            return;
        }
        self.with_group(|group| {
            if let Some(traffic) = &group.traffic {
                body(traffic);
            }
        });
    }

    /// Lends the server it came in by, if it came in by one.
    #[inline]
    fn with_group(&self, body: impl FnOnce(&Group)) {
        let member = self.member.take();
        if let Some((group, _)) = &member {
            body(group);
        }
        self.member.set(member);
    }

    /// Whether a write may go to the socket at once: nothing waits before it, and nothing was sent
    /// in this turn with which it could have shared a call. What is metered goes by way of the queue.
    #[inline]
    fn sends_at_once(&self) -> bool {
        self.turn.get() != self.event_loop.turn_number() as u32
            && self.queue.borrow().is_none()
            && !self.any(METERED)
    }

    fn with_rare<R>(&self, body: impl FnOnce(&mut Rare) -> R) -> R {
        body(self.rare.borrow_mut().get_or_insert_default())
    }

    fn limits(&self) -> (usize, usize) {
        match &*self.rare.borrow() {
            Some(rare) => (rare.high, rare.low),
            None => (HIGH_WATER, LOW_WATER),
        }
    }
}

/// Life: from `connection_made` to `connection_lost`.
impl dyn Endpoint {
    /// Makes it a connection of a server, which will close it by `face`.
    pub(crate) fn join(&self, group: &Rc<Group>, face: Weak<dyn Carrier>) {
        let key = group.join(face);
        let state = self.state();
        state.member.set(Some((group.clone(), key)));
        if group.traffic.is_some() {
            state.set(COUNTED);
        }
    }

    /// Tells the protocol, and starts reading.
    pub(crate) fn start(self: &Rc<Self>) {
        self.start_by(|socket| {
            let state = self.state();
            socket.register(&state.event_loop, state.interest(), self.clone())
        });
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

    fn start_by(self: &Rc<Self>, register: impl FnOnce(&Socket) -> io::Result<()>) {
        let transport = Transport::new(self.clone().carrier());
        self.call("connection_made", |protocol| {
            protocol.connection_made(transport);
        });
        let state = self.state();
        if state.any(LOST) {
            return;
        }
        let registered = match &*state.socket.borrow() {
            Some(socket) => register(socket),
            None => return,
        };
        if let Err(error) = registered {
            self.fail(error);
        }
    }

    /// Calls the protocol. Whatever the call leads to is told after it; a panic ends the
    /// connection.
    fn call<R>(&self, name: &'static str, body: impl FnOnce(&mut dyn Protocol) -> R) -> Option<R> {
        let state = self.state();
        state.set(IN_CALLBACK);
        let replaced = state.any(REPLACED);
        let result = if replaced {
            let protocol = state.with_rare(|rare| rare.protocol.clone());
            catch_unwind(AssertUnwindSafe(|| {
                protocol.map(|protocol| body(&mut **protocol.borrow_mut()))
            }))
        } else {
            catch_unwind(AssertUnwindSafe(|| {
                self.protocol().borrow_mut().get().map(body)
            }))
        };
        state.clear(IN_CALLBACK);
        if !replaced && state.any(REPLACED) {
            self.drop_protocol();
        }
        let value = match result {
            Ok(value) => value,
            Err(payload) => {
                self.panicked(name, payload);
                None
            }
        };
        // Most have nothing to be told.
        if state.any(WRITING_PAUSED | PAUSE_TOLD) {
            self.tell_flow();
        }
        value
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
        if state.queue.borrow().is_none() {
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
        let queue = state.queue.take();
        if let Some(queue) = &queue {
            state.with_rare(|rare| rare.unsent = queue.size());
        }
        if let Some(socket) = &*state.socket.borrow() {
            socket.deregister(&state.event_loop);
        }
        drop(queue);
        if let Some(this) = state.this.upgrade() {
            let ending = Ending(this);
            state.event_loop.call_soon(move || ending.run(error));
        }
    }

    /// The loop is closing: lets go of socket and protocol, which may hold this very connection.
    fn on_loop_closed(&self) {
        let state = self.state();
        state.set(LOST | CLOSING);
        let queue = state.queue.take();
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
        if let Some((group, key)) = state.member.take() {
            group.leave(key);
        }
    }

    fn show_as(&self, face: Weak<dyn Carrier>) {
        let state = self.state();
        let member = state.member.take();
        if let Some((group, key)) = &member {
            group.replace(*key, face);
        }
        state.member.set(member);
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
        let rare = self.state().rare.borrow();
        let rare = rare.as_deref();
        if let Some(rare) = rare {
            rare.drained.each(|waker| tell(waker, Interest::WRITE));
        }
        if let Some(protocol) = rare.and_then(|rare| rare.protocol.clone()) {
            if let Ok(protocol) = protocol.try_borrow() {
                protocol.waiting(tell);
            }
        } else if let Ok(mut slot) = self.protocol().try_borrow_mut()
            && let Some(protocol) = slot.get()
        {
            protocol.waiting(tell);
        }
    }

    /// Drops the protocol that the connection was made with.
    fn drop_protocol(&self) {
        // It is borrowed only where a callback of it closed the loop; it goes with the connection
        // then.
        if let Ok(mut slot) = self.protocol().try_borrow_mut() {
            slot.clear();
        }
    }
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
        if let Some(rare) = &mut *self.0.state().rare.borrow_mut() {
            rare.ending = true;
        }
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
        assert!(size <= 160, "{size}");
    }
}
