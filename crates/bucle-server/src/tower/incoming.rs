//! [`Incoming`]: a request's body for services that want it `Send`.
//!
//! The body of a request lives on its loop, a service may carry its request to any thread. So the two
//! are apart: a task on the loop reads the body piece by piece, each when it is asked for, into a
//! place that both can reach, with room for one. A request without a body has neither.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bucle_http::Fields;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{BodyError, RequestBody};

/// The body of a request in the terms of `http-body`, with back-pressure: the client is read from
/// when the body is polled. Trailers that the client sends are its last frame.
#[derive(Default)]
pub struct Incoming {
    /// None where there is no more.
    place: Option<Arc<Place>>,
    /// What is still to come, in bytes, if the client has said so.
    length: Option<u64>,
}

#[derive(Default)]
struct Place(Mutex<State>);

#[derive(Default)]
struct State {
    piece: Option<Result<Bytes, BodyError>>,
    /// A piece was asked for and is not there yet.
    wanted: bool,
    ended: bool,
    /// What the client sent behind the body; there when it has ended.
    trailers: Option<http::HeaderMap>,
    /// Nobody reads any more.
    gone: bool,
    reader: Option<Waker>,
    /// The task on the loop.
    filler: Option<Waker>,
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Incoming {
    /// Has `body` read by a task on the running loop, if there is something to read.
    pub(super) fn new(body: RequestBody) -> (Incoming, Option<Source>) {
        if body.is_empty() {
            return (Incoming::default(), None);
        }
        let length = body.length();
        let source = Source {
            place: Arc::default(),
            body: Rc::new(RefCell::new(Some(body))),
        };
        let filling = fill(source.place.clone(), source.body.clone());
        bucle_loop::spawn_named("http request body", filling).detach();
        let incoming = Incoming {
            place: Some(source.place.clone()),
            length,
        };
        (incoming, Some(source))
    }
}

/// The other end of an [`Incoming`], on the loop.
pub(super) struct Source {
    place: Arc<Place>,
    body: Rc<RefCell<Option<RequestBody>>>,
}

impl Source {
    /// Lets the request's body go if nobody wants it any more, without waiting for the task: what the
    /// connection does with the answer depends on it.
    pub(super) fn let_go(&self) {
        let gone = self.place.lock().gone;
        if gone {
            let body = self.body.take();
            drop(body);
        }
    }
}

/// Fills the place each time that is wanted, until the body ends or nobody wants it.
async fn fill(place: Arc<Place>, body: Rc<RefCell<Option<RequestBody>>>) {
    let filler = Filler(place.clone());
    loop {
        let wanted = poll_fn(|cx| {
            let mut state = place.lock();
            if state.gone {
                return Poll::Ready(false);
            }
            if state.wanted {
                return Poll::Ready(true);
            }
            state.filler = Some(cx.waker().clone());
            Poll::Pending
        });
        if !wanted.await {
            return;
        }
        // Whoever is no longer there is not read for.
        let piece = poll_fn(|cx| {
            {
                let mut state = place.lock();
                if state.gone {
                    return Poll::Ready(Err(()));
                }
                state.filler = Some(cx.waker().clone());
            }
            // Reading may call for more, but not for this.
            let mut taken = body.take();
            let Some(reading) = &mut taken else {
                return Poll::Ready(Err(()));
            };
            let polled = reading.poll_chunk(cx).map(Ok);
            body.replace(taken);
            polled
        });
        let Ok(piece) = piece.await else { return };
        let ended = !matches!(piece, Some(Ok(_)));
        if piece.is_none()
            && let Some(body) = &*body.borrow()
        {
            place.lock().trailers = body.trailers().map(translated);
        }
        filler.put(piece);
        if ended {
            return;
        }
    }
}

/// Trailers in `http` types.
fn translated(fields: Fields<'_>) -> http::HeaderMap {
    let mut trailers = http::HeaderMap::new();
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            // There are fewer than it can hold.
            let _ = trailers.try_append(name, value);
        }
    }
    trailers
}

/// The task's end of the place: however the task ends, with its loop perhaps, the reader is told.
struct Filler(Arc<Place>);

impl Filler {
    /// Puts a piece in, or the end.
    fn put(&self, piece: Option<Result<Bytes, BodyError>>) {
        let reader = {
            let mut state = self.0.lock();
            state.ended = !matches!(piece, Some(Ok(_)));
            state.piece = piece;
            state.wanted = false;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let ended = self.0.lock().ended;
        if !ended {
            self.put(Some(Err(BodyError::Incomplete)));
        }
    }
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(place) = self.place.clone() else {
            return Poll::Ready(None);
        };
        let mut state = place.lock();
        match state.piece.take() {
            Some(Ok(piece)) => {
                drop(state);
                if let Some(length) = &mut self.length {
                    *length = length.saturating_sub(piece.len() as u64);
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Some(Err(error)) => {
                drop(state);
                self.place = None;
                Poll::Ready(Some(Err(error)))
            }
            None if state.trailers.is_some() => {
                let trailers = state.trailers.take().unwrap_or_default();
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            None if state.ended => {
                drop(state);
                self.place = None;
                self.length = Some(0);
                Poll::Ready(None)
            }
            None => {
                state.reader = Some(cx.waker().clone());
                let filler = match std::mem::replace(&mut state.wanted, true) {
                    true => None,
                    false => state.filler.take(),
                };
                drop(state);
                if let Some(filler) = filler {
                    filler.wake();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.place.is_none() || self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.place, self.length) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(length)) => SizeHint::with_exact(length),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let filler = {
            let mut state = place.lock();
            state.gone = true;
            state.filler.take()
        };
        if let Some(filler) = filler {
            filler.wake();
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("is_empty", &self.place.is_none())
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
