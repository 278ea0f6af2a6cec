//! The network from outside: real sockets on loopback, and (`worlds`) simulated ones. Each selector
//! is put to the same tests by `BUCLE_SELECTOR`.

#![cfg_attr(not(feature = "tls"), allow(dead_code))]

#[cfg(feature = "tls")]
mod certificates;
mod connecting;
mod datagrams;
mod descriptors;
mod embedded;
mod files;
mod metered;
mod pipes;
mod servers;
mod streams;
mod streams_model;
mod subprocess;
mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_model;
#[cfg(feature = "tls")]
mod tls_servers;
mod transports;
mod transports_model;
mod unix;
mod worlds;
