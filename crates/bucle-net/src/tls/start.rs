//! Where TLS is put in: servers, connections, and connections that are upgraded.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bucle_loop::LoopRef;

use super::engine::{ClientContext, ServerContext, Session};
use super::transport::{Patience, TlsProtocol, TlsTransport};
use crate::carrier::Carrier;
use crate::layer::{AcceptLayer, ConnectLayer, Layered, Ready};
use crate::protocol::Protocol;
use crate::{ConnectOptions, ServerOptions, Transport};

impl ServerOptions {
    /// Has all connections speak TLS. asyncio's `ssl`.
    #[must_use]
    pub fn tls(mut self, context: ServerContext) -> ServerOptions {
        self.layer = Some(Arc::new(context));
        self
    }

    /// Whether connections speak TLS.
    pub fn is_tls(&self) -> bool {
        self.layer.is_some()
    }
}

impl ConnectOptions {
    /// Has the connection speak TLS. asyncio's `ssl`. The server has to be the one that the address
    /// names, unless [`server_hostname`](ConnectOptions::server_hostname) says another name.
    pub fn tls(mut self, context: ClientContext) -> ConnectOptions {
        self.layer = Some(Arc::new(context));
        self
    }
}

impl AcceptLayer for ServerContext {
    fn accept(&self, event_loop: &LoopRef, protocol: Box<dyn Protocol>) -> io::Result<Layered> {
        let session = Session::server(self)?;
        let accepted = Some(self.clone());
        let tls = TlsTransport::new(
            event_loop,
            session,
            self.patience(),
            protocol,
            false,
            accepted,
        );
        Ok(layered(&tls))
    }
}

impl ConnectLayer for ClientContext {
    fn connect(
        &self,
        event_loop: &LoopRef,
        host: Option<&str>,
        protocol: Box<dyn Protocol>,
    ) -> io::Result<(Layered, Ready)> {
        let host = host.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the address has no host name to check the server's certificate by; give \
                 `.server_hostname(..)`",
            )
        })?;
        let session = Session::client(self, host)?;
        let tls = TlsTransport::new(event_loop, session, self.patience, protocol, false, None);
        let layered = layered(&tls);
        let what = format!("the TLS handshake with {host} failed");
        Ok((layered, Box::pin(handshake(tls, what))))
    }
}

fn layered(tls: &Rc<TlsTransport>) -> Layered {
    Layered {
        protocol: Box::new(TlsProtocol(tls.clone())),
        face: tls.clone(),
    }
}

/// Waits for a handshake; dropped before, it gives the connection up.
async fn handshake(tls: Rc<TlsTransport>, what: String) -> io::Result<()> {
    struct Abort(Option<Rc<TlsTransport>>);
    impl Drop for Abort {
        fn drop(&mut self) {
            if let Some(tls) = self.0.take() {
                tls.abort();
            }
        }
    }
    let mut guard = Abort(Some(tls.clone()));
    let outcome = poll_fn(|cx| tls.poll_handshake(cx)).await;
    guard.0 = None;
    outcome.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}

/// Which side of TLS a connection is to take, and what it needs for that: a [`ServerContext`], or a
/// [`ClientContext`] with the name of the server.
#[derive(Clone)]
pub struct Side(Role);

#[derive(Clone)]
enum Role {
    Server(ServerContext),
    Client(ClientContext, String),
}

impl From<ServerContext> for Side {
    fn from(context: ServerContext) -> Side {
        Side(Role::Server(context))
    }
}

impl From<(ClientContext, &str)> for Side {
    fn from((context, server_hostname): (ClientContext, &str)) -> Side {
        Side(Role::Client(context, server_hostname.to_owned()))
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Role::Server(_) => f.write_str("Server"),
            Role::Client(_, host) => f.debug_tuple("Client").field(host).finish(),
        }
    }
}

impl Side {
    fn session(&self) -> io::Result<(Session, Patience, String)> {
        Ok(match &self.0 {
            Role::Server(context) => (
                Session::server(context)?,
                context.patience(),
                "the TLS handshake with the client failed".to_owned(),
            ),
            Role::Client(context, host) => (
                Session::client(context, host)?,
                context.patience,
                format!("the TLS handshake with {host} failed"),
            ),
        })
    }
}

/// Has a connection speak TLS from here on, and gives it to `protocol`, of which `connection_made`
/// is not called. Returns the transport that it is to write to. asyncio's `start_tls`.
///
/// What was written to `transport` before leaves in plain text, before the handshake. It is of no
/// more use then: what is written to it would be in the midst of TLS. Whatever is received is TLS
/// from the moment of the call, not of the first await. A protocol that has received more than what
/// asks for the upgrade should refuse it: somebody in between may have put that there, for it to
/// be taken as if it had come by TLS.
/// [`StreamWriter::start_tls`](crate::StreamWriter::start_tls) does.
///
/// Dropping the future gives the connection up.
///
/// # Errors
/// `InvalidInput` for what is no name of a server; why the handshake failed. The connection is lost
/// then, of which `protocol` is told.
pub fn start_tls<P: Protocol, S: Into<Side>>(
    transport: &Transport,
    protocol: P,
    side: S,
) -> impl Future<Output = io::Result<Transport>> + use<P, S> {
    let upgrade = upgrade(transport, Box::new(protocol), &side.into());
    async move {
        let (transport, handshake) = upgrade?;
        handshake.await?;
        Ok(transport)
    }
}

pub(crate) fn upgrade(
    transport: &Transport,
    protocol: Box<dyn Protocol>,
    side: &Side,
) -> io::Result<(Transport, Ready)> {
    if transport.is_closing() {
        return Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the connection is closed; TLS can't be started on it",
        ));
    }
    let (session, patience, what) = side.session()?;
    let tls = TlsTransport::new(
        &transport.event_loop(),
        session,
        patience,
        protocol,
        true,
        None,
    );
    let face: Rc<dyn Carrier> = tls.clone();
    transport.carrier().show_as(Rc::downgrade(&face));
    transport.set_protocol(TlsProtocol(tls.clone()));
    tls.start(transport.clone());
    transport.resume_reading();
    Ok((Transport::new(face), Box::pin(handshake(tls, what))))
}
