//! Streams: a connection for `async` code. [`StreamReader`], [`StreamWriter`],
//! [`open_connection`], [`start_server`].
//!
//! Below both is a protocol like any other. What comes in while nobody reads is buffered up to a
//! limit, past which reading is paused. A reader that waits is woken as soon as bytes can be read,
//! and receives them itself, into its caller's memory where it can: they lie in no buffer on the
//! way, however many readers are woken in a turn. What goes out is written through the transport,
//! and [`drain`](StreamWriter::drain) waits while too much of it is queued.

mod buffer;
mod error;
mod pipes;
mod reader;
#[cfg(feature = "tls")]
mod start_tls;
mod writer;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bucle_loop::Interest;

pub use error::ReadError;
pub use pipes::{open_read_pipe, open_read_pipe_with, open_write_pipe};
pub use reader::StreamReader;
pub use writer::StreamWriter;

use crate::waiters::{Seat, Waiters};
use crate::{
    ConnectOptions, Protocol, Server, ServerOptions, ToAddresses, Transport, create_connection,
    create_connection_with, create_server,
};

/// The limit of a stream's buffer unless another one is given, in bytes; asyncio's.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// Most bytes a reader receives by itself when the selector has said once that there are some, lest it
/// starve the others; as many as are read at once into the loop's buffer.
const OFFER: u32 = 64 * 1024;

/// Connects to `address`. asyncio's `open_connection` and `open_unix_connection`.
///
/// # Errors
/// As [`create_connection`].
///
/// # Panics
/// If no loop is running in this thread.
#[doc(alias = "open_unix_connection")]
pub async fn open_connection(
    address: impl ToAddresses,
) -> io::Result<(StreamReader, StreamWriter)> {
    let shared = Rc::new(Shared::new(DEFAULT_LIMIT));
    let transport = create_connection(address, || StreamProtocol::new(&shared)).await?;
    Ok(shared.streams(&transport))
}

/// [`open_connection`] with options: another limit, TLS.
///
/// # Errors
/// As [`create_connection_with`].
///
/// # Panics
/// If no loop is running in this thread.
pub async fn open_connection_with(
    address: impl ToAddresses,
    options: ConnectOptions,
) -> io::Result<(StreamReader, StreamWriter)> {
    let shared = Rc::new(Shared::new(options.limit));
    let protocol = || StreamProtocol::new(&shared);
    let transport = create_connection_with(address, options, protocol).await?;
    Ok(shared.streams(&transport))
}

/// Listens at `address` and runs `handler` as a task for each connection. asyncio's `start_server`
/// and `start_unix_server`.
///
/// The connection is closed when the handler drops its [`StreamWriter`]; at the latest when it
/// ends, also by a panic, which goes to the loop's exception handler.
///
/// ```
/// use bucle_net::{StreamReader, StreamWriter, open_connection, start_server};
///
/// async fn echo(mut reader: StreamReader, writer: StreamWriter) {
///     while let Ok(line) = reader.readline().await
///         && !line.is_empty()
///     {
///         writer.write(&line);
///         if writer.drain().await.is_err() {
///             break;
///         }
///     }
/// }
///
/// bucle_loop::run(async {
///     let server = start_server("127.0.0.1:0", echo)?;
///     let (mut reader, writer) = open_connection(&server.sockets()[0]).await?;
///     writer.write(b"hello\n");
///     assert_eq!(reader.readline().await?, b"hello\n");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// As [`create_server`].
///
/// # Panics
/// If no loop is running in this thread.
#[doc(alias = "start_unix_server")]
#[track_caller]
pub fn start_server<F, R>(address: impl ToAddresses, handler: F) -> io::Result<Server>
where
    F: Fn(StreamReader, StreamWriter) -> R + 'static,
    R: Future<Output = ()> + 'static,
{
    start_server_with(address, ServerOptions::default(), DEFAULT_LIMIT, handler)
}

