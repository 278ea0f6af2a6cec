//! [`ProxyProtocol`]: connections that come by way of a proxy, which says at their beginning whom they
//! are for.
//!
//! The header stands before everything else, TLS included, so it is read below that, by a layer that
//! passes on what comes behind. Whom a connection is for is [`Transport::client_address`] then.

mod header;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bucle_loop::{Interest, TimerHandle};

use crate::protocol::Protocol;
use crate::{Address, Transport};
pub use header::PROXY_HEADER;
use header::Told;

/// How long a proxy may take for its header unless another time is set.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(5);

type Trusted = dyn Fn(&Address) -> bool + Send + Sync;
type OnError = dyn Fn(Option<Address>, &io::Error) + Send + Sync;

/// That a server speaks the PROXY protocol, versions 1 and 2, with the proxies it trusts: see
/// [`ServerOptions::proxy_protocol`](crate::ServerOptions::proxy_protocol).
///
/// A connection that comes from one of these has to begin with a header; one whose header is not
/// well-formed, is longer than [`PROXY_HEADER`] or does not come in time is closed without an answer.
/// A connection from anybody else is taken as it is: were it to begin with a header, that would be read
/// as what it says it isn't, a request or a handshake.
#[derive(Clone)]
pub struct ProxyProtocol {
    trusted: Arc<Trusted>,
    timeout: Duration,
    on_error: Option<Arc<OnError>>,
}

impl ProxyProtocol {
    /// Takes headers from whom `trusted` says so of, by his address. It is asked once a connection.
    pub fn new(trusted: impl Fn(&Address) -> bool + Send + Sync + 'static) -> ProxyProtocol {
        ProxyProtocol {
            trusted: Arc::new(trusted),
            timeout: PROXY_TIMEOUT,
            on_error: None,
        }
    }

    /// How long a header may take; [`PROXY_TIMEOUT`] unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> ProxyProtocol {
        self.timeout = timeout;
        self
    }

    /// Has `told` called for each connection that is closed for want of a good header, with the
    /// proxy's address, if it is known still, and why. It should only count or write down.
    #[must_use]
    pub fn on_error(
        mut self,
        told: impl Fn(Option<Address>, &io::Error) + Send + Sync + 'static,
    ) -> ProxyProtocol {
        self.on_error = Some(Arc::new(told));
        self
    }

    /// Puts the layer around a protocol.
    pub(crate) fn around(&self, protocol: Box<dyn Protocol>) -> Layer {
        Layer {
            options: self.clone(),
            transport: None,
            above: protocol,
            header: Some(Vec::new()),
            timer: None,
        }
    }

    fn tell(&self, transport: &Transport, error: &io::Error) {
        if let Some(told) = &self.on_error {
            told(transport.peer_address(), error);
        }
    }
}

impl fmt::Debug for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyProtocol")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Reads the header, and passes on what comes behind it.
pub(crate) struct Layer {
    options: ProxyProtocol,
    /// Until the header was read.
    transport: Option<Transport>,
    above: Box<dyn Protocol>,
    /// As much of the header as came; none once it is through.
    header: Option<Vec<u8>>,
    timer: Option<TimerHandle>,
}

impl Layer {
    /// The protocol above learns of its connection.
    fn begin(&mut self) {
        self.stop_timer();
        self.header = None;
        if let Some(transport) = self.transport.take() {
            self.above.connection_made(transport);
        }
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.stop_timer();
        if let Some(transport) = self.transport.take() {
            self.options.tell(&transport, error);
            transport.close();
        }
    }

    fn receive_header(&mut self, data: &[u8]) {
        let (Some(header), Some(transport)) = (&mut self.header, &self.transport) else {
            return;
        };
        // Never more than is read: what is behind the header is in `data` still.
        let before = header.len();
        header.extend_from_slice(&data[..data.len().min(PROXY_HEADER.saturating_sub(before))]);
        match header::parse(header) {
            Ok(None) => {}
            Ok(Some((told, length))) => {
                if let Told::Client(address) = told {
                    transport.announce(address);
                }
                self.begin();
                let rest = &data[length.saturating_sub(before).min(data.len())..];
                if !rest.is_empty() {
                    self.above.data_received(rest);
                }
            }
            Err(malformed) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, malformed.to_string());
                self.fail(&error);
            }
        }
    }
}

impl Protocol for Layer {
    fn connection_made(&mut self, transport: Transport) {
        // A peer that is gone already is nobody's.
        let peer = transport.peer_address();
        let trusted = peer.is_some_and(|peer| (self.options.trusted)(&peer));
        self.transport = Some(transport.clone());
        if !trusted {
            return self.begin();
        }
        let options = self.options.clone();
        let waiting = transport.clone();
        let timer = transport.event_loop().call_later(options.timeout, move || {
            let message = format!(
                "no header of the PROXY protocol came within {:?}",
                options.timeout
            );
            options.tell(&waiting, &io::Error::new(io::ErrorKind::TimedOut, message));
            waiting.close();
        });
        self.timer = Some(timer);
    }

    fn data_received(&mut self, data: &[u8]) {
        match self.header {
            None => self.above.data_received(data),
            Some(_) => self.receive_header(data),
        }
    }

    fn eof_received(&mut self) -> bool {
        if self.header.is_none() {
            return self.above.eof_received();
        }
        let message = "the connection ended before a header of the PROXY protocol had come";
        self.fail(&io::Error::new(io::ErrorKind::UnexpectedEof, message));
        false
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.stop_timer();
        if self.header.is_none() {
            self.above.connection_lost(error);
        }
    }

    fn pause_writing(&mut self) {
        self.above.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.above.resume_writing();
    }

    fn readable(&mut self) -> bool {
        self.header.is_none() && self.above.readable()
    }

    fn waiting(&self, tell: &mut dyn FnMut(&Waker, Interest)) {
        self.above.waiting(tell);
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.stop_timer();
    }
}

impl Transport {
    /// Whom the connection is for: the client of the proxy that it came by, if it was trusted to tell
    /// ([`ServerOptions::proxy_protocol`](crate::ServerOptions::proxy_protocol)) and did, else the
    /// peer. As [`peer_address`](Transport::peer_address), it may ask the system.
    pub fn client_address(&self) -> Option<Address> {
        match self.carrier().announced() {
            Some(announced) => Some((*announced).clone()),
            None => self.peer_address(),
        }
    }

    fn announce(&self, client: Address) {
        self.carrier().announce(Rc::new(client));
    }
}
