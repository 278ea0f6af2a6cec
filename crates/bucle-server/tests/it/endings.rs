//! How connections end: in time, too late, by the client, by the server's stop.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bucle_server::{Options, Outcome, Request, Response, STOP_GRACE};

use crate::support::{Answer, WATCHDOG, read_answers, read_to_end, serve};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

async fn hello(_: Request) -> Response {
    Response::text("hello")
}

/// Reads the body, if there is one.
async fn polite(mut request: Request) -> Response {
    match request.body().collect(usize::MAX).await {
        Ok(body) => Response::text(format!("{} bytes", body.len())),
        Err(error) => Response::text(error.to_string()),
    }
}

/// A tenth of a second for everything but `except`.
fn impatient() -> Options {
    let short = Duration::from_millis(100);
    let mut options = Options::default();
    options.header_timeout = short;
    options.idle_timeout = short;
    options.body_timeout = short;
    options.write_timeout = short;
    options.linger_timeout = short;
    options
}

#[test]
fn a_head_that_is_dripped_is_too_late_as_a_whole() {
    let mut options = Options::default();
    options.header_timeout = Duration::from_millis(300);
    let server = serve(options, || hello);
    // As the first request, and as a later one.
    for before in ["", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = server.connect();
        stream.write_all(before.as_bytes()).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let read = thread::spawn(move || read_to_end(&mut reader));
        let mut drops = b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec();
        drops.extend_from_slice(&b"X: y\r\n".repeat(5_000));
        for byte in drops {
            if stream.write_all(&[byte]).is_err() || read.is_finished() {
                break;
            }
            // Every drop in time, if it were counted from the last one.
            thread::sleep(Duration::from_millis(10));
        }
        let answers = Answer::all(&read.join().unwrap());
        let late = answers.last().unwrap();
        assert_eq!(late.status, 408, "{answers:?}");
        assert_eq!(late.field("connection"), Some("close"));
    }
}

#[test]
fn who_says_nothing_is_let_go_without_a_word() {
    let server = serve(impatient(), || hello);
    let mut stream = server.connect();
    assert_eq!(read_to_end(&mut stream), b"");
    let mut stream = server.connect();
    stream.write_all(REQUEST).unwrap();
    let answers = Answer::all(&read_to_end(&mut stream));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status, 200);
}

#[test]
fn a_head_that_is_too_late_has_an_answer_without_a_body_if_it_is_of_head() {
    let server = serve(impatient(), || polite);
    for (begin, headless) in [
        ("HEAD / HTTP/1.1\r\nHost", true),
        ("\r\nHEAD /", true),
        ("HEADS /", false),
    ] {
        let mut stream = server.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        let all = read_to_end(&mut stream);
        let (answer, rest) = Answer::take(&all, true).unwrap();
        assert_eq!(answer.status, 408, "{begin}");
        assert_eq!(rest.is_empty(), headless, "{begin}");
    }
}

#[test]
fn a_body_that_stops_is_too_late() {
    let server = serve(impatient(), || polite);
    let mut stream = server.connect();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        .unwrap();
    let answers = Answer::all(&read_to_end(&mut stream));
    assert_eq!((answers.len(), answers[0].status), (1, 408));
}

#[test]
fn a_handler_may_take_its_time() {
    async fn slow(_: Request) -> Response {
        bucle_loop::sleep(Duration::from_millis(600)).await;
        Response::text("at last")
    }
    let server = serve(impatient(), || slow);
    assert_eq!(server.get("/").text(), "at last");
}

#[test]
fn a_client_that_never_reads_is_cut_and_a_slow_one_is_not() {
    async fn large(_: Request) -> Response {
        Response::text("x".repeat(30_000_000))
    }
    let server = serve(impatient(), || large);
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut never = server.connect();
    never.write_all(request).unwrap();
    // It is gone when its socket says so: an error, or an end before the whole.
    let mut slow = server.connect();
    slow.write_all(request).unwrap();
    let mut received = Vec::new();
    let mut buffer = vec![0; 4_000_000];
    loop {
        match slow.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) => panic!("cut after {} bytes: {error}", received.len()),
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(Answer::all(&received)[0].body.len(), 30_000_000);
    thread::sleep(Duration::from_millis(600));
    let mut rest = Vec::new();
    let _ = never.read_to_end(&mut rest);
    assert!(rest.len() < 30_000_000);
}

#[test]
fn an_early_answer_is_read_by_a_client_that_is_still_sending() {
    let server = serve(Options::default(), || hello);
    for start in [
        "BAD\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(start.as_bytes()).unwrap();
        for _ in 0..100 {
            if stream.write_all(&[b'z'; 10_000]).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let answers = Answer::all(&read_to_end(&mut stream));
        assert_eq!(answers.len(), 1, "{start:?}");
    }
}

#[test]
fn who_has_come_before_the_stop_is_answered() {
    let (begun, begins) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let left = std::sync::Mutex::new(left);
    let server = serve(Options::default(), move || {
        move |request: Request| {
            // Keeps the loop from all else.
            if request.path() == "/busy" {
                begun.send(()).unwrap();
                left.lock().unwrap().recv().unwrap();
            }
            Response::text("hello")
        }
    });
    let mut busy = server.connect();
    busy.write_all(b"GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    begins.recv_timeout(WATCHDOG).unwrap();
    // More than are accepted at a time; nobody has accepted any of them.
    let mut waiting: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for stream in &mut waiting {
        stream.write_all(REQUEST).unwrap();
    }
    server.begin_to_stop();
    leave.send(()).unwrap();
    for mut stream in waiting {
        let answers = Answer::all(&read_to_end(&mut stream));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].field("connection"), Some("close"));
    }
    drop(busy);
    assert_eq!(server.stop(), Outcome::Drained);
}

