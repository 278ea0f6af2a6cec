//! The driver in two worlds: the real one, and simulated ones with delays, cuts and faults, in which
//! time-outs take no time and can be measured.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::sim::SimOptions;
use bucle_loop::{EventLoop, get_running_loop, sleep, spawn};
use bucle_net::{StreamReader, StreamWriter, open_connection};
use bucle_server::{Body, Handler, Options, Request, Response, Server};

use crate::conversations::{CASES, check, handler};
use crate::support::Answer;

/// Runs `body` on a loop of this world; nothing may reach the loop's exception handler.
#[track_caller]
pub(crate) fn run<F: Future + 'static>(world: Option<SimOptions>, body: F) -> F::Output {
    let builder = EventLoop::builder();
    let event_loop = match world {
        Some(options) => builder.simulated(options),
        None => builder,
    }
    .build()
    .unwrap();
    let told = Rc::new(Cell::new(0));
    let count = told.clone();
    event_loop.set_exception_handler(move |_, context| {
        eprintln!("{context}");
        count.set(count.get() + 1);
    });
    event_loop.set_slow_callback_duration(Duration::MAX);
    let output = event_loop.run_until_complete(body).unwrap();
    assert_eq!(told.get(), 0, "the exception handler was told");
    output
}

/// Worlds without faults: whatever they do to the bytes, the answers are the same.
fn worlds() -> impl Iterator<Item = Option<SimOptions>> {
    let plain = (0..10).map(SimOptions::seeded);
    let narrow = (0..5).map(|seed| SimOptions {
        max_segment: 37,
        send_buffer: 1_000,
        partial_probability: 0.5,
        shuffle_ready_tasks: true,
        ..SimOptions::seeded(seed)
    });
    let simulated = plain.chain(narrow).chain([SimOptions::calm()]);
    simulated.map(Some).chain([None])
}

fn serve<H: Handler>(handler: H) -> Server {
    Server::bind("127.0.0.1:0", handler, Options::default()).unwrap()
}

pub(crate) async fn connect(server: &Server) -> (StreamReader, StreamWriter) {
    open_connection(&server.addresses()[0]).await.unwrap()
}

/// Sends `bytes`, ends our side, and reads to the end.
async fn ask(server: &Server, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (mut reader, writer) = open_connection(&server.addresses()[0]).await?;
    writer.write(bytes);
    writer.write_eof();
    reader.read_to_end().await
}

