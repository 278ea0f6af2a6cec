//! The HTTP/1.1 server of Bucle: [bucle-http]'s state machine between [bucle-net]'s transports and
//! your [`Handler`], and static files on top of it.
//!
//! ```no_run
//! use bucle_server::{Request, Response, Routes, Server};
//!
//! async fn hello(request: Request) -> String {
//!     format!("hello from {}\n", request.path())
//! }
//!
//! bucle_loop::run(async {
//!     let routes = Routes::new().get("/hello", hello);
//!     let server = Server::builder().listen("127.0.0.1:8080")?.serve(routes)?;
//!     server.serve_forever().await;
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How it is cut
//!
//! | module | what |
//! |---|---|
//! | `connection` | one connection: from bytes to a request, from an answer to bytes |
//! | `worker` | what the connections of one loop share |
//! | `request`, `body`, `response`, `handler`, `into_response` | what handlers see |
//! | `proxies` | whom a request is for, and who may say so: [`TrustedProxies`] |
//! | `tower` | tower services as handlers: [`TowerHandler`] |
//! | `websocket` | WebSockets: [`WebSocket`] |
//! | `upgrade` | connections that leave HTTP for another protocol |
//! | `body_writer`, `sse` | bodies written by an `async` block; Server-Sent Events |
//! | `routes` | handlers by path and method: [`Routes`] |
//! | `encode`, `date` | heads of answers |
//! | `site` | static files: [`Site`] |
//! | `http_server` | a server on the running loop: [`Server`] |
//! | `serve`, `listen`, `stop` | before it begins, and as a whole program: [`Builder`] |
//! | `tls` | HTTPS: [`Tls`], a certificate that is renewed while it is in use |
//! | `access_log` | a line a request |
//! | `metrics`, `admin` | what is counted, and where it is shown: [`Metrics`] |
//!
//! Nothing here blocks the loop but the disk, and nothing trusts a client: what is ambiguous is
//! refused, what is too long or too slow is cut ([`Options`]), what isn't read is not sent.
//!
//! [bucle-http]: https://docs.rs/bucle-http
//! [bucle-net]: https://docs.rs/bucle-net
#![forbid(unsafe_code)]

mod access_log;
mod admin;
mod admission;
mod body;
mod body_writer;
mod connection;
mod date;
mod echo;
mod encode;
mod handler;
mod heap;
mod http_server;
mod into_response;
mod listen;
mod metrics;
mod options;
mod pool;
mod proxies;
mod request;
mod response;
mod routes;
mod serve;
mod site;
mod sse;
mod stop;
mod table;
mod tls;
mod tower;
mod upgrade;
#[cfg(feature = "websocket")]
mod websocket;
mod worker;

pub use access_log::{LOG_BUFFER, LogFormat};
pub use body::{BODY_BUFFER, BodyError, RequestBody};
pub use body_writer::BodyWriter;
pub use bucle_http::{Fields, Limits, Method, RequestHead, StatusCode, Version, limits};
pub use handler::{Answer, Handler};
pub use http_server::{SPARE_DESCRIPTORS, STOP_GRACE, Server};
pub use into_response::IntoResponse;
pub use metrics::Metrics;
pub use options::{
    BODY_TIMEOUT, DISCARD_LIMIT, DRAIN_TIMEOUT, HANDLER_TIMEOUT, HEADER_TIMEOUT, IDLE_TIMEOUT,
    LINGER_TIMEOUT, MAX_BODY, MIN_RECEIVE_RATE, MIN_SEND_RATE, Options, TLS_HANDSHAKE_TIMEOUT,
    WRITE_TIMEOUT,
};
pub use proxies::TrustedProxies;
pub use request::Request;
pub use response::{Body, Response};
pub use routes::{RouteFuture, Routes};
pub use serve::{Bound, Builder, Outcome};
pub use site::{
    COMPRESS_FROM, COMPRESS_UP_TO, Compression, FINGERPRINT, KEPT_BYTES, KEPT_DESCRIPTORS,
    KEPT_FILES, LISTED_NAMES, RANGES, SMALL_FILE, Site, SiteFuture, SiteHandler,
};
pub use sse::{Event, EventWriter, KEEP_ALIVE, Sse};
pub use tls::Tls;
pub use tower::{Incoming, Peer, TowerHandler};
pub use upgrade::{Draining, Upgraded};
#[cfg(feature = "websocket")]
pub use websocket::{
    CLOSE_TIMEOUT, CloseFrame, MAX_MESSAGE, Message, WebSocket, WebSocketError, WebSocketOptions,
};
