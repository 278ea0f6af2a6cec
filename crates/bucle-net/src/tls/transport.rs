//! [`TlsTransport`]: a transport to the protocol above, a protocol to the transport below.
//!
//! What is written is queued in plain text and encrypted when the transport below has room, so that
//! what is held encrypted stays small, and a file is not read before it can leave. What comes in is
//! decrypted and told at once; while reading is paused, it is held as it came.
//!
//! Callbacks of the protocol above never enter one another. While one runs, the session may be
//! borrowed: what is asked for then (writes, an end) is done when it has returned, in
//! [`pump`](TlsTransport::pump).
//!
//! | flag | set | cleared |
//! |---|---|---|
//! | `ESTABLISHED` | when the handshake is done | never |
//! | `TOLD` | when the protocol knows of the connection | never |
//! | `CLOSING` | by `close`, `abort`, a failure | never |
//! | `LOST` | when the connection below is lost, or nothing of it matters any more | never |
//! | `READING_PAUSED` | by `pause_reading` | by `resume_reading` |
//! | `EOF_SEEN` | by the peer's `close_notify` | never |
//! | `CUT` | when the connection below ended while what it had sent was still held | never |
//! | `EOF_WANTED` | by `write_eof` | never |
//! | `EOF_SENT` | when our `close_notify` was sent | never |
//! | `BELOW_PAUSED` | when the transport below has enough | when it has room |
//! | `WRITING_PAUSED` | when more than the high water mark waits | at the low one |
//! | `PAUSE_TOLD` | when the protocol was told of `WRITING_PAUSED` | when it was told of its end |
//! | `IN_CALLBACK` | while the protocol runs | when it has returned |
//! | `LINGERING` | when everything was sent after `close` (or to a client that speaks no TLS), and the peer's end is waited for | never |
//! | `DROPPED` | when it ends without having sent everything | never |
//! | `SCHEDULED` | when `resume_reading` has asked the loop for a callback | in that callback |

mod face;
mod reading;
mod writing;

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bucle_loop::{ExceptionContext, Interest, LoopRef, TimerHandle};

use super::TlsInfo;
use super::engine::{ServerContext, Session};
use crate::carrier::Carrier;
use crate::protocol::Protocol;
use crate::transport::{HIGH_WATER, LOW_WATER, Transport};
use crate::waiters::Waiters;
use crate::write_queue::WriteQueue;

/// Most bytes that are encrypted in one go.
const PIECE: usize = 64 * 1024;

const ESTABLISHED: u16 = 1 << 0;
const TOLD: u16 = 1 << 1;
const CLOSING: u16 = 1 << 2;
const LOST: u16 = 1 << 3;
const READING_PAUSED: u16 = 1 << 4;
const EOF_SEEN: u16 = 1 << 5;
const CUT: u16 = 1 << 6;
const EOF_WANTED: u16 = 1 << 7;
const EOF_SENT: u16 = 1 << 8;
const BELOW_PAUSED: u16 = 1 << 9;
const WRITING_PAUSED: u16 = 1 << 10;
const PAUSE_TOLD: u16 = 1 << 11;
const IN_CALLBACK: u16 = 1 << 12;
const SCHEDULED: u16 = 1 << 13;
const LINGERING: u16 = 1 << 14;
const DROPPED: u16 = 1 << 15;

/// Most bytes that are read and thrown away after `close`, before the connection is closed on a peer
/// that goes on sending.
const LINGER_LIMIT: usize = 256 * 1024;

/// How long the peer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) handshake: Duration,
    pub(super) shutdown: Duration,
}

pub(super) struct TlsTransport {
    this: Weak<TlsTransport>,
    event_loop: LoopRef,
    /// `None` before the start, and after the end.
    below: RefCell<Option<Transport>>,
    session: RefCell<Session>,
    /// Empty while it is called, and after the end.
    protocol: RefCell<Option<Box<dyn Protocol>>>,
    /// What is to be encrypted.
    queue: RefCell<WriteQueue>,
    /// What came in while reading was paused, as it came.
    held: RefCell<Vec<u8>>,
    flags: Cell<u16>,
    /// Whether [`pump`](TlsTransport::pump) was asked for in the next turn.
    pumps_soon: Cell<bool>,
    high: Cell<usize>,
    low: Cell<usize>,
    /// Why it ends, if we know better than the connection below.
    error: RefCell<Option<io::Error>>,
    /// What the handshake came to, for who waits for it.
    outcome: RefCell<Option<io::Result<()>>>,
    waiter: RefCell<Option<Waker>>,
    /// Runs during the handshake, and while the peer's end is waited for.
    timer: RefCell<Option<TimerHandle>>,
    patience: Patience,
    /// By what a server accepted the connection, until the handshake is over.
    accepted: RefCell<Option<ServerContext>>,
    /// What came in after `close`, in bytes.
    thrown_away: Cell<usize>,
    /// The peer's end is not waited for.
    hurried: Cell<bool>,
    /// Who waits for the queue to be empty.
    drained: Waiters,
    info: OnceCell<Rc<TlsInfo>>,
}

