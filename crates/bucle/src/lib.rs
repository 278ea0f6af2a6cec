//! Bucle (Spanish for *loop*): an event loop in the shape of Python's asyncio, and what belongs on
//! it.
//!
//! ```
//! use std::time::Duration;
//!
//! #[bucle::main]
//! async fn main() {
//!     let greetings = bucle::gather((1..=3).map(|n| async move {
//!         bucle::sleep(Duration::from_millis(n)).await;
//!         format!("hello {n}")
//!     }));
//!     assert_eq!(greetings.await.unwrap(), ["hello 1", "hello 2", "hello 3"]);
//! }
//! ```
//!
//! | what for | what |
//! |---|---|
//! | to begin | [`macro@main`], [`run`], [`Runner`], [`EventLoop`] |
//! | tasks | [`spawn`], [`spawn_eager`], [`TaskGroup`], [`scope()`], [`ContextVar`] |
//! | several at once | [`gather()`], [`try_gather`], [`wait()`], [`as_completed()`] |
//! | time | [`sleep()`], [`timeout()`], [`timeout_at`], [`wait_for()`] |
//! | cancelling | [`Task::cancel`], [`shield()`], [`catch_cancel()`], [`on_cancel()`] |
//! | between tasks | [`Future`], and locks and queues: [`sync`] |
//! | threads | [`to_thread`], [`run_coroutine_threadsafe`], [`ThreadPoolExecutor`], [`concurrent`] |
//! | bytes | [`net`], [`server`] |
//!
//! Recipes, from an echo server to a clean stop: [`cookbook`]. Whoever knows asyncio finds every function and class of it in a table: [`asyncio`].
//!
//! Tests run in a world of their own, in which a day of sleep takes no time and a failure can be
//! replayed: [`macro@test`], [`testing`].
//!
//! # Cookbook
//!
//! ## Serve HTTP
//!
//! A handler is an `async fn` or a plain one; what it returns becomes the answer. [`server::Routes`]
//! finds it by path and method, and answers HEAD, OPTIONS and 405 by itself.
//!
//! ```no_run
//! use bucle::server::{BodyError, Request, Response, Routes, Server, Site};
//!
//! fn index(_: Request) -> Response {
//!     Response::html("<h1>Hello</h1>")
//! }
//!
//! async fn shout(mut request: Request) -> Result<String, BodyError> {
//!     let body = request.body().collect(64 * 1024).await?;
//!     Ok(String::from_utf8_lossy(&body).to_uppercase())
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let site = Site::open("public")?.at("/static");
//!     // Two threads, each with a loop and handlers of its own, until SIGINT or SIGTERM.
//!     Server::builder().listen("127.0.0.1:8080")?.workers(2).run(move || {
//!         Routes::new()
//!             .get("/", index)
//!             .post("/shout", shout)
//!             .prefix("/static", site.handler())
//!     })?;
//!     Ok(())
//! }
//! ```
//!
//! On a loop of your own it is [`serve`](server::Builder::serve) in place of `run`, and
//! [`Server::drain`](server::Server::drain) to stop.
//!
//! ## Answer piece by piece
//!
//! [`Body::from_writer`](server::Body::from_writer) waits while the client does not read, and is
//! dropped when it goes away; [`Body::stream`](server::Body::stream) takes any stream.
//!
//! ```
//! use bucle::server::{Body, Request, Response};
//!
//! async fn countdown(_: Request) -> Response {
//!     Response::text(Body::from_writer(|mut writer| async move {
//!         for n in (0..10).rev() {
//!             writer.write(format!("{n}\n")).await?;
//!             bucle::sleep(std::time::Duration::from_secs(1)).await;
//!         }
//!         Ok(())
//!     }))
//! }
//! # bucle::server::Routes::new().get("/", countdown);
//! ```
//!
//! ## Server-Sent Events
//!
//! ```
//! use bucle::server::{Event, Request, Sse};
//!
//! async fn clock(_: Request) -> Sse {
//!     Sse::from_writer(|mut events| async move {
//!         for n in 0u64.. {
//!             events.send(Event::data(format!("tick {n}")).id(&n.to_string())).await?;
//!             bucle::sleep(std::time::Duration::from_secs(1)).await;
//!         }
//!         Ok(())
//!     })
//! }
//! # bucle::server::Routes::new().get("/", clock);
//! ```
//!
//! ## WebSocket
//!
//! ```
//! use bucle::server::{Message, Request, Response, WebSocket};
//!
//! async fn echo(request: Request) -> Response {
//!     WebSocket::upgrade(request, |mut socket| async move {
//!         while let Some(Ok(message)) = socket.recv().await {
//!             if let Message::Text(text) = message
//!                 && socket.send(text).await.is_err()
//!             {
//!                 break;
//!             }
//!         }
//!     })
//! }
//! # bucle::server::Routes::new().get("/", echo);
//! ```
//!
//! ## An axum router
//!
//! Any `tower` service of `http` types is served as it is; axum without its default features brings no
//! other runtime along.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use bucle::server::{Server, TowerHandler};
//!
//! fn main() -> std::io::Result<()> {
//!     let server = Server::builder().listen("127.0.0.1:8080")?;
//!     server.run(|| TowerHandler::new(Router::new().route("/", get(|| async { "hello" }))))?;
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

/// What the README says is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[doc = include_str!("asyncio.md")]
pub mod asyncio {}
pub mod cookbook;
pub mod testing;

pub use bucle_loop::*;
pub use bucle_macros::{main, test};
/// Transports, protocols and streams over TCP and Unix sockets.
pub use bucle_net as net;
/// The HTTP/1.1 server.
pub use bucle_server as server;
