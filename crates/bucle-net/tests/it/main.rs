//! The network from outside: real sockets on loopback. Each selector is put to the same tests by
//! `BUCLE_SELECTOR`.

mod descriptors;
mod files;
mod pipes;
mod servers;
mod streams;
mod streams_model;
mod subprocess;
mod support;
mod transports;
mod transports_model;
mod unix;
