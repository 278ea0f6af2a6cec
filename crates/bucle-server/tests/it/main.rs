//! The server from outside: raw sockets against a real server in this process.

mod admission;
mod bodies;
mod codings;
mod conversations;
mod destructors;
mod endings;
#[path = "../../../bucle-http/examples/mutate/generator.rs"]
#[allow(dead_code)]
mod generator;
mod handlers;
mod limit_rate;
mod limits;
mod metrics;
mod pipelining;
mod policy;
mod proxies;
mod ranges;
mod routes;
mod simulated;
mod site;
mod soak;
mod streaming;
mod support;
mod tower_services;
mod trailers;
mod upgrades;
#[cfg(feature = "websocket")]
mod websockets;
mod worlds;
