//! [`Builder`]: a server as a whole program: addresses, workers, signals, a clean end.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use bucle_loop::signal::{SIGHUP, SIGINT, SIGTERM};
use bucle_loop::{EventLoop, get_running_loop};
use bucle_net::tls::ServerContext;
use bucle_net::{Address, ToAddresses};

use crate::access_log::{AccessLog, LogFormat, LogWriter};
use crate::admin::Admin;
use crate::admission::Census;
use crate::handler::Handler;
use crate::heap::Heap;
use crate::http_server::{Counting, Server, options_of_servers};
use crate::listen::Listening;
use crate::metrics::{Metrics, Serving};
use crate::options::Options;
use crate::stop::{Level, Stop};
use crate::tls::{Certificate, Tls};
use crate::worker::Shared;

/// How long the end waits for the last lines of the log to be taken.
pub(crate) const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// A server to be: addresses, number of workers, options. [`Server::builder`] makes one.
///
/// It ends in one of two: [`serve`](Builder::serve) is a server on the running loop; [`run`](Builder::run),
/// or [`bind`](Builder::bind) and [`Bound::run`], is a whole program, with signals and several threads.
///
/// One loop a thread. Each worker has listening sockets of its own on the same addresses
/// (`SO_REUSEPORT`), among which the system spreads the connections; a Unix socket is shared.
///
/// ```no_run
/// use bucle_server::{Server, Site};
///
/// let site = Site::open("public")?;
/// let server = Server::builder().listen("127.0.0.1:8080")?.workers(2).bind()?;
/// println!("listening at {}", server.addresses()[0]);
/// server.run(move || site.handler())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    listen: Vec<Address>,
    /// One for each address.
    plain: Vec<bool>,
    tls: Option<Tls>,
    workers: usize,
    options: Options,
    log: LogFormat,
    metrics: Option<Metrics>,
    admin: Vec<Address>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every answer that was under way was finished.
    Drained,
    /// The time for that was up, and connections were cut.
    Forced {
        /// How many that had an answer to come, or the rest of one.
        connections: usize,
    },
    /// It was cut short by a second signal, or what else was given to
    /// [`drain`](Server::drain), and connections were cut.
    Interrupted {
        /// How many that had an answer to come, or the rest of one.
        connections: usize,
    },
}

