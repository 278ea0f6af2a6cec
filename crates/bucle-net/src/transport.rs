//! [`Transport`]: the sending half of a connection, and its controls.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use bucle_loop::{LoopRef, get_running_loop};
use bytes::Bytes;

use crate::Address;
use crate::carrier::Carrier;
use crate::endpoint;
use crate::protocol::Protocol;
use crate::socket::Socket;
use crate::waiters::Seat;

/// The high water mark until [`set_write_buffer_limits`](Transport::set_write_buffer_limits)
/// changes it, in bytes; asyncio's.
pub const HIGH_WATER: usize = 64 * 1024;

/// The low water mark until changed, in bytes; asyncio's.
pub const LOW_WATER: usize = 16 * 1024;

/// Most bytes that a connection sends in one go. What is longer goes on at the end of the turn of the
/// loop, in line with all that is long, within [`LINE_LIMIT`].
pub const SEND_LIMIT: usize = 256 * 1024;

/// Most bytes that the connections with more than [`SEND_LIMIT`] to send may send at the end of one
/// turn of the loop, all together. Who has waited longest comes first and fills its socket, which has
/// room for about as much on Linux: shared out in small pieces, the same bytes cost more.
pub const LINE_LIMIT: usize = 4 * 1024 * 1024;

/// One end of a connection: where its [`Protocol`] writes, and everyone controls it. asyncio's
/// `Transport`.
///
/// Clones are the same connection, and cheap; dropping them ends nothing. The connection belongs
/// to the loop, which keeps it until it is closed. All methods may be called at any time, also
/// from inside the protocol's callbacks and after the end; none of them blocks, and none of them
/// fails: what goes wrong is told by [`Protocol::connection_lost`].
///
/// # When bytes leave
///
/// The first write of a turn of the loop, if nothing is queued, goes to the system before it
/// returns. Further writes of the same turn are queued and leave in one vectored call at the end
/// of the turn, after all callbacks and tasks of the turn have run. What the system does not take
/// stays queued until the socket has room.
///
/// No connection makes the others wait for what is long: it sends at most [`SEND_LIMIT`] bytes in its
/// turn. Those who have more stand in line, and what all of them send at the end of a turn of the loop
/// is at most [`LINE_LIMIT`] bytes; who is not served by then is the first in the next.
#[doc(alias("BaseTransport", "ReadTransport", "WriteTransport"))]
pub struct Transport {
    carrier: Rc<dyn Carrier>,
}

/// What [`Transport::get_extra_info`] can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtraInfo {
    /// asyncio's `"peername"`: [`Transport::peer_address`].
    Peername,
    /// asyncio's `"sockname"`: [`Transport::local_address`].
    Sockname,
}

impl Transport {
    pub(crate) fn new(carrier: Rc<dyn Carrier>) -> Transport {
        Transport { carrier }
    }

    pub(crate) fn carrier(&self) -> &dyn Carrier {
        &*self.carrier
    }

    /// A transport for a connected stream socket that comes from elsewhere, on the running loop;
    /// `protocol` is told of it before this returns. asyncio's `connect_accepted_socket`, and
    /// `create_connection` with `sock`.
    ///
    /// # Errors
    /// `NotConnected` and the like, for what is no connected socket.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[doc(alias = "connect_accepted_socket")]
    #[track_caller]
    pub fn from_connected(fd: OwnedFd, protocol: impl Protocol) -> io::Result<Transport> {
        let socket = Socket::from_connected(fd)?;
        Ok(Transport::start(&get_running_loop(), socket, protocol))
    }

    pub(crate) fn start(
        event_loop: &LoopRef,
        socket: Socket,
        protocol: impl Protocol,
    ) -> Transport {
        let endpoint = endpoint::connection(event_loop, socket, protocol);
        endpoint.start();
        Transport::new(endpoint.carrier())
    }

