//! Bodies that are written as they are sent, and Server-Sent Events.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use bucle_server::{Body, Event, Options, Request, Response, Routes, Sse};

use crate::support::{Answer, WATCHDOG, read_answers, read_to_end, serve, serve_with};

/// Says so when it is dropped.
struct Tells(mpsc::Sender<u64>, u64);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

#[test]
fn a_body_is_written_by_a_block() {
    async fn numbers(_: Request) -> Response {
        Response::text(Body::from_writer(|mut writer| async move {
            for n in 0..1000 {
                writer.write(format!("{n}\n")).await?;
                if n % 100 == 0 {
                    bucle_loop::yield_now().await;
                }
            }
            writer.write("").await
        }))
    }
    async fn another_task(_: Request) -> Response {
        Response::text(Body::from_writer(|mut writer| async move {
            let task = bucle_loop::spawn(async move {
                for n in 0..3 {
                    writer.write(format!("{n}")).await.unwrap();
                    bucle_loop::sleep(Duration::from_millis(1)).await;
                }
            });
            task.detach();
            Ok(())
        }))
    }
    async fn fails(_: Request) -> Response {
        Response::text(Body::from_writer(|mut writer| async move {
            writer.write("half").await?;
            Err(std::io::Error::other("no more"))
        }))
    }
    let server = serve(Options::default(), || {
        Routes::new()
            .get("/numbers", numbers)
            .get("/task", another_task)
            .get("/fails", fails)
    });
    let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(server.get("/numbers").text(), expected);
    assert_eq!(server.get("/task").text(), "012");
    let mut stream = server.connect();
    stream
        .write_all(b"GET /fails HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A reset, perhaps; in no case a whole answer.
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(Answer::take(&answer, false), None);
}

#[test]
fn a_panic_in_a_body_cuts_that_answer_and_nothing_else() {
    /// Panics with its first piece.
    struct AtOnce;
    impl futures_core::Stream for AtOnce {
        type Item = std::io::Result<bytes::Bytes>;
        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            panic!("out of luck")
        }
    }
    fn at_once(_: Request) -> Response {
        Response::text(Body::stream(AtOnce))
    }
    fn later(_: Request) -> Response {
        Response::text(Body::from_writer(|mut writer| async move {
            writer.write("half").await?;
            bucle_loop::yield_now().await;
            panic!("out of luck")
        }))
    }
    /// Somebody ends the task that sends.
    fn cancelled(_: Request) -> Response {
        Response::text(Body::from_writer(|mut writer| async move {
            writer.write("half").await?;
            bucle_loop::current_task().unwrap().cancel("by somebody");
            std::future::pending().await
        }))
    }
    let metrics = bucle_server::Metrics::new();
    let theirs = metrics.clone();
    let server = serve_with(Duration::from_secs(30), move || {
        let routes = Routes::new()
            .get("/at-once", at_once)
            .get("/later", later)
            .get("/cancelled", cancelled)
            .get("/fine", |_: Request| Response::text("fine"));
        let builder = bucle_server::Server::builder().metrics(theirs);
        builder.listen("127.0.0.1:0")?.serve(routes)
    });
    let mut other = server.connect();
    for target in ["/at-once", "/later", "/cancelled"] {
        let mut stream = server.connect();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A reset, perhaps; in no case a whole answer, and in no case nothing at all.
        let ended = stream.read_to_end(&mut answer);
        assert_ne!(
            ended.map_err(|error| error.kind()),
            Err(std::io::ErrorKind::WouldBlock),
            "{target}"
        );
        assert_eq!(Answer::take(&answer, false), None, "{target}");
    }
    other
        .write_all(b"GET /fine HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(read_answers(&mut other, 1)[0].text(), "fine");
    let told = metrics.render();
    for line in [
        "bucle_http_handler_panics_total 2\n",
        "bucle_connections_open 1\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn a_writer_waits_for_its_reader_and_ends_with_it() {
    let (sender, written) = mpsc::channel();
    let server = serve(Options::default(), move || {
        move |_: Request| {
            let tells = Tells(sender.clone(), 0);
            Response::text(Body::from_writer(move |mut writer| async move {
                let mut tells = tells;
                loop {
                    writer.write(vec![0; 64 * 1024]).await?;
                    tells.1 += 64 * 1024;
                }
            }))
        }
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut some = vec![0; 100_000];
    stream.read_exact(&mut some).unwrap();
    // It would have written on and on.
    std::thread::sleep(Duration::from_millis(200));
    drop(stream);
    let written = written.recv_timeout(WATCHDOG).unwrap();
    // What the system's own buffers hold, and no more.
    assert!(written < 64 << 20, "{written}");
}

#[test]
fn events_come_as_they_are_sent_and_silence_is_broken() {
    let (sender, gone) = mpsc::channel();
    let server = serve(Options::default(), move || {
        move |request: Request| {
            let last = Sse::last_event_id(&request).unwrap_or("none").to_owned();
            let tells = Tells(sender.clone(), 1);
            async move {
                Sse::from_writer(move |mut events| async move {
                    let _tells = tells;
                    events.send(Event::data(last).id("1")).await?;
                    events.closed().await;
                    Ok(())
                })
                .keep_alive(Duration::from_millis(10))
            }
        }
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n\r\n")
        .unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(":\n\n\r\n3\r\n:\n\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0);
        all.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8(all).unwrap();
    assert!(
        text.contains("Content-Type: text/event-stream\r\n"),
        "{text}"
    );
    assert!(text.contains("Cache-Control: no-cache\r\n"), "{text}");
    assert!(text.contains("data: 0\nid: 1\n\n"), "{text}");
    drop(stream);
    assert_eq!(gone.recv_timeout(WATCHDOG), Ok(1));
}

#[test]
fn a_stream_of_events_ends_the_answer_with_its_end() {
    struct Three(u32);
    impl futures_core::Stream for Three {
        type Item = Event;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Event>> {
            self.0 += 1;
            std::task::Poll::Ready((self.0 <= 3).then(|| Event::data(self.0.to_string())))
        }
    }
    let server = serve(Options::default(), || {
        |_: Request| async { Sse::new(Three(0)).keep_alive(Duration::MAX) }
    });
    assert_eq!(server.get("/").text(), "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    // To HTTP/1.0 as it is, until the end.
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(read_to_end(&mut stream).ends_with(b"\r\n\r\ndata: 1\n\ndata: 2\n\ndata: 3\n\n"));
}
