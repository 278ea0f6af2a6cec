//! Handlers: ready at once or later, panicking, dropped when nobody waits for them any more.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use bucle_http::encode::PROCESSING;
use bucle_server::{Options, Request, Response, StatusCode};

use crate::support::{Answer, Running, WATCHDOG, read_answers, read_to_end, serve};

/// Says so when it is dropped.
struct Tells(Sender<&'static str>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A server whose handler never answers, a client that has asked for something, and what its handler says: it has begun.
fn waiting() -> (Running, TcpStream, Receiver<&'static str>) {
    let (sender, told) = mpsc::channel();
    let server = serve(Options::default(), move || {
        move |_: Request| {
            let tells = Tells(sender.clone());
            async move {
                tells.0.send("begun").unwrap();
                std::future::pending::<()>().await;
                Response::text("never")
            }
        }
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("begun"));
    (server, stream, told)
}

#[test]
fn a_handler_that_waits_is_dropped_when_the_client_goes() {
    let (_server, mut stream, told) = waiting();
    // More pipelined behind it: what is unread makes the close a reset.
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let socket = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    socket.unwrap();
    drop(stream);
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("dropped"));
}

#[test]
fn a_client_that_closes_and_no_more_is_found_to_be_gone() {
    let (_server, stream, told) = waiting();
    drop(stream);
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("dropped"));
}

#[test]
fn a_client_that_ends_its_side_gets_its_answers_all_the_same() {
    let (sender, told) = mpsc::channel();
    let go_on = Arc::new(AtomicBool::new(false));
    let may_go_on = go_on.clone();
    let server = serve(Options::default(), move || {
        move |request: Request| {
            let (sender, may_go_on) = (sender.clone(), may_go_on.clone());
            async move {
                sender.send(()).unwrap();
                while request.path() != "/fast" && !may_go_on.load(Ordering::Relaxed) {
                    bucle_loop::sleep(Duration::from_millis(1)).await;
                }
                Response::text(request.path().to_owned())
            }
        }
    });
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        go_on.store(false, Ordering::Relaxed);
        let mut stream = server.connect();
        let keep = "Host: x\r\nConnection: keep-alive";
        let requests =
            format!("GET /slow {version}\r\n{keep}\r\n\r\nGET /fast {version}\r\n{keep}\r\n\r\n");
        stream.write_all(requests.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        told.recv_timeout(WATCHDOG).unwrap();
        if version == "HTTP/1.1" {
            // It is looked for by what it reads past.
            let mut interim = [0; PROCESSING.len()];
            stream.read_exact(&mut interim).unwrap();
            assert_eq!(interim, PROCESSING);
        } else {
            // There it would be no answer that anybody knows.
            std::thread::sleep(Duration::from_millis(2_200));
        }
        go_on.store(true, Ordering::Relaxed);
        let received = read_to_end(&mut stream);
        assert!(version == "HTTP/1.1" || !received.starts_with(PROCESSING));
        let answers = Answer::all(&received);
        assert_eq!(answers.len(), 2);
        assert_eq!((answers[0].text(), answers[1].text()), ("/slow", "/fast"));
        told.recv_timeout(WATCHDOG).unwrap();
    }
}

