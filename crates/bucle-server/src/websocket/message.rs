//! What goes over a WebSocket: [`Message`], and why one ends: [`WebSocketError`].

use std::fmt;
use std::io;

use bytes::Bytes;
use tungstenite::error::CapacityError;
use tungstenite::protocol as wire;

/// A message, whole: the frames it came in are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// Asks for a pong, at most 125 bytes. One that came in was answered already.
    Ping(Bytes),
    /// The answer to a ping, or a sign of life that nobody asked for; at most 125 bytes.
    Pong(Bytes),
    /// The end, and why, if that was said. One that came in was answered already, and nothing
    /// follows it.
    Close(Option<CloseFrame>),
}

/// Why a WebSocket is closed (RFC 6455, section 7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// 1000 for a normal end; 3000 to 4999 are free for libraries and applications.
    pub code: u16,
    /// For whoever reads logs; at most 123 bytes.
    pub reason: String,
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Message {
        Message::Binary(bytes)
    }
}

/// The longest payload of a control frame, in bytes (RFC 6455, section 5.5).
const CONTROL_LIMIT: usize = 125;

impl Message {
    pub(super) fn into_wire(self) -> Result<wire::Message, WebSocketError> {
        let control = |length: usize| match length <= CONTROL_LIMIT {
            true => Ok(()),
            false => Err(WebSocketError::Invalid(
                "a ping or pong has at most 125 bytes, the reason of a close at most 123",
            )),
        };
        Ok(match self {
            Message::Text(text) => wire::Message::Text(text.into()),
            Message::Binary(bytes) => wire::Message::Binary(bytes),
            Message::Ping(bytes) => {
                control(bytes.len())?;
                wire::Message::Ping(bytes)
            }
            Message::Pong(bytes) => {
                control(bytes.len())?;
                wire::Message::Pong(bytes)
            }
            Message::Close(frame) => {
                let frame = frame.map(|frame| {
                    control(2 + frame.reason.len())?;
                    let code = wire::frame::coding::CloseCode::from(frame.code);
                    if !code.is_allowed() {
                        return Err(WebSocketError::Invalid(
                            "this close code is not one to be sent; 1000 is the normal one",
                        ));
                    }
                    Ok(wire::CloseFrame {
                        code,
                        reason: frame.reason.into(),
                    })
                });
                wire::Message::Close(frame.transpose()?)
            }
        })
    }

    /// `None` for what is never received.
    pub(super) fn from_wire(message: wire::Message) -> Option<Message> {
        Some(match message {
            wire::Message::Text(text) => Message::Text(text.as_str().to_owned()),
            wire::Message::Binary(bytes) => Message::Binary(bytes),
            wire::Message::Ping(bytes) => Message::Ping(bytes),
            wire::Message::Pong(bytes) => Message::Pong(bytes),
            wire::Message::Close(frame) => Message::Close(frame.map(|frame| CloseFrame {
                code: frame.code.into(),
                reason: frame.reason.as_str().to_owned(),
            })),
            wire::Message::Frame(_) => return None,
        })
    }
}

/// Why a WebSocket is at its end, or a message can't be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketError {
    /// It was closed, by either side: nothing can be sent any more.
    Closed,
    /// The connection broke, or ended without a word.
    Lost(io::Error),
    /// The client's message is longer than is allowed here; it was told 1009.
    TooLong,
    /// What the client sent is not well-formed: it was told 1002, or 1007 for text that is not
    /// UTF-8.
    Malformed(String),
    /// The message given can't be sent, and was not; the WebSocket goes on.
    Invalid(&'static str),
}

impl WebSocketError {
    pub(super) fn from_wire(error: tungstenite::Error) -> WebSocketError {
        use tungstenite::Error;
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => WebSocketError::Closed,
            Error::Protocol(tungstenite::error::ProtocolError::SendAfterClosing) => {
                WebSocketError::Closed
            }
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                WebSocketError::Lost(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the client ended the connection without closing the WebSocket",
                ))
            }
            Error::Io(error) => WebSocketError::Lost(error),
            Error::Capacity(CapacityError::MessageTooLong { .. }) => WebSocketError::TooLong,
            error => WebSocketError::Malformed(error.to_string()),
        }
    }

    /// What the client is told of it.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            WebSocketError::TooLong => Some(1009),
            WebSocketError::Malformed(text) if text.starts_with("UTF-8") => Some(1007),
            WebSocketError::Malformed(_) => Some(1002),
            _ => None,
        }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSocketError::Closed => f.write_str("the WebSocket was closed"),
            WebSocketError::Lost(error) => write!(f, "the WebSocket was lost: {error}"),
            WebSocketError::TooLong => {
                f.write_str("the client's message is longer than is allowed here")
            }
            WebSocketError::Malformed(what) => {
                write!(f, "the client does not speak WebSocket: {what}")
            }
            WebSocketError::Invalid(what) => write!(f, "the message can't be sent: {what}"),
        }
    }
}

impl std::error::Error for WebSocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WebSocketError::Lost(error) => Some(error),
            _ => None,
        }
    }
}
