//! Bodies in both directions: streamed, held back, cut off, thrown away.

use std::future::Future as _;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bucle_server::{Body, DISCARD_LIMIT, Options, Request, Response, Site};
use bytes::Bytes;
use futures_core::Stream;

use crate::support::{Answer, Running, read_answers, read_to_end, serve};

/// Pieces that were made before.
struct Pieces(Vec<std::io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.0.remove(0)))
    }
}

/// `x`, for ever.
struct Endless;

impl Stream for Endless {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 1000]))))
    }
}

async fn handler(mut request: Request) -> Response {
    let pieces = || {
        let pieces = ["one ", "", "two ", "three"];
        Pieces(pieces.map(|piece| Ok(Bytes::from(piece))).into())
    };
    match request.path() {
        "/stream" => Response::text(Body::stream(pieces())),
        "/sized" => Response::text(Body::sized_stream(pieces(), 13)),
        "/short" => Response::text(Body::sized_stream(pieces(), 14)),
        "/more" => Response::text(Body::sized_stream(pieces(), 12)),
        "/broken" => {
            let mut pieces = pieces();
            pieces.0.push(Err(std::io::Error::other("out of order")));
            Response::text(Body::stream(pieces))
        }
        "/endless" => Response::text(Body::stream(Endless)),
        "/static" => Response::text(Body::from(&[b's'; 50_000][..])),
        "/ignore" => Response::text("not read"),
        "/first" => match request.body().chunk().await {
            Some(Ok(piece)) => Response::text(format!("first of {}", piece[0])),
            _ => Response::text("none"),
        },
        _ => Response::text(request.into_body()),
    }
}

fn server() -> Running {
    serve(Options::default(), || handler)
}

#[test]
fn streams_are_chunked_or_have_their_length() {
    let server = server();
    let answer = server.get("/stream");
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.text(), "one two three");
    let answer = server.get("/sized");
    assert_eq!(answer.field("content-length"), Some("13"));
    assert_eq!(answer.text(), "one two three");
    assert_eq!(server.get("/static").body.len(), 50_000);
    // They are answers like others: the connection goes on.
    let twice = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /sized HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(Answer::all(&server.ask(twice.repeat(10))).len(), 20);
}

