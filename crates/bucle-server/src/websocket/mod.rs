//! [`WebSocket`]: messages both ways over an upgraded connection (RFC 6455).
//!
//! Frames are tungstenite's business; ours are the opening handshake, the streams below, and the
//! end: whatever ends a WebSocket, the client gets to see why before the connection does.
//!
//! | file | what |
//! |---|---|
//! | `handshake` | the request that becomes one: [`WebSocketOptions`] |
//! | `message` | [`Message`], [`WebSocketError`] |

mod handshake;
mod message;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bucle_loop::{timeout, try_get_running_loop};
use bucle_net::{StreamReader, StreamWriter};
use futures_io::AsyncRead;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

pub use handshake::WebSocketOptions;
pub use message::{CloseFrame, Message, WebSocketError};

use crate::upgrade::{Draining, Upgraded};
use crate::{Request, Response};

/// The longest message that is taken, in bytes, unless [set](WebSocketOptions::max_message).
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// How long the end of a WebSocket waits for the client's side of it, unless
/// [set](WebSocketOptions::close_timeout).
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is read at once, in bytes; each WebSocket has a buffer of this size.
const READ_BUFFER: usize = 8 * 1024;

/// A WebSocket, on the server's side.
///
/// ```
/// use bucle_server::{Message, Request, Response, WebSocket};
///
/// async fn echo(request: Request) -> Response {
///     WebSocket::upgrade(request, |mut socket| async move {
///         while let Some(Ok(message)) = socket.recv().await {
///             if let Message::Text(_) | Message::Binary(_) = message
///                 && socket.send(message).await.is_err()
///             {
///                 break;
///             }
///         }
///     })
/// }
/// ```
///
/// Dropped, it is closed with 1000, by a panic with 1011; what the client is told is on its way
/// then, and the connection ends by itself. While a server is stopping, the next
/// [`recv`](WebSocket::recv) closes with 1001 (going away) and goes on until the client has agreed.
pub struct WebSocket {
    context: WebSocketContext,
    /// None once the end has begun that needs nobody to wait for it.
    streams: Option<(StreamReader, StreamWriter)>,
    draining: Draining,
    protocol: Option<String>,
    close_timeout: Duration,
}

impl WebSocket {
    /// Answers with 101 and goes on as a WebSocket in `block`, as a task of its own, which is
    /// dropped when the connection breaks or the server is at its end.
    ///
    /// What can't become one is answered with 405 (not GET), 426 (doesn't ask for it, or for another
    /// version), 400 (a key or version that is missing, repeated or malformed) or 403 (a page from
    /// elsewhere: [`any_origin`](WebSocketOptions::any_origin)).
    pub fn upgrade<F>(request: Request, block: impl FnOnce(WebSocket) -> F + 'static) -> Response
    where
        F: Future<Output = ()> + 'static,
    {
        WebSocketOptions::default().upgrade(request, block)
    }

    fn new(upgraded: Upgraded, options: &WebSocketOptions, protocol: Option<String>) -> WebSocket {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Each message is written when it is sent.
            .write_buffer_size(0)
            .max_frame_size(Some(options.max_message))
            .max_message_size(Some(options.max_message));
        WebSocket {
            context: WebSocketContext::new(Role::Server, Some(config)),
            streams: Some((upgraded.reader, upgraded.writer)),
            draining: upgraded.draining,
            protocol,
            close_timeout: options.close_timeout,
        }
    }

    /// The subprotocol that was agreed on; see [`WebSocketOptions::protocols`].
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The next message; `None` when there are no more: the WebSocket is closed. Pings are answered,
    /// and a close is agreed to, before they are given out. Cancel-safe.
    ///
    /// Waits also while the client does not read what was sent to it.
    ///
    /// # Errors
    /// [`Lost`](WebSocketError::Lost), [`TooLong`](WebSocketError::TooLong),
    /// [`Malformed`](WebSocketError::Malformed); nothing follows any of them.
    pub async fn recv(&mut self) -> Option<Result<Message, WebSocketError>> {
        let draining = self.draining.clone();
        let mut stopping = pin!(draining.begun());
        loop {
            let (_, writer) = self.streams.as_ref()?;
            // Where that fails, what was received before is still given out.
            let _ = writer.drain().await;
            let error = match poll_fn(|cx| self.poll_read(cx, stopping.as_mut())).await {
                Ok(message) => match Message::from_wire(message) {
                    Some(message) => return Some(Ok(message)),
                    None => continue,
                },
                Err(error) => error,
            };
            if let Some(code) = error.code() {
                let _ = self.begin_to_close(Some(CloseFrame {
                    code,
                    reason: String::new(),
                }));
            }
            self.let_go();
            return match error {
                WebSocketError::Closed => None,
                error => Some(Err(error)),
            };
        }
    }

    /// Sends a message, and waits until there is room for more: until the client has read most of
    /// what was sent before. Dropped before it is done, it has sent the whole message.
    ///
    /// A [`Message::Close`] begins the end: the client's agreement is what
    /// [`recv`](WebSocket::recv) comes to.
    ///
    /// # Errors
    /// [`Closed`](WebSocketError::Closed), [`Lost`](WebSocketError::Lost),
    /// [`Invalid`](WebSocketError::Invalid).
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let message = message.into().into_wire()?;
        let Some((reader, writer)) = &mut self.streams else {
            return Err(WebSocketError::Closed);
        };
        let mut io = Io {
            reader,
            writer,
            cx: None,
        };
        let sent = self.context.write(&mut io, message);
        let sent = sent.and_then(|()| self.context.flush(&mut io));
        sent.map_err(WebSocketError::from_wire)?;
        writer.drain().await.map_err(WebSocketError::Lost)
    }

