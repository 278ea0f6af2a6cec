//! [`Request`]: what a handler is asked, and its [`RequestBody`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bucle_http::{Method, RequestHead, Version};
use bytes::Bytes;
use futures_core::Stream;

/// Heads that wait to be used again: one serves many requests without allocating.
#[derive(Default)]
pub(crate) struct HeadPool {
    heads: RefCell<Vec<Box<RequestHead>>>,
}

/// More than these are not kept.
const POOLED_HEADS: usize = 64;

impl HeadPool {
    pub(crate) fn take(&self) -> Box<RequestHead> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, head: Box<RequestHead>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < POOLED_HEADS {
            heads.push(head);
        }
    }
}

/// A request: its head, and the body that may still be on its way.
pub struct Request {
    /// Only missing while it is being dropped.
    head: Option<Box<RequestHead>>,
    body: RequestBody,
    pool: Rc<HeadPool>,
}

impl Request {
    pub(crate) fn new(head: Box<RequestHead>, body: RequestBody, pool: Rc<HeadPool>) -> Request {
        Request {
            head: Some(head),
            body,
            pool,
        }
    }

    /// The whole head: request line and header fields.
    pub fn head(&self) -> &RequestHead {
        match &self.head {
            Some(head) => head,
            None => unreachable!("the head is there until the request is dropped"),
        }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.head().method()
    }

    /// The path of the request's target, as it was sent: still percent-encoded.
    pub fn path(&self) -> &str {
        self.head().path()
    }

    /// What follows the `?` of the target, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.head().query()
    }

    /// The protocol version.
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// The value of the first header field of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head().header(name)
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

/// The body of a request, as a stream of pieces in the order they come.
///
/// What is not read is held back at the client: at most [`BODY_BUFFER`] bytes wait here. A body
/// that a handler never reads is thrown away after the answer, or the connection is closed.
#[derive(Default)]
pub struct RequestBody {
    channel: Option<Rc<BodyChannel>>,
}

/// How much of a request's body may wait for its handler, in bytes.
pub const BODY_BUFFER: usize = 64 * 1024;

/// Who gets told that the handler has room for more of the body.
pub(crate) trait BodyOwner {
    fn body_wanted(&self);
}

/// What a connection and the handler of its current request share of the body.
pub(crate) struct BodyChannel {
    owner: Weak<dyn BodyOwner>,
    length: Option<u64>,
    pieces: RefCell<VecDeque<Bytes>>,
    buffered: Cell<usize>,
    end: RefCell<Option<Result<(), BodyError>>>,
    waker: Cell<Option<Waker>>,
    /// Whether the handler has asked for it.
    asked: Cell<bool>,
}

/// Why a body is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The client went away, or stopped sending.
    Incomplete,
    /// What came was not well-formed.
    Malformed,
    /// It is longer than the server allows.
    TooLarge,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::Incomplete => "the client ended before the whole request body came",
            BodyError::Malformed => "the request body is not well-formed",
            BodyError::TooLarge => "the request body is longer than this server allows",
        })
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        io::Error::new(io::ErrorKind::UnexpectedEof, error)
    }
}

impl BodyChannel {
    pub(crate) fn new(owner: Weak<dyn BodyOwner>, length: Option<u64>) -> Rc<BodyChannel> {
        Rc::new(BodyChannel {
            owner,
            length,
            pieces: RefCell::default(),
            buffered: Cell::new(0),
            end: RefCell::new(None),
            waker: Cell::new(None),
            asked: Cell::new(false),
        })
    }

    /// Whether the handler has let its side go.
    pub(crate) fn abandoned(self: &Rc<BodyChannel>) -> bool {
        Rc::strong_count(self) == 1
    }

    pub(crate) fn asked(&self) -> bool {
        self.asked.get()
    }

    pub(crate) fn full(&self) -> bool {
        self.buffered.get() >= BODY_BUFFER
    }

    pub(crate) fn push(&self, piece: &[u8]) {
        self.buffered.set(self.buffered.get() + piece.len());
        self.pieces
            .borrow_mut()
            .push_back(Bytes::copy_from_slice(piece));
        self.wake();
    }

    /// Ends the body, once.
    pub(crate) fn finish(&self, end: Result<(), BodyError>) {
        self.end.borrow_mut().get_or_insert(end);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl RequestBody {
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

    /// The next piece; `None` at the end. Cancel-safe: a piece is given out or stays.
    ///
    /// # Errors
    /// [`BodyError`]: the rest will not come.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The whole body, if it is no longer than `limit` bytes.
    ///
    /// # Errors
    /// [`BodyError`]; `TooLarge` when it is longer, in which case the rest is not read.
    pub async fn collect(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
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

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(channel) = &self.channel else {
            return Poll::Ready(None);
        };
        let first = !channel.asked.replace(true);
        let piece = channel.pieces.borrow_mut().pop_front();
        if let Some(piece) = piece {
            let was_full = channel.full();
            channel.buffered.set(channel.buffered.get() - piece.len());
            if first || (was_full && !channel.full()) {
                channel.tell_owner();
            }
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(end) = *channel.end.borrow() {
            return Poll::Ready(end.err().map(Err));
        }
        channel.waker.set(Some(cx.waker().clone()));
        if first {
            channel.tell_owner();
        }
        Poll::Pending
    }
}

impl BodyChannel {
    fn tell_owner(&self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.body_wanted();
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
