//! The `/echo` route: tells a request's line, and sends its body back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bucle_http::{Method, StatusCode};
use bytes::Bytes;
use futures_core::Stream;

use crate::body::BodyError;
use crate::options::DISCARD_LIMIT;
use crate::response::Body;
use crate::{Request, RequestBody, Response};

/// What `/echo` may be asked.
pub(crate) const ALLOWED: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// Bodies up to this, in bytes, are received as a whole before they are answered, so that what is
/// malformed anywhere in one is still refused.
const WHOLE: usize = DISCARD_LIMIT as usize;

/// Answers `GET /echo` with the request line, and `POST /echo` with the request's own body. A long
/// one is sent back as it comes: it is never held as a whole.
pub(crate) async fn echo(request: Request) -> Response {
    let response = match request.method() {
        Method::Get | Method::Head => {
            let head = request.head();
            // The answer to HEAD is that to GET.
            Response::text(format!("Echo: GET {} {}", head.target(), head.version()))
        }
        Method::Post | Method::Put => send_back(request.into_body()).await,
        Method::Options => Response::options(ALLOWED),
        Method::Other => Response::error(StatusCode::NOT_IMPLEMENTED),
        _ => Response::method_not_allowed(ALLOWED),
    };
    response
        .field("X-Content-Type-Options", "nosniff")
        .field("Cache-Control", "no-store")
}

async fn send_back(mut body: RequestBody) -> Response {
    let length = body.length();
    if length.is_some_and(|length| length > WHOLE as u64) {
        return Response::text(body);
    }
    let mut begin = Vec::new();
    while begin.len() <= WHOLE {
        match body.chunk().await {
            Some(Ok(piece)) => begin.extend_from_slice(&piece),
            Some(Err(error)) => return incomplete(error),
            None => return Response::text(begin),
        }
    }
    let begin = Some(begin.into());
    Response::text(Body::stream(Continued { begin, rest: body }))
}

fn incomplete(error: BodyError) -> Response {
    let text = format!("400 Bad Request: {error}\n");
    Response::text(text).with_status(StatusCode::BAD_REQUEST)
}

/// A body whose beginning was read already.
struct Continued {
    begin: Option<Bytes>,
    rest: RequestBody,
}

impl Stream for Continued {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.begin.take() {
            Some(begin) => Poll::Ready(Some(Ok(begin))),
            None => Pin::new(&mut self.rest).poll_next(cx),
        }
    }
}
