//! One connection: the state machine of bucle-http between a transport and a handler.
//!
//! Everything happens in [`Connection::drive`]: it takes what came in, and goes through it event by
//! event, answering what can be answered at once, until the input is used up or the connection has
//! to wait: for more input, for the handler, or for the client to read. What it could not use yet
//! is carried over; an idle connection carries nothing and owns no buffer.
//!
//! One request is under way at a time, so pipelined requests are answered in order. All answers of
//! one `drive` leave in one write.
//!
//! ```text
//!            a head                    received and answered
//!   Head ────────────────> Exchange ────────────────────────> Head
//!     │  refused, too late,   │  and the connection is not kept
//!     │  the client's end     v
//!     └──────────────────> Lingering ───> Closed
//! ```
//!
//! | file | what |
//! |---|---|
//! | `exchange` | from a head to the answer: the handler, its task, the request's body |
//! | `answer` | from the answer to the transport, streamed bodies included |
//! | `pieces` | parts of files, and files that a disk has to be waited for |
//! | `ending` | refusals, the end of patience, stopping, lingering |
//! | `upgrade` | leaving HTTP for another protocol |
//! | `presence` | whether a client that has ended its side is still there |
//! | `patience` | what is waited for, and how long |
//! | `work` | what is held only while something is under way |
//! | `driver` | the transport's callbacks |

mod answer;
mod driver;
mod ending;
mod exchange;
mod patience;
mod pieces;
mod presence;
#[cfg(test)]
mod tests;
mod upgrade;
mod work;

use std::cell::Cell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use bucle_http::{Event, Method, RequestHead, ServerConnection};
use bucle_net::{Embedded, Transport};

use crate::handler::Handler;
use crate::worker::Worker;
pub(crate) use patience::Patience;
use patience::Waits;
pub(crate) use work::Work;

/// Answers gathered before they are written, in bytes.
const OUT_LIMIT: usize = 64 * 1024;

/// Requests that are begun before other connections have their turn: 64 KiB of input hold a thousand, and answering them
/// takes milliseconds. As many as clients that pipeline send at once.
const SLICE: u32 = 16;

/// Input that waits for an answer to be finished before reading stops, in bytes.
const CARRY_LIMIT: usize = 64 * 1024;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Between requests, or in the middle of a head.
    Head,
    /// A request was begun and is not both received and answered.
    Exchange,
    /// It speaks another protocol: bytes are for the streams made of it.
    Upgraded,
    /// No more requests are taken; what was written is on its way out, and what still comes in is
    /// thrown away.
    Lingering,
    Closed,
}

/// What is known of the connection and of the request under way.
mod flag {
    /// The connection stays for another request. Set by a head, cleared by whatever speaks against
    /// it.
    pub(super) const KEEP_ALIVE: u32 = 1 << 0;
    /// The whole request was received, or what is missing will not come. Only in an exchange.
    pub(super) const RECEIVED: u32 = 1 << 1;
    /// The answer has begun to leave. Only in an exchange.
    pub(super) const BEGUN: u32 = 1 << 2;
    /// The whole answer was handed to the transport. Only in an exchange.
    pub(super) const ANSWERED: u32 = 1 << 3;
    /// The request's method is HEAD.
    pub(super) const HEAD: u32 = 1 << 4;
    /// The request's version is HTTP/1.0.
    pub(super) const HTTP_10: u32 = 1 << 5;
    /// The client waits for `100 Continue`, which was not sent.
    pub(super) const EXPECTS_CONTINUE: u32 = 1 << 6;
    /// `100 Continue` is to be written next.
    pub(super) const CONTINUE_DUE: u32 = 1 << 7;
    /// The client doesn't read fast enough: nothing more is begun until it has.
    pub(super) const BLOCKED: u32 = 1 << 8;
    /// We don't read.
    pub(super) const PAUSED: u32 = 1 << 9;
    /// The client has ended its side.
    pub(super) const EOF: u32 = 1 << 10;
    /// `drive` is at work.
    pub(super) const DRIVING: u32 = 1 << 11;
    /// `drive` is to go round once more.
    pub(super) const AGAIN: u32 = 1 << 12;
    /// The connection is in the worker's table.
    pub(super) const LISTED: u32 = 1 << 13;
    /// The request's method is CONNECT.
    pub(super) const CONNECT: u32 = 1 << 14;

