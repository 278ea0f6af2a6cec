//! From a head to its answer: the handler is called and polled in place; if it isn't ready it
//! becomes a task. The request's body goes to it as it comes.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bucle_http::{Method, RequestHead, StatusCode, Version};
use bucle_loop::{ExceptionContext, TaskHandle};
use bucle_net::Embedded;

use super::presence::Presence;
use super::upgrade::Upgrade;
use super::{Asked, Connection, Inner, Phase, Waits, flag};
use crate::access_log::Record;
use crate::body::{BodyChannel, BodyError, BodyOwner, RequestBody};
use crate::handler::Handler;
use crate::options::DISCARD_LIMIT;
use crate::worker::Slot;
use crate::{IntoResponse, Request, Response};

/// What only an exchange that takes its time needs: one with a body, a handler that is not ready
/// at once, a streamed answer.
#[derive(Default)]
pub(super) struct Exchange {
    pub(super) body: Option<Rc<BodyChannel>>,
    /// Bytes of the body that came.
    pub(super) received: u64,
    /// Those of them that its handler doesn't want.
    pub(super) discarded: u64,
    /// What came and has not yet given more time; see [`Patience`](super::Patience).
    pub(super) earned: u128,
    /// The task of the handler, or of a streaming answer.
    pub(super) task: Option<TaskHandle>,
    /// The answer that the handler came to, while it is not due or its task has not told.
    pub(super) response: Option<Response>,
    /// Who waits until the client has read.
    pub(super) drained: Option<Waker>,
    /// The connection leaves HTTP, or has left it.
    pub(super) upgrade: Option<Upgrade>,
    /// Looks for a client that has ended its side.
    pub(super) presence: Option<Presence>,
}

impl<H: Handler> Connection<H> {
    /// A head was received, which is the `whole` request or not: calls the handler, and answers if
    /// it is ready.
    #[inline]
    pub(super) fn begin(&self, head: Box<RequestHead>, whole: bool, out: &mut Vec<u8>) {
        let worker = &self.worker;
        self.phase.set(Phase::Exchange);
        self.waits.set(Waits::Nobody);
        let mut flags = self.flags.get() & !flag::OF_REQUEST;
        let requests_left = self.requests_left.get().saturating_sub(1);
        self.requests_left.set(requests_left);
        if head.keep_alive() && requests_left > 0 && !worker.draining.get() {
            flags |= flag::KEEP_ALIVE;
        }
        if whole {
            flags |= flag::RECEIVED;
        }
        self.asked.set(Asked {
            method: Some(head.method()),
            takes_trailers: head.takes_trailers(),
        });
        match head.method() {
            Method::Head => flags |= flag::HEAD,
            Method::Connect => flags |= flag::CONNECT,
            _ => {}
        }
        if head.version() == Version::Http10 {
            flags |= flag::HTTP_10;
        }
        if head.expects_continue() {
            flags |= flag::EXPECTS_CONTINUE;
        }
        self.flags.set(flags);
        if worker.log.is_some() {
            self.begin_record(Ok(&head));
        }
        let body = (!whole).then(|| {
            let owner: Weak<Embedded<Inner<H>>> = Rc::downgrade(&self.0);
            let body = BodyChannel::new(owner, head.content_length());
            self.with_exchange(|exchange| exchange.body = Some(body.clone()));
            body
        });
        if head.is_https() && !self.is_secured() {
            // RFC 9110 section 7.4.
            worker.heads.give(head);
            drop(body);
            let response = Response::error(StatusCode::MISDIRECTED_REQUEST);
            return self.answer_for_handler(response, out);
        }
        if !whole && self.is_over_limit(head.content_length()) {
            worker.heads.give(head);
            drop(body);
            return self.answer_for_handler(too_large(), out);
        }
        let transport = Some(self.transport());
        let body = RequestBody::new(body);
        let request = Request::new(head, body, worker.heads.clone(), transport);

        // Polled in place; a future that is not ready becomes a task, which polls it again with a
        // waker of its own.
        let mut slot = worker.take_slot();
        let mut called = catch_unwind(AssertUnwindSafe(|| {
            slot.set(Some(worker.handler.call(request)));
            poll_slot(slot.as_mut(), &mut Context::from_waker(Waker::noop()))
        }));
        match called {
            // Where it is: moving it would cost as much as writing it.
            Ok(Poll::Ready(ref mut response)) => {
                worker.give_slot(slot);
                self.answer_when_due(response, out);
            }
            Ok(Poll::Pending) => self.spawn_handler(slot),
            Err(payload) => {
                self.report_panic(payload);
                self.answer_for_handler(self.panicked(), out);
            }
        }
    }

