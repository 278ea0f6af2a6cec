//! Tower services, an axum router first of all.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request};
use axum::http::{self, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bucle_server::{Incoming, Options, Routes, TowerHandler};
use http_body::Body as _;
use tower_service::Service;

use crate::support::{Answer, Running, read_answers, read_to_end, serve};

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/hello/{name}",
            get(|Path(name): Path<String>| async move { format!("hello {name}") }),
        )
        .route(
            "/sum",
            post(|Json(numbers): Json<Vec<i64>>| async move { Json(numbers.iter().sum::<i64>()) }),
        )
        // Sent back as it comes.
        .route(
            "/echo",
            post(|request: Request| async { request.into_body() }),
        )
        .route(
            "/headers",
            get(|| async {
                (
                    StatusCode::CREATED,
                    [
                        (header::SET_COOKIE, "a=1"),
                        (header::CONNECTION, "close"),
                        (header::DATE, "today"),
                    ],
                    "made",
                )
            }),
        )
        .route("/unread", post(|| async { "not read" }))
        .route("/panic", get(panics))
        .route("/late", get(late))
}

async fn panics() -> String {
    panic!("out of luck")
}

/// What an axum handler awaits must be `Send`, which the loop's own futures are not.
async fn late() -> String {
    let remote = bucle_loop::get_running_loop().remote();
    let slept = bucle_loop::run_coroutine_threadsafe(remote, || async {
        bucle_loop::sleep(Duration::from_millis(5)).await;
        "late"
    });
    slept.await.unwrap().into()
}

fn server() -> Running {
    serve(Options::default(), || TowerHandler::new(router()))
}

#[test]
fn a_router_is_served_as_it_is() {
    let server = server();
    for (target, text) in [
        ("/", "hello"),
        ("/hello/you?x", "hello you"),
        ("/late", "late"),
    ] {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.text()), (200, text));
        assert_eq!(
            answer.field("content-length"),
            Some(&*text.len().to_string())
        );
    }
    assert_eq!(server.get("/nothing").status, 404);
    let answer = server.request("POST", "/", "");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.field("allow"), Some("GET,HEAD"));
    let answer = server.request("HEAD", "/hello/you", "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-length"), Some("9"));
    let answer = server.get("/headers");
    assert_eq!(answer.status, 201);
    assert_eq!(answer.field("set-cookie"), Some("a=1"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert_ne!(answer.field("date"), Some("today"));
    assert_eq!(answer.text(), "made");
    assert_eq!(server.get("/panic").status, 500);
}

#[test]
fn bodies_go_in_and_out() {
    let server = server();
    let ask = |target: &str, lines: &str, body: &[u8]| {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let answer = server.ask([head.as_bytes(), body].concat());
        Answer::take(&answer, false).unwrap().0
    };
    let json = "Content-Type: application/json\r\nContent-Length: 7\r\n";
    assert_eq!(ask("/sum", json, b"[1,2,3]").text(), "6");
    assert_eq!(ask("/sum", json, b"[1,2,x]").status, 400);
    assert_eq!(
        ask("/echo", "Content-Length: 5\r\n", b"hello").text(),
        "hello"
    );
    assert_eq!(ask("/echo", "", b"").text(), "");
    let chunked = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n";
    let answer = ask("/echo", "Transfer-Encoding: chunked\r\n", chunked);
    assert_eq!(answer.text(), "abcde");
    assert_eq!(
        ask("/unread", "Content-Length: 5\r\n", b"hello").text(),
        "not read"
    );
    // One that is cut off is an error to who reads it.
    let answer = server.ask("POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[1");
    assert!(
        answer.starts_with(b"HTTP/1.1 400 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn a_large_body_is_sent_back_as_it_comes() {
    let server = server();
    let body: Vec<u8> = (0..4 << 20).map(|n: u32| (n % 251) as u8).collect();
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let length = body.len();
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        write!(
            writer,
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        writer.write_all(&sent).unwrap();
    });
    let answers = read_answers(&mut stream, 1);
    sending.join().unwrap();
    assert!(answers[0].body == body);
    // And the connection goes on.
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(&mut stream).ends_with(b"\r\n\r\nhello"));
}

#[test]
fn a_body_is_asked_for_only_when_it_is_read() {
    let server = server();
    for (target, first) in [("/echo", "HTTP/1.1 100 "), ("/unread", "HTTP/1.1 200 ")] {
        let mut stream = server.connect();
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        .unwrap();
        let mut answer = [0; 13];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, first.as_bytes());
    }
}

