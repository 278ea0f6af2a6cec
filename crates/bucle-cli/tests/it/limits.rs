//! Each limit by its flag, at its last allowed and its first refused value, over a real socket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Serving, WATCHDOG, site};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

fn serve(folder: &Path, flags: &str) -> Serving {
    let fixed = "--listen 127.0.0.1:0 --echo --access-log off";
    let arguments: Vec<_> = fixed.split(' ').chain(flags.split_whitespace()).collect();
    Serving::start(folder, &arguments)
}

/// Sends `request`, ends its side, and reads to the end; the statuses of the answers.
fn ask(serving: &Serving, request: &str) -> Vec<String> {
    let mut stream = serving.connect();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    statuses(&mut stream)
}

/// Reads to the end.
fn statuses(stream: &mut TcpStream) -> Vec<String> {
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    let answers = String::from_utf8_lossy(&answers).into_owned();
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].to_owned()).collect()
}

#[test]
fn what_a_request_may_have() {
    let site = site();
    let serving = serve(
        site.path(),
        "--max-target 100 --max-head 1KiB --max-fields 5 --max-body 50 \
         --max-chunk-extensions 20 --max-trailers 30",
    );
    let target = |length: usize| {
        let query = "q".repeat(length - 2);
        format!("GET /?{query} HTTP/1.1\r\nHost: x\r\n\r\n")
    };
    let head = |length: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
        let value = "v".repeat(length - rest);
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {value}\r\n\r\n")
    };
    let fields = |count: usize| {
        let fields = "X: y\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
    };
    let body = |length: usize| {
        let body = "b".repeat(length);
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let chunked = |rest: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{rest}")
    };
    let chunks = |length: usize| chunked(&format!("{}0\r\n\r\n", "1\r\nb\r\n".repeat(length)));
    let extensions =
        |length: usize| chunked(&format!("1;{}\r\nb\r\n0\r\n\r\n", "e".repeat(length - 1)));
    let trailers = |length: usize| chunked(&format!("0\r\nX:{}\r\n\r\n", "t".repeat(length - 6)));
    for (name, refused, at, over) in [
        ("--max-target", "414", target(100), target(101)),
        ("--max-head", "431", head(1024), head(1025)),
        ("--max-fields", "431", fields(5), fields(6)),
        ("--max-body", "413", body(50), body(51)),
        ("--max-body, chunked", "413", chunks(50), chunks(51)),
        (
            "--max-chunk-extensions",
            "400",
            extensions(20),
            extensions(21),
        ),
        ("--max-trailers", "431", trailers(30), trailers(31)),
    ] {
        // A refusal ends the connection, and what follows is not read.
        assert_eq!(ask(&serving, &(at + GET)), ["200", "200"], "{name}");
        assert_eq!(ask(&serving, &(over + GET)), [refused], "{name}");
    }
    let serving = serve(site.path(), "--max-body off");
    assert_eq!(ask(&serving, &body(2_000_000)), ["200"]);
}

#[test]
fn how_many_requests_a_connection_may_make() {
    let site = site();
    let serving = serve(site.path(), "--max-requests 3");
    assert_eq!(ask(&serving, &GET.repeat(3)).len(), 3);
    assert_eq!(ask(&serving, &GET.repeat(4)).len(), 3);
}

#[test]
fn how_long_a_client_may_take() {
    let site = site();
    let half_a_head = "GET / HTTP/1.1\r\nHost";
    let half_a_body = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nb";
    for (flag, sent, status) in [
        ("--header-timeout 200ms", half_a_head, "408"),
        ("--body-timeout 0.2", half_a_body, "408"),
    ] {
        for (flag, late) in [(flag, true), ("", false)] {
            let serving = serve(site.path(), flag);
            let mut stream = serving.connect();
            stream.write_all(sent.as_bytes()).unwrap();
            if late {
                assert_eq!(statuses(&mut stream), [status], "{flag}");
            } else {
                thread::sleep(Duration::from_millis(600));
                let rest = sent.replace(half_a_head, ": x\r\n\r\n");
                let rest = if rest == sent { "123456789" } else { &rest };
                stream.write_all(rest.as_bytes()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(statuses(&mut stream), ["200"], "{sent}");
            }
        }
    }
    // A handshake, and a refused client that stays: the connection is over, whatever it is told.
    for (flags, sent, status) in [
        (
            "--tls-self-signed --tls-handshake-timeout 200ms",
            "\x16\x03\x01",
            &[][..],
        ),
        ("--linger-timeout 200ms", "BAD\r\n\r\n", &["400"]),
    ] {
        let serving = serve(site.path(), flags);
        let mut stream = serving.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.get(9..12), status.first().copied(), "{flags}");
        let end = Instant::now() + WATCHDOG;
        while stream.write_all(b"more").is_ok() {
            assert!(Instant::now() < end, "{flags}: it is never over");
            thread::sleep(Duration::from_millis(10));
        }
    }
    // Idle: closed without a word, when it is time.
    let serving = serve(site.path(), "--idle-timeout 200ms");
    let mut stream = serving.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    assert_eq!(statuses(&mut stream), ["200"]);
}

