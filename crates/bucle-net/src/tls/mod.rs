//! TLS, as a layer between a transport and its protocol: neither can tell that it is there.
//!
//! A server is given a [`ServerContext`] by [`ServerOptions::tls`], a connection a [`ClientContext`]
//! by [`ConnectOptions::tls`]; [`start_tls`] and
//! [`StreamWriter::start_tls`](crate::StreamWriter::start_tls) upgrade a connection that began in plain text. What a protocol or a stream then gets is a
//! [`Transport`] like any other, with these differences:
//!
//! - `connection_made` comes when the handshake is done; a connection whose handshake fails is never
//!   told of, except to whoever connects;
//! - the end of the peer's data is its `close_notify`. A connection that ends without one may have
//!   been cut short by somebody else, so that is an error, `UnexpectedEof`;
//! - [`close`](crate::Transport::close) and [`write_eof`](crate::Transport::write_eof) send a
//!   `close_notify` behind what was written. Peers that speak TLS 1.2 usually end their side too
//!   when they get one;
//! - after `close` the peer's end is waited for, for a while ([`SHUTDOWN_TIMEOUT`]), and
//!   `connection_lost` comes then;
//! - files are read and encrypted, piece by piece, as the peer takes them.
//!
//! | file | what |
//! |---|---|
//! | `engine`, `anybody`, `pem` | rustls, and nobody else knows it: sessions, no check of a peer, certificates and keys in files |
//! | `transport` | the layer: [`Transport`] upwards, [`Protocol`](crate::Protocol) downwards |
//! | `start` | how a layer comes to be put in |

mod anybody;
mod engine;
mod pem;
mod start;
mod transport;

use std::rc::Rc;

pub use engine::{
    ClientContext, ClientContextBuilder, HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT, ServerContext,
    ServerContextBuilder,
};
pub(crate) use start::upgrade;
pub use start::{Side, start_tls};

use crate::Transport;
#[cfg(doc)]
use crate::{ConnectOptions, ServerOptions};

/// What was agreed upon in a handshake: asyncio's `get_extra_info` of `"cipher"`, `"peercert"` and
/// `"ssl_object"`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLSv1_3` or `TLSv1_2`.
    pub version: String,
    /// The cipher suite, as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The protocol chosen by ALPN.
    pub alpn_protocol: Option<Vec<u8>>,
    /// On the server's side: the name that the client asked for.
    pub server_name: Option<String>,
    /// Whether an earlier session with the same peer went on, which saves the certificates' work.
    /// Python's `SSLSocket.session_reused`.
    pub session_reused: bool,
    /// The peer's certificates, its own first, DER.
    pub peer_certificates: Vec<Vec<u8>>,
}

impl Transport {
    /// What was agreed upon with the peer; `None` without TLS, and before the handshake is done.
    pub fn tls_info(&self) -> Option<Rc<TlsInfo>> {
        self.carrier().layer_info()?.downcast().ok()
    }
}
