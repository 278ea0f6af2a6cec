//! [`Carrier`]: what a [`Transport`](crate::Transport) is made of.
//!
//! A connection on a socket is one; TLS over another transport is one. What each call means stands
//! with the transport's method of the same name.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::task::Waker;

use bucle_loop::LoopRef;
use bytes::Bytes;

use crate::Address;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::waiters::Seat;

pub(crate) trait Carrier {
    fn write(&self, bytes: &[u8]);
    fn write_bytes(&self, bytes: Bytes);
    fn writelines(&self, pieces: &mut dyn Iterator<Item = Bytes>);
    fn send_file(&self, head: &[u8], file: Rc<dyn AsFd>, offset: u64, length: u64);
    fn write_eof(&self);
    fn close(&self);
    fn close_after(&self, bytes: &[u8]) {
        self.write(bytes);
        self.close();
    }
    /// Closes without waiting for the peer's end.
    fn close_now(&self);
    fn abort(&self);
    fn is_closing(&self) -> bool;
    /// Whether what is written now is sent: neither closing nor past `write_eof`.
    fn takes_writes(&self) -> bool;
    /// Whether it has ended without having sent everything.
    fn was_cut(&self) -> bool;
    fn limit_sending(&self, bytes: u64);
    fn allow_sending(&self, bytes: u64, most: u64);
    fn pause_reading(&self);
    fn resume_reading(&self);
    fn is_reading(&self) -> bool;
    /// Has the protocol asked by [`Protocol::readable`] before bytes are read for it. A layer, which
    /// has bytes of its own to read, doesn't.
    fn offer_reads(&self) {}
    /// Receives by `receive` what was offered; `None` if nothing came, after whatever that means has
    /// been told.
    fn read_offered(&self, receive: &mut dyn FnMut(&Socket) -> io::Result<usize>) -> Option<usize> {
        let _ = receive;
        None
    }
    fn write_buffer_size(&self) -> usize;
    /// The low one, the high one.
    fn write_buffer_limits(&self) -> (usize, usize);
    fn set_write_buffer_limits(&self, high: usize, low: usize);
    fn set_protocol(&self, protocol: Box<dyn Protocol>);
    /// Calls `body`, unless the socket is closed.
    fn with_socket(&self, body: &mut dyn FnMut(&Socket));
    fn event_loop(&self) -> &LoopRef;
    /// Whether nothing is queued; if something is, who waits in `seat` is woken when that may
    /// have changed.
    fn is_drained(&self, seat: &mut Seat, waker: &Waker) -> bool;
    /// Has the connection's server, if it has one, close `face` in its place.
    fn show_as(&self, face: Weak<dyn Carrier>);
    /// Whom the connection is for, where a proxy has told it.
    fn announced(&self) -> Option<Rc<Address>>;
    /// Notes whom it is for. Only a connection on a socket is told so.
    fn announce(&self, client: Rc<Address>) {
        let _ = client;
    }
    /// What a layer knows of itself.
    fn layer_info(&self) -> Option<Rc<dyn Any>>;
}
