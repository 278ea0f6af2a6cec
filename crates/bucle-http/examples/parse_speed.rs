//! How long a pipelined request takes to parse, beside httparse on the same bytes.
//!
//! `cargo run --release -p bucle-http --example parse_speed`; the rounds alternate, and the best of each is printed: what
//! disturbs a round only makes it slower. A round is short, so that some are not disturbed.
//!
//! `parse_speed count SAMPLE HEADS` parses so many heads of one sample (a number from 0) and says nothing, for who counts
//! instructions: `valgrind --tool=callgrind --toggle-collect='*with_bucle*' parse_speed count 3 2048`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bucle_http::{Event, Limits, RequestHead, ServerConnection};

const ROUNDS: usize = 400;
const HEADS_PER_ROUND: usize = 4_096;
/// Requests that come in one read.
const BURST: usize = 16;
/// Different requests in the mixture: more than a branch predictor learns by heart, few enough for the second cache.
const MIXED: usize = 2_048;

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
        "browser, 10 fields",
        "GET /static/app.css?v=20261201 HTTP/1.1\r\nHost: www.example.com\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         Accept: text/css,*/*;q=0.1\r\nAccept-Language: en-US,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n\
         Referer: http://www.example.com/\r\nPragma: no-cache\r\nSec-Fetch-Dest: style\r\n\
         Sec-Fetch-Site: same-origin\r\n\r\n",
    ),
];

/// Requests that come together in each read.
struct Sample {
    name: &'static str,
    reads: Vec<Vec<u8>>,
    requests_per_read: usize,
}

fn samples() -> Vec<Sample> {
    let mut samples: Vec<Sample> = SAMPLES
        .iter()
        .map(|(name, request)| Sample {
            name,
            reads: vec![request.repeat(BURST).into_bytes()],
            requests_per_read: BURST,
        })
        .collect();
    for (name, requests_per_read) in [
        ("mixture, 4 to 8 fields", BURST),
        ("the same, one at a time", 1),
    ] {
        samples.push(Sample {
            name,
            reads: mixture(requests_per_read),
            requests_per_read,
        });
    }
    samples
}

fn main() {
    let samples = samples();
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("count") {
        let mut number = || arguments.next().and_then(|text| text.parse::<usize>().ok());
        let (Some(sample), Some(heads)) = (number(), number()) else {
            return eprintln!("parse_speed: `count` wants the number of a sample, and of heads");
        };
        return match samples.get(sample) {
            Some(sample) => sample.work(heads, with_bucle),
            None => eprintln!("parse_speed: there are {} samples", samples.len()),
        };
    }
    println!(
        "{:<28}{:>8}{:>14}{:>14}",
        "request", "bytes", "bucle ns", "httparse ns"
    );
    for sample in &samples {
        let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            ours = ours.min(sample.time(with_bucle));
            theirs = theirs.min(sample.time(with_httparse));
        }
        let per_head = |time: Duration| time.as_nanos() as f64 / HEADS_PER_ROUND as f64;
        let bytes: usize = sample.reads.iter().map(Vec::len).sum();
        println!(
            "{:<28}{:>8}{:>14.1}{:>14.1}",
            sample.name,
            bytes / (sample.reads.len() * sample.requests_per_read),
            per_head(ours),
            per_head(theirs)
        );
    }
}

impl Sample {
    fn work(&self, heads: usize, parse: fn(&[u8]) -> usize) {
        let reads = self.reads.iter().cycle();
        for read in reads.take(heads / self.requests_per_read) {
            assert_eq!(parse(read), self.requests_per_read);
        }
    }

    fn time(&self, parse: fn(&[u8]) -> usize) -> Duration {
        let start = Instant::now();
        self.work(HEADS_PER_ROUND, parse);
        start.elapsed()
    }
}

/// All events of all requests, and what every handler asks for.
#[inline(never)]
fn with_bucle(input: &[u8]) -> usize {
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
                    black_box((head.method(), head.keep_alive(), head.path_bytes().len()));
                    requests += 1;
                }
                Event::Paused => connection.next_request(),
                Event::NeedInput => break,
                _ => {}
            }
        }
        requests
    })
}

/// Only the syntax of the heads: no copy, no framing.
#[inline(never)]
fn with_httparse(input: &[u8]) -> usize {
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
    requests
}

/// Requests as the benchmark sends them: no two are alike in path, fields, their order and their lengths.
fn mixture(requests_per_read: usize) -> Vec<Vec<u8>> {
    let mut random = Random(20);
    let mut read = || {
        (0..requests_per_read)
            .flat_map(|_| one_of_many(&mut random).into_bytes())
            .collect()
    };
    (0..MIXED / requests_per_read).map(|_| read()).collect()
}

fn one_of_many(random: &mut Random) -> String {
    const BROWSERS: [&str; 4] = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/18.5 Safari/605.1.15",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
        "curl/8.14.1",
    ];
    let query = match random.below(4) {
        0 => String::new(),
        1 => format!("?v={}", random.below(100_000)),
        2 => format!("?q={}&page={}", random.word(2, 16), random.below(50)),
        _ => format!(
            "?utm_source={}&t=17{}&lang=es",
            random.word(3, 8),
            random.below(100_000_000)
        ),
    };
    let mut fields = vec![
        "Host: bench.example".to_owned(),
        format!("User-Agent: {}", BROWSERS[random.below(BROWSERS.len())]),
        "Accept: text/html,application/xhtml+xml,*/*;q=0.8".to_owned(),
        format!("Cookie: id={}", random.word(1, 200)),
    ];
    if random.below(2) == 0 {
        fields.push("Accept-Language: es,en;q=0.7".to_owned());
    }
    if random.below(2) == 0 {
        fields.push("Accept-Encoding: gzip, deflate, br".to_owned());
    }
    if random.below(2) == 0 {
        fields.push("Connection: keep-alive".to_owned());
    }
    if random.below(4) == 0 {
        fields.push(format!(
            "Referer: http://bench.example/{}",
            random.word(4, 20)
        ));
    }
    for last in (1..fields.len()).rev() {
        fields.swap(last, random.below(last + 1));
    }
    let path = random.word(1, 12);
    format!(
        "GET /plaintext/{path}{query} HTTP/1.1\r\n{}\r\n\r\n",
        fields.join("\r\n")
    )
}

/// SplitMix64, so that the mixture is the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn word(&mut self, shortest: usize, longest: usize) -> String {
        let length = shortest + self.below(longest - shortest + 1);
        (0..length)
            .map(|_| {
                char::from(
                    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        [self.below(62)],
                )
            })
            .collect()
    }
}