/// Life: from the handshake to `connection_lost`.
impl TlsTransport {
    /// A layer that does not run yet. With `told`, the protocol has been told of the connection;
    /// with `accepted`, it is one that came in.
    pub(super) fn new(
        event_loop: &LoopRef,
        session: Session,
        patience: Patience,
        protocol: Box<dyn Protocol>,
        told: bool,
        accepted: Option<ServerContext>,
    ) -> Rc<TlsTransport> {
        Rc::new_cyclic(|this| TlsTransport {
            this: this.clone(),
            event_loop: event_loop.clone(),
            below: RefCell::new(None),
            session: RefCell::new(session),
            protocol: RefCell::new(Some(protocol)),
            queue: RefCell::default(),
            held: RefCell::default(),
            flags: Cell::new(if told { TOLD } else { 0 }),
            pumps_soon: Cell::new(false),
            high: Cell::new(HIGH_WATER),
            low: Cell::new(LOW_WATER),
            error: RefCell::new(None),
            outcome: RefCell::new(None),
            waiter: RefCell::new(None),
            timer: RefCell::new(None),
            patience,
            accepted: RefCell::new(accepted),
            thrown_away: Cell::new(0),
            hurried: Cell::new(false),
            drained: Waiters::default(),
            info: OnceCell::new(),
        })
    }

    /// Begins the handshake.
    pub(super) fn start(&self, below: Transport) {
        below.set_write_buffer_limits(self.low.get(), self.low.get());
        self.below.replace(Some(below));
        self.set_timer(self.patience.handshake, TlsTransport::handshake_timed_out);
        self.pump();
    }

    /// Ready when the handshake has come to something, which is given out once.
    pub(super) fn poll_handshake(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if let Some(outcome) = self.outcome.take() {
            return Poll::Ready(outcome);
        }
        let before = self.waiter.replace(Some(cx.waker().clone()));
        drop(before);
        Poll::Pending
    }

    fn any(&self, flags: u16) -> bool {
        self.flags.get() & flags != 0
    }

    fn set(&self, flags: u16) {
        self.flags.set(self.flags.get() | flags);
    }

    fn clear(&self, flags: u16) {
        self.flags.set(self.flags.get() & !flags);
    }

    fn below(&self) -> Option<Transport> {
        self.below.borrow().clone()
    }

    fn set_timer(&self, after: Duration, body: impl FnOnce(&TlsTransport) + 'static) {
        self.stop_timer();
        let this = self.this.clone();
        let timer = self.event_loop.call_later(after, move || {
            if let Some(this) = this.upgrade() {
                body(&this);
            }
        });
        self.timer.replace(Some(timer));
    }

    fn stop_timer(&self) {
        let timer = self.timer.take();
        if let Some(timer) = timer {
            timer.cancel();
        }
    }

