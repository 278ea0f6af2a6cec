//! [`Serve`]: a server as a whole program: addresses, workers, signals, a clean end.
//!
//! One loop a thread. Each worker has listening sockets of its own on the same addresses
//! (`SO_REUSEPORT`), among which the kernel spreads the connections; a Unix socket is shared.

use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use bucle_loop::EventLoop;
use bucle_net::{Address, ToAddresses};
use bucle_sys::socket;

use crate::access_log::LogFormat;
use crate::handler::Handler;
use crate::http_server::HttpServer;
use crate::options::Options;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// A server to be: addresses, number of workers, options.
#[derive(Debug)]
pub struct Serve {
    listen: Vec<Listen>,
    workers: usize,
    options: Options,
    log: LogFormat,
}

#[derive(Debug)]
enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every answer that was under way was finished.
    Drained,
    /// The time for that was up, or a second signal came, and connections were cut.
    Forced {
        /// How many.
        connections: usize,
    },
}

impl Default for Serve {
    fn default() -> Serve {
        Serve::new()
    }
}

impl Serve {
    /// A server without an address, with one worker and no access log.
    pub fn new() -> Serve {
        Serve {
            listen: Vec::new(),
            workers: 1,
            options: Options::default(),
            log: LogFormat::Off,
        }
    }

    /// Listens at `ADDRESS:PORT` (numeric, or `localhost`; port 0 takes any free one) or
    /// `unix:PATH` too.
    ///
    /// # Errors
    /// `InvalidInput` for what is no address.
    pub fn listen(mut self, address: &str) -> io::Result<Serve> {
        match address.strip_prefix("unix:") {
            Some("") => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "`unix:` must be followed by a path",
                ));
            }
            Some(path) => self.listen.push(Listen::Unix(path.into())),
            None => {
                let addresses = address.to_addresses()?;
                self.listen.extend(addresses.into_iter().map(Listen::Tcp));
            }
        }
        Ok(self)
    }

    /// Serves with this many threads, at least one.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Serve {
        self.workers = workers.max(1);
        self
    }

    /// Changes the options.
    #[must_use]
    pub fn options(mut self, options: Options) -> Serve {
        self.options = options;
        self
    }

    /// Logs every request to standard output.
    #[must_use]
    pub fn access_log(mut self, format: LogFormat) -> Serve {
        self.log = format;
        self
    }

    /// Takes the addresses. From now on the system queues connections; they are answered by
    /// [`run`](Bound::run).
    ///
    /// An address that somebody else listens at is an error, also when that somebody would share
    /// it. A Unix socket left behind by a server that is gone is replaced.
    ///
    /// # Errors
    /// The system's, with the address in question; `InvalidInput` when there is none.
    pub fn bind(self) -> io::Result<Bound> {
        if self.listen.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no address to listen at was given",
            ));
        }
        bucle_sys::limits::raise_open_files().ok();
        let mut bound = Bound {
            addresses: Vec::new(),
            sockets: (0..self.workers).map(|_| Vec::new()).collect(),
            unix: Vec::new(),
            options: self.options,
            log: self.log,
        };
        for listen in self.listen {
            match listen {
                Listen::Tcp(address) => bound.bind_tcp(&address),
                Listen::Unix(path) => bound.bind_unix(path),
            }?;
        }
        Ok(bound)
    }
}

/// A server that has its addresses.
#[derive(Debug)]
pub struct Bound {
    addresses: Vec<Address>,
    /// The listening sockets of each worker.
    sockets: Vec<Vec<OwnedFd>>,
    unix: Vec<UnixPath>,
    options: Options,
    log: LogFormat,
}

