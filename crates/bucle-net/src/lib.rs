//! Bytes in and out of the Bucle event loop: transports and protocols, servers, streams, over TCP,
//! Unix sockets and pipes, and child processes; with the names and the semantics of Python's asyncio.
//!
//! Nothing here blocks the loop (names are looked up in threads), and nothing is `Send`: a connection
//! lives on the loop it was made on.
//!
//! ```text
//!     your code      async fn with StreamReader, StreamWriter       your Protocol
//!                                    │                                   │
//!                             a protocol of ours                         │
//!                                    └────────────────┬──────────────────┘
//!     callbacks  connection_made, data_received, ..   │   write, close, ..  commands
//!                                                 Transport
//!                                                     │
//!                                         Socket and the event loop
//! ```
//!
//! Two ways to the same connection:
//!
//! - *streams*, for `async` code: [`open_connection`], [`start_server`];
//! - *protocols*, for state machines that are called back, without a task or a buffer for an idle
//!   connection: [`create_connection`], [`create_server`].
//!
//! ```
//! use bucle_net::{StreamReader, StreamWriter, open_connection, start_server};
//!
//! async fn shout(mut reader: StreamReader, writer: StreamWriter) {
//!     if let Ok(line) = reader.readline().await {
//!         writer.write(&line.to_ascii_uppercase());
//!     }
//! }
//!
//! bucle_loop::run(async {
//!     let server = start_server("127.0.0.1:0", shout)?;
//!     let (mut reader, writer) = open_connection(&server.sockets()[0]).await?;
//!     writer.write(b"hello\n");
//!     writer.drain().await?;
//!     assert_eq!(reader.readline().await?, b"HELLO\n");
//!     assert_eq!(reader.read(1).await?, b"");
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What a connection costs
//!
//! One allocation holds the transport and its protocol, also one that tasks share
//! ([`EmbeddedProtocol`]); reading goes through the loop's one shared
//! buffer; a write queue exists only while something is queued. A request that is answered from
//! [`Protocol::data_received`] with one [`Transport::write`] costs one `recv` and one `send`.
//!
//! # How it is cut
//!
//! | file | what |
//! |---|---|
//! | `address` | [`Address`], and what can be read as one |
//! | `protocol`, `transport` | the two halves as users see them |
//! | `endpoint` | the connection between them: life, reading, writing |
//! | `write_queue` | what is still to be sent: bytes, shared bytes, ranges of files |
//! | `carrier`, `layer` | what a transport is made of; what can be put between it and a protocol |
//! | `listener`, `group`, `server` | accepting; the connections of a server; [`Server`] |
//! | `traffic` | what a server counts: [`Traffic`] |
//! | `proxy` | the PROXY protocol, below TLS: [`ProxyProtocol`] |
//! | `connect`, `happy_eyeballs`, `resolve` | [`create_connection`]; names to addresses |
//! | `unix` | the paths of Unix sockets |
//! | `stream`, `sendfile` | streams; files sent and awaited |
//! | `pipe`, [`subprocess`] | pipes, child processes |
//! | `tls` | TLS |
//! | [`udp`] | datagrams |
//! | `socket` | the one seam to what carries the bytes |
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "tls"),
    allow(dead_code, reason = "seams that TLS alone uses stay where they are")
)]

mod address;
mod carrier;
mod connect;
mod endpoint;
mod first_reads;
mod group;
mod happy_eyeballs;
mod layer;
mod listener;
mod pipe;
mod protocol;
mod proxy;
mod resolve;
mod sendfile;
mod server;
mod socket;
mod stream;
pub mod subprocess;
#[cfg(feature = "tls")]
pub mod tls;
mod traffic;
mod transport;
pub mod udp;
mod unix;
mod waiters;
mod write_queue;

pub use address::{Address, Target, ToAddresses};
pub use connect::{ConnectOptions, create_connection, create_connection_with};
pub use endpoint::{Embedded, EmbeddedProtocol};
pub use happy_eyeballs::HAPPY_EYEBALLS_DELAY;
pub use pipe::{connect_read_pipe, connect_write_pipe};
pub use protocol::Protocol;
pub use proxy::{PROXY_HEADER, PROXY_TIMEOUT, ProxyProtocol};
pub use resolve::{getaddrinfo, getnameinfo};
pub use sendfile::sendfile;
pub use server::{
    Incoming, Server, ServerOptions, create_embedded_server, create_embedded_server_from,
    create_server, create_server_admitting, create_server_from, create_server_from_admitting,
    create_server_from_with,
};
pub use stream::{
    DEFAULT_LIMIT, ReadError, StreamProtocol, StreamReader, StreamWriter, open_connection,
    open_connection_with, open_read_pipe, open_read_pipe_with, open_write_pipe, start_server,
    start_server_with,
};
pub use traffic::Traffic;
pub use transport::{ExtraInfo, HIGH_WATER, LINE_LIMIT, LOW_WATER, SEND_LIMIT, Transport};