    /// Closes with a code and a reason, and waits until the client has agreed, or for the
    /// [time](WebSocketOptions::close_timeout) that it is given. Messages that are still on their way
    /// are thrown away. Dropped before it is done, the connection ends by itself.
    ///
    /// # Errors
    /// [`Invalid`](WebSocketError::Invalid): the code is reserved, or the reason too long.
    pub async fn close(mut self, code: u16, reason: &str) -> Result<(), WebSocketError> {
        let frame = CloseFrame {
            code,
            reason: reason.to_owned(),
        };
        self.begin_to_close(Some(frame))?;
        let limit = self.close_timeout;
        let agreed = async { while let Some(Ok(_)) = self.recv().await {} };
        let _ = timeout(limit, agreed).await;
        Ok(())
    }

    /// Says that this is the end, unless that was said.
    fn begin_to_close(&mut self, frame: Option<CloseFrame>) -> Result<(), WebSocketError> {
        let wire = Message::Close(frame).into_wire()?;
        let Some((reader, writer)) = &mut self.streams else {
            return Ok(());
        };
        if self.context.can_write() {
            let mut io = Io {
                reader,
                writer,
                cx: None,
            };
            // Whether it can be said is of no consequence to the end.
            let _ = self.context.write(&mut io, wire);
        }
        Ok(())
    }

    /// Reads a message; where the server is `stopping`, which is polled until it is, closes first.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stopping: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Result<tungstenite::Message, WebSocketError>> {
        if self.context.can_write() && (self.draining.has_begun() || stopping.poll(cx).is_ready()) {
            let _ = self.begin_to_close(Some(CloseFrame {
                code: 1001,
                reason: "the server is stopping".into(),
            }));
        }
        let Some((reader, writer)) = &mut self.streams else {
            return Poll::Ready(Err(WebSocketError::Closed));
        };
        let mut io = Io {
            reader,
            writer,
            cx: Some(cx),
        };
        match self.context.read(&mut io) {
            Ok(message) => {
                // Pongs, and the agreement to a close.
                let _ = self.context.flush(&mut io);
                Poll::Ready(Ok(message))
            }
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(WebSocketError::from_wire(error))),
        }
    }

    /// Ends our side, and reads what is still to come for a while, lest a reset destroy our last
    /// words on their way. Nobody has to wait for it.
    fn let_go(&mut self) {
        let Some((mut reader, writer)) = self.streams.take() else {
            return;
        };
        if reader.at_eof() || writer.is_closing() || try_get_running_loop().is_none() {
            return;
        }
        writer.write_eof();
        let limit = self.close_timeout;
        let linger = async move {
            let rest = async {
                while matches!(reader.read(READ_BUFFER).await, Ok(rest) if !rest.is_empty()) {}
            };
            let _ = timeout(limit, rest).await;
            drop(writer);
        };
        bucle_loop::spawn_named("websocket end", linger).detach();
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        let code = if std::thread::panicking() { 1011 } else { 1000 };
        let _ = self.begin_to_close(Some(CloseFrame {
            code,
            reason: String::new(),
        }));
        self.let_go();
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("protocol", &self.protocol)
            .field("open", &self.context.can_write())
            .finish_non_exhaustive()
    }
}

/// The streams as tungstenite likes them: what would wait says so, writing never does.
struct Io<'a, 'b> {
    reader: &'a mut StreamReader,
    writer: &'a StreamWriter,
    /// None while only writing.
    cx: Option<&'a mut Context<'b>>,
}

impl Read for Io<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(cx) = &mut self.cx else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        match Pin::new(&mut *self.reader).poll_read(cx, buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Io<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
