//! The server in the simulated world: the same code, on networks of several seeds, in which a minute
//! of patience takes no time.

use std::time::Duration;

use bucle_loop::sim::SimOptions;
use bucle_loop::{EventLoop, get_running_loop};
use bucle_net::open_connection;
use bucle_server::{IDLE_TIMEOUT, Options, Outcome, Request, Response, Server};

async fn handler(mut request: Request) -> Response {
    match request.body().collect(100_000).await {
        Ok(body) => Response::text(body),
        Err(error) => Response::text(error.to_string()),
    }
}

fn simulate(seed: u64, body: impl Future<Output = ()> + 'static) {
    let options = SimOptions {
        max_segment: 100,
        partial_probability: 0.5,
        send_buffer: 2_000,
        shuffle_ready_tasks: true,
        ..SimOptions::seeded(seed)
    };
    let event_loop = EventLoop::builder().simulated(options).build().unwrap();
    event_loop.run_until_complete(body).unwrap();
}

#[test]
fn pipelined_requests_are_answered_in_order_on_any_network() {
    for seed in 0..20 {
        simulate(seed, async move {
            let server = Server::bind("127.0.0.1:80", handler, Options::default()).unwrap();
            let (mut reader, writer) = open_connection(&server.addresses()[0]).await.unwrap();
            let bodies: Vec<String> = (0..10).map(|n| n.to_string().repeat(n * 400)).collect();
            for body in &bodies {
                let length = body.len();
                writer.write(
                    format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
                        .as_bytes(),
                );
            }
            for body in &bodies {
                let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
                assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
                let answer = reader.readexactly(body.len()).await.unwrap();
                assert!(answer == body.as_bytes(), "seed {seed}");
            }
        });
    }
}

#[test]
fn an_idle_connection_is_closed_when_its_time_is_over() {
    for seed in 0..5 {
        simulate(seed, async move {
            let server = Server::bind("127.0.0.1:80", handler, Options::default()).unwrap();
            let (mut reader, writer) = open_connection(&server.addresses()[0]).await.unwrap();
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            reader.readuntil(b"\r\n\r\n").await.unwrap();
            let begun = get_running_loop().time();
            assert_eq!(reader.read_to_end().await.unwrap(), b"");
            let waited = get_running_loop().time() - begun;
            assert!(waited + Duration::from_secs(1) > IDLE_TIMEOUT, "{waited:?}");
            assert!(waited < IDLE_TIMEOUT + Duration::from_secs(5), "{waited:?}");
        });
    }
}

#[cfg(feature = "websocket")]
#[test]
fn a_websocket_speaks_and_ends_on_any_network() {
    use bucle_server::{Message, WebSocket};

    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Binary(_) = message {
                socket.send(message).await.unwrap();
            }
        }
    }
    let handler = |request: Request| WebSocket::upgrade(request, echo);
    for seed in 0..20 {
        simulate(seed, async move {
            let server = Server::bind("127.0.0.1:80", handler, Options::default()).unwrap();
            let (mut reader, writer) = open_connection(&server.addresses()[0]).await.unwrap();
            writer.write(
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            );
            // Masked by zeros, and all at once, before the head of the answer is there.
            for length in [0u16, 1, 125, 126, 5_000] {
                let mut frame = vec![0x82];
                match length {
                    0..126 => frame.push(0x80 | length as u8),
                    _ => {
                        frame.push(0x80 | 126);
                        frame.extend_from_slice(&length.to_be_bytes());
                    }
                }
                frame.extend_from_slice(&[0; 4]);
                frame.resize(frame.len() + usize::from(length), length as u8);
                writer.write(&frame);
            }
            let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
            assert!(head.starts_with(b"HTTP/1.1 101 "), "seed {seed}");
            for (length, head) in [(0, 2), (1, 2), (125, 2), (126, 4), (5_000, 4)] {
                let frame = reader.readexactly(head + length).await.unwrap();
                assert_eq!(frame[0], 0x82, "seed {seed}");
                assert!(frame[head..].iter().all(|byte| *byte == length as u8));
            }
            // The server goes away, once the client has agreed.
            let stopping = bucle_loop::spawn(server.shutdown(Duration::from_secs(60)));
            let away = reader.readexactly(2).await.unwrap();
            assert_eq!(away[0], 0x88, "seed {seed}");
            let away = reader.readexactly(away[1].into()).await.unwrap();
            assert_eq!(away[..2], 1001u16.to_be_bytes(), "seed {seed}");
            writer.write(&[0x88, 0x82, 0, 0, 0, 0, away[0], away[1]]);
            assert_eq!(reader.read(1).await.unwrap(), b"", "seed {seed}");
            drop(writer);
            assert_eq!(stopping.await.unwrap(), Outcome::Drained, "seed {seed}");
        });
    }
}
