//! [`ServerConnection`]: the requests of one connection, one after the other.

use crate::body::Body;
use crate::event::{Event, Progress};
use crate::limits::MAX_HEAD_BYTES;
use crate::scan::Scan;
use crate::{Error, Limits, RequestHead};

/// What of the current request comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The head, of which this much was gone through already.
    Head(Scan),
    Body(Body),
    /// The caller's leave to go on.
    Paused,
    /// Nothing, ever.
    Closed,
    Failed(Error),
}

/// The server's side of one connection: takes what the client sends and says, event by event, what
/// it means.
///
/// It keeps no bytes, only how far it has come; between requests it is all there is to an idle
/// connection. For each request the events are `Head`, any number of `Body`, perhaps `Trailers`,
/// `End`, and `Paused` until [`next_request`](ServerConnection::next_request) is called. They are
/// the same however the input is cut, once adjacent `Body` events are joined.
#[derive(Clone, Debug)]
pub struct ServerConnection {
    state: State,
    /// Empty lines before the current request.
    empty_lines: u8,
    /// Whether another request may follow the current one.
    keep_alive: bool,
}

impl Default for ServerConnection {
    fn default() -> ServerConnection {
        ServerConnection {
            state: State::Head(Scan::REQUEST),
            empty_lines: 0,
            keep_alive: true,
        }
    }
}

impl ServerConnection {
    /// Goes through `input` up to the next event.
    ///
    /// `input` begins with the first byte that was not consumed yet: after
    /// [`NeedInput`](Event::NeedInput) that is what was left over with what came since behind it.
    /// A head is consumed only as a whole, but no byte of it is scanned again on the way. What is
    /// left over is always shorter than [`Limits::head_bytes`], or [`Limits::trailer_bytes`] behind
    /// a chunked body.
    ///
    /// `head` is filled when the event is [`Head`](Event::Head), and its trailers are when it is
    /// [`Trailers`](Event::Trailers); while a body is received it is left as it is. It need not be
    /// the same one each time.
    ///
    /// After a request without [keep-alive](RequestHead::keep_alive) all further input is consumed
    /// and means nothing: no request is taken from it.
    ///
    /// # Errors
    /// The request is malformed, ambiguous or over a limit. [`Error::status`] says what to answer;
    /// the connection is to be closed then, and every later call returns the same error.
    #[inline]
    pub fn receive(
        &mut self,
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let progress = match &mut self.state {
            State::Head(_) => self.receive_head(input, head, limits),
            _ => self.receive_rest(input, head, limits),
        };
        if let Err(error) = progress {
            self.state = State::Failed(error);
        }
        progress
    }

    /// [`receive`](ServerConnection::receive) behind a head.
    #[inline(never)]
    fn receive_rest(
        &mut self,
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        match &mut self.state {
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
            State::Head(_) | State::Paused => Ok(Progress::new(0, Event::Paused)),
            State::Closed => Ok(Progress::new(input.len(), Event::NeedInput)),
            State::Failed(error) => Err(*error),
        }
    }

    /// [`receive`](ServerConnection::receive) in the fewest steps, for who keeps no connection between
    /// requests: takes the head in that `input` begins with, where a request begins, and returns its
    /// length; [`behind`](ServerConnection::behind) is then the connection. `None` where that is not a
    /// whole head, or not a well-formed one: a new connection can tell why.
    ///
    /// # Errors
    /// As [`receive`](ServerConnection::receive).
    #[inline]
    pub fn receive_at_once(
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        head.parse(&input[..input.len().min(head_limit(limits))], limits)
    }

    /// The connection behind the first head that came by it.
    #[inline]
    pub fn behind(head: &RequestHead) -> ServerConnection {
        let mut connection = ServerConnection::default();
        connection.head_received(0, head);
        connection
    }

    /// Goes on to the next request. Does nothing unless the current one is whole, that is, was
    /// followed by [`Event::End`].
    #[inline]
    pub fn next_request(&mut self) {
        if !matches!(self.state, State::Paused) {
            return;
        }
        self.empty_lines = 0;
        self.state = if self.keep_alive {
            State::Head(Scan::REQUEST)
        } else {
            State::Closed
        };
    }

