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
//! | processes | [`macro@process`], [`ProcessPoolExecutor`], [`mod@process`] |
//! | bytes | [`net`], [`server`] |
//!
//! Recipes, from an echo server to a clean stop: [`cookbook`]. Whoever knows asyncio finds every function and class of it in a table: [`asyncio`].
//!
//! Tests run in a world of their own, in which a day of sleep takes no time and a failure can be
//! replayed: [`macro@test`], [`testing`].
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
pub use bucle_macros::{main, process, test};
/// Transports, protocols and streams over TCP and Unix sockets.
pub use bucle_net as net;
/// Functions run in other processes: the process pool and its errors, [`Process`](process::Process) and
/// what processes have in common by hand, [`process::init`].
#[cfg(target_os = "linux")]
pub use bucle_pool as process;
/// What `#[bucle::process]` names.
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use bucle_pool::__private;
#[cfg(target_os = "linux")]
pub use bucle_pool::{ProcessPoolExecutor, TaskOptions};
/// The HTTP/1.1 server.
pub use bucle_server as server;

/// What `#[bucle::main]` says first: see [`process::init`].
#[doc(hidden)]
pub fn __init_process() {
    #[cfg(target_os = "linux")]
    bucle_pool::init();
}