    #[cold]
    fn is_secured(&self) -> bool {
        self.transport().tls_info().is_some()
    }

    fn spawn_handler(&self, mut slot: Slot<H::Future>) {
        let connection = self.clone();
        let unfinished = Unfinished::new(self);
        let task = self
            .worker
            .event_loop
            .spawn_named("http handler", async move {
                let polled = poll_fn(|cx| {
                    match catch_unwind(AssertUnwindSafe(|| poll_slot(slot.as_mut(), cx))) {
                        Ok(Poll::Ready(response)) => Poll::Ready(Ok(response)),
                        Ok(Poll::Pending) => Poll::Pending,
                        Err(payload) => Poll::Ready(Err(payload)),
                    }
                });
                let response = match polled.await {
                    Ok(response) => {
                        connection.worker.give_slot(slot);
                        response
                    }
                    Err(payload) => {
                        connection.report_panic(payload);
                        connection.panicked()
                    }
                };
                unfinished.done();
                connection.with_exchange(|exchange| {
                    exchange.task = None;
                    exchange.response = Some(response);
                });
                connection.drive(&[]);
            });
        self.with_exchange(|exchange| exchange.task = Some(task.handle()));
        task.detach();
        if self.any(flag::EOF) {
            self.look_for_client();
        }
    }

    #[cold]
    fn panicked(&self) -> Response {
        self.clear(flag::KEEP_ALIVE);
        Response::error(StatusCode::INTERNAL_SERVER_ERROR)
    }

    #[cold]
    pub(super) fn report_panic(&self, payload: Box<dyn std::any::Any + Send>) {
        self.worker.tally.panics.add(1);
        let text = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a value that is not text");
        let mut context = ExceptionContext::new("http handler", format!("panicked: {text}"));
        context.panic = Some(payload);
        self.worker.event_loop.call_exception_handler(context);
    }

    /// The task of the request under way is gone, and has not done what it was for: somebody has
    /// cancelled it, or something panicked. Where it has not said otherwise, the client is told.
    #[cold]
    fn task_is_gone(&self) {
        if self.phase.get() != Phase::Exchange || self.worker.event_loop.is_closed() {
            return;
        }
        // Taken by who has cancelled it knowingly, and by itself at its end.
        let Some(task) = self.with_exchange(|exchange| exchange.task.take()) else {
            return;
        };
        drop(task);
        if self.any(flag::BEGUN) {
            self.clear(flag::KEEP_ALIVE);
            self.abort();
            return;
        }
        let response = self.panicked();
        self.with_exchange(|exchange| exchange.response = Some(response));
        self.drive(&[]);
    }

    /// Answers in the handler's place.
    #[cold]
    fn answer_for_handler(&self, mut response: Response, out: &mut Vec<u8>) {
        self.answer_when_due(&mut response, out);
    }

    /// Answers now, or once the request's body is through.
    #[inline]
    fn answer_when_due(&self, response: &mut Response, out: &mut Vec<u8>) {
        if response.closes() || self.answer_is_due() {
            self.answer(response, out);
        } else {
            self.answer_later(response);
        }
    }

    #[inline(never)]
    fn answer_later(&self, response: &mut Response) {
        let response = std::mem::replace(response, Response::new(StatusCode::OK));
        self.with_exchange(|exchange| exchange.response = Some(response));
    }

