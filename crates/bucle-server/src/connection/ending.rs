//! How a connection ends: what can't be understood is refused, what takes too long is told so, and
//! a client that is still sending gets to see the answer before the end.

use bucle_http::{Error, StatusCode};

use super::exchange::too_large;
use super::{Connection, Inner, Phase, flag};
use crate::Response;
use crate::body::BodyError;
use crate::handler::Handler;

impl<H: Handler> Connection<H> {
    /// The input is not HTTP, or not as we allow it: says so, and takes no more.
    #[cold]
    pub(super) fn refuse(&self, error: Error, input: &[u8], out: &mut Vec<u8>) {
        self.worker.tally.unreadable.add(1);
        let input = match error {
            // Nothing has begun, and what stands behind them may not have come yet.
            Error::EmptyLines => &[],
            _ => input,
        };
        self.give_up(BodyError::Malformed, refusal(error), input, out);
    }

    /// The client has ended its side in the middle of a request.
    #[cold]
    pub(super) fn cut_short(&self, out: &mut Vec<u8>) {
        match self.phase.get() {
            // The handler may still have something to say.
            Phase::Exchange => {
                self.clear(flag::KEEP_ALIVE);
                self.set(flag::RECEIVED);
                self.finish_body(Err(BodyError::Incomplete));
                if self.has_response() {
                    // It was for a request that was never made.
                    let instead = refusal(Error::Incomplete);
                    let before = self.with_exchange(|exchange| exchange.response.replace(instead));
                    drop(before);
                }
            }
            _ => self.linger(false, out),
        }
    }

    /// The body is longer than any may be: 413, unless an answer is out already.
    #[cold]
    pub(super) fn too_large(&self, input: &[u8], out: &mut Vec<u8>) {
        self.give_up(BodyError::TooLarge, too_large(), input, out);
    }

    /// The client took too long: 408, unless an answer is out already.
    #[cold]
    pub(super) fn timed_out(&self) {
        self.worker.tally.timeouts.add(1);
        self.give_up_waiting(StatusCode::REQUEST_TIMEOUT);
    }

    /// The handler took too long: it is dropped, and the answer is 503.
    #[cold]
    pub(super) fn handler_timed_out(&self) {
        self.worker.tally.handler_timeouts.add(1);
        self.give_up_waiting(StatusCode::SERVICE_UNAVAILABLE);
    }

    /// There are enough connections: says so, whatever the client is about to ask.
    #[cold]
    pub(super) fn turn_away(&self) {
        self.give_up_waiting(StatusCode::SERVICE_UNAVAILABLE);
    }

    fn give_up_waiting(&self, status: StatusCode) {
        let mut out = Vec::new();
        let carried = self.take_carry().unwrap_or_default();
        let response = Response::error(status);
        self.give_up(BodyError::Incomplete, response, &carried, &mut out);
        self.settle();
    }

    /// Ends the connection with `response`, in place of whatever the request under way would have
    /// come to; `input` is what was not used yet.
    fn give_up(&self, error: BodyError, mut response: Response, input: &[u8], out: &mut Vec<u8>) {
        self.stop_exchange(error);
        if self.phase.get() == Phase::Head {
            self.phase.set(Phase::Exchange);
            self.clear(flag::OF_REQUEST);
            self.asked.take();
            if asks_for_head(input) {
                self.set(flag::HEAD);
            }
            if self.worker.log.is_some() {
                self.begin_record(Err(input));
            }
        }
        self.clear(flag::KEEP_ALIVE | flag::EXPECTS_CONTINUE | flag::CONTINUE_DUE);
        self.set(flag::RECEIVED);
        if self.any(flag::BEGUN) && !self.any(flag::ANSWERED) {
            // Half an answer is out. The client must see that it is not whole.
            self.write_out(out);
            self.end_exchange();
            self.abort();
            return;
        }
        self.answer(&mut response, out);
        self.end_exchange();
        self.linger(true, out);
    }

    /// Lets the handler or the streaming task of the request under way go.
    pub(super) fn stop_exchange(&self, error: BodyError) {
        self.finish_body(Err(error));
        let of_exchange = self.if_exchange(|exchange| {
            (
                exchange.task.take(),
                exchange.response.take(),
                exchange.drained.take(),
            )
        });
        let Some((task, response, drained)) = of_exchange else {
            return;
        };
        if let Some(task) = task {
            task.cancel("the connection was closed");
        }
        drop((response, drained));
    }

