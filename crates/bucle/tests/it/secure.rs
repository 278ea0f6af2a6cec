//! What leaves HTTP for another protocol over TLS: sockets of the system, a client that speaks in raw
//! frames.

use std::net::SocketAddr;
use std::time::Duration;

use bucle::net::{ConnectOptions, StreamReader, StreamWriter, open_connection_with};
use bucle::server::{
    Message, Metrics, Options, Outcome, Request, Response, Routes, Server, TrustedProxies,
    WebSocket, WebSocketOptions,
};

use crate::certificate;

const WATCHDOG: Duration = Duration::from_secs(60);
const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The longest message that the server takes.
const LIMIT: usize = 8 * 1024 * 1024;

fn routes() -> Routes {
    let echo = |request: Request| {
        let options = WebSocketOptions::new().max_message(LIMIT);
        options.upgrade(request, |mut socket: WebSocket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Text(_) | Message::Binary(_) = message
                    && socket.send(message).await.is_err()
                {
                    break;
                }
            }
        })
    };
    let shout = |request: Request| {
        request.upgrade("shout", |mut upgraded| async move {
            while let Ok(line) = upgraded.reader.readline().await
                && !line.is_empty()
            {
                upgraded.writer.write(&line.to_ascii_uppercase());
            }
        })
    };
    Routes::new()
        .get("/chat", echo)
        .get("/shout", shout)
        .get("/", |request: Request| {
            let client = request.client_addr().map(|client| client.to_string());
            Response::text(client.unwrap_or_default())
        })
}

fn serve(options: Options, metrics: Metrics) -> std::io::Result<(Server, SocketAddr)> {
    let server = Server::builder()
        .listen("127.0.0.1:0")?
        .tls(certificate::tls())
        .options(options)
        .metrics(metrics)
        .serve(routes())?;
    let address = server.addresses()[0].as_tcp().unwrap();
    Ok((server, address))
}

async fn connect(address: SocketAddr) -> (StreamReader, StreamWriter) {
    let options = ConnectOptions::default().tls(certificate::client());
    open_connection_with(address, options).await.unwrap()
}

/// Runs a conversation with a server, which is then told to stop.
fn converse<F: Future<Output = ()> + 'static>(talk: impl FnOnce(SocketAddr) -> F + 'static) {
    let ended = bucle::run(async move {
        let (server, address) = serve(Options::default(), Metrics::new()).unwrap();
        bucle::timeout(WATCHDOG, talk(address)).await.unwrap();
        server.shutdown(WATCHDOG).await
    });
    assert_eq!(ended.unwrap(), Outcome::Drained);
}

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
    let mask = [9, 2, 0xf3, 4];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

async fn read_frame(reader: &mut StreamReader) -> (u8, Vec<u8>) {
    let head = reader.readexactly(2).await.unwrap().to_vec();
    let length = match head[1] {
        126 => {
            let length = reader.readexactly(2).await.unwrap();
            usize::from(u16::from_be_bytes(length[..].try_into().unwrap()))
        }
        127 => {
            let length = reader.readexactly(8).await.unwrap();
            u64::from_be_bytes(length[..].try_into().unwrap()) as usize
        }
        length => usize::from(length),
    };
    let payload = reader.readexactly(length).await.unwrap();
    (head[0], payload.to_vec())
}