impl Outcome {
    fn and(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::Drained, other) => other,
            (this, Outcome::Drained) => this,
            (Outcome::Forced { connections: a }, Outcome::Forced { connections: b }) => {
                Outcome::Forced { connections: a + b }
            }
            (
                Outcome::Forced { connections: a } | Outcome::Interrupted { connections: a },
                Outcome::Forced { connections: b } | Outcome::Interrupted { connections: b },
            ) => Outcome::Interrupted { connections: a + b },
        }
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// A server without an address, with one worker and no access log.
    pub fn new() -> Builder {
        Builder {
            listen: Vec::new(),
            plain: Vec::new(),
            tls: None,
            workers: 1,
            options: Options::default(),
            log: LogFormat::Off,
            metrics: None,
            admin: Vec::new(),
        }
    }

    /// Listens at one more address: `127.0.0.1:8080`, `localhost:8080`, `unix:/run/x.sock`; port 0
    /// takes any free one. With [`tls`](Builder::tls), all but Unix sockets speak HTTPS.
    ///
    /// # Errors
    /// `InvalidInput` for what is no address.
    pub fn listen(self, address: impl ToAddresses) -> io::Result<Builder> {
        self.listen_at(address, false)
    }

    /// Listens at one more address, and speaks plain HTTP there, also with [`tls`](Builder::tls).
    ///
    /// # Errors
    /// `InvalidInput` for what is no address.
    pub fn listen_plain(self, address: impl ToAddresses) -> io::Result<Builder> {
        self.listen_at(address, true)
    }

    fn listen_at(mut self, address: impl ToAddresses, plain: bool) -> io::Result<Builder> {
        for address in address.to_addresses()? {
            self.plain.push(plain || address.as_tcp().is_none());
            self.listen.push(address);
        }
        Ok(self)
    }

    /// Speaks HTTPS: TLS 1.2 and 1.3.
    ///
    /// ```no_run
    /// use bucle_server::{Server, Site, Tls};
    ///
    /// let site = Site::open("public")?;
    /// Server::builder()
    ///     .listen("0.0.0.0:443")?
    ///     .tls(Tls::from_files("cert.pem", "key.pem"))
    ///     .run(move || site.handler())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Builder {
        self.tls = Some(tls);
        self
    }

    /// Serves with so many threads, at least one.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Builder {
        self.workers = workers.max(1);
        self
    }

    /// Changes the options.
    #[must_use]
    pub fn options(mut self, options: Options) -> Builder {
        self.options = options;
        self
    }

    /// Logs every request to standard output.
    #[must_use]
    pub fn access_log(mut self, format: LogFormat) -> Builder {
        self.log = format;
        self
    }

    /// Counts into `metrics`, which others may count into as well, and times the turns of the loops.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Builder {
        self.metrics = Some(metrics);
        self
    }

    /// Answers administrators at one more address, in plain HTTP: `/metrics` with all that is
    /// [counted](Metrics), for Prometheus; `/healthz` with 200 while it serves, and 503 from when it
    /// stops until it has, so that a load balancer sends no more. Whoever can reach the address can
    /// read that, and nobody is asked who he is: let it be one of loopback, or a Unix socket.
    ///
    /// A [program](Builder::run) answers there by a thread of its own, a [server](Builder::serve) by
    /// its loop. None of it is counted or logged.
    ///
    /// ```no_run
    /// use bucle_server::{Server, Site};
    ///
    /// let site = Site::open("public")?;
    /// Server::builder()
    ///     .listen("0.0.0.0:8080")?
    ///     .admin("127.0.0.1:9090")?
    ///     .run(move || site.handler())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for what is no address.
    pub fn admin(mut self, address: impl ToAddresses) -> io::Result<Builder> {
        self.admin.extend(address.to_addresses()?);
        Ok(self)
    }

    /// Where it counts, and whether turns are timed.
    fn counting(&self) -> Counting {
        Counting {
            turns: self.metrics.is_some() || !self.admin.is_empty(),
            metrics: self.metrics.clone().unwrap_or_default(),
        }
    }

    /// Listens, and answers by `handler` on the running loop. Signals are the caller's.
    ///
    /// ```
    /// use bucle_server::{Request, Response, Server};
    ///
    /// bucle_loop::run(async {
    ///     let hello = |_: Request| Response::text("hello\n");
    ///     let server = Server::builder().listen("127.0.0.1:0")?.serve(hello)?;
    ///     println!("listening at {}", server.addresses()[0]);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system's; `InvalidInput` when there is no address, for a certificate that can't be used,
    /// and for more than one worker: one loop is one thread, and [`run`](Builder::run) starts
    /// several.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn serve<H: Handler>(self, handler: H) -> io::Result<Server> {
        self.check()?;
        if self.workers > 1 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the running loop is one thread; `run` starts several workers",
            ));
        }
        let counting = self.counting();
        let log = match self.log {
            LogFormat::Off => None,
            format => {
                let writer = LogWriter::start(io::stdout())?;
                counting.metrics.watch_log(writer.clone());
                Some((AccessLog::new(format, writer.clone()), writer))
            }
        };
        let certificate = self.certificate(&counting.metrics)?;
        let (mut plain, mut secure) = (Vec::new(), Vec::new());
        for (address, is_plain) in self.listen.into_iter().zip(self.plain) {
            match is_plain || certificate.is_none() {
                true => plain.push(address),
                false => secure.push(address),
            }
        }
        let mut addresses = vec![(plain, options_of_servers())];
        if let Some(certificate) = &certificate {
            let options = options_of_servers().tls(certificate.context.clone());
            addresses.push((secure, options));
        }
        let mut server = Server::listening(addresses, handler, self.options, log, counting)?;
        if !self.admin.is_empty() {
            server.show_at(self.admin)?;
        }
        if let Some(certificate) = certificate {
            server.watch(certificate);
        }
        Ok(server)
    }

    /// [`bind`](Builder::bind) and [`Bound::run`] in one.
    ///
    /// # Errors
    /// Those of both.
    ///
    /// # Panics
    /// If a loop is running in this thread.
    pub fn run<H, F>(self, make_handler: F) -> io::Result<Outcome>
    where
        H: Handler,
        F: Fn() -> H + Send + Sync + 'static,
    {
        self.bind()?.run(make_handler)
    }

    fn certificate(&self, metrics: &Metrics) -> io::Result<Option<Arc<Certificate>>> {
        match &self.tls {
            Some(tls) => Ok(Some(Arc::new(tls.clone().open(&self.options, metrics)?))),
            None => Ok(None),
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.options.proxy_protocol && self.options.trusted_proxies.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the PROXY protocol is spoken with trusted proxies, and none was named",
            ));
        }
        match self.listen.is_empty() {
            false => Ok(()),
            true => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no address to listen at was given; 127.0.0.1:8080 is one",
            )),
        }
    }

    /// Takes the addresses. From now on the system queues connections; they are answered by
    /// [`run`](Bound::run).
    ///
    /// An address that somebody else listens at is an error, also when that somebody would share
    /// it. A Unix socket left behind by a server that is gone is replaced.
    ///
    /// # Errors
    /// The system's, with the address or file in question and what can be done; `InvalidInput` when
    /// there is no address, and for a certificate that can't be used.
    pub fn bind(self) -> io::Result<Bound> {
        self.check()?;
        let counting = self.counting();
        let certificate = self.certificate(&counting.metrics)?;
        let plain = self.plain.iter();
        let secure = plain.map(|plain| !plain && certificate.is_some());
        let listening = Listening::at(&self.listen, self.workers, &[])?;
        Ok(Bound {
            secure: secure.collect(),
            admin: match self.admin.is_empty() {
                true => None,
                false => Some(Listening::at(&self.admin, 1, &listening.addresses)?),
            },
            listening,
            counting,
            certificate,
            options: self.options,
            log: self.log,
            ready: None,
            waiting: None,
        })
    }
}

