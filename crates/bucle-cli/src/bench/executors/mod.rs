//! `bucle bench executors`: the same work in sequence, in tasks, in threads and in processes.
//!
//! | file | what |
//! |---|---|
//! | `work` | what the tasks do |
//! | `ways` | how they are run |
//! | `amdahl` | the serial fraction that fits the times |
//! | `python` | the same in the machine's Python, for comparison |

mod amdahl;
mod python;
mod ways;
mod work;

use std::time::Duration;

use clap::Args;
use serde_json::json;

use ways::Way;
use work::Kind;

pub(crate) use work::Work;

use super::machine::cpus;
use super::report::{Bar, Chart, Output, Report, Series, Table};
use super::rounds::{Subject, interleaved};
use super::stats::Spread;
use super::units::Unit;

/// Rounds without `--rounds`.
const ROUNDS: u32 = 5;

#[derive(Args)]
pub(crate) struct Executors {
    /// How many workers, each count in turn; without it 1, 2, 4 and so on up to twice the CPUs.
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Vec<u16>,

    /// How many tasks are run.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tasks: u32,

    /// What the tasks do.
    #[arg(long, value_name = "WHAT,..", value_delimiter = ',', value_enum, default_values_t = Kind::ALL)]
    work: Vec<Kind>,

    /// Terms of the sum of sin(i) / (i + 1) that a CPU-bound task computes.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    terms: u32,

    /// How long a task waits that stands for I/O, as in 2, 500ms or 1m.
    #[arg(long, value_name = "TIME", default_value_t = 0.1, value_parser = super::seconds, allow_negative_numbers = true)]
    wait: f64,

    /// Rows and columns of the matrices that a task multiplies.
    #[arg(long, value_name = "N", default_value_t = 192, value_parser = clap::value_parser!(u32).range(1..=4096))]
    matrix: u32,

    /// How many rounds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// Don't run the machine's Python beside it.
    #[arg(long)]
    no_python: bool,

    #[command(flatten)]
    pub(super) output: Output,
}

/// One work, run one way by so many workers.
struct Case {
    name: String,
    work: Work,
    way: Way,
    workers: usize,
    tasks: u32,
    times: Vec<f64>,
    memory: Vec<f64>,
}

/// What is run in turns.
enum Entry {
    Case(Box<Case>),
    Python(Box<python::Python>),
}

impl Executors {
    pub(crate) fn run(self) -> Result<(), String> {
        let quick = self.output.quick;
        let rounds = self.rounds.unwrap_or(if quick { 1 } else { ROUNDS });
        let (terms, matrix) = if quick {
            (self.terms.min(20_000), self.matrix.min(32))
        } else {
            (self.terms, self.matrix)
        };
        let wait = if quick {
            self.wait.min(0.005)
        } else {
            self.wait
        };
        let workers = self.workers();
        let works: Vec<Work> = self
            .work
            .iter()
            .map(|kind| match kind {
                Kind::Cpu => Work::Cpu { terms },
                Kind::Io => Work::Io {
                    wait: Duration::from_secs_f64(wait),
                },
                Kind::Matrix => Work::Matrix { size: matrix },
            })
            .collect();
        let mut report = Report::new(
            "executors",
            json!({
                "workers": workers,
                "tasks": self.tasks,
                "works": works,
                "rounds": rounds,
                "quick": quick,
            }),
        );
        if let Some(most) = workers.last().filter(|most| **most > self.tasks as usize) {
            report.note(format!(
                "of {most} workers only {} had something to do, there being as many tasks: see --tasks",
                self.tasks
            ));
        }
        let mut entries = Vec::new();
        for work in &works {
            for (way, workers) in Way::all(&workers) {
                entries.push(Entry::Case(Box::new(Case {
                    name: format!("{} {}", work.name(), way.describe(workers)),
                    work: *work,
                    way,
                    workers,
                    tasks: self.tasks,
                    times: Vec::new(),
                    memory: Vec::new(),
                })));
            }
        }
        if !self.no_python {
            match python::Python::find(&works, self.tasks, cpus().len()) {
                Ok(python) => entries.push(Entry::Python(Box::new(python))),
                Err(reason) => report.note(format!("no comparison with Python: {reason}")),
            }
        }
        for (name, reason) in interleaved(&mut entries, rounds) {
            report.note(format!("{name} could not be measured: {reason}"));
        }
        let mut results = serde_json::Map::new();
        for work in &works {
            let cases: Vec<&Case> = entries
                .iter()
                .filter_map(|entry| match entry {
                    Entry::Case(case) if case.work == *work => Some(&**case),
                    _ => None,
                })
                .collect();
            results.insert(work.name().into(), fill(&mut report, *work, &cases));
        }
        for entry in &entries {
            if let Entry::Python(python) = entry {
                results.insert("python".into(), python.fill(&mut report));
            }
        }
        report.results = results.into();
        if report.machine.is_busy() && works.iter().any(|work| work.needs_cpu()) {
            report.note(
                "Amdahl's law is left out of the work that needs a CPU: the machine was busy, and the \
                 CPUs that others took would look like a serial share",
            );
        }
        report.note("times contain making the workers and ending them, as the chapter's do; memory is what was added while they lived");
        report.deliver(&self.output)
    }

