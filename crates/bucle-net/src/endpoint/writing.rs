//! Writing: at once when nothing is queued, gathered at the end of the turn otherwise, in line with
//! others where it is long; water marks.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::Waker;

use bucle_loop::ExceptionContext;
use bytes::Bytes;

use super::{
    BLOCKED, CLOSING, ENDED, EOF_WANTED, Endpoint, FLUSHING, IN_CALLBACK, IN_LINE, LOST, METERED,
    PAUSE_TOLD, WRITING_PAUSED,
};
use crate::socket::Sink;
use crate::transport::{LINE_LIMIT, SEND_LIMIT};
use crate::waiters::Seat;
use crate::write_queue::{FileRange, Progress};

/// [`Transport::write`](crate::Transport::write).
#[inline]
pub(super) fn write<E: Endpoint + ?Sized>(endpoint: &E, bytes: &[u8]) {
    let state = endpoint.state();
    if bytes.is_empty() || !state.takes_writes() || !state.sends_at_once() {
        return endpoint.shared().write_later(bytes);
    }
    if let Some((sent, progress)) = send_at_once(endpoint, bytes, false)
        && progress != Progress::Drained
    {
        endpoint.shared().write_rest(&bytes[sent..], progress);
    }
}

/// Offers bytes to the socket, where they may [go at once](super::State::sends_at_once); `None` if the
/// connection failed.
#[inline]
fn send_at_once<E: Endpoint + ?Sized>(
    endpoint: &E,
    bytes: &[u8],
    more: bool,
) -> Option<(usize, Progress)> {
    let state = endpoint.state();
    let offered = &bytes[..bytes.len().min(SEND_LIMIT)];
    let result = match &*state.socket.borrow() {
        Some(socket) => socket.send(offered, more),
        None => return None,
    };
    let sent = match result {
        Ok(sent) => sent,
        Err(error) => endpoint.shared().sent_nothing(error)?,
    };
    state.note_unmetered(sent);
    let progress = if sent == bytes.len() {
        Progress::Drained
    } else if sent == offered.len() {
        Progress::Spent
    } else {
        Progress::Blocked
    };
    Some((sent, progress))
}

impl dyn Endpoint {
    /// Says to the exception handler that bytes came too late, if that is the caller's mistake.
    #[cold]
    fn refuse(&self, what: &'static str) {
        let state = self.state();
        if !state.any(CLOSING) {
            state
                .event_loop
                .call_exception_handler(ExceptionContext::new(
                    "transport",
                    format!("{what} after write_eof(): the bytes were dropped"),
                ));
        }
    }

    /// [`refuse`](Self::refuse), if there is anything to refuse.
    #[cold]
    fn refuse_unless_empty(&self, bytes: &[u8], what: &'static str) {
        if !bytes.is_empty() {
            self.refuse(what);
        }
    }

    /// A write that does not go to the socket at once.
    #[inline(never)]
    fn write_later(&self, bytes: &[u8]) {
        let state = self.state();
        if bytes.is_empty() || !state.takes_writes() {
            return self.refuse_unless_empty(bytes, "write()");
        }
        state.enqueue(|queue| queue.push(bytes));
        self.queued();
    }

    /// The socket took only so many bytes of a write.
    #[inline(never)]
    fn write_rest(&self, rest: &[u8], progress: Progress) {
        self.state().enqueue(|queue| queue.push(rest));
        self.stopped(progress);
    }

    /// What is sent with `MSG_MORE` waits for what comes next, and that is our end of the stream: one
    /// packet instead of two, which is a quarter of what a short connection costs. The end is told by
    /// a call of its own before the socket is closed, since closing it would throw the bytes away if
    /// the peer has sent more than was read.
    pub(crate) fn close_after(&self, bytes: &[u8]) {
        let state = self.state();
        if bytes.is_empty() || !state.sends_at_once() || !self.is_two_way() {
            write(self, bytes);
        } else if !state.takes_writes() {
            self.refuse("close_after()");
        } else if let Some((sent, progress)) = send_at_once(self, bytes, true) {
            if progress == Progress::Drained {
                self.shutdown();
            } else {
                state.enqueue(|queue| queue.push(&bytes[sent..]));
                self.stopped(progress);
            }
        }
        self.close();
    }

    pub(crate) fn write_bytes(&self, mut bytes: Bytes) {
        let state = self.state();
        if bytes.is_empty() || !state.takes_writes() {
            return self.refuse_unless_empty(&bytes, "write_bytes()");
        }
        if !state.sends_at_once() {
            state.enqueue(|queue| queue.push_shared(bytes));
            self.queued();
            return;
        }
        if let Some((sent, progress)) = send_at_once(self, &bytes, false)
            && progress != Progress::Drained
        {
            state.enqueue(|queue| queue.push_shared(bytes.split_off(sent)));
            self.stopped(progress);
        }
    }

