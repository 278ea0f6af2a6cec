//! Reading: what comes in is decrypted and told, or held while reading is paused; after `close` it is
//! thrown away.

use std::io;

use super::{
    CLOSING, CUT, EOF_SEEN, ESTABLISHED, LINGER_LIMIT, LINGERING, LOST, READING_PAUSED, SCHEDULED,
    TlsTransport,
};
use crate::carrier::Carrier;
use crate::tls::engine::{Plaintext, is_no_record};

impl TlsTransport {
    pub(super) fn received(&self, data: &[u8]) {
        if self.any(CLOSING | LOST) {
            self.throw_away(data.len());
            return;
        }
        let mut held = self.held.take();
        if held.is_empty() {
            self.process(data);
        } else {
            held.extend_from_slice(data);
            self.process(&held);
        }
    }

    /// Decrypts and tells; holds what can't be told yet.
    pub(super) fn process(&self, mut data: &[u8]) {
        loop {
            if self.any(ESTABLISHED) {
                self.deliver();
            }
            if self.any(CLOSING | LOST) {
                break;
            }
            if self.any(READING_PAUSED) && self.any(ESTABLISHED) {
                self.held.borrow_mut().extend_from_slice(data);
                break;
            }
            if data.is_empty() {
                break;
            }
            let received = self.session.borrow_mut().receive(data);
            if !self.any(ESTABLISHED) && !self.session.borrow().is_handshaking() {
                self.established();
            }
            match received {
                // What follows the peer's last word is none of it.
                Ok(0) => break,
                Ok(count) => data = &data[count..],
                Err(error) => {
                    // What was good before it.
                    if self.any(ESTABLISHED) {
                        self.deliver();
                    }
                    let text = is_no_record(&error) && data[0].is_ascii_alphabetic();
                    return match self.plain_text_answer() {
                        Some(answer) if text => self.fail_in_plain_text(error, &answer),
                        _ => self.fail(error),
                    };
                }
            }
        }
        self.pump();
        self.check_cut();
    }

    /// Tells what there is to read.
    pub(super) fn deliver(&self) {
        while !self.any(READING_PAUSED | EOF_SEEN | CLOSING | LOST) {
            let mut session = self.session.borrow_mut();
            let count = match session.plaintext() {
                Plaintext::Some(chunk) => {
                    self.call("data_received", |protocol| protocol.data_received(chunk));
                    chunk.len()
                }
                Plaintext::None => return,
                Plaintext::End => {
                    drop(session);
                    self.set(EOF_SEEN);
                    let keep_open = self.call("eof_received", |protocol| protocol.eof_received());
                    if keep_open != Some(true) {
                        self.close();
                    }
                    return;
                }
            };
            session.consume(count);
        }
    }

    pub(super) fn throw_away(&self, count: usize) {
        let total = self.thrown_away.get().saturating_add(count);
        self.thrown_away.set(total);
        if total > LINGER_LIMIT
            && self.any(LINGERING)
            && let Some(below) = self.below()
        {
            below.close();
        }
    }

    /// The connection below has ended its side.
    pub(super) fn below_eof(&self) {
        self.set(CUT);
        if self.any(LINGERING)
            && let Some(below) = self.below()
        {
            below.close();
        }
        self.check_cut();
    }

    /// Without the peer's `close_notify`, an end is no end.
    pub(super) fn check_cut(&self) {
        if self.any(CUT)
            && !self.any(EOF_SEEN | CLOSING | LOST | SCHEDULED)
            && (!self.any(READING_PAUSED) || !self.any(ESTABLISHED))
        {
            self.fail(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                if self.any(ESTABLISHED) {
                    "the peer closed the connection without a TLS close_notify: what it sent may \
                     have been cut short"
                } else {
                    "the peer closed the connection during the TLS handshake"
                },
            ));
        }
    }

    /// Goes on with what was held, by the loop.
    pub(super) fn read_on(&self) {
        if self.any(SCHEDULED | LOST) || !self.any(ESTABLISHED) {
            return;
        }
        self.set(SCHEDULED);
        let this = self.this.clone();
        self.event_loop.call_soon(move || {
            if let Some(this) = this.upgrade() {
                this.clear(SCHEDULED);
                if !this.any(CLOSING | LOST) {
                    let held = this.held.take();
                    this.process(&held);
                }
            }
        });
    }
}
