//! WebSockets, with a client that speaks in raw frames.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use bucle_server::{
    Message, Options, Outcome, Request, Response, WebSocket, WebSocketError, WebSocketOptions,
};

use crate::support::{Running, WATCHDOG, serve};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

fn handshake(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A masked frame; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 0xf4];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// Code and reason.
fn close(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    payload
}

struct Client(TcpStream);

impl Client {
    fn connect(server: &Running) -> Client {
        let mut client = Client(server.connect());
        client.send(handshake("").as_bytes());
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// The next frame, which is whole and unmasked: its first byte and payload.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.0.read_exact(&mut length).unwrap();
                u64::from_be_bytes(length)
            }
            length => u64::from(length),
        };
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).unwrap();
        (head[0], payload)
    }

    /// The server has closed with this code, and then ends the connection without a reset.
    #[track_caller]
    fn assert_closed(&mut self, code: u16) {
        let (first, payload) = self.frame();
        assert_eq!(first, FIN | CLOSE);
        assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), code);
        self.assert_end();
    }

    #[track_caller]
    fn assert_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        assert_ne!(message, Message::Text("panic".into()));
        match message {
            Message::Text(text) if text == "drop" => return,
            Message::Text(text) if text == "close" => {
                socket.close(4000, "as you like").await.unwrap();
                return;
            }
            Message::Text(_) | Message::Binary(_) => match socket.send(message).await {
                Ok(()) => {}
                Err(_) => return,
            },
            _ => {}
        }
    }
}

fn server() -> Running {
    serve(Options::default(), || {
        |request: Request| WebSocket::upgrade(request, echo)
    })
}

