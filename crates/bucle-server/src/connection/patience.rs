//! What a connection waits for, and how long: deadlines in ticks of the worker's one timer, so that
//! a request neither arms nor cancels anything.
//!
//! The rates that are asked of a client cost no timer either. A body moves its deadline on as it
//! comes; what waits to be read is looked at when the deadline is there, and gives another one if
//! enough of it is gone.

use bucle_sys::socket::unacknowledged;

use super::{Connection, Phase, flag};
use crate::handler::Handler;
use crate::options::Options;

/// In what unread answers are counted, in bytes: 32 bits of it are more than any file has.
pub(super) const READING_UNIT: u64 = 64;

/// How much is unread was not looked at.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Nobody who has to hurry: an answer that has begun comes as it comes.
    Nobody,
    /// The handler to answer.
    Handler,
    /// The end of the first head, counted from the opening of the connection.
    FirstHead,
    /// The end of a later head, counted from its first byte.
    Head,
    /// The first byte of the next request.
    NextRequest,
    /// More of a body.
    Body,
    /// The client to read.
    Reader,
    /// The client to end its side, so that the answer is not destroyed by a reset.
    Linger,
}

/// The time-outs, in ticks, and the rates.
pub(crate) struct Patience {
    header: u32,
    idle: u32,
    body: u32,
    handler: Option<u32>,
    write: u32,
    linger: u32,
    /// What has to come of a body in a tick, in billionths of a byte.
    receive: Option<u128>,
    /// What has to be read of an answer in the time of `write`, in [`READING_UNIT`]s.
    send: u32,
}

impl Patience {
    pub(crate) fn new(options: &Options) -> Patience {
        let per_tick = |rate: u64| u128::from(rate.max(1)) * options.tick().as_nanos();
        // Who gets no more than that can read no more.
        let most = options.limit_rate.map_or(u64::MAX, |rate| rate / 2);
        let rate = options.min_send_rate.unwrap_or(0).min(most);
        let send = u128::from(rate).saturating_mul(options.write_timeout.as_nanos()) / NANOS;
        let send = send / u128::from(READING_UNIT);
        Patience {
            header: options.ticks(options.header_timeout),
            idle: options.ticks(options.idle_timeout),
            body: options.ticks(options.body_timeout),
            handler: options.handler_timeout.map(|limit| options.ticks(limit)),
            write: options.ticks(options.write_timeout),
            linger: options.ticks(options.linger_timeout),
            receive: options.min_receive_rate.map(per_tick),
            send: u32::try_from(send).unwrap_or(u32::MAX / 2).max(1),
        }
    }

    #[cfg(test)]
    pub(super) fn send(&self) -> u32 {
        self.send
    }

    /// The ticks that were earned by bytes of a body; what is over is left in `earned`, which is
    /// exact to a byte.
    fn ticks_for(&self, earned: &mut u128) -> u32 {
        let Some(per_tick) = self.receive else {
            *earned = 0;
            return self.body;
        };
        let scaled = *earned * NANOS;
        let ticks = scaled / per_tick;
        if ticks > 0 {
            *earned = (scaled % per_tick).div_ceil(NANOS);
        }
        u32::try_from(ticks).unwrap_or(u32::MAX).min(self.body)
    }
}

/// A second in nanoseconds.
const NANOS: u128 = 1_000_000_000;

impl<H: Handler> Connection<H> {
    #[inline]
    fn waits_for(&self) -> Waits {
        match self.phase.get() {
            Phase::Lingering | Phase::Closed => Waits::Linger,
            Phase::Upgraded => Waits::Nobody,
            _ if self.any(flag::BLOCKED) => Waits::Reader,
            Phase::Head if self.any(flag::LATER) => Waits::Nobody,
            Phase::Head if self.waits.get() == Waits::FirstHead => Waits::FirstHead,
            Phase::Head if self.carried() > 0 => Waits::Head,
            Phase::Head => Waits::NextRequest,
            // A client that waits for leave to send is not slow.
            Phase::Exchange
                if !self.any(flag::RECEIVED | flag::EXPECTS_CONTINUE) && !self.body_is_full() =>
            {
                Waits::Body
            }
            Phase::Exchange if self.any(flag::BEGUN) => Waits::Nobody,
            Phase::Exchange => Waits::Handler,
        }
    }

