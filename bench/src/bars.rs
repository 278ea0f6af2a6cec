//! The bars Bucle is held to, and what a run says about each.

use serde::Serialize;

use crate::idle::Idle;
use crate::shape::Content;
use crate::stats::{Spread, Verdict, Wanted};
use crate::syscalls::{Calls, Syscalls};
use crate::timed::{Row, Sample, Timed};

/// Which figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time a request.
    Cpu,
    /// The part of it in user mode.
    User,
    /// Requests a second.
    Rate,
}

impl Figure {
    /// The figure of one sample.
    pub(crate) fn of(self, sample: &Sample) -> f64 {
        match self {
            Figure::Cpu => sample.cpu(),
            Figure::User => sample.user(),
            Figure::Rate => sample.rate(),
        }
    }
}

struct Bar {
    scenario: &'static str,
    ours: &'static str,
    figure: Figure,
    to: &'static str,
    wanted: Wanted,
    bar: f64,
}

const fn bar(
    scenario: &'static str,
    figure: Figure,
    to: &'static str,
    wanted: Wanted,
    bar: f64,
) -> Bar {
    Bar {
        scenario,
        ours: "bucle",
        figure,
        to,
        wanted,
        bar,
    }
}

impl Bar {
    fn text(&self) -> String {
        let what = match self.figure {
            Figure::Cpu => "CPU",
            Figure::User => "user CPU",
            Figure::Rate => "requests/s",
        };
        let side = match self.wanted {
            Wanted::AtMost => "at most",
            Wanted::AtLeast => "at least",
        };
        format!("{what} {side} {:.2}", self.bar)
    }
}

/// Ratios of Bucle to another server, within the round. Several for one scenario: what was asked of the first server, and of
/// that of today.
const BARS: &[Bar] = &[
    bar("plaintext", Figure::Cpu, "bare", Wanted::AtMost, 1.15),
    bar("plaintext", Figure::Cpu, "nginx", Wanted::AtMost, 0.80),
    bar("plaintext", Figure::User, "nginx", Wanted::AtMost, 0.35),
    bar("plaintext", Figure::Rate, "bare", Wanted::AtLeast, 0.92),
    bar("plaintext", Figure::Cpu, "ntex", Wanted::AtMost, 1.0),
    bar("plaintext", Figure::Cpu, "may", Wanted::AtMost, 1.0),
    bar("pipelined", Figure::Rate, "bare", Wanted::AtLeast, 0.60),
    bar("pipelined", Figure::Cpu, "ntex", Wanted::AtMost, 1.0),
    bar("pipelined", Figure::Cpu, "may", Wanted::AtMost, 1.0),
    bar("one-kib", Figure::Rate, "bare", Wanted::AtLeast, 0.85),
    bar("one-kib", Figure::Cpu, "nginx", Wanted::AtMost, 0.70),
    bar("one-kib", Figure::Cpu, "lighttpd", Wanted::AtMost, 1.0),
    bar("file", Figure::Cpu, "nginx", Wanted::AtMost, 0.70),
    bar("file", Figure::Cpu, "lighttpd", Wanted::AtMost, 1.0),
    bar("file-100k", Figure::Rate, "bare", Wanted::AtLeast, 0.95),
    bar("file-100k", Figure::Cpu, "nginx", Wanted::AtMost, 1.0),
    bar("file-100k", Figure::Cpu, "lighttpd", Wanted::AtMost, 1.0),
    bar("file-10m", Figure::Rate, "bare", Wanted::AtLeast, 0.95),
    bar("file-10m", Figure::Cpu, "nginx", Wanted::AtMost, 1.0),
    bar("file-10m", Figure::Cpu, "lighttpd", Wanted::AtMost, 1.0),
    bar("reconnect", Figure::Cpu, "nginx", Wanted::AtMost, 0.92),
    bar(
        "plaintext-logged",
        Figure::Cpu,
        "nginx",
        Wanted::AtMost,
        1.0,
    ),
    bar("one-kib-logged", Figure::Cpu, "nginx", Wanted::AtMost, 1.0),
    bar(
        "one-kib-logged",
        Figure::Cpu,
        "lighttpd",
        Wanted::AtMost,
        1.0,
    ),
    bar("tls", Figure::Cpu, "nginx", Wanted::AtMost, 1.0),
    bar("tls-handshake", Figure::Cpu, "nginx", Wanted::AtMost, 1.0),
    bar("tls-resumed", Figure::Cpu, "nginx", Wanted::AtMost, 1.0),
    Bar {
        ours: "bucle-2",
        ..bar("workers", Figure::Cpu, "bucle", Wanted::AtMost, 1.05)
    },
    Bar {
        ours: "bucle-2",
        ..bar(
            "workers-apart",
            Figure::Cpu,
            "bucle-twice",
            Wanted::AtMost,
            1.05,
        )
    },
];

