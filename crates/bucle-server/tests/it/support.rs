//! A server on a thread of its own, and clients that send raw bytes and take answers apart.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use bucle_http::encode::PROCESSING;
use bucle_server::{Handler, Options, Outcome, Server};

/// No wait in these tests is shorter; none of them is about speed.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// A server that runs until this is dropped or [stopped](Running::stop).
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Stop,
    thread: Option<thread::JoinHandle<Outcome>>,
}

/// How often it was asked to stop, and who waits for that.
#[derive(Clone, Default)]
struct Stop(Arc<Mutex<(u8, Vec<Waker>)>>);

impl Stop {
    fn raise(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        for waker in state.1.drain(..) {
            waker.wake();
        }
    }

    async fn reached(&self, level: u8) {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0 >= level {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Serves by the handler that `make` makes, which is called on the server's thread.
pub(crate) fn serve<H: Handler>(
    options: Options,
    make: impl FnOnce() -> H + Send + 'static,
) -> Running {
    let limit = options.drain_timeout;
    serve_with(limit, move || Server::bind("127.0.0.1:0", make(), options))
}

/// Runs the server that `make` makes, at its first address, which is one of TCP.
pub(crate) fn serve_with(
    limit: Duration,
    make: impl FnOnce() -> io::Result<Server> + Send + 'static,
) -> Running {
    let (sender, receiver) = mpsc::channel();
    let stop = Stop::default();
    let theirs = stop.clone();
    let thread = thread::spawn(move || {
        bucle_loop::run(async move {
            // Panics of handlers are part of these tests, not news.
            bucle_loop::get_running_loop().set_exception_handler(|_, _| {});
            bucle_loop::get_running_loop().set_slow_callback_duration(Duration::MAX);
            let server = make().unwrap();
            let address = server.addresses()[0].as_tcp().unwrap();
            sender.send(address).unwrap();
            theirs.reached(1).await;
            server.drain(limit, theirs.reached(2)).await
        })
        .unwrap()
    });
    Running {
        address: receiver.recv_timeout(WATCHDOG).unwrap(),
        stop,
        thread: Some(thread),
    }
}

impl Running {
    /// Asks the server to stop, the second time at once.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.raise();
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Outcome {
        self.stop.raise();
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream.set_write_timeout(Some(WATCHDOG)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends `bytes`, ends its side, and reads to the end.
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes.as_ref()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut stream)
    }

    /// The answer to one request of HTTP/1.1 with no more than `Host`.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "")
    }

    /// The same with another method and more header lines.
    pub(crate) fn request(&self, method: &str, target: &str, lines: &str) -> Answer {
        let answers = self.ask(format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n"
        ));
        let (answer, rest) = Answer::take(&answers, method == "HEAD").unwrap();
        assert_eq!(rest, b"", "after {answer:?}");
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.raise();
            self.stop.raise();
            let result = thread.join();
            if !thread::panicking() {
                result.unwrap();
            }
        }
    }
}

pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Reads as much as makes `wanted` answers.
pub(crate) fn read_answers(stream: &mut TcpStream, wanted: usize) -> Vec<Answer> {
    let mut received = Vec::new();
    let mut answers = Vec::new();
    let mut at = 0;
    let mut buffer = vec![0; 64 * 1024];
    while answers.len() < wanted {
        if let Some((answer, rest)) = Answer::take(&received[at..], false) {
            at = received.len() - rest.len();
            answers.push(answer);
            continue;
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(
            count > 0,
            "the connection ended after {} of {wanted} answers, and {:?}",
            answers.len(),
            String::from_utf8_lossy(&received[at..])
        );
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(at, received.len(), "more than {wanted} answers");
    answers
}

/// An answer, taken apart by other code than the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The answer that `bytes` begins with, if it is whole, and what follows it. Whoever has ended his
    /// side and waits may be sent [`PROCESSING`] before.
    pub(crate) fn take(mut bytes: &[u8], no_body: bool) -> Option<(Answer, &[u8])> {
        while let Some(rest) = bytes.strip_prefix(PROCESSING) {
            bytes = rest;
        }
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        let rest = &bytes[end..];
        if no_body || status == 304 || status == 204 || status < 200 {
            return Some((answer, rest));
        }
        if answer.field("transfer-encoding") == Some("chunked") {
            let (body, rest) = take_chunks(rest)?;
            answer.body = body;
            return Some((answer, rest));
        }
        let length = match answer.field("content-length") {
            Some(length) => length.parse().unwrap(),
            // It ends with the connection.
            None => rest.len(),
        };
        if rest.len() < length {
            return None;
        }
        answer.body = rest[..length].to_vec();
        Some((answer, &rest[length..]))
    }

    /// All answers in `bytes`, which have to be whole.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Answer> {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let (answer, rest) = Answer::take(bytes, false)
                .unwrap_or_else(|| panic!("half an answer: {:?}", String::from_utf8_lossy(bytes)));
            answers.push(answer);
            bytes = rest;
        }
        answers
    }

    /// The value of a header field, which must not be there twice.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().skip(1).filter_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice in {}", self.head);
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn take_chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let rest = &bytes[line + 2..];
        if rest.len() < size + 2 {
            return None;
        }
        assert_eq!(&rest[size..size + 2], b"\r\n");
        body.extend_from_slice(&rest[..size]);
        bytes = &rest[size + 2..];
        if size == 0 {
            return Some((body, bytes));
        }
    }
}
