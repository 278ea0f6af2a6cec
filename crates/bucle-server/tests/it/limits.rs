//! Every limit of the server's own at its last allowed and its first refused value: over real
//! sockets, and where time matters by the exact clock of a simulated world.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bucle_loop::sim::SimOptions;
use bucle_loop::{get_running_loop, sleep, spawn};
use bucle_net::{ConnectOptions, open_connection_with};
use bucle_server::{Options, Request, Response, Server};

use crate::support::{Answer, read_answers, read_to_end, serve};
use crate::worlds::{assert_about, connect, run, seconds};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

async fn hello(_: Request) -> Response {
    Response::text("hello")
}

/// Tells how long the body is.
async fn measure(mut request: Request) -> Response {
    match request.body().collect(usize::MAX).await {
        Ok(body) => Response::text(body.len().to_string()),
        Err(error) => Response::text(error.to_string()),
    }
}

fn bind<H: bucle_server::Handler>(handler: H, options: Options) -> Server {
    Server::bind("127.0.0.1:0", handler, options).unwrap()
}

fn sim() -> Option<SimOptions> {
    Some(SimOptions::default())
}

#[test]
fn a_body_may_be_so_long_and_no_longer() {
    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    let mut options = Options::default();
    options.max_body = Some(10);
    let server = serve(options, move || {
        move |request: Request| {
            count.fetch_add(1, Ordering::Relaxed);
            measure(request)
        }
    });
    let fixed = |length: usize, lines: &str| {
        let body = "b".repeat(length);
        format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {length}\r\n\r\n{body}{GET}")
    };
    let chunked = |length: usize| {
        let chunks = "1\r\nb\r\n".repeat(length);
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n{GET}"
        )
    };
    for (request, allowed) in [
        (fixed(10, ""), true),
        (fixed(11, ""), false),
        (fixed(11, "Expect: 100-continue\r\n"), false),
        (chunked(10), true),
        (chunked(11), false),
        (chunked(1000), false),
    ] {
        let answers = Answer::all(&server.ask(&request));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        if allowed {
            assert_eq!(statuses, [200, 200], "{request}");
            assert_eq!(answers[0].text(), "10");
        } else {
            assert_eq!(statuses, [413], "{request}");
            assert_eq!(answers[0].field("connection"), Some("close"));
        }
    }
    // A length that is too much is not worth a call, nor is what follows it.
    assert_eq!(called.load(Ordering::Relaxed), 2 + 2 + 1 + 1);

    let mut options = Options::default();
    options.max_body = None;
    let server = serve(options, || hello);
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(read_answers(&mut stream, 1)[0].status, 200);
}

#[test]
fn an_answer_that_has_begun_is_cut_when_the_body_turns_out_too_long() {
    async fn early(mut request: Request) -> Response {
        let body = std::mem::take(request.body());
        Response::text(bucle_server::Body::stream(body))
    }
    let mut options = Options::default();
    options.max_body = Some(10);
    let server = serve(options, || early);
    for (length, whole) in [(10, true), (11, false)] {
        let mut stream = server.connect();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut begun = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut begun).unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200");
        let rest = "1\r\nb\r\n".repeat(length - 1) + "0\r\n\r\n";
        stream.write_all(rest.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let result = std::io::Read::read_to_end(&mut stream, &mut answer);
        let ended = result.is_ok() && answer.ends_with(b"\r\n0\r\n\r\n");
        assert_eq!(ended, whole, "{length}");
    }
}

#[test]
fn a_connection_may_make_so_many_requests() {
    let mut options = Options::default();
    options.max_requests = Some(3);
    let server = serve(options, || hello);
    // Pipelined, and one after the other.
    let answers = Answer::all(&server.ask(GET.repeat(2)));
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].field("connection"), None);
    let answers = Answer::all(&server.ask(GET.repeat(4)));
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1].field("connection"), None);
    assert_eq!(answers[2].field("connection"), Some("close"));
    let mut stream = server.connect();
    for number in 1..=3 {
        stream.write_all(GET.as_bytes()).unwrap();
        let answer = &read_answers(&mut stream, 1)[0];
        let last = answer.field("connection") == Some("close");
        assert_eq!(last, number == 3);
    }
    assert_eq!(read_to_end(&mut stream), b"");
    let server = serve(Options::default(), || hello);
    assert_eq!(Answer::all(&server.ask(GET.repeat(1001))).len(), 1001);
}