/// System calls a request: on one connection (the rest is a timer now and then), and on 32.
const CALLS_ON_ONE: f64 = 3.01;
const CALLS_ON_MANY: f64 = 2.2;
/// Rates of a server that was on its CPU for less of the time than this are not judged.
const BUSY_ENOUGH: f64 = 0.9;
/// Bytes of user memory an idle connection.
const IDLE_BYTES: f64 = 200.0;

/// One bar and what came out.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    /// What is asked.
    pub(crate) bar: String,
    /// What was measured, for people.
    pub(crate) measured: String,
    /// None: not measured, since a server of the two is missing, or void.
    pub(crate) verdict: Option<Verdict>,
}

impl Judged {
    /// In one line.
    pub(crate) fn line(&self) -> String {
        let word = match self.verdict {
            Some(Verdict::Met) => "MET   ",
            Some(Verdict::Tie) => "TIE   ",
            Some(Verdict::Missed) => "MISSED",
            None => "-     ",
        };
        format!("{word} {}: {}", self.bar, self.measured)
    }
}

/// The ratios of `ours` to `theirs`, round by round.
pub(crate) fn ratio(ours: &Row, theirs: &Row, figure: Figure) -> Option<Spread> {
    Spread::of(
        ours.samples
            .iter()
            .zip(&theirs.samples)
            .map(|(a, b)| figure.of(a) / figure.of(b))
            // No tick may have been sampled in user mode.
            .filter(|ratio| ratio.is_finite()),
    )
}

/// The bars of a timed scenario.
pub(crate) fn of_timed(timed: &Timed) -> Vec<Judged> {
    let row = |name: &str| timed.rows.iter().find(|row| row.server == name);
    let bars = BARS.iter().filter(|bar| bar.scenario == timed.name);
    bars.map(|bar| {
        let pair = row(bar.ours).zip(row(bar.to));
        let spread = pair.and_then(|(ours, theirs)| ratio(ours, theirs, bar.figure));
        let doubt = pair.and_then(|(ours, theirs)| doubt(bar, timed, [ours, theirs]));
        let mut measured = match spread {
            None => "not measured".to_owned(),
            Some(Spread {
                low,
                median,
                high,
                count,
            }) => {
                format!("{median:.3} (quartiles {low:.3} to {high:.3}, {count} rounds)")
            }
        };
        if let Some(doubt) = &doubt {
            measured.push_str(&format!(", not judged: {doubt}"));
        }
        Judged {
            bar: match bar.ours {
                "bucle" => format!("{}: {} x {}'s", bar.scenario, bar.text(), bar.to),
                ours => format!("{}: {ours}'s {} x {}'s", bar.scenario, bar.text(), bar.to),
            },
            measured,
            verdict: spread
                .filter(|_| doubt.is_none())
                .map(|spread| spread.against(bar.bar, bar.wanted)),
        }
    })
    .collect()
}

/// Why a bar can't be judged by this run, if so.
fn doubt(bar: &Bar, timed: &Timed, rows: [&Row; 2]) -> Option<String> {
    if timed.void_kept && bar.to == "bare" {
        return Some("too many void rounds, the bare loop was not bare".to_owned());
    }
    if bar.figure != Figure::Rate {
        return None;
    }
    // A server that waited for the load generator, or for its CPU, has a rate that is not its own.
    rows.iter().find_map(|row| {
        let busy = Spread::of(row.samples.iter().map(Sample::busy))?.median;
        let words = || {
            format!(
                "{} was on its CPU only {:.0} % of the time",
                row.server,
                busy * 100.0
            )
        };
        (busy < BUSY_ENOUGH).then(words)
    })
}

