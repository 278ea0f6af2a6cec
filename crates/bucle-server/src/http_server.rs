//! [`HttpServer`]: an HTTP server on the running loop.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{get_running_loop, sleep, timeout, yield_now};
use bucle_net::{
    Address, Server, ServerOptions, ToAddresses, Transport, create_server, create_server_from_with,
};

use crate::access_log::AccessLog;
use crate::connection::{Connection, Driver};
use crate::handler::Handler;
use crate::options::Options;
use crate::serve::Outcome;
use crate::stop::either;
use crate::worker::Worker;

/// Long enough for a loop to run out of what is ready, and to ask the system for more.
const LAST_LOOK: Duration = Duration::from_millis(1);

/// How many descriptors are kept free of connections, for the files that are served to these; at
/// most an eighth of the limit on open files.
pub const SPARE_DESCRIPTORS: u32 = 128;

/// An HTTP server on the running loop: its connections, and the way to end them.
///
/// Dropping it cuts its connections and takes no more.
///
/// ```
/// use bucle_server::{HttpServer, Options, Request, Response};
///
/// bucle_loop::run(async {
///     let hello = |request: Request| async move {
///         Response::text(format!("hello from {}\n", request.path()))
///     };
///     let server = HttpServer::bind("127.0.0.1:0", hello, Options::default())?;
///     println!("listening at {}", server.addresses()[0]);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct HttpServer {
    listener: Option<Server>,
    connections: Rc<dyn Connections>,
    ended: Cell<bool>,
}

/// The connections of a server, whatever its handler.
trait Connections {
    fn len(&self) -> usize;
    fn connected(self: Rc<Self>, socket: OwnedFd) -> io::Result<()>;
    fn keep_none(&self);
    fn drain(&self);
    fn abort(&self);
    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

impl<H: Handler> Connections for Worker<H> {
    fn len(&self) -> usize {
        Worker::len(self)
    }

    fn connected(self: Rc<Self>, socket: OwnedFd) -> io::Result<()> {
        Transport::from_connected(socket, driver(&self)).map(drop)
    }

    fn keep_none(&self) {
        self.draining.set(true);
    }

    fn drain(&self) {
        Worker::drain(self);
    }

    fn abort(&self) {
        Worker::abort(self);
    }

    fn emptied(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(Worker::emptied(self))
    }
}

fn options_of_servers() -> ServerOptions {
    ServerOptions::default().spare_descriptors(SPARE_DESCRIPTORS)
}

fn driver<H: Handler>(worker: &Rc<Worker<H>>) -> Driver<H> {
    Driver::new(Connection::new(worker.clone()))
}

impl HttpServer {
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
    ) -> io::Result<HttpServer> {
        let worker = Worker::new(get_running_loop(), handler, options, None);
        let factory = worker.clone();
        let listener = create_server(address, options_of_servers(), move || driver(&factory))?;
        Ok(HttpServer::from(Some(listener), worker))
    }

    /// A server that listens nowhere: it answers the connections that are
    /// [given](HttpServer::serve_connection) to it.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    #[track_caller]
    pub fn unbound<H: Handler>(handler: H, options: Options) -> HttpServer {
        let worker = Worker::new(get_running_loop(), handler, options, None);
        HttpServer::from(None, worker)
    }

    /// Answers what comes in at sockets that listen already.
    pub(crate) fn start<H: Handler>(
        sockets: Vec<OwnedFd>,
        handler: H,
        options: Options,
        log: Option<Rc<AccessLog>>,
    ) -> io::Result<HttpServer> {
        let worker = Worker::new(get_running_loop(), handler, options, log);
        let factory = worker.clone();
        let listener =
            create_server_from_with(sockets, options_of_servers(), move || driver(&factory))?;
        Ok(HttpServer::from(Some(listener), worker))
    }

    fn from(listener: Option<Server>, connections: Rc<dyn Connections>) -> HttpServer {
        HttpServer {
            listener,
            connections,
            ended: Cell::new(false),
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<Address> {
        self.listener
            .as_ref()
            .map(Server::sockets)
            .unwrap_or_default()
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Serves a connected stream socket that comes from elsewhere, as if it had come in here.
    ///
    /// # Errors
    /// `NotConnected` and the like, for what is no connected socket.
    pub fn serve_connection(&self, socket: OwnedFd) -> io::Result<()> {
        self.connections.clone().connected(socket)
    }

    /// Takes no more connections, lets idle ones go, and the others after the answer they are at.
    /// After `limit`, or once `force` is done, what is left is cut.
    ///
    /// If this is dropped before its end, the server is dropped with it, and cuts the rest.
    pub async fn drain(self, limit: Duration, force: impl Future<Output = ()>) -> Outcome {
        self.close();
        self.connections.keep_none();
        // What has reached the system before the stop is read and answered.
        sleep(LAST_LOOK).await;
        self.connections.drain();
        let _ = timeout(limit, either(self.connections.emptied(), force)).await;
        self.ended.set(true);
        let connections = self.connections.len();
        if connections == 0 {
            return Outcome::Drained;
        }
        self.connections.abort();
        // The resets leave when the loop has told of the ends.
        yield_now().await;
        yield_now().await;
        Outcome::Forced { connections }
    }

    /// Serves until it is dropped or cancelled.
    pub async fn serve_forever(&self) {
        std::future::pending::<()>().await;
    }

    fn close(&self) {
        if let Some(listener) = &self.listener {
            listener.close();
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.close();
        if !self.ended.get() {
            self.connections.abort();
        }
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("addresses", &self.addresses())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