#[test]
fn conversations_are_the_same_in_every_world() {
    for world in worlds() {
        run(world, async {
            let server = serve(handler);
            for (sent, wanted) in CASES {
                let received = ask(&server, sent.as_bytes()).await.unwrap();
                check(sent, &received, wanted);
            }
        });
    }
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    for world in worlds() {
        run(world, async {
            let server = Rc::new(serve(handler));
            let clients: Vec<_> = (0..5)
                .map(|client| {
                    let server = server.clone();
                    spawn(async move {
                        let request = |number: usize| {
                            format!(
                                "POST /{client}/{number} HTTP/1.1\r\nHost: x\r\n\
                                 Content-Length: 3\r\n\r\nabcGET /big HTTP/1.1\r\nHost: x\r\n\r\n"
                            )
                        };
                        let all: String = (0..3).map(request).collect();
                        let answers = Answer::all(&ask(&server, all.as_bytes()).await.unwrap());
                        assert_eq!(answers.len(), 6);
                        for (number, pair) in answers.chunks(2).enumerate() {
                            assert_eq!(pair[0].text(), format!("POST /{client}/{number} abc"));
                            assert_eq!(pair[1].body.len(), 100_000);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
        });
    }
}

#[test]
fn faults_leave_nothing_behind() {
    for seed in 0..50 {
        let world = SimOptions {
            reset_probability: 0.02,
            ..SimOptions::seeded(seed)
        };
        run(Some(world), async {
            let server = Rc::new(serve(handler));
            let clients: Vec<_> = (0..20)
                .map(|number| {
                    let server = server.clone();
                    spawn(async move {
                        let (sent, _) = CASES[number % CASES.len()];
                        let sent = sent.repeat(3);
                        let _ = ask(&server, sent.as_bytes()).await;
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            // Whoever is still there is there until its patience ends.
            sleep(Duration::from_secs(300)).await;
            assert_eq!(server.connections(), 0);
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let once = |seed| {
        let options = SimOptions {
            reset_probability: 0.01,
            trace: true,
            ..SimOptions::seeded(seed)
        };
        run(Some(options), async {
            let server = serve(handler);
            let mut received = Vec::new();
            for (sent, _) in CASES {
                received.push(ask(&server, sent.as_bytes()).await.ok());
            }
            let network = get_running_loop().sim_network().unwrap();
            (received, network.take_trace())
        })
    };
    for seed in 0..3 {
        let (received, trace) = once(seed);
        let (again, trace_again) = once(seed);
        assert!(received == again && trace == trace_again, "seed {seed}");
    }
}

/// How long `body` takes by the loop's clock, in seconds.
pub(crate) async fn seconds(body: impl Future) -> f64 {
    let event_loop = get_running_loop();
    let begun = event_loop.time();
    body.await;
    (event_loop.time() - begun).as_secs_f64()
}

/// A time-out comes after its time, and soon: by the clock of a simulated world this is exact.
#[track_caller]
pub(crate) fn assert_about(took: f64, timeout: Duration) {
    let wanted = timeout.as_secs_f64();
    assert!(
        (wanted..wanted + 2.1).contains(&took),
        "{took} s instead of {wanted} s"
    );
}

#[test]
fn time_outs_come_when_they_are_due() {
    run(Some(SimOptions::default()), async {
        let options = Options::default();
        let server = serve(handler);

        // Nothing is sent.
        let (mut reader, _writer) = connect(&server).await;
        let took = seconds(async { assert_eq!(reader.read_to_end().await.unwrap(), b"") }).await;
        assert_about(took, options.header_timeout);

        // A head is dripped.
        let (mut reader, writer) = connect(&server).await;
        let drip = spawn(async move {
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\n".iter().cycle() {
                writer.write(&[*byte]);
                sleep(Duration::from_secs(1)).await;
            }
        })
        .cancel_on_drop();
        let took = seconds(async {
            let answers = Answer::all(&reader.read_to_end().await.unwrap());
            assert_eq!(answers[0].status, 408);
        })
        .await;
        assert_about(took, options.header_timeout);
        drop(drip);

        // A second request never comes.
        let (mut reader, writer) = connect(&server).await;
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let took = seconds(async {
            assert_eq!(
                Answer::all(&reader.read_to_end().await.unwrap())[0].status,
                200
            );
        })
        .await;
        assert_about(took, options.idle_timeout);

        // A body stops; what comes before gives it new time.
        let (mut reader, writer) = connect(&server).await;
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        for _ in 0..5 {
            sleep(options.body_timeout / 2).await;
            writer.write(&[b'b'; 10_000]);
        }
        let took = seconds(async {
            assert_eq!(
                Answer::all(&reader.read_to_end().await.unwrap())[0].status,
                408
            );
        })
        .await;
        assert_about(took, options.body_timeout);
    });
}

/// A body that never ends and is always there.
struct Endless;

impl futures_core::Stream for Endless {
    type Item = io::Result<bytes::Bytes>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(Some(Ok(bytes::Bytes::from_static(&[b'x'; 1000]))))
    }
}

#[test]
fn who_reads_slowly_is_served_and_who_does_not_read_is_cut() {
    async fn endless(_: Request) -> Response {
        Response::text(Body::stream(Endless))
    }
    run(Some(SimOptions::default()), async {
        let server = serve(endless);
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let (_never, writer) = connect(&server).await;
        writer.write(request);
        let (mut slow, writer) = connect(&server).await;
        writer.write(request);
        // An hour, at some kilobytes a second.
        for _ in 0..360 {
            sleep(Duration::from_secs(10)).await;
            assert!(!slow.read(50_000).await.unwrap().is_empty());
        }
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn who_asks_for_much_at_once_lets_others_in_between() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 1_000;
    let answered = Rc::new(Cell::new(0));
    let count = answered.clone();
    run(Some(SimOptions::calm()), async move {
        let handler = move |_: Request| {
            count.set(count.get() + 1);
            async { Response::text("") }
        };
        let server = serve(handler);
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let (mut reader, writer) = connect(&server).await;
            writer.write(&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS));
            writer.write_eof();
            clients.push(spawn(async move {
                let received = reader.read_to_end().await.unwrap();
                drop(writer);
                Answer::all(&received).len()
            }));
        }
        while answered.get() == 0 {
            sleep(Duration::from_micros(1)).await;
        }
        let (mut reader, writer) = connect(&server).await;
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        reader.read_to_end().await.unwrap();
        let before = answered.get();
        assert!(before < CLIENTS * REQUESTS / 2, "{before} were before it");
        for client in clients {
            assert_eq!(client.await.unwrap(), REQUESTS);
        }
        drop(writer);
    });
}