    /// There are enough of them: it is told so, and let go.
    pub(super) const TURNED_AWAY: u32 = 1 << 15;
    /// It has requests that were received, and goes on with them in its turn.
    pub(super) const LATER: u32 = 1 << 16;

    /// What belongs to one request.
    pub(super) const OF_REQUEST: u32 = KEEP_ALIVE
        | RECEIVED
        | BEGUN
        | ANSWERED
        | HEAD
        | HTTP_10
        | EXPECTS_CONTINUE
        | CONTINUE_DUE
        | CONNECT;
}

/// A connection, for as long as the loop or a task of its has use for it: one allocation with that of
/// the transport. There are many of them at rest, so this is all that one costs then, and small; see
/// `docs/design/connection-memory.md`.
pub(crate) struct Connection<H: Handler>(Rc<Embedded<Inner<H>>>);

/// What a connection is.
pub(crate) struct Inner<H: Handler> {
    worker: Rc<Worker<H>>,
    /// None while nothing is under way.
    work: Cell<Option<Box<Work>>>,
    /// The place in the worker's table.
    key: Cell<u32>,
    /// The tick at which patience ends.
    deadline: Cell<u32>,
    /// One more than the number of its [`Ticket`](crate::admission::Ticket) with the worker.
    ticket: Cell<u32>,
    /// How many more requests may be made.
    requests_left: Cell<u32>,
    flags: Cell<u32>,
    phase: Cell<Phase>,
    waits: Cell<Waits>,
    asked: Cell<Asked>,
}

/// Held while a connection goes on: where a panic ends that (in the destructor of a handler's body, for one), nothing else
/// would go on with it, nor wait for it.
struct CutByPanic<'a, H: Handler>(&'a Connection<H>);

impl<H: Handler> Drop for CutByPanic<'_, H> {
    #[cold]
    fn drop(&mut self) {
        self.0.clear(flag::DRIVING | flag::AGAIN);
        self.0.abort();
    }
}

/// What is kept of the head of the request under way.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// None if it could not be read.
    method: Option<Method>,
    /// The client takes trailers behind the answer.
    takes_trailers: bool,
}

/// What a step through the input came to.
enum Received {
    /// A request, to be begun.
    Head(Box<RequestHead>),
    /// Something else, which was dealt with.
    Other,
    /// No more can be told without more input.
    Nothing,
}

impl<H: Handler> Clone for Connection<H> {
    #[inline]
    fn clone(&self) -> Connection<H> {
        Connection(self.0.clone())
    }
}

impl<H: Handler> From<Rc<Embedded<Inner<H>>>> for Connection<H> {
    fn from(embedded: Rc<Embedded<Inner<H>>>) -> Connection<H> {
        Connection(embedded)
    }
}

impl<H: Handler> Deref for Connection<H> {
    type Target = Inner<H>;

    #[inline]
    fn deref(&self) -> &Inner<H> {
        &self.0
    }
}

impl<H: Handler> Inner<H> {
    /// A connection that is served in any case.
    pub(crate) fn new(worker: &Rc<Worker<H>>) -> Inner<H> {
        Inner {
            requests_left: Cell::new(worker.options.max_requests.unwrap_or(u32::MAX)),
            worker: worker.clone(),
            work: Cell::new(None),
            key: Cell::new(0),
            deadline: Cell::new(0),
            ticket: Cell::new(0),
            flags: Cell::new(0),
            phase: Cell::new(Phase::Head),
            waits: Cell::new(Waits::FirstHead),
            asked: Cell::default(),
        }
    }

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
}

impl<H: Handler> Connection<H> {
    /// After the connection's end, it does nothing.
    #[inline]
    fn transport(&self) -> Transport {
        self.0.transport()
    }

    /// Lets so many bytes more of its answers leave, up to `most` at a time.
    pub(crate) fn allow_sending(&self, bytes: u64, most: u64) {
        self.transport().allow_sending(bytes, most);
    }

