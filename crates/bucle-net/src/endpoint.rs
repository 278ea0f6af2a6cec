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

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::{ExceptionContext, Interest, LoopRef, Readiness, Source};
use bytes::Bytes;

use crate::group::Group;
use crate::protocol::Protocol;
use crate::socket::{Sink, Socket};
use crate::transport::{HIGH_WATER, LOW_WATER, SEND_LIMIT, Transport};
use crate::write_queue::{FileRange, Progress, WriteQueue};

const CLOSING: u16 = 1 << 0;
const LOST: u16 = 1 << 1;
const ENDED: u16 = 1 << 2;
const RESET: u16 = 1 << 3;
const READING_PAUSED: u16 = 1 << 4;
const EOF_SEEN: u16 = 1 << 5;
const EOF_WANTED: u16 = 1 << 6;
const BLOCKED: u16 = 1 << 7;
const FLUSHING: u16 = 1 << 8;
const WRITING_PAUSED: u16 = 1 << 9;
const PAUSE_TOLD: u16 = 1 << 10;
const IN_CALLBACK: u16 = 1 << 11;
const REPLACED: u16 = 1 << 12;

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
    flags: Cell<u16>,
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
    drained: Vec<Waker>,
}

impl Default for Rare {
    fn default() -> Rare {
        Rare {
            high: HIGH_WATER,
            low: LOW_WATER,
            protocol: None,
            drained: Vec::new(),
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
    fn any(&self, flags: u16) -> bool {
        self.flags.get() & flags != 0
    }

    #[inline]
    fn set(&self, flags: u16) {
        self.flags.set(self.flags.get() | flags);
    }

    #[inline]
    fn clear(&self, flags: u16) {
        self.flags.set(self.flags.get() & !flags);
    }

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
        if self.turn.get() == self.event_loop.turn_number() as u32 {
            SEND_LIMIT.saturating_sub(self.sent.get() as usize)
        } else {
            SEND_LIMIT
        }
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
    }

    /// Whether a write may go to the socket at once: nothing waits before it, and nothing was sent
    /// in this turn with which it could have shared a call.
    #[inline]
    fn sends_at_once(&self) -> bool {
        self.turn.get() != self.event_loop.turn_number() as u32 && self.queue.borrow().is_none()
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
    /// Makes it a connection of a server.
    pub(crate) fn join(&self, group: &Rc<Group>) {
        let key = group.join(self.state().this.clone());
        self.state().member.set(Some((group.clone(), key)));
    }

    /// Tells the protocol, and starts reading.
    pub(crate) fn start(self: &Rc<Self>) {
        let transport = Transport::new(self.clone());
        self.call("connection_made", |protocol| {
            protocol.connection_made(transport);
        });
        let state = self.state();
        if state.any(LOST) {
            return;
        }
        let registered = match &*state.socket.borrow() {
            Some(socket) => socket.register(&state.event_loop, state.interest(), self.clone()),
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
        self.tell_flow();
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
        context.panic = Some(payload);
        self.state().event_loop.call_exception_handler(context);
        self.fail(error);
    }

    /// Ends with an error, at once.
    fn fail(&self, error: io::Error) {
        self.state().set(RESET);
        self.lose(Some(error));
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
        for waker in rare.into_iter().flat_map(|rare| rare.drained) {
            waker.wake();
        }
        if let Some((group, key)) = state.member.take() {
            group.leave(key);
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

/// Reading.
impl dyn Endpoint {
    fn on_ready(&self, readiness: Readiness) {
        let state = self.state();
        if state.any(LOST | IN_CALLBACK) {
            return;
        }
        if readiness.readable() {
            if state.reads() {
                self.read();
            } else {
                // Reading was paused or ended since; only now is it worth a call to say so.
                self.update_interest();
            }
        }
        if readiness.writable() && state.any(BLOCKED) && !state.any(LOST) {
            self.send_queue();
        }
    }

    /// One bounded read. A short one has most likely emptied the socket; if not, the selector says
    /// so again.
    fn read(&self) {
        let state = self.state();
        state.event_loop.with_read_buffer(|buffer| {
            let received = match &*state.socket.borrow() {
                Some(socket) => socket.recv(buffer),
                None => return,
            };
            match received {
                Ok(0) => self.read_eof(),
                Ok(count) => {
                    self.call("data_received", |protocol| {
                        protocol.data_received(&buffer[..count]);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.fail(error),
            }
        });
    }

    fn read_eof(&self) {
        self.state().set(EOF_SEEN);
        let keep_open = self.call("eof_received", |protocol| protocol.eof_received());
        if keep_open == Some(true) {
            self.update_interest();
        } else {
            self.close();
        }
    }

    pub(crate) fn pause_reading(&self) {
        // The selector is told when next it reports: most pauses are over before.
        self.state().set(READING_PAUSED);
    }

    pub(crate) fn resume_reading(&self) {
        let state = self.state();
        if state.any(READING_PAUSED) {
            state.clear(READING_PAUSED);
            self.update_interest();
        }
    }

    pub(crate) fn is_reading(&self) -> bool {
        self.state().reads()
    }

    fn update_interest(&self) {
        let state = self.state();
        if state.any(LOST) {
            return;
        }
        let result = match &*state.socket.borrow() {
            Some(socket) => socket.set_interest(&state.event_loop, state.interest()),
            None => return,
        };
        if let Err(error) = result {
            self.fail(error);
        }
    }
}

/// Writing.
impl dyn Endpoint {
    /// Whether bytes can still be taken.
    fn writes(&self, what: &'static str) -> bool {
        let state = self.state();
        if state.any(CLOSING) {
            return false;
        }
        if state.any(EOF_WANTED) {
            state
                .event_loop
                .call_exception_handler(ExceptionContext::new(
                    "transport",
                    format!("{what} after write_eof(): the bytes were dropped"),
                ));
            return false;
        }
        true
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() || !self.writes("write()") {
            return;
        }
        let state = self.state();
        if !state.sends_at_once() {
            state.enqueue(|queue| queue.push(bytes));
            self.queued();
            return;
        }
        if let Some((sent, progress)) = self.send_at_once(bytes, false)
            && progress != Progress::Drained
        {
            state.enqueue(|queue| queue.push(&bytes[sent..]));
            self.stopped(progress);
        }
    }

    pub(crate) fn write_bytes(&self, mut bytes: Bytes) {
        if bytes.is_empty() || !self.writes("write_bytes()") {
            return;
        }
        let state = self.state();
        if !state.sends_at_once() {
            state.enqueue(|queue| queue.push_shared(bytes));
            self.queued();
            return;
        }
        if let Some((sent, progress)) = self.send_at_once(&bytes, false)
            && progress != Progress::Drained
        {
            state.enqueue(|queue| queue.push_shared(bytes.split_off(sent)));
            self.stopped(progress);
        }
    }

    pub(crate) fn writelines(&self, pieces: &mut dyn Iterator<Item = Bytes>) {
        if !self.writes("writelines()") {
            return;
        }
        let state = self.state();
        let at_once = state.sends_at_once();
        // Collected first: the iterator is the caller's, and may come back here.
        let mut any = false;
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            state.enqueue(|queue| queue.push_shared(piece));
            any = true;
        }
        if any {
            self.send_or_queue(at_once);
        }
    }

    pub(crate) fn send_file(&self, head: &[u8], file: Rc<dyn AsFd>, offset: u64, length: u64) {
        if length == 0 {
            self.write(head);
            return;
        }
        if !self.writes("send_file()") {
            return;
        }
        let state = self.state();
        let mut range = FileRange::new(file, offset, length);
        let mut head = head;
        if !state.sends_at_once() {
            state.enqueue(|queue| {
                queue.push(head);
                queue.push_file(range);
            });
            self.queued();
            return;
        }
        let mut progress = Progress::Spent;
        if !head.is_empty() {
            let Some((sent, stopped)) = self.send_at_once(head, true) else {
                return;
            };
            head = &head[sent..];
            progress = stopped;
        }
        let limit = state.budget();
        if progress != Progress::Blocked && head.is_empty() && limit > 0 {
            let asked = range.length.min(limit as u64);
            let result = match &*state.socket.borrow() {
                Some(socket) => range.send(socket, limit),
                None => return,
            };
            let sent = match result {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return self.fail(error),
            };
            state.note_sent(sent);
            if range.length == 0 {
                return;
            }
            progress = if (sent as u64) < asked {
                Progress::Blocked
            } else {
                Progress::Spent
            };
        }
        state.enqueue(|queue| {
            queue.push(head);
            queue.push_file(range);
        });
        self.stopped(progress);
    }

    /// Offers bytes to the socket; `None` if the connection failed.
    #[inline]
    fn send_at_once(&self, bytes: &[u8], more: bool) -> Option<(usize, Progress)> {
        let state = self.state();
        let offered = &bytes[..bytes.len().min(SEND_LIMIT)];
        let result = match &*state.socket.borrow() {
            Some(socket) => socket.send(offered, more),
            None => return None,
        };
        let sent = match result {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        state.note_sent(sent);
        let progress = if sent == bytes.len() {
            Progress::Drained
        } else if sent == offered.len() {
            Progress::Spent
        } else {
            Progress::Blocked
        };
        Some((sent, progress))
    }

    /// Something was queued: it leaves at once or with the rest of this turn.
    fn send_or_queue(&self, at_once: bool) {
        if at_once {
            self.send_queue();
            self.check_high_water();
        } else {
            self.queued();
        }
    }

    /// Something was queued behind what is queued or was sent in this turn.
    fn queued(&self) {
        self.flush_later();
        self.check_high_water();
    }

    /// Sending stopped with something left in the queue.
    fn stopped(&self, progress: Progress) {
        let state = self.state();
        match progress {
            Progress::Drained => {}
            Progress::Blocked => {
                state.set(BLOCKED);
                self.update_interest();
            }
            // Where the socket is watched already, its next event goes on.
            Progress::Spent => self.flush_later(),
        }
        self.check_high_water();
    }

    /// Has the queue sent at the end of the turn, unless the socket has to say first that it has
    /// room.
    fn flush_later(&self) {
        let state = self.state();
        if !state.any(BLOCKED | FLUSHING | LOST)
            && let Some(this) = state.this.upgrade()
        {
            state.set(FLUSHING);
            state.event_loop.flush_soon(this);
        }
    }

    fn on_flush(&self) {
        let state = self.state();
        state.clear(FLUSHING);
        if !state.any(BLOCKED | LOST) {
            self.send_queue();
        }
    }

    /// Sends from the queue, within this turn's budget.
    fn send_queue(&self) {
        let state = self.state();
        let budget = state.budget();
        let (sent, result) = {
            let mut queue = state.queue.borrow_mut();
            let socket = state.socket.borrow();
            match (&mut *queue, &*socket) {
                (Some(queue), Some(socket)) => queue.send(socket, budget),
                _ => (0, Ok(Progress::Drained)),
            }
        };
        loop {
            let mut queue = state.queue.borrow_mut();
            let discarded = queue.as_mut().and_then(|queue| queue.discard());
            drop(queue);
            if discarded.is_none() {
                break;
            }
        }
        if sent > 0 {
            state.note_sent(sent);
        }
        match result {
            Err(error) => self.fail(error),
            Ok(Progress::Drained) => {
                // What a destructor has written just now is in a queue that has more.
                if state.queued() > 0 {
                    self.flush_later();
                } else {
                    self.drained();
                }
            }
            Ok(progress) => {
                self.check_low_water();
                if !state.any(LOST) {
                    self.stopped(progress);
                }
            }
        }
    }

    fn drained(&self) {
        let state = self.state();
        let queue = state.queue.take();
        drop(queue);
        if state.any(BLOCKED) {
            state.clear(BLOCKED);
            self.update_interest();
        }
        let wakers = match &mut *state.rare.borrow_mut() {
            Some(rare) => std::mem::take(&mut rare.drained),
            None => Vec::new(),
        };
        for waker in wakers {
            waker.wake();
        }
        self.check_low_water();
        if state.queue.borrow().is_none() && !state.any(LOST) {
            if state.any(CLOSING) {
                self.lose(None);
            } else if state.any(EOF_WANTED) {
                self.shutdown();
            }
        }
    }

    fn shutdown(&self) {
        if let Some(socket) = &*self.state().socket.borrow() {
            // It fails where the peer is gone, and then reading tells.
            let _ = socket.shutdown();
        }
    }

    fn check_high_water(&self) {
        let state = self.state();
        if !state.any(WRITING_PAUSED | LOST) && state.queued() > state.limits().0 as u64 {
            state.set(WRITING_PAUSED);
            self.tell_flow();
        }
    }

    fn check_low_water(&self) {
        let state = self.state();
        if state.any(WRITING_PAUSED) && state.queued() <= state.limits().1 as u64 {
            state.clear(WRITING_PAUSED);
            self.tell_flow();
        }
    }

    /// Tells the protocol whether to pause writing, if it does not know and is not busy.
    #[inline]
    fn tell_flow(&self) {
        let state = self.state();
        let flags = state.flags.get();
        let paused = flags & WRITING_PAUSED != 0;
        if flags & (IN_CALLBACK | LOST) != 0 || paused == (flags & PAUSE_TOLD != 0) {
            return;
        }
        if paused {
            state.set(PAUSE_TOLD);
            self.call("pause_writing", |protocol| protocol.pause_writing());
        } else {
            state.clear(PAUSE_TOLD);
            self.call("resume_writing", |protocol| protocol.resume_writing());
        }
    }

    pub(crate) fn write_eof(&self) {
        let state = self.state();
        if state.any(EOF_WANTED | CLOSING) {
            return;
        }
        state.set(EOF_WANTED);
        if state.queue.borrow().is_none() {
            self.shutdown();
        }
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

    pub(crate) fn write_buffer_size(&self) -> usize {
        usize::try_from(self.state().queued()).unwrap_or(usize::MAX)
    }

    pub(crate) fn write_buffer_limits(&self) -> (usize, usize) {
        let (high, low) = self.state().limits();
        (low, high)
    }

    pub(crate) fn set_write_buffer_limits(&self, high: usize, low: usize) {
        let state = self.state();
        if state.any(ENDED) {
            return;
        }
        state.with_rare(|rare| {
            rare.high = high;
            rare.low = low.min(high);
        });
        self.check_high_water();
        self.check_low_water();
    }

    /// Whether the queue is empty; if not, `waker` is woken when it is, or when the connection
    /// ends.
    pub(crate) fn is_drained(&self, waker: &Waker) -> bool {
        let state = self.state();
        if state.any(LOST) || state.queue.borrow().is_none() {
            return true;
        }
        state.with_rare(|rare| {
            if !rare.drained.iter().any(|other| other.will_wake(waker)) {
                rare.drained.push(waker.clone());
            }
        });
        false
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

    pub(crate) fn with_socket<R>(&self, body: impl FnOnce(&Socket) -> R) -> Option<R> {
        self.state().socket.borrow().as_ref().map(body)
    }

    pub(crate) fn event_loop(&self) -> &LoopRef {
        &self.state().event_loop
    }
}
