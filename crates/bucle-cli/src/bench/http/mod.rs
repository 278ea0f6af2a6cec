//! `bucle bench http URL`: a load generator on our own loop.
//!
//! | file | what |
//! |---|---|
//! | `target` | the URL, the request, what its answer must be |
//! | `load` | one loop's share of the load: when a request is due, and what became of it |
//! | `client` | one connection |
//! | `tally` | what was counted, and how long it took |
//! | `limit` | who was the limit: the generator, the server, or the rate that was asked for |
//! | `server` | whose process a local server is, for its CPU time |
//!
//! # Latency
//!
//! With `--rate` the load is an open loop: requests are due at fixed times, whether or not the server
//! has answered those before, and latency counts from when a request was due. A server that stops
//! for a second delays a second's worth of requests, and they all say so (no "coordinated omission").
//! Without it the load is a closed loop: a connection sends when it has been answered. Latency is
//! then what so many connections see of a server that is kept as busy as they can, and no more.
//!
//! In either case a request that was sent in time and answered late is waited for.

mod client;
mod limit;
mod load;
mod server;
mod tally;
mod target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;

use load::Plan;
use tally::Tally;
use target::{Expected, Target};

use super::account;
use super::report::{Chart, Output, Report, Series, Table};
use super::rounds::{Subject, interleaved};
use super::stats::Spread;
use super::stop;
use super::units::Unit;
use crate::units::within;

/// Rounds without `--rounds`.
const ROUNDS: u32 = 3;

#[derive(Args)]
pub(crate) struct Http {
    /// What to load: http://HOST:PORT/PATH or https://HOST:PORT/PATH. Several are measured in turns.
    #[arg(required = true, value_name = "URL", value_parser = target::parse)]
    urls: Vec<Target>,

    /// How many connections, all together.
    #[arg(long, short, value_name = "N", default_value_t = 64, value_parser = within(1u32..=1_000_000))]
    connections: u32,

    /// How many requests a connection sends before it is answered.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = within(1u16..=1_000))]
    pipeline: u16,

    /// Requests a second, at even intervals, whether or not the server keeps up (an open loop).
    #[arg(long, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// How long each round measures, as in 2, 500ms or 1m.
    #[arg(long, short, value_name = "TIME", default_value_t = 5.0, value_parser = super::seconds, allow_negative_numbers = true)]
    duration: f64,

    /// How long the load is on before each round measures, as in 2, 500ms or 1m.
    #[arg(long, value_name = "TIME", default_value_t = 0.5, value_parser = super::seconds, allow_negative_numbers = true)]
    warm_up: f64,

    /// How many rounds, for each URL.
    #[arg(long, value_name = "N", value_parser = within(1u32..=1_000))]
    rounds: Option<u32>,

    /// How many threads generate the load, each with a loop and its share of the connections.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = within(1u16..=256))]
    threads: u16,

    /// How long an answer may take, before its connection is given up, as in 2, 500ms or 1m.
    #[arg(long, value_name = "TIME", default_value_t = 10.0, value_parser = super::seconds, allow_negative_numbers = true)]
    timeout: f64,

    /// The method of the requests.
    #[arg(long, value_enum, default_value_t = Verb::Get)]
    method: Verb,

    /// A header of the requests; may be given several times.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = target::header)]
    header: Vec<String>,

    /// What the requests carry.
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,

    /// The status that every answer must have; that of the first one unless said.
    #[arg(long, value_name = "STATUS", value_parser = within(200u16..=599))]
    status: Option<u16>,

    /// Take answers of any length; else each must be as long as the first.
    #[arg(long)]
    any_length: bool,

    /// Believe servers whose certificate is vouched for by one in this file (PEM), not by the
    /// system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<std::path::PathBuf>,

    /// Believe every HTTPS server, whatever its certificate says; only for servers of one's own.
    #[arg(long, short = 'k', conflicts_with = "ca")]
    insecure: bool,

    /// The server's process, for its CPU time; found by itself if it is on this machine.
    // Linux has no process with a number above that (PID_MAX_LIMIT), and 0 would be this one.
    #[arg(long, value_name = "PID", value_parser = within(1u32..=(1 << 22) - 1))]
    pid: Option<u32>,

    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e8 => Ok(rate),
        _ => Err("it must be a number of requests a second, such as 5000".into()),
    }
}

/// A URL, and what was seen of it.
struct Subjected {
    plan: Arc<Plan>,
    threads: u16,
    pid: Option<u32>,
    rounds: Vec<Tally>,
}

