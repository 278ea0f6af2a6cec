//! [`Server`]: an HTTP server on the running loop.
//!
//! What it is told before it begins, and how it is a whole program, is the [`Builder`]'s.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bucle_loop::{CancelOnDrop, get_running_loop, sleep, timeout, yield_now};
use bucle_net::tls::ServerContext;
use bucle_net::{
    Address, Embedded, Incoming, ProxyProtocol, ServerOptions, ToAddresses, Traffic,
    create_embedded_server, create_embedded_server_from,
};

use crate::Request;
use crate::access_log::{AccessLog, LogWriter};
use crate::admission::Census;
use crate::connection::Inner;
use crate::handler::Handler;
use crate::metrics::{Metrics, Serving, Tally};
use crate::options::Options;
use crate::serve::{Builder, LOG_PATIENCE, Outcome};
use crate::stop::either;
use crate::tls::Certificate;
use crate::worker::{Shared, Worker};

/// Long enough for a loop to ask the system for more also where something is ready all the time: it
/// does so with each tick of the system's coarse clock.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// How often a stopping server looks for who has come, as long as it finds somebody each time.
const MOST_LOOKS: usize = 64;

/// How long a stopping server waits for a client that has sent half a head, or has been refused and
/// doesn't end its side.
pub const STOP_GRACE: Duration = Duration::from_millis(250);

/// How many descriptors are kept free of connections, for the files that are served to these; at
/// most an eighth of the limit on open files.
pub const SPARE_DESCRIPTORS: u32 = 128;

/// An HTTP server on the running loop: its connections, and the way to end them.
///
/// [`bind`](Server::bind) makes one with an address and a handler; [`builder`](Server::builder) has
/// all that can be said, and serves with several threads too. Dropping it cuts its connections and
/// takes no more.
///
/// ```
/// use bucle_server::{Server, Options, Request, Response};
///
/// bucle_loop::run(async {
///     let hello = |request: Request| async move {
///         Response::text(format!("hello from {}\n", request.path()))
///     };
///     let server = Server::bind("127.0.0.1:0", hello, Options::default())?;
///     println!("listening at {}", server.addresses()[0]);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    listeners: Vec<bucle_net::Server>,
    connections: Rc<dyn Connections>,
    /// Whose last lines are waited for at the end.
    log: Option<LogWriter>,
    metrics: Metrics,
    /// Until it stops.
    serving: Cell<Option<Serving>>,
    /// The address for administrators, answered until the end.
    admin: Option<Box<Server>>,
    watch: Option<CancelOnDrop<()>>,
}

/// Where a server counts.
pub(crate) struct Counting {
    pub(crate) metrics: Metrics,
    /// Whether the loop's turns are timed.
    pub(crate) turns: bool,
}

impl Counting {
    /// Where nobody looks.
    pub(crate) fn unseen() -> Counting {
        Counting {
            metrics: Metrics::new(),
            turns: false,
        }
    }

    /// A tally for the running loop.
    fn tally(&self) -> Arc<Tally> {
        let tally = self.metrics.tally();
        if self.turns {
            let turns = tally.clone();
            get_running_loop().set_turn_watch(move |took| turns.turns.count(took));
        }
        tally
    }
}

/// What all listeners of a server are told.
struct Common {
    traffic: Arc<Traffic>,
    proxies: Option<ProxyProtocol>,
}

impl Common {
    fn new(tally: &Tally, metrics: &Metrics, options: &Options) -> Common {
        let proxies = options.proxy_protocol.then(|| {
            let trusted = options.trusted_proxies.clone();
            let metrics = metrics.clone();
            ProxyProtocol::new(move |peer| trusted.trusts_address(peer))
                .timeout(options.header_timeout)
                .on_error(move |_, _| metrics.count_proxy_error())
        });
        Common {
            traffic: tally.traffic.clone(),
            proxies,
        }
    }

    fn listener(&self, mut options: ServerOptions) -> ServerOptions {
        options.proxy_protocol = self.proxies.clone();
        options.traffic(self.traffic.clone())
    }
}

/// The connections of a server, whatever its handler.
trait Connections {
    fn len(&self) -> usize;
    fn unanswered(&self) -> usize;
    fn connected(self: Rc<Self>, socket: OwnedFd) -> io::Result<()>;
    fn keep_none(&self);
    fn drain(&self);
    fn hurry(&self);
    fn abort(&self);
    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

impl<H: Handler> Connections for Worker<H> {
    fn len(&self) -> usize {
        Worker::len(self)
    }

    fn unanswered(&self) -> usize {
        Worker::unanswered(self)
    }

    fn connected(self: Rc<Self>, socket: OwnedFd) -> io::Result<()> {
        Embedded::from_connected(socket, Inner::new(&self)).map(drop)
    }

    fn keep_none(&self) {
        self.draining.set(true);
    }