#[test]
fn it_stands_beside_other_routes() {
    let server = serve(Options::default(), || {
        Routes::new()
            .get("/plain", |_: bucle_server::Request| async { "plain" })
            .fallback(TowerHandler::new(router()))
    });
    assert_eq!(server.get("/plain").text(), "plain");
    assert_eq!(server.get("/hello/axum").text(), "hello axum");
}

#[test]
fn what_the_service_sees() {
    async fn seen(Query(query): Query<Vec<(String, String)>>, request: Request) -> String {
        let (parts, body) = request.into_parts();
        format!(
            "{} {} {:?} {query:?} {:?} {:?} {}",
            parts.method,
            parts.uri,
            parts.version,
            parts.headers.get_all("x-many").iter().collect::<Vec<_>>(),
            parts.headers[header::HOST],
            body.size_hint().exact().is_none() || body.is_end_stream(),
        )
    }
    let server = serve(Options::default(), || {
        TowerHandler::new(Router::new().fallback(seen))
    });
    let answer = server.request("BREW", "/a%20b?c=d&e=%26", "X-Many: 1\r\nx-many: 2\r\n");
    assert_eq!(
        answer.text(),
        "BREW /a%20b?c=d&e=%26 HTTP/1.1 [(\"c\", \"d\"), (\"e\", \"&\")] [\"1\", \"2\"] \"x\" true"
    );
    let answer = server.request("OPTIONS", "*", "");
    assert!(answer.text().starts_with("OPTIONS * "), "{answer:?}");
    let answer = server.request("GET", "http://other/path", "");
    assert!(
        answer.text().starts_with("GET http://other/path "),
        "{answer:?}"
    );
}

/// A service that is not `Send`, is ready at the second time of asking only, and fails on demand.
#[derive(Clone, Default)]
struct Slow {
    ready: bool,
    calls: Rc<Cell<u32>>,
}

impl Service<http::Request<Incoming>> for Slow {
    type Response = http::Response<Drops>;
    type Error = std::io::Error;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !std::mem::replace(&mut self.ready, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        assert!(self.ready, "called before it was ready");
        self.calls.set(self.calls.get() + 1);
        if request.uri().path() == "/fails" {
            return ready(Err(std::io::Error::other("not a word to the client")));
        }
        let drops = Drops {
            left: 3,
            fails: request.uri().path() == "/breaks",
        };
        let mut response = http::Response::new(drops);
        response
            .headers_mut()
            .insert("x-calls", self.calls.get().into());
        ready(Ok(response))
    }
}

/// A body that drips, with trailers, which are not sent.
struct Drops {
    left: u32,
    fails: bool,
}

impl http_body::Body for Drops {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        cx.waker().wake_by_ref();
        self.left = match self.left {
            0 => return Poll::Ready(None),
            left => left - 1,
        };
        Poll::Ready(match self.left {
            2 => Some(Ok(http_body::Frame::data("drip ".into()))),
            1 if self.fails => Some(Err(std::io::Error::other("broken"))),
            1 => Some(Ok(http_body::Frame::data("drop".into()))),
            _ => Some(Ok(http_body::Frame::trailers(http::HeaderMap::new()))),
        })
    }
}

#[test]
fn a_service_of_one_s_own() {
    let server = serve(Options::default(), || TowerHandler::new(Slow::default()));
    for calls in 1..4 {
        let answer = server.get("/");
        assert_eq!(answer.text(), "drip drop");
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.field("x-calls"), Some(&*calls.to_string()));
    }
    let answer = server.get("/fails");
    assert_eq!(
        (answer.status, answer.text()),
        (500, "500 Internal Server Error\n")
    );
    let mut stream = server.connect();
    stream
        .write_all(b"GET /breaks HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A reset, perhaps; in no case a whole answer.
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(Answer::take(&answer, false), None);
}

#[test]
fn a_body_may_be_read_in_another_thread() {
    async fn elsewhere(body: Body) -> impl IntoResponse {
        let (promise, read) = bucle_loop::concurrent::Promise::<usize>::new();
        std::thread::spawn(move || {
            // A loop of its own, on which nothing of the server is.
            let bytes = bucle_loop::run(axum::body::to_bytes(body, usize::MAX)).unwrap();
            promise.set_result(bytes.unwrap().len()).unwrap();
        });
        format!("{} bytes", read.await.unwrap())
    }
    let server = serve(Options::default(), || {
        TowerHandler::new(Router::new().route("/", post(elsewhere)))
    });
    let mut request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n".to_vec();
    request.resize(request.len() + 300_000, b'x');
    let answer = server.ask(request);
    assert_eq!(
        Answer::take(&answer, false).unwrap().0.text(),
        "300000 bytes"
    );
}
