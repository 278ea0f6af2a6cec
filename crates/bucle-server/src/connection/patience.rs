//! What a connection waits for, and how long: deadlines in ticks of the worker's one timer, so that
//! a request neither arms nor cancels anything.

use std::rc::Rc;

use bucle_net::Transport;

use super::{Connection, Phase, flag};
use crate::handler::Handler;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// The handler: as long as it takes.
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

impl<H: Handler> Connection<H> {
    #[inline]
    fn waits_for(&self) -> Waits {
        match self.phase.get() {
            Phase::Lingering | Phase::Closed => Waits::Linger,
            Phase::Upgraded => Waits::Handler,
            _ if self.any(flag::BLOCKED) => Waits::Reader,
            Phase::Head if self.waits.get() == Waits::FirstHead => Waits::FirstHead,
            Phase::Head if self.carried() > 0 => Waits::Head,
            Phase::Head => Waits::NextRequest,
            Phase::Exchange if self.any(flag::RECEIVED) || self.body_is_full() => Waits::Handler,
            Phase::Exchange => Waits::Body,
        }
    }

    /// Sets the end of patience, after a step.
    #[inline]
    pub(super) fn wait(&self) {
        let patience = &self.worker.patience;
        let waits = self.waits_for();
        let before = self.waits.replace(waits);
        let ticks = match waits {
            Waits::Handler => return,
            // Counted from their beginning, not from the last byte.
            Waits::FirstHead | Waits::Head | Waits::Linger if before == waits => return,
            Waits::FirstHead | Waits::Head => patience.header,
            Waits::Linger => patience.linger,
            Waits::NextRequest => patience.idle,
            Waits::Body => patience.body,
            Waits::Reader if before == waits => return,
            Waits::Reader => patience.write,
        };
        self.deadline.set(self.worker.after(ticks));
        self.unread.set(u32::MAX);
    }

    /// Starts to wait for the first head.
    pub(super) fn wait_for_first_head(&self) {
        self.waits.set(Waits::FirstHead);
        self.deadline
            .set(self.worker.after(self.worker.patience.header));
    }

    /// Whether patience has ended at tick `now`.
    pub(crate) fn overdue(&self, now: u32) -> bool {
        // Ticks wrap around.
        self.waits.get() != Waits::Handler && now.wrapping_sub(self.deadline.get()) as i32 >= 0
    }

    /// Patience has ended.
    pub(crate) fn patience_ended(self: &Rc<Self>) {
        let queued = self.with_transport(Transport::get_write_buffer_size);
        let unread = queued.unwrap_or(0);
        let before = self.unread.replace(unread as u32);
        match self.waits.get() {
            Waits::Handler => {}
            // Whoever reads, however slowly, is not cut.
            Waits::NextRequest | Waits::Linger | Waits::Reader if unread > 0 => {
                if before == unread as u32 {
                    self.worker.tally.timeouts.add(1);
                    self.abort();
                } else {
                    self.deadline
                        .set(self.worker.after(self.worker.patience.write));
                }
            }
            Waits::Linger => self.abort(),
            Waits::NextRequest | Waits::Reader => self.close(),
            Waits::FirstHead if self.carried() == 0 => self.close(),
            Waits::FirstHead | Waits::Head | Waits::Body => self.timed_out(),
        }
    }
}
