//! The network from outside: real sockets on loopback, and (`worlds`) simulated ones. Each selector
//! is put to the same tests by `BUCLE_SELECTOR`.

mod descriptors;
mod files;
mod servers;
mod streams;
mod streams_model;
mod support;
mod transports;
mod transports_model;
mod unix;
mod worlds;