/// [`start_server`] with options, and with another [limit](ConnectOptions::limit).
///
/// # Errors
/// As [`create_server`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn start_server_with<F, R>(
    address: impl ToAddresses,
    options: ServerOptions,
    limit: usize,
    handler: F,
) -> io::Result<Server>
where
    F: Fn(StreamReader, StreamWriter) -> R + 'static,
    R: Future<Output = ()> + 'static,
{
    let handler = Rc::new(handler);
    let on_connection: OnConnection = Rc::new(move |reader, writer| {
        let handler = handler.clone();
        // Called in the task, so that a panic is the task's and finds the streams in its hands.
        let serving = async move { handler(reader, writer).await };
        bucle_loop::spawn_named("stream handler", serving).detach();
    });
    create_server(address, options, move || StreamProtocol {
        shared: Rc::new(Shared::new(limit)),
        on_connection: Some(on_connection.clone()),
    })
}

type OnConnection = Rc<dyn Fn(StreamReader, StreamWriter)>;

/// What reader, writer and protocol of a connection share.
struct Shared {
    limit: usize,
    transport: RefCell<Option<Transport>>,
    /// What came in and was not fetched by the reader yet.
    incoming: RefCell<Vec<u8>>,
    /// Bytes that the reader has fetched and not given out.
    held: Cell<usize>,
    reader: RefCell<Option<Waker>>,
    /// How many bytes the reader may receive by itself until the selector says again that there are
    /// some. They come after those in `incoming`.
    offered: Cell<u32>,
    /// The selector has said so once more since the reader was woken for it.
    overdue: Cell<bool>,
    reader_gone: Cell<bool>,
    /// There is no writer: the connection is closed with its reader.
    reader_owns: Cell<bool>,
    reading_paused: Cell<bool>,
    eof: Cell<bool>,
    writing_paused: Cell<bool>,
    /// Who waits for writing to go on, or for the end.
    writers: Waiters,
    lost: Cell<bool>,
    error: RefCell<Option<io::Error>>,
}

impl Shared {
    fn new(limit: usize) -> Shared {
        Shared {
            limit: limit.max(1),
            transport: RefCell::new(None),
            incoming: RefCell::default(),
            held: Cell::new(0),
            reader: RefCell::new(None),
            offered: Cell::new(0),
            overdue: Cell::new(false),
            reader_gone: Cell::new(false),
            reader_owns: Cell::new(false),
            reading_paused: Cell::new(false),
            eof: Cell::new(false),
            writing_paused: Cell::new(false),
            writers: Waiters::default(),
            lost: Cell::new(false),
            error: RefCell::new(None),
        }
    }

    /// Has `transport` carry the streams.
    fn attach(&self, transport: &Transport) {
        transport.carrier().offer_reads();
        self.transport.replace(Some(transport.clone()));
    }

    fn streams(self: &Rc<Shared>, transport: &Transport) -> (StreamReader, StreamWriter) {
        (
            StreamReader::new(self.clone()),
            StreamWriter::new(self.clone(), transport.clone()),
        )
    }

    /// Why the connection was lost; the same each time.
    fn error(&self) -> Option<io::Error> {
        let error = self.error.borrow();
        error.as_ref().map(|error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        })
    }

    fn received(&self, data: &[u8]) {
        self.offered.set(0);
        if self.reader_gone.get() {
            return;
        }
        let waiting = {
            let mut incoming = self.incoming.borrow_mut();
            incoming.extend_from_slice(data);
            self.held.get() + incoming.len()
        };
        if waiting > self.limit.saturating_mul(2) {
            self.pause_reading();
        }
        self.wake_reader();
    }

    fn transport(&self) -> Option<Transport> {
        self.transport.borrow().clone()
    }

    fn pause_reading(&self) {
        if let Some(transport) = self.transport()
            && !self.reading_paused.replace(true)
        {
            transport.pause_reading();
        }
    }

    #[inline]
    fn resume_reading(&self) {
        if self.reading_paused.get() {
            self.resume_paused();
        }
    }

    #[cold]
    fn resume_paused(&self) {
        if self.reading_paused.replace(false)
            && let Some(transport) = self.transport()
        {
            transport.resume_reading();
        }
    }

    fn wake_reader(&self) {
        let reader = self.reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn wait_to_write(&self, seat: &mut Seat, cx: &Context<'_>) -> Poll<()> {
        self.writers.join(seat, cx.waker());
        Poll::Pending
    }
}

