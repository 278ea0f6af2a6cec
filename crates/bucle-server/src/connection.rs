//! One connection: the state machine of bucle-http between a transport and a handler.
//!
//! Everything happens in [`Connection::drive`]: it takes what came in, and goes through it event by
//! event, answering what can be answered at once, until the input is used up or the connection has
//! to wait: for more input, for the handler, or for the client to read. What it could not use yet
//! is carried over; an idle connection carries nothing and owns no buffer.
//!
//! One request is under way at a time, so pipelined requests are answered in order. All answers of
//! one `drive` leave in one write.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bucle_http::{Error, Event, Method, RequestHead, ServerConnection, StatusCode, Version};
use bucle_loop::TaskHandle;
use bucle_net::{Protocol, Transport};
use bytes::Bytes;
use futures_core::Stream;

use crate::access_log::Pending;
use crate::encode::{self, Framing};
use crate::handler::Handler;
use crate::options::DISCARD_LIMIT;
use crate::request::{BodyChannel, BodyError, BodyOwner, Request, RequestBody};
use crate::response::{Body, Response};
use crate::worker::Worker;

/// Answers gathered before they are written, in bytes.
const OUT_LIMIT: usize = 64 * 1024;

/// Bytes that wait for the client to read before the next request is looked at.
const UNREAD_LIMIT: usize = 64 * 1024;

/// Input that waits for an answer to be finished before reading stops, in bytes.
const CARRY_LIMIT: usize = 64 * 1024;

/// Bodies up to this are copied behind their head, so that both leave in one write; what is longer
/// is queued as it is.
const COPY_LIMIT: usize = 16 * 1024;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Between requests, or in the middle of a head.
    Head,
    /// A request was begun and is not both received and answered.
    Exchange,
    /// No more requests are taken; what was written is on its way out, and what still comes in is
    /// thrown away.
    Lingering,
    Closed,
}

/// What a connection waits for, as far as there is a limit to its patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For the handler: as long as it takes.
    Handler,
    FirstHead,
    Head,
    NextRequest,
    Body,
    Reader,
    Linger,
}

pub(crate) struct Connection<H: Handler> {
    worker: Rc<Worker<H>>,
    transport: RefCell<Option<Transport>>,
    http: RefCell<ServerConnection>,
    /// Input that could not be used yet.
    carry: RefCell<Vec<u8>>,
    phase: Cell<Phase>,
    waits: Cell<Waits>,
    /// The tick at which patience ends.
    deadline: Cell<u32>,
    /// The place in the worker's table.
    key: Cell<u32>,
    flags: Cell<Flags>,
    /// Bytes of the current request's body that its handler doesn't want.
    discarded: Cell<u32>,
    /// Bytes that waited for the client when patience ended last.
    unread: Cell<usize>,
    exchange: RefCell<Option<Box<Exchange>>>,
}

/// What is known of the request under way, and of the connection.
#[derive(Clone, Copy)]
struct Flags {
    keep_alive: bool,
    /// The whole request was received.
    received: bool,
    /// The whole answer was handed to the transport.
    answered: bool,
    /// The request's method is HEAD.
    head: bool,
    http_10: bool,
    /// `100 Continue` is expected and was not sent.
    expects_continue: bool,
    /// The client doesn't read fast enough.
    blocked: bool,
    /// We don't read.
    paused: bool,
    /// The client has ended its side.
    eof: bool,
    driving: bool,
    /// `drive` is to go round once more.
    again: bool,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            keep_alive: true,
            received: true,
            answered: true,
            head: false,
            http_10: false,
            expects_continue: false,
            blocked: false,
            paused: false,
            eof: false,
            driving: false,
            again: false,
        }
    }
}

/// What only an exchange that takes its time needs.
#[derive(Default)]
struct Exchange {
    body: Option<Rc<BodyChannel>>,
    /// The task of the handler, or of a streaming answer.
    task: Option<TaskHandle>,
    /// The answer that the handler's task came to.
    response: Option<Response>,
    /// Who waits until the client has read.
    drained: Option<Waker>,
    log: Option<Box<Pending>>,
}

