//! The ntex peer: its own HTTP service without the web framework on it, one worker, `Hello, World!` from a handler that looks
//! at the request as Bucle's does.
//!
//! `ntex_plaintext PORT` listens on 127.0.0.1.

use std::io;

use ntex::http::header::{CONTENT_TYPE, HeaderValue, SERVER};
use ntex::http::{HttpService, Method, Request, Response, StatusCode};

async fn hello(request: Request) -> io::Result<Response> {
    let found = request.method() == Method::GET && request.path().starts_with("/plaintext");
    let (status, body) = if found {
        (StatusCode::OK, "Hello, World!")
    } else {
        (StatusCode::NOT_FOUND, "not found")
    };
    let mut response = Response::new(status).set_body(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(SERVER, HeaderValue::from_static("ntex"));
    Ok(response)
}

#[ntex::main]
async fn main() -> io::Result<()> {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| io::Error::other("usage: ntex_plaintext PORT"))?;
    ntex::server::build()
        .workers(1)
        .bind("plaintext", ("127.0.0.1", port), async |_| {
            HttpService::new(hello)
        })?
        .run()
        .await
}
