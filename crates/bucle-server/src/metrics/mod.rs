//! [`Metrics`]: what servers count, for whoever asks.
//!
//! | file | what |
//! |---|---|
//! | `tally` | what one loop counts, by plain stores |
//! | `exposition` | all of it in the text format of Prometheus |
//! | `process` | what the system knows of the process |

mod exposition;
mod process;
mod tally;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bucle_http::{Method, StatusCode};

use crate::access_log::LogWriter;
use crate::{Request, Response};
pub(crate) use tally::Tally;

/// Which requests the handlers of [`Metrics`] know.
const ALLOWED: &str = "GET, HEAD";

/// What servers count: requests, bytes, connections, errors, the turns of their loops. A handle:
/// clones are the same counts, and may be used in any thread.
///
/// [`Builder::admin`](crate::Builder::admin) shows them at an address of its own; whoever wants
/// them elsewhere gives the [builder](crate::Builder::metrics) one of these, and asks it:
///
/// ```
/// use bucle_server::{Metrics, Request, Response, Routes, Server};
///
/// let metrics = Metrics::new();
/// bucle_loop::run(async move {
///     let shown = metrics.clone();
///     let routes = Routes::new()
///         .get("/", |_: Request| Response::text("hello\n"))
///         .get("/metrics", move |_: Request| shown.response());
///     let server = Server::builder()
///         .listen("127.0.0.1:0")?
///         .metrics(metrics.clone())
///         .serve(routes)?;
///     assert!(metrics.render().contains("bucle_connections_open 0\n"));
///     assert!(metrics.is_serving());
///     drop(server);
///     assert!(!metrics.is_serving());
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Several servers may count into the same one. Counting is a store into memory that a loop has for
/// itself; it is done whether anybody asks or not. Only the turns are timed for who asks
/// ([`LoopRef::set_turn_watch`](bucle_loop::LoopRef::set_turn_watch)), which takes two readings of
/// the clock each.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    begun: SystemTime,
    /// One for each worker there was.
    tallies: Mutex<Vec<Arc<Tally>>>,
    /// Whose lines may be dropped.
    logs: Mutex<Vec<LogWriter>>,
    /// Workers that serve and are not stopping.
    serving: AtomicUsize,
    tls_errors: AtomicU64,
    proxy_errors: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Metrics {
        Metrics {
            shared: Arc::new(Shared {
                begun: SystemTime::now(),
                tallies: Mutex::default(),
                logs: Mutex::default(),
                serving: AtomicUsize::new(0),
                tls_errors: AtomicU64::new(0),
                proxy_errors: AtomicU64::new(0),
            }),
        }
    }

    /// What was counted so far, in the text format of Prometheus, version 0.0.4. Counters never go
    /// down.
    pub fn render(&self) -> String {
        exposition::render(self)
    }

    /// Whether a server counts here that serves, and is not stopping.
    pub fn is_serving(&self) -> bool {
        self.shared.serving.load(Ordering::Relaxed) > 0
    }

    /// [`render`](Metrics::render) as the answer that Prometheus wants.
    pub fn response(&self) -> Response {
        Response::text(self.render())
            .content_type(exposition::CONTENT_TYPE)
            .field("Cache-Control", "no-store")
    }

    /// The answer for a load balancer that asks whether to send requests here: 200 while
    /// [serving](Metrics::is_serving), else 503.
    pub fn health(&self) -> Response {
        let response = match self.is_serving() {
            true => Response::text("ok\n"),
            false => Response::text("not serving\n").with_status(StatusCode::SERVICE_UNAVAILABLE),
        };
        response.field("Cache-Control", "no-store")
    }

    /// What is at the address for administrators: `/healthz` and `/metrics`.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let asks = matches!(request.method(), Method::Get | Method::Head);
        match request.path() {
            "/healthz" | "/metrics" if !asks => Response::method_not_allowed(ALLOWED),
            "/healthz" => self.health(),
            "/metrics" => self.response(),
            _ => Response::error(StatusCode::NOT_FOUND),
        }
    }

    /// How many connections were accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        let tallies = self.tallies();
        tallies.iter().map(|tally| tally.traffic.accepted()).sum()
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        let open: u64 = self.tallies().iter().map(|tally| tally.open.get()).sum();
        usize::try_from(open).unwrap_or(usize::MAX)
    }

    /// A tally for one more worker.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::<Tally>::default();
        lock(&self.shared.tallies).push(tally.clone());
        tally
    }

    fn tallies(&self) -> Vec<Arc<Tally>> {
        lock(&self.shared.tallies).clone()
    }

    /// Counts what this log drops.
    pub(crate) fn watch_log(&self, log: LogWriter) {
        lock(&self.shared.logs).push(log);
    }

    pub(crate) fn count_tls_error(&self) {
        self.shared.tls_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_proxy_error(&self) {
        self.shared.proxy_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A worker serves from now on, until what this returns is dropped.
    pub(crate) fn serving(&self) -> Serving {
        self.shared.serving.fetch_add(1, Ordering::Relaxed);
        Serving(self.clone())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("workers", &lock(&self.shared.tallies).len())
            .field("serving", &self.is_serving())
            .finish_non_exhaustive()
    }
}

/// While it lives, a worker serves.
pub(crate) struct Serving(Metrics);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.shared.serving.fetch_sub(1, Ordering::Relaxed);
    }
}
