//! [`Request`]: what a handler is asked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use bucle_http::{Method, RequestHead, Version};
use bucle_net::{Address, Transport};

use crate::body::RequestBody;
use crate::metrics::Tally;
use crate::pool::Pool;
use crate::proxies::TrustedProxies;

/// Heads that wait to be used again: one serves many requests without allocating. It is what a
/// request knows of its loop.
pub(crate) struct HeadPool {
    tally: Arc<Tally>,
    proxies: TrustedProxies,
    // Boxed, since a request takes its head along to wherever it goes.
    heads: Pool<Box<RequestHead>>,
}

impl HeadPool {
    pub(crate) fn new(tally: Arc<Tally>, proxies: TrustedProxies) -> HeadPool {
        HeadPool {
            tally,
            proxies,
            heads: Pool::default(),
        }
    }

    /// For whom a request is that came for `client`, as proxies tell it.
    pub(crate) fn client(&self, client: Option<&Address>, head: &RequestHead) -> Option<IpAddr> {
        let address = client?.as_tcp().map(|address| address.ip().to_canonical());
        self.proxies.client(address, head)
    }

    #[inline]
    pub(crate) fn take(&self) -> Box<RequestHead> {
        self.heads.take().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn give(&self, head: Box<RequestHead>) {
        self.heads.give(head);
    }
}

/// A request: its head, and the body that may still be on its way.
pub struct Request {
    /// Only missing while it is being dropped.
    head: Option<Box<RequestHead>>,
    body: RequestBody,
    pool: Rc<HeadPool>,
    transport: Option<Transport>,
}

impl Request {
    #[inline]
    pub(crate) fn new(
        head: Box<RequestHead>,
        body: RequestBody,
        pool: Rc<HeadPool>,
        transport: Option<Transport>,
    ) -> Request {
        Request {
            head: Some(head),
            body,
            pool,
            transport,
        }
    }

    /// The whole head: request line and header fields.
    #[inline]
    pub fn head(&self) -> &RequestHead {
        match &self.head {
            Some(head) => head,
            None => unreachable!("the head is there until the request is dropped"),
        }
    }

    /// Where its loop counts.
    #[inline]
    pub(crate) fn tally(&self) -> &Tally {
        &self.pool.tally
    }

    /// The method.
    #[inline]
    pub fn method(&self) -> Method {
        self.head().method()
    }

    /// The path of the request's target, as it was sent: still percent-encoded. Empty for the
    /// targets that have none, `*` and those of CONNECT.
    #[inline]
    pub fn path(&self) -> &str {
        self.head().path()
    }

    /// What follows the `?` of the target, as it was sent.
    #[inline]
    pub fn query(&self) -> Option<&str> {
        self.head().query()
    }

    /// The protocol version.
    #[inline]
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// The value of the first header field of this name, in whatever case.
    #[inline]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head().header(name)
    }

    /// Who is connected to us: the client, or the last proxy before us. `None` for a Unix socket, and
    /// once the connection has ended. The system is asked at each call.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.transport.as_ref()?.peer_address()?.as_tcp()
    }

    /// For whom the request is, as far as that is known: the peer, unless it is one of the [trusted
    /// proxies](crate::Options::trusted_proxies), which are then believed: what such a proxy told by the
    /// PROXY protocol, and from there on the addresses in `X-Forwarded-For`, from the last to the first
    /// that is not a trusted proxy's. What is no address ends that way, and the last proxy before it is
    /// the answer. An IPv4 address is one of IPv4 also where it was written as one of IPv6.
    ///
    /// `None` where nobody said: for a Unix socket with no trusted proxy at its other end, for one
    /// whose proxy speaks of another, and once the connection has ended. What nobody vouches for,
    /// `X-Forwarded-For` of a stranger above all, is in [`header`](Request::header), for who wants it.
    pub fn client_addr(&self) -> Option<IpAddr> {
        let client = self.transport.as_ref()?.client_address()?;
        self.pool.client(Some(&client), self.head())
    }

    /// The body, to be read where it is.
    pub fn body(&mut self) -> &mut RequestBody {
        &mut self.body
    }

    /// The body, for whom the head is no longer of use.
    pub fn into_body(mut self) -> RequestBody {
        std::mem::take(&mut self.body)
    }
}

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        if let Some(head) = self.head.take() {
            self.pool.give(head);
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.head().method_str())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
