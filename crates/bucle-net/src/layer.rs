//! What can be put between a connection and its protocol: TLS, so far. Servers and connectors know
//! it by these traits alone.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use bucle_loop::LoopRef;

use crate::carrier::Carrier;
use crate::protocol::Protocol;

/// A layer around a protocol.
pub(crate) struct Layered {
    /// What the connection below tells.
    pub(crate) protocol: Box<dyn Protocol>,
    /// What the protocol above, and its server, see as the transport.
    pub(crate) face: Rc<dyn Carrier>,
}

/// Ready once the protocol above has been told of its connection, or never will be.
pub(crate) type Ready = Pin<Box<dyn Future<Output = io::Result<()>>>>;

/// A layer for accepted connections.
pub(crate) trait AcceptLayer: Debug + Send + Sync {
    fn accept(&self, event_loop: &LoopRef, protocol: Box<dyn Protocol>) -> io::Result<Layered>;
}

/// A layer for connections of ours, to a host of that name if it has one.
pub(crate) trait ConnectLayer: Debug + Send + Sync {
    fn connect(
        &self,
        event_loop: &LoopRef,
        host: Option<&str>,
        protocol: Box<dyn Protocol>,
    ) -> io::Result<(Layered, Ready)>;
}
