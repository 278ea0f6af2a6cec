//! Each example is run as a user would run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where cargo puts the examples that it builds beside these tests.
fn example(name: &str) -> PathBuf {
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
            "in thread bucle_0: out of luck",
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

#[test]
fn server() {
    let child = Command::new(example("04_server"))
        .args([
            "127.0.0.1:0",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"),
        ])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Child(child.unwrap());
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening at http://").unwrap();
    let ask = |request: &str, body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /", "").ends_with("<h1>An asynchronous server</h1>\n"));
    assert!(ask("GET /echo?a", "").ends_with("\r\n\r\nEcho: GET /echo?a HTTP/1.1\n"));
    assert!(ask("POST /echo", "sent back").ends_with("\r\n\r\nsent back"));
    assert!(ask("GET /static/01_coroutines.rs", "").contains("\nContent-Type: text/"));
    assert!(ask("GET /slow", "").ends_with("nobody else had to wait\n"));
    assert!(ask("DELETE /echo", "").starts_with("HTTP/1.1 405 "));
    assert!(ask("GET /nothing", "").starts_with("HTTP/1.1 404 "));

    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped: Drained\n");
    assert!(child.0.wait().unwrap().success());
}
