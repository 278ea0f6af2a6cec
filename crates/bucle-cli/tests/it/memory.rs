//! Peers that ask and don't read: the server stops reading too, and its memory stays where it was, or comes back to it.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{Serving, WATCHDOG, site};

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

/// A server of a small site that has answered once: whatever is made at the first request was made.
fn serving(site: &Path) -> Serving {
    let serving = Serving::start(
        site,
        &["--listen", "127.0.0.1:0", "--echo", "--access-log", "off"],
    );
    assert!(serving.get("/").starts_with("HTTP/1.1 200 "));
    serving
}

/// A peer that sends `opening`, and then `repeated` without end, and reads nothing; its stream, and how much it sent.
fn peer(serving: &Serving, opening: &str, repeated: &str) -> JoinHandle<(TcpStream, usize)> {
    let mut stream = serving.connect();
    let repeated = repeated.repeat(256 * 1024 / repeated.len());
    let opening = opening.to_owned();
    thread::spawn(move || {
        stream.write_all(opening.as_bytes()).unwrap();
        let sent = send_until_blocked(&mut stream, repeated.as_bytes());
        (stream, sent)
    })
}

/// Many such peers.
fn flood(opening: &str, repeated: &str) {
    let site = site();
    let serving = serving(site.path());
    let before = serving.resident();
    let peers: Vec<_> = (0..PEERS)
        .map(|_| peer(&serving, opening, repeated))
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

/// An allocator keeps what is free between pieces in use, so a few of the peers stay. glibc's is told to give it back.
#[cfg(target_env = "gnu")]
#[test]
fn memory_returns_when_most_of_the_peers_have_gone() {
    /// What may be left, in bytes: what is held for those who stay, code that was read meanwhile, and what is not worth to be
    /// given back. All of them had three times as much.
    const LEFT: usize = 2 * 1024 * 1024;
    let site = site();
    let serving = serving(site.path());
    let before = serving.resident();
    // One after the other has its buffers, so that those of whoever stays are among the others'.
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let peers: Vec<_> = (0..100).map(|_| peer(&serving, "", request)).collect();
    let peers: Vec<_> = peers
        .into_iter()
        .map(|peer| peer.join().unwrap().0)
        .collect();
    let most = serving.resident();
    assert!(
        most > before + 2 * LEFT,
        "{before} to {most} bytes: nothing was held that could be given back"
    );
    let _staying: Vec<_> = peers.into_iter().step_by(25).collect();
    let end = Instant::now() + WATCHDOG;
    loop {
        let now = serving.resident();
        if now < before + LEFT {
            break;
        }
        assert!(
            Instant::now() < end,
            "{before} bytes before, {most} at most, {now} since the peers have gone"
        );
        thread::sleep(Duration::from_millis(50));
    }
    assert!(serving.get("/").starts_with("HTTP/1.1 200 "));
}
