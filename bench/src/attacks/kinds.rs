//! The attacks, each bounded: what it does, how often, and what must come of it beyond what every attack
//! is asked (see [`super`]).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::crowd::{Crowd, Done, Member, breathe};
use super::{HEADER_TIMEOUT, PATIENCE};
use crate::site::{LARGE, NAMES, ONE_KIB};

/// How long what is held is held.
const HELD: Duration = Duration::from_secs(3);

/// From one byte of a slow connection to its next.
const DRIP: Duration = Duration::from_millis(200);

/// What a wave may leave behind of memory, in KiB: what an allocator has that is not worth to be given back.
const LEFT_BEHIND: u64 = 1024;

/// A wave of an attack on one server.
pub(super) struct Wave {
    pub(super) server: SocketAddr,
    /// A tenth of everything.
    pub(super) quick: bool,
}

impl Wave {
    fn count(&self, whole: usize) -> usize {
        if self.quick { whole / 10 } else { whole }
    }

    fn held(&self) -> Duration {
        if self.quick { HELD / 3 } else { HELD }
    }
}

/// An attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// More than this the server's own memory may not grow while it lasts, in KiB.
    pub(super) most_kib: u64,
    /// More than this a wave may not leave behind of it, in KiB.
    pub(super) left_kib: u64,
    /// The limit on open files that the server gets, if not this process's.
    pub(super) files: Option<u64>,
    /// Whether it says anything about others than Bucle.
    pub(super) for_all: bool,
    /// One wave; says in a few words what it saw.
    pub(super) wave: fn(&Wave) -> Result<String>,
}

pub(super) const ALL: &[Attack] = &[
    Attack {
        name: "slow-heads",
        about: "1,000 heads that come byte by byte and never end",
        most_kib: 4 * 1024,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: slow_heads,
    },
    Attack {
        name: "slow-bodies",
        about: "1,000 bodies that come byte by byte",
        most_kib: 4 * 1024,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: slow_bodies,
    },
    Attack {
        name: "slow-readers",
        about: "200 clients that read 10 MiB in drops",
        most_kib: 8 * 1024,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: slow_readers,
    },
    Attack {
        name: "idle",
        about: "5,000 idle connections",
        most_kib: 4 * 1024,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: idle,
    },
    Attack {
        name: "resets",
        about: "2,000 resets in the middle of an answer of 10 MiB",
        most_kib: 4 * 1024,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: resets,
    },
    Attack {
        name: "connects",
        about: "100,000 connections from as many addresses as there are in 127.0.0.0/16, 50 at once",
        most_kib: 4 * 1024,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: connects,
    },
    Attack {
        name: "pipelining",
        about: "50 clients that ask on and on and read nothing, and when nothing more is taken of them, 50 others",
        most_kib: 50 * 256,
        left_kib: LEFT_BEHIND,
        files: None,
        for_all: true,
        wave: pipelining,
    },
    Attack {
        name: "descriptors",
        about: "1,000 connections to a server that may have 512 files open",
        most_kib: 4 * 1024,
        left_kib: LEFT_BEHIND,
        files: Some(512),
        for_all: true,
        wave: descriptors,
    },
    Attack {
        name: "listing",
        about: "100 times the page of a folder of 50,000 names, by four clients",
        most_kib: 64 * 1024,
        // The end of a thread's own heap is not given back by glibc.
        left_kib: 3 * 1024,
        files: None,
        for_all: false,
        wave: listing,
    },
];

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n").into_bytes()
}

/// Every member sends a byte every [`DRIP`], until the server has ended all or `until` has come; how many
/// it has ended.
fn drip(crowd: &mut Crowd, byte: &[u8], until: Instant) -> Result<usize> {
    let mut ended = 0;
    let mut buffer = [0; 4096];
    while !crowd.0.is_empty() && Instant::now() < until {
        let next = Instant::now() + DRIP;
        for (number, member) in std::mem::take(&mut crowd.0).into_iter().enumerate() {
            if number % 50 == 49 {
                breathe()?;
            }
            if member.send(byte) == Done::Ended || member.receive(&mut buffer) == Done::Ended {
                ended += 1;
            } else {
                crowd.0.push(member);
            }
        }
        if let Some(left) = next.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
    }
    Ok(ended)
}