    /// Its turn has come. Where it has gone on meanwhile, for another reason, to a request that is under way,
    /// to another protocol or to its end, that goes its own way.
    pub(crate) fn go_on(&self) {
        self.clear(flag::LATER);
        if self.phase.get() == Phase::Head {
            self.drive(&[]);
        }
    }

    /// Does something with one of many connections: a panic, in the destructor of a handler's body for one, ends this one, and
    /// the others don't notice.
    pub(crate) fn by_itself(&self, something: impl FnOnce(&Connection<H>)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| something(self))) {
            self.abort();
            self.report_panic(payload);
        }
    }

    /// Takes `input`, and goes as far as it can.
    fn drive(&self, input: &[u8]) {
        if self.any(flag::DRIVING) {
            debug_assert!(
                input.is_empty(),
                "callbacks of a transport never enter one another"
            );
            self.set(flag::AGAIN);
            return;
        }
        self.set(flag::DRIVING);
        let cut = CutByPanic(self);
        let mut out = self.worker.out.take();
        match self.take_carry() {
            None => {
                let used = self.advance(input, &mut out);
                if used < input.len() {
                    self.carry_over(&input[used..]);
                }
            }
            Some(carried) => self.advance_carried(carried, input, &mut out),
        }
        self.write_out(&mut out);
        self.worker.give_out(out);
        std::mem::forget(cut);
        let again = self.any(flag::AGAIN);
        self.clear(flag::DRIVING | flag::AGAIN);
        // Who waits for his turn goes on in it, and with all there is to do.
        if again && !(self.phase.get() == Phase::Head && self.any(flag::LATER)) {
            self.drive(&[]);
        } else {
            self.settle();
        }
    }

    /// Keeps what could not be used.
    #[inline(never)]
    fn carry_over(&self, rest: &[u8]) {
        self.with_work(|work| work.carry.extend_from_slice(rest));
    }

    /// [`advance`](Connection::advance) where something was kept before.
    #[inline(never)]
    fn advance_carried(&self, mut carried: Vec<u8>, input: &[u8], out: &mut Vec<u8>) {
        carried.extend_from_slice(input);
        let used = self.advance(&carried, out);
        if used < carried.len() {
            carried.drain(..used);
            self.with_work(|work| work.carry = carried);
        }
    }

    /// Goes through `input` as far as it can, and returns how much of it was used; answers are
    /// gathered in `out`.
    fn advance(&self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut used = 0;
        let mut begun = 0;
        loop {
            match self.phase.get() {
                Phase::Lingering | Phase::Closed => return input.len(),
                Phase::Upgraded => return used,
                Phase::Exchange => {
                    if let Some(mut response) = self.take_response() {
                        self.answer(&mut response, out);
                        continue;
                    }
                    if self.any(flag::CONTINUE_DUE) {
                        self.clear(flag::CONTINUE_DUE | flag::EXPECTS_CONTINUE);
                        out.extend_from_slice(bucle_http::encode::CONTINUE);
                    }
                    if self.is_through() {
                        self.end_exchange();
                        if !self.any(flag::KEEP_ALIVE) {
                            // Where we don't read, there may be more than has come in.
                            let more = used < input.len() || self.any(flag::PAUSED);
                            self.linger(more || !self.any(flag::RECEIVED), out);
                        }
                        continue;
                    }
                    if self.any(flag::RECEIVED) || self.body_is_full() {
                        return used;
                    }
                }
                Phase::Head => {
                    if out.len() >= OUT_LIMIT {
                        self.write_out(out);
                        self.look_at_queue();
                    }
                    if self.any(flag::BLOCKED) {
                        return used;
                    }
                    if used == input.len() {
                        if self.any(flag::EOF) {
                            self.linger(false, out);
                        }
                        return used;
                    }
                    if begun == SLICE {
                        if !self.any(flag::LATER) {
                            self.set(flag::LATER);
                            self.worker.go_on_later(Rc::downgrade(&self.0));
                        }
                        return used;
                    }
                }
            }
            match self.receive(input, &mut used, out) {
                Received::Head(head) => {
                    let whole = !head.has_body();
                    self.begin(head, whole, out);
                    begun += 1;
                }
                Received::Other => {}
                Received::Nothing => return used,
            }
        }
    }

    /// Takes one step through what of `input` is not `used`.
    #[inline]
    fn receive(&self, input: &[u8], used: &mut usize, out: &mut Vec<u8>) -> Received {
        let parser = self.take_parser();
        let mut head = self.worker.heads.take();
        if parser.is_none() {
            let limits = &self.worker.options.limits;
            let rest = &input[*used..];
            if let Ok(Some(length)) = ServerConnection::receive_at_once(rest, &mut head, limits) {
                *used += length;
                if head.has_body() {
                    self.keep_parser(ServerConnection::behind(&head));
                }
                return Received::Head(head);
            }
        }
        self.receive_piece(parser.unwrap_or_default(), head, input, used, out)
    }

    /// [`receive`](Connection::receive) of what is not a whole head: a piece of one or of a body, or what
    /// is no request.
    #[inline(never)]
    fn receive_piece(
        &self,
        mut parser: ServerConnection,
        mut head: Box<RequestHead>,
        input: &[u8],
        used: &mut usize,
        out: &mut Vec<u8>,
    ) -> Received {
        let limits = &self.worker.options.limits;
        let progress = match parser.receive(&input[*used..], &mut head, limits) {
            Ok(progress) => progress,
            Err(error) => {
                self.worker.heads.give(head);
                self.refuse(error, &input[*used..], out);
                return Received::Other;
            }
        };
        let base = *used;
        *used += progress.consumed;
        let announced = parser.announced();
        // Behind its end, nothing is left of a request but whether there may be another, which is known
        // here.
        let whole = progress.event == Event::Head && !head.has_body();
        if progress.event != Event::End && !whole {
            self.keep_parser(parser);
        }
        match progress.event {
            Event::Head => return Received::Head(head),
            Event::Trailers => {
                self.trailers_received(head);
                return Received::Other;
            }
            _ => self.worker.heads.give(head),
        }
        match progress.event {
            Event::Body(range) => {
                self.body_received(&input[base + range.start..base + range.end]);
                if self.body_is_over_limit(announced) {
                    self.too_large(&input[*used..], out);
                }
            }
            Event::End => self.request_received(),
            // A chunk's size came, and nothing of the chunk.
            Event::NeedInput if announced > 0 && self.body_is_over_limit(announced) => {
                self.too_large(&input[*used..], out);
            }
            Event::NeedInput if self.any(flag::EOF) => self.cut_short(out),
            Event::NeedInput | Event::Paused => return Received::Nothing,
            Event::Head | Event::Trailers => {}
        }
        Received::Other
    }

    #[inline]
    fn write_out(&self, out: &mut Vec<u8>) {
        if !out.is_empty() {
            self.0.write(out);
            out.clear();
        }
    }

    /// Takes note when more is queued than the transport likes. It says so itself, but only when
    /// its callback has returned.
    fn look_at_queue(&self) {
        let transport = self.transport();
        let (_, high) = transport.get_write_buffer_limits();
        if transport.get_write_buffer_size() > high {
            self.set(flag::BLOCKED);
        }
    }

    /// After every step: reads or doesn't, and sets the end of its patience.
    #[inline]
    fn settle(&self) {
        if !self.rests() {
            self.settle_otherwise();
        }
    }

    /// All that [`settle`](Connection::settle) may have to do.
    #[inline(never)]
    fn settle_otherwise(&self) {
        if self.any(flag::DRIVING) {
            return;
        }
        let pause = match self.phase.get() {
            Phase::Lingering | Phase::Closed => false,
            Phase::Upgraded => return self.hand_over(),
            Phase::Head => self.any(flag::BLOCKED | flag::LATER),
            Phase::Exchange => {
                self.any(flag::BLOCKED) || self.body_is_full() || self.carried() > CARRY_LIMIT
            }
        };
        if pause != self.any(flag::PAUSED) {
            self.flags.set(self.flags.get() ^ flag::PAUSED);
            if pause {
                self.transport().pause_reading();
            } else {
                self.transport().resume_reading();
            }
        }
        self.wait();
        self.put_work_away();
    }
}