    fn drain(&self) {
        Worker::drain(self);
    }

    fn hurry(&self) {
        Worker::hurry(self);
    }

    fn abort(&self) {
        Worker::abort(self);
    }

    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(Worker::emptied(self))
    }
}

pub(crate) fn options_of_servers() -> ServerOptions {
    ServerOptions::default().spare_descriptors(SPARE_DESCRIPTORS)
}

impl Server {
    /// A server to be: addresses, options, access log, threads.
    ///
    /// ```no_run
    /// use bucle_server::{Request, Response, Routes, Server};
    ///
    /// fn hello(_: Request) -> Response {
    ///     Response::text("hello\n")
    /// }
    ///
    /// // With two threads, until SIGINT or SIGTERM.
    /// Server::builder()
    ///     .listen("127.0.0.1:8080")?
    ///     .workers(2)
    ///     .run(|| Routes::new().get("/", hello))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Listens at `address`, and answers by `handler`.
    ///
    /// # Errors
    /// What is no address; the system's.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn bind<H: Handler>(
        address: impl ToAddresses,
        handler: H,
        options: Options,
    ) -> io::Result<Server> {
        let addresses = [(address.to_addresses()?, options_of_servers())];
        Server::listening(addresses, handler, options, None, Counting::unseen())
    }

    /// Listens at several addresses, each in its way.
    #[track_caller]
    pub(crate) fn listening<H: Handler>(
        addresses: impl IntoIterator<Item = (Vec<Address>, ServerOptions)>,
        handler: H,
        options: Options,
        log: Option<(Rc<AccessLog>, LogWriter)>,
        counting: Counting,
    ) -> io::Result<Server> {
        let (log, writer) = log.unzip();
        let tally = counting.tally();
        let common = Common::new(&tally, &counting.metrics, &options);
        let census = Census::new(&options);
        let worker = Worker::new(get_running_loop(), handler, options, log, tally);
        // The heap is not the server's alone.
        worker.share(Shared { census, heap: None });
        let mut listeners = Vec::new();
        for (addresses, options) in addresses {
            // All may be of the other way.
            if addresses.is_empty() {
                continue;
            }
            let options = common.listener(options);
            let (worker, secure) = (worker.clone(), options.is_tls());
            let admit = move |incoming: &Incoming<'_>| Inner::admit(&worker, incoming, secure);
            listeners.push(create_embedded_server(addresses, options, admit)?);
        }
        let mut server = Server::from(listeners, worker, counting.metrics);
        server.log = writer;
        Ok(server)
    }

    /// Looks after the files of `certificate` for as long as the server lives.
    pub(crate) fn watch(&mut self, certificate: Arc<Certificate>) {
        let watch = get_running_loop().spawn_named("certificate", certificate.watch());
        self.watch = Some(watch.cancel_on_drop());
    }

    /// A server that listens nowhere: it answers the connections that are
    /// [given](Server::serve_connection) to it.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn unbound<H: Handler>(handler: H, options: Options) -> Server {
        let counting = Counting::unseen();
        let tally = counting.tally();
        let worker = Worker::new(get_running_loop(), handler, options, None, tally);
        Server::from(Vec::new(), worker, counting.metrics)
    }

    /// Answers what comes in at sockets that listen already, each in plain text or by TLS.
    pub(crate) fn start<H: Handler>(
        sockets: Vec<(OwnedFd, bool)>,
        tls: Option<ServerContext>,
        handler: H,
        options: Options,
        log: Option<Rc<AccessLog>>,
        counting: Counting,
        shared: Shared,
    ) -> io::Result<Server> {
        let tally = counting.tally();
        let common = Common::new(&tally, &counting.metrics, &options);
        let worker = Worker::new(get_running_loop(), handler, options, log, tally);
        worker.share(shared);
        let serve = |sockets: Vec<(OwnedFd, bool)>, options: ServerOptions| {
            let options = common.listener(options);
            let sockets = sockets.into_iter().map(|(socket, _)| socket).collect();
            let (worker, secure) = (worker.clone(), options.is_tls());
            let admit = move |incoming: &Incoming<'_>| Inner::admit(&worker, incoming, secure);
            create_embedded_server_from(sockets, options, admit)
        };
        let (secure, plain): (Vec<_>, _) = sockets.into_iter().partition(|(_, secure)| *secure);
        let mut listeners = vec![serve(plain, options_of_servers())?];
        if let Some(tls) = tls {
            listeners.push(serve(secure, options_of_servers().tls(tls))?);
        }
        Ok(Server::from(listeners, worker, counting.metrics))
    }

    fn from(
        listeners: Vec<bucle_net::Server>,
        connections: Rc<dyn Connections>,
        metrics: Metrics,
    ) -> Server {
        Server {
            listeners,
            connections,
            log: None,
            serving: Cell::new(Some(metrics.serving())),
            metrics,
            admin: None,
            watch: None,
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<Address> {
        let listeners = self.listeners.iter();
        listeners.flat_map(bucle_net::Server::sockets).collect()
    }

    /// Where its [administrators](Builder::admin) ask.
    pub fn admin_addresses(&self) -> Vec<Address> {
        match &self.admin {
            Some(admin) => admin.addresses(),
            None => Vec::new(),
        }
    }

    /// What it has counted so far; that of other servers too, if they were given the same
    /// [`Metrics`].
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Answers administrators at these addresses, until its end.
    pub(crate) fn show_at(&mut self, addresses: Vec<Address>) -> io::Result<()> {
        let metrics = self.metrics();
        let admin = Server::listening(
            [(addresses, options_of_servers())],
            move |request: Request| metrics.answer(&request),
            Options::default(),
            None,
            Counting::unseen(),
        )?;
        self.admin = Some(Box::new(admin));
        Ok(())
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Serves a connected stream socket that comes from elsewhere, as if it had come in here.
    ///
    /// # Errors
    /// `NotConnected` and the like, for what is no connected socket.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    pub fn serve_connection(&self, socket: OwnedFd) -> io::Result<()> {
        self.connections.clone().connected(socket)
    }

    /// Stops gracefully: takes no more connections but those that have come already, lets idle ones go
    /// at once, those that have sent half a head after [`STOP_GRACE`], and the others after the answer
    /// they are at. What is left after `limit` is cut.
    ///
    /// If this is dropped before its end, the server is dropped with it, and cuts the rest.
    ///
    /// ```
    /// use std::time::Duration;
    /// use bucle_server::{Outcome, Request, Server};
    ///
    /// bucle_loop::run(async {
    ///     let hello = |_: Request| async { "hello" };
    ///     let server = Server::builder().listen("127.0.0.1:0")?.serve(hello)?;
    ///     assert_eq!(server.shutdown(Duration::from_secs(10)).await, Outcome::Drained);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn shutdown(self, limit: Duration) -> Outcome {
        self.drain(limit, std::future::pending()).await
    }

    /// [`shutdown`](Server::shutdown) that can be cut short: after `limit`, or once `force` is done,
    /// what is left is cut.
    ///
    /// If this is dropped before its end, the server is dropped with it, and cuts the rest.
    pub async fn drain(self, limit: Duration, force: impl Future<Output = ()>) -> Outcome {
        self.drain_telling(limit, force, || ()).await
    }

    /// The same; `tell` is called if answers are still waited for after a while.
    pub(crate) async fn drain_telling(
        self,
        limit: Duration,
        force: impl Future<Output = ()>,
        tell: impl FnOnce(),
    ) -> Outcome {
        self.serving.take();
        self.connections.keep_none();
        // The system resets who still waits to be accepted when nobody listens any more.
        for _ in 0..MOST_LOOKS {
            let before = self.metrics.accepted();
            sleep(LAST_LOOK).await;
            if self.metrics.accepted() == before {
                break;
            }
        }
        self.close();
        // What has reached the system before the stop is read and answered.
        sleep(LAST_LOOK).await;
        self.connections.drain();
        let ended = timeout(limit, either(self.emptied(tell), force)).await;
        if self.connections.len() == 0 {
            return Outcome::Drained;
        }
        let connections = self.connections.unanswered();
        self.connections.abort();
        // The resets leave when the loop has told of the ends.
        yield_now().await;
        yield_now().await;
        match ended {
            // Those who had nothing to come, and had not gone yet, are not missed.
            _ if connections == 0 => Outcome::Drained,
            Ok(()) => Outcome::Interrupted { connections },
            Err(_) => Outcome::Forced { connections },
        }
    }

    /// Waits until the last connection is gone; those without an answer under way are let go each
    /// time the stop's grace is over.
    async fn emptied(&self, tell: impl FnOnce()) {
        let mut tell = Some(tell);
        let mut hurried = false;
        while timeout(STOP_GRACE, self.connections.emptied())
            .await
            .is_err()
        {
            // Those that are left after the first time have an answer under way.
            if hurried && let Some(tell) = tell.take() {
                tell();
            }
            self.connections.hurry();
            hurried = true;
        }
    }

    /// Serves until it is dropped or cancelled.
    pub async fn serve_forever(&self) {
        std::future::pending::<()>().await;
    }

    fn close(&self) {
        self.listeners.iter().for_each(bucle_net::Server::close);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
        self.serving.take();
        self.connections.abort();
        // Those that have not come as far as HTTP, which would else be served once they have.
        self.listeners
            .iter()
            .for_each(bucle_net::Server::abort_clients);
        if let Some(log) = self.log.take() {
            log.finish(LOG_PATIENCE);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
