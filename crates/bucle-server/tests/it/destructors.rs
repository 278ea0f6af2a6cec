//! Destructors of handlers that panic, wherever the server runs them: they cost their own connection, and no other
//! feels it.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bucle_server::{Body, Handler, Options, Request, Response};
use bytes::Bytes;
use futures_core::Stream;

use crate::support::{Running, read_answers, read_to_end, serve};

/// A stream that is never polled to its end, and panics when it is dropped.
struct Bursts;

impl Stream for Bursts {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Drop for Bursts {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a destructor is out of luck");
        }
    }
}

/// What is asked of `/bursts` is answered with such a stream; of `/later/…`, after a turn of the loop.
async fn handler(request: Request) -> Response {
    if request.path().starts_with("/later") {
        bucle_loop::yield_now().await;
    }
    if request.path().ends_with("/bursts") {
        return Response::text(Body::sized_stream(Bursts, 3));
    }
    Response::text(request.path().to_owned())
}

/// Forty requests, which are more than are begun in a turn, and another.
fn many(server: &Running, last: &str) -> TcpStream {
    let mut stream = server.connect();
    let mut sent = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40);
    sent.push_str(last);
    stream.write_all(sent.as_bytes()).unwrap();
    stream
}

const BURSTS: &str = "HEAD /bursts HTTP/1.1\r\nHost: x\r\n\r\n";

/// Waits for the connection's end, which may be a reset.
fn ends(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                return;
            }
        }
    }
}

#[test]
fn in_a_turn_of_its_own() {
    let server = serve(Options::default(), || handler);
    let mut unlucky = many(&server, BURSTS);
    ends(&mut unlucky);
    // Others still have their turns.
    let mut other = many(&server, "");
    assert_eq!(read_answers(&mut other, 40).len(), 40);
}

#[test]
fn behind_an_answer_that_came_later() {
    let server = serve(Options::default(), || handler);
    let mut unlucky = server.connect();
    let sent = format!("GET /later/a HTTP/1.1\r\nHost: x\r\n\r\n{BURSTS}");
    unlucky.write_all(sent.as_bytes()).unwrap();
    ends(&mut unlucky);
    assert_eq!(server.get("/a").text(), "/a");
}

#[test]
fn where_patience_ends() {
    let mut options = Options::default();
    options.body_timeout = Duration::from_millis(200);
    options.idle_timeout = Duration::from_millis(400);
    let server = serve(options, || handler);
    let mut idle = server.connect();
    idle.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(read_answers(&mut idle, 1)[0].text(), "/a");
    let mut unlucky = server.connect();
    // Answered once the body is whole, which it never is.
    let sent = "POST /bursts HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
    unlucky.write_all(sent.as_bytes()).unwrap();
    ends(&mut unlucky);
    assert_eq!(read_to_end(&mut idle), b"");
}

/// A future that panics when it is dropped.
struct Fragile(Option<Response>);

impl Future for Fragile {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Response> {
        match self.0.take() {
            Some(response) => Poll::Ready(response),
            None => Poll::Pending,
        }
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a destructor is out of luck");
        }
    }
}

struct Fragiles;

impl Handler for Fragiles {
    type Future = Fragile;

    fn call(&self, request: Request) -> Fragile {
        Fragile(Some(Response::text(request.path().to_owned())))
    }
}

#[test]
fn of_the_handler_itself() {
    let server = serve(Options::default(), || Fragiles);
    for _ in 0..3 {
        let mut stream = server.connect();
        stream
            .write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        ends(&mut stream);
    }
}
