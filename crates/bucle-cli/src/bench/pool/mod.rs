//! `bucle bench pool`: what the process pool itself costs.
//!
//! | file | what |
//! |---|---|
//! | `functions` | what its workers run |
//! | `measure` | how a sample is taken |

mod functions;
mod measure;

use std::time::Duration;

use bucle::process::LONGEST_INLINE as LONGEST_FRAME;
use clap::Args;
use serde_json::json;

pub(crate) use functions::work;

use super::child::{self, Kind};
use super::os::ping;
use super::report::{Bar, Chart, Output, Report, Series, Table};
use super::rounds::{Subject, interleaved};
use super::stats::{Spread, line_through};
use super::units::Unit;

/// Rounds without `--rounds`.
const ROUNDS: u32 = 7;

#[derive(Args)]
pub(crate) struct Pool {
    /// How many workers the pool has where several are measured.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,

    /// How many tasks are under way where throughput is measured.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    outstanding: u32,

    /// The largest payload, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    payload: u32,

    /// How many rounds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Cold {
        workers: usize,
    },
    RoundTrip {
        times: u32,
    },
    FromSleep {
        times: u32,
    },
    /// A byte to a process and back through pipes, without a pool.
    Floor {
        times: u32,
        pause: bool,
    },
    Throughput {
        workers: usize,
        outstanding: u32,
        times: u32,
    },
    Payload {
        size: usize,
        both: bool,
        times: u32,
    },
    Copy {
        size: usize,
        times: u32,
    },
}

struct Entry {
    name: String,
    title: String,
    unit: Unit,
    what: What,
    samples: Vec<f64>,
}

/// How long a worker is left alone before it is called from sleep: much longer than it stays awake.
const PAUSE: Duration = Duration::from_millis(5);

impl Pool {
    pub(crate) fn run(self) -> Result<(), String> {
        let quick = self.output.quick;
        let rounds = self.rounds.unwrap_or(if quick { 1 } else { ROUNDS });
        let most = if quick {
            1 << 18
        } else {
            (self.payload as usize) << 20
        };
        let workers = usize::from(self.workers);
        let mut report = Report::new(
            "pool",
            json!({
                "workers": workers,
                "outstanding": self.outstanding,
                "largest_payload": most,
                "rounds": rounds,
                "quick": quick,
            }),
        );
        let sizes = sizes(most);
        let mut entries = entries(workers, self.outstanding, &sizes, quick);
        for (name, reason) in interleaved(&mut entries, rounds) {
            report.note(format!("{name} could not be measured: {reason}"));
        }
        fill(&mut report, &entries, &sizes);
        report.deliver(&self.output)
    }
}

