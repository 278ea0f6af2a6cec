//! What is sent, and what comes back: each case whole, and cut after every byte. The cases know
//! nothing of sockets, so that they can be played over any.

use std::io::Write;
use std::net::Shutdown;

use bucle_server::{Method, Options, Request, Response, StatusCode};

use crate::support::{Answer, Running, read_to_end, serve};

/// Tells what was asked; `/big` has a body that is longer than what is copied, `/none` has none.
pub(crate) async fn handler(mut request: Request) -> Response {
    let told = format!(
        "{} {}",
        request.head().method_str(),
        request.head().target()
    );
    match request.path() {
        "/none" => Response::new(StatusCode::NO_CONTENT),
        "/unchanged" => Response::new(StatusCode::NOT_MODIFIED),
        "/big" => Response::text("x".repeat(100_000)),
        "/continue" => Response::new(StatusCode::CONTINUE),
        _ if request.method() == Method::Post => match request.body().collect(1000).await {
            Ok(body) => Response::text(format!("{told} {}", String::from_utf8_lossy(&body))),
            Err(error) => {
                Response::text(error.to_string()).with_status(StatusCode::CONTENT_TOO_LARGE)
            }
        },
        _ => Response::text(told),
    }
}

fn server() -> Running {
    serve(Options::default(), || handler)
}

/// What one answer has to be: its status, its body, whether it says `Connection: close`.
pub(crate) struct Wanted(u16, &'static str, bool);

const fn ok(body: &'static str) -> Wanted {
    Wanted(200, body, false)
}

const fn last(status: u16, body: &'static str) -> Wanted {
    Wanted(status, body, true)
}

/// A body that is not looked at.
const ANY: &str = "*";

/// What is sent before the client ends its side, and the answers.
pub(crate) const CASES: &[(&str, &[Wanted])] = &[
    ("", &[]),
    ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[ok("GET /")]),
    (
        "\r\nGET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\nGET /d HTTP/1.1\r\nHost: x\r\n\r\n",
        &[ok("GET /a?b=c"), ok("GET /d")],
    ),
    // Keep-alive: HTTP/1.1 stays unless told, HTTP/1.0 goes unless told.
    (
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[last(200, "GET /a")],
    ),
    (
        "GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        &[last(200, "GET /a")],
    ),
    (
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        &[ok("GET /a"), last(200, "GET /b")],
    ),
    // Bodies: by length, by chunks, followed by another request.
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[ok("POST /p hello"), ok("GET /b")],
    ),
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: r\r\n\r\n\
         GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[ok("POST /p hello"), ok("GET /b")],
    ),
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[ok("POST /p "), ok("GET /b")],
    ),
    // A body that nobody reads is not the next request.
    (
        "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[ok("GET /a"), ok("GET /b")],
    ),
    // Answers without a body.
    (
        "GET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /unchanged HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        &[Wanted(204, "", false), Wanted(304, "", false), ok("GET /b")],
    ),
    // A handler can't answer with what is no answer.
    (
        "GET /continue HTTP/1.1\r\nHost: x\r\n\r\n",
        &[Wanted(500, "500 Internal Server Error\n", false)],
    ),
    // What is malformed is answered, in its turn, and is the last.
    ("GET /a\r\n\r\n", &[last(400, ANY)]),
    ("\0\0\0\0\r\n\r\n", &[last(400, ANY)]),
    (
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
        &[ok("GET /a"), last(400, ANY)],
    ),
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[last(400, ANY)],
    ),
    ("GET /a HTTP/2.0\r\nHost: x\r\n\r\n", &[last(505, ANY)]),
    (
        "GET /a HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n",
        &[last(417, ANY)],
    ),
    // A body that goes wrong while the handler waits for it.
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nzz\r\n",
        &[last(400, ANY)],
    ),
    // Half a head, half a body: nothing to answer, and a handler that is told.
    ("GET /a HTTP/1.1\r\nHos", &[]),
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel",
        &[last(
            413,
            "the client ended before the whole request body came",
        )],
    ),
    // Leave to send the body.
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        &[
            Wanted(100, "", false),
            last(413, "the client ended before the whole request body came"),
        ],
    ),
    // It is not asked for where it comes by itself, or is not wanted.
    (
        "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n",
        &[last(413, "the request body is longer than is allowed here")],
    ),
    (
        "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        &[last(200, "GET /a")],
    ),
];

/// Answers that the case wants; a `100 Continue` may be missing if the body came first.
pub(crate) fn check(sent: &str, received: &[u8], wanted: &[Wanted]) {
    let answers = Answer::all(received);
    let told: Vec<_> = answers
        .iter()
        .map(|answer| {
            let closes = answer.field("connection") == Some("close");
            (answer.status, String::from_utf8_lossy(&answer.body), closes)
        })
        .collect();
    assert_eq!(told.len(), wanted.len(), "{sent:?}: {told:?}");
    for ((status, body, closes), wanted) in told.iter().zip(wanted) {
        assert_eq!(
            (*status, *closes),
            (wanted.0, wanted.2),
            "{sent:?}: {told:?}"
        );
        if wanted.1 != ANY {
            assert_eq!(body, wanted.1, "{sent:?}");
        }
        let answer = &answers[0];
        if answer.status != 100 {
            assert!(answer.field("date").is_some(), "{answer:?}");
        }
    }
}

#[test]
fn whole() {
    let server = server();
    for (sent, wanted) in CASES {
        check(sent, &server.ask(sent), wanted);
    }
}

#[test]
fn byte_by_byte() {
    let server = server();
    for (sent, wanted) in CASES {
        let mut stream = server.connect();
        for byte in sent.as_bytes() {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
        }
        // It may have been ended from the other side.
        let _ = stream.shutdown(Shutdown::Write);
        check(sent, &read_to_end(&mut stream), wanted);
    }
}

#[test]
fn cut_in_two() {
    let server = server();
    for (sent, wanted) in CASES {
        for cut in (1..sent.len()).step_by(7) {
            let mut stream = server.connect();
            let (first, second) = sent.as_bytes().split_at(cut);
            stream.write_all(first).unwrap();
            // Whether the server sees them apart is up to the system, and to nobody here.
            std::thread::yield_now();
            let _ = stream.write_all(second);
            let _ = stream.shutdown(Shutdown::Write);
            check(sent, &read_to_end(&mut stream), wanted);
        }
    }
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    let server = server();
    for target in ["/a", "/big", "/none"] {
        let ask = |method: &str| {
            let line = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            server.ask(line)
        };
        let (get, _) = Answer::take(&ask("GET"), false).unwrap();
        let bytes = ask("HEAD");
        let (head, rest) = Answer::take(&bytes, true).unwrap();
        assert_eq!(rest, b"");
        assert_eq!(head.status, get.status);
        if target == "/big" {
            assert_eq!(head.field("content-length"), Some("100000"));
        }
        assert_eq!(
            head.field("content-length").is_some(),
            get.field("content-length").is_some()
        );
    }
}

#[test]
fn http_1_0_is_told_when_the_connection_stays() {
    let server = server();
    let answers = server.ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answers = Answer::all(&answers);
    assert_eq!(answers[0].field("connection"), Some("keep-alive"));
}
