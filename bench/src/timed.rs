//! The timed scenarios: rounds, and in each round every server once, in an order that changes.
//!
//! Every measurement is of a fresh process: started, checked, warmed up, timed, stopped. Nothing else of the benchmark runs
//! meanwhile, and the luck of one process's memory layout is part of the spread and not of the result.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::account::{self, CpuTime};
use crate::bench::{Bench, Skipped};
use crate::check;
use crate::load::{Drive, Key, Load, Requests, SecureLoad};
use crate::random::Random;
use crate::servers::{How, KINDS, Kind, Server, WORKERS};
use crate::shape::{Content, Shape, Workers};
use crate::stop;

/// The bare loop's user time a request, in microseconds, above which a round is void: it then did not measure the floor.
pub(crate) const VOID_USER: f64 = 0.25;

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Answers that came while the clock ran.
    pub(crate) requests: u64,
    /// How long that was, in nanoseconds.
    pub(crate) elapsed: u64,
    /// What the server spent.
    pub(crate) cpu: CpuTime,
    /// The part of the server's CPU that went to other processes and the hypervisor, 0 to 1 (in steps of a clock tick).
    pub(crate) foreign: f64,
    /// Connections that the server closed and the load generator made again.
    pub(crate) reopened: u64,
}

impl Sample {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 * 1e9 / self.elapsed as f64
    }

    /// CPU microseconds a request, user and system together.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu.total as f64 / 1e3 / self.requests as f64
    }

    /// User microseconds a request, as sampled by timer ticks.
    pub(crate) fn user(&self) -> f64 {
        self.cpu.user() / 1e3 / self.requests as f64
    }

    /// The share of the time in which the server was on its CPU.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu.total as f64 / self.elapsed as f64
    }
}

/// One server's part in a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) server: &'static str,
    /// One a round, in the order of the rounds.
    pub(crate) samples: Vec<Sample>,
}

/// A scenario's outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Timed {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
    /// The mean length of a request in bytes.
    pub(crate) request_bytes: usize,
    /// Rounds begun again because the bare loop was not bare.
    pub(crate) void: usize,
    /// True when so many rounds were void that it was given up and the rest stands as measured.
    pub(crate) void_kept: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) skipped: Vec<Skipped>,
}

/// Runs all rounds of a scenario.
pub(crate) fn run(bench: &Bench<'_>, shape: &Shape) -> Result<Timed> {
    let requests = Requests::build(shape, bench.site);
    let mut timed = Timed {
        name: shape.name,
        about: shape.about,
        connections: shape.connections,
        depth: shape.depth,
        request_bytes: requests.mean_length(),
        void: 0,
        void_kept: false,
        rows: Vec::new(),
        skipped: Vec::new(),
    };
    let how = How {
        logged: shape.logged,
        secure: shape.secure.is_some(),
        closes: shape.reconnect,
        two_cpus: shape.workers == Some(Workers::Apart),
        ..How::default()
    };
    if how.secure {
        Key::at(bench.site.scratch()).make()?;
    }
    let all = match shape.workers {
        Some(_) => WORKERS,
        None => KINDS,
    };
    let mut kinds = bench.able_as(all, shape.content, &how, &mut timed.skipped);
    if shape.depth > 1 {
        let in_order = |kind: &&Kind| {
            let wrong = order(bench, shape.depth, kind).err();
            if let Some(error) = &wrong {
                let reason = format!("{error:#}");
                timed.skipped.push(Skipped {
                    server: kind.name,
                    reason,
                });
            }
            wrong.is_none()
        };
        kinds.retain(in_order);
        stop::check()?;
    }
    timed.rows = kinds
        .iter()
        .map(|kind| Row {
            server: kind.name,
            samples: Vec::new(),
        })
        .collect();
    let mut random = Random::new(7);
    let mut round = 0;
    while round < bench.rounds {
        random.shuffle(&mut kinds);
        // The floor first where it is part of it, so that a void round costs no more than it.
        kinds.sort_by_key(|kind| kind.name != "bare");
        let mut samples = Vec::new();
        for kind in &kinds {
            stop::check()?;
            let sample = measure(bench, shape, &how, &requests, kind);
            // What fails once is out of the scenario, with its reason; the others go on.
            match sample {
                Ok(sample) => samples.push((kind.name, Some(sample))),
                Err(error) => {
                    stop::check()?;
                    timed.skipped.push(Skipped {
                        server: kind.name,
                        reason: format!("{error:#}"),
                    });
                    samples.push((kind.name, None));
                    continue;
                }
            }
            if kind.name == "bare" && voids(shape, &samples) && !timed.void_kept {
                break;
            }
        }
        if voids(shape, &samples) && !timed.void_kept {
            timed.void += 1;
            timed.void_kept = timed.void >= bench.rounds;
            bench.say(&format!(
                "{} round {}: void, the bare loop spent too much in user mode",
                shape.name,
                round + 1
            ));
            continue;
        }
        for (name, sample) in &samples {
            match sample {
                None => {
                    kinds.retain(|kind| kind.name != *name);
                    timed.rows.retain(|row| row.server != *name);
                }
                Some(sample) => {
                    let row = timed.rows.iter_mut().find(|row| row.server == *name);
                    row.context("a server without a row")?.samples.push(*sample);
                }
            }
        }
        round += 1;
        let line: Vec<String> = samples
            .iter()
            .filter_map(|(name, sample)| {
                sample.map(|s| format!("{name} {:.0}/s {:.2} us", s.rate(), s.cpu()))
            })
            .collect();
        bench.say(&format!(
            "{} round {round} of {}: {}",
            shape.name,
            bench.rounds,
            line.join(", ")
        ));
        if timed.rows.is_empty() {
            break;
        }
    }
    Ok(timed)
}

