//! [`RequestBody`]: the body of a request, on its way from the connection to the handler.
//!
//! The connection's end is the [`BodyChannel`], which the connection fills as input comes, and stops
//! filling when nobody takes out of it. The two tell each other through a waker in one direction and
//! a [`BodyOwner`] in the other.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bucle_http::{Fields, RequestHead};
use bytes::Bytes;
use futures_core::Stream;

/// How much of a request's body may wait for its handler, in bytes, before the client is kept from
/// sending more. One read more than this may be held.
pub const BODY_BUFFER: usize = 64 * 1024;

/// The body of a request, as a stream of pieces in the order they come.
///
/// What is not read is held back at the client: about [`BODY_BUFFER`] bytes wait here. A client that
/// asks for it (`Expect: 100-continue`) is told to go on when the body is first read. A body that a
/// handler never reads is thrown away before the answer leaves, which is 400 if it was malformed;
/// where it is too long for that (see [`DISCARD_LIMIT`](crate::DISCARD_LIMIT)), the answer leaves at
/// once and the connection is closed.
#[derive(Default)]
pub struct RequestBody {
    channel: Option<Rc<BodyChannel>>,
}

/// Why a body is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The client went away, or stopped sending.
    Incomplete,
    /// What came was not well-formed.
    Malformed,
    /// It is longer than the limit given to [`RequestBody::collect`], or than
    /// [`Options::max_body`](crate::Options::max_body).
    TooLarge,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::Incomplete => "the client ended before the whole request body came",
            BodyError::Malformed => "the request body is not well-formed",
            BodyError::TooLarge => "the request body is longer than is allowed here",
        })
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        let kind = match error {
            BodyError::Incomplete => io::ErrorKind::UnexpectedEof,
            BodyError::Malformed | BodyError::TooLarge => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// Who gets told that the handler has room for more of the body, or has begun to read it.
pub(crate) trait BodyOwner {
    fn body_wanted(self: Rc<Self>);
    /// The handler wants no more of it.
    fn body_let_go(self: Rc<Self>);
}

/// What a connection and the handler of its current request share of the body.
pub(crate) struct BodyChannel {
    owner: Weak<dyn BodyOwner>,
    length: Option<u64>,
    buffer: RefCell<Vec<u8>>,
    end: Cell<Option<Result<(), BodyError>>>,
    /// The head that the trailers were received into; only these of it are this request's.
    trailers: OnceCell<Box<RequestHead>>,
    waker: Cell<Option<Waker>>,
    /// Whether the handler has begun to read.
    asked: Cell<bool>,
}

impl BodyChannel {
    pub(crate) fn new(owner: Weak<dyn BodyOwner>, length: Option<u64>) -> Rc<BodyChannel> {
        Rc::new(BodyChannel {
            owner,
            length,
            buffer: RefCell::default(),
            end: Cell::new(None),
            trailers: OnceCell::new(),
            waker: Cell::new(None),
            asked: Cell::new(false),
        })
    }

    /// The length that the client has said, in bytes.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the handler has let its end go.
    pub(crate) fn abandoned(self: &Rc<BodyChannel>) -> bool {
        Rc::strong_count(self) == 1
    }

    /// The handler's end is let go.
    #[inline(never)]
    fn let_go(this: Rc<BodyChannel>) {
        if this.end.get().is_some() {
            return;
        }
        let owner = this.owner.upgrade();
        // The owner counts who holds it.
        drop(this);
        if let Some(owner) = owner {
            owner.body_let_go();
        }
    }

    /// Whether no more is to be put in for now.
    pub(crate) fn full(&self) -> bool {
        self.buffer.borrow().len() >= BODY_BUFFER
    }

    pub(crate) fn push(&self, piece: &[u8]) {
        self.buffer.borrow_mut().extend_from_slice(piece);
        self.wake();
    }

    /// What came behind the body. There is one trailer section.
    pub(crate) fn set_trailers(&self, head: Box<RequestHead>) {
        let _ = self.trailers.set(head);
    }

    /// Ends the body, once.
    pub(crate) fn finish(&self, end: Result<(), BodyError>) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let first = !self.asked.replace(true);
        let full = self.full();
        let buffer = self.buffer.take();
        let poll = if !buffer.is_empty() {
            Poll::Ready(Some(Ok(Bytes::from(buffer))))
        } else if let Some(end) = self.end.get() {
            Poll::Ready(end.err().map(Err))
        } else {
            self.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        };
        // When it has ended, the connection may be at another request.
        if (first || full) && self.end.get().is_none() {
            // May put something in at once, and wake us.
            if let Some(owner) = self.owner.upgrade() {
                owner.body_wanted();
            }
        }
        poll
    }
}

impl RequestBody {
    #[inline]
    pub(crate) fn new(channel: Option<Rc<BodyChannel>>) -> RequestBody {
        RequestBody { channel }
    }

    /// Its length in bytes, if the client has said it.
    pub fn length(&self) -> Option<u64> {
        match &self.channel {
            Some(channel) => channel.length,
            None => Some(0),
        }
    }

    /// Whether the request has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.channel.is_none()
    }

    /// The next piece, never an empty one; `None` at the end. Cancel-safe: a piece is given out or
    /// stays.
    ///
    /// # Errors
    /// [`BodyError`]: the rest will not come.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The whole body, if it is no longer than `limit` bytes. Dropped before its end, it has taken
    /// out what came so far.
    ///
    /// # Errors
    /// [`BodyError`]; `TooLarge` when it is longer, in which case the rest is not read.
    pub async fn collect(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        if self.length().is_some_and(|length| length > limit as u64) {
            return Err(BodyError::TooLarge);
        }
        let mut whole = Vec::new();
        while let Some(piece) = self.chunk().await {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// The trailer fields that the client sent behind the body (RFC 9110 section 6.5), once the body has
    /// been read to its end; `None` before that, and where there are none. None of them says how the
    /// request is framed: such a request was refused. They are not header fields, and mean nothing to
    /// the server itself.
    ///
    /// ```
    /// use bucle_server::{BodyError, Request};
    ///
    /// async fn digest(mut request: Request) -> Result<String, BodyError> {
    ///     let body = request.body().collect(1024 * 1024).await?;
    ///     let trailers = request.body().trailers().into_iter().flatten();
    ///     let mut digests = trailers.filter(|(name, _)| name.eq_ignore_ascii_case("digest"));
    ///     let said = digests.next().map(|(_, value)| String::from_utf8_lossy(value));
    ///     Ok(format!("{} bytes, said to have {said:?}", body.len()))
    /// }
    /// ```
    pub fn trailers(&self) -> Option<Fields<'_>> {
        let channel = self.channel.as_ref()?;
        let through = channel.end.get() == Some(Ok(())) && channel.buffer.borrow().is_empty();
        let head = channel.trailers.get().filter(|_| through)?;
        Some(head.trailers())
    }

    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &self.channel {
            Some(channel) => channel.poll_chunk(cx),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for RequestBody {
    #[inline]
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            BodyChannel::let_go(channel);
        }
    }
}

impl Stream for RequestBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx)
            .map(|piece| piece.map(|piece| piece.map_err(io::Error::from)))
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("length", &self.length())
            .finish_non_exhaustive()
    }
}