#[test]
fn the_opening_handshake() {
    let server = server();
    let mut client = Client(server.connect());
    client.send(handshake("").as_bytes());
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    assert!(head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: Upgrade\r\n"), "{head}");
    let accept = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(head.contains(accept), "{head}");

    for (from, to, status, field) in [
        ("GET", "POST", 405, "\r\nAllow: GET\r\n"),
        (
            "Upgrade: websocket\r\n",
            "",
            426,
            "\r\nUpgrade: websocket\r\n",
        ),
        (", Upgrade", "", 426, "\r\nUpgrade: websocket\r\n"),
        (
            "Version: 13",
            "Version: 8",
            426,
            "\r\nSec-WebSocket-Version: 13\r\n",
        ),
        ("Sec-WebSocket-Version: 13\r\n", "", 400, ""),
        ("Sec-WebSocket-Key: ", "X: ", 400, ""),
        ("ZQ==", "ZQ=", 400, ""),
        (
            "ZQ==",
            "ZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            400,
            "",
        ),
        (
            "Version: 13",
            "Version: 13\r\nOrigin: https://elsewhere.com",
            403,
            "",
        ),
        ("Version: 13", "Version: 13\r\nOrigin: null", 403, ""),
        ("Version: 13", "Version: 13\r\nContent-Length: 1", 400, ""),
    ] {
        let request = handshake("").replacen(from, to, 1);
        let mut client = Client(server.connect());
        client.send(request.as_bytes());
        if request.contains("Content-Length") {
            client.send(b"x");
        }
        let head = client.head();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {head}"
        );
        assert!(head.contains(field), "{request}: {head}");
    }
    // A page that came from here.
    let mut client = Client(server.connect());
    client.send(handshake("Origin: https://Example.com\r\n").as_bytes());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn subprotocols_and_origins_are_options() {
    let server = serve(Options::default(), || {
        |request: Request| {
            let options = WebSocketOptions::new().any_origin().protocols(["b", "a"]);
            options.upgrade(request, |mut socket| async move {
                let protocol = socket.protocol().unwrap_or("none").to_owned();
                let _ = socket.send(protocol).await;
            })
        }
    });
    for (offered, chosen) in [
        ("Sec-WebSocket-Protocol: c, a\r\n", "a"),
        (
            "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n",
            "b",
        ),
        ("Sec-WebSocket-Protocol: A\r\n", "none"),
        ("", "none"),
    ] {
        let mut client = Client(server.connect());
        let more = format!("{offered}Origin: https://elsewhere.com\r\n");
        client.send(handshake(&more).as_bytes());
        let head = client.head();
        match chosen {
            "none" => assert!(!head.contains("Sec-WebSocket-Protocol"), "{head}"),
            chosen => assert!(head.contains(&format!("\r\nSec-WebSocket-Protocol: {chosen}\r\n"))),
        }
        assert_eq!(client.frame(), (FIN | TEXT, chosen.as_bytes().to_vec()));
        client.assert_closed(1000);
    }
}

#[test]
fn messages_come_back_however_they_are_cut() {
    let server = server();
    let mut all = handshake("").into_bytes();
    all.extend(frame(FIN | TEXT, "grüß dich".as_bytes()));
    // Two bytes of one character in two frames, a ping between them.
    all.extend(frame(TEXT, b"gr\xc3"));
    all.extend(frame(FIN | PING, b"there?"));
    all.extend(frame(FIN, b"\xbc\xc3\x9f"));
    all.extend(frame(FIN | PONG, b"nobody asked"));
    all.extend(frame(FIN | BINARY, &[0xff; 300]));
    all.extend(frame(FIN | TEXT, b""));
    all.extend(frame(FIN | CLOSE, &close(1000, "done")));
    for size in [1, 7, all.len()] {
        let mut client = Client(server.connect());
        for piece in all.chunks(size) {
            client.send(piece);
        }
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(client.frame(), (FIN | TEXT, "grüß dich".into()));
        assert_eq!(client.frame(), (FIN | PONG, b"there?".to_vec()));
        assert_eq!(client.frame(), (FIN | TEXT, "grüß".into()));
        assert_eq!(client.frame(), (FIN | BINARY, vec![0xff; 300]));
        assert_eq!(client.frame(), (FIN | TEXT, Vec::new()));
        assert_eq!(client.frame(), (FIN | CLOSE, close(1000, "done")));
        client.assert_end();
    }
}

#[test]
fn the_longest_message_and_one_that_is_longer() {
    const LIMIT: usize = 70_000;
    let server = serve(Options::default(), || {
        |request: Request| {
            let options = WebSocketOptions::new().max_message(LIMIT);
            options.upgrade(request, echo)
        }
    });
    let bytes = vec![7; LIMIT + 1];
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | BINARY, &bytes[1..]));
    assert_eq!(client.frame(), (FIN | BINARY, bytes[1..].to_vec()));
    client.send(&frame(BINARY, &bytes[..1]));
    client.send(&frame(FIN, &bytes[2..]));
    assert_eq!(client.frame(), (FIN | BINARY, bytes[1..].to_vec()));
    client.send(&frame(BINARY, &bytes[..1]));
    client.send(&frame(FIN, &bytes[1..]));
    client.assert_closed(1009);
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | BINARY, &bytes));
    client.assert_closed(1009);
    // The head of a frame is enough.
    let mut client = Client::connect(&server);
    client.send(&[
        FIN | BINARY,
        0xff,
        0x7f,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    client.assert_closed(1009);
}

#[test]
fn what_is_malformed_is_told_and_ended() {
    let server = server();
    let unmasked = [FIN | TEXT, 2, b'h', b'i'];
    for (bytes, code) in [
        (unmasked.to_vec(), 1002),
        (frame(FIN | 0x40 | TEXT, b"reserved bit"), 1002),
        (frame(FIN | 3, b"unknown kind"), 1002),
        (frame(FIN | 11, b"unknown control"), 1002),
        (frame(PING, b"in pieces"), 1002),
        (frame(FIN | PING, &[0; 126]), 1002),
        (frame(FIN, b"continues nothing"), 1002),
        (
            [frame(TEXT, b"one"), frame(FIN | TEXT, b"two")].concat(),
            1002,
        ),
        (frame(FIN | TEXT, b"\xff"), 1007),
        ([frame(TEXT, b"\xc3"), frame(FIN, b"\x28")].concat(), 1007),
        (frame(FIN | CLOSE, &close(1005, "")), 1002),
        (frame(FIN | CLOSE, &[3]), 1002),
    ] {
        let mut client = Client::connect(&server);
        client.send(&bytes);
        // More behind it, that nobody reads: no reset destroys what is told.
        client.send(&frame(FIN | TEXT, &[b'x'; 1000]));
        let (first, payload) = client.frame();
        assert_eq!(first, FIN | CLOSE, "{bytes:?}");
        assert_eq!(payload[..2], u16::to_be_bytes(code), "{bytes:?}");
        client.assert_end();
    }
}

#[test]
fn the_server_ends_it() {
    let server = server();
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | TEXT, b"drop"));
    client.assert_closed(1000);
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | TEXT, b"panic"));
    client.assert_closed(1011);
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | TEXT, b"close"));
    assert_eq!(client.frame(), (FIN | CLOSE, close(4000, "as you like")));
    // It may have more to say before it agrees.
    client.send(&frame(FIN | TEXT, b"wait"));
    client.send(&frame(FIN | CLOSE, &close(4000, "as you like")));
    client.assert_end();
}

#[test]
fn a_stopping_server_goes_away() {
    let server = server();
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | TEXT, b"hello"));
    assert_eq!(client.frame(), (FIN | TEXT, b"hello".to_vec()));
    server.begin_to_stop();
    let (first, payload) = client.frame();
    assert_eq!(
        (first, &payload[..2]),
        (FIN | CLOSE, &1001u16.to_be_bytes()[..])
    );
    client.send(&frame(FIN | CLOSE, &payload));
    client.assert_end();
    drop(client);
    drop(server);
}

