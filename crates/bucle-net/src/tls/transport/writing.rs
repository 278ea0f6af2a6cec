//! Writing: what is queued is encrypted as the transport below has room; water marks; the end.

use std::cell::{RefCell, RefMut};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use bucle_loop::ExceptionContext;

use super::{
    BELOW_PAUSED, CLOSING, CUT, EOF_SEEN, EOF_SENT, EOF_WANTED, ESTABLISHED, IN_CALLBACK,
    LINGERING, LOST, PAUSE_TOLD, PIECE, TOLD, TlsTransport, WRITING_PAUSED,
};
use crate::socket::Sink;
use crate::tls::engine::Session;
use crate::transport::Transport;

impl TlsTransport {
    /// Whether bytes can still be taken.
    pub(super) fn writes(&self, what: &'static str) -> bool {
        if self.any(CLOSING | LOST) {
            return false;
        }
        if self.any(EOF_WANTED) {
            self.event_loop
                .call_exception_handler(ExceptionContext::new(
                    "transport",
                    format!("{what} after write_eof(): the bytes were dropped"),
                ));
            return false;
        }
        true
    }

    pub(super) fn queued(&self) {
        self.pump();
        self.check_high_water();
    }

    /// Encrypts and sends what the transport below has room for; ends what is to be ended then.
    pub(super) fn pump(&self) {
        if self.any(IN_CALLBACK) {
            return;
        }
        while !self.any(LOST) {
            let Some(below) = self.below() else { return };
            let has_room = !self.any(BELOW_PAUSED) && !is_full(&below);
            if !has_room && !self.any(BELOW_PAUSED) && self.queue.borrow().size() > 0 {
                // That it is full, and has room again, it tells when it is not busy with telling
                // something else, as it is now.
                self.pump_soon();
            }
            let mut output = Vec::new();
            let result = {
                // Borrowed while something is delivered, behind which comes another call.
                let Ok(mut session) = self.session.try_borrow_mut() else {
                    return;
                };
                let result = if self.any(ESTABLISHED) && has_room {
                    let sink = Encrypting(RefCell::new(&mut *session));
                    self.queue.borrow_mut().send(&sink, PIECE).1.map(drop)
                } else {
                    Ok(())
                };
                session.take_output(&mut output);
                result
            };
            loop {
                let discarded = self.queue.borrow_mut().discard();
                if discarded.is_none() {
                    break;
                }
            }
            if let Err(error) = result {
                return self.fail(error);
            }
            if output.is_empty() {
                break;
            }
            below.write_bytes(output.into());
        }
        if self.queue.borrow().size() == 0 && self.any(ESTABLISHED) {
            self.sent();
        }
        self.check_low_water();
    }

    fn pump_soon(&self) {
        if self.pumps_soon.replace(true) {
            return;
        }
        let this = self.this.clone();
        self.event_loop.call_soon(move || {
            if let Some(this) = this.upgrade() {
                this.pumps_soon.set(false);
                this.pump();
            }
        });
    }

    /// Everything was encrypted.
    pub(super) fn sent(&self) {
        self.drained.wake();
        if self.any(LOST) || !self.any(CLOSING | EOF_WANTED) {
            return;
        }
        let Some(below) = self.below() else { return };
        if !self.any(EOF_SENT) {
            self.set(EOF_SENT);
            let mut output = Vec::new();
            {
                let mut session = self.session.borrow_mut();
                session.send_close_notify();
                session.take_output(&mut output);
            }
            below.write_bytes(output.into());
        }
        if !self.any(CLOSING) {
            below.write_eof();
        } else if self.any(EOF_SEEN | CUT) || self.hurried.get() {
            below.close();
        } else if !self.any(LINGERING) {
            // The system answers with a reset to what we would not read (session tickets, of which
            // we know nothing, among them), and that may destroy what is on its way to the peer.
            self.set(LINGERING);
            below.write_eof();
            below.resume_reading();
            self.linger();
        }
    }

    /// Waits for the peer to take what is left, and for its end, as long as it takes something or
    /// says something.
    pub(super) fn linger(&self) {
        let left = self.total();
        self.set_timer(self.patience.shutdown, move |this| {
            let Some(below) = this.below() else { return };
            match this.total() {
                0 => below.close(),
                now if now < left => this.linger(),
                _ => below.abort(),
            }
        });
    }

    pub(super) fn total(&self) -> usize {
        let queued = usize::try_from(self.queue.borrow().size()).unwrap_or(usize::MAX);
        let below = self.below.borrow();
        queued.saturating_add(below.as_ref().map_or(0, Transport::get_write_buffer_size))
    }

    pub(super) fn check_high_water(&self) {
        if !self.any(WRITING_PAUSED | LOST) && self.total() > self.high.get() {
            self.set(WRITING_PAUSED);
            self.tell_flow();
        }
    }

    pub(super) fn check_low_water(&self) {
        if self.any(WRITING_PAUSED) && self.total() <= self.low.get() {
            self.clear(WRITING_PAUSED);
            self.tell_flow();
        }
    }

    /// Tells the protocol whether to pause writing, if it does not know and is not busy.
    pub(super) fn tell_flow(&self) {
        let paused = self.any(WRITING_PAUSED);
        if self.any(IN_CALLBACK | LOST) || !self.any(TOLD) || paused == self.any(PAUSE_TOLD) {
            return;
        }
        if paused {
            self.set(PAUSE_TOLD);
            self.call("pause_writing", |protocol| protocol.pause_writing());
        } else {
            self.clear(PAUSE_TOLD);
            self.call("resume_writing", |protocol| protocol.resume_writing());
        }
        self.pump();
    }
}

/// Whether more is queued than the transport below wants.
fn is_full(below: &Transport) -> bool {
    below.get_write_buffer_size() > below.get_write_buffer_limits().1
}

/// Where a write queue sends what is to be encrypted.
struct Encrypting<'a>(RefCell<&'a mut Session>);

impl Encrypting<'_> {
    fn session(&self) -> RefMut<'_, Session> {
        RefMut::map(self.0.borrow_mut(), |session| &mut **session)
    }
}

impl Sink for Encrypting<'_> {
    fn send(&self, bytes: &[u8], _: bool) -> io::Result<usize> {
        self.session().send(bytes)
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>], _: bool) -> io::Result<usize> {
        let mut session = self.session();
        let mut sent = 0;
        for buffer in buffers {
            sent += session.send(buffer)?;
        }
        Ok(sent)
    }

    /// The system could only send it as it is.
    fn send_file(&self, _: BorrowedFd<'_>, _: u64, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