fn slow_heads(wave: &Wave) -> Result<String> {
    let count = wave.count(1_000);
    let mut crowd = Crowd::gather(wave.server, count)?;
    for member in &crowd.0 {
        member.send(b"GET / HTTP/1.1\r\nHost: bench.example\r\nX-Slow: ");
    }
    let begun = Instant::now();
    let ended = drip(&mut crowd, b"x", begun + HEADER_TIMEOUT + PATIENCE)?;
    ensure!(
        ended == count,
        "{} of {count} heads were not cut within {} s",
        count - ended,
        (HEADER_TIMEOUT + PATIENCE).as_secs()
    );
    Ok(format!(
        "all cut after {:.1} s",
        begun.elapsed().as_secs_f64()
    ))
}

fn slow_bodies(wave: &Wave) -> Result<String> {
    let count = wave.count(1_000);
    let mut crowd = Crowd::gather(wave.server, count)?;
    let head =
        format!("POST {ONE_KIB} HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 200000\r\n\r\n");
    for member in &crowd.0 {
        member.send(head.as_bytes());
    }
    let ended = drip(&mut crowd, b"x", Instant::now() + wave.held())?;
    Ok(format!("{ended} of {count} ended by the server"))
}

fn slow_readers(wave: &Wave) -> Result<String> {
    let count = wave.count(200);
    let mut crowd = Crowd::default();
    for number in 0..count {
        let member = Member::connect(wave.server, None)?;
        member.take_in_little()?;
        member.send(&get(LARGE[1].0));
        crowd.0.push(member);
        if number % 10 == 9 {
            breathe()?;
        }
    }
    let until = Instant::now() + wave.held();
    let mut buffer = [0; 100];
    let mut read = 0;
    while Instant::now() < until {
        for member in &crowd.0 {
            if let Done::Some(bytes) = member.receive(&mut buffer) {
                read += bytes;
            }
        }
        breathe()?;
        std::thread::sleep(DRIP);
    }
    Ok(format!("{read} bytes were read by all"))
}

fn idle(wave: &Wave) -> Result<String> {
    let count = wave.count(5_000);
    let mut crowd = Crowd::default();
    let request = get(ONE_KIB);
    let mut buffer = [0; 8192];
    for number in 0..count {
        let member = Member::connect(wave.server, None)?;
        member.send(&request);
        crowd.0.push(member);
        if number % 20 == 19 {
            breathe()?;
            for member in &crowd.0[number - 19..] {
                member.wait(&mut buffer)?;
            }
        }
    }
    std::thread::sleep(wave.held());
    // They count only if the server really held them.
    for member in crowd.0.iter().step_by(97) {
        while let Done::Some(_) = member.receive(&mut buffer) {}
        member.send(&request);
        ensure!(
            matches!(member.wait(&mut buffer)?, Done::Some(_)),
            "an idle connection was not held"
        );
    }
    Ok("all held".to_owned())
}

fn resets(wave: &Wave) -> Result<String> {
    let count = wave.count(2_000);
    let request = get(LARGE[1].0);
    let mut buffer = [0; 4096];
    for _ in 0..count / 20 {
        let mut crowd = Crowd::gather(wave.server, 20)?;
        for member in &crowd.0 {
            member.send(&request);
        }
        for member in crowd.0.drain(..) {
            let first = member.wait(&mut buffer)?;
            ensure!(matches!(first, Done::Some(_)), "no answer to be cut");
            member.reset();
        }
        breathe()?;
    }
    Ok(format!("{count} resets"))
}

fn connects(wave: &Wave) -> Result<String> {
    const AT_ONCE: usize = 50;
    let count = wave.count(100_000);
    let request = get(ONE_KIB);
    let mut buffer = [0; 8192];
    let (mut number, mut answered) = (0_usize, 0);
    while number < count {
        let mut crowd = Crowd::default();
        for _ in 0..AT_ONCE.min(count - number) {
            // The honest client is 127.0.0.1.
            let [.., high, low] = (number as u32 % 65_000 + 256).to_be_bytes();
            let from = Ipv4Addr::new(127, 0, high, low);
            crowd.0.push(Member::connect(wave.server, Some(from))?);
            number += 1;
        }
        // One of each fifty asks for something; the others come and go.
        crowd.0[0].send(&request);
        if matches!(crowd.0[0].wait(&mut buffer)?, Done::Some(_)) {
            answered += 1;
        }
        drop(crowd);
        breathe()?;
    }
    ensure!(
        answered == count.div_ceil(AT_ONCE),
        "only {answered} of those that asked were answered"
    );
    Ok(format!("{number} connections, {answered} of them asked"))
}

