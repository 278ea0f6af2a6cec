//! The network from outside: real sockets on loopback. Each selector is put to the same tests by
//! `BUCLE_SELECTOR`.

mod support;
mod transports;
