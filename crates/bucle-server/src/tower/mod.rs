//! [`TowerHandler`]: a [`tower_service::Service`] of `http` types as a handler, an axum `Router` for
//! one.
//!
//! | file | what |
//! |---|---|
//! | `incoming` | the request's body as an [`http_body::Body`]: [`Incoming`] |
//! | `outgoing` | the service's response as ours |

mod incoming;
mod outgoing;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use bucle_http::{Method, StatusCode, Version};
use tower_service::Service;

pub use incoming::Incoming;

use incoming::Source;

use crate::handler::Handler;
use crate::into_response::failed;
use crate::{Request, Response};

/// Serves a tower service as it is: each request is answered by a clone of it, once that is
/// [ready](Service::poll_ready).
///
/// The service, its futures and the response's body need not be `Send`, but may: an axum `Router`
/// is served with no runtime but this one. What it spawns on another runtime finds none; and as axum
/// wants the futures of its handlers `Send`, which the loop's own are not, they reach what is on the
/// loop by [`run_coroutine_threadsafe`](bucle_loop::run_coroutine_threadsafe).
///
/// ```
/// use axum::{Router, routing::get};
/// use bucle_server::{Server, TowerHandler};
///
/// bucle_loop::run(async {
///     let router = Router::new().route("/hello/{name}", get(hello));
///     let server = Server::builder().listen("127.0.0.1:0")?.serve(TowerHandler::new(router))?;
/// #   drop(server);
///     Ok::<(), std::io::Error>(())
/// })??;
///
/// async fn hello(axum::extract::Path(name): axum::extract::Path<String>) -> String {
///     format!("hello {name}\n")
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What the service sees: a request in `http` types, with an [`Incoming`] body, that is read from the
/// client as it is asked for. What it may not decide is how the answer is framed: the connection's own
/// header fields (`Connection`, `Transfer-Encoding`, `Keep-Alive`, `Date` and the like) are left out of
/// its response; a `Connection: close` is heeded. Trailers go to clients that take them (`TE:
/// trailers`), if the body's length is not known or a `Trailer` field has announced them. An error of the
/// service is 500, and is told to the loop's exception handler. Dropping what it is at when the client
/// goes away is as for any [`Handler`].
#[derive(Clone)]
pub struct TowerHandler<S> {
    service: S,
    peers: bool,
}

/// Whom a request comes from: an extension of the requests of a [`TowerHandler`] that [tells
/// it](TowerHandler::with_peer). What axum has `ConnectInfo` for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// [`Request::peer_addr`]: who is connected to us.
    pub peer_addr: Option<SocketAddr>,
    /// [`Request::client_addr`]: for whom the request is, as trusted proxies tell it.
    pub client_addr: Option<IpAddr>,
}

impl<S> TowerHandler<S> {
    /// Serves `service`.
    pub fn new(service: S) -> TowerHandler<S> {
        TowerHandler {
            service,
            peers: false,
        }
    }

    /// Puts a [`Peer`] into the extensions of each request. It is not done unasked: the system is
    /// called for it.
    ///
    /// ```
    /// use axum::{Extension, Router, routing::get};
    /// use bucle_server::{Peer, TowerHandler};
    ///
    /// async fn who(Extension(peer): Extension<Peer>) -> String {
    ///     format!("{:?}\n", peer.client_addr)
    /// }
    ///
    /// let router: Router = Router::new().route("/who", get(who));
    /// let handler = TowerHandler::new(router).with_peer();
    /// # drop(handler);
    /// ```
    #[must_use]
    pub fn with_peer(mut self) -> TowerHandler<S> {
        self.peers = true;
        self
    }
}

impl<S> fmt::Debug for TowerHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerHandler").finish_non_exhaustive()
    }
}

impl<S, B> Handler for TowerHandler<S>
where
    S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Future = Pin<Box<dyn Future<Output = Response>>>;

    fn call(&self, request: Request) -> Self::Future {
        let mut service = self.service.clone();
        let peer = self.peers.then(|| Peer {
            peer_addr: request.peer_addr(),
            client_addr: request.client_addr(),
        });
        Box::pin(async move {
            let is_head = request.method() == Method::Head;
            let takes_trailers = request.head().takes_trailers();
            let (mut request, source) = match translate(request) {
                Ok(request) => request,
                Err(response) => return response,
            };
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let answered = async {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                service.call(request).await
            };
            let response = match answered.await {
                Ok(response) => outgoing::translate(response, is_head, takes_trailers).await,
                Err(error) => failed(&*error.into()),
            };
            if let Some(source) = source {
                source.let_go();
            }
            response
        })
    }
}

/// Our request in `http` types.
fn translate(request: Request) -> Result<(http::Request<Incoming>, Option<Source>), Response> {
    let head = request.head();
    let refused = |what: &str| {
        Response::text(format!("400 Bad Request: {what}\n")).with_status(StatusCode::BAD_REQUEST)
    };
    let mut translated = http::Request::new(());
    *translated.method_mut() = http::Method::from_bytes(head.method_str().as_bytes())
        .map_err(|_| refused("the method is not well-formed"))?;
    *translated.uri_mut() = http::Uri::try_from(head.target())
        .map_err(|_| refused("the target of the request is no URI"))?;
    *translated.version_mut() = match head.version() {
        Version::Http10 => http::Version::HTTP_10,
        _ => http::Version::HTTP_11,
    };
    let headers = translated.headers_mut();
    for (name, value) in head.headers() {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_bytes(value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(refused("a header field is not well-formed"));
        };
        if headers.try_append(name, value).is_err() {
            return Err(Response::error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
    }
    let (incoming, source) = Incoming::new(request.into_body());
    Ok((translated.map(|()| incoming), source))
}