    /// Whether an answer may leave. One that has no use for the body waits until the body is whole,
    /// so that a malformed one is told of by 400 however it came. It doesn't wait for a body that is
    /// not worth reading, or that the client holds back; nor does one that closes the connection.
    #[inline]
    fn answer_is_due(&self) -> bool {
        self.any(flag::RECEIVED | flag::EXPECTS_CONTINUE)
            || self.body_is_wanted()
            || self.body_is_too_long()
    }

    /// The answer that waits, if it is due.
    #[inline]
    pub(super) fn take_response(&self) -> Option<Response> {
        let closes = self.if_exchange(|exchange| Some(exchange.response.as_ref()?.closes()))??;
        if !closes && !self.answer_is_due() {
            return None;
        }
        self.if_exchange(|exchange| exchange.response.take())?
    }

    /// Whether an answer waits.
    #[inline]
    pub(super) fn has_response(&self) -> bool {
        self.if_exchange(|exchange| exchange.response.is_some()) == Some(true)
    }

    /// The body of the request under way, if it has one that is not whole yet.
    fn body(&self) -> Option<Rc<BodyChannel>> {
        self.if_exchange(|exchange| exchange.body.clone())?
    }

    /// Whether `body`, of which the caller holds one reference, is wanted by the handler.
    fn is_wanted(body: &Rc<BodyChannel>) -> bool {
        // The exchange holds another.
        Rc::strong_count(body) > 2
    }

    pub(super) fn body_is_wanted(&self) -> bool {
        self.body().is_some_and(|body| Self::is_wanted(&body))
    }

    pub(super) fn body_is_full(&self) -> bool {
        let full = self.if_exchange(|exchange| {
            let body = exchange.body.as_ref();
            body.is_some_and(|body| body.full() && !body.abandoned())
        });
        full == Some(true)
    }

    pub(super) fn body_received(&self, piece: &[u8]) {
        self.clear(flag::EXPECTS_CONTINUE);
        let body = self.body();
        let wanted = body.filter(Self::is_wanted);
        self.with_exchange(|exchange| {
            let length = piece.len() as u64;
            exchange.received += length;
            exchange.earned += u128::from(length);
            if wanted.is_none() {
                exchange.discarded += length;
            }
        });
        if let Some(body) = wanted {
            body.push(piece);
        }
    }

    /// Whether a body of this length is longer than any may be.
    fn is_over_limit(&self, length: Option<u64>) -> bool {
        let limit = self.worker.options.max_body;
        limit.is_some_and(|limit| length.is_some_and(|length| length > limit))
    }

    /// Whether more of the body came than any may have, or will have come with what is `announced`.
    pub(super) fn body_is_over_limit(&self, announced: u64) -> bool {
        let received = self.if_exchange(|exchange| exchange.received);
        self.is_over_limit(Some(received.unwrap_or(0).saturating_add(announced)))
    }

    /// Keeps what came behind the body, if it is wanted.
    pub(super) fn trailers_received(&self, head: Box<RequestHead>) {
        match self.body() {
            Some(body) if Self::is_wanted(&body) => body.set_trailers(head),
            _ => self.worker.heads.give(head),
        }
    }

    /// Whether the rest of a body nobody reads is not worth reading to keep the connection.
    #[inline]
    pub(super) fn body_is_too_long(&self) -> bool {
        !self.any(flag::RECEIVED) && self.rest_is_too_long()
    }

    #[inline(never)]
    fn rest_is_too_long(&self) -> bool {
        let Some(body) = self.body() else {
            return false;
        };
        if Self::is_wanted(&body) {
            return false;
        }
        // A client that still waits for leave to send may send or may not; there is no telling.
        let discarded = self.with_exchange(|exchange| exchange.discarded);
        self.any(flag::EXPECTS_CONTINUE)
            || discarded > DISCARD_LIMIT
            || body.length().is_some_and(|length| length > DISCARD_LIMIT)
    }