/// Sizes of payloads: powers of two, closer together around the border between frames and memory.
fn sizes(most: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = (10..)
        .map(|power| 1_usize << power)
        .take_while(|size| *size <= 128 << 10)
        .chain([6 << 10, 10 << 10, 12 << 10, 20 << 10])
        .chain(
            (18..)
                .map(|power| 1_usize << power)
                .take_while(|size| *size <= most),
        )
        .filter(|size| *size <= most)
        .collect();
    sizes.push(most);
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn entries(workers: usize, outstanding: u32, sizes: &[usize], quick: bool) -> Vec<Entry> {
    let times = |full: u32| if quick { (full / 50).max(2) } else { full };
    let entry = |name: &str, title: String, unit, what| Entry {
        name: name.into(),
        title,
        unit,
        what,
        samples: Vec::new(),
    };
    let mut entries = vec![
        entry(
            "cold-start",
            format!("a new pool of {workers} workers, until the first result"),
            Unit::Nanoseconds,
            What::Cold { workers },
        ),
        entry(
            "round-trip",
            "a task that does nothing, one after the other".into(),
            Unit::Nanoseconds,
            What::RoundTrip {
                times: times(5_000),
            },
        ),
        entry(
            "round-trip-from-sleep",
            format!("the same, each after {} ms of nothing", PAUSE.as_millis()),
            Unit::Nanoseconds,
            What::FromSleep { times: times(100) },
        ),
        entry(
            "pipe-round-trip",
            "for comparison: a byte to a process and back through pipes".into(),
            Unit::Nanoseconds,
            What::Floor {
                times: times(5_000),
                pause: false,
            },
        ),
        entry(
            "pipe-round-trip-from-sleep",
            "the same, each after a pause".into(),
            Unit::Nanoseconds,
            What::Floor {
                times: times(100),
                pause: true,
            },
        ),
        entry(
            "throughput",
            format!("tasks that do nothing, {outstanding} under way, {workers} workers"),
            Unit::PerSecond,
            What::Throughput {
                workers,
                outstanding,
                times: times(50),
            },
        ),
    ];
    for &size in sizes {
        // As many calls as move 256 MiB, but not too many.
        let calls = times(((256 << 20) / size).clamp(3, 1_000) as u32);
        let shown = Unit::Bytes.show(size as f64);
        for (name, both) in [("in", false), ("in-out", true)] {
            let way = if both {
                "to a worker, and as much back"
            } else {
                "to a worker"
            };
            entries.push(entry(
                &format!("{name}-{size}"),
                format!("{shown} {way}"),
                Unit::Nanoseconds,
                What::Payload {
                    size,
                    both,
                    times: calls,
                },
            ));
        }
        entries.push(entry(
            &format!("copy-{size}"),
            format!("for comparison: a copy of {shown}"),
            Unit::Nanoseconds,
            What::Copy { size, times: calls },
        ));
    }
    entries
}

impl Subject for Entry {
    fn name(&self) -> &str {
        &self.name
    }

    fn sample(&mut self, keep: bool) -> Result<(), String> {
        let value = match self.what {
            What::Cold { workers } => measure::cold(workers)?.0,
            What::RoundTrip { times } => measure::round_trips(times, Duration::ZERO)?,
            What::FromSleep { times } => measure::round_trips(times, PAUSE)?,
            What::Floor { times, pause } => floor(times, pause)?,
            What::Throughput {
                workers,
                outstanding,
                times,
            } => measure::throughput(workers, outstanding, times)?,
            What::Payload { size, both, times } => measure::payload(size, both, times)?,
            What::Copy { size, times } => measure::copy(size, times),
        };
        if keep {
            self.samples.push(value);
        }
        Ok(())
    }
}

fn floor(times: u32, pause: bool) -> Result<f64, String> {
    let mut child = child::start(&[Kind::Echo.name()])?;
    let (mut to, mut from) = child.pipes()?;
    if !pause {
        return ping(times, &mut to, &mut from);
    }
    ping(1, &mut to, &mut from)?;
    let mut sum = 0.0;
    for _ in 0..times {
        std::thread::sleep(PAUSE);
        sum += ping_once(&mut to, &mut from)?;
    }
    Ok(sum / f64::from(times))
}

fn ping_once(to: &mut impl std::io::Write, from: &mut impl std::io::Read) -> Result<f64, String> {
    let start = std::time::Instant::now();
    to.write_all(b"x")
        .and_then(|()| from.read_exact(&mut [0]))
        .map_err(|error| error.to_string())?;
    Ok(start.elapsed().as_nanos() as f64)
}

fn fill(report: &mut Report, entries: &[Entry], sizes: &[usize]) {
    let spread = |entry: &Entry| Spread::of(entry.samples.iter().copied());
    let find = |what: &dyn Fn(&What) -> bool| {
        let entry = entries.iter().find(|entry| what(&entry.what))?;
        spread(entry)
    };
    let mut figures = serde_json::Map::new();
    let mut calls = Table::new("Calls", &["figure", "median", "quartiles", "what"]);
    let mut bars = Vec::new();
    for entry in entries {
        let Some(spread) = spread(entry) else {
            continue;
        };
        figures.insert(
            entry.name.clone(),
            json!({ "what": entry.title, "unit": entry.unit, "spread": spread, "samples": entry.samples }),
        );
        if matches!(entry.what, What::Payload { .. } | What::Copy { .. }) {
            continue;
        }
        let show = |value| entry.unit.show(value);
        calls.row([
            entry.name.clone(),
            show(spread.median),
            format!("{} .. {}", show(spread.low), show(spread.high)),
            entry.title.clone(),
        ]);
        if entry.unit == Unit::Nanoseconds {
            let group = usize::from(matches!(entry.what, What::Floor { .. }));
            bars.push(Bar {
                name: entry.name.clone(),
                spread,
                group,
            });
        }
    }
    report.tables.push(calls);
    report.charts.push(Chart::Bars {
        title: "Calls that do nothing".into(),
        unit: Unit::Nanoseconds,
        log: true,
        bars,
    });
    let columns = [
        "size",
        "in",
        "bytes in",
        "in and out",
        "bytes each way",
        "a copy",
        "bytes copied",
        "by",
    ];
    let mut table = Table::new("Payloads: time for a call, and bytes a second", &columns);
    let mut lines = [
        ("to a worker", Vec::new()),
        ("to a worker and back", Vec::new()),
        ("a copy", Vec::new()),
    ];
    for &size in sizes {
        let of = |both: bool| {
            find(
                &|what| matches!(what, What::Payload { size: s, both: b, .. } if *s == size && *b == both),
            )
        };
        let copy = find(&|what| matches!(what, What::Copy { size: s, .. } if *s == size));
        let mut row = vec![Unit::Bytes.show(size as f64)];
        for (line, spread) in lines.iter_mut().zip([of(false), of(true), copy]) {
            let Some(spread) = spread else {
                row.extend(["-".to_owned(), "-".to_owned()]);
                continue;
            };
            let rate = size as f64 / (spread.median / 1e9);
            row.push(Unit::Nanoseconds.show(spread.median));
            row.push(Unit::BytesPerSecond.show(rate));
            line.1.push((size as f64, rate));
        }
        row.push(
            if size <= LONGEST_FRAME {
                "frame"
            } else {
                "memory"
            }
            .into(),
        );
        table.row(row);
    }
    report.tables.push(table);
    report.charts.push(Chart::Lines {
        title: "Payloads".into(),
        x: ("size".into(), Unit::Bytes, true),
        y: ("bytes a second".into(), Unit::BytesPerSecond, true),
        series: lines
            .into_iter()
            .map(|(name, points)| Series {
                name: name.into(),
                points,
                model: false,
            })
            .collect(),
    });
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .filter_map(|&size| {
            let time = find(
                &|what| matches!(what, What::Payload { size: s, both: false, .. } if *s == size),
            )?;
            Some((size as f64, time.median))
        })
        .collect();
    let even = break_even(&points);
    match even {
        Some(size) => report.note(format!(
            "frames and shared memory take the same at about {}, where the lines through the times of either \
             meet; the pool changes over at {}",
            Unit::Bytes.show(size),
            Unit::Bytes.show(LONGEST_FRAME as f64)
        )),
        None => report.note("the lines through the times of frames and of shared memory do not meet: no break-even size"),
    }
    report.results =
        json!({ "figures": figures, "break_even_bytes": even, "longest_frame": LONGEST_FRAME });
}

/// Where the straight line through the times of sizes that travel in frames meets the one through the
/// next sizes, which lie in shared memory.
fn break_even(times: &[(f64, f64)]) -> Option<f64> {
    /// As far as times are a straight line: above, caches tell.
    const STRAIGHT: f64 = 8.0 * LONGEST_FRAME as f64;
    let border = LONGEST_FRAME as f64;
    let (frames, memory): (Vec<_>, Vec<_>) = times
        .iter()
        .copied()
        .filter(|(size, _)| *size <= STRAIGHT)
        .partition(|(size, _)| *size <= border);
    let (frames, memory) = (line_through(&frames)?, line_through(&memory)?);
    let size = (memory.1 - frames.1) / (frames.0 - memory.0);
    (size.is_finite() && size > 0.0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_break_even_is_where_the_lines_meet() {
        // A frame: 10 us and 1 ns a byte. Memory: 18 us and 0.2 ns a byte. The same at 10,000.
        let frame = |size: f64| (size, 10_000.0 + size);
        let memory = |size: f64| (size, 18_000.0 + 0.2 * size);
        let times = [
            frame(1_024.0),
            frame(8_192.0),
            memory(12_288.0),
            memory(65_536.0),
        ];
        assert!((break_even(&times).unwrap() - 10_000.0).abs() < 1.0);
        assert_eq!(break_even(&times[..2]), None);
    }

    #[test]
    fn sizes_are_on_both_sides_of_the_border() {
        for most in [1 << 18, 64 << 20] {
            let sizes = sizes(most);
            assert_eq!(sizes.last(), Some(&most));
            assert!(sizes.iter().filter(|size| **size <= LONGEST_FRAME).count() >= 4);
            assert!(sizes.iter().filter(|size| **size > LONGEST_FRAME).count() >= 4);
            assert!(sizes.is_sorted());
        }
    }
}