#[test]
fn a_panic_is_500_and_costs_that_connection_alone() {
    async fn panics(request: Request) -> Response {
        if request.path() == "/late" {
            bucle_loop::yield_now().await;
        }
        assert!(request.path() == "/fine", "out of luck");
        Response::text("fine")
    }
    let server = serve(Options::default(), || panics);
    let mut other = server.connect();
    for target in ["/now", "/late"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(2);
        let answers = Answer::all(&server.ask(request));
        assert_eq!(answers.len(), 1, "{target}");
        assert_eq!(answers[0].status, 500);
        assert_eq!(answers[0].field("connection"), Some("close"));
    }
    other
        .write_all(b"GET /fine HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(read_answers(&mut other, 1)[0].text(), "fine");
}

#[test]
fn many_handlers_wait_at_once() {
    async fn sleeps(request: Request) -> Response {
        bucle_loop::sleep(Duration::from_millis(50)).await;
        Response::text(request.head().target().to_owned())
    }
    let server = serve(Options::default(), || sleeps);
    let mut streams: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        write!(stream, "GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        assert_eq!(read_answers(stream, 1)[0].text(), format!("/{number}"));
    }
}

#[test]
fn what_a_handler_can_t_answer_is_put_right() {
    async fn answers(request: Request) -> Response {
        match request.path() {
            "/reset" => Response::text("a body").with_status(StatusCode::RESET_CONTENT),
            _ => Response::text("a tunnel?"),
        }
    }
    let server = serve(Options::default(), || answers);
    let reset = server.get("/reset");
    assert_eq!((reset.status, reset.text()), (205, ""));
    assert_eq!(reset.field("content-length"), Some("0"));
    let tunnel = server.request("CONNECT", "a:80", "");
    assert_eq!(tunnel.status, 501);
}

#[test]
fn an_answer_that_has_no_use_for_the_body_waits_for_it() {
    async fn early(_: Request) -> Response {
        bucle_loop::yield_now().await;
        Response::text("early")
    }
    let server = serve(Options::default(), || early);
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, status) in [
        ("1\r\na\r\n0\r\n\r\n", 200),
        ("1\r\naXX0\r\n\r\n", 400),
        ("1\r\na\r\n", 400),
    ] {
        let answers = Answer::all(&server.ask(format!("{head}{body}")));
        assert_eq!(answers.len(), 1, "{body}");
        assert_eq!(answers[0].status, status, "{body}");
    }
    // Not for one that is too long to be read over, nor for one that is held back.
    let long = "Content-Length: 1000000\r\n";
    let mut stream = server.connect();
    write!(stream, "POST / HTTP/1.1\r\nHost: x\r\n{long}\r\n").unwrap();
    assert_eq!(read_answers(&mut stream, 1)[0].text(), "early");
    let held = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let mut stream = server.connect();
    write!(stream, "POST / HTTP/1.1\r\nHost: x\r\n{held}\r\n").unwrap();
    assert_eq!(read_answers(&mut stream, 1)[0].text(), "early");
}

#[test]
fn a_url_of_https_is_not_for_a_plain_connection() {
    async fn fine(_: Request) -> Response {
        Response::text("fine")
    }
    let server = serve(Options::default(), || fine);
    assert_eq!(server.get("https://x/").status, 421);
    assert_eq!(server.get("http://x/").status, 200);
}

#[test]
fn a_handler_s_own_fields_are_sent() {
    async fn fields(_: Request) -> Response {
        Response::html("<p>")
            .header("X-One", "1")
            .and_then(|response| response.header("X-Two", "2"))
            .unwrap()
    }
    let server = serve(Options::default(), || fields);
    let answer = server.get("/");
    assert_eq!(answer.field("x-one"), Some("1"));
    assert_eq!(answer.field("x-two"), Some("2"));
    assert_eq!(
        answer.field("content-type"),
        Some("text/html; charset=utf-8")
    );
}

#[test]
fn a_type_that_a_handler_names_is_the_only_one() {
    async fn answers(request: Request) -> Response {
        let response = Response::text("{}").header("content-Type", "application/json");
        match request.path() {
            "/last" => response.unwrap().content_type("text/css"),
            "/twice" => response
                .and_then(|it| it.header("Content-Type", "image/png"))
                .unwrap(),
            _ => response.unwrap(),
        }
    }
    let server = serve(Options::default(), || answers);
    for (path, wanted) in [
        ("/", "application/json"),
        ("/last", "text/css"),
        ("/twice", "image/png"),
    ] {
        assert_eq!(
            server.get(path).field("content-type"),
            Some(wanted),
            "{path}"
        );
    }
}

#[test]
fn a_handler_that_somebody_ends_is_500() {
    async fn ends(mut request: Request) -> Response {
        if request.path() == "/fine" {
            return Response::text("fine");
        }
        let body = request.body().collect(10).await;
        assert_eq!(body, Ok(b"abc".to_vec()));
        bucle_loop::current_task().unwrap().cancel("by somebody");
        std::future::pending().await
    }
    let options = || {
        let mut options = Options::default();
        options.handler_timeout = None;
        options
    };
    let server = serve(options(), || ends);
    let mut stream = server.connect();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        .unwrap();
    stream.write_all(b"bc").unwrap();
    let answer = read_answers(&mut stream, 1).remove(0);
    assert_eq!(answer.status, 500);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(server.get("/fine").text(), "fine");
}