/// What counts in the handler's future, until it is dropped.
struct Held(Rc<Cell<usize>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn a_handler_that_takes_too_long_is_dropped() {
    run(sim(), async {
        let held = Rc::new(Cell::new(0));
        let count = held.clone();
        let handler = move |request: Request| {
            count.set(count.get() + 1);
            let held = Held(count.clone());
            async move {
                let time = request.path()[1..].parse().unwrap();
                sleep(Duration::from_secs(time)).await;
                drop(held);
                Response::text("at last")
            }
        };
        let server = bind(handler, Options::default());
        let limit = bucle_server::HANDLER_TIMEOUT;
        for (time, status) in [(59, 200), (63, 503)] {
            let (mut reader, writer) = connect(&server).await;
            // What follows is answered after the first, and not at all where that is too late.
            let request = format!("GET /{time} HTTP/1.1\r\nHost: x\r\n\r\n");
            writer.write(request.as_bytes());
            writer.write(b"GET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let mut answers = Vec::new();
            let took = seconds(async {
                answers = Answer::all(&reader.read_to_end().await.unwrap());
            })
            .await;
            assert_eq!(answers[0].status, status);
            assert_eq!(answers.len(), if status == 200 { 2 } else { 1 });
            if status == 503 {
                assert_eq!(answers[0].field("connection"), Some("close"));
                assert_about(took, limit);
            }
            assert_eq!(held.get(), 0, "after {time} s");
        }
    });
}

#[test]
fn only_a_handler_that_everybody_waits_for_is_timed() {
    async fn handler(mut request: Request) -> Response {
        let mut total = 0;
        while let Some(piece) = request.body().chunk().await {
            total += piece.unwrap().len();
        }
        if request.path() == "/stream" {
            let body = bucle_server::Body::from_writer(move |mut writer| async move {
                for _ in 0..5 {
                    sleep(Duration::from_secs(100)).await;
                    writer.write("x").await?;
                }
                Ok(())
            });
            return Response::text(body);
        }
        Response::text(total.to_string())
    }
    run(sim(), async {
        let server = bind(handler, Options::default());
        // A long body, at a good rate.
        let (mut reader, writer) = connect(&server).await;
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
        for _ in 0..200 {
            sleep(Duration::from_secs(1)).await;
            writer.write(&[b'b'; 1000]);
        }
        let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
        assert!(head.starts_with(b"HTTP/1.1 200 "));
        assert_eq!(reader.readexactly(6).await.unwrap(), b"200000");
        // An answer that has begun.
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answers = Answer::all(&reader.read_to_end().await.unwrap());
        assert_eq!(answers[0].text(), "xxxxx");
    });
}

#[test]
fn who_waits_for_leave_to_send_is_not_slow() {
    async fn late(mut request: Request) -> Response {
        sleep(Duration::from_secs(45)).await;
        let body = request.body().collect(100).await.unwrap();
        Response::text(body)
    }
    run(sim(), async {
        let server = bind(late, Options::default());
        let (mut reader, writer) = connect(&server).await;
        let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
                    Content-Length: 3\r\n\r\n";
        writer.write(head.as_bytes());
        let leave = reader.readuntil(b"\r\n\r\n").await.unwrap();
        assert!(leave.starts_with(b"HTTP/1.1 100 "));
        writer.write(b"abc");
        let answers = Answer::all(&reader.read_to_end().await.unwrap());
        assert_eq!(answers[0].text(), "abc");
        // With leave, it has to send.
        let (mut reader, writer) = connect(&server).await;
        writer.write(head.as_bytes());
        reader.readuntil(b"\r\n\r\n").await.unwrap();
        let took = seconds(async {
            let answers = Answer::all(&reader.read_to_end().await.unwrap());
            assert_eq!(answers[0].status, 408);
        })
        .await;
        assert_about(took, bucle_server::BODY_TIMEOUT);
    });
}

#[test]
fn a_handler_s_time_over_real_sockets() {
    async fn slow(_: Request) -> Response {
        sleep(Duration::from_millis(600)).await;
        Response::text("at last")
    }
    for (limit, status) in [(Some(100), 503), (None, 200), (Some(60_000), 200)] {
        let mut options = Options::default();
        options.handler_timeout = limit.map(Duration::from_millis);
        let server = serve(options, || slow);
        assert_eq!(server.get("/").status, status, "{limit:?}");
    }
}

/// Sends a body of so many bytes a second for so long; the status, and after what time it came.
async fn upload(options: Options, rate: usize, time: usize) -> (u16, f64) {
    let server = bind(measure, options);
    let (mut reader, writer) = connect(&server).await;
    let length = rate * time;
    writer.write(
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .as_bytes(),
    );
    let sending = spawn(async move {
        for _ in 0..time {
            sleep(Duration::from_secs(1)).await;
            writer.write(&vec![b'b'; rate]);
        }
        // The other side of it is read.
        sleep(Duration::from_secs(10_000)).await;
        drop(writer);
    })
    .cancel_on_drop();
    let mut answers = Vec::new();
    let took = seconds(async {
        answers = Answer::all(&reader.read_to_end().await.unwrap());
    })
    .await;
    drop(sending);
    (answers[0].status, took)
}

#[test]
fn a_body_has_to_come_so_fast() {
    run(sim(), async {
        let (status, _) = upload(Options::default(), 240, 600).await;
        assert_eq!(status, 200);
        // It has half a minute in hand, of which each second takes a sixth.
        let (status, took) = upload(Options::default(), 200, 600).await;
        assert_eq!(status, 408);
        assert!((175.0..190.0).contains(&took), "{took}");
        // One byte a second less is seen in the end.
        let (status, _) = upload(Options::default(), 239, 30 * 240 + 300).await;
        assert_eq!(status, 408);
        let mut options = Options::default();
        options.min_receive_rate = None;
        let (status, _) = upload(options, 1, 600).await;
        assert_eq!(status, 200);
    });
}

#[test]
fn what_came_fast_is_no_leave_to_be_slow_for_ever() {
    run(sim(), async {
        let server = bind(measure, Options::default());
        let (mut reader, writer) = connect(&server).await;
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
        writer.write(&vec![b'b'; 1_000_000]);
        sleep(Duration::from_secs(5)).await;
        let drip = spawn(async move {
            loop {
                writer.write(b"b");
                sleep(Duration::from_secs(1)).await;
            }
        })
        .cancel_on_drop();
        let took = seconds(async {
            let answers = Answer::all(&reader.read_to_end().await.unwrap());
            assert_eq!(answers[0].status, 408);
        })
        .await;
        assert!(took < 35.0, "{took}");
        drop(drip);
    });
}

#[test]
fn a_slow_body_over_real_sockets() {
    for (rate, status) in [(Some(1_000_000), 408), (Some(1), 200), (None, 200)] {
        let mut options = Options::default();
        options.body_timeout = Duration::from_millis(400);
        options.min_receive_rate = rate;
        let server = serve(options, || measure);
        let mut stream = server.connect();
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
            .unwrap();
        for _ in 0..20 {
            if stream.write_all(b"b").is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(read_answers(&mut stream, 1)[0].status, status, "{rate:?}");
    }
}

/// Reads a long answer at so many bytes a second; whether it was whole.
async fn download(options: Options, rate: usize) -> bool {
    const LENGTH: usize = 2_000_000;
    async fn long(_: Request) -> Response {
        Response::text("x".repeat(LENGTH))
    }
    let server = bind(long, options);
    // What our side holds ready counts as read: as little of it as can be.
    let small = ConnectOptions::default().limit(1);
    let address = &server.addresses()[0];
    let (mut reader, writer) = open_connection_with(address, small).await.unwrap();
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let begun = get_running_loop().time();
    let mut received = 0;
    loop {
        match reader.read(1000).await {
            Ok(piece) if piece.is_empty() => return received > LENGTH,
            Ok(piece) => received += piece.len(),
            Err(_) => return false,
        }
        let due = Duration::from_secs_f64(received as f64 / rate as f64);
        let gone = get_running_loop().time() - begun;
        sleep(due.saturating_sub(gone)).await;
    }
}

#[test]
fn an_answer_has_to_be_read_so_fast() {
    // Between the two sides there is as little as can be.
    let narrow = SimOptions {
        send_buffer: 1000,
        ..SimOptions::default()
    };
    run(Some(narrow), async {
        let mut options = Options::default();
        options.min_send_rate = Some(1000);
        assert!(download(options.clone(), 1100).await);
        assert!(!download(options.clone(), 900).await);
        options.min_send_rate = None;
        assert!(download(options, 100).await);
        assert!(download(Options::default(), 300).await);
        assert!(!download(Options::default(), 200).await);
    });
}

#[test]
fn a_stop_waits_for_answers_and_for_nobody_else() {
    async fn slow(_: Request) -> Response {
        sleep(Duration::from_secs(20)).await;
        Response::text("at last")
    }
    for (sent, slowest) in [
        ("", 0.1),
        ("GET / HTTP/1.1\r\nHo", 0.5),
        ("BAD\r\n\r\n", 0.5),
        (GET, 20.5),
        (&GET.repeat(2), 20.5),
    ] {
        let sent = sent.to_owned();
        run(sim(), async move {
            let server = bind(slow, Options::default());
            let (mut reader, writer) = connect(&server).await;
            writer.write(sent.as_bytes());
            sleep(Duration::from_millis(500)).await;
            let read = spawn(async move { reader.read_to_end().await });
            let took = seconds(async {
                let outcome = server.shutdown(Duration::from_secs(60)).await;
                assert_eq!(outcome, bucle_server::Outcome::Drained);
            })
            .await;
            assert!(took < slowest, "{took} s with {sent:?}");
            let answers = Answer::all(&read.await.unwrap().unwrap());
            assert_eq!(
                answers.len(),
                usize::from(sent.len() > 20 || sent.starts_with('B'))
            );
            drop(writer);
        });
    }
}
