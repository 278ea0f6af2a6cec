//! What an idle keep-alive connection costs in user memory: many are opened, each has one request answered, and then they are
//! held. The growth of the server's anonymous resident memory, divided by their number, is the figure.
//!
//! Kernel memory (the socket itself) is the same for every server and not counted. What a server has set aside at its start, as
//! nginx does for `worker_connections`, is not growth: the totals are printed beside it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::account;
use crate::bench::{Bench, Skipped};
use crate::check;
use crate::load::{Heads, REQUESTS, Requests};
use crate::servers::Kind;
use crate::shape::{Content, Shape};
use crate::stop;

/// How long a server has to come to rest, and to answer.
const REST: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);

/// One server's memory.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) server: &'static str,
    /// Plaintext or a file.
    pub(crate) content: Content,
    /// Connections held.
    pub(crate) connections: usize,
    /// Anonymous resident bytes before the connections were made.
    pub(crate) before: u64,
    /// The same with all of them idle.
    pub(crate) held: u64,
    /// All resident bytes, before and with them.
    pub(crate) resident: (u64, u64),
}

impl Memory {
    /// Bytes a connection.
    pub(crate) fn each(&self) -> f64 {
        self.held.saturating_sub(self.before) as f64 / self.connections as f64
    }
}

/// The scenario's outcome.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Idle {
    pub(crate) rows: Vec<Memory>,
    pub(crate) skipped: Vec<Skipped>,
}

/// Holds `connections` to every server, one after the other.
pub(crate) fn run(bench: &Bench<'_>, connections: usize) -> Result<Idle> {
    let mut outcome = Idle::default();
    for content in [Content::Plaintext, Content::Files] {
        for kind in bench.able(content, &mut outcome.skipped) {
            stop::check()?;
            match measure(bench, kind, content, connections) {
                Ok(memory) => {
                    bench.say(&format!(
                        "idle {} {content:?}: {:.0} bytes a connection",
                        kind.name,
                        memory.each()
                    ));
                    outcome.rows.push(memory);
                }
                Err(error) => outcome.skipped.push(Skipped {
                    server: kind.name,
                    reason: format!("{error:#}"),
                }),
            }
        }
    }
    Ok(outcome)
}

fn measure(
    bench: &Bench<'_>,
    kind: &'static Kind,
    content: Content,
    connections: usize,
) -> Result<Memory> {
    let shape = Shape::keep_alive(content, 1);
    let requests = Requests::build(&shape, bench.site);
    let server = bench.start(kind, content)?;
    check::answers(server.address, &shape, &requests).context("a wrong answer")?;
    // What a server keeps of the files is no part of a connection.
    let mut first = check::connect(server.address)?;
    for number in 0..REQUESTS {
        ask(&mut first, &requests, number)?;
    }
    drop(first);
    std::thread::sleep(REST);
    let before = account::resident(&server.pids)?;
    let mut held = Vec::with_capacity(connections);
    for number in 0..connections {
        stop::check()?;
        let mut stream =
            check::connect(server.address).with_context(|| format!("connection {number}"))?;
        ask(&mut stream, &requests, number % REQUESTS)
            .with_context(|| format!("connection {number}"))?;
        held.push(stream);
    }
    std::thread::sleep(REST);
    let after = account::resident(&server.pids)?;
    // They count only if the server really held them.
    for number in (0..connections).step_by(97) {
        ask(&mut held[number], &requests, number % REQUESTS)
            .with_context(|| format!("connection {number} was not held"))?;
    }
    Ok(Memory {
        server: kind.name,
        content,
        connections,
        before: before.anonymous,
        held: after.anonymous,
        resident: (before.all, after.all),
    })
}

fn ask(stream: &mut TcpStream, requests: &Requests, at: usize) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(requests.burst(at, 1))?;
    let mut heads = Heads::default();
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    loop {
        if let Some(head) = heads.read(&buffer[..filled])?
            && filled >= head.length + head.body
        {
            ensure!(
                &buffer[head.length..filled] == requests.body(at),
                "a wrong body"
            );
            return Ok(());
        }
        match stream.read(&mut buffer[filled..])? {
            0 => anyhow::bail!("closed in the middle of an answer"),
            read => filled += read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_shared_out_and_never_negative() {
        let memory = Memory {
            server: "x",
            content: Content::Plaintext,
            connections: 8_000,
            before: 1_000_000,
            held: 4_200_000,
            resident: (0, 0),
        };
        assert_eq!(memory.each(), 400.0);
        assert_eq!(Memory { held: 0, ..memory }.each(), 0.0);
    }
}
