//! `bucle bench connections`: many connections held by one loop, and by a thread for each.
//!
//! | file | what |
//! |---|---|
//! | `servers` | the two servers of echoes, each a process of its own |
//! | `clients` | the other ends, and the load on them |

mod clients;
mod servers;

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

pub(crate) use servers::{loop_server, thread_server};

use super::account;
use super::child::{self, Kind};
use super::machine::{memory, raise_open_files};
use super::report::{Bar, Chart, Output, Report, Table};
use super::rounds::{Subject, interleaved, pause};
use super::stats::Spread;
use super::units::Unit;
use crate::units::within;

/// Rounds without `--rounds`.
const ROUNDS: u32 = 3;
/// Descriptors that this process needs besides its connections.
const SPARE_DESCRIPTORS: u64 = 64;

#[derive(Args)]
pub(crate) struct Connections {
    /// How many connections are held.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = within(1u32..=1_000_000))]
    connections: u32,

    /// How many of them are busy, in the part where some are; all unless said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    busy: Option<u32>,

    /// How long each part takes, as in 2, 500ms or 1m.
    #[arg(long, value_name = "TIME", default_value_t = 3.0, value_parser = super::seconds, allow_negative_numbers = true)]
    seconds: f64,

    /// How often both are measured.
    #[arg(long, value_name = "N", value_parser = within(1u32..=100))]
    rounds: Option<u32>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// What is measured of a server, in the order of the table.
const MEASURES: [(&str, Unit, &str); 10] = [
    ("held", Unit::Number, "connections that were held"),
    (
        "accept",
        Unit::Nanoseconds,
        "to connect, send a message and get it back, at first",
    ),
    (
        "memory",
        Unit::Bytes,
        "memory of the process, for each connection",
    ),
    (
        "mapped",
        Unit::Bytes,
        "addresses of the process, for each connection",
    ),
    (
        "page-tables",
        Unit::Bytes,
        "page tables of the process, for each connection",
    ),
    (
        "kernel-stack",
        Unit::Bytes,
        "kernel stacks (of the whole machine), for each connection",
    ),
    (
        "idle-cpu",
        Unit::Share,
        "of one CPU, with all connections idle",
    ),
    (
        "messages",
        Unit::PerSecond,
        "messages and answers, with the busy ones busy",
    ),
    (
        "cpu-message",
        Unit::Nanoseconds,
        "CPU time of the server for a message",
    ),
    (
        "switches",
        Unit::Number,
        "context switches of the server for a message",
    ),
];

/// One of the two ways, and what was seen of it.
struct Way {
    name: &'static str,
    kind: Kind,
    connections: usize,
    busy: usize,
    time: Duration,
    samples: Vec<Vec<f64>>,
    /// Why fewer connections than asked for were held.
    shortage: Option<String>,
}

impl Connections {
    pub(crate) fn run(self) -> Result<(), String> {
        let quick = self.output.quick;
        let asked = if quick {
            self.connections.min(100)
        } else {
            self.connections
        };
        let seconds = if quick {
            self.seconds.min(0.2)
        } else {
            self.seconds
        };
        let rounds = self.rounds.unwrap_or(if quick { 1 } else { ROUNDS });
        // The servers inherit the limit.
        let limit = raise_open_files(u64::from(asked) + SPARE_DESCRIPTORS);
        let fit = u64::from(asked).min(limit.saturating_sub(SPARE_DESCRIPTORS)) as usize;
        if fit == 0 {
            return Err(format!(
                "the limit on open files, {limit}, leaves room for no connection; raise it with `ulimit -n`"
            ));
        }
        let busy = self.busy.map_or(fit, |busy| fit.min(busy as usize));
        let mut report = Report::new(
            "connections",
            json!({ "connections": asked, "busy": busy, "seconds": seconds, "rounds": rounds, "quick": quick }),
        );
        if asked < self.connections {
            report.note(format!(
                "--quick holds {asked} connections, not {}",
                self.connections
            ));
        }
        if fit < asked as usize {
            report.note(format!(
                "the limit on open files, {limit}, leaves room for {fit} connections, not {asked}; raise it with `ulimit -n`"
            ));
        }
        let way = |name, kind| Way {
            name,
            kind,
            connections: fit,
            busy,
            time: Duration::from_secs_f64(seconds),
            samples: vec![Vec::new(); MEASURES.len()],
            shortage: None,
        };
        let mut ways = [
            way("loop", Kind::LoopServer),
            way("threads", Kind::ThreadServer),
        ];
        for (name, reason) in interleaved(&mut ways, rounds) {
            report.note(format!("{name} could not be measured: {reason}"));
        }
        fill(&mut report, &ways);
        report.deliver(&self.output)
    }
}

impl Subject for Way {
    fn name(&self) -> &str {
        self.name
    }

