//! [`IntoResponse`]: what a handler may return in place of a [`Response`].

use std::convert::Infallible;
use std::error::Error;
use std::io;

use bucle_http::StatusCode;
use bucle_loop::{ExceptionContext, try_get_running_loop};
use bytes::Bytes;

use crate::{BodyError, Response};

/// What becomes a [`Response`].
///
/// | what | becomes |
/// |---|---|
/// | [`Response`] | itself |
/// | `&'static str`, `String` | 200 with plain text |
/// | `Vec<u8>`, `&'static [u8]`, [`Bytes`] | 200 with bytes, `application/octet-stream` |
/// | `()` | 204 |
/// | [`StatusCode`] | that; from 400 on with a line of text that says it |
/// | `(StatusCode, R)` | `R` with that status |
/// | `Result<R, E>` | whichever of the two it is |
/// | [`BodyError`] | 413 for a body that is too long, else 400 |
/// | [`io::Error`], `Box<dyn Error>` | 500, which tells the client nothing: the error goes to the loop's exception handler |
///
/// ```
/// use bucle_server::{IntoResponse, StatusCode};
///
/// let response = (StatusCode::CREATED, "made\n").into_response();
/// assert_eq!(response.status(), StatusCode::CREATED);
/// assert_eq!(StatusCode::NOT_FOUND.into_response().length(), Some(14));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not become a response",
    note = "return `Response`, text, bytes, `StatusCode`, `(StatusCode, ..)` or a `Result` of these"
)]
pub trait IntoResponse {
    /// Makes it a response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    #[inline]
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

const BYTES: &str = "application/octet-stream";

impl IntoResponse for &'static [u8] {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK).content_type(BYTES).body(self)
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK).content_type(BYTES).body(self)
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK).content_type(BYTES).body(self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(StatusCode::NO_CONTENT)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        match self.is_client_error() || self.is_server_error() {
            true => Response::error(self),
            false => Response::new(self),
        }
    }
}

impl<R: IntoResponse> IntoResponse for (StatusCode, R) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<R: IntoResponse, E: IntoResponse> IntoResponse for Result<R, E> {
    #[inline]
    fn into_response(self) -> Response {
        match self {
            Ok(response) => response.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let status = match self {
            BodyError::TooLarge => StatusCode::CONTENT_TOO_LARGE,
            BodyError::Incomplete | BodyError::Malformed => StatusCode::BAD_REQUEST,
        };
        Response::error(status)
    }
}

impl IntoResponse for io::Error {
    fn into_response(self) -> Response {
        match self
            .get_ref()
            .and_then(|error| error.downcast_ref::<BodyError>())
        {
            Some(error) => error.into_response(),
            None => failed(&self),
        }
    }
}

impl IntoResponse for Box<dyn Error> {
    fn into_response(self) -> Response {
        failed(&*self)
    }
}

impl IntoResponse for Box<dyn Error + Send + Sync> {
    fn into_response(self) -> Response {
        failed(&*self)
    }
}

/// 500 for the client, the reason for us.
#[cold]
pub(crate) fn failed(error: &(dyn Error + 'static)) -> Response {
    let mut text = format!("failed: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    if let Some(event_loop) = try_get_running_loop() {
        event_loop.call_exception_handler(ExceptionContext::new("http handler", text));
    }
    Response::error(StatusCode::INTERNAL_SERVER_ERROR)
}