    pub(super) fn request_received(&self) {
        self.set(flag::RECEIVED);
        self.clear(flag::EXPECTS_CONTINUE);
        self.finish_body(Ok(()));
    }

    /// Tells the handler that its body is whole, or that the rest won't come.
    pub(super) fn finish_body(&self, end: Result<(), BodyError>) {
        let body = self.if_exchange(|exchange| exchange.body.take());
        if let Some(body) = body.flatten() {
            body.finish(end);
        }
    }

    /// Whether nothing is left to be done for the request under way: it was answered, and was
    /// received or is not worth receiving.
    #[inline]
    pub(super) fn is_through(&self) -> bool {
        if !self.any(flag::ANSWERED) {
            return false;
        }
        if self.any(flag::RECEIVED) {
            return true;
        }
        if self.body_is_too_long() {
            self.clear(flag::KEEP_ALIVE);
        }
        !self.any(flag::KEEP_ALIVE) && !self.body_is_wanted()
    }

    /// The request under way is through.
    #[inline]
    pub(super) fn end_exchange(&self) {
        self.phase.set(Phase::Head);
        if let Some(exchange) = self.end_work() {
            drop(exchange);
        }
        // While much of the answer waits for the client its line does too: how much will leave isn't
        // known.
        if !self.any(flag::BLOCKED) {
            self.log();
        }
    }

    /// Begins a line of the log: for a request, or for what came and could not be read as one.
    pub(super) fn begin_record(&self, request: Result<&RequestHead, &[u8]>) {
        let now = self.worker.event_loop.time();
        self.log();
        self.with_work(|work| {
            let record = work.record.get_or_insert_with(|| {
                // The system is asked once a connection.
                let transport = self.transport();
                let peer = transport.peer_address();
                let client = transport.client_address();
                Box::new(Record::new(peer, client, now))
            });
            record.begin(request, now, &self.worker.heads);
        });
    }

    /// The client has read: writes the line that waited for that.
    pub(super) fn log_what_has_left(&self) {
        if self.phase.get() != Phase::Exchange {
            self.log();
        }
    }

    /// Writes the line of the request under way, if there is one.
    #[inline]
    pub(super) fn log(&self) {
        if let Some(log) = &self.worker.log {
            self.with_record(|record| {
                if record.end() {
                    let event_loop = &self.worker.event_loop;
                    self.worker
                        .with_date(|date| log.write(record, event_loop, date));
                    record.shrink();
                }
            });
        }
    }
}

/// Held by a task of a connection until it has done what it is for: if it ends before, whatever its
/// end is, the connection doesn't wait for it.
pub(super) struct Unfinished<H: Handler>(Option<Connection<H>>);

impl<H: Handler> Unfinished<H> {
    pub(super) fn new(connection: &Connection<H>) -> Unfinished<H> {
        Unfinished(Some(connection.clone()))
    }

    /// It is done, and the connection may have another task from here on.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl<H: Handler> Drop for Unfinished<H> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.task_is_gone();
        }
    }
}

/// What a client is told that sends more than it may.
#[cold]
pub(super) fn too_large() -> Response {
    Response::error(StatusCode::CONTENT_TOO_LARGE).close_connection()
}

#[inline]
fn poll_slot<F: Future<Output: IntoResponse>>(
    mut slot: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<Response> {
    match slot.as_mut().as_pin_mut() {
        Some(future) => future.poll(cx).map(IntoResponse::into_response),
        None => Poll::Ready(Response::error(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

impl<H: Handler> BodyOwner for Embedded<Inner<H>> {
    fn body_wanted(self: Rc<Self>) {
        if self.any(flag::EXPECTS_CONTINUE) && !self.any(flag::BEGUN) {
            self.set(flag::CONTINUE_DUE);
        }
        Connection(self).drive(&[]);
    }

    fn body_let_go(self: Rc<Self>) {
        Connection(self).drive(&[]);
    }
}