#[test]
fn who_lingers_is_not_waited_for_for_ever() {
    let server = serve(impatient(), || hello);
    let mut stream = server.connect();
    stream.write_all(b"BAD\r\n\r\n").unwrap();
    // It never ends its side.
    assert_eq!(Answer::all(&read_to_end(&mut stream))[0].status, 400);
    assert_eq!(server.stop(), Outcome::Drained);
}

#[test]
fn a_stop_lets_idle_connections_go_and_finishes_answers() {
    let (begun, begins) = mpsc::channel();
    let server = serve(Options::default(), move || {
        move |request: Request| {
            let begun = begun.clone();
            async move {
                if request.path() == "/slow" {
                    begun.send(()).unwrap();
                    bucle_loop::sleep(Duration::from_millis(300)).await;
                }
                Response::text("finished")
            }
        }
    });
    let mut idle = server.connect();
    let mut used = server.connect();
    used.write_all(REQUEST).unwrap();
    assert_eq!(read_answers(&mut used, 1)[0].field("connection"), None);
    let mut slow = server.connect();
    slow.write_all(
        b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /too-late HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    .unwrap();
    begins.recv_timeout(WATCHDOG).unwrap();
    let address = server.address;
    let stop = thread::spawn(move || server.stop());
    assert_eq!(read_to_end(&mut idle), b"");
    assert_eq!(read_to_end(&mut used), b"");
    let answers = Answer::all(&read_to_end(&mut slow));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].text(), "finished");
    assert_eq!(answers[0].field("connection"), Some("close"));
    drop(slow);
    assert_eq!(stop.join().unwrap(), Outcome::Drained);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_request_that_came_before_the_stop_is_answered() {
    let server = serve(Options::default(), || hello);
    let mut streams: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(REQUEST).unwrap();
        assert_eq!(read_answers(stream, 1)[0].status, 200);
    }
    // On loopback, what was written has arrived.
    for stream in &mut streams {
        stream.write_all(REQUEST).unwrap();
    }
    server.begin_to_stop();
    for stream in &mut streams {
        let answers = Answer::all(&read_to_end(stream));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].status, 200);
    }
    drop(streams);
    assert_eq!(server.stop(), Outcome::Drained);
}

#[test]
fn a_stop_ends_at_its_deadline_or_when_forced() {
    for forced in [false, true] {
        let (begun, begins) = mpsc::channel();
        let mut options = Options::default();
        if !forced {
            options.drain_timeout = Duration::from_millis(100);
        }
        let server = serve(options, move || {
            move |_: Request| {
                begun.send(()).unwrap();
                std::future::pending::<Response>()
            }
        });
        let mut stream = server.connect();
        stream.write_all(REQUEST).unwrap();
        begins.recv_timeout(WATCHDOG).unwrap();
        if forced {
            server.begin_to_stop();
        }
        let wanted = match forced {
            true => Outcome::Interrupted { connections: 1 },
            false => Outcome::Forced { connections: 1 },
        };
        assert_eq!(server.stop(), wanted);
        let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

/// What has begun to leave leaves as a whole, also to a client that asks on and on: closing a socket whose input was not read
/// would destroy what is on its way.
#[test]
fn a_stop_finishes_answers_whose_client_has_asked_for_more() {
    for requests in [10, 20_000] {
        let server = serve(Options::default(), || {
            |_: Request| Response::text("x".repeat(100_000))
        });
        let mut stream = server.connect();
        let mut writer = stream.try_clone().unwrap();
        let asking = thread::spawn(move || {
            let sent = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(requests);
            // The end may come before all of it is taken.
            let _ = writer.write_all(sent.as_bytes());
        });
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
        // By then the answers fill all there is between the two.
        thread::sleep(Duration::from_millis(300));
        server.begin_to_stop();
        // Longer than the stop's grace.
        thread::sleep(3 * STOP_GRACE);
        let mut received = first.to_vec();
        received.append(&mut read_to_end(&mut stream));
        let answers = Answer::all(&received);
        assert!(!answers.is_empty());
        assert!(answers.iter().all(|answer| answer.body.len() == 100_000));
        drop(stream);
        asking.join().unwrap();
        assert_eq!(server.stop(), Outcome::Drained, "{requests}");
    }
}

/// The last answer of a connection arrives, although its client has asked for more than was read by then.
#[test]
fn the_last_answer_is_not_destroyed_by_requests_behind_it() {
    const LENGTH: usize = 10_000_000;
    let mut options = Options::default();
    options.max_requests = Some(3);
    let server = serve(options, || |_: Request| Response::text("x".repeat(LENGTH)));
    let mut stream = server.connect();
    stream.write_all(&REQUEST.repeat(3)).unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let asking = thread::spawn(move || {
        // The end may come before all of it is taken.
        let _ = writer.write_all(&REQUEST.repeat(10_000));
    });
    // The client reads late.
    thread::sleep(Duration::from_millis(300));
    let mut received = first.to_vec();
    received.append(&mut read_to_end(&mut stream));
    let answers = Answer::all(&received);
    let lengths: Vec<_> = answers.iter().map(|answer| answer.body.len()).collect();
    assert_eq!(lengths, [LENGTH; 3]);
    drop(stream);
    asking.join().unwrap();
}