#[test]
fn how_fast_a_client_has_to_be() {
    let site = site();
    for (rate, status) in [("1MB/s", "408"), ("1", "200"), ("off", "200")] {
        let flags = format!("--body-timeout 400ms --min-receive-rate {rate}");
        let serving = serve(site.path(), &flags);
        let mut stream = serving.connect();
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
            .unwrap();
        for _ in 0..20 {
            if stream.write_all(b"b").is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = stream.shutdown(Shutdown::Write);
        assert_eq!(statuses(&mut stream), [status], "{rate}");
    }
    // Who reads is not cut for being slow, unless a rate is asked for; who doesn't is.
    for (rate, whole) in [("off", true), ("1GB", false)] {
        let flags = format!("--write-timeout 300ms --min-send-rate {rate}");
        let serving = serve(site.path(), &flags);
        let mut stream = serving.connect();
        stream
            .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut received = 0;
        let mut buffer = vec![0; 2_000_000];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => received += count,
                Err(_) => break,
            }
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(received > 30_000_000, whole, "{rate}");
    }
}

/// What a client is told that says nothing, or an error that says how it was ended.
fn told(serving: &Serving) -> String {
    let mut answer = String::new();
    let mut stream = serving.connect();
    match stream.read_to_string(&mut answer) {
        Ok(_) => answer,
        Err(error) => error.to_string(),
    }
}

fn is_served(stream: &mut TcpStream) -> bool {
    stream.write_all(GET.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    answer == *b"HTTP/1.1 200"
}

#[test]
fn how_many_connections_there_may_be() {
    let site = site();
    for flags in [
        "--max-connections 3 --workers 2",
        "--max-connections-per-address 3 --workers 2",
    ] {
        let mut serving = serve(site.path(), flags);
        // However they were spread over the workers.
        let mut inside: Vec<_> = (0..3).map(|_| serving.connect()).collect();
        assert!(inside.iter_mut().all(is_served));
        for _ in 0..5 {
            let told = told(&serving);
            assert!(
                told.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
                "{told}"
            );
            assert!(told.contains("\r\nConnection: close\r\n"), "{told}");
        }
        drop(inside);
        serving.signal(rustix::process::Signal::TERM);
        assert!(serving.wait().success());
        let errors = serving.errors();
        // A line a worker at most.
        assert!((1..=2).contains(&errors.lines().count()), "{errors}");
        assert!(
            errors.contains("connections are turned away: 3 are open"),
            "{errors}"
        );
    }
    // Over TLS a client would have to be served to be told; a connection counts from its opening.
    let serving = serve(site.path(), "--max-connections 3 --tls-self-signed");
    let inside: Vec<_> = (0..3).map(|_| serving.connect()).collect();
    let end = Instant::now() + WATCHDOG;
    // The server accepts in the order of arrival.
    assert_eq!(told(&serving), "");
    drop(inside);
    // There is room again, and a handshake is waited for.
    loop {
        let mut stream = serving.connect();
        stream.write_all(b"GET ").unwrap();
        let mut answer = [0; 12];
        if stream.read_exact(&mut answer).is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 400");
            break;
        }
        assert!(Instant::now() < end, "there is never any room");
    }
}

#[test]
fn how_fast_an_answer_leaves() {
    const LARGE: u64 = 30_000_000;
    let site = site();
    let request = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // Two at once have the rate each.
    let serving = serve(site.path(), "--limit-rate 20MB/s");
    let begun = Instant::now();
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = serving.connect();
            stream.write_all(request).unwrap();
            thread::spawn(move || io::copy(&mut stream, &mut io::sink()).unwrap())
        })
        .collect();
    for client in clients {
        assert!(client.join().unwrap() > LARGE);
    }
    // A second's share leaves at once. It may be late on a busy machine, but never early.
    assert!(begun.elapsed() > Duration::from_millis(490));
}