fn pipelining(wave: &Wave) -> Result<String> {
    let requests = get(ONE_KIB).repeat(500);
    let until = Instant::now() + wave.held();
    let (mut crowds, mut sent) = (0, 0);
    // From clients that do not read, only so much is taken, in some 0.2 s: then others come in their place, since an honest
    // client that asks every 2 ms sees nothing in so little time that would be worth a 99th percentile.
    while Instant::now() < until {
        let crowd = Crowd::gather(wave.server, wave.count(50))?;
        sent += ask_without_end(&crowd, &requests, until)?;
        crowds += 1;
    }
    Ok(format!(
        "{} KiB of requests of {crowds} crowds were taken",
        sent / 1024
    ))
}

/// Everyone sends `requests`, again and again, until `until` or until nothing more is taken; how many bytes were.
fn ask_without_end(crowd: &Crowd, requests: &[u8], until: Instant) -> Result<usize> {
    /// All of them together send no more.
    const MOST: usize = 64 * 1024 * 1024;
    /// Of rounds in which nothing is taken, some 0.1 s.
    const IN_VAIN: usize = 40;
    let (mut sent, mut in_vain) = (0, 0);
    // Where each stands in the requests: a send may end in the middle of one.
    let mut places = vec![0; crowd.0.len()];
    while Instant::now() < until && sent < MOST && in_vain < IN_VAIN {
        let before = sent;
        for (member, place) in crowd.0.iter().zip(&mut places) {
            if let Done::Some(bytes) = member.send(&requests[*place..]) {
                sent += bytes;
                *place = (*place + bytes) % requests.len();
            }
        }
        in_vain = if sent == before { in_vain + 1 } else { 0 };
        breathe()?;
    }
    Ok(sent)
}

fn descriptors(wave: &Wave) -> Result<String> {
    // What the backlog takes counts as connected.
    let crowd = Crowd::gather(wave.server, 1_000)?;
    for member in &crowd.0 {
        member.send(&get(ONE_KIB));
    }
    std::thread::sleep(wave.held());
    let mut buffer = [0; 8192];
    let answered = crowd
        .0
        .iter()
        .filter(|member| matches!(member.receive(&mut buffer), Done::Some(_)))
        .count();
    ensure!(answered > 0, "none of them was answered");
    drop(crowd);
    // Whoever comes now is served.
    let member = Member::connect(wave.server, None)?;
    member.send(&get(ONE_KIB));
    let received = member.wait(&mut buffer)?;
    let begin = buffer.starts_with(b"HTTP/1.1 200 ");
    ensure!(
        matches!(received, Done::Some(_)) && begin,
        "a new client was not served when the others had gone"
    );
    Ok(format!("{answered} of 1000 were answered at once"))
}

fn listing(wave: &Wave) -> Result<String> {
    let request = get(NAMES);
    let mut buffer = vec![0; 256 * 1024];
    let crowd = Crowd::gather(wave.server, 4)?;
    let mut left = vec![wave.count(100) / 4; 4];
    let mut wanted = vec![0_usize; 4];
    let mut received = 0;
    let end = Instant::now() + 6 * PATIENCE;
    while left.iter().any(|left| *left > 0) || wanted.iter().any(|wanted| *wanted > 0) {
        ensure!(Instant::now() < end, "the pages did not come");
        for ((member, left), wanted) in crowd.0.iter().zip(&mut left).zip(&mut wanted) {
            if *wanted == 0 && *left > 0 {
                member.send(&request);
                *left -= 1;
                *wanted = usize::MAX;
            }
            match member.receive(&mut buffer) {
                Done::Some(bytes) if *wanted == usize::MAX => {
                    let head = crate::load::Heads::default().read(&buffer[..bytes])?;
                    let head = head.ok_or_else(|| anyhow::anyhow!("half a head"))?;
                    *wanted = (head.length + head.body).saturating_sub(bytes);
                    received += bytes;
                }
                Done::Some(bytes) => {
                    *wanted = wanted.saturating_sub(bytes);
                    received += bytes;
                }
                Done::Nothing => {}
                Done::Ended => anyhow::bail!("a page was cut"),
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(format!("{} KiB of pages", received / 1024))
}
