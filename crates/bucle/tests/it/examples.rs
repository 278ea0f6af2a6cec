//! Each example is run as a user would run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

/// No wait in these tests is shorter; none of them is about speed.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Where cargo puts the examples that it builds beside these tests; or where `BUCLE_EXAMPLES` says they
/// are, a release's for one.
fn example(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("BUCLE_EXAMPLES") {
        return PathBuf::from(folder).join(name);
    }
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    if !path.exists() {
        // `cargo test --test it` builds this file only.
        let built = Command::new(env!("CARGO"))
            .args(["build", "--package", "bucle", "--example", name])
            .status()
            .unwrap();
        assert!(built.success());
    }
    path
}

fn run(name: &str) -> String {
    let output = Command::new(example(name)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether all `lines` are there, in this order, perhaps with others between.
#[track_caller]
fn assert_in_order(output: &str, lines: &[&str]) {
    let mut rest = output;
    for line in lines {
        match rest.find(line) {
            Some(place) => rest = &rest[place + line.len()..],
            None => panic!("{line:?} is missing, or too early, in:\n{output}"),
        }
    }
}

#[test]
fn coroutines() {
    let output = run("01_coroutines");
    assert_in_order(
        &output,
        &[
            "fetching http://one",
            "fetching http://three",
            "fetched  http://two",
        ],
    );
    assert_in_order(
        &output,
        &[
            "results",
            "OF HTTP://ONE",
            "OF HTTP://TWO",
            "OF HTTP://THREE",
        ],
    );
}

#[test]
fn futures() {
    assert_in_order(
        &run("02_futures"),
        &[
            "setting it to 43 failed: the future is done already",
            "the future came to 42",
            "made",
            "set: 42",
            "refused: 43",
            "done: Some(Ok(42))",
            "the other thread ended well",
            "the loop goes on while the pool works",
            "the pool came to 49999995000000",
            "3 words were counted in a thread",
            "error: the job submitted at",
            "02_futures.rs",
            "in thread bucle_",
        ],
    );
}

#[test]
fn tasks() {
    let output = run("03_tasks");
    assert_in_order(
        &output,
        &[
            "alive: endless, fetch-1, fetch-2, fetch-3",
            "error: task failing",
            "panicked: out of luck",
            "error: cancelled by task Task-1: nobody needs it",
            "fetch-1 is through",
            "fetch-3 is through",
            "alive: 0",
        ],
    );
}

#[test]
fn hyper() {
    assert_eq!(
        run("05_hyper"),
        "HTTP/1.1 200 OK 1: POST /shout HELLO\n\
         HTTP/1.1 200 OK 2: POST /shout AGAIN\n\
         HTTP/2.0 200 OK 3: POST /shout ONE\n\
         HTTP/2.0 200 OK 4: POST /shout TWO\n\
         a connection failed: too slow: read header from client timeout\n\
         4 requests were answered\n"
    );
}

#[test]
fn tokio() {
    assert_eq!(
        run("06_tokio"),
        "tokio's side answered one\n\
         tokio's side answered two\n\
         tokio's side answered three\n\
         3 answers, counted without an atomic\n\
         error: not done within 10ms\n\
         tokio's side answered over there\n"
    );
}

/// A child that does not outlive its test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An example that serves, until it is stopped.
struct Serving {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Serving {
    fn start(name: &str, arguments: &[&str]) -> Serving {
        let child = Command::new(example(name))
            .arg("127.0.0.1:0")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Child(child.unwrap());
        let mut output = BufReader::new(child.0.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening at http://");
        let address = address.unwrap().to_owned();
        Serving {
            child,
            output,
            address,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream
    }

    fn ask(&self, request: &str, body: &str) -> String {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it as Ctrl-C does, and gives what it still had to say.
    fn stop(self) -> String {
        self.stop_by(Signal::INT)
    }

    fn stop_by(mut self, signal: Signal) -> String {
        let pid = rustix::process::Pid::from_child(&self.child.0);
        rustix::process::kill_process(pid, signal).unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.0.wait().unwrap().success());
        rest
    }
}

#[test]
fn server() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let server = Serving::start("04_server", &[folder]);
    let ask = |request, body| server.ask(request, body);
    assert!(ask("GET /", "").ends_with("<h1>An asynchronous server</h1>\n"));
    assert!(ask("GET /echo?a", "").ends_with("\r\n\r\nEcho: GET /echo?a HTTP/1.1\n"));
    assert!(ask("POST /echo", "sent back").ends_with("\r\n\r\nsent back"));
    assert!(ask("GET /static/01_coroutines.rs", "").contains("\nContent-Type: text/"));
    assert!(ask("GET /slow", "").ends_with("nobody else had to wait\n"));
    a_panic_costs_one_connection(&server);
    assert!(ask("DELETE /echo", "").starts_with("HTTP/1.1 405 "));
    assert!(ask("GET /nothing", "").starts_with("HTTP/1.1 404 "));
    assert_eq!(server.stop(), "stopped: Drained\n");
    // A service manager sends another signal than Ctrl-C does.
    let server = Serving::start("04_server", &[folder]);
    assert_eq!(server.stop_by(Signal::TERM), "stopped: Drained\n");
}

/// Another connection, older than those with the panics, is served before and after them.
fn a_panic_costs_one_connection(server: &Serving) {
    let mut beside = server.connect();
    let mut served = || {
        write!(beside, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"Echo: GET /echo HTTP/1.1\n") {
            let mut buffer = [0; 1000];
            let count = beside.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "it was closed");
            answer.extend_from_slice(&buffer[..count]);
        }
    };
    served();
    for _ in 0..3 {
        let failed = server.ask("GET /panic", "");
        assert!(failed.starts_with("HTTP/1.1 500 "), "{failed}");
        assert!(failed.contains("\r\nConnection: close\r\n"), "{failed}");
        served();
    }
}

#[test]
fn api() {
    let server = Serving::start("07_api", &[]);
    let ask = |request, body| server.ask(request, body);
    assert!(ask("GET /notes", "").ends_with("\r\n\r\n[]\n"));
    let made = ask("POST /notes", r#"{"text": "buy \"milk\""}"#);
    assert!(made.starts_with("HTTP/1.1 201 "), "{made}");
    assert!(
        made.contains("\r\nContent-Type: application/json\r\n"),
        "{made}"
    );
    assert!(
        made.ends_with("{\"id\":1,\"text\":\"buy \\\"milk\\\"\"}\n"),
        "{made}"
    );
    assert!(ask("GET /notes/1", "").contains("milk"));
    assert!(ask("POST /notes", "{").starts_with("HTTP/1.1 400 "));
    assert!(ask("POST /notes", "{}").starts_with("HTTP/1.1 422 "));
    assert!(
        server
            .ask("POST /notes", &" ".repeat(4097))
            .starts_with("HTTP/1.1 413 ")
    );
    assert!(ask("PUT /notes", "").contains("\r\nAllow: GET, HEAD, OPTIONS, POST\r\n"));
    assert!(ask("DELETE /notes/1", "").starts_with("HTTP/1.1 200 "));
    assert!(ask("GET /notes/1", "").starts_with("HTTP/1.1 404 "));
    server.stop();
}

#[test]
fn events() {
    let mut server = Serving::start("08_events", &[]);
    assert!(server.ask("GET /", "").contains("EventSource"));
    let mut stream = server.connect();
    write!(
        stream,
        "GET /clock HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 6\r\n\r\n"
    )
    .unwrap();
    let mut told = String::new();
    let mut reader = BufReader::new(stream);
    while !told.contains("event: tick\nid: 8\n") {
        assert_ne!(reader.read_line(&mut told).unwrap(), 0, "{told}");
    }
    assert_in_order(
        &told,
        &[
            "text/event-stream",
            " seconds since 1970\nevent: tick\nid: 7\n",
        ],
    );
    drop(reader);
    let mut line = String::new();
    server.output.read_line(&mut line).unwrap();
    assert_eq!(line, "a listener has gone\n");
    server.stop();
}

/// A client of the chat, which speaks in frames of less than 126 bytes.
struct Guest(TcpStream);

impl Guest {
    fn enter(server: &Serving) -> Guest {
        let mut stream = server.connect();
        write!(
            stream,
            "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Guest(stream)
    }

    fn send(&mut self, kind: u8, payload: &[u8]) {
        // Masked by zeros.
        let mut frame = vec![0x80 | kind, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).unwrap();
    }

    #[track_caller]
    fn assert_hears(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![0; 2 + payload.len()];
        self.0.read_exact(&mut frame).unwrap();
        assert_eq!(frame[..2], [0x80 | kind, payload.len() as u8]);
        assert_eq!(&frame[2..], payload);
    }
}

#[test]
fn websocket() {
    let server = Serving::start("09_websocket", &[]);
    assert!(server.ask("GET /", "").contains("new WebSocket"));
    let mut one = Guest::enter(&server);
    one.assert_hears(1, b"somebody came");
    let mut two = Guest::enter(&server);
    for guest in [&mut one, &mut two] {
        guest.assert_hears(1, b"somebody came");
    }
    one.send(1, b"hello");
    one.assert_hears(1, b"hello");
    two.assert_hears(1, b"hello");
    two.send(9, b"ping");
    two.assert_hears(10, b"ping");
    two.send(8, &1000u16.to_be_bytes());
    two.assert_hears(8, &1000u16.to_be_bytes());
    one.assert_hears(1, b"somebody left");
    // Told that the server stops, and why; it waits for the answer.
    let stopping = std::thread::spawn(move || server.stop());
    let away = [&1001u16.to_be_bytes()[..], b"the server is stopping"].concat();
    one.assert_hears(8, &away);
    one.send(8, &away);
    stopping.join().unwrap();
}

#[test]
fn axum() {
    let server = Serving::start("10_axum", &[]);
    let ask = |request, body| server.ask(request, body);
    assert!(ask("GET /hello/you", "").ends_with("\r\n\r\nhello you\n"));
    assert!(ask("POST /sum", "[1, 2, 3]").ends_with("\r\n\r\n6"));
    assert!(ask("POST /sum", "[1, 2,").starts_with("HTTP/1.1 400 "));
    assert!(ask("POST /shout", "hello").contains("HELLO"));
    assert!(ask("GET /slow", "").ends_with("nobody else had to wait\n"));
    assert!(ask("PUT /sum", "").starts_with("HTTP/1.1 405 "));
    server.stop();
}

#[test]
fn threads_vs_processes() {
    let output = run("11_threads_vs_processes");
    assert_in_order(
        &output,
        &[
            "work that computes: 8 tasks",
            "the results are the same",
            "work that waits",
            "for 8 answers",
            "for 8 answers",
            "one crashed: the task `crash`",
            "SIGABRT",
            "the others work on: true",
        ],
    );
}

#[test]
fn shared_state() {
    let output = run("12_shared_state");
    assert_eq!(output.matches(" 8000\n").count(), 4, "{output}");
}

#[test]
fn deadlock() {
    let output = run("13_deadlock");
    assert_in_order(
        &output,
        &["own order: a deadlock", "one order: no deadlock in all"],
    );
}

#[test]
fn processes() {
    let output = run("14_processes");
    assert_in_order(
        &output,
        &[
            "`one` has ended: Some(0)",
            "`two` has ended: Some(0)",
            "counted: [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]",
            "`get_stuck` says: Some(\"I have the lock\")",
            "its lock is ours, and we are told; found: 0",
            "and its pipe: None",
            "SIGKILL",
        ],
    );
}