/// A WebSocket over TLS, as a page of the same origin opens it.
async fn open(address: SocketAddr) -> (StreamReader, StreamWriter) {
    let (mut reader, writer) = connect(address).await;
    writer.write(
        format!(
            "GET /chat HTTP/1.1\r\nHost: {address}\r\nOrigin: https://{address}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .as_bytes(),
    );
    let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
    let head = String::from_utf8(head.to_vec()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{head}"
    );
    (reader, writer)
}

#[test]
fn messages_of_every_size_come_back() {
    converse(|address| async move {
        let (mut reader, writer) = open(address).await;
        writer.write(&frame(FIN | TEXT, "hello, wörld".as_bytes()));
        let (first, payload) = read_frame(&mut reader).await;
        assert_eq!(
            (first, &payload[..]),
            (FIN | TEXT, "hello, wörld".as_bytes())
        );
        // Around the borders of frames and of TLS records.
        for length in [0, 125, 126, 16_383, 16_384, 65_535, 65_536, LIMIT] {
            let message: Vec<_> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
            // Read while it is written, else both wait for the other to read.
            let sending = frame(FIN | BINARY, &message);
            let send = async {
                for piece in sending.chunks(100_000) {
                    writer.write(piece);
                    writer.drain().await.unwrap();
                }
            };
            let (received, ()) = futures_util::join!(read_frame(&mut reader), send);
            assert_eq!(received.0, FIN | BINARY, "{length}");
            assert!(received.1 == message, "{length}");
        }
        // In fragments, with a ping in between.
        writer.write(&frame(TEXT, b"one "));
        writer.write(&frame(FIN | PING, b"there?"));
        writer.write(&frame(FIN, b"two"));
        let pong = read_frame(&mut reader).await;
        assert_eq!(pong, (FIN | PONG, b"there?".to_vec()));
        assert_eq!(
            read_frame(&mut reader).await,
            (FIN | TEXT, b"one two".to_vec())
        );
        // The end: agreed upon, and then that of TLS, not a cut.
        writer.write(&frame(FIN | CLOSE, &1000u16.to_be_bytes()));
        let (first, payload) = read_frame(&mut reader).await;
        assert_eq!(
            (first, &payload[..2]),
            (FIN | CLOSE, &1000u16.to_be_bytes()[..])
        );
        assert_eq!(
            reader.read(1).await.unwrap(),
            b"",
            "nothing but close_notify"
        );
    });
}

#[test]
fn what_is_too_long_is_told_so_before_the_end() {
    converse(|address| async move {
        let (mut reader, writer) = open(address).await;
        writer.write(&frame(FIN | BINARY, &vec![0; LIMIT + 1])[..64 * 1024]);
        let (first, payload) = read_frame(&mut reader).await;
        assert_eq!(
            (first, &payload[..2]),
            (FIN | CLOSE, &1009u16.to_be_bytes()[..])
        );
    });
}

#[test]
fn a_server_that_stops_says_so_and_waits_for_the_client() {
    let ended = bucle::run(async {
        let (server, address) = serve(Options::default(), Metrics::new()).unwrap();
        let (mut reader, writer) = open(address).await;
        let client = bucle::spawn(async move {
            let (first, payload) = read_frame(&mut reader).await;
            assert_eq!(
                (first, &payload[..2]),
                (FIN | CLOSE, &1001u16.to_be_bytes()[..])
            );
            writer.write(&frame(FIN | CLOSE, &1001u16.to_be_bytes()));
            assert_eq!(reader.read(1).await.unwrap(), b"");
        });
        let ended = server.shutdown(WATCHDOG).await;
        client.await.unwrap();
        ended
    });
    assert_eq!(ended.unwrap(), Outcome::Drained);
}

#[test]
fn any_protocol_goes_on_over_tls_with_what_was_sent_behind_the_request() {
    converse(|address| async move {
        let (mut reader, writer) = connect(address).await;
        let request = format!(
            "GET /shout HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nat once\n"
        );
        writer.write(request.as_bytes());
        let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        assert_eq!(reader.readline().await.unwrap(), b"AT ONCE\n");
        writer.write(b"and later\n");
        assert_eq!(reader.readline().await.unwrap(), b"AND LATER\n");
        writer.write_eof();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        writer.close();
        let _ = writer.wait_closed().await;
    });
}

#[test]
fn a_proxy_s_header_comes_before_the_handshake() {
    bucle::run(async {
        let mut options = Options::default();
        options.proxy_protocol = true;
        options.trusted_proxies = TrustedProxies::nobody().and("127.0.0.0/8").unwrap();
        let metrics = Metrics::new();
        let (server, address) = serve(options, metrics.clone()).unwrap();
        // In plain text first, and TLS from there on.
        let (mut reader, mut writer) = bucle::net::open_connection(address).await.unwrap();
        writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n");
        writer.drain().await.unwrap();
        let client = (certificate::client(), "127.0.0.1");
        writer.start_tls(client).await.unwrap();
        writer.write(format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        reader.readuntil(b"\r\n\r\n").await.unwrap();
        assert_eq!(reader.readexactly(9).await.unwrap(), b"192.0.2.7");
        writer.close();
        // A handshake alone is not enough.
        let options = ConnectOptions::default().tls(certificate::client());
        assert!(open_connection_with(address, options).await.is_err());
        let page = metrics.render();
        assert!(
            page.contains("\nbucle_proxy_header_errors_total 1\n"),
            "{page}"
        );
        assert!(
            page.contains("\nbucle_tls_handshake_errors_total 0\n"),
            "{page}"
        );
        server.shutdown(WATCHDOG).await;
    })
    .unwrap();
}