    /// Where a step has come to what most come to, a request is answered and nothing came behind it,
    /// settles the connection: it waits for the next request. False if there may be more to do, and
    /// nothing was done.
    #[inline]
    pub(super) fn rests(&self) -> bool {
        let busy = flag::DRIVING | flag::BLOCKED | flag::LATER | flag::PAUSED;
        if self.phase.get() != Phase::Head
            || self.any(busy)
            || self.waits.get() != Waits::Nobody
            || self.has_work()
        {
            return false;
        }
        self.waits.set(Waits::NextRequest);
        self.deadline
            .set(self.worker.after(self.worker.patience.idle));
        true
    }

    /// Sets the end of patience, after a step.
    #[inline]
    pub(super) fn wait(&self) {
        let patience = &self.worker.patience;
        let waits = self.waits_for();
        let before = self.waits.replace(waits);
        let ticks = match waits {
            Waits::Nobody => return,
            // Counted from their beginning, not from the last byte.
            Waits::FirstHead | Waits::Head | Waits::Linger | Waits::Reader | Waits::Handler
                if before == waits =>
            {
                return;
            }
            Waits::FirstHead | Waits::Head => patience.header,
            Waits::Linger => patience.linger,
            Waits::NextRequest => patience.idle,
            Waits::Body if before == waits => return self.wait_for_more(),
            Waits::Body => {
                self.with_exchange(|exchange| exchange.earned = 0);
                patience.body
            }
            Waits::Handler => match patience.handler {
                Some(handler) => handler,
                None => {
                    self.waits.set(Waits::Nobody);
                    return;
                }
            },
            Waits::Reader => patience.write,
        };
        self.deadline.set(self.worker.after(ticks));
        let unread = match waits {
            Waits::Reader => self.look_at_unread(),
            _ => UNKNOWN,
        };
        self.replace_unread(unread);
    }

    /// Moves the end of patience on by what came of a body, up to as far as it was at first.
    fn wait_for_more(&self) {
        let patience = &self.worker.patience;
        let ticks = self.with_exchange(|exchange| patience.ticks_for(&mut exchange.earned));
        let deadline = self.deadline.get().wrapping_add(ticks);
        let latest = self.worker.after(patience.body);
        let over = deadline.wrapping_sub(latest) as i32 > 0;
        self.deadline.set(if over { latest } else { deadline });
    }

    /// Starts to wait for the first head.
    pub(super) fn wait_for_first_head(&self) {
        self.waits.set(Waits::FirstHead);
        self.deadline
            .set(self.worker.after(self.worker.patience.header));
    }

    /// How much waits for the client to read it, in [`READING_UNIT`]s. What the system holds counts:
    /// it takes more of us only in pieces of a third of all it has room for.
    fn look_at_unread(&self) -> u32 {
        let transport = self.transport();
        let held = transport.with_socket(|socket| unacknowledged(socket));
        let unread = transport.get_write_buffer_size() as u64 + held.unwrap_or(0) as u64;
        unread.div_ceil(READING_UNIT) as u32
    }

    /// Whether patience has ended at tick `now`.
    pub(crate) fn overdue(&self, now: u32) -> bool {
        // Ticks wrap around.
        self.waits.get() != Waits::Nobody && now.wrapping_sub(self.deadline.get()) as i32 >= 0
    }

    /// Patience has ended.
    pub(crate) fn patience_ended(&self) {
        let unread = self.look_at_unread();
        let before = self.replace_unread(unread);
        match self.waits.get() {
            Waits::Nobody => {}
            Waits::NextRequest | Waits::Linger | Waits::Reader if unread > 0 => {
                let patience = &self.worker.patience;
                if before != UNKNOWN && before.wrapping_sub(unread) < patience.send {
                    self.worker.tally.timeouts.add(1);
                    self.abort();
                } else {
                    self.deadline.set(self.worker.after(patience.write));
                }
            }
            Waits::Linger => self.abort(),
            Waits::NextRequest | Waits::Reader => self.close(),
            Waits::FirstHead if self.carried() == 0 => self.close(),
            Waits::FirstHead | Waits::Head | Waits::Body => self.timed_out(),
            Waits::Handler => self.handler_timed_out(),
        }
    }
}
