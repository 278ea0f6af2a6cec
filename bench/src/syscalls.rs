//! System calls a request: counted by the kernel (`perf stat` on `raw_syscalls:sys_enter`, which hardly slows the server), else by
//! `strace -c`, which slows it so much that the figure under many connections is not to be trusted.
//!
//! On one connection the number of requests is exact and the server idle before and after, so every call belongs to a request.
//! The names of the calls come from a short run under strace.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::bench::{Bench, Skipped};
use crate::check;
use crate::load::{Drive, Load, Requests};
use crate::servers::{self, Kind, Server};
use crate::shape::{Content, Shape};
use crate::stop;

/// The many connections of the second figure.
pub(crate) const MANY: usize = 32;
/// Requests on the one connection; few enough to be quick under strace too.
const REQUESTS_ON_ONE: u64 = 20_000;
const REQUESTS_UNDER_STRACE: u64 = 2_000;
/// What a counter needs to attach itself. A server that is idle makes no calls meanwhile.
const ATTACH: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);

/// One server's calls a request.
#[derive(Debug, Serialize)]
pub(crate) struct Calls {
    pub(crate) server: &'static str,
    /// Plaintext or a file.
    pub(crate) content: Content,
    /// On one connection.
    pub(crate) one: f64,
    /// On 32 connections at once.
    pub(crate) many: f64,
    /// On one connection, by name, most first; empty without strace.
    pub(crate) names: Vec<(String, f64)>,
}

/// The scenario's outcome.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Syscalls {
    /// What counted.
    pub(crate) counter: &'static str,
    pub(crate) rows: Vec<Calls>,
    pub(crate) skipped: Vec<Skipped>,
    /// Why nothing was counted at all.
    pub(crate) not_run: Option<String>,
}

/// Counts for every server.
pub(crate) fn run(bench: &Bench<'_>) -> Result<Syscalls> {
    let mut outcome = Syscalls::default();
    let Some(counter) = Counter::find() else {
        outcome.not_run = Some(
            "neither perf nor strace may count here (apt-get install linux-perf strace)".to_owned(),
        );
        return Ok(outcome);
    };
    outcome.counter = counter.name();
    for content in [Content::Plaintext, Content::Files] {
        for kind in bench.able(content, &mut outcome.skipped) {
            stop::check()?;
            match measure(bench, counter, kind, content) {
                Ok(calls) => {
                    bench.say(&format!(
                        "syscalls {} {content:?}: {:.2}, {:.2}",
                        kind.name, calls.one, calls.many
                    ));
                    outcome.rows.push(calls);
                }
                Err(error) => {
                    outcome.skipped.push(Skipped {
                        server: kind.name,
                        reason: format!("{error:#}"),
                    });
                }
            }
        }
    }
    Ok(outcome)
}

fn measure(
    bench: &Bench<'_>,
    counter: Counter,
    kind: &'static Kind,
    content: Content,
) -> Result<Calls> {
    let one = Shape::keep_alive(content, 1);
    let many = Shape::keep_alive(content, MANY);
    let requests = Requests::build(&one, bench.site);
    let server = bench.start(kind, content)?;
    check::answers(server.address, &one, &requests).context("a wrong answer")?;
    let calls = Calls {
        server: kind.name,
        content,
        one: count(bench, counter, &server, &one, &requests, REQUESTS_ON_ONE)?.0,
        many: count(bench, counter, &server, &many, &requests, u64::MAX)?.0,
        names: match Counter::Strace.works() {
            true => {
                count(
                    bench,
                    Counter::Strace,
                    &server,
                    &one,
                    &requests,
                    REQUESTS_UNDER_STRACE,
                )?
                .1
            }
            false => Vec::new(),
        },
    };
    Ok(calls)
}

/// Calls a request in all, and by name where the counter tells.
fn count(
    bench: &Bench<'_>,
    counter: Counter,
    server: &Server,
    shape: &Shape,
    requests: &Requests,
    limit: u64,
) -> Result<(f64, Vec<(String, f64)>)> {
    let output = bench.site.scratch().join("calls.txt");
    let mut load = Load::open(&[server.address], shape, requests)?;
    load.drive(Instant::now() + PATIENCE, 2_000)
        .context("warming up")?;
    let watch = Watch::start(counter, &server.pids, &output)?;
    let end = Instant::now()
        + if limit == u64::MAX {
            bench.measure
        } else {
            PATIENCE
        };
    let answers = load.drive(end, limit)?;
    ensure!(answers > 0, "no answers");
    watch.stop()?;
    let text = std::fs::read_to_string(&output).context("the counter wrote nothing")?;
    let (all, names) = match counter {
        Counter::Perf => (read_perf(&text)?, Vec::new()),
        Counter::Strace => read_strace(&text)?,
    };
    let each = |calls: u64| calls as f64 / answers as f64;
    Ok((
        each(all),
        names
            .into_iter()
            .map(|(name, calls)| (name, each(calls)))
            .filter(|(_, n)| *n >= 0.005)
            .collect(),
    ))
}

