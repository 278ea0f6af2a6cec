//! The `/echo` route: tells a request's line, and sends its body back as it comes.

use bucle_http::Method;

use crate::{Request, Response};

/// Answers `GET /echo` with the request line and `POST /echo` with the request's own body,
/// streamed: however long it is, it is never held as a whole.
pub(crate) fn echo(request: Request) -> Response {
    match request.method() {
        Method::Get | Method::Head => {
            let head = request.head();
            Response::text(format!(
                "Echo: {} {} {}",
                head.method_str(),
                head.target(),
                head.version()
            ))
        }
        Method::Post | Method::Put => Response::text(request.into_body()),
        _ => Response::method_not_allowed("GET, HEAD, POST, PUT"),
    }
    .field("X-Content-Type-Options", "nosniff")
    .field("Cache-Control", "no-store")
}
