//! [`create_connection`] and [`ConnectOptions`]: the connecting side.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bucle_loop::{Interest, LoopRef, Readiness, Source, get_running_loop, sleep};

use crate::happy_eyeballs::{HAPPY_EYEBALLS_DELAY, race};
use crate::layer::ConnectLayer;
use crate::protocol::Protocol;
use crate::resolve::resolve;
use crate::socket::Socket;
use crate::{Address, DEFAULT_LIMIT, Target, ToAddresses, Transport};

/// The longest pause between two tries to reach a Unix listener whose queue is full.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What a connection can be told. asyncio's keyword arguments of `create_connection` and
/// `open_connection`.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConnectOptions {
    pub(crate) limit: usize,
    pub(crate) layer: Option<Arc<dyn ConnectLayer>>,
    pub(crate) server_hostname: Option<String>,
    happy_eyeballs_delay: Duration,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            limit: DEFAULT_LIMIT,
            layer: None,
            server_hostname: None,
            happy_eyeballs_delay: HAPPY_EYEBALLS_DELAY,
        }
    }
}

impl ConnectOptions {
    /// The limit of a stream's buffer, in bytes, [`DEFAULT_LIMIT`] unless set: the longest line or
    /// chunk that [`readline`](crate::StreamReader::readline) and
    /// [`readuntil`](crate::StreamReader::readuntil) give, and half of what is buffered before
    /// reading is paused.
    pub fn limit(mut self, limit: usize) -> ConnectOptions {
        self.limit = limit;
        self
    }

    /// The name that the server's certificate has to bear, where it is not the one in the address.
    /// Without TLS it means nothing.
    pub fn server_hostname(mut self, name: impl Into<String>) -> ConnectOptions {
        self.server_hostname = Some(name.into());
        self
    }

    /// How long one address has before the next one is tried beside it,
    /// [`HAPPY_EYEBALLS_DELAY`](crate::HAPPY_EYEBALLS_DELAY) unless set. With [`Duration::MAX`] they
    /// are tried strictly one after the other.
    pub fn happy_eyeballs_delay(mut self, delay: Duration) -> ConnectOptions {
        self.happy_eyeballs_delay = delay;
        self
    }
}

/// Connects to `address`, makes a protocol by `factory` once the connection stands, and returns
/// its transport. asyncio's `create_connection` and `create_unix_connection`; the protocol belongs
/// to the transport.
///
/// Names are looked up by the system. Several addresses are tried in their order until one answers:
/// the next one as soon as one has failed, or beside the others when one takes longer than 250 ms
/// ("happy eyeballs", RFC 8305). Dropping the future gives all attempts up. There is no time limit
/// but the system's: see [`timeout`](bucle_loop::timeout).
///
/// # Errors
/// `InvalidInput` for what is no address; why a name could not be looked up; why the connection
/// failed, for each address that was tried, and of the kind of the first.
///
/// # Panics
/// If no loop is running in this thread.
#[doc(alias = "create_unix_connection")]
pub async fn create_connection<P, F>(address: impl ToAddresses, factory: F) -> io::Result<Transport>
where
    P: Protocol,
    F: FnOnce() -> P,
{
    let event_loop = get_running_loop();
    let (socket, _) = connect_to(&event_loop, &address, HAPPY_EYEBALLS_DELAY).await?;
    Ok(Transport::start(&event_loop, socket, factory()))
}

/// [`create_connection`] with options. With TLS, it returns once the handshake is done.
///
/// # Errors
/// As [`create_connection`]; with TLS, why the handshake failed, and `InvalidInput` if there is no
/// name to check the server's certificate by.
///
/// # Panics
/// If no loop is running in this thread.
pub async fn create_connection_with<P, F>(
    address: impl ToAddresses,
    options: ConnectOptions,
    factory: F,
) -> io::Result<Transport>
where
    P: Protocol,
    F: FnOnce() -> P,
{
    let event_loop = get_running_loop();
    let delay = options.happy_eyeballs_delay;
    let (socket, host) = connect_to(&event_loop, &address, delay).await?;
    let Some(layer) = options.layer else {
        return Ok(Transport::start(&event_loop, socket, factory()));
    };
    let host = options.server_hostname.or(host);
    let (layered, ready) = layer.connect(&event_loop, host.as_deref(), Box::new(factory()))?;
    Transport::start(&event_loop, socket, layered.protocol);
    ready.await?;
    Ok(Transport::new(layered.face))
}

/// A connected socket, and the name of the host.
async fn connect_to(
    event_loop: &LoopRef,
    address: &impl ToAddresses,
    delay: Duration,
) -> io::Result<(Socket, Option<String>)> {
    let targets = address.to_targets()?;
    let addresses = resolve(event_loop, &targets).await?;
    let socket = race(&addresses, delay, |address| {
        connect_one(event_loop.clone(), address.clone())
    })
    .await?;
    Ok((socket, targets.first().and_then(Target::host)))
}

async fn connect_one(event_loop: LoopRef, address: Address) -> io::Result<Socket> {
    let mut pause = Duration::from_millis(1);
    let socket = loop {
        match Socket::connect(&event_loop, &address) {
            // A Unix listener with a full queue: the system offers no way to wait for room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => break result?,
        }
    };
    let attempt = Attempt::new(&event_loop, socket)?;
    poll_fn(|cx| attempt.poll(cx)).await;
    attempt.finish()
}

/// A connection that is not known to stand yet.
struct Attempt {
    event_loop: LoopRef,
    socket: Option<Socket>,
    waiting: Rc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    writable: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Source for Waiting {
    fn ready(&self, _: Readiness) {
        self.writable.set(true);
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn describe(&self) -> Option<String> {
        Some("a connection that is being made".into())
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        if let Some(waker) = &*self.waker.borrow() {
            tell(waker, Interest::WRITE);
        }
    }
}

impl Attempt {
    fn new(event_loop: &LoopRef, socket: Socket) -> io::Result<Attempt> {
        let waiting = Rc::new(Waiting::default());
        socket.register(event_loop, Interest::WRITE, waiting.clone())?;
        Ok(Attempt {
            event_loop: event_loop.clone(),
            socket: Some(socket),
            waiting,
        })
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.waiting.writable.get() {
            return Poll::Ready(());
        }
        let before = self.waiting.waker.replace(Some(cx.waker().clone()));
        drop(before);
        Poll::Pending
    }

    fn finish(mut self) -> io::Result<Socket> {
        match self.socket.take() {
            Some(socket) => {
                socket.deregister(&self.event_loop);
                socket.take_error()?;
                Ok(socket)
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            socket.deregister(&self.event_loop);
        }
    }
}
