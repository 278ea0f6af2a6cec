//! Placeholder.
#![forbid(unsafe_code)]
mod address;
mod connect;
mod endpoint;
mod group;
mod listener;
mod protocol;
mod server;
mod socket;
mod transport;
mod unix;
mod write_queue;

pub use address::{Address, ToAddresses};
pub use connect::create_connection;
pub use protocol::Protocol;
pub use server::{Server, ServerOptions, create_server, create_server_from};
pub use transport::{ExtraInfo, HIGH_WATER, LOW_WATER, SEND_LIMIT, Transport};