impl Http {
    pub(crate) fn run(self) -> Result<(), String> {
        let quick = self.output.quick;
        let seconds = if quick {
            self.duration.min(0.3)
        } else {
            self.duration
        };
        let warm_up = if quick {
            self.warm_up.min(0.05)
        } else {
            self.warm_up
        };
        let rounds = self.rounds.unwrap_or(if quick { 1 } else { ROUNDS });
        if u32::from(self.threads) > self.connections {
            return Err(format!(
                "--threads {} is more than --connections {}; each thread needs one at least",
                self.threads, self.connections
            ));
        }
        if let Some(pid) = self.pid {
            account::cpu(pid).map_err(|_| format!("--pid {pid}: there is no such process"))?;
        }
        let wanted = u64::from(self.connections) + 64;
        let limit = super::machine::raise_open_files(wanted);
        if limit < wanted {
            return Err(format!(
                "the limit on open files is {limit}; {} connections need {wanted}: raise it with `ulimit -n`, or use fewer",
                self.connections
            ));
        }
        let mut report = Report::new(
            "http",
            json!({
                "urls": self.urls.iter().map(|url| url.text.as_str()).collect::<Vec<_>>(),
                "connections": self.connections,
                "pipeline": self.pipeline,
                "rate": self.rate,
                "seconds": seconds,
                "warm_up": warm_up,
                "rounds": rounds,
                "threads": self.threads,
                "insecure": self.insecure,
                "method": format!("{:?}", self.method).to_uppercase(),
                "quick": quick,
            }),
        );
        let https = self.urls.iter().any(|url| url.tls);
        let tls = match &self.ca {
            Some(file) => Some(target::trusting(file)?),
            None if https && self.insecure => {
                report.note(
                    "--insecure: no certificate was checked; whoever answered may be somebody else",
                );
                Some(target::no_trust()?)
            }
            None if https => Some(target::system_trust()?),
            None => None,
        };
        let mut subjects = Vec::new();
        for url in &self.urls {
            let request = url.request(self.method, &self.header, &self.body);
            let mut plan = Plan {
                request: request.repeat(self.pipeline.into()),
                length: request.len(),
                method: self.method,
                connections: self.connections,
                pipeline: self.pipeline.into(),
                rate: self.rate,
                warm_up: Duration::from_secs_f64(warm_up),
                time: Duration::from_secs_f64(seconds),
                timeout: Duration::from_secs_f64(self.timeout),
                expected: Expected::default(),
                options: url.options(tls.as_ref()),
                target: url.clone(),
            };
            let first = load::first_answer(&plan)?;
            if let Some(status) = self.status
                && status != first.status
            {
                return Err(format!(
                    "{}: the answer is {}, not {status} as --status says",
                    url.text, first.status
                ));
            }
            if self.status.is_none() && first.status >= 400 {
                report.note(format!(
                    "{} answers {}: that is what is measured",
                    url.text, first.status
                ));
            }
            plan.expected = Expected {
                status: Some(first.status),
                length: (!self.any_length).then_some(first.length),
            };
            let pid = self.pid.or_else(|| server::process_of(&url.address));
            subjects.push(Subjected {
                plan: Arc::new(plan),
                threads: self.threads,
                pid,
                rounds: Vec::new(),
            });
        }
        for (name, reason) in interleaved(&mut subjects, rounds) {
            report.note(format!("{name}: {reason}"));
        }
        fill(&mut report, &subjects);
        let silent = subjects.iter().all(|subject| subject.received() == 0);
        let failed = report.failures.join("; ");
        report.deliver(&self.output)?;
        if silent && !stop::asked() {
            return Err("no right answer came".into());
        }
        if !failed.is_empty() {
            return Err(failed);
        }
        Ok(())
    }
}

impl Subject for Subjected {
    fn name(&self) -> &str {
        &self.plan.target.text
    }

    fn sample(&mut self, keep: bool) -> Result<(), String> {
        if !keep {
            // Each round warms up by itself.
            return Ok(());
        }
        let watched = self
            .pid
            .and_then(|pid| Some((pid, account::cpu(pid).ok()?)));
        let (start, machine) = (Instant::now(), account::machine_cpu());
        let mut tally = load::generate(&self.plan, self.threads)?;
        tally.idle = account::idle_share(machine, account::machine_cpu());
        if let Some((pid, before)) = watched
            && let Ok(after) = account::cpu(pid)
        {
            let share = after.saturating_sub(before).as_secs_f64() / start.elapsed().as_secs_f64();
            tally.server_cpu = Some(share);
        }
        self.rounds.push(tally);
        Ok(())
    }
}

/// Quantiles that are shown, with their names.
const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