    fn settle(&self, outcome: io::Result<()>) {
        self.outcome.replace(Some(outcome));
        let waiter = self.waiter.take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    fn handshake_timed_out(&self) {
        if !self.any(ESTABLISHED | LOST) {
            self.fail(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "the TLS handshake was not done within {:?}",
                    self.patience.handshake
                ),
            ));
        }
    }

    fn established(&self) {
        self.set(ESTABLISHED);
        self.accepted.take();
        self.stop_timer();
        let info = self.session.borrow().info();
        let _ = self.info.set(Rc::new(info));
        if self.any(READING_PAUSED)
            && let Some(below) = self.below()
        {
            below.pause_reading();
        }
        if !self.any(TOLD)
            && let Some(this) = self.this.upgrade()
        {
            self.set(TOLD);
            self.call("connection_made", |protocol| {
                protocol.connection_made(Transport::new(this));
            });
        }
        self.settle(Ok(()));
    }

    /// Calls the protocol; a panic ends the connection. Whoever calls this pumps afterwards.
    fn call<R>(&self, name: &str, body: impl FnOnce(&mut dyn Protocol) -> R) -> Option<R> {
        let mut protocol = self.protocol.take()?;
        self.set(IN_CALLBACK);
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut *protocol)));
        self.clear(IN_CALLBACK);
        let replaced = self.protocol.borrow().is_some() || self.below.borrow().is_none();
        if !replaced {
            self.protocol.replace(Some(protocol));
        }
        let value = match result {
            Ok(value) => Some(value),
            Err(payload) => {
                let message = format!("Protocol::{name} panicked, over TLS");
                let mut context = ExceptionContext::new("transport", message.clone());
                context.name = self.below().and_then(|below| {
                    let peer = below.peer_address()?;
                    Some(format!("TLS with {peer}"))
                });
                context.panic = Some(payload);
                self.event_loop.call_exception_handler(context);
                self.fail(io::Error::other(message));
                None
            }
        };
        self.tell_flow();
        value
    }

    /// Ends with an error. What the session has to say about it (an alert) leaves, if it can at once.
    fn fail(&self, error: io::Error) {
        let mut alert = Vec::new();
        if let Ok(mut session) = self.session.try_borrow_mut() {
            session.take_output(&mut alert);
        }
        self.fail_with(error, &alert);
    }

    /// Ends with an error, and with these last words to the peer, if they can leave at once.
    fn fail_with(&self, error: io::Error, last_words: &[u8]) {
        if self.any(LOST) {
            return;
        }
        self.set(LOST | CLOSING | DROPPED);
        self.error.borrow_mut().get_or_insert(error);
        if let Some(below) = self.below() {
            if below.get_write_buffer_size() == 0 && !last_words.is_empty() {
                below.write(last_words);
                below.close();
            } else {
                below.abort();
            }
        }
    }

    /// Ends with an error, after `answer` to a client that sends text where TLS is spoken. It may go on
    /// sending, and gets to read the answer all the same: what comes is thrown away for a while.
    fn fail_in_plain_text(&self, error: io::Error, answer: &[u8]) {
        let below = self.below();
        let Some(below) =
            below.filter(|below| !self.any(LOST | CUT) && below.get_write_buffer_size() == 0)
        else {
            return self.fail_with(error, answer);
        };
        self.set(LOST | CLOSING | DROPPED | LINGERING);
        self.error.borrow_mut().get_or_insert(error);
        below.write(answer);
        below.write_eof();
        self.linger();
    }

    /// What a client is told that sends text where TLS is spoken.
    fn plain_text_answer(&self) -> Option<Vec<u8>> {
        let accepted = self.accepted.borrow();
        accepted.as_ref()?.plain_text_answer()
    }

    /// The connection below is gone.
    fn lost(&self, error: Option<io::Error>) {
        if Carrier::was_cut(self) || self.queue.borrow().size() > 0 {
            self.set(DROPPED);
        }
        self.set(LOST | CLOSING);
        self.stop_timer();
        let error = self.error.take().or(error);
        if !self.any(ESTABLISHED) {
            let why = match &error {
                Some(error) => io::Error::new(error.kind(), error.to_string()),
                None => io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the connection was closed during the TLS handshake",
                ),
            };
            if let Some(accepted) = self.accepted.take() {
                let peer = self.below().and_then(|below| below.peer_address());
                accepted.tell_handshake_error(peer, &why);
            }
            self.settle(Err(why));
        }
        if self.any(TOLD) {
            self.call("connection_lost", |protocol| {
                protocol.connection_lost(error);
            });
        }
        self.end();
    }

    /// The last step.
    fn end(&self) {
        self.set(LOST | CLOSING);
        self.stop_timer();
        let below = self.below.take();
        let protocol = self.protocol.take();
        drop((below, protocol));
        let queue = self.queue.take();
        drop(queue);
        self.drained.wake();
    }
}

/// Downwards.
pub(super) struct TlsProtocol(pub(super) Rc<TlsTransport>);

impl Protocol for TlsProtocol {
    fn connection_made(&mut self, transport: Transport) {
        self.0.start(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.0.received(data);
    }

    fn eof_received(&mut self) -> bool {
        self.0.below_eof();
        true
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.0.lost(error);
    }

    fn pause_writing(&mut self) {
        self.0.set(BELOW_PAUSED);
    }

    fn resume_writing(&mut self) {
        self.0.clear(BELOW_PAUSED);
        self.0.pump();
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        if let Some(waiter) = &*self.0.waiter.borrow() {
            tell(waiter, Interest::READ);
        }
        self.0.drained.each(|waker| tell(waker, Interest::WRITE));
        if let Some(protocol) = &*self.0.protocol.borrow() {
            protocol.waiting(tell);
        }
    }
}

impl Drop for TlsProtocol {
    fn drop(&mut self) {
        self.0.end();
    }
}