impl<H: Handler> Connection<H> {
    pub(crate) fn new(worker: Rc<Worker<H>>) -> Rc<Connection<H>> {
        Rc::new(Connection {
            worker,
            transport: RefCell::new(None),
            http: RefCell::default(),
            carry: RefCell::default(),
            phase: Cell::new(Phase::Head),
            waits: Cell::new(Waits::FirstHead),
            deadline: Cell::new(0),
            key: Cell::new(0),
            flags: Cell::new(Flags::default()),
            discarded: Cell::new(0),
            unread: Cell::new(usize::MAX),
            exchange: RefCell::new(None),
        })
    }

    fn set(&self, change: impl FnOnce(&mut Flags)) {
        let mut flags = self.flags.get();
        change(&mut flags);
        self.flags.set(flags);
    }

    fn with_exchange<R>(&self, body: impl FnOnce(&mut Exchange) -> R) -> R {
        body(self.exchange.borrow_mut().get_or_insert_default())
    }

    fn with_transport<R>(&self, body: impl FnOnce(&Transport) -> R) -> Option<R> {
        // Cloned: what the transport does may come back here.
        let transport = self.transport.borrow().clone();
        transport.as_ref().map(body)
    }

    /// Takes `input`, and goes as far as it can.
    fn drive(self: &Rc<Self>, input: &[u8]) {
        if self.flags.get().driving {
            self.carry.borrow_mut().extend_from_slice(input);
            self.set(|flags| flags.again = true);
            return;
        }
        self.set(|flags| flags.driving = true);
        let mut out = self.worker.out.take();
        let carried = self.carry.take();
        let starved = if carried.is_empty() {
            let (used, starved) = self.advance(input, &mut out);
            if used < input.len() {
                self.carry_over(input[used..].to_vec());
            }
            starved
        } else {
            let mut carried = carried;
            carried.extend_from_slice(input);
            let (used, starved) = self.advance(&carried, &mut out);
            if used < carried.len() {
                carried.drain(..used);
                self.carry_over(carried);
            }
            starved
        };
        self.write_out(&mut out);
        self.worker.give_out(out);
        self.set(|flags| flags.driving = false);
        self.settle(starved);
    }

    /// Keeps what could not be used, before what came in the meantime.
    fn carry_over(&self, mut rest: Vec<u8>) {
        let mut carry = self.carry.borrow_mut();
        rest.append(&mut carry);
        *carry = rest;
    }

    /// Goes through `input`; returns how much of it was used, and whether more input is what the
    /// connection waits for.
    fn advance(self: &Rc<Self>, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        loop {
            if matches!(self.phase.get(), Phase::Lingering | Phase::Closed) {
                return (input.len(), true);
            }
            if let Some(response) = self.take_response() {
                self.answer(response, out);
                continue;
            }
            let flags = self.flags.get();
            if flags.received {
                if !flags.answered {
                    return (at, false);
                }
                if self.phase.get() == Phase::Exchange {
                    self.end_exchange();
                }
                if !flags.keep_alive {
                    self.begin_close(at < input.len(), out);
                    continue;
                }
                if flags.blocked {
                    return (at, false);
                }
                if out.len() >= OUT_LIMIT {
                    self.write_out(out);
                    let unread = self.with_transport(Transport::get_write_buffer_size);
                    if unread.unwrap_or(0) > UNREAD_LIMIT {
                        self.set(|flags| flags.blocked = true);
                        continue;
                    }
                }
            } else if self.body_is_full() {
                return (at, false);
            }
            if at == input.len() && flags.received {
                return (at, true);
            }
            let mut head = self.worker.heads.take();
            let progress =
                self.http
                    .borrow_mut()
                    .receive(&input[at..], &mut head, &self.worker.options.limits);
            let progress = match progress {
                Ok(progress) => progress,
                Err(error) => {
                    self.worker.heads.give(head);
                    self.refuse(&error, out);
                    continue;
                }
            };
            let base = at;
            at += progress.consumed;
            if let Event::Head = progress.event {
                self.begin(head, out);
                continue;
            }
            self.worker.heads.give(head);
            match progress.event {
                Event::NeedInput => return (at, true),
                Event::Body(range) => {
                    self.body_received(&input[base + range.start..base + range.end], out);
                }
                Event::End => self.request_received(),
                Event::Paused => self.http.borrow_mut().next_request(),
                Event::Head | Event::Trailers => {}
            }
        }
    }