    /// Sends a copy of `bytes`, in order. See [above](Transport#when-bytes-leave) for when they
    /// leave.
    ///
    /// After [`close`](Transport::close) and [`abort`](Transport::abort) the bytes are dropped;
    /// after [`write_eof`](Transport::write_eof) too, and the loop's exception handler is told,
    /// since that is a mistake.
    pub fn write(&self, bytes: &[u8]) {
        self.carrier.write(bytes);
    }

    /// Like [`write`](Transport::write), without a copy: what can't leave at once is queued as it
    /// is.
    pub fn write_bytes(&self, bytes: Bytes) {
        self.carrier.write_bytes(bytes);
    }

    /// Sends several pieces in one vectored call. asyncio's `writelines`.
    pub fn writelines<I>(&self, pieces: I)
    where
        I: IntoIterator,
        I::Item: Into<Bytes>,
    {
        self.carrier
            .writelines(&mut pieces.into_iter().map(Into::into));
    }

    /// Sends `length` bytes of `file` from `offset`, after what was written before, by `sendfile`
    /// where the system can. asyncio's `loop.sendfile`, as a queued write.
    ///
    /// The file's own position is neither used nor moved, so one descriptor serves many
    /// connections. It is held until the bytes have left, and counts for
    /// [`get_write_buffer_size`](Transport::get_write_buffer_size) as if they were in memory.
    ///
    /// If the file turns out to be shorter, the connection is aborted and `connection_lost` gets
    /// an `UnexpectedEof`: nothing is padded, and the peer can see that the end is missing.
    pub fn send_file(&self, file: Rc<dyn AsFd>, offset: u64, length: u64) {
        self.carrier.send_file(&[], file, offset, length);
    }

    /// [`write`](Transport::write) of `head` and [`send_file`](Transport::send_file) in one: the
    /// head and the file's first bytes share packets (`MSG_MORE`).
    pub fn send_file_after(&self, head: &[u8], file: Rc<dyn AsFd>, offset: u64, length: u64) {
        self.carrier.send_file(head, file, offset, length);
    }

    /// Ends our side once what is queued has left; the peer can still send. A second call does
    /// nothing.
    pub fn write_eof(&self) {
        self.carrier.write_eof();
    }

    /// Whether [`write_eof`](Transport::write_eof) works: true for stream sockets.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// Closes: nothing more is read, what is queued still leaves, then `connection_lost(None)`
    /// comes by the loop.
    ///
    /// The system answers with a reset if the peer has sent what was not read, which may destroy
    /// what is on its way to it; where that matters, [`write_eof`](Transport::write_eof) and read
    /// to the end first.
    pub fn close(&self) {
        self.carrier.close();
    }

    /// [`write`](Transport::write) of the last bytes and [`close`](Transport::close) in one: where they
    /// can leave at once, they share a packet with the end of the stream.
    pub fn close_after(&self, bytes: &[u8]) {
        self.carrier.close_after(bytes);
    }

    /// [`close`](Transport::close) that waits for nothing of the peer's: what is queued still leaves,
    /// but over TLS, its `close_notify` is not waited for, also where it already was. Over a plain
    /// connection there is no difference.
    pub fn close_now(&self) {
        self.carrier.close_now();
    }

    /// Closes at once: what is queued is dropped, the peer sees a reset, and
    /// `connection_lost(None)` comes by the loop.
    pub fn abort(&self) {
        self.carrier.abort();
    }

    /// Whether the transport is closing or closed.
    pub fn is_closing(&self) -> bool {
        self.carrier.is_closing()
    }

    /// Lets no more than so many bytes leave from now on, until
    /// [`allow_sending`](Transport::allow_sending) allows more; what is written waits as it does for a
    /// peer that does not read. Over TLS, what is encrypted counts. There is no clock in it: how
    /// fast bytes leave is the caller's matter.
    pub fn limit_sending(&self, bytes: u64) {
        self.carrier.limit_sending(bytes);
    }

