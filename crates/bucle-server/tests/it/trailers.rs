//! Trailer fields, both ways: by our own handlers, and by tower services.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bucle_server::{Body, Incoming, Options, Request, Response, Routes, TowerHandler};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::support::{Answer, Running, serve};

const CHUNKS: &str = "3\r\nabc\r\n2\r\nde\r\n0\r\n";

/// Tells the body and its trailers.
async fn told(mut request: Request) -> String {
    // All of it has come by then, and none was read.
    bucle_loop::sleep(std::time::Duration::from_millis(5)).await;
    assert!(request.body().trailers().is_none(), "before the end");
    let body = request.body().collect(1000).await;
    let Ok(body) = body else {
        return "no body\n".into();
    };
    let mut text = String::from_utf8(body).unwrap();
    for (name, value) in request.body().trailers().into_iter().flatten() {
        text += &format!(" {name}={}", String::from_utf8_lossy(value));
    }
    text
}

fn written(_: Request) -> Response {
    let body = Body::from_writer(|mut writer| async move {
        writer.write("one ").await?;
        for forbidden in ["Content-Length", "transfer-encoding", "Host", "X Y"] {
            let error = writer.trailer(forbidden, "1").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        writer.trailer("A", "b\r\nc: d").unwrap_err();
        writer.trailer("Digest", "x=1")?;
        writer.write("two").await?;
        writer.trailer("Lines", [b'2'])
    });
    Response::text(body)
        .header("Trailer", "Digest, Lines")
        .unwrap()
}

/// Sends the frames of a request back.
#[derive(Clone)]
struct Frames;

impl tower_service::Service<http::Request<Incoming>> for Frames {
    type Response = http::Response<Back>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        let known = request.uri().query() == Some("length");
        let back = Back(request.into_body(), known);
        let response = http::Response::builder().header("Trailer", "Digest");
        ready(Ok(response.body(back).unwrap()))
    }
}

/// The frames of a request; with `true`, five bytes are said to come.
struct Back(Incoming, bool);

impl http_body::Body for Back {
    type Data = Bytes;
    type Error = bucle_server::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        polled.map(|frame| {
            frame.map(|frame| {
                frame.map(|frame| match frame.into_trailers() {
                    Ok(mut trailers) => {
                        // What a service must not do goes no further.
                        trailers.insert("content-length", http::HeaderValue::from_static("7"));
                        Frame::trailers(trailers)
                    }
                    Err(frame) => frame,
                })
            })
        })
    }

    fn size_hint(&self) -> SizeHint {
        match self.1 {
            true => SizeHint::with_exact(5),
            false => SizeHint::default(),
        }
    }
}

fn server() -> Running {
    serve(Options::default(), || {
        Routes::new()
            .post("/told", told)
            .get("/written", written)
            .post("/tower", TowerHandler::new(Frames))
    })
}

fn post(path: &str, lines: &str, trailers: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{lines}\r\n{CHUNKS}{trailers}\r\n"
    )
}

#[test]
fn a_handler_is_given_them_when_the_body_is_through() {
    let server = server();
    for (trailers, wanted) in [
        ("", "abcde"),
        (
            "Digest: x=1\r\nA:  b \r\nA: c\r\n",
            "abcde Digest=x=1 A=b A=c",
        ),
    ] {
        // Two on one connection: they are each one's own.
        let twice = post("/told", "", trailers).repeat(2) + &post("/told", "", "");
        let answers = Answer::all(&server.ask(&twice));
        let texts: Vec<_> = answers.iter().map(Answer::text).collect();
        assert_eq!(texts, [wanted, wanted, "abcde"]);
    }
    for forbidden in ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: y"] {
        let asked = post("/told", "", &format!("{forbidden}\r\n"));
        let answers = Answer::all(&server.ask(&asked));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].status, 400, "{forbidden}");
    }
}

/// What follows the head of the one answer there is.
fn behind_head(server: &Running, asked: &str) -> (String, String) {
    let answer = String::from_utf8(server.ask(asked)).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_writer_s_reach_the_clients_that_take_them() {
    let server = server();
    let get = |version: &str, lines: &str| {
        behind_head(
            &server,
            &format!("GET /written HTTP/{version}\r\nHost: x\r\n{lines}\r\n"),
        )
    };
    let body = "4\r\none \r\n3\r\ntwo\r\n0\r\n";
    for takes in [
        "TE: trailers",
        "te: gzip;q=0.5 , Trailers",
        "TE: gzip\r\nTE: trailers",
    ] {
        let (head, rest) = get("1.1", &format!("{takes}\r\nConnection: TE\r\n"));
        assert!(head.contains("\r\nTrailer: Digest, Lines"), "{head}");
        assert_eq!(
            rest,
            format!("{body}Digest: x=1\r\nLines: 2\r\n\r\n"),
            "{takes}"
        );
    }
    for doesn_t in ["", "TE: gzip\r\n", "TE: trailers-not\r\n"] {
        let (_, rest) = get("1.1", doesn_t);
        assert_eq!(rest, format!("{body}\r\n"), "{doesn_t}");
    }
    let (_, rest) = get("1.0", "TE: trailers\r\n");
    assert_eq!(rest, "one two");
    // The connection goes on behind them.
    let twice = "GET /written HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n".repeat(2);
    let answers = String::from_utf8(server.ask(&twice)).unwrap();
    assert_eq!(answers.matches("Lines: 2\r\n\r\n").count(), 2);
}

#[test]
fn a_service_gets_them_and_sends_them_as_frames() {
    let server = server();
    let trailers = "Digest: x=1\r\nA: b\r\n";
    for path in ["/tower", "/tower?length"] {
        let (head, body) = behind_head(&server, &post(path, "TE: trailers\r\n", trailers));
        assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
        assert!(
            head.to_ascii_lowercase().contains("\r\ntrailer: digest"),
            "{head}"
        );
        assert!(body.ends_with("0\r\ndigest: x=1\r\na: b\r\n\r\n"), "{body}");
        let (head, body) = behind_head(&server, &post(path, "", trailers));
        assert!(
            !head.to_ascii_lowercase().contains("\r\ntrailer:"),
            "{head}"
        );
        match path {
            "/tower" => assert!(body.ends_with("0\r\n\r\n"), "{body}"),
            _ => assert_eq!(body, "abcde"),
        }
    }
}
