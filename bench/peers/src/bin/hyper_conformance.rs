//! A hyper server for the conformance table's rows, which Bucle's are compared with: `/a.txt`, and `/echo` that sends a
//! body back. Framing and connections are hyper's own, methods and paths this file's.
//!
//! `hyper_conformance PORT` listens on 127.0.0.1.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let asks = request.method() == Method::GET || request.method() == Method::HEAD;
    let told = match request.uri().path() {
        "/echo" if asks => answer(StatusCode::OK, Bytes::from_static(b"echo")),
        "/echo" => match request.into_body().collect().await {
            Ok(body) => answer(StatusCode::OK, body.to_bytes()),
            Err(_) => answer(StatusCode::BAD_REQUEST, Bytes::new()),
        },
        "/a.txt" if asks => answer(StatusCode::OK, Bytes::from_static(b"hello\n")),
        "/a.txt" => answer(StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        _ => answer(StatusCode::NOT_FOUND, Bytes::new()),
    };
    Ok(told)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args()
        .nth(1)
        .ok_or("usage: hyper_conformance PORT")?
        .parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(async move {
                // A client that is refused is what this is about.
                let _ = http1::Builder::new()
                    .half_close(true)
                    .serve_connection(TokioIo::new(stream), service_fn(serve))
                    .await;
            });
        }
    })
}