impl Subjected {
    fn received(&self) -> u64 {
        self.rounds.iter().map(|round| round.received).sum()
    }

    fn spread(&self, of: impl Fn(&Tally) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(of))
    }

    /// All rounds in one.
    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for round in &self.rounds {
            total.add(round);
        }
        total
    }
}

fn fill(report: &mut Report, subjects: &[Subjected]) {
    let mut results = Vec::new();
    let mut lines = Vec::new();
    for subject in subjects {
        let total = subject.total();
        let mut table = Table::new(
            subject.plan.describe(),
            &["figure", "median", "quartiles of the rounds", "all rounds"],
        );
        let mut figures = serde_json::Map::new();
        let mut row = |name: &str, unit: Unit, spread: Option<Spread>, all: String| {
            let Some(spread) = spread else { return };
            table.row([
                name.to_owned(),
                unit.show(spread.median),
                format!("{} .. {}", unit.show(spread.low), unit.show(spread.high)),
                all,
            ]);
            figures.insert(name.into(), json!({ "unit": unit, "spread": spread }));
        };
        row(
            "answers",
            Unit::PerSecond,
            subject.spread(|t| Some(t.rate())),
            total.received.to_string(),
        );
        row(
            "body-bytes",
            Unit::BytesPerSecond,
            subject.spread(|t| Some(t.bytes as f64 / t.time.as_secs_f64())),
            String::new(),
        );
        for (name, quantile) in QUANTILES {
            let value = |tally: &Tally| tally.latency(quantile);
            let all = value(&total).map_or(String::new(), |value| Unit::Nanoseconds.show(value));
            row(
                &format!("latency-{name}"),
                Unit::Nanoseconds,
                subject.spread(value),
                all,
            );
        }
        if subject.plan.rate.is_some() {
            row(
                "send-lag-p99",
                Unit::Nanoseconds,
                subject.spread(Tally::lag),
                String::new(),
            );
        }
        row(
            "in-flight",
            Unit::Number,
            subject.spread(Tally::in_flight),
            format!("{} at most", subject.plan.slots()),
        );
        row(
            "generator-cpu",
            Unit::Share,
            subject.spread(|t| Some(t.cpu_share())),
            "of a thread".into(),
        );
        row(
            "generator-waited",
            Unit::Share,
            subject.spread(|t| Some(t.waited_share())),
            "for a CPU".into(),
        );
        row(
            "server-cpu",
            Unit::Share,
            subject.spread(|t| t.server_cpu),
            "of a CPU".into(),
        );
        let verdict = limit::of(&total, &subject.plan);
        let url = &subject.plan.target.text;
        report.note(format!(
            "{url}: the limit was the {}: {}",
            verdict.name(),
            verdict.explain()
        ));
        if let Some(caution) = limit::caution(&total) {
            report.note(format!("{url}: {caution}"));
        }
        for (error, count) in &total.errors {
            report.note(format!("{url}: {count} x {error}"));
        }
        if total.unanswered > 0 {
            report.note(format!("{url}: {} requests were never answered; they count as having taken as long as was waited", total.unanswered));
        }
        if total.cut_off > 0 {
            report.note(format!("{url}: {} requests were under way when the signal came; they count as having taken as long as was waited", total.cut_off));
        }
        if let Some(failures) = total.failures() {
            report.failures.push(format!("{url}: {failures}"));
        }
        if total.reopened > 0 {
            report.note(format!("{url}: {} connections were closed by the server between two requests, and made again", total.reopened));
        }
        report.tables.push(table);
        lines.push(Series {
            name: subject.plan.target.text.clone(),
            points: total.curve(),
            model: false,
        });
        results.push(json!({
            "url": subject.plan.target.text,
            "figures": figures,
            "answers": total.answers,
            "received": total.received,
            "statuses": total.statuses,
            "errors": total.errors,
            "reopened": total.reopened,
            "unanswered": total.unanswered,
            "wrong": total.wrong,
            "cut_off": total.cut_off,
            "latency": QUANTILES.map(|(name, quantile)| (name, total.latency(quantile))).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "limit": { "name": verdict.name(), "why": verdict.explain() },
        }));
    }
    report.results = json!(results);
    report.charts.push(Chart::Lines {
        title: "Latency of the slowest".into(),
        x: (
            "one request in so many is slower".into(),
            Unit::Number,
            true,
        ),
        y: ("latency".into(), Unit::Nanoseconds, true),
        series: lines,
    });
    if subjects.iter().all(|subject| subject.plan.rate.is_none()) {
        report.note("a closed loop: latency is what this many connections see of a server kept as busy as they can; for latency at a rate, give --rate");
    }
}
