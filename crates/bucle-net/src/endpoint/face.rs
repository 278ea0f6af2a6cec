//! A connection as a transport sees it: one call into what all connections share.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::LoopRef;
use bytes::Bytes;

use super::{Endpoint, writing};
use crate::Address;
use crate::carrier::Carrier;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::waiters::Seat;

impl<T: Endpoint> Carrier for T {
    fn write(&self, bytes: &[u8]) {
        writing::write(self, bytes);
    }

    fn write_bytes(&self, bytes: Bytes) {
        self.shared().write_bytes(bytes);
    }

    fn writelines(&self, pieces: &mut dyn Iterator<Item = Bytes>) {
        self.shared().writelines(pieces);
    }

    fn send_file(&self, head: &[u8], file: Rc<dyn AsFd>, offset: u64, length: u64) {
        self.shared().send_file(head, file, offset, length);
    }

    fn write_eof(&self) {
        self.shared().write_eof();
    }

    fn close(&self) {
        self.shared().close();
    }

    fn close_after(&self, bytes: &[u8]) {
        self.shared().close_after(bytes);
    }

    /// Nobody waits for it but layers.
    fn close_now(&self) {
        self.shared().close();
    }

    fn abort(&self) {
        self.shared().abort();
    }

    fn is_closing(&self) -> bool {
        self.shared().is_closing()
    }

    fn takes_writes(&self) -> bool {
        self.shared().takes_writes()
    }

    fn was_cut(&self) -> bool {
        self.shared().was_cut()
    }

    fn limit_sending(&self, bytes: u64) {
        self.shared().limit_sending(bytes);
    }

    fn allow_sending(&self, bytes: u64, most: u64) {
        self.shared().allow_sending(bytes, most);
    }

    fn pause_reading(&self) {
        self.shared().pause_reading();
    }

    fn resume_reading(&self) {
        self.shared().resume_reading();
    }

    fn is_reading(&self) -> bool {
        self.shared().is_reading()
    }

    fn offer_reads(&self) {
        self.shared().offer_reads();
    }

    fn read_offered(&self, receive: &mut dyn FnMut(&Socket) -> io::Result<usize>) -> Option<usize> {
        self.shared().read_offered(receive)
    }

    fn write_buffer_size(&self) -> usize {
        self.shared().write_buffer_size()
    }

    fn write_buffer_limits(&self) -> (usize, usize) {
        self.shared().write_buffer_limits()
    }

    fn set_write_buffer_limits(&self, high: usize, low: usize) {
        self.shared().set_write_buffer_limits(high, low);
    }

    fn set_protocol(&self, protocol: Box<dyn Protocol>) {
        self.shared().set_protocol(protocol);
    }

    fn with_socket(&self, body: &mut dyn FnMut(&Socket)) {
        self.shared().with_socket(body);
    }

    fn event_loop(&self) -> &LoopRef {
        self.shared().event_loop()
    }

    fn is_drained(&self, seat: &mut Seat, waker: &Waker) -> bool {
        self.shared().is_drained(seat, waker)
    }

    fn show_as(&self, face: Weak<dyn Carrier>) {
        self.shared().show_as(face);
    }

    fn announced(&self) -> Option<Rc<Address>> {
        let state = self.shared().state();
        state.if_rare(|rare| rare.announced.clone())?
    }

    fn announce(&self, client: Rc<Address>) {
        let state = self.shared().state();
        state.with_rare(|rare| rare.announced = Some(client));
    }

    fn layer_info(&self) -> Option<Rc<dyn Any>> {
        None
    }
}
