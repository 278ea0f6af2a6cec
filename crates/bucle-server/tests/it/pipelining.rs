//! Many requests in one go, in odd cuts, with bodies between them; and clients that don't read.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;

use bucle_server::{Method, Options, Request, Response};

use crate::support::{Answer, read_answers, read_to_end, serve};

/// Tells what was asked; what begins with `/wait` after some turns of the loop.
async fn handler(mut request: Request) -> Response {
    let target = request.head().target().to_owned();
    if target.starts_with("/wait") {
        for _ in 0..3 {
            bucle_loop::yield_now().await;
        }
    }
    if target.starts_with("/long") {
        return Response::text(format!("{target} {}", "x".repeat(20_000)));
    }
    if request.method() == Method::Post {
        let body = request.body().collect(usize::MAX).await.unwrap();
        return Response::text(format!("{target} {}", body.len()));
    }
    Response::text(target)
}

/// `count` requests of all kinds, and what each is answered with.
fn requests(count: usize) -> (Vec<u8>, Vec<String>) {
    let mut sent = Vec::new();
    let mut wanted = Vec::new();
    for number in 0..count {
        let body = "b".repeat(number % 300);
        match number % 5 {
            0 | 1 => {
                write!(
                    sent,
                    "GET /{number} HTTP/1.1\r\nHost: x\r\nX-Pad: {body}\r\n\r\n"
                )
                .unwrap();
                wanted.push(format!("/{number}"));
            }
            2 => {
                write!(sent, "GET /wait{number} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                wanted.push(format!("/wait{number}"));
            }
            3 => {
                let length = body.len();
                write!(
                    sent,
                    "POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
                )
                .unwrap();
                wanted.push(format!("/{number} {length}"));
            }
            _ => {
                write!(
                    sent,
                    "POST /wait{number} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                     3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
                )
                .unwrap();
                wanted.push(format!("/wait{number} 4"));
            }
        }
    }
    (sent, wanted)
}

#[test]
fn a_thousand_requests_are_answered_in_order_however_they_are_cut() {
    let server = serve(Options::default(), || handler);
    let (sent, wanted) = requests(1000);
    for step in [usize::MAX, 1, 17, 1461, 65_537] {
        let mut stream = server.connect();
        let mut reader = stream.try_clone().unwrap();
        let read = thread::spawn(move || read_to_end(&mut reader));
        if step == 1 {
            // Byte by byte, the first fifty will do.
            let (sent, wanted) = requests(50);
            for byte in sent {
                stream.write_all(&[byte]).unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
            let answers = Answer::all(&read.join().unwrap());
            let told: Vec<_> = answers.iter().map(Answer::text).collect();
            assert_eq!(told, wanted);
            continue;
        }
        for piece in sent.chunks(step.min(sent.len())) {
            stream.write_all(piece).unwrap();
        }
        // The answers to all of them come, though the client has ended its side.
        stream.shutdown(Shutdown::Write).unwrap();
        let answers = Answer::all(&read.join().unwrap());
        let told: Vec<_> = answers.iter().map(Answer::text).collect();
        assert_eq!(told, wanted, "in pieces of {step}");
    }
}

#[test]
fn a_client_that_writes_and_does_not_read_is_held_back_and_loses_nothing() {
    let server = serve(Options::default(), || handler);
    let mut stream = server.connect();
    let count = 2_000;
    let mut writer = stream.try_clone().unwrap();
    let write = thread::spawn(move || {
        // 40 MB of answers: more than all buffers on the way.
        for number in 0..count {
            write!(writer, "GET /long{number} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // The server goes on with others.
    for _ in 0..10 {
        assert_eq!(server.get("/else").text(), "/else");
    }
    let answers = Answer::all(&read_to_end(&mut stream));
    write.join().unwrap();
    assert_eq!(answers.len(), count);
    for (number, answer) in answers.iter().enumerate() {
        assert!(answer.text().starts_with(&format!("/long{number} ")));
    }
}

#[test]
fn clients_that_reset_harm_nobody() {
    let server = serve(Options::default(), || handler);
    for number in 0..100 {
        let mut stream = server.connect();
        let _ = stream.write_all(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\nPOST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
        if number % 2 == 0 {
            // Read a little, and leave the rest unread: the close becomes a reset.
            let _ = stream.read(&mut [0; 10]);
        }
        drop(stream);
    }
    assert_eq!(server.get("/after").text(), "/after");
}

#[test]
fn answers_of_one_input_leave_together() {
    let server = serve(Options::default(), || handler);
    let mut stream = server.connect();
    stream
        .write_all("GET /a HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16).as_bytes())
        .unwrap();
    let answers = read_answers(&mut stream, 16);
    assert!(answers.iter().all(|answer| answer.text() == "/a"));
}

/// Whoever asks for much at once has sixteen requests begun in a turn, also where they have bodies that their handler lets
/// go.
#[test]
fn a_turn_has_sixteen_requests_of_a_connection() {
    let (sender, turns) = mpsc::channel();
    let server = serve(Options::default(), move || {
        move |request: Request| {
            let turn = bucle_loop::get_running_loop().turn_number();
            sender.send(turn).unwrap();
            Response::text(request.path().to_owned())
        }
    });
    for request in [
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let mut stream = server.connect();
        stream.write_all(request.repeat(200).as_bytes()).unwrap();
        assert_eq!(read_answers(&mut stream, 200).len(), 200);
        let turns: Vec<u64> = turns.try_iter().collect();
        assert_eq!(turns.len(), 200);
        // Two go on in a turn, and here both are the same one.
        let most = turns.chunk_by(|one, other| one == other).map(<[u64]>::len);
        assert_eq!(most.max(), Some(32), "{request}");
    }
}