/// A server that tells what `block` comes to.
fn telling<T, F>(block: fn(WebSocket) -> F) -> (Running, mpsc::Receiver<T>)
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (sender, told) = mpsc::channel();
    let server = serve(Options::default(), move || {
        move |request: Request| -> Response {
            let sender = sender.clone();
            WebSocket::upgrade(request, move |socket| async move {
                let _ = sender.send(block(socket).await);
            })
        }
    });
    (server, told)
}

#[test]
fn what_ends_without_a_word_is_lost() {
    let (server, told) = telling(|mut socket| async move {
        let first = socket.recv().await;
        let second = socket.recv().await;
        (
            first,
            second,
            socket.recv().await.is_none(),
            socket.send("?").await,
        )
    });
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | TEXT, b"hello"));
    drop(client);
    let (first, second, nothing, send) = told.recv_timeout(WATCHDOG).unwrap();
    assert!(matches!(first, Some(Ok(Message::Text(text))) if text == "hello"));
    assert!(
        matches!(second, Some(Err(WebSocketError::Lost(_)))),
        "{second:?}"
    );
    assert!(nothing);
    assert!(matches!(send, Err(WebSocketError::Closed)));
}

#[test]
fn what_can_t_be_sent_is_refused_and_costs_nothing() {
    let (server, told) = telling(|mut socket| async move {
        let mut errors = Vec::new();
        for message in [
            Message::Ping(vec![0; 126].into()),
            Message::Pong(vec![0; 126].into()),
            Message::Close(Some(bucle_server::CloseFrame {
                code: 1000,
                reason: "x".repeat(124),
            })),
            Message::Close(Some(bucle_server::CloseFrame {
                code: 1006,
                reason: String::new(),
            })),
        ] {
            errors.push(socket.send(message).await);
        }
        socket
            .send(Message::Ping(vec![0; 125].into()))
            .await
            .unwrap();
        assert!(matches!(
            socket.close(999, "").await,
            Err(WebSocketError::Invalid(_))
        ));
        errors
    });
    let mut client = Client::connect(&server);
    assert_eq!(client.frame(), (FIN | PING, vec![0; 125]));
    client.assert_closed(1000);
    for error in told.recv_timeout(WATCHDOG).unwrap() {
        assert!(
            matches!(error, Err(WebSocketError::Invalid(_))),
            "{error:?}"
        );
    }
}

#[test]
fn a_client_that_does_not_read_is_waited_for() {
    let (server, told) = telling(|mut socket| async move {
        let mut sent = 0u64;
        let sending = async {
            while socket.send(vec![0; 64 * 1024]).await.is_ok() {
                sent += 64 * 1024;
            }
        };
        let _ = bucle_loop::timeout(Duration::from_millis(300), sending).await;
        sent
    });
    let client = Client::connect(&server);
    let sent = told.recv_timeout(WATCHDOG).unwrap();
    // What the system's own buffers hold, and no more.
    assert!(sent < 64 << 20, "{sent}");
    drop(client);
    // What is still to be told to nobody does not hold the server up.
    assert_eq!(server.stop(), Outcome::Drained);
}

#[test]
fn pings_without_end_are_answered_within_bounds() {
    let server = server();
    let client = Client::connect(&server);
    let mut writer = client.0.try_clone().unwrap();
    writer
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let pings = frame(FIN | PING, &[0; 125]).repeat(1000);
    let mut sent = 0u64;
    // The pongs are not read, so in the end the pings aren't either.
    while sent < 256 << 20 {
        match writer.write(&pings) {
            Ok(count) => sent += count as u64,
            Err(_) => break,
        }
    }
    assert!(sent < 256 << 20, "all were taken");
}

#[test]
fn garbage_ends_one_connection_and_nothing_else() {
    let server = server();
    let mut random = fastrand::Rng::with_seed(4);
    let seeds = [
        frame(FIN | TEXT, b"hello"),
        frame(TEXT, "grüß".as_bytes()),
        frame(FIN, b"more"),
        frame(FIN | PING, b"there?"),
        frame(FIN | BINARY, &[1; 200]),
        frame(FIN | CLOSE, &close(1000, "done")),
    ];
    for _ in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..8) {
            bytes.extend_from_slice(&seeds[random.usize(..seeds.len())]);
        }
        for _ in 0..random.usize(..4) {
            let place = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[place] = random.u8(..),
                1 => bytes.truncate(place + 1),
                _ => bytes.insert(place, random.u8(..)),
            }
        }
        let mut client = Client(server.connect());
        client.send(handshake("").as_bytes());
        let _ = client.0.write_all(&bytes);
        let _ = client.0.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = client.0.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        // 1011 would be a panic.
        let panicked = [FIN | CLOSE, 2, 0x03, 0xf3];
        assert!(!answer.ends_with(&panicked), "{bytes:?}");
    }
    let mut client = Client::connect(&server);
    client.send(&frame(FIN | TEXT, b"still there"));
    assert_eq!(client.frame(), (FIN | TEXT, b"still there".to_vec()));
}