    fn workers(&self) -> Vec<usize> {
        if !self.workers.is_empty() {
            let mut workers: Vec<usize> = self.workers.iter().map(|&n| n.into()).collect();
            workers.sort_unstable();
            workers.dedup();
            return workers;
        }
        let cpus = cpus().len();
        let mut workers: Vec<usize> = (0..)
            .map(|power| 1 << power)
            .take_while(|workers| *workers <= 2 * cpus)
            .collect();
        workers.push(cpus);
        workers.sort_unstable();
        workers.dedup();
        workers
    }
}

impl Subject for Entry {
    fn name(&self) -> &str {
        match self {
            Entry::Case(case) => &case.name,
            Entry::Python(_) => "python",
        }
    }

    fn sample(&mut self, keep: bool) -> Result<(), String> {
        match self {
            Entry::Case(case) => {
                let ran = case.way.run(case.work, case.workers, case.tasks)?;
                if keep {
                    case.times.push(ran.time.as_nanos() as f64);
                    case.memory.push(ran.memory);
                }
                Ok(())
            }
            Entry::Python(python) => python.sample(keep),
        }
    }
}

/// A table and a plot for one work.
fn fill(report: &mut Report, work: Work, cases: &[&Case]) -> serde_json::Value {
    let time = |case: &Case| Spread::of(case.times.iter().copied());
    let sequential = cases
        .iter()
        .find(|case| case.way == Way::Sequential)
        .and_then(|case| time(case));
    let columns = [
        "way",
        "time",
        "quartiles",
        "speed-up",
        "efficiency",
        "memory added",
    ];
    let tasks = cases.first().map_or(0, |case| case.tasks);
    let mut table = Table::new(format!("{tasks} tasks: {}", work.describe()), &columns);
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for case in cases {
        let (Some(spread), Some(base)) = (time(case), sequential) else {
            continue;
        };
        let speed_up = base.median / spread.median;
        let efficiency = speed_up / case.workers as f64;
        let memory = Spread::of(case.memory.iter().copied());
        table.row([
            case.way.describe(case.workers),
            Unit::Nanoseconds.show(spread.median),
            format!(
                "{} .. {}",
                Unit::Nanoseconds.show(spread.low),
                Unit::Nanoseconds.show(spread.high)
            ),
            format!("{speed_up:.2} x"),
            Unit::Share.show(efficiency),
            memory.map_or(String::new(), |memory| Unit::Bytes.show(memory.median)),
        ]);
        rows.push(json!({
            "way": case.way.name(),
            "workers": case.workers,
            "time": spread,
            "samples": case.times,
            "speed_up": speed_up,
            "efficiency": efficiency,
            "memory": memory,
        }));
        bars.push(Bar {
            name: case.way.describe(case.workers),
            spread,
            group: case.way as usize,
        });
    }
    let mut lines = Vec::new();
    let mut fits = serde_json::Map::new();
    for way in Way::PARALLEL {
        let points: Vec<(usize, f64)> = cases
            .iter()
            .filter(|case| case.way == way)
            .filter_map(|case| Some((case.workers, time(case)?.median)))
            .collect();
        let Some(base) = sequential else { continue };
        lines.push(Series {
            name: way.name().into(),
            points: points
                .iter()
                .map(|&(n, t)| (n as f64, base.median / t))
                .collect(),
            model: false,
        });
        // Waiting takes no CPU: any number of workers may wait at once.
        let most = if work.needs_cpu() {
            cpus().len()
        } else {
            usize::MAX
        };
        let fitting: Vec<_> = points.iter().copied().filter(|(n, _)| *n <= most).collect();
        let Some(fit) = amdahl::fit(&fitting) else {
            continue;
        };
        let qualified = work.needs_cpu() && report.machine.is_busy();
        fits.insert(
            way.name().into(),
            json!({ "serial": fit.serial, "machine_was_busy": qualified }),
        );
        if qualified {
            continue;
        }
        table.row([
            format!("{}: Amdahl's law", way.name()),
            String::new(),
            String::new(),
            format!("at most {}", fit.most()),
            String::new(),
            format!("{} serial", Unit::Share.show(fit.serial)),
        ]);
        let workers = points.iter().map(|&(n, _)| n as f64);
        lines.push(Series {
            name: format!(
                "{}: Amdahl, {} serial",
                way.name(),
                Unit::Share.show(fit.serial)
            ),
            points: workers
                .map(|n| (n, fit.speed_up(n) * base.median / fit.alone))
                .collect(),
            model: true,
        });
    }
    report.tables.push(table);
    report.charts.push(Chart::Bars {
        title: format!("{}: time for {tasks} tasks", work.describe()),
        unit: Unit::Nanoseconds,
        log: false,
        bars,
    });
    report.charts.push(Chart::Lines {
        title: format!("{}: speed-up over running in sequence", work.name()),
        x: ("workers".into(), Unit::Number, false),
        y: ("speed-up".into(), Unit::Number, false),
        series: lines,
    });
    json!({ "work": work, "rows": rows, "amdahl": fits })
}