    /// A head was received: calls the handler, and answers if it is ready.
    fn begin(self: &Rc<Self>, head: Box<RequestHead>, out: &mut Vec<u8>) {
        let worker = &self.worker;
        self.phase.set(Phase::Exchange);
        self.set(|flags| {
            flags.keep_alive = head.keep_alive() && !worker.draining.get() && !flags.eof;
            flags.received = false;
            flags.answered = false;
            flags.head = head.method() == Method::Head;
            flags.http_10 = head.version() == Version::Http10;
            flags.expects_continue = head.expects_continue();
        });
        self.discarded.set(0);
        let body = head.has_body().then(|| {
            let owner: Weak<Connection<H>> = Rc::downgrade(self);
            BodyChannel::new(owner, head.content_length())
        });
        if worker.log.is_some() {
            let peer = self.with_transport(Transport::peer_address).flatten();
            let pending = Pending::new(&head, peer.as_ref(), worker.event_loop.time());
            self.with_exchange(|exchange| exchange.log = Some(Box::new(pending)));
        }
        if let Some(body) = &body {
            let body = body.clone();
            self.with_exchange(|exchange| exchange.body = Some(body));
        }
        let request = Request::new(head, RequestBody::new(body), worker.heads.clone());

        // Polled in place; a future that is not ready becomes a task, which polls it again with a
        // waker of its own.
        let mut slot = worker.take_slot();
        let called = catch_unwind(AssertUnwindSafe(|| {
            slot.set(Some(worker.handler.call(request)));
            poll_slot(slot.as_mut(), &mut Context::from_waker(Waker::noop()))
        }));
        match called {
            Ok(Poll::Ready(response)) => {
                worker.give_slot(slot);
                self.answer(response, out);
            }
            Ok(Poll::Pending) => self.spawn_handler(slot),
            Err(payload) => {
                self.report_panic(payload);
                self.answer(self.panicked(), out);
            }
        }
    }

    fn spawn_handler(self: &Rc<Self>, mut slot: Pin<Box<Option<H::Future>>>) {
        let connection = self.clone();
        let task = self.worker.event_loop.spawn_named("http handler", async move {
            let answered = poll_fn(|cx| {
                match catch_unwind(AssertUnwindSafe(|| poll_slot(slot.as_mut(), cx))) {
                    Ok(Poll::Ready(response)) => Poll::Ready(Ok(response)),
                    Ok(Poll::Pending) => Poll::Pending,
                    Err(payload) => Poll::Ready(Err(payload)),
                }
            })
            .await;
            let response = match answered {
                Ok(response) => {
                    connection.worker.give_slot(slot);
                    response
                }
                Err(payload) => {
                    connection.report_panic(payload);
                    connection.panicked()
                }
            };
            connection.with_exchange(|exchange| {
                exchange.task = None;
                exchange.response = Some(response);
            });
            connection.drive(&[]);
        });
        self.with_exchange(|exchange| exchange.task = Some(task.handle()));
        task.detach();
    }