/// A server that has its addresses and does not answer yet. Dropping it gives them back.
pub struct Bound {
    listening: Listening,
    /// Whether an address speaks TLS, one for each.
    secure: Vec<bool>,
    /// Where administrators are answered.
    admin: Option<Listening>,
    counting: Counting,
    certificate: Option<Arc<Certificate>>,
    options: Options,
    log: LogFormat,
    ready: Option<Ready>,
    waiting: Option<Waiting>,
}

type Ready = Box<dyn FnOnce(&[Address])>;

type Waiting = Box<dyn FnOnce(usize, Duration) + Send>;

impl Bound {
    /// Where the server listens; port 0 has become the port taken.
    pub fn addresses(&self) -> &[Address] {
        &self.listening.addresses
    }

    /// Where the server listens, as its clients say it: `http://127.0.0.1:8080`,
    /// `https://[::1]:8443`, `unix:/run/x.sock`.
    pub fn urls(&self) -> Vec<String> {
        let addresses = self.addresses().iter().zip(&self.secure);
        addresses
            .map(|(address, secure)| match (address, secure) {
                (Address::Unix(_), _) => address.to_string(),
                (address, true) => format!("https://{address}"),
                (address, false) => format!("http://{address}"),
            })
            .collect()
    }

    /// Where [administrators](Builder::admin) are answered.
    pub fn admin_addresses(&self) -> &[Address] {
        match &self.admin {
            Some(admin) => &admin.addresses,
            None => &[],
        }
    }

