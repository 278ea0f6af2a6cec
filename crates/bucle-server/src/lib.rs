//! The HTTP/1.1 server of Bucle: [bucle-http]'s state machine between [bucle-net]'s transports and
//! your [`Handler`], and static files on top of it.
//!
//! ```no_run
//! use bucle_server::{HttpServer, Options, Request, Response};
//!
//! bucle_loop::run(async {
//!     let hello = |request: Request| async move {
//!         Response::text(format!("hello from {}\n", request.path()))
//!     };
//!     let server = HttpServer::bind("127.0.0.1:8080", hello, Options::default())?;
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
//! | `request`, `body`, `response`, `handler` | what handlers see |
//! | `encode`, `date` | heads of answers |
//! | `site` | static files: [`Site`] |
//! | `http_server` | a server on the running loop: [`HttpServer`] |
//! | `serve`, `listen`, `stop` | a server as a whole program: [`Serve`] |
//! | `access_log` | a line a request |
//!
//! Nothing here blocks the loop but the disk, and nothing trusts a client: what is ambiguous is
//! refused, what is too long or too slow is cut ([`Options`]), what isn't read is not sent.
//!
//! [bucle-http]: https://docs.rs/bucle-http
//! [bucle-net]: https://docs.rs/bucle-net
#![forbid(unsafe_code)]

mod access_log;
mod body;
mod connection;
mod date;
mod echo;
mod encode;
mod handler;
mod http_server;
mod listen;
mod options;
mod request;
mod response;
mod serve;
mod site;
mod stop;
mod worker;

pub use access_log::{LOG_BUFFER, LogFormat};
pub use body::{BODY_BUFFER, BodyError, RequestBody};
pub use bucle_http::{Limits, Method, RequestHead, StatusCode, Version};
pub use handler::Handler;
pub use http_server::{HttpServer, SPARE_DESCRIPTORS};
pub use options::{
    BODY_TIMEOUT, DISCARD_LIMIT, DRAIN_TIMEOUT, HEADER_TIMEOUT, IDLE_TIMEOUT, LINGER_TIMEOUT,
    Options, WRITE_TIMEOUT,
};
pub use request::Request;
pub use response::{Body, Response};
pub use serve::{Bound, Outcome, Serve};
pub use site::{
    COMPRESS_FROM, COMPRESS_UP_TO, Compression, FINGERPRINT, KEPT_BYTES, KEPT_DESCRIPTORS,
    KEPT_FILES, LISTED_NAMES, RANGES, SMALL_FILE, Site, SiteFuture, SiteHandler,
};
