//! A service's response as ours. A body that is there at once, as most are, goes with its head; any
//! other is streamed.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bucle_http::StatusCode;
use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::header;
use http_body::Frame;

use crate::into_response::failed;
use crate::response::Trailers;
use crate::{Body, Response};

/// What says how a message is framed, and is ours to write (RFC 9110 section 7.6.1).
const OURS: [header::HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Reads the first piece of the body along the way, if there is one at once.
pub(super) async fn translate<B>(
    response: http::Response<B>,
    is_head: bool,
    takes_trailers: bool,
) -> Response
where
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = response.into_parts();
    let Some(status) = StatusCode::from_u16(parts.status.as_u16()) else {
        return Response::error(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut ours = Response::new(status);
    for (name, value) in &parts.headers {
        if OURS.contains(name) || name == "keep-alive" {
            continue;
        }
        if name == header::TRAILER && !takes_trailers {
            continue;
        }
        if let Err(error) = ours.append_header(name.as_str(), value.as_bytes()) {
            return failed(&error);
        }
    }
    let closes = parts.headers.get_all(header::CONNECTION).iter();
    if closes
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    {
        ours = ours.close_connection();
    }
    let said = parts.headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|value| value.to_str().ok()?.parse().ok());
    // They need a body without a length.
    let trailers = takes_trailers && parts.headers.contains_key(header::TRAILER);
    match outgoing(body, said, is_head, trailers).await {
        Ok(body) => ours.body(body),
        Err(error) => failed(&*error),
    }
}

/// `said` is the length that the response itself claims to have; `announced`, that it has announced
/// some to a client that takes them.
async fn outgoing<B>(
    body: B,
    said: Option<u64>,
    is_head: bool,
    announced: bool,
) -> Result<Body, Box<dyn Error + Send + Sync>>
where
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let exact = body.size_hint().exact();
    if is_head {
        // What it would be long, if it were not HEAD.
        let nothing = Nothing;
        let length = said.or(exact.filter(|_| !body.is_end_stream()));
        return Ok(match length.filter(|_| !announced) {
            Some(length) => Body::sized_stream(nothing, length),
            None if body.is_end_stream() => Body::default(),
            None => Body::stream(nothing),
        });
    }
    if body.is_end_stream() {
        return Ok(Body::default());
    }
    let mut body = Box::pin(body);
    let trailers = Trailers::default();
    let first = poll_fn(|cx| {
        Poll::Ready(match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Some(frame),
            Poll::Pending => None,
        })
    })
    .await;
    let first = match first {
        None => None,
        Some(None) => return Ok(Body::default()),
        Some(Some(Err(error))) => return Err(error.into()),
        Some(Some(Ok(frame))) => data(frame, &trailers),
    };
    if let Some(first) = &first
        && !announced
        && (exact == Some(first.len() as u64) || body.is_end_stream())
    {
        return Ok(Body::from(first.clone()));
    }
    let pieces = Joined {
        first,
        rest: body,
        trailers: trailers.clone(),
    };
    Ok(match exact.or(said).filter(|_| !announced) {
        Some(length) => Body::sized_stream(pieces, length),
        None => Body::stream_with(pieces, trailers),
    })
}

/// The bytes of a frame. Trailers have none: they are put aside, but for those that may not be.
fn data<D: Buf>(frame: Frame<D>, trailers: &Trailers) -> Option<Bytes> {
    match frame.into_data() {
        Ok(mut data) => {
            let length = data.remaining();
            Some(data.copy_to_bytes(length))
        }
        Err(frame) => {
            for (name, value) in frame.into_trailers().ok().iter().flatten() {
                let _ = trailers.add(name.as_str(), value.as_bytes());
            }
            None
        }
    }
}

/// A body as a stream, of which a piece may have been read already.
struct Joined<B> {
    first: Option<Bytes>,
    rest: Pin<Box<B>>,
    trailers: Trailers,
}

impl<B> Stream for Joined<B>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            match self.rest.as_mut().poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(io::Error::other(error))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = data(frame, &self.trailers) {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

/// The body of an answer to HEAD, which is never asked for.
struct Nothing;

impl Stream for Nothing {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}