    /// Lets so many bytes more leave, as long as no more than `most` may leave together. Does nothing
    /// without [`limit_sending`](Transport::limit_sending).
    pub fn allow_sending(&self, bytes: u64, most: u64) {
        self.carrier.allow_sending(bytes, most);
    }

    /// Stops reading: no `data_received` until [`resume_reading`](Transport::resume_reading).
    /// Nor is a reset or an end of the peer seen in the meantime, unless something is queued to be
    /// written.
    pub fn pause_reading(&self) {
        self.carrier.pause_reading();
    }

    /// Reads again.
    pub fn resume_reading(&self) {
        self.carrier.resume_reading();
    }

    /// Whether data is received: neither paused, nor ended, nor closing.
    pub fn is_reading(&self) -> bool {
        self.carrier.is_reading()
    }

    /// Bytes that are queued, those of files included. In [`Protocol::connection_lost`]: those that
    /// were, and never left.
    pub fn get_write_buffer_size(&self) -> usize {
        self.carrier.write_buffer_size()
    }

    /// The low and the high water mark, in this order, as asyncio has it.
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.carrier.write_buffer_limits()
    }

    /// Sets the water marks: above `high` bytes queued, [`Protocol::pause_writing`] is called; at
    /// `low` or below, [`Protocol::resume_writing`]. A `low` above `high` counts as `high`.
    /// asyncio's default for `low` is a quarter of `high`.
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        self.carrier.set_write_buffer_limits(high, low);
    }

    /// What is known of the connection, by asyncio's names. `"socket"` is
    /// [`with_socket`](Transport::with_socket).
    pub fn get_extra_info(&self, what: ExtraInfo) -> Option<Address> {
        match what {
            ExtraInfo::Peername => self.peer_address(),
            ExtraInfo::Sockname => self.local_address(),
        }
    }

    /// The address of the peer; `None` once it has gone, or after the end. It is asked of the
    /// system at each call: keep it from `connection_made` on if it is needed at the end.
    pub fn peer_address(&self) -> Option<Address> {
        self.ask_socket(Socket::peer_address)
    }

    /// Our own address; `None` after the end.
    pub fn local_address(&self) -> Option<Address> {
        self.ask_socket(Socket::local_address)
    }

    /// Lends the socket, to set an option on it; `None` after the end. Reading from it, writing to
    /// it or closing it takes bytes away from the transport.
    pub fn with_socket<R>(&self, body: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        let mut body = Some(body);
        self.ask_socket(|socket| Some(body.take()?(socket.descriptor()?)))
    }

    fn ask_socket<R>(&self, mut body: impl FnMut(&Socket) -> Option<R>) -> Option<R> {
        let mut answer = None;
        self.carrier
            .with_socket(&mut |socket| answer = body(socket));
        answer
    }

    /// Hands the connection to another protocol, as an upgrade does. `connection_made` is not
    /// called on it. Whatever is told from now on is told to it. The one before is dropped, when
    /// its callback has returned if this is called from one.
    pub fn set_protocol(&self, protocol: impl Protocol) {
        self.carrier.set_protocol(Box::new(protocol));
    }

    /// The loop it belongs to.
    pub fn event_loop(&self) -> LoopRef {
        self.carrier.event_loop().clone()
    }

    /// Ready once nothing is queued, or the connection has ended.
    pub(crate) fn poll_drained(&self, seat: &mut Seat, cx: &Context<'_>) -> Poll<()> {
        if self.carrier.is_drained(seat, cx.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Clone for Transport {
    fn clone(&self) -> Transport {
        Transport {
            carrier: self.carrier.clone(),
        }
    }
}

impl PartialEq for Transport {
    /// Whether both are the same connection.
    fn eq(&self, other: &Transport) -> bool {
        Rc::ptr_eq(&self.carrier, &other.carrier)
    }
}

impl Eq for Transport {}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("peer", &self.peer_address())
            .field("reading", &self.is_reading())
            .field("queued", &self.get_write_buffer_size())
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
