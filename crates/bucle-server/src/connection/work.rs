//! [`Work`]: what a connection holds only while something is under way. It is taken from the worker
//! when it is needed, and given back when nothing is left in it, so an idle connection has none; nor
//! has one whose requests come in one piece and are answered at once.

use bucle_http::ServerConnection;

use super::Inner;
use super::exchange::Exchange;
use super::patience::UNKNOWN;
use crate::access_log::Record;
use crate::handler::Handler;

/// See the module.
pub(crate) struct Work {
    /// How far the parser is, where it is in the middle of something.
    parser: Option<ServerConnection>,
    /// Input that could not be used yet.
    pub(super) carry: Vec<u8>,
    /// What only an exchange that takes its time needs.
    exchange: Option<Box<Exchange>>,
    /// While a log is kept, from the first request on.
    pub(super) record: Option<Box<Record>>,
    /// How much waited for the client when it was looked at last, in
    /// [`READING_UNIT`](READING_UNIT)s.
    unread: u32,
}

impl Default for Work {
    fn default() -> Work {
        Work {
            parser: None,
            carry: Vec::new(),
            exchange: None,
            record: None,
            unread: UNKNOWN,
        }
    }
}

impl Work {
    fn is_done(&self) -> bool {
        self.parser.is_none()
            && self.carry.is_empty()
            && self.exchange.is_none()
            && self.record.is_none()
            && self.unread == UNKNOWN
    }
}

impl<H: Handler> Inner<H> {
    /// Lends what is under way, if anything is. Nobody else's code may run in `body`.
    #[inline]
    pub(super) fn if_work<R>(&self, body: impl FnOnce(&mut Work) -> R) -> Option<R> {
        let mut work = self.work.take()?;
        let value = body(&mut work);
        let meanwhile = self.work.replace(Some(work));
        debug_assert!(meanwhile.is_none(), "it was used while it was lent");
        Some(value)
    }

    /// The same, beginning it if nothing is.
    pub(super) fn with_work<R>(&self, body: impl FnOnce(&mut Work) -> R) -> R {
        let mut work = self.work.take().unwrap_or_else(|| self.worker.take_work());
        let value = body(&mut work);
        let meanwhile = self.work.replace(Some(work));
        debug_assert!(meanwhile.is_none(), "it was used while it was lent");
        value
    }

    /// Gives back what nothing is left in.
    #[inline]
    pub(super) fn put_work_away(&self) {
        if let Some(mut work) = self.work.take() {
            if work.is_done() {
                // No buffer outlives its use.
                work.carry = Vec::new();
                self.worker.give_work(work);
            } else {
                self.work.set(Some(work));
            }
        }
    }

    /// The parser, where it is in the middle of something.
    #[inline]
    pub(super) fn take_parser(&self) -> Option<ServerConnection> {
        self.if_work(|work| work.parser.take())?
    }

    #[inline]
    pub(super) fn keep_parser(&self, parser: ServerConnection) {
        if !parser.is_new() {
            self.with_work(|work| work.parser = Some(parser));
        }
    }

    /// Takes note of how much waits for the client; what it was before.
    #[inline]
    pub(super) fn replace_unread(&self, unread: u32) -> u32 {
        let replace = |work: &mut Work| std::mem::replace(&mut work.unread, unread);
        if unread == UNKNOWN {
            self.if_work(replace).unwrap_or(UNKNOWN)
        } else {
            self.with_work(replace)
        }
    }

    /// How much input waits.
    #[inline]
    pub(super) fn carried(&self) -> usize {
        self.if_work(|work| work.carry.len()).unwrap_or(0)
    }

    /// The input that waits, if any does.
    #[inline]
    pub(super) fn take_carry(&self) -> Option<Vec<u8>> {
        let carry = self.if_work(|work| std::mem::take(&mut work.carry))?;
        (!carry.is_empty()).then_some(carry)
    }

    /// Whether anything is under way.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        let work = self.work.take();
        let has_work = work.is_some();
        self.work.set(work);
        has_work
    }

    /// Lends the exchange, begun if there is none. Nobody else's code may run in `body`.
    pub(super) fn with_exchange<R>(&self, body: impl FnOnce(&mut Exchange) -> R) -> R {
        self.with_work(|work| body(work.exchange.get_or_insert_default()))
    }

    /// The same, if there is one.
    #[inline]
    pub(super) fn if_exchange<R>(&self, body: impl FnOnce(&mut Exchange) -> R) -> Option<R> {
        self.if_work(|work| work.exchange.as_deref_mut().map(body))?
    }

    /// Ends what is under way with a request: the parser starts anew, and the exchange is given out, to
    /// be dropped.
    #[inline]
    pub(super) fn end_work(&self) -> Option<Box<Exchange>> {
        self.if_work(|work| {
            work.parser = None;
            work.exchange.take()
        })?
    }

    /// Lends the record of the request under way, or of the one before, if a log is kept.
    #[inline]
    pub(super) fn with_record(&self, body: impl FnOnce(&mut Record)) {
        self.if_work(|work| work.record.as_deref_mut().map(body));
    }
}