    pub(crate) fn writelines(&self, pieces: &mut dyn Iterator<Item = Bytes>) {
        let state = self.state();
        if !state.takes_writes() {
            return self.refuse("writelines()");
        }
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
            write(self, head);
            return;
        }
        let state = self.state();
        if !state.takes_writes() {
            return self.refuse("send_file()");
        }
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
            let Some((sent, stopped)) = send_at_once(self, head, true) else {
                return;
            };
            head = &head[sent..];
            progress = stopped;
        }
        let limit = state.budget(SEND_LIMIT);
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

    /// How many bytes a call that failed has sent, which is none; `None` if the connection failed.
    #[cold]
    fn sent_nothing(&self, error: io::Error) -> Option<usize> {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Some(0);
        }
        self.fail(error);
        None
    }

    /// Something was queued: it leaves at once or with the rest of this turn.
    fn send_or_queue(&self, at_once: bool) {
        if at_once {
            self.send_queue(SEND_LIMIT, Progress::Spent);
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
            // Room in the socket is of no use until more is allowed.
            Progress::Spent if state.is_held_back() => {
                if state.any(BLOCKED) {
                    state.clear(BLOCKED);
                    self.update_interest();
                }
            }
            Progress::Spent => self.stand_in_line(),
        }
        self.check_high_water();
    }

    /// Has the queue sent at the end of the turn, unless the socket has to say first that it has
    /// room.
    fn flush_later(&self) {
        let state = self.state();
        if !state.any(BLOCKED | FLUSHING | LOST)
            && !state.is_held_back()
            && let Some(this) = self.this()
        {
            state.set(FLUSHING);
            state.event_loop.flush_soon(this);
        }
    }

    /// Has the queue go on when it is its turn among those that are long, whether the socket has said
    /// that it has room or not.
    fn stand_in_line(&self) {
        let state = self.state();
        if state.any(FLUSHING) {
            state.set(IN_LINE);
        } else if !state.any(LOST)
            && let Some(this) = self.this()
        {
            state.set(FLUSHING | IN_LINE);
            state.event_loop.flush_soon(this);
        }
    }

    /// The socket has room: what is long waits for its turn, lest it go before what is short.
    pub(super) fn on_room(&self) {
        let state = self.state();
        if state.any(IN_LINE) {
            return;
        }
        if state.queued() > SEND_LIMIT as u64 && !state.is_held_back() {
            self.stand_in_line();
        } else {
            self.send_queue(SEND_LIMIT, Progress::Spent);
        }
    }

    pub(super) fn on_flush(&self) {
        let state = self.state();
        let in_line = state.any(IN_LINE);
        state.clear(FLUSHING | IN_LINE);
        if state.any(LOST) || (state.any(BLOCKED) && !in_line) {
            return;
        }
        if state.queued() <= SEND_LIMIT as u64 {
            self.send_queue(SEND_LIMIT, Progress::Spent);
            return;
        }
        let left = LINE_LIMIT.saturating_sub(state.event_loop.spent_at_end());
        if left < SEND_LIMIT {
            return self.stand_in_line();
        }
        // Whoever has had all that was left comes behind those that had nothing: it waits for the socket
        // to say that it has room, and they do not.
        let sent = self.send_queue(left, Progress::Blocked);
        state.event_loop.spend_at_end(sent);
    }

    /// Sends from the queue, at most `share` bytes; how many it was. What to do next where that was
    /// the limit is `at_limit`.
    fn send_queue(&self, share: usize, at_limit: Progress) -> usize {
        let state = self.state();
        let budget = state.budget(share);
        let (sent, result) = {
            let socket = state.socket.borrow();
            let sent = socket
                .as_ref()
                .and_then(|socket| state.with_queue(|queue| queue.send(socket, budget)));
            sent.unwrap_or((0, Ok(Progress::Drained)))
        };
        while let Some(Some(discarded)) = state.with_queue(|queue| queue.discard()) {
            drop(discarded);
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
                    let spent = progress == Progress::Spent && !state.is_held_back();
                    self.stopped(if spent { at_limit } else { progress });
                }
            }
        }
        sent
    }

    fn drained(&self) {
        let state = self.state();
        let queue = state.take_queue();
        drop(queue);
        if state.any(BLOCKED) {
            state.clear(BLOCKED);
            self.update_interest();
        }
        let waiters = state.if_rare(|rare| std::mem::take(&mut rare.drained));
        state.put_rare_away();
        if let Some(waiters) = waiters {
            waiters.wake();
        }
        self.check_low_water();
        if !state.has_queue() && !state.any(LOST) {
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
    pub(super) fn tell_flow(&self) {
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
        if !self.is_two_way() {
            return self.close();
        }
        if !state.has_queue() {
            self.shutdown();
        }
    }

    pub(crate) fn limit_sending(&self, bytes: u64) {
        let state = self.state();
        if !state.any(LOST | ENDED) {
            state.set(METERED);
            state.with_rare(|rare| rare.allowed = bytes);
        }
    }

    pub(crate) fn allow_sending(&self, bytes: u64, most: u64) {
        let state = self.state();
        if !state.any(METERED) || state.any(LOST | ENDED) {
            return;
        }
        state.with_rare(|rare| {
            let allowed = rare.allowed.saturating_add(bytes);
            rare.allowed = allowed.min(most.max(rare.allowed));
        });
        if state.has_queue() {
            self.flush_later();
        }
    }

    pub(crate) fn write_buffer_size(&self) -> usize {
        let state = self.state();
        let unsent = state.if_rare(|rare| rare.ending.then_some(rare.unsent));
        let size = unsent.flatten().unwrap_or_else(|| state.queued());
        usize::try_from(size).unwrap_or(usize::MAX)
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

    /// Whether the queue is empty; if not, who waits in `seat` is woken when it is, or when the
    /// connection ends.
    pub(crate) fn is_drained(&self, seat: &mut Seat, waker: &Waker) -> bool {
        let state = self.state();
        if state.any(LOST) || !state.has_queue() {
            return true;
        }
        seat.sit(waker);
        state.with_rare(|rare| rare.drained.enter(seat));
        false
    }
}
