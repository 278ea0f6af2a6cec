//! [`Request`]: what a handler is asked.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bucle_http::{Method, RequestHead, Version};

use crate::body::RequestBody;
use crate::metrics::Tally;

/// Heads that wait to be used again: one serves many requests without allocating. It is what a
/// request knows of its loop.
pub(crate) struct HeadPool {
    tally: Arc<Tally>,
    // Boxed, since a request takes its head along to wherever it goes.
    #[expect(clippy::vec_box, reason = "they are handed out as boxes")]
    heads: RefCell<Vec<Box<RequestHead>>>,
}

/// More than these are not kept.
const POOLED_HEADS: usize = 64;

impl HeadPool {
    pub(crate) fn new(tally: Arc<Tally>) -> HeadPool {
        HeadPool {
            tally,
            heads: RefCell::default(),
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Box<RequestHead> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
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
    #[inline]
    pub(crate) fn new(head: Box<RequestHead>, body: RequestBody, pool: Rc<HeadPool>) -> Request {
        Request {
            head: Some(head),
            body,
            pool,
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