#[test]
fn http_1_0_gets_a_stream_until_the_end() {
    let server = server();
    let bytes = server.ask("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let (answer, _) = Answer::take(&bytes, false).unwrap();
    assert_eq!(answer.field("transfer-encoding"), None);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(answer.text(), "one two three");
}

#[test]
fn head_of_a_stream_has_no_body() {
    let server = server();
    assert_eq!(server.request("HEAD", "/stream", "").status, 200);
    assert_eq!(
        server.request("HEAD", "/sized", "").field("content-length"),
        Some("13")
    );
}

#[test]
fn a_stream_that_is_not_whole_is_seen_to_be() {
    let server = server();
    for target in ["/short", "/more", "/broken"] {
        let mut stream = server.connect();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut received = Vec::new();
        // A reset, or an end before the announced one.
        let _ = stream.read_to_end(&mut received);
        assert!(Answer::take(&received, false).is_none(), "{target}");
    }
}

#[test]
fn an_endless_stream_waits_for_its_reader_and_ends_with_it() {
    let server = server();
    let mut stream = server.connect();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut buffer = vec![0; 1 << 20];
    stream.read_exact(&mut buffer).unwrap();
    // Others are served meanwhile, and when it has gone.
    assert_eq!(server.get("/stream").status, 200);
    drop(stream);
    assert_eq!(server.get("/stream").status, 200);
}

/// What an echo of `body` comes back as.
fn echo(server: &Running, head: &str, body: Vec<u8>) -> Answer {
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n");
    let write = thread::spawn(move || {
        writer.write_all(head.as_bytes()).unwrap();
        for piece in body.chunks(10_007) {
            writer.write_all(piece).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let bytes = read_to_end(&mut stream);
    write.join().unwrap();
    let (answer, rest) = Answer::take(&bytes, false).unwrap();
    assert_eq!(rest, b"");
    answer
}

#[test]
fn what_is_echoed_is_streamed() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(folder.path()).unwrap().echo(true);
    let server = serve(Options::default(), move || site.handler());
    let body: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    let answer = echo(
        &server,
        &format!("Content-Length: {}\r\n", body.len()),
        body.clone(),
    );
    assert_eq!(answer.field("content-length"), Some("5000000"));
    assert!(answer.body == body);
    let mut chunked = Vec::new();
    for piece in body.chunks(70_001) {
        write!(chunked, "{:x}\r\n", piece.len()).unwrap();
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = echo(&server, "Transfer-Encoding: chunked\r\n", chunked);
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert!(answer.body == body);

    // The request's line, as the chapter's server tells it.
    assert_eq!(server.get("/echo").text(), "Echo: GET /echo HTTP/1.1");
    assert_eq!(
        server.get("/echo?a=b").text(),
        "Echo: GET /echo?a=b HTTP/1.1"
    );
    assert_eq!(
        server.request("DELETE", "/echo", "").field("allow"),
        Some("GET, HEAD, POST, PUT, OPTIONS")
    );
    // Leave to send comes before the answer's head.
    let mut stream = server.connect();
    stream
        .write_all(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        )
        .unwrap();
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_answers(&mut stream, 1)[0].text(), "hello");
    // Without the flag it is a path like any other.
    let plain = Site::open(folder.path()).unwrap();
    let server = serve(Options::default(), move || plain.handler());
    assert_eq!(server.get("/echo").status, 404);
}

#[test]
fn an_echo_to_a_client_that_does_not_read_holds_its_body_back() {
    let server = server();
    let mut stream = server.connect();
    let total: usize = 30_000_000;
    write!(
        stream,
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {total}\r\n\r\n"
    )
    .unwrap();
    stream.set_nonblocking(true).unwrap();
    // Written until the server takes no more, which it must come to: its buffers are bounded.
    let piece = vec![b'e'; 64 * 1024];
    let mut written = 0;
    let mut full = 0;
    while full < 100 && written < total {
        match stream.write(&piece[..piece.len().min(total - written)]) {
            Ok(count) => {
                written += count;
                full = 0;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                full += 1;
                thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(written < total, "all of it was taken in");
    stream.set_nonblocking(false).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let write = thread::spawn(move || {
        while written < total {
            let count = piece.len().min(total - written);
            writer.write_all(&piece[..count]).unwrap();
            written += count;
        }
    });
    let answers = read_answers(&mut stream, 1);
    assert_eq!(answers[0].body.len(), total);
    write.join().unwrap();
}

#[test]
fn a_body_that_is_not_read_is_thrown_away_within_bounds() {
    let server = server();
    // Short: the connection goes on.
    let body = "b".repeat(100_000);
    let request = format!(
        "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answers = Answer::all(&server.ask(request.repeat(3)));
    assert_eq!(answers.len(), 3);
    assert!(
        answers
            .iter()
            .all(|answer| answer.field("connection").is_none())
    );
    // Long, and said to be: it is not read, and the answer is still seen by who is sending.
    for head in [
        format!("Content-Length: {}", DISCARD_LIMIT * 100),
        "Transfer-Encoding: chunked".into(),
    ] {
        let mut stream = server.connect();
        write!(stream, "POST /ignore HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").unwrap();
        let chunk = format!("{:x}\r\n{}\r\n", 65_536, "c".repeat(65_536));
        for _ in 0..DISCARD_LIMIT * 2 / 65_536 {
            if stream.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        let bytes = read_to_end(&mut stream);
        let (answer, rest) = Answer::take(&bytes, false).unwrap();
        assert_eq!((answer.text(), rest), ("not read", &b""[..]), "{head}");
    }
    // Begun and let go.
    let mut stream = server.connect();
    write!(
        stream,
        "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\nabc",
        DISCARD_LIMIT * 100
    )
    .unwrap();
    let bytes = read_to_end(&mut stream);
    let (answer, _) = Answer::take(&bytes, false).unwrap();
    assert_eq!(answer.text(), "first of 97");
    assert_eq!(answer.field("connection"), Some("close"));
}

/// Looks once whether there is something of the body.
async fn look(request: &mut Request) {
    let mut chunk = std::pin::pin!(request.body().chunk());
    std::future::poll_fn(|cx| {
        let _ = chunk.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
}

#[test]
fn nobody_is_told_to_go_on_behind_the_answer() {
    async fn looks(mut request: Request) -> Response {
        look(&mut request).await;
        Response::text("enough")
    }
    let server = serve(Options::default(), || looks);
    let mut stream = server.connect();
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        )
        .unwrap();
    let answers = Answer::all(&read_to_end(&mut stream));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    // Before the answer it would do no harm.
    assert!(matches!(statuses[..], [200] | [100, 200]), "{statuses:?}");
}

#[test]
fn a_body_of_before_tells_nobody_to_go_on() {
    async fn keeps(mut request: Request) -> Response {
        if request.path() == "/next" {
            bucle_loop::sleep(Duration::from_millis(100)).await;
            return Response::text("not wanted");
        }
        let mut body = std::mem::take(request.body());
        let late = async move {
            bucle_loop::sleep(Duration::from_millis(50)).await;
            assert_eq!(body.collect(10).await, Ok(b"hello".to_vec()));
        };
        bucle_loop::spawn(late).detach();
        Response::text("later")
    }
    let server = serve(Options::default(), || keeps);
    let mut stream = server.connect();
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
              POST /next HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        )
        .unwrap();
    let answers = Answer::all(&read_to_end(&mut stream));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200]);
}
