//! The `/echo` route: tells a request's line, and sends its body back as it comes.

use bucle_http::{Method, StatusCode};

use crate::response::Body;
use crate::{Request, Response};

/// Answers `GET /echo` with the request line and `POST /echo` with the request's own body,
/// streamed: however long it is, it is never held as a whole.
pub(crate) fn echo(request: Request) -> Response {
    match request.method() {
        Method::Get | Method::Head => {
            let head = request.head();
            Response::text(format!(
                "Echo: {} {} {}\n",
                head.method_str(),
                head.target(),
                head.version()
            ))
        }
        Method::Post | Method::Put => {
            let body = request.into_body();
            let length = body.length();
            Response::new(StatusCode::OK)
                .content_type("application/octet-stream")
                .body(Body::Stream {
                    stream: Box::pin(body),
                    length,
                })
        }
        _ => method_not_allowed("GET, HEAD, POST, PUT"),
    }
}

/// 405 with the methods that are allowed.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response {
    let response = Response::error(StatusCode::METHOD_NOT_ALLOWED);
    response
        .header("Allow", allow)
        .unwrap_or_else(|_| Response::error(StatusCode::METHOD_NOT_ALLOWED))
}
