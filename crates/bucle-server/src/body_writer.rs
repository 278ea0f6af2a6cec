//! [`BodyWriter`]: a streamed body as it is written, by an `async` block of its own.
//!
//! Writer and stream share one place for one piece. The stream polls the block, and takes what the
//! block has put there; the block goes on when it is taken, which is when the client has read most
//! of what was sent before. So one task does both, and it is dropped when the client goes away.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;

use crate::response::Trailers;

/// Where the block of [`Body::from_writer`](crate::Body::from_writer) writes to.
///
/// It may be moved into another task; once the body is gone, with its connection or otherwise, all
/// writes fail.
pub struct BodyWriter {
    place: Rc<RefCell<Place>>,
    trailers: Trailers,
}

/// One piece on its way from the writer to the stream.
#[derive(Default)]
struct Place {
    piece: Option<Bytes>,
    /// Who waits for a piece.
    reader: Option<Waker>,
    /// Who waits for it to be taken.
    writer: Option<Waker>,
    /// No more is taken.
    reader_gone: bool,
    /// No more comes.
    writer_gone: bool,
}

impl BodyWriter {
    /// Writes `piece`, and waits until there is room for more: until the client has read most of
    /// what was written before. An empty piece only waits.
    ///
    /// Dropped before it is done, it may have written the piece, and never part of it.
    ///
    /// # Errors
    /// `BrokenPipe` when the body is gone: nobody will read it.
    pub async fn write(&mut self, piece: impl Into<Bytes>) -> io::Result<()> {
        poll_fn(|cx| self.poll_taken(cx)).await?;
        let piece = piece.into();
        if !piece.is_empty() {
            let reader = {
                let mut place = self.place.borrow_mut();
                place.piece = Some(piece);
                place.reader.take()
            };
            if let Some(reader) = reader {
                reader.wake();
            }
        }
        poll_fn(|cx| self.poll_taken(cx)).await
    }

    /// Adds a trailer field, to be sent behind the body when the block has ended: what is known only
    /// then, a digest or how it went. It reaches clients that said `TE: trailers`, in HTTP/1.1; for all
    /// others it is left out, so nothing may depend on it. A header field `Trailer` with the names of
    /// what will come is good manners (RFC 9110 section 6.6.2).
    ///
    /// ```
    /// use bucle_server::{Body, Request, Response};
    ///
    /// fn counted(_: Request) -> Response {
    ///     let body = Body::from_writer(|mut writer| async move {
    ///         writer.write("one\ntwo\n").await?;
    ///         writer.trailer("Lines", "2")
    ///     });
    ///     Response::text(body).header("Trailer", "Lines").unwrap()
    /// }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if the name is no token, the value has a control character in it, or the field
    /// has to be known before the body: those of framing, routing, and the content's type and coding.
    pub fn trailer(&mut self, name: &str, value: impl AsRef<[u8]>) -> io::Result<()> {
        self.trailers.add(name, value.as_ref())
    }

    /// Waits until nobody reads the body any more. Cancel-safe.
    pub async fn closed(&mut self) {
        poll_fn(|cx| {
            let mut place = self.place.borrow_mut();
            if place.reader_gone {
                return Poll::Ready(());
            }
            let before = place.writer.replace(cx.waker().clone());
            drop(place);
            drop(before);
            Poll::Pending
        })
        .await;
    }

    /// Whether nobody reads the body any more.
    pub fn is_closed(&self) -> bool {
        self.place.borrow().reader_gone
    }

    fn poll_taken(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut place = self.place.borrow_mut();
        if place.reader_gone {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the client went away; nobody reads this body any more",
            )));
        }
        if place.piece.is_none() {
            return Poll::Ready(Ok(()));
        }
        let before = place.writer.replace(cx.waker().clone());
        drop(place);
        drop(before);
        Poll::Pending
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        let wakers = {
            let mut place = self.place.borrow_mut();
            place.writer_gone = true;
            (place.reader.take(), place.writer.take())
        };
        if let (Some(reader), _) = wakers {
            reader.wake();
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// What a block writes, as a stream.
pub(crate) struct Written<F> {
    /// The block; gone when it is through.
    block: Option<Pin<Box<F>>>,
    place: Rc<RefCell<Place>>,
}

/// The stream of what `block` writes.
pub(crate) fn written<F, B>(block: B, trailers: Trailers) -> Written<F>
where
    B: FnOnce(BodyWriter) -> F,
    F: Future<Output = io::Result<()>>,
{
    let place = Rc::<RefCell<Place>>::default();
    let writer = BodyWriter {
        place: place.clone(),
        trailers,
    };
    Written {
        block: Some(Box::pin(block(writer))),
        place,
    }
}

impl<F: Future<Output = io::Result<()>>> Stream for Written<F> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Whoever polls looks for the piece by itself.
        let reader = this.place.borrow_mut().reader.take();
        drop(reader);
        if let Some(block) = &mut this.block
            && let Poll::Ready(result) = block.as_mut().poll(cx)
        {
            this.block = None;
            if let Err(error) = result {
                return Poll::Ready(Some(Err(error)));
            }
        }
        let mut place = this.place.borrow_mut();
        if let Some(piece) = place.piece.take() {
            let writer = place.writer.take();
            drop(place);
            // The block is polled again with the stream; another task has to be told.
            if let Some(writer) = writer
                && !writer.will_wake(cx.waker())
            {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(piece)));
        }
        if this.block.is_none() && place.writer_gone {
            return Poll::Ready(None);
        }
        place.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<F> Drop for Written<F> {
    fn drop(&mut self) {
        let wakers = {
            let mut place = self.place.borrow_mut();
            place.reader_gone = true;
            (place.writer.take(), place.reader.take(), place.piece.take())
        };
        if let (Some(writer), ..) = wakers {
            writer.wake();
        }
    }
}