    /// How many bytes of the body under way have been announced and have not come: the rest of its
    /// length, or of the chunk. A body that can only become too long is so before it has come.
    #[inline]
    pub fn announced(&self) -> u64 {
        match &self.state {
            State::Body(Body::Length(left)) => *left,
            State::Body(Body::Chunks(chunks)) => chunks.announced(),
            _ => 0,
        }
    }

    /// Whether nothing of a request has come yet, so that a new one may take its place: who has many
    /// connections at rest need not keep this for each.
    #[inline]
    pub fn is_new(&self) -> bool {
        match &self.state {
            State::Head(scan) => scan.is_fresh() && self.empty_lines == 0,
            _ => false,
        }
    }

    /// Whether it is between two requests: the client may close the connection here without cutting
    /// one off. A head that has begun to come counts as a request.
    pub fn is_idle(&self) -> bool {
        match &self.state {
            State::Head(scan) => scan.is_fresh(),
            State::Paused | State::Closed => true,
            State::Body(_) | State::Failed(_) => false,
        }
    }

    #[inline]
    fn receive_head(
        &mut self,
        input: &[u8],
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let State::Head(scan) = &mut self.state else {
            return Ok(Progress::new(0, Event::NeedInput));
        };
        let limit = head_limit(limits);
        let mut skipped = 0;
        if scan.is_fresh() {
            if let [b'\r' | b'\n', ..] = input {
                skipped = skip_empty_lines(input, &mut self.empty_lines, limits)?;
            }
            let rest = &input[skipped..];
            if let [] | [b'\r'] = rest {
                return Ok(Progress::new(skipped, Event::NeedInput));
            }
            let window = &rest[..rest.len().min(limit)];
            if let Some(length) = head.parse(window, limits)? {
                return Ok(self.head_received(skipped + length, head));
            }
        }
        self.receive_head_by_pieces(input, skipped, limit, head, limits)
    }

    /// [`receive_head`](ServerConnection::receive_head) of a head that is not whole, or not well-formed.
    #[inline(never)]
    fn receive_head_by_pieces(
        &mut self,
        input: &[u8],
        skipped: usize,
        limit: usize,
        head: &mut RequestHead,
        limits: &Limits,
    ) -> Result<Progress, Error> {
        let State::Head(scan) = &mut self.state else {
            return Ok(Progress::new(0, Event::NeedInput));
        };
        let input = &input[skipped..];
        let Some(length) = scan.advance(input, limit, Error::HeadTooLong, limits)? else {
            return Ok(Progress::new(skipped, Event::NeedInput));
        };
        match head.parse(&input[..length], limits)? {
            Some(length) => Ok(self.head_received(skipped + length, head)),
            // What the scan lets through is parsed; were it not, it would be no request for us.
            None => Err(Error::FieldName),
        }
    }

    #[inline]
    fn head_received(&mut self, consumed: usize, head: &RequestHead) -> Progress {
        self.keep_alive = head.keep_alive();
        self.state = State::Body(Body::new(head.framing()));
        Progress::new(consumed, Event::Head)
    }
}

/// How long a head may be, in bytes.
#[inline]
fn head_limit(limits: &Limits) -> usize {
    limits.head_bytes.min(MAX_HEAD_BYTES)
}

/// The length of the empty lines that `input` begins with. What follows may be a CR whose LF is
/// still to come.
#[cold]
fn skip_empty_lines(input: &[u8], lines: &mut u8, limits: &Limits) -> Result<usize, Error> {
    let mut at = 0;
    loop {
        match &input[at..] {
            [b'\r', b'\n', ..] if *lines >= limits.empty_lines => return Err(Error::EmptyLines),
            [b'\r', b'\n', ..] => {
                *lines += 1;
                at += 2;
            }
            [b'\r', _, ..] => return Err(Error::BareCr),
            [b'\n', ..] => return Err(Error::BareLf),
            _ => return Ok(at),
        }
    }
}