#[derive(Clone, Copy)]
enum Counter {
    Perf,
    Strace,
}

impl Counter {
    fn find() -> Option<Counter> {
        [Counter::Perf, Counter::Strace]
            .into_iter()
            .find(|counter| counter.works())
    }

    fn name(self) -> &'static str {
        match self {
            Counter::Perf => "perf stat",
            Counter::Strace => {
                "strace -c (slows the server: the figure under many connections is too low)"
            }
        }
    }

    /// Whether it is there and permitted: it is tried on a harmless program.
    fn works(self) -> bool {
        let Some(program) = servers::find(self.program()) else {
            return false;
        };
        let mut command = Command::new(program);
        match self {
            Counter::Perf => command.args(["stat", "-x", ",", "-e", PERF_EVENT, "true"]),
            Counter::Strace => command.args(["-c", "-f", "true"]),
        };
        let output = command.stdin(Stdio::null()).output();
        output.is_ok_and(|output| {
            let text = String::from_utf8_lossy(&output.stderr);
            let counted = match self {
                Counter::Perf => read_perf(&text).is_ok(),
                Counter::Strace => read_strace(&text).is_ok(),
            };
            output.status.success() && counted
        })
    }

    fn program(self) -> &'static str {
        match self {
            Counter::Perf => "perf",
            Counter::Strace => "strace",
        }
    }
}

const PERF_EVENT: &str = "raw_syscalls:sys_enter";

/// A counter attached to a server.
struct Watch(Child);

impl Watch {
    fn start(counter: Counter, pids: &[u32], output: &Path) -> Result<Watch> {
        let program = servers::find(counter.program()).context("the counter is gone")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT", "--"]).arg(program);
        match counter {
            Counter::Perf => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                command
                    .args(["stat", "-x", ",", "-e", PERF_EVENT, "-o"])
                    .arg(output)
                    .arg("-p")
                    .arg(pids.join(","));
            }
            Counter::Strace => {
                command.args(["-c", "-f", "-o"]).arg(output);
                for pid in pids {
                    command.arg("-p").arg(pid.to_string());
                }
            }
        }
        let _ = std::fs::remove_file(output);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .context("cannot run setpriv (Debian package util-linux)")?;
        std::thread::sleep(ATTACH);
        if let Some(status) = child.try_wait()? {
            bail!("{} ended with {status}", counter.program());
        }
        Ok(Watch(child))
    }

    /// Detaches it and waits until it has written what it counted.
    fn stop(mut self) -> Result<()> {
        self.interrupt();
        let end = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            ensure!(Instant::now() < end, "the counter does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn interrupt(&self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The count in `perf stat -x ,`'s output: the first field of the event's line.
fn read_perf(text: &str) -> Result<u64> {
    let line = text
        .lines()
        .find(|line| line.contains(PERF_EVENT))
        .context("perf counted nothing")?;
    let first = line.split(',').next().unwrap_or_default();
    first
        .parse()
        .with_context(|| format!("perf counted {first}"))
}

/// All calls and those of each name in `strace -c`'s table: `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn read_strace(text: &str) -> Result<(u64, Vec<(String, u64)>)> {
    let mut names = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(calls), Some(name)) = (fields.get(3), fields.last()) else {
            continue;
        };
        if fields.len() < 5 || *name == "total" || fields[0].parse::<f64>().is_err() {
            continue;
        }
        names.push((
            (*name).to_owned(),
            calls
                .parse()
                .with_context(|| format!("strace counted {calls}"))?,
        ));
    }
    names.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    ensure!(!names.is_empty(), "strace counted nothing");
    Ok((names.iter().map(|(_, calls)| calls).sum(), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perf_output_is_read() {
        let text = "# started on Mon\n\n60012,,raw_syscalls:sys_enter,812345678,100.00,,\n";
        assert_eq!(read_perf(text).expect("a count"), 60_012);
        assert!(read_perf("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n").is_err());
        assert!(read_perf("").is_err());
    }

    #[test]
    fn strace_table_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.20    0.003060           1      2000           sendto
 20.10    0.001005           0      2001         1 recvfrom
 18.70    0.000935           0      2000           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.005000           0      6001         1 total
";
        let (all, names) = read_strace(text).expect("a table");
        assert_eq!(all, 6_001);
        assert_eq!(names[0], ("recvfrom".to_owned(), 2_001));
        assert_eq!(names.len(), 3);
        assert!(read_strace("strace: attach: Operation not permitted\n").is_err());
    }
}
