//! Mutations of valid requests, and random bytes, through the server's state machine: nothing may
//! panic, hang or grow.
//!
//! ```text
//! cargo run --release -p bucle-http --example mutate -- --count 10000000 --random-bytes 100000000
//! ```
//!
//! Prints what share of the mutations was still accepted; `--seed` draws others. Exits with 1 if the
//! share is under 30 %, which would mean that mutations hardly get past the request line.

// The tests use all of it.
#[allow(dead_code)]
mod generator;

use std::process::ExitCode;

use bucle_http::{Event, Limits, RequestHead, ServerConnection};
use generator::{Random, mutate, request};

/// The share of mutations that must still be valid, in percent.
const ACCEPTED_PERCENT: u64 = 30;

/// How much more memory may be resident at the end than after the first hundredth, in bytes.
const GROWTH: usize = 4 * 1024 * 1024;

struct Arguments {
    count: u64,
    random_bytes: u64,
    seed: u64,
}

impl Arguments {
    fn parse() -> Result<Arguments, String> {
        let mut arguments = Arguments {
            count: 100_000,
            random_bytes: 1_000_000,
            seed: 1,
        };
        let mut given = std::env::args().skip(1);
        while let Some(name) = given.next() {
            let value = given.next().and_then(|value| value.parse().ok());
            let value = value.ok_or_else(|| format!("{name} needs a number"))?;
            match &*name {
                "--count" => arguments.count = value,
                "--random-bytes" => arguments.random_bytes = value,
                "--seed" => arguments.seed = value,
                _ => return Err(format!("{name}: use --count, --random-bytes or --seed")),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let mut driver = Driver::default();
    let accepted = mutations(&arguments, &mut driver);
    random_bytes(&arguments, &mut driver);
    if arguments.count > 0 && accepted * 100 < arguments.count * ACCEPTED_PERCENT {
        eprintln!("fewer than {ACCEPTED_PERCENT} % of the mutations were accepted");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn mutations(arguments: &Arguments, driver: &mut Driver) -> u64 {
    let mut random = Random::new(arguments.seed);
    let mut message = Vec::new();
    let (mut accepted, mut resident) = (0, None);
    for i in 0..arguments.count {
        message.clear();
        request(&mut random, &mut message);
        for _ in 0..1 + random.below(2) {
            mutate(&mut random, &mut message);
        }
        accepted += u64::from(driver.accepts(&message, &mut random));
        note_resident(&mut resident, i, arguments.count);
    }
    println!(
        "{} mutations of valid requests: {accepted} accepted ({:.1} %)",
        arguments.count,
        accepted as f64 * 100.0 / arguments.count.max(1) as f64
    );
    accepted
}

/// Blocks of bytes of which one in three is wholly random; the others are drawn from what requests
/// are made of, so that they get further.
fn random_bytes(arguments: &Arguments, driver: &mut Driver) {
    const ALPHABET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n0123456789abcdef;=\"\\,\t\0";
    const BLOCK: u64 = 4096;
    let mut random = Random::new(!arguments.seed);
    let mut block = Vec::new();
    let blocks = arguments.random_bytes.div_ceil(BLOCK);
    let mut resident = None;
    for i in 0..blocks {
        block.clear();
        let prefix = random.below(3);
        if prefix == 1 {
            block.extend_from_slice(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
        }
        while (block.len() as u64) < BLOCK {
            block.push(match prefix {
                0 => random.byte(),
                _ => ALPHABET[random.below(ALPHABET.len())],
            });
        }
        // What is refused at its first bytes is tried again behind them.
        let mut from = 0;
        while from < block.len() {
            from += driver.feed(&block[from..], &mut random).1.max(1);
        }
        note_resident(&mut resident, i, blocks);
    }
    println!(
        "{} random bytes: no panic, no hang, no growth",
        blocks * BLOCK
    );
}

/// Takes note of the resident size after a hundredth of the work, and compares at the end.
fn note_resident(first: &mut Option<usize>, i: u64, count: u64) {
    if i == count / 100 {
        *first = resident_bytes();
    } else if i + 1 == count
        && let (Some(first), Some(last)) = (*first, resident_bytes())
    {
        println!(
            "resident: {} KiB at first, {} KiB at the end",
            first / 1024,
            last / 1024
        );
        assert!(last < first + GROWTH, "the resident size grew");
    }
}

/// The resident size of this process, where the system says it in this way.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[derive(Default)]
struct Driver {
    head: RequestHead,
    limits: Limits,
}

impl Driver {
    /// Whether at least one whole request came of the input, and nothing wrong.
    fn accepts(&mut self, input: &[u8], random: &mut Random) -> bool {
        matches!(self.feed(input, random), (Some(1..), _))
    }

    /// Feeds the input to a new connection, in one piece or in some; returns how many whole requests
    /// came of it (none if there was an error), and how much was used.
    fn feed(&mut self, input: &[u8], random: &mut Random) -> (Option<u32>, usize) {
        let mut connection = ServerConnection::default();
        let (mut from, mut requests, mut steps) = (0, 0, 0);
        let mut end = 0;
        while end < input.len() {
            end = if random.chance(50) {
                input.len()
            } else {
                end + 1 + random.below(input.len() - end)
            };
            loop {
                steps += 1;
                assert!(steps < 100 + 8 * input.len(), "it goes round in circles");
                let given = &input[from..end];
                let Ok(progress) = connection.receive(given, &mut self.head, &self.limits) else {
                    return (None, from);
                };
                assert!(progress.consumed <= given.len());
                from += progress.consumed;
                match progress.event {
                    Event::NeedInput => {
                        assert!(end - from < self.limits.head_bytes);
                        break;
                    }
                    Event::Body(range) => assert!(!given[range].is_empty()),
                    Event::Head => self.read_head(),
                    Event::End => requests += 1,
                    Event::Paused => connection.next_request(),
                    Event::Trailers => assert!(self.head.trailers().len() > 0),
                }
            }
        }
        (Some(requests), from)
    }

    /// Asks a head for all it has.
    fn read_head(&self) {
        let head = &self.head;
        assert!(!head.method_str().is_empty() && !head.target().is_empty());
        assert!(head.headers().all(|(name, _)| !name.is_empty()));
        assert!(head.target().ends_with(head.query().unwrap_or_default()));
        std::hint::black_box((
            head.path(),
            head.host(),
            head.header("cookie"),
            head.upgrade(),
        ));
    }
}
