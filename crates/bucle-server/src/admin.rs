//! The address for administrators, of a server that is a whole program: `/healthz` and `/metrics`,
//! answered by a thread of its own, so that they are answered also while the workers are busy or
//! stopping.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bucle_loop::EventLoop;

use crate::Request;
use crate::http_server::{Counting, Server};
use crate::listen::{Listening, SocketPath};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::stop::{Level, Stop};
use crate::worker::Shared;

/// The thread, which ends when this is dropped.
pub(crate) struct Admin {
    stop: Arc<Stop>,
    thread: Option<thread::JoinHandle<()>>,
    /// Removed at the end.
    _paths: Vec<SocketPath>,
}

impl Admin {
    /// Answers at these sockets.
    ///
    /// # Errors
    /// The system's, when it gives no thread or no loop.
    pub(crate) fn start(listening: Listening, metrics: Metrics) -> io::Result<Admin> {
        let stop = Arc::<Stop>::default();
        let theirs = stop.clone();
        let sockets = listening.sockets.into_iter().flatten();
        let sockets = sockets.map(|socket| (socket, false)).collect();
        let (sender, begun) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("bucle-admin".into())
            .spawn(move || {
                let event_loop = match EventLoop::new() {
                    Ok(event_loop) => event_loop,
                    Err(error) => {
                        let _ = sender.send(Err(error));
                        return;
                    }
                };
                let served = event_loop.run_until_complete(async move {
                    let handler = move |request: Request| metrics.answer(&request);
                    let counting = Counting::unseen();
                    let options = Options::default();
                    let shared = Shared::default();
                    let server = match Server::start(
                        sockets, None, handler, options, None, counting, shared,
                    ) {
                        Ok(server) => server,
                        Err(error) => return drop(sender.send(Err(error))),
                    };
                    let _ = sender.send(Ok(()));
                    theirs.reached(Level::Drain).await;
                    server.shutdown(Duration::ZERO).await;
                });
                // Nobody cancels it, and a panic was told of.
                drop(served);
            })?;
        let admin = Admin {
            stop,
            thread: Some(thread),
            _paths: listening.paths,
        };
        match begun.recv() {
            Ok(result) => result.map(|()| admin),
            Err(_) => Err(io::Error::other(
                "the thread for administrators ended before it began",
            )),
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.raise(Level::Drain);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