impl Bound {
    fn bind_tcp(&mut self, address: &SocketAddr) -> io::Result<()> {
        let explain = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "another program listens there; stop it, or choose another port (port 0 takes \
                     any free one)"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need a privilege; choose a higher one"
                }
                io::ErrorKind::AddrNotAvailable => "this machine has no such address",
                _ => "the system refused",
            };
            io::Error::new(
                error.kind(),
                format!("can't listen at {address}: {error}: {hint}"),
            )
        };
        // Alone first: sockets that share an address would silently share it with another server.
        let alone = socket::bind_tcp(address, false).map_err(explain)?;
        socket::listen(&alone, socket::BACKLOG).map_err(explain)?;
        let taken = socket::local_address(&alone)?;
        let taken = SocketAddr::try_from(taken).unwrap_or(*address);
        self.addresses.push(Address::Tcp(taken));
        if let [only] = &mut self.sockets[..] {
            only.push(alone);
            return Ok(());
        }
        drop(alone);
        for sockets in &mut self.sockets {
            let socket = socket::bind_tcp(&taken, true).map_err(explain)?;
            socket::listen(&socket, socket::BACKLOG).map_err(explain)?;
            sockets.push(socket);
        }
        Ok(())
    }

    fn bind_unix(&mut self, path: PathBuf) -> io::Result<()> {
        let explain = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("can't listen at unix:{}: {error}", path.display()),
            )
        };
        let socket = match socket::bind_unix(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(&path).map_err(explain)?;
                socket::bind_unix(&path).map_err(explain)?
            }
            result => result.map_err(explain)?,
        };
        self.unix.push(UnixPath::new(path.clone()));
        socket::listen(&socket, socket::BACKLOG).map_err(explain)?;
        for sockets in &mut self.sockets {
            sockets.push(socket.as_fd().try_clone_to_owned()?);
        }
        self.addresses.push(Address::Unix(Some(path)));
        Ok(())
    }

    /// Where the server listens; port 0 has become the port taken.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Serves until SIGINT or SIGTERM: then it takes no more connections, finishes the answers
    /// that are under way, within [`Options::drain_timeout`], and returns. A second signal cuts
    /// short.
    ///
    /// `make_handler` is called once on each worker's thread.
    ///
    /// # Errors
    /// The system's, when a loop can't be made or a thread can't be started; a worker that
    /// panicked.
    pub fn run<H, F>(self, make_handler: F) -> io::Result<Outcome>
    where
        H: Handler,
        F: Fn() -> H + Send + Sync + 'static,
    {
        let Bound {
            addresses: _,
            mut sockets,
            unix: _unix,
            options,
            log,
        } = self;
        let log = log.open();
        let make_handler = Arc::new(make_handler);
        let stop = Arc::new(Stop::default());
        let first = sockets.remove(0);
        let mut threads = Vec::new();
        let mut outcome = Outcome::Drained;
        let mut failure = None;
        for (number, sockets) in sockets.into_iter().enumerate() {
            let (make_handler, stop, options) =
                (make_handler.clone(), stop.clone(), options.clone());
            let log = log.clone();
            let (started, wait) = mpsc::channel();
            let thread = thread::Builder::new()
                .name(format!("bucle-worker-{}", number + 1))
                .spawn(move || {
                    let event_loop = EventLoop::new()?;
                    let _ = started.send(());
                    drop(started);
                    worker(&event_loop, sockets, make_handler(), options, log, &stop)
                });
            match thread {
                Ok(thread) => {
                    // The sender is dropped where the loop could not be made.
                    let started = wait.recv().is_ok();
                    threads.push(thread);
                    if !started {
                        stop.raise(1);
                    }
                }
                Err(error) => {
                    failure = Some(error);
                    stop.raise(1);
                    break;
                }
            }
        }
        let here = EventLoop::new().and_then(|event_loop| {
            for signal in [SIGINT, SIGTERM] {
                let stop = stop.clone();
                event_loop.add_signal_handler(signal, move || stop.raise_more())?;
            }
            let handler = make_handler();
            worker(&event_loop, first, handler, options, log.clone(), &stop)
        });
        stop.raise(1);
        let there = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a worker thread panicked")))
        });
        for result in std::iter::once(here).chain(there) {
            match result {
                Ok(ended) => outcome = outcome.and(ended),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(outcome),
        }
    }
}

impl Outcome {
    fn and(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::Drained, other) => other,
            (this, Outcome::Drained) => this,
            (Outcome::Forced { connections: a }, Outcome::Forced { connections: b }) => {
                Outcome::Forced { connections: a + b }
            }
        }
    }
}

/// One worker, from its start to its end.
fn worker<H: Handler>(
    event_loop: &EventLoop,
    sockets: Vec<OwnedFd>,
    handler: H,
    options: Options,
    log: crate::access_log::AccessLog,
    stop: &Arc<Stop>,
) -> io::Result<Outcome> {
    let stop = stop.clone();
    let drain_timeout = options.drain_timeout;
    event_loop
        .run_until_complete(async move {
            let server = HttpServer::start(sockets, handler, options, log)?;
            stop.reached(1).await;
            Ok(server.drain(drain_timeout, stop.reached(2)).await)
        })
        .map_err(|error| io::Error::other(error.to_string()))?
}

/// How urgently the server is to stop: 0 not at all, 1 cleanly, 2 at once.
#[derive(Default)]
struct Stop {
    level: AtomicU8,
    wakers: Mutex<Vec<Waker>>,
}

impl Stop {
    fn raise(&self, level: u8) {
        self.level.fetch_max(level, Ordering::SeqCst);
        self.wake();
    }

    fn raise_more(&self) {
        let level = self.level.load(Ordering::SeqCst);
        self.raise((level + 1).min(2));
    }

    fn wake(&self) {
        let wakers = {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *wakers)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    async fn reached(&self, level: u8) {
        poll_fn(|cx| {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if self.level.load(Ordering::SeqCst) >= level {
                return Poll::Ready(());
            }
            if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Waits for whichever of the two comes first.
pub(crate) async fn either(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        if a.as_mut().poll(cx).is_ready() || b.as_mut().poll(cx).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A Unix socket's path, removed at the end if it is still ours.
#[derive(Debug)]
struct UnixPath {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl UnixPath {
    fn new(path: PathBuf) -> UnixPath {
        let identity = fs::symlink_metadata(&path)
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        UnixPath { path, identity }
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path).ok();
        let now = now.map(|metadata| (metadata.dev(), metadata.ino()));
        if now.is_some() && now == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket nobody listens at; anything else stays, and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "the path exists and is no socket; remove it, or choose another",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another program listens there; stop it, or choose another path",
        )),
    }
}