    fn panicked(&self) -> Response {
        self.set(|flags| flags.keep_alive = false);
        Response::error(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn report_panic(&self, payload: Box<dyn std::any::Any + Send>) {
        self.worker.event_loop.call_exception_handler(
            bucle_loop::ExceptionContext::from_panic("http handler", payload),
        );
    }

    fn take_response(&self) -> Option<Response> {
        self.exchange.borrow_mut().as_mut()?.response.take()
    }

    /// Writes the answer's head, and as much of its body as is at hand.
    fn answer(self: &Rc<Self>, response: Response, out: &mut Vec<u8>) {
        let flags = self.flags.get();
        if flags.answered {
            return;
        }
        let status = response.status();
        let has_body = !flags.head && status.may_have_body();
        let length = response.length();
        let mut keep_alive = flags.keep_alive && !self.worker.draining.get();
        if !flags.received && !self.can_discard() {
            keep_alive = false;
        }
        let framing = match length {
            Some(length) => Framing::Length(length),
            None if !flags.http_10 => Framing::Chunked,
            None => {
                keep_alive = keep_alive && !has_body;
                Framing::UntilClose
            }
        };
        self.set(|flags| flags.keep_alive = keep_alive);
        encode::head(
            out,
            &response,
            framing,
            flags.http_10,
            keep_alive,
            &self.worker.date(),
        );
        let sent = if has_body { length.unwrap_or(0) } else { 0 };
        if let Some(exchange) = &mut *self.exchange.borrow_mut()
            && let Some(log) = &mut exchange.log
        {
            log.answered(status.as_u16(), sent);
        }
        let body = response.into_body();
        if !has_body {
            self.set(|flags| flags.answered = true);
            return;
        }
        match body {
            Body::Empty => {}
            Body::Static(bytes) if bytes.len() <= COPY_LIMIT => out.extend_from_slice(bytes),
            Body::Bytes(bytes) if bytes.len() <= COPY_LIMIT => out.extend_from_slice(&bytes),
            Body::Static(bytes) => {
                self.write_out(out);
                self.with_transport(|transport| transport.write_bytes(Bytes::from_static(bytes)));
            }
            Body::Bytes(bytes) => {
                self.write_out(out);
                self.with_transport(|transport| transport.write_bytes(bytes));
            }
            Body::File(file) => {
                self.with_transport(|transport| {
                    transport.send_file_after(out, file.descriptor(), 0, file.length());
                });
                out.clear();
            }
            Body::Stream { stream, length } => {
                self.write_out(out);
                self.spawn_stream(stream, length, matches!(framing, Framing::Chunked));
                return;
            }
        }
        self.set(|flags| flags.answered = true);
    }

    /// Sends a streamed body from a task of its own.
    fn spawn_stream(
        self: &Rc<Self>,
        mut stream: Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>,
        length: Option<u64>,
        chunked: bool,
    ) {
        let connection = self.clone();
        let task = self.worker.event_loop.spawn_named("http answer", async move {
            let mut sent = 0u64;
            let mut frame = Vec::new();
            let whole = loop {
                let piece = match poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                    None => break length.is_none_or(|length| sent == length),
                    Some(Err(_)) => break false,
                    Some(Ok(piece)) if piece.is_empty() => continue,
                    Some(Ok(piece)) => piece,
                };
                sent += piece.len() as u64;
                if length.is_some_and(|length| sent > length) {
                    break false;
                }
                if chunked {
                    frame.clear();
                    bucle_http::write_chunk_head(&mut frame, piece.len() as u64);
                    connection.with_transport(|transport| {
                        transport.write(&frame);
                        transport.write_bytes(piece);
                        transport.write(b"\r\n");
                    });
                } else {
                    connection.with_transport(|transport| transport.write_bytes(piece));
                }
                connection.settle(true);
                poll_fn(|cx| connection.poll_drained(cx)).await;
            };
            connection.stream_ended(whole, chunked, sent);
        });
        self.with_exchange(|exchange| exchange.task = Some(task.handle()));
        task.detach();
    }

    fn stream_ended(self: &Rc<Self>, whole: bool, chunked: bool, sent: u64) {
        self.with_exchange(|exchange| {
            exchange.task = None;
            if let Some(log) = &mut exchange.log {
                log.sent(sent);
            }
        });
        if !whole {
            // The client must see that the answer is not whole.
            self.set(|flags| flags.keep_alive = false);
            self.with_transport(Transport::abort);
            return;
        }
        if chunked {
            self.with_transport(|transport| transport.write(b"0\r\n\r\n"));
        }
        self.set(|flags| flags.answered = true);
        self.drive(&[]);
    }

    fn poll_drained(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.flags.get().blocked {
            return Poll::Ready(());
        }
        self.with_exchange(|exchange| exchange.drained = Some(cx.waker().clone()));
        Poll::Pending
    }

    fn body_is_full(&self) -> bool {
        let exchange = self.exchange.borrow();
        let body = exchange.as_ref().and_then(|exchange| exchange.body.as_ref());
        body.is_some_and(|body| body.full() && !body.abandoned())
    }

    fn body_received(self: &Rc<Self>, piece: &[u8], out: &mut Vec<u8>) {
        self.set(|flags| flags.expects_continue = false);
        let exchange = self.exchange.borrow();
        let body = exchange.as_ref().and_then(|exchange| exchange.body.as_ref());
        if let Some(body) = body
            && !body.abandoned()
        {
            body.push(piece);
            return;
        }
        drop(exchange);
        let discarded = self.discarded.get().saturating_add(piece.len() as u32);
        self.discarded.set(discarded);
        if u64::from(discarded) > DISCARD_LIMIT && self.flags.get().answered {
            self.begin_close(true, out);
        }
    }

    /// Whether the rest of a body nobody reads is worth reading to keep the connection.
    fn can_discard(&self) -> bool {
        if self.flags.get().expects_continue {
            // The client may send the body or may not; there is no telling.
            return false;
        }
        let exchange = self.exchange.borrow();
        let body = exchange.as_ref().and_then(|exchange| exchange.body.as_ref());
        body.and_then(|body| body.length())
            .is_none_or(|length| length <= DISCARD_LIMIT)
    }

    fn request_received(&self) {
        self.set(|flags| {
            flags.received = true;
            flags.expects_continue = false;
        });
        if let Some(exchange) = &mut *self.exchange.borrow_mut()
            && let Some(body) = exchange.body.take()
        {
            body.finish(Ok(()));
        }
    }

    /// Request and answer are both through.
    fn end_exchange(&self) {
        self.phase.set(Phase::Head);
        let exchange = self.exchange.take();
        if let Some(exchange) = exchange
            && let Some(log) = exchange.log
        {
            self.worker.log(&log);
        }
    }

    /// The input is not HTTP, or not as we allow it: says so, and takes no more.
    fn refuse(self: &Rc<Self>, error: &Error, out: &mut Vec<u8>) {
        let status = error.status();
        let malformed = self.phase.get() == Phase::Exchange;
        self.stop_exchange(BodyError::Malformed);
        if malformed && self.flags.get().answered {
            // The answer is out, or on its way; it can't be taken back.
            self.begin_close(true, out);
            return;
        }
        if !malformed {
            self.set(|flags| {
                flags.head = false;
                flags.http_10 = false;
                flags.answered = false;
            });
            if self.worker.log.is_some() {
                let peer = self.with_transport(Transport::peer_address).flatten();
                let pending = Pending::unreadable(peer.as_ref(), self.worker.event_loop.time());
                self.with_exchange(|exchange| exchange.log = Some(Box::new(pending)));
            }
        }
        self.set(|flags| {
            flags.keep_alive = false;
            flags.received = true;
        });
        let text = format!("{} {}: {error}\n", status.as_u16(), status.reason());
        self.answer(Response::text(text).with_status(status), out);
        self.end_exchange();
        self.begin_close(true, out);
    }

    /// Lets the handler or the streaming task of the current exchange go.
    fn stop_exchange(&self, error: BodyError) {
        let (body, task, drained) = match &mut *self.exchange.borrow_mut() {
            Some(exchange) => (
                exchange.body.take(),
                exchange.task.take(),
                exchange.drained.take(),
            ),
            None => return,
        };
        if let Some(body) = body {
            body.finish(Err(error));
        }
        if let Some(task) = task {
            task.cancel("the connection was closed");
        }
        drop(drained);
    }

    /// Takes no more requests. What was written still leaves; if the client may be sending, its
    /// bytes are read and thrown away for a while, lest a reset destroy the answer on its way.
    fn begin_close(&self, sending: bool, out: &mut Vec<u8>) {
        self.write_out(out);
        self.phase.set(Phase::Lingering);
        let eof = self.flags.get().eof;
        self.with_transport(|transport| {
            if sending && !eof {
                transport.write_eof();
            } else {
                transport.close();
            }
        });
    }

    fn write_out(&self, out: &mut Vec<u8>) {
        if !out.is_empty() {
            self.with_transport(|transport| transport.write(out));
            out.clear();
        }
    }

    /// After every step: reads or doesn't, and sets the end of its patience.
    fn settle(self: &Rc<Self>, starved: bool) {
        if self.flags.get().again {
            self.set(|flags| flags.again = false);
            self.drive(&[]);
            return;
        }
        let flags = self.flags.get();
        let phase = self.phase.get();
        let pause = phase != Phase::Lingering
            && !starved
            && (flags.blocked || self.body_is_full() || self.carry.borrow().len() > CARRY_LIMIT);
        if pause != flags.paused {
            self.set(|flags| flags.paused = pause);
            self.with_transport(|transport| {
                if pause {
                    transport.pause_reading();
                } else {
                    transport.resume_reading();
                }
            });
        }
        if flags.eof && phase == Phase::Head && flags.answered {
            // Nothing more can come, and everything was answered.
            let mut none = Vec::new();
            self.begin_close(false, &mut none);
        }
        self.wait(self.waits_for(starved));
    }

    fn waits_for(&self, starved: bool) -> Waits {
        let flags = self.flags.get();
        match self.phase.get() {
            Phase::Lingering | Phase::Closed => Waits::Linger,
            _ if flags.blocked => Waits::Reader,
            Phase::Head if self.carry.borrow().is_empty() => {
                if self.waits.get() == Waits::FirstHead {
                    Waits::FirstHead
                } else {
                    Waits::NextRequest
                }
            }
            Phase::Head => match self.waits.get() {
                Waits::FirstHead => Waits::FirstHead,
                _ => Waits::Head,
            },
            Phase::Exchange if !flags.received && starved => Waits::Body,
            Phase::Exchange => Waits::Handler,
        }
    }

    fn wait(&self, waits: Waits) {
        let patience = &self.worker.patience;
        let before = self.waits.replace(waits);
        let ticks = match waits {
            Waits::Handler => {
                self.deadline.set(u32::MAX);
                return;
            }
            // Counted from their beginning, not from the last byte.
            Waits::FirstHead | Waits::Head | Waits::Linger if before == waits => {
                if self.deadline.get() != 0 {
                    return;
                }
                patience.header
            }
            Waits::FirstHead | Waits::Head => patience.header,
            Waits::Linger => patience.linger,
            Waits::NextRequest => patience.idle,
            Waits::Body => patience.body,
            Waits::Reader => patience.write,
        };
        self.deadline.set(self.worker.now.get().saturating_add(ticks));
    }

    /// Whether its patience has ended.
    pub(crate) fn overdue(&self, now: u32) -> bool {
        self.deadline.get() <= now
    }

    /// Its patience has ended.
    pub(crate) fn patience_ended(self: &Rc<Self>) {
        let unread = self
            .with_transport(Transport::get_write_buffer_size)
            .unwrap_or(0);
        let before = self.unread.replace(unread);
        match self.waits.get() {
            Waits::Handler => {}
            // Whoever reads, however slowly, is not cut.
            Waits::NextRequest | Waits::Linger | Waits::Reader if unread > 0 && unread < before => {
                let ticks = self.worker.patience.write;
                self.deadline.set(self.worker.now.get().saturating_add(ticks));
            }
            Waits::NextRequest | Waits::Linger | Waits::Reader if unread > 0 => self.abort(),
            Waits::Linger => self.abort(),
            Waits::NextRequest | Waits::Reader => self.close(),
            Waits::FirstHead if self.carry.borrow().is_empty() => self.close(),
            Waits::FirstHead | Waits::Head | Waits::Body => self.timed_out(),
        }
    }

    fn close(&self) {
        self.phase.set(Phase::Closed);
        self.with_transport(Transport::close);
    }

    /// The client took too long: 408, unless an answer is out already.
    fn timed_out(self: &Rc<Self>) {
        self.stop_exchange(BodyError::Incomplete);
        let mut out = Vec::new();
        if self.phase.get() == Phase::Head {
            self.set(|flags| {
                flags.answered = false;
                flags.head = false;
                flags.http_10 = false;
            });
        }
        self.set(|flags| {
            flags.keep_alive = false;
            flags.received = true;
        });
        self.answer(Response::error(StatusCode::REQUEST_TIMEOUT), &mut out);
        self.end_exchange();
        self.begin_close(true, &mut out);
        self.wait(Waits::Linger);
    }

    /// The server is stopping: ends now if no request is under way, else after it.
    pub(crate) fn drain(&self) {
        self.set(|flags| flags.keep_alive = false);
        if self.phase.get() == Phase::Head && self.carry.borrow().is_empty() {
            self.close();
        }
    }

    /// Ends at once.
    pub(crate) fn abort(&self) {
        self.with_transport(Transport::abort);
    }

    pub(crate) fn key(&self) -> u32 {
        self.key.get()
    }
}

fn poll_slot<F: Future<Output = Response>>(
    mut slot: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<Response> {
    match slot.as_mut().as_pin_mut() {
        Some(future) => future.poll(cx),
        None => Poll::Ready(Response::error(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

impl<H: Handler> BodyOwner for Connection<H> {
    fn body_wanted(&self) {
        if self.flags.get().expects_continue {
            self.set(|flags| flags.expects_continue = false);
            self.with_transport(|transport| transport.write(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        if self.flags.get().driving {
            self.set(|flags| flags.again = true);
        } else if let Some(this) = self.worker.connection(self.key.get()) {
            this.drive(&[]);
        }
    }
}

/// The protocol of an HTTP connection.
pub(crate) struct Driver<H: Handler>(pub(crate) Rc<Connection<H>>);

impl<H: Handler> Protocol for Driver<H> {
    fn connection_made(&mut self, transport: Transport) {
        let connection = &self.0;
        connection.transport.replace(Some(transport));
        connection.key.set(connection.worker.add(connection.clone()));
        connection.wait(Waits::FirstHead);
        if connection.worker.draining.get() {
            connection.drain();
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        self.0.drive(data);
    }

    fn eof_received(&mut self) -> bool {
        let connection = &self.0;
        connection.set(|flags| flags.eof = true);
        match connection.phase.get() {
            Phase::Exchange => {
                // A client may end its side and still wait for the answer.
                connection.set(|flags| flags.keep_alive = false);
                if !connection.flags.get().received {
                    connection.set(|flags| flags.received = true);
                    let body = connection.with_exchange(|exchange| exchange.body.take());
                    if let Some(body) = body {
                        body.finish(Err(BodyError::Incomplete));
                    }
                    connection.drive(&[]);
                }
                true
            }
            Phase::Head => {
                // Pipelined requests may still wait for their turn.
                connection.settle(true);
                true
            }
            Phase::Lingering | Phase::Closed => false,
        }
    }

    fn connection_lost(&mut self, _error: Option<io::Error>) {
        let connection = &self.0;
        connection.phase.set(Phase::Closed);
        connection.stop_exchange(BodyError::Incomplete);
        connection.end_exchange();
        connection.phase.set(Phase::Closed);
        connection.worker.remove(connection.key());
        connection.transport.replace(None);
        connection.carry.take();
    }

    fn pause_writing(&mut self) {
        self.0.set(|flags| flags.blocked = true);
        self.0.settle(false);
    }

    fn resume_writing(&mut self) {
        self.0.set(|flags| flags.blocked = false);
        let drained = match &mut *self.0.exchange.borrow_mut() {
            Some(exchange) => exchange.drained.take(),
            None => None,
        };
        if let Some(waker) = drained {
            waker.wake();
        }
        self.0.drive(&[]);
    }
}
