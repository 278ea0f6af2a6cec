//! What the tests share: a watchdog, a protocol that records, raw peers.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bucle_net::{Protocol, Server, ServerOptions, Transport, create_server};

/// Far more than any test takes, also on a busy machine.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// Runs `body` in a thread of its own; a test that hangs fails instead.
pub(crate) fn within<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = done.send(body());
    });
    match wait.recv_timeout(WATCHDOG) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {WATCHDOG:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(payload) => std::panic::resume_unwind(payload),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// Runs a future on a loop of its own, under the watchdog.
pub(crate) fn run<F>(body: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    within(move || bucle_loop::run(async move { body().await }).unwrap());
}

/// What a protocol was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Made,
    Data(Vec<u8>),
    Eof,
    Lost(Option<io::ErrorKind>),
    Pause,
    Resume,
}

/// What a recording protocol saw, and how it is to react.
#[derive(Clone)]
pub(crate) struct Record(Rc<RefCell<Inner>>);

type OnMade = Rc<dyn Fn(&Transport)>;
type OnData = Rc<dyn Fn(&Transport, &[u8])>;

struct Inner {
    told: Vec<Told>,
    bytes: usize,
    transport: Option<Transport>,
    error: Option<io::Error>,
    keep_open: bool,
    on_made: Option<OnMade>,
    on_data: Option<OnData>,
    wakers: Vec<Waker>,
}

impl Record {
    pub(crate) fn new() -> Record {
        Record(Rc::new(RefCell::new(Inner {
            told: Vec::new(),
            bytes: 0,
            transport: None,
            error: None,
            keep_open: false,
            on_made: None,
            on_data: None,
            wakers: Vec::new(),
        })))
    }

    pub(crate) fn keep_open(self) -> Record {
        self.0.borrow_mut().keep_open = true;
        self
    }

    pub(crate) fn on_made(self, reaction: impl Fn(&Transport) + 'static) -> Record {
        self.0.borrow_mut().on_made = Some(Rc::new(reaction));
        self
    }

    pub(crate) fn on_data(self, reaction: impl Fn(&Transport, &[u8]) + 'static) -> Record {
        self.0.borrow_mut().on_data = Some(Rc::new(reaction));
        self
    }

    pub(crate) fn protocol(&self) -> Recorder {
        Recorder(self.clone(), None)
    }

    fn tell(&self, told: Told) {
        let mut inner = self.0.borrow_mut();
        match (inner.told.last_mut(), told) {
            (Some(Told::Data(before)), Told::Data(more)) => before.extend(more),
            (_, told) => inner.told.push(told),
        }
        for waker in inner.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Everything told so far; adjacent data joined.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.borrow_mut().told)
    }

    pub(crate) fn saw(&self, what: &Told) -> bool {
        self.0.borrow().told.contains(what)
    }

    pub(crate) fn is_lost(&self) -> bool {
        let inner = self.0.borrow();
        inner.told.iter().any(|told| matches!(told, Told::Lost(_)))
    }

    /// Bytes received.
    pub(crate) fn bytes(&self) -> usize {
        self.0.borrow().bytes
    }

    pub(crate) fn reset_bytes(&self) {
        self.0.borrow_mut().bytes = 0;
    }

    /// Begins anew, for another connection.
    pub(crate) fn forget(&self) {
        let mut inner = self.0.borrow_mut();
        inner.told.clear();
        inner.transport = None;
    }

    pub(crate) fn error(&self) -> Option<io::Error> {
        self.0.borrow_mut().error.take()
    }

    pub(crate) fn transport(&self) -> Transport {
        self.0.borrow().transport.clone().expect("connected")
    }

    /// Waits until `condition` holds, looked at whenever the protocol is told something.
    pub(crate) async fn until(&self, condition: impl Fn(&Record) -> bool) {
        poll_fn(|cx| {
            if condition(self) {
                return Poll::Ready(());
            }
            self.0.borrow_mut().wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(crate) async fn made(&self) -> Transport {
        self.until(|record| record.0.borrow().transport.is_some())
            .await;
        self.transport()
    }

    pub(crate) async fn lost(&self) {
        self.until(Record::is_lost).await;
    }
}

/// The protocol of a [`Record`].
pub(crate) struct Recorder(Record, Option<Transport>);

impl Protocol for Recorder {
    fn connection_made(&mut self, transport: Transport) {
        self.0.0.borrow_mut().transport = Some(transport.clone());
        self.1 = Some(transport.clone());
        self.0.tell(Told::Made);
        let reaction = self.0.0.borrow().on_made.clone();
        if let Some(reaction) = reaction {
            reaction(&transport);
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        assert!(!data.is_empty());
        self.0.0.borrow_mut().bytes += data.len();
        let reaction = self.0.0.borrow().on_data.clone();
        self.0.tell(Told::Data(data.to_vec()));
        if let (Some(reaction), Some(transport)) = (reaction, &self.1) {
            reaction(transport, data);
        }
    }

    fn eof_received(&mut self) -> bool {
        self.0.tell(Told::Eof);
        self.0.0.borrow().keep_open
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let kind = error.as_ref().map(io::Error::kind);
        self.0.0.borrow_mut().error = error;
        self.0.tell(Told::Lost(kind));
    }

    fn pause_writing(&mut self) {
        self.0.tell(Told::Pause);
    }

    fn resume_writing(&mut self) {
        self.0.tell(Told::Resume);
    }
}

/// A server on loopback whose connections all tell the same record.
pub(crate) fn serve(record: &Record) -> (Server, SocketAddr) {
    let record = record.clone();
    let server = create_server("127.0.0.1:0", ServerOptions::default(), move || {
        record.protocol()
    })
    .unwrap();
    let address = server.sockets()[0].as_tcp().unwrap();
    (server, address)
}

/// One connection of `record` with a raw blocking peer.
pub(crate) async fn pair(record: &Record) -> (Transport, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let transport = bucle_net::create_connection(address, || record.protocol())
        .await
        .unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(WATCHDOG)).unwrap();
    peer.set_write_timeout(Some(WATCHDOG)).unwrap();
    (transport, peer)
}

/// Reads a raw peer to its end, in a thread.
pub(crate) fn drain(mut peer: TcpStream) -> std::thread::JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all)?;
        Ok(all)
    })
}

/// Writes to a raw peer in a thread, then ends its side.
pub(crate) fn feed(
    mut peer: TcpStream,
    bytes: Vec<u8>,
) -> std::thread::JoinHandle<io::Result<TcpStream>> {
    std::thread::spawn(move || {
        peer.write_all(&bytes)?;
        peer.shutdown(std::net::Shutdown::Write)?;
        Ok(peer)
    })
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8)) as u8).collect()
}
