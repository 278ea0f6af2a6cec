//! TCP echo: what a server spends on a message, by protocol and by stream, beside tokio and a bare epoll loop.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::echo_load::EchoLoad;
use crate::account;
use crate::bench::{Bench, Skipped};
use crate::random::Random;
use crate::servers::{ECHO, Kind};
use crate::shape::Content;
use crate::stop;
use crate::timed::{Row, Sample};

/// The messages, in bytes.
pub(crate) const SIZES: &[usize] = &[1_024, 10 * 1_024, 100 * 1_024];
/// Connections, each with one message under way.
pub(crate) const CONNECTIONS: usize = 64;

/// What came out for one size.
#[derive(Debug, Serialize)]
pub(crate) struct Echo {
    pub(crate) size: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Echo {
    /// How the size is called.
    pub(crate) fn name(&self) -> String {
        format!("echo-{}k", self.size / 1_024)
    }
}

/// Runs all rounds with messages of `size` bytes.
pub(crate) fn run(bench: &Bench<'_>, size: usize) -> Result<Echo> {
    let mut echo = Echo {
        size,
        rows: ECHO
            .iter()
            .map(|kind| Row {
                server: kind.name,
                samples: Vec::new(),
            })
            .collect(),
        skipped: Vec::new(),
    };
    let mut kinds: Vec<&Kind> = ECHO.iter().collect();
    let mut random = Random::new(7);
    for _ in 0..bench.rounds {
        random.shuffle(&mut kinds);
        for kind in kinds.clone() {
            stop::check()?;
            match measure(bench, kind, size) {
                Ok(sample) => {
                    let row = echo.rows.iter_mut().find(|row| row.server == kind.name);
                    row.context("a server without a row")?.samples.push(sample);
                }
                // What fails once is out, with its reason; the others go on.
                Err(error) => {
                    stop::check()?;
                    let (server, reason) = (kind.name, format!("{error:#}"));
                    bench.say(&format!("{}: {server} is out: {reason}", echo.name()));
                    kinds.retain(|other| other.name != server);
                    echo.rows.retain(|row| row.server != server);
                    echo.skipped.push(Skipped { server, reason });
                }
            }
        }
    }
    Ok(echo)
}

fn measure(bench: &Bench<'_>, kind: &Kind, size: usize) -> Result<Sample> {
    let server = bench.start(kind, Content::Plaintext)?;
    let mut load = EchoLoad::open(server.address, size, CONNECTIONS)?;
    load.check(2 * CONNECTIONS as u64)?;
    load.drive(Instant::now() + bench.warm_up, u64::MAX)
        .context("warming up")?;
    let before = account::cpu_time(&server.pids)?;
    let started = Instant::now();
    let messages = load.drive(started + bench.measure, u64::MAX)?;
    let elapsed = started.elapsed();
    let cpu = account::cpu_time(&server.pids)? - before;
    ensure!(messages > 0, "no messages");
    Ok(Sample {
        requests: messages,
        elapsed: elapsed.as_nanos() as u64,
        cpu,
        foreign: 0.0,
        reopened: 0,
    })
}
