//! The layer as the transport of the protocol above.

use std::any::Any;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::LoopRef;
use bytes::Bytes;

use super::{
    CLOSING, DROPPED, EOF_SEEN, EOF_WANTED, ESTABLISHED, LINGERING, LOST, READING_PAUSED,
    TlsTransport,
};
use crate::Address;
use crate::carrier::Carrier;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::waiters::Seat;
use crate::write_queue::FileRange;

impl Carrier for TlsTransport {
    fn write(&self, bytes: &[u8]) {
        if !bytes.is_empty() && self.writes("write()") {
            self.queue.borrow_mut().push(bytes);
            self.queued();
        }
    }

    fn write_bytes(&self, bytes: Bytes) {
        if !bytes.is_empty() && self.writes("write_bytes()") {
            self.queue.borrow_mut().push_shared(bytes);
            self.queued();
        }
    }

    fn writelines(&self, pieces: &mut dyn Iterator<Item = Bytes>) {
        if !self.writes("writelines()") {
            return;
        }
        // The iterator is the caller's, and may come back here.
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            self.queue.borrow_mut().push_shared(piece);
        }
        self.queued();
    }

    fn send_file(&self, head: &[u8], file: Rc<dyn AsFd>, offset: u64, length: u64) {
        if self.writes("send_file()") {
            {
                let mut queue = self.queue.borrow_mut();
                queue.push(head);
                queue.push_file(FileRange::new(file, offset, length));
            }
            self.queued();
        }
    }

    fn write_eof(&self) {
        if !self.any(EOF_WANTED | CLOSING) {
            self.set(EOF_WANTED);
            self.pump();
        }
    }

    fn close(&self) {
        if self.any(CLOSING) {
            return;
        }
        self.set(CLOSING);
        match self.below() {
            Some(below) if self.any(ESTABLISHED) => {
                below.pause_reading();
                self.linger();
                self.pump();
            }
            Some(below) => below.abort(),
            None => {}
        }
    }

    fn close_now(&self) {
        self.hurried.set(true);
        match self.below() {
            Some(below) if self.any(LINGERING) => below.close(),
            _ => self.close(),
        }
    }

    fn abort(&self) {
        self.set(CLOSING | DROPPED);
        if let Some(below) = self.below() {
            below.abort();
        }
    }

    fn is_closing(&self) -> bool {
        self.any(CLOSING)
    }

    fn takes_writes(&self) -> bool {
        !self.any(CLOSING | EOF_WANTED | LOST)
    }

    fn was_cut(&self) -> bool {
        self.any(DROPPED) || self.below().is_some_and(|below| below.carrier().was_cut())
    }

    fn limit_sending(&self, bytes: u64) {
        if let Some(below) = self.below() {
            below.limit_sending(bytes);
        }
    }

    fn allow_sending(&self, bytes: u64, most: u64) {
        if let Some(below) = self.below() {
            below.allow_sending(bytes, most);
        }
    }

    fn pause_reading(&self) {
        self.set(READING_PAUSED);
        // A handshake reads on.
        if self.any(ESTABLISHED)
            && let Some(below) = self.below()
        {
            below.pause_reading();
        }
    }

    fn resume_reading(&self) {
        if !self.any(READING_PAUSED) {
            return;
        }
        self.clear(READING_PAUSED);
        if !self.any(CLOSING)
            && let Some(below) = self.below()
        {
            below.resume_reading();
            self.read_on();
        }
    }

    fn is_reading(&self) -> bool {
        !self.any(READING_PAUSED | EOF_SEEN | CLOSING | LOST)
    }

    fn write_buffer_size(&self) -> usize {
        self.total()
    }

    fn write_buffer_limits(&self) -> (usize, usize) {
        (self.low.get(), self.high.get())
    }

    fn set_write_buffer_limits(&self, high: usize, low: usize) {
        let low = low.min(high);
        self.high.set(high);
        self.low.set(low);
        if let Some(below) = self.below() {
            // So it reports whenever ours may have been reached.
            below.set_write_buffer_limits(low, low);
        }
        self.check_high_water();
        self.check_low_water();
    }

    fn set_protocol(&self, protocol: Box<dyn Protocol>) {
        if self.below.borrow().is_some() {
            let before = self.protocol.replace(Some(protocol));
            drop(before);
        }
    }

    fn with_socket(&self, body: &mut dyn FnMut(&Socket)) {
        if let Some(below) = self.below() {
            below.carrier().with_socket(body);
        }
    }

    fn event_loop(&self) -> &LoopRef {
        &self.event_loop
    }

    fn is_drained(&self, seat: &mut Seat, waker: &Waker) -> bool {
        if self.any(LOST) {
            return true;
        }
        if self.queue.borrow().size() == 0 {
            return self
                .below()
                .is_none_or(|below| below.carrier().is_drained(seat, waker));
        }
        self.drained.join(seat, waker);
        false
    }

    fn show_as(&self, face: Weak<dyn Carrier>) {
        if let Some(below) = self.below() {
            below.carrier().show_as(face);
        }
    }

    fn announced(&self) -> Option<Rc<Address>> {
        self.below()?.carrier().announced()
    }

    fn layer_info(&self) -> Option<Rc<dyn Any>> {
        let info: Rc<dyn Any> = self.info.get()?.clone();
        Some(info)
    }
}
