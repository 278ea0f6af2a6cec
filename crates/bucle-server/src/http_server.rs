//! [`HttpServer`]: an HTTP server on the running loop.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{get_running_loop, timeout};
use bucle_net::{Address, Server, ServerOptions, ToAddresses, create_server, create_server_from};

use crate::access_log::AccessLog;
use crate::connection::{Connection, Driver};
use crate::handler::Handler;
use crate::options::Options;
use crate::serve::{Outcome, either};
use crate::worker::Worker;

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
    listener: Server,
    connections: Rc<dyn Connections>,
    ended: Cell<bool>,
}

/// The connections of a server, whatever its handler.
trait Connections {
    fn len(&self) -> usize;
    fn drain(&self);
    fn abort(&self);
    fn emptied(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>;
}

impl<H: Handler> Connections for Worker<H> {
    fn len(&self) -> usize {
        Worker::len(self)
    }

    fn drain(&self) {
        Worker::drain(self);
    }

    fn abort(&self) {
        Worker::abort(self);
    }

    fn emptied(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(Worker::emptied(self))
    }
}

impl HttpServer {
    /// Listens at `address`, and answers by `handler`.
    ///
    /// # Errors
    /// What is no address; the system's.
    ///
    /// # Panics
    /// If no loop is running in this thread.
    pub fn bind<H: Handler>(
        address: impl ToAddresses,
        handler: H,
        options: Options,
    ) -> io::Result<HttpServer> {
        let worker = Worker::new(get_running_loop(), handler, options, AccessLog::off());
        let factory = worker.clone();
        let listener = create_server(address, ServerOptions::default(), move || {
            Driver(Connection::new(factory.clone()))
        })?;
        Ok(HttpServer::from(listener, worker))
    }

    /// Answers what comes in at sockets that listen already.
    pub(crate) fn start<H: Handler>(
        sockets: Vec<OwnedFd>,
        handler: H,
        options: Options,
        log: AccessLog,
    ) -> io::Result<HttpServer> {
        let worker = Worker::new(get_running_loop(), handler, options, log);
        let factory = worker.clone();
        let listener = create_server_from(sockets, move || {
            Driver(Connection::new(factory.clone()))
        })?;
        Ok(HttpServer::from(listener, worker))
    }

    fn from(listener: Server, connections: Rc<dyn Connections>) -> HttpServer {
        HttpServer {
            listener,
            connections,
            ended: Cell::new(false),
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<Address> {
        self.listener.sockets()
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Takes no more connections, lets idle ones go, and the others after the answer they are at.
    /// After `limit`, or once `force` is done, what is left is cut.
    ///
    /// If this is dropped before its end, the server is as it is then; dropping the server cuts
    /// the rest.
    pub async fn drain(self, limit: Duration, force: impl Future<Output = ()>) -> Outcome {
        self.listener.close();
        self.connections.drain();
        let _ = timeout(limit, either(self.connections.emptied(), force)).await;
        self.ended.set(true);
        match self.connections.len() {
            0 => Outcome::Drained,
            connections => {
                self.connections.abort();
                Outcome::Forced { connections }
            }
        }
    }

    /// Serves until it is dropped or cancelled.
    pub async fn serve_forever(&self) {
        std::future::pending::<()>().await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.listener.close();
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