    /// Takes no more requests. What was written still leaves; if the client may be sending, its
    /// bytes are read and thrown away for a while, lest a reset destroy the answer on its way.
    pub(super) fn linger(&self, sending: bool, out: &mut Vec<u8>) {
        self.phase.set(Phase::Lingering);
        if sending && !self.any(flag::EOF) {
            self.transport().write(out);
            self.transport().write_eof();
        } else {
            self.transport().close_after(out);
        }
        out.clear();
    }

    /// Ends once what was written has left.
    pub(super) fn close(&self) {
        self.phase.set(Phase::Lingering);
        self.transport().close();
        self.settle();
    }

    /// Ends at once.
    pub(crate) fn abort(&self) {
        self.phase.set(Phase::Closed);
        self.transport().abort();
    }

    /// The server is stopping: ends now if no request is under way, else after it.
    pub(crate) fn drain(&self) {
        self.clear(flag::KEEP_ALIVE);
        match self.phase.get() {
            Phase::Head if self.carried() == 0 && !self.is_leaving() => self.close(),
            Phase::Upgraded => self.tell_draining(),
            _ => {}
        }
    }

    /// The server has been stopping for a while: ends now unless an answer is under way.
    pub(crate) fn hurry(&self) {
        match self.phase.get() {
            // It goes on when it has its turn, or when the client has read.
            Phase::Head if self.any(flag::LATER | flag::BLOCKED) => {}
            // The client may have asked for more, which was not read.
            Phase::Head if self.is_leaving() => {
                self.linger(true, &mut Vec::new());
                self.settle();
            }
            // Whoever has sent half a head since is told nothing, and may ask elsewhere.
            Phase::Head => {
                self.phase.set(Phase::Lingering);
                self.transport().close_now();
                self.settle();
            }
            Phase::Lingering if !self.is_leaving() => self.transport().close_now(),
            Phase::Lingering | Phase::Exchange | Phase::Upgraded | Phase::Closed => {}
        }
    }

    /// Whether something that was written waits for the client.
    fn is_leaving(&self) -> bool {
        self.transport().get_write_buffer_size() > 0
    }

    /// Whether an answer is to come, or has not left as a whole. What was upgraded has no end but its
    /// own.
    pub(crate) fn is_unanswered(&self) -> bool {
        match self.phase.get() {
            Phase::Closed => false,
            Phase::Upgraded => true,
            Phase::Exchange if !self.any(flag::ANSWERED) => true,
            _ => self.is_leaving(),
        }
    }

    /// The transport is gone.
    pub(super) fn lost(&self) {
        let before = self.phase.replace(Phase::Closed);
        if before == Phase::Exchange && !self.any(flag::BEGUN) {
            self.worker.tally.abandoned.add(1);
        } else if before != Phase::Upgraded
            && (self.any(flag::BLOCKED) || self.any(flag::BEGUN) && !self.any(flag::ANSWERED))
        {
            // Once: this is called again when the protocol is dropped.
            self.clear(flag::BLOCKED);
            self.set(flag::ANSWERED);
            self.worker.tally.cut.add(1);
        }
        self.stop_exchange(BodyError::Incomplete);
        self.with_record(|record| record.unsent(self.transport().get_write_buffer_size() as u64));
        self.log();
        let work = self.work.take();
        drop(work);
        self.give_back_place();
        if self.any(flag::LISTED) {
            self.clear(flag::LISTED);
            self.worker.remove(self.key.get());
        }
    }
}

impl<H: Handler> Inner<H> {
    /// Is counted no more, nor as one that is turned away.
    pub(super) fn give_back_place(&self) {
        if self.any(flag::TURNED_AWAY) {
            self.clear(flag::TURNED_AWAY);
            self.worker.turned_away();
        }
        self.worker.give_back(self.ticket.replace(0));
    }
}

/// What tells a client what was wrong.
fn refusal(error: Error) -> Response {
    let status = error.status();
    let text = format!("{} {}: {error}\n", status.as_u16(), status.reason());
    Response::text(text).with_status(status)
}

/// Whether a request that was not understood is one of HEAD, whose answer has no body whatever it
/// says (RFC 9110 section 9.3.2).
fn asks_for_head(mut input: &[u8]) -> bool {
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        input = rest;
    }
    input.starts_with(b"HEAD ")
}
