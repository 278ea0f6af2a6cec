//! Connections that leave HTTP for another protocol.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use bucle_server::{Options, Outcome, Request, Response, Upgraded};

use crate::support::{Running, WATCHDOG, read_to_end, serve};

const ASK: &str =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other, shout/1\r\n\r\n";

/// Says so when it is dropped.
struct Tells(Sender<&'static str>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// Sends lines back in capitals, until there are no more.
async fn shout(mut upgraded: Upgraded) {
    while let Ok(line) = upgraded.reader.readline().await
        && !line.is_empty()
    {
        assert_ne!(line, b"panic\n");
        upgraded.writer.write(&line.to_ascii_uppercase());
        if upgraded.writer.drain().await.is_err() {
            return;
        }
    }
    upgraded.writer.write(b"BYE\n");
}

async fn handler(request: Request) -> Response {
    if request.query() == Some("late") {
        bucle_loop::yield_now().await;
    }
    request.upgrade("shout/1", shout)
}

fn server() -> Running {
    serve(Options::default(), || handler)
}

#[track_caller]
fn assert_switched(answer: &[u8], rest: &str) {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nUpgrade: shout/1"), "{head}");
    assert!(head.contains("\r\nConnection: Upgrade"), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    assert!(!head.contains("Transfer-Encoding"), "{head}");
    assert_eq!(body, rest);
}

#[test]
fn what_is_sent_behind_the_request_comes_first() {
    let server = server();
    for query in ["", "?late"] {
        let ask = ASK.replace("GET /", &format!("GET /{query}"));
        // Behind another request, and with more behind it than its own protocol's first line.
        let before = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
        let all = format!("{before}{ask}one\ntwo\n");
        let answer = server.ask(&all);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
        let second = text.find("HTTP/1.1 101").unwrap();
        assert_switched(&answer[second..], "ONE\nTWO\nBYE\n");
        // Cut anywhere.
        let all = format!("{ask}one\ntwo\n");
        for cut in (1..all.len()).step_by(5) {
            let mut stream = server.connect();
            stream.write_all(&all.as_bytes()[..cut]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
            stream.write_all(&all.as_bytes()[cut..]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            assert_switched(&read_to_end(&mut stream), "ONE\nTWO\nBYE\n");
        }
    }
}

#[test]
fn a_large_exchange_has_back_pressure_both_ways() {
    let server = server();
    let mut stream = server.connect();
    stream.write_all(ASK.as_bytes()).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let line = format!("{}\n", "x".repeat(1023));
    let lines = 4 * 1024;
    let sent = line.repeat(lines);
    let sending = std::thread::spawn(move || {
        writer.write_all(sent.as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let answer = read_to_end(&mut stream);
    sending.join().unwrap();
    let body = answer.len() - answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() - 4;
    assert_eq!(body, lines * 1024 + 4);
}

#[test]
fn who_does_not_ask_for_it_is_told_to() {
    let server = server();
    for lines in [
        "",
        "Upgrade: shout/1\r\n",
        "Connection: Upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: shout/2\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        let answer = server.request("GET", "/", lines);
        assert_eq!(answer.status, 426, "{lines}");
        assert_eq!(answer.field("upgrade"), Some("shout/1"));
        assert_eq!(answer.field("connection"), Some("Upgrade"));
    }
    let body = "Connection: Upgrade\r\nUpgrade: shout/1\r\nContent-Length: 3\r\n\r\nabc";
    let answer = server.ask(format!("POST / HTTP/1.1\r\nHost: x\r\n{body}"));
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    let answer = server.ask("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: shout/1\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 426 "));
}

#[test]
fn a_panic_ends_the_connection_and_nothing_else() {
    let server = server();
    let mut other = server.connect();
    other.write_all(ASK.as_bytes()).unwrap();
    let mut stream = server.connect();
    stream.write_all(ASK.as_bytes()).unwrap();
    stream.write_all(b"panic\n").unwrap();
    assert_switched(&read_to_end(&mut stream), "");
    other.write_all(b"fine\n").unwrap();
    other.shutdown(Shutdown::Write).unwrap();
    assert_switched(&read_to_end(&mut other), "FINE\nBYE\n");
}

/// A server whose upgraded connections say what becomes of them.
fn telling(options: Options) -> (Running, mpsc::Receiver<&'static str>) {
    let (sender, told) = mpsc::channel();
    let server = serve(options, move || {
        move |request: Request| {
            let tells = Tells(sender.clone());
            request.upgrade("shout/1", |upgraded| async move {
                let tells = tells;
                tells.0.send("begun").unwrap();
                let _ = upgraded.draining.begun().await;
                tells.0.send("draining").unwrap();
                upgraded.writer.write(b"the end is near\n");
                let _ = upgraded.writer.drain().await;
                std::future::pending::<()>().await;
            })
        }
    });
    (server, told)
}

#[test]
fn a_reset_drops_what_waits() {
    let (server, told) = telling(Options::default());
    let mut stream = server.connect();
    stream.write_all(ASK.as_bytes()).unwrap();
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("begun"));
    let socket = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    socket.unwrap();
    drop(stream);
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("dropped"));
    assert_eq!(server.stop(), Outcome::Drained);
}

#[test]
fn a_stopping_server_tells_it_and_cuts_it_at_the_end() {
    let mut options = Options::default();
    options.drain_timeout = WATCHDOG;
    let (server, told) = telling(options);
    let mut stream = server.connect();
    stream.write_all(ASK.as_bytes()).unwrap();
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("begun"));
    server.begin_to_stop();
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("draining"));
    let mut near = vec![0; 4096];
    let mut all = Vec::new();
    while !all.ends_with(b"the end is near\n") {
        let count = stream.read(&mut near).unwrap();
        assert!(count > 0);
        all.extend_from_slice(&near[..count]);
    }
    assert_eq!(server.stop(), Outcome::Interrupted { connections: 1 });
    assert_eq!(told.recv_timeout(WATCHDOG), Ok("dropped"));
    // Cut: a reset, or an end.
    assert!(matches!(stream.read(&mut near), Err(_) | Ok(0)));
}

#[test]
fn one_that_ends_while_the_server_drains_is_waited_for() {
    let server = server();
    let mut stream = server.connect();
    stream.write_all(ASK.as_bytes()).unwrap();
    stream.write_all(b"one\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    server.begin_to_stop();
    stream.write_all(b"two\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(&mut stream).ends_with(b"TWO\nBYE\n"));
    drop(stream);
    drop(server);
}