    fn sample(&mut self, keep: bool) -> Result<(), String> {
        if !keep {
            // A process of its own for each sample: there is nothing to warm up.
            return Ok(());
        }
        let Some(values) = self.measure()? else {
            return Ok(());
        };
        for (samples, value) in self.samples.iter_mut().zip(values) {
            samples.push(value);
        }
        Ok(())
    }
}

impl Way {
    /// None if a signal came in the middle.
    fn measure(&mut self) -> Result<Option<Vec<f64>>, String> {
        let mut server = child::start(&[self.kind.name()])?;
        let line = server.first_line()?;
        let port: u16 = line
            .parse()
            .map_err(|_| format!("a server of ours said `{line}`"))?;
        let pid = server.id();
        let before = (account::memory(pid)?, memory("KernelStack"));
        let start = Instant::now();
        let (streams, shortage) = clients::connect(port, self.connections);
        let accepting = start.elapsed();
        if streams.is_empty() {
            return Err(shortage.unwrap_or_else(|| "no connection could be made".into()));
        }
        self.shortage = shortage;
        let held = streams.len() as f64;
        let after = (account::memory(pid)?, memory("KernelStack"));
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / held;
        let (cpu, idle) = (account::cpu(pid)?, Instant::now());
        if !pause(self.time) {
            return Ok(None);
        }
        let idle_cpu = (account::cpu(pid)? - cpu).as_secs_f64() / idle.elapsed().as_secs_f64();
        let (cpu, switches) = (account::cpu(pid)?, switches_of(pid));
        let look = move || (account::cpu(pid), switches_of(pid));
        let Some(busy) = clients::drive(streams, self.busy, self.time, look)? else {
            return Ok(None);
        };
        let messages = busy.messages.max(1) as f64;
        let spent = busy.seen.0?.saturating_sub(cpu);
        let switched = busy.seen.1.saturating_sub(switches);
        Ok(Some(vec![
            held,
            accepting.as_nanos() as f64 / held,
            each(before.0.anonymous, after.0.anonymous),
            each(before.0.mapped, after.0.mapped),
            each(before.0.page_tables, after.0.page_tables),
            each(before.1, after.1),
            idle_cpu,
            messages / busy.time.as_secs_f64(),
            spent.as_nanos() as f64 / messages,
            switched as f64 / messages,
        ]))
    }
}

fn switches_of(pid: u32) -> u64 {
    let (waited, preempted) = account::switches(pid);
    waited + preempted
}

fn fill(report: &mut Report, ways: &[Way; 2]) {
    let columns = [
        "figure",
        "loop",
        "quartiles",
        "threads",
        "quartiles",
        "threads / loop",
        "what",
    ];
    let mut table = Table::new(
        "One loop, and a thread for every connection, in a process each",
        &columns,
    );
    let mut results = serde_json::Map::new();
    for (at, (name, unit, title)) in MEASURES.into_iter().enumerate() {
        let spreads = ways
            .each_ref()
            .map(|way| Spread::of(way.samples[at].iter().copied()));
        let mut row = vec![name.to_owned()];
        for spread in spreads {
            row.push(spread.map_or("-".into(), |s| unit.show(s.median)));
            row.push(spread.map_or("-".into(), |s| {
                format!("{} .. {}", unit.show(s.low), unit.show(s.high))
            }));
        }
        let ratio = match spreads {
            [Some(one), Some(other)] if one.median > 0.0 => {
                Unit::Number.show(other.median / one.median)
            }
            _ => "-".into(),
        };
        row.extend([ratio, title.to_owned()]);
        table.row(row);
        let values = ways.iter().zip(spreads).map(|(way, spread)| {
            let samples = &way.samples[at];
            (
                way.name.to_owned(),
                json!({ "spread": spread, "samples": samples }),
            )
        });
        let values: serde_json::Map<_, _> = values.collect();
        results.insert(
            name.into(),
            json!({ "what": title, "unit": unit, "ways": values }),
        );
        let bars = ways
            .iter()
            .zip(spreads)
            .enumerate()
            .filter_map(|(group, (way, spread))| {
                let name = way.name.to_owned();
                spread.map(|spread| Bar {
                    name,
                    spread,
                    group,
                })
            });
        if at > 0 {
            report.charts.push(Chart::Bars {
                title: format!("{name}: {title}"),
                unit,
                log: false,
                bars: bars.collect(),
            });
        }
    }
    report.tables.push(table);
    report.results = json!({ "figures": results });
    for way in ways {
        if let Some(shortage) = &way.shortage {
            report.note(format!(
                "{}: fewer connections than asked for: {shortage}",
                way.name
            ));
        }
    }
    report.note(
        "memory is what the process wrote itself; what the kernel keeps for the sockets is the same for both. \
         One loop uses one CPU; the threads may use all",
    );
}
