//! Peers that ask and don't read: the server stops reading too, and its memory stays where it was.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::support::{Serving, site};

/// Peers at a time.
const PEERS: usize = 20;

/// What all that the server may hold for a peer comes to, several times over, in bytes: answers
/// gathered, answers queued, input carried over, a body that waits for its handler.
const BOUND: usize = 1024 * 1024;

/// More than all buffers between two sockets hold, in bytes.
const MORE_THAN_BUFFERS: usize = 64 * 1024 * 1024;

/// How long a peer tries before it takes the other side for blocked. Where the machine is so busy
/// that this is wrong, less is sent than could be.
const TRIES: usize = 50;

/// Sends `bytes` again and again, until nothing more is taken; how much that was.
fn send_until_blocked(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut tries = 0;
    while tries < TRIES && sent < MORE_THAN_BUFFERS {
        // From where it stopped, so that requests stay whole.
        match stream.write(&bytes[sent % bytes.len()..]) {
            Ok(count) => {
                sent += count;
                tries = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                tries += 1;
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("after {sent} bytes: {error}"),
        }
    }
    sent
}

/// Many peers that send `opening`, and then `repeated` without end, and read nothing.
fn flood(opening: &str, repeated: &str) {
    let site = site();
    let serving = Serving::start(
        site.path(),
        &["--listen", "127.0.0.1:0", "--echo", "--access-log", "off"],
    );
    // Whatever is made once, at the first request, is made now.
    assert!(serving.get("/").starts_with("HTTP/1.1 200 "));
    let before = serving.resident();
    let repeated = repeated.repeat(256 * 1024 / repeated.len());
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let mut stream = serving.connect();
            let (opening, repeated) = (opening.to_owned(), repeated.clone());
            thread::spawn(move || {
                stream.write_all(opening.as_bytes()).unwrap();
                let sent = send_until_blocked(&mut stream, repeated.as_bytes());
                (stream, sent)
            })
        })
        .collect();
    // Somebody who reads is served beside them.
    for _ in 0..20 {
        assert!(serving.get("/").starts_with("HTTP/1.1 200 "));
    }
    let peers: Vec<_> = peers.into_iter().map(|peer| peer.join().unwrap()).collect();
    for (_, sent) in &peers {
        assert!(*sent < MORE_THAN_BUFFERS, "the server reads without end");
    }
    let grown = serving.resident().saturating_sub(before);
    assert!(grown < PEERS * BOUND, "{grown} bytes for {PEERS} peers");
    assert!(serving.get("/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn tiny_requests_without_end() {
    flood("", "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

#[test]
fn tiny_requests_for_large_answers() {
    flood("", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
}

#[test]
fn tiny_requests_behind_one_that_is_not_read() {
    flood(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    );
}

#[test]
fn requests_that_are_refused_in_their_order() {
    flood(
        "",
        "DELETE /no/such/thing HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb",
    );
}