/// Whether answers to pipelined requests come in order. Every plaintext answer is the same, so files are asked for, from those that
/// serve them.
fn order(bench: &Bench<'_>, depth: usize, kind: &Kind) -> Result<()> {
    if !(kind.serves)(Content::Files) {
        return Ok(());
    }
    let shape = Shape {
        depth,
        ..Shape::keep_alive(Content::Files, 1)
    };
    let server = bench.start(kind, shape.content)?;
    let requests = Requests::build(&shape, bench.site);
    check::answers(server.address, &shape, &requests).context("pipelined files")
}

/// Whether a round says nothing. A connection for every request, and a large file, take their time in the bare loop too.
fn voids(shape: &Shape, samples: &[(&str, Option<Sample>)]) -> bool {
    shape.content.is_small() && !shape.reconnect && sample_is_void(samples)
}

fn sample_is_void(samples: &[(&str, Option<Sample>)]) -> bool {
    samples
        .iter()
        .any(|(name, sample)| *name == "bare" && sample.is_some_and(|s| s.user() > VOID_USER))
}

fn measure(
    bench: &Bench<'_>,
    shape: &Shape,
    how: &How,
    requests: &Requests,
    kind: &Kind,
) -> Result<Sample> {
    let servers = (0..kind.copies).map(|_| bench.start_as(kind, shape.content, how));
    let servers = servers.collect::<Result<Vec<Server>>>()?;
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let pids: Vec<u32> = servers.iter().flat_map(|it| it.pids.clone()).collect();
    let mut load: Box<dyn Drive + '_> = match shape.secure {
        // Every answer is compared.
        Some(secure) => {
            let key = Key::at(bench.site.scratch());
            let load = SecureLoad::open(addresses[0], shape, secure, requests, &key)?;
            Box::new(load)
        }
        None => {
            for address in &addresses {
                check::answers(*address, shape, requests).context("a wrong answer")?;
            }
            Box::new(Load::open(&addresses, shape, requests)?)
        }
    };
    load.drive(Instant::now() + bench.warm_up, u64::MAX)
        .context("warming up")?;
    let ticks = account::cpu_busy(bench.server_cpu)?;
    let before = account::cpu_time(&pids)?;
    let started = Instant::now();
    let answers = load.drive(started + bench.measure, u64::MAX)?;
    let elapsed = started.elapsed();
    let cpu = account::cpu_time(&pids)? - before;
    let ticks = account::cpu_busy(bench.server_cpu)? - ticks;
    anyhow::ensure!(answers > 0, "no answers");
    let all = Duration::from_millis(10 * (ticks.busy + ticks.stolen)).as_nanos() as f64;
    Ok(Sample {
        requests: answers,
        elapsed: elapsed.as_nanos() as u64,
        cpu,
        foreign: ((all - cpu.total as f64) / elapsed.as_nanos() as f64).clamp(0.0, 1.0),
        reopened: load.reopened(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_sample() {
        let sample = Sample {
            requests: 250_000,
            elapsed: 1_000_000_000,
            cpu: CpuTime {
                total: 950_000_000,
                ticks_user: 10,
                ticks_both: 200,
            },
            foreign: 0.0,
            reopened: 0,
        };
        assert_eq!(sample.rate(), 250_000.0);
        assert!((sample.cpu() - 3.8).abs() < 1e-9);
        assert!((sample.user() - 0.19).abs() < 1e-9);
        assert!((sample.busy() - 0.95).abs() < 1e-9);
        assert!(!sample_is_void(&[("bare", Some(sample)), ("nginx", None)]));
        let cpu = CpuTime {
            ticks_user: 20,
            ..sample.cpu
        };
        assert!(sample_is_void(&[("bare", Some(Sample { cpu, ..sample }))]));
        assert!(!sample_is_void(&[(
            "nginx",
            Some(Sample { cpu, ..sample })
        )]));
    }
}