/// The protocol below streams: what it is told of a connection, its [`StreamReader`] and
/// [`StreamWriter`] give out. asyncio's `StreamReaderProtocol`.
///
/// [`open_connection`] and [`start_server`] make one for each connection. It is made by hand where a
/// connection begins with another protocol and goes on as streams, as after an upgrade of HTTP:
///
/// ```
/// use bucle_net::{Protocol, StreamProtocol, Transport};
///
/// /// Goes on as streams, beginning with `rest`, which came in already.
/// fn upgrade(transport: &Transport, rest: &[u8]) {
///     let (mut protocol, mut reader, writer) = StreamProtocol::attach(transport, 64 * 1024);
///     protocol.data_received(rest);
///     transport.set_protocol(protocol);
///     let echo = async move {
///         while let Ok(line) = reader.readline().await
///             && !line.is_empty()
///         {
///             writer.write(&line);
///         }
///     };
///     bucle_loop::spawn(echo).detach();
/// }
/// ```
pub struct StreamProtocol {
    shared: Rc<Shared>,
    /// On the listening side: who gets the streams.
    on_connection: Option<OnConnection>,
}

impl StreamProtocol {
    fn new(shared: &Rc<Shared>) -> StreamProtocol {
        StreamProtocol {
            shared: shared.clone(),
            on_connection: None,
        }
    }

    /// The streams of a connection that stands already, with this
    /// [limit](ConnectOptions::limit), and the protocol that feeds them: it is given to
    /// [`Transport::set_protocol`], by itself or within another that passes on what it is told.
    ///
    /// What was told before is told to it by its callbacks: bytes by `data_received`, an end by
    /// `eof_received`, a queue over its mark by `pause_writing`.
    pub fn attach(
        transport: &Transport,
        limit: usize,
    ) -> (StreamProtocol, StreamReader, StreamWriter) {
        let shared = Rc::new(Shared::new(limit));
        shared.attach(transport);
        let (reader, writer) = shared.streams(transport);
        (StreamProtocol::new(&shared), reader, writer)
    }
}

impl fmt::Debug for StreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamProtocol")
            .field("limit", &self.shared.limit)
            .field("lost", &self.shared.lost.get())
            .finish_non_exhaustive()
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&mut self, transport: Transport) {
        self.shared.attach(&transport);
        if let Some(on_connection) = self.on_connection.take() {
            let (reader, writer) = self.shared.streams(&transport);
            on_connection(reader, writer);
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        self.shared.received(data);
    }

    fn eof_received(&mut self) -> bool {
        self.shared.eof.set(true);
        self.shared.wake_reader();
        true
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let shared = &self.shared;
        shared.lost.set(true);
        if error.is_none() {
            shared.eof.set(true);
        }
        shared.error.replace(error);
        shared.wake_reader();
        shared.writers.wake();
    }

    fn pause_writing(&mut self) {
        self.shared.writing_paused.set(true);
    }

    fn resume_writing(&mut self) {
        self.shared.writing_paused.set(false);
        self.shared.writers.wake();
    }

    fn readable(&mut self) -> bool {
        let shared = &self.shared;
        let reader = shared.reader.take();
        let Some(reader) = reader else {
            // One that was woken is most likely on its way. One that has gone would not come.
            return shared.offered.get() > 0 && !shared.overdue.replace(true);
        };
        shared.offered.set(OFFER);
        shared.overdue.set(false);
        reader.wake();
        true
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        if let Some(reader) = &*self.shared.reader.borrow() {
            tell(reader, Interest::READ);
        }
        let writers = &self.shared.writers;
        writers.each(|writer| tell(writer, Interest::WRITE));
    }
}
