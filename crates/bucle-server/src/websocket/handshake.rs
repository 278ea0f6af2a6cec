//! The opening handshake (RFC 6455, section 4.2): is this request one that can become a WebSocket?

use std::future::Future;
use std::time::Duration;

use bucle_http::{Method, StatusCode};

use super::{CLOSE_TIMEOUT, MAX_MESSAGE, WebSocket};
use crate::upgrade::upgrade_required;
use crate::{Request, Response};

/// The only version there is (RFC 6455, section 4.1).
const VERSION: &[u8] = b"13";

/// Joined to the client's key, it is what only a WebSocket server would answer with (RFC 6455,
/// section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a WebSocket is served.
///
/// ```
/// use bucle_server::{Request, Response, WebSocketOptions};
///
/// async fn chat(request: Request) -> Response {
///     let options = WebSocketOptions::new().protocols(["chat.v2", "chat.v1"]);
///     options.upgrade(request, |mut socket| async move {
///         println!("speaks {:?}", socket.protocol());
///         let _ = socket.send("welcome").await;
///     })
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `upgrade` is called on them"]
pub struct WebSocketOptions {
    pub(super) max_message: usize,
    pub(super) close_timeout: Duration,
    protocols: Vec<String>,
    any_origin: bool,
}

impl Default for WebSocketOptions {
    fn default() -> WebSocketOptions {
        WebSocketOptions {
            max_message: MAX_MESSAGE,
            close_timeout: CLOSE_TIMEOUT,
            protocols: Vec::new(),
            any_origin: false,
        }
    }
}

impl WebSocketOptions {
    /// The defaults.
    pub fn new() -> WebSocketOptions {
        WebSocketOptions::default()
    }

    /// The longest message that is taken, in bytes, however many frames it comes in;
    /// [`MAX_MESSAGE`] unless set. A longer one ends the WebSocket with 1009.
    pub fn max_message(mut self, bytes: usize) -> WebSocketOptions {
        self.max_message = bytes;
        self
    }

    /// How long the end waits for the client's side of it; [`CLOSE_TIMEOUT`] unless set.
    pub fn close_timeout(mut self, timeout: Duration) -> WebSocketOptions {
        self.close_timeout = timeout;
        self
    }

    /// The subprotocols spoken here, the liked ones first: the first that the client offers too is
    /// chosen, and told by [`WebSocket::protocol`]. Without a common one there is none, and it is
    /// the client that may not like it.
    pub fn protocols<I>(mut self, protocols: I) -> WebSocketOptions
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Lets pages from anywhere connect. Unless this is said, a browser's page may connect only to
    /// the host it came from: a browser sends its cookies along wherever a page connects to, so any
    /// page could otherwise act in its visitor's name. Clients that are no browsers say no origin,
    /// and may always connect.
    pub fn any_origin(mut self) -> WebSocketOptions {
        self.any_origin = true;
        self
    }

    /// Answers with 101 and goes on as a WebSocket in `block`, as a task of its own; see
    /// [`WebSocket::upgrade`].
    pub fn upgrade<F>(
        self,
        request: Request,
        block: impl FnOnce(WebSocket) -> F + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + 'static,
    {
        let accept = match self.check(&request) {
            Ok(accept) => accept,
            Err(response) => return response,
        };
        let protocol = self.choose(&request);
        let chosen = protocol.clone();
        let mut response = request.upgrade("websocket", move |upgraded| {
            block(WebSocket::new(upgraded, &self, protocol))
        });
        if response.is_upgrade() {
            response = response.field("Sec-WebSocket-Accept", &accept);
            if let Some(protocol) = chosen {
                response = response.field("Sec-WebSocket-Protocol", &protocol);
            }
        }
        response
    }

    /// What to accept with, or why not.
    fn check(&self, request: &Request) -> Result<String, Response> {
        if request.method() != Method::Get {
            return Err(Response::method_not_allowed("GET"));
        }
        if !request.asks_for("websocket") {
            return Err(upgrade_required("websocket"));
        }
        let version = one(request, "sec-websocket-version")?;
        if version != VERSION {
            return Err(upgrade_required("websocket").field("Sec-WebSocket-Version", "13"));
        }
        let key = one(request, "sec-websocket-key")?;
        if !is_key(key) {
            return Err(bad("the Sec-WebSocket-Key is not 16 bytes in base64"));
        }
        if !self.any_origin && !same_origin(request) {
            let text = "403 Forbidden: a page from elsewhere may not connect here\n";
            return Err(Response::text(text).with_status(StatusCode::FORBIDDEN));
        }
        Ok(accept(key))
    }

    /// The first of our subprotocols that the client offers.
    fn choose(&self, request: &Request) -> Option<String> {
        let offers = |ours: &str| {
            request
                .head()
                .header_all("sec-websocket-protocol")
                .flat_map(|value| value.split(|byte| *byte == b','))
                .any(|theirs| theirs.trim_ascii() == ours.as_bytes())
        };
        let mut protocols = self.protocols.iter();
        protocols.find(|protocol| offers(protocol)).cloned()
    }
}

fn bad(what: &str) -> Response {
    Response::text(format!("400 Bad Request: {what}\n")).with_status(StatusCode::BAD_REQUEST)
}

/// The value of a field that must be there once.
fn one<'a>(request: &'a Request, name: &'a str) -> Result<&'a [u8], Response> {
    let mut values = request.head().header_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(bad(&format!("a WebSocket needs one {name} field"))),
    }
}

/// 16 bytes in base64 are 22 characters and two for padding.
fn is_key(key: &[u8]) -> bool {
    let mut decoded = [0; 18];
    key.len() == 24 && data_encoding::BASE64.decode_mut(key, &mut decoded) == Ok(16)
}

fn accept(key: &[u8]) -> String {
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    data_encoding::BASE64.encode(&sha1.digest().bytes())
}

/// Whether no page is at work, or one that came from here.
fn same_origin(request: &Request) -> bool {
    let mut origins = request.head().header_all("origin");
    let Some(origin) = origins.next() else {
        return true;
    };
    let authority = std::str::from_utf8(origin).ok().and_then(|origin| {
        let (_, authority) = origin.split_once("://")?;
        Some(authority)
    });
    match (authority, request.head().host()) {
        (Some(authority), Some(host)) => {
            origins.next().is_none() && authority.eq_ignore_ascii_case(host)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, section 1.3.
    #[test]
    fn the_key_of_the_rfc() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn what_is_no_key() {
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25jZTEy",
            "dGhlIHNhbXBsZSBub25jZ_==",
            "dGhlIHNhbXBsZSBub25jZQ===",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }
}
