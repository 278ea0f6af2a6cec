//! [`DatagramProtocol`]: what is told of an endpoint.

use std::io;
use std::net::SocketAddr;

use super::DatagramTransport;

/// What is called back for an endpoint. asyncio's `DatagramProtocol`.
///
/// ```text
/// connection_made -> (datagram_received | error_received)* -> connection_lost
/// ```
///
/// Callbacks never enter one another. A panic in one goes to the loop's exception handler, and the
/// endpoint is closed.
pub trait DatagramProtocol: 'static {
    /// The endpoint stands.
    fn connection_made(&mut self, transport: DatagramTransport) {
        let _ = transport;
    }

    /// A datagram came in. It lies in the loop's shared buffer, so what is to stay is copied.
    fn datagram_received(&mut self, data: &[u8], address: SocketAddr);

    /// A datagram could not be sent or received; others still can. `ConnectionRefused` says that
    /// nobody is at the remote address.
    fn error_received(&mut self, error: io::Error) {
        let _ = error;
    }

    /// The endpoint is closed: `None` by us, else why. The last call; the protocol is dropped after
    /// it.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// More is queued than the high water mark allows.
    fn pause_writing(&mut self) {}

    /// The queue has drained to the low water mark.
    fn resume_writing(&mut self) {}
}
