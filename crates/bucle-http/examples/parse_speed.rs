//! How long a pipelined request takes to parse, beside httparse on the same bytes.
//!
//! `cargo run --release -p bucle-http --example parse_speed`; the rounds alternate, and the best of
//! each is printed: what disturbs a round only makes it slower.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bucle_http::{Event, Limits, RequestHead, ServerConnection};

const ROUNDS: usize = 15;
const REQUESTS_PER_INPUT: usize = 16;
const INPUTS_PER_ROUND: usize = 4_000;

const SAMPLES: &[(&str, &str)] = &[
    (
        "plaintext, 3 fields",
        "GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n\
         Accept: text/plain\r\n\r\n",
    ),
    (
        "load generator, 5 fields",
        "GET /files/0042.html?q=17 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: load/1.0\r\n\
         Accept: */*\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\
         Connection: keep-alive\r\n\r\n",
    ),
    (
        "browser, 8 fields",
        "GET /static/app.css HTTP/1.1\r\nHost: www.example.com\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
         Accept: text/css,*/*;q=0.1\r\nAccept-Language: en-US,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n\
         Referer: http://www.example.com/\r\nPragma: no-cache\r\n\r\n",
    ),
];

fn main() {
    println!(
        "{:<28}{:>8}{:>14}{:>14}",
        "request", "bytes", "bucle ns", "httparse ns"
    );
    for (name, request) in SAMPLES {
        let input = request.repeat(REQUESTS_PER_INPUT).into_bytes();
        let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            ours = ours.min(time(|| with_bucle(&input)));
            theirs = theirs.min(time(|| with_httparse(&input)));
        }
        let per_request = |time: Duration| {
            time.as_nanos() as f64 / (REQUESTS_PER_INPUT * INPUTS_PER_ROUND) as f64
        };
        println!(
            "{name:<28}{:>8}{:>14.1}{:>14.1}",
            request.len(),
            per_request(ours),
            per_request(theirs)
        );
    }
}

fn time(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..INPUTS_PER_ROUND {
        work();
    }
    start.elapsed()
}

/// All events of all requests, and the two things that every handler asks for.
fn with_bucle(input: &[u8]) {
    thread_local! {
        static HEAD: std::cell::RefCell<RequestHead> = std::cell::RefCell::default();
    }
    HEAD.with_borrow_mut(|head| {
        let limits = Limits::default();
        let mut connection = ServerConnection::default();
        let mut input = black_box(input);
        let mut requests = 0;
        loop {
            let Ok(progress) = connection.receive(input, head, &limits) else {
                unreachable!("the samples are well-formed");
            };
            input = &input[progress.consumed..];
            match progress.event {
                Event::Head => {
                    black_box((head.method(), head.keep_alive(), head.path().len()));
                    requests += 1;
                }
                Event::Paused => connection.next_request(),
                Event::NeedInput => break,
                _ => {}
            }
        }
        assert_eq!(requests, REQUESTS_PER_INPUT);
    });
}

/// Only the syntax of the heads: no copy, no framing.
fn with_httparse(input: &[u8]) {
    let mut input = black_box(input);
    let mut requests = 0;
    while !input.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = request.parse(input) else {
            unreachable!("the samples are well-formed");
        };
        black_box((request.method, request.path));
        input = &input[length..];
        requests += 1;
    }
    assert_eq!(requests, REQUESTS_PER_INPUT);
}