    /// What the server will count, all workers together.
    pub fn metrics(&self) -> Metrics {
        self.counting.metrics.clone()
    }

    /// Has `ready` called with the addresses once all workers serve and signals are heeded: the
    /// moment to tell others.
    #[must_use]
    pub fn when_ready(mut self, ready: impl FnOnce(&[Address]) + 'static) -> Bound {
        self.ready = Some(Box::new(ready));
        self
    }

    /// Has `waiting` called when a stop waits for answers that are under way, once that takes so long
    /// that whoever asked for the stop may wonder: with how many connections have one, and with the
    /// time they are given, [`Options::drain_timeout`]. It is called by one of the workers.
    #[must_use]
    pub fn when_waiting(mut self, waiting: impl FnOnce(usize, Duration) + Send + 'static) -> Bound {
        self.waiting = Some(Box::new(waiting));
        self
    }

    /// Serves until SIGINT or SIGTERM: then it takes no more connections, finishes the answers
    /// that are under way, within [`Options::drain_timeout`], and returns. A second signal cuts
    /// short. SIGHUP has the certificate's files read again, and does nothing without any.
    ///
    /// `make_handler` is called once on each worker's loop; the calling thread has one of them.
    ///
    /// Memory that glibc's allocator keeps when many connections have gone is given back to the system.
    ///
    /// # Errors
    /// The system's, when a loop can't be made or a thread can't be started; a worker that
    /// panicked.
    ///
    /// # Panics
    /// If a loop is running in this thread.
    pub fn run<H, F>(self, make_handler: F) -> io::Result<Outcome>
    where
        H: Handler,
        F: Fn() -> H + Send + Sync + 'static,
    {
        let Listening {
            addresses,
            mut sockets,
            paths,
        } = self.listening;
        let ready = self.ready;
        let certificate = self.certificate;
        // Not worth failing for: running out is survived.
        let _ = bucle_sys::limits::raise_open_files();
        let writer = match self.log {
            LogFormat::Off => None,
            _ => Some(LogWriter::start(io::stdout())?),
        };
        let Counting { metrics, turns } = self.counting;
        if let Some(writer) = &writer {
            metrics.watch_log(writer.clone());
        }
        // It ends after the workers.
        let _admin = match self.admin {
            Some(admin) => Some(Admin::start(admin, metrics.clone())?),
            None => None,
        };
        let stop = Arc::new(Stop::default());
        let shared = Shared {
            census: Census::new(&self.options),
            heap: Heap::new().map(Arc::new),
        };
        let job = Arc::new(Job {
            make_handler,
            options: self.options,
            log: writer.clone().map(|writer| (self.log, writer)),
            secure: self.secure,
            tls: (certificate.as_ref()).map(|certificate| certificate.context.clone()),
            stop: stop.clone(),
            shared,
            starting: Mutex::new(Some(metrics.serving())),
            waiting: Mutex::new(self.waiting),
            metrics,
            turns,
        });
        let first = sockets.remove(0);
        let (threads, mut failure) = start_threads(&job, sockets);
        let here = EventLoop::new().and_then(|event_loop| {
            for signal in [SIGINT, SIGTERM] {
                let stop = stop.clone();
                event_loop.add_signal_handler(signal, move || stop.raise_more())?;
            }
            if let Some(certificate) = &certificate {
                event_loop
                    .spawn_named("certificate", certificate.clone().watch())
                    .detach();
            }
            // Without a certificate there is nothing to read again, and no reason to die of it.
            event_loop.add_signal_handler(SIGHUP, move || {
                if let Some(certificate) = &certificate {
                    let renewal = certificate.clone().renew(false);
                    get_running_loop()
                        .spawn_named("certificate", renewal)
                        .detach();
                }
            })?;
            // What the program needed to begin: it may have read a long command line.
            bucle_sys::memory::give_back();
            if let Some(ready) = ready
                && failure.is_none()
            {
                event_loop.call_soon(move || ready(&addresses));
            }
            job.work(&event_loop, first)
        });
        // Where this thread could not begin, the others end too.
        stop.raise(Level::Drain);
        let there = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a worker thread panicked")))
        });
        let mut outcome = Outcome::Drained;
        for result in std::iter::once(here).chain(there) {
            match result {
                Ok(ended) => outcome = outcome.and(ended),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(writer) = writer {
            writer.finish(LOG_PATIENCE);
        }
        drop(paths);
        match failure {
            Some(error) => Err(error),
            None => Ok(outcome),
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("addresses", &self.addresses())
            .field("workers", &self.listening.sockets.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

type Threads = Vec<thread::JoinHandle<io::Result<Outcome>>>;

/// Starts a thread for each list of sockets, and waits until each has its loop. When one fails, all
/// are told to stop.
fn start_threads<H, F>(
    job: &Arc<Job<F>>,
    sockets: Vec<Vec<OwnedFd>>,
) -> (Threads, Option<io::Error>)
where
    H: Handler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let mut threads = Vec::new();
    for (number, sockets) in sockets.into_iter().enumerate() {
        let theirs = job.clone();
        let (started, wait) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("bucle-worker-{}", number + 1))
            .spawn(move || {
                let event_loop = EventLoop::new()?;
                let _ = started.send(());
                let result = theirs.work(&event_loop, sockets);
                if result.is_err() {
                    theirs.stop.raise(Level::Drain);
                }
                result
            });
        match thread {
            Ok(thread) => {
                threads.push(thread);
                // The sender is dropped where the loop could not be made.
                if wait.recv().is_err() {
                    job.stop.raise(Level::Drain);
                    break;
                }
            }
            Err(error) => {
                job.stop.raise(Level::Drain);
                return (threads, Some(error));
            }
        }
    }
    (threads, None)
}

/// What every worker does.
struct Job<F> {
    make_handler: F,
    options: Options,
    log: Option<(LogFormat, LogWriter)>,
    /// One for each socket of a worker.
    secure: Vec<bool>,
    tls: Option<ServerContext>,
    stop: Arc<Stop>,
    /// What all workers have a part in.
    shared: Shared,
    metrics: Metrics,
    turns: bool,
    /// Until the first worker serves: connections are queued, and will be answered.
    starting: Mutex<Option<Serving>>,
    /// Until the first worker waits for answers at its end.
    waiting: Mutex<Option<Waiting>>,
}

impl<H: Handler, F: Fn() -> H + 'static> Job<F> {
    /// A worker serves, and counts as one that does.
    fn started(&self) {
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        drop(starting.take());
    }

    /// A stop waits for answers.
    fn waits(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let tell = waiting.take();
        drop(waiting);
        if let Some(tell) = tell {
            tell(self.metrics.open(), self.options.drain_timeout);
        }
    }

    /// One worker, from its start to its end.
    fn work(
        self: &Arc<Self>,
        event_loop: &EventLoop,
        sockets: Vec<OwnedFd>,
    ) -> io::Result<Outcome> {
        let (job, options) = (self.clone(), self.options.clone());
        let log = self.log.clone();
        let log = log.map(|(format, writer)| AccessLog::new(format, writer));
        let (stop, limit) = (self.stop.clone(), self.options.drain_timeout);
        let tls = self.tls.clone();
        let counting = Counting {
            metrics: self.metrics.clone(),
            turns: self.turns,
        };
        let sockets = sockets.into_iter().zip(self.secure.clone()).collect();
        event_loop
            .run_until_complete(async move {
                let handler = (job.make_handler)();
                let shared = job.shared.clone();
                let server = Server::start(sockets, tls, handler, options, log, counting, shared)?;
                job.started();
                stop.reached(Level::Drain).await;
                let force = stop.reached(Level::Force);
                Ok(server.drain_telling(limit, force, || job.waits()).await)
            })
            .map_err(|error| io::Error::other(error.to_string()))?
    }
}