/// The bars on system calls: of a handler's answer, since a file has to be looked at too.
pub(crate) fn of_syscalls(syscalls: &Syscalls) -> Vec<Judged> {
    let ours = |row: &&Calls| row.server == "bucle" && row.content == Content::Plaintext;
    let ours = syscalls.rows.iter().find(ours);
    let bar = |place, bar, figure| {
        plain(
            format!("at most {bar} system calls a request on {place}"),
            bar,
            figure,
        )
    };
    vec![
        bar("one connection", CALLS_ON_ONE, ours.map(|row| row.one)),
        bar("32 connections", CALLS_ON_MANY, ours.map(|row| row.many)),
    ]
}

/// The bars on idle connections.
pub(crate) fn of_idle(idle: &Idle) -> Vec<Judged> {
    let contents = [Content::Plaintext, Content::Files].into_iter();
    contents
        .map(|content| {
            let ours = idle
                .rows
                .iter()
                .find(|row| row.server == "bucle" && row.content == content);
            let bar = format!("{content:?}: at most {IDLE_BYTES} bytes an idle connection");
            plain(bar, IDLE_BYTES, ours.map(|row| row.each()))
        })
        .collect()
}

/// A bar on a count, which has no spread.
fn plain(bar: String, limit: f64, figure: Option<f64>) -> Judged {
    Judged {
        bar,
        measured: figure.map_or_else(
            || "not measured".to_owned(),
            |figure| format!("{figure:.2}"),
        ),
        verdict: figure.map(|figure| {
            if figure <= limit {
                Verdict::Met
            } else {
                Verdict::Missed
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::CpuTime;

    fn row(server: &'static str, micros: &[u64]) -> Row {
        let sample = |micros: u64| Sample {
            requests: 1_000,
            elapsed: 1_000_000_000,
            cpu: CpuTime {
                total: micros * 1_000_000,
                ..CpuTime::default()
            },
            foreign: 0.0,
            reopened: 0,
        };
        Row {
            server,
            samples: micros.iter().map(|&micros| sample(micros)).collect(),
        }
    }

    fn plaintext(rows: Vec<Row>) -> Timed {
        Timed {
            name: "plaintext",
            about: "",
            connections: 64,
            depth: 1,
            request_bytes: 0,
            void: 0,
            void_kept: false,
            rows,
            skipped: Vec::new(),
        }
    }

    #[test]
    fn ratios_are_taken_within_the_round() {
        // The machine was twice as slow in the second round, for both.
        let ratio =
            ratio(&row("bucle", &[4, 8]), &row("nginx", &[5, 10]), Figure::Cpu).expect("rounds");
        assert_eq!((ratio.low, ratio.median, ratio.high), (0.8, 0.8, 0.8));
    }

    #[test]
    fn verdicts_of_a_scenario() {
        let judged = of_timed(&plaintext(vec![
            row("bucle", &[4, 4, 4]),
            row("bare", &[4, 4, 4]),
            row("nginx", &[4, 5, 6]),
        ]));
        assert_eq!(judged[0].verdict, Some(Verdict::Met));
        assert_eq!(judged[1].verdict, Some(Verdict::Tie));
        let without = of_timed(&plaintext(vec![row("bare", &[4])]));
        assert!(without.iter().all(|judged| judged.verdict.is_none()));
        assert!(without[0].line().contains("not measured"));
        let rows = vec![row("bucle", &[4]), row("bare", &[4]), row("nginx", &[8])];
        let void = of_timed(&Timed {
            void_kept: true,
            ..plaintext(rows)
        });
        assert_eq!(
            (void[0].verdict, void[1].verdict),
            (None, Some(Verdict::Met))
        );
    }

    #[test]
    fn rates_of_servers_that_waited_are_not_judged() {
        let pipelined = |micros: u64| {
            let rows = vec![row("bucle", &[micros]), row("bare", &[micros])];
            let name = "pipelined";
            of_timed(&Timed {
                name,
                ..plaintext(rows)
            })
        };
        assert_eq!(pipelined(950)[0].verdict, Some(Verdict::Met));
        assert_eq!(pipelined(500)[0].verdict, None);
        assert!(pipelined(500)[0].line().contains("only 50 %"));
    }
}
