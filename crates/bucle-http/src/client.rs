//! [`ClientConnection`]: the answers of one connection, one after the other.

use crate::body::Body;
use crate::event::{Event, Progress};
use crate::framing::Framing;
use crate::limits::MAX_HEAD_BYTES;
use crate::scan::Scan;
use crate::{Error, Limits, Method, ResponseHead, StatusCode};

/// What of the current answer comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The head, of which this much was gone through already.
    Head(Scan),
    Body(Body),
    /// The caller's leave to go on.
    Paused,
    Failed(Error),
}

/// The client's side of one connection: takes what the server sends and says, event by event, what
/// it means, as [`ServerConnection`](crate::ServerConnection) does for requests.
///
/// An answer can be told from its request only: call [`next_response`](Self::next_response) with
/// the method of each request, in the order they were sent. A connection begins with the answer to a
/// GET. An interim answer (1xx) is a `Head` of its own, followed by the next one.
///
/// ```
/// use bucle_http::{ClientConnection, Event, Limits, ResponseHead};
///
/// let (mut connection, limits) = (ClientConnection::default(), Limits::default());
/// let mut head = ResponseHead::default();
/// let progress = connection.receive(b"HTTP/1.1 204 No Content\r\n\r\n", &mut head, &limits)?;
/// assert_eq!((progress.event, head.status().as_u16()), (Event::Head, 204));
/// assert_eq!(connection.receive(b"", &mut head, &limits)?.event, Event::End);
/// # Ok::<(), bucle_http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientConnection {
    state: State,
    method: Method,
    /// Interim answers to the current request.
    interim: u8,
    keep_alive: bool,
}

impl Default for ClientConnection {
    fn default() -> ClientConnection {
        ClientConnection {
            state: State::Head(Scan::RESPONSE),
            method: Method::Get,
            interim: 0,
            keep_alive: true,
        }
    }
}

impl ClientConnection {
    /// Goes through `input` up to the next event, as
    /// [`ServerConnection::receive`](crate::ServerConnection::receive) does.
    ///
    /// After 101, and after a 2xx to CONNECT, `End` follows the head and the connection stays
    /// `Paused` for good: what comes then is not HTTP.
    ///
    /// # Errors
    /// The answer is malformed, ambiguous or over a limit; every later call returns the same error.
    #[inline]
    pub fn receive(
        &mut self,
        input: &[u8],
        head: &mut ResponseHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let progress = match &mut self.state {
            State::Head(_) => self.receive_head(input, head, limits),
            State::Body(body) => {
                let progress = body.receive(input, head.trailer_section(), limits);
                if let Ok(Progress {
                    event: Event::End, ..
                }) = progress
                {
                    self.state = State::Paused;
                }
                progress
            }
            State::Paused => Ok(Progress::new(0, Event::Paused)),
            State::Failed(error) => Err(*error),
        };
        if let Err(error) = progress {
            self.state = State::Failed(error);
        }
        progress
    }

    /// Says that the next answer is one to a request with this method. Does nothing if the current
    /// answer is not whole, or the last one that this connection can give; before the first byte of
    /// an answer it changes the method.
    #[inline]
    pub fn next_response(&mut self, method: Method) {
        match &self.state {
            State::Head(scan) if scan.is_fresh() && self.interim == 0 => self.method = method,
            State::Paused if self.keep_alive => {
                self.state = State::Head(Scan::RESPONSE);
                self.method = method;
                self.interim = 0;
            }
            _ => {}
        }
    }

    /// Says that the server has ended the connection. True if an answer that lasts until then is
    /// whole now; false if there was none under way.
    ///
    /// # Errors
    /// [`Error::Incomplete`]: an answer was cut off.
    pub fn eof_received(&mut self) -> Result<bool, Error> {
        match &self.state {
            State::Body(Body::UntilEof) => {
                self.state = State::Paused;
                Ok(true)
            }
            State::Paused => Ok(false),
            State::Head(scan) if scan.is_fresh() && self.interim == 0 => Ok(false),
            // Only the `End` event is still to be fetched.
            State::Body(Body::End) => Ok(true),
            State::Failed(error) => Err(*error),
            State::Head(_) | State::Body(_) => {
                self.state = State::Failed(Error::Incomplete);
                Err(Error::Incomplete)
            }
        }
    }

    /// Whether another answer can follow the current one on this connection.
    #[inline]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive && !matches!(self.state, State::Failed(_))
    }

    #[inline]
    fn receive_head(
        &mut self,
        input: &[u8],
        head: &mut ResponseHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let State::Head(scan) = &mut self.state else {
            return Ok(Progress::new(0, Event::NeedInput));
        };
        let limit = limits.head_bytes.min(MAX_HEAD_BYTES);
        if scan.is_fresh() {
            if input.is_empty() {
                return Ok(Progress::new(0, Event::NeedInput));
            }
            let window = &input[..input.len().min(limit)];
            if let Some(length) = head.parse(window, limits)? {
                return self.head_received(length, head, limits);
            }
        }
        let Some(length) = scan.advance(input, limit, Error::HeadTooLong, limits)? else {
            return Ok(Progress::new(0, Event::NeedInput));
        };
        match head.parse(&input[..length], limits)? {
            Some(length) => self.head_received(length, head, limits),
            None => Err(Error::FieldName),
        }
    }

    /// What follows a head (RFC 9112 section 6.3).
    #[inline]
    fn head_received(
        &mut self,
        consumed: usize,
        head: &ResponseHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let status = head.status();
        if head.is_interim() {
            if self.interim >= limits.interim_responses {
                return Err(Error::TooManyInterimResponses);
            }
            self.interim += 1;
            self.state = State::Head(Scan::RESPONSE);
            return Ok(Progress::new(consumed, Event::Head));
        }
        let tunnel = status == StatusCode::SWITCHING_PROTOCOLS
            || (self.method == Method::Connect && status.is_success());
        let body = if tunnel || self.method == Method::Head || !status.may_have_body() {
            Body::End
        } else if head.framing() == Framing::None {
            Body::UntilEof
        } else {
            Body::new(head.framing())
        };
        self.keep_alive = head.keep_alive() && !tunnel && !matches!(body, Body::UntilEof);
        self.state = State::Body(body);
        Ok(Progress::new(consumed, Event::Head))
    }
}
