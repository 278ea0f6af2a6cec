//! Rounds of one case: in each, every runtime once, in an order that changes, each in a process of its own.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::cases::{Case, Figure, floor_has};
use crate::pin;
use crate::random::Random;
use crate::stats::Spread;
use crate::stop;

/// How long a measurement may take before its process is ended.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rounds of a slow case, at most.
const SLOW_ROUNDS: usize = 5;

/// What a process printed: figures by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// One runtime's part in a case.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) runtime: &'static str,
    /// One a round, in the order of the rounds.
    pub(crate) samples: Vec<Figures>,
}

impl Row {
    /// One figure over the rounds.
    pub(crate) fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(self.values(figure))
    }

    fn values(&self, figure: Figure) -> impl Iterator<Item = f64> {
        let values = self.samples.iter();
        values.filter_map(move |sample| sample.get(figure.name).copied())
    }
}

/// The ratios of `ours` to `theirs`, round by round.
pub(crate) fn ratio(ours: &Row, theirs: &Row, figure: Figure) -> Option<Spread> {
    let pairs = ours.values(figure).zip(theirs.values(figure));
    Spread::of(pairs.map(|(a, b)| a / b))
}

/// A runtime that did not take part, and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Skipped {
    pub(crate) runtime: &'static str,
    pub(crate) reason: String,
}

/// A case's outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) case: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) skipped: Vec<Skipped>,
}

/// What all cases share.
pub(crate) struct Lab<'a> {
    /// The folder with the executables of this workspace.
    pub(crate) executables: &'a Path,
    pub(crate) runtimes: Vec<&'static str>,
    pub(crate) rounds: usize,
    /// Where single-threaded cases run.
    pub(crate) cpu: usize,
    /// Operations in a repetition, where not the case's own number.
    pub(crate) count: Option<u64>,
}

impl Lab<'_> {
    /// Runs all rounds of a case.
    pub(crate) fn run(&self, case: &Case) -> Result<Outcome> {
        let mut runtimes = self.runtimes.clone();
        runtimes.retain(|&runtime| runtime != "floor" || floor_has(case));
        let mut outcome = Outcome {
            case: case.name,
            rows: runtimes
                .iter()
                .map(|&runtime| Row {
                    runtime,
                    samples: Vec::new(),
                })
                .collect(),
            skipped: Vec::new(),
        };
        let rounds = match (case.counted, case.slow) {
            // The same bytes every time.
            (true, _) => 1,
            (_, true) => self.rounds.min(SLOW_ROUNDS),
            _ => self.rounds,
        };
        let mut random = Random::new(7);
        for _ in 0..rounds {
            random.shuffle(&mut runtimes);
            for runtime in runtimes.clone() {
                stop::check()?;
                match self.measure(case, runtime) {
                    Ok(figures) => {
                        let row = outcome.rows.iter_mut().find(|row| row.runtime == runtime);
                        row.context("a runtime without a row")?
                            .samples
                            .push(figures);
                    }
                    // What fails once is out of the case, with its reason; the others go on.
                    Err(error) => {
                        stop::check()?;
                        let reason = format!("{error:#}");
                        eprintln!("  {}: {runtime} is out: {reason}", case.name);
                        runtimes.retain(|&other| other != runtime);
                        outcome.rows.retain(|row| row.runtime != runtime);
                        outcome.skipped.push(Skipped { runtime, reason });
                    }
                }
            }
        }
        Ok(outcome)
    }

    fn measure(&self, case: &Case, runtime: &str) -> Result<Figures> {
        let executable = if case.counted {
            "runtime_counted"
        } else {
            "runtime"
        };
        // A parent that dies without a word takes the measurement along.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(self.executables.join(executable))
            .args([runtime, case.name]);
        if let Some(count) = self.count {
            command.arg("--count").arg(count.to_string());
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let everywhere = (!case.threads).then(|| pin::only(self.cpu)).transpose()?;
        let child = command
            .spawn()
            .context("cannot run setpriv (Debian package util-linux)");
        drop(everywhere);
        figures(child?)
    }
}

/// Waits for a process to print its figures.
fn figures(mut child: Child) -> Result<Figures> {
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if stop::check().is_err() || Instant::now() > end {
            child.kill()?;
            child.wait()?;
            stop::check()?;
            bail!("no figures after {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    // Both are short: nobody waits for room in a pipe.
    let (mut printed, mut complaint) = (String::new(), String::new());
    if let (Some(out), Some(err)) = (&mut child.stdout, &mut child.stderr) {
        out.read_to_string(&mut printed)?;
        err.read_to_string(&mut complaint)?;
    }
    let why = complaint.trim().lines().take(2).collect::<Vec<_>>();
    ensure!(status.success(), "{status}: {}", why.join(" "));
    serde_json::from_str(printed.trim()).with_context(|| format!("not figures: {printed:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::cases::CASES;

    fn row(values: &[f64]) -> Row {
        let samples = values.iter();
        Row {
            runtime: "x",
            samples: samples
                .map(|&value| Figures::from([("cpu".to_owned(), value)]))
                .collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_the_round() {
        let figure = CASES[0].figures[0];
        let ratio = ratio(&row(&[4.0, 8.0]), &row(&[5.0, 10.0]), figure).expect("rounds");
        assert_eq!((ratio.low, ratio.high), (0.8, 0.8));
        assert_eq!(row(&[]).spread(figure), None);
    }

    fn shell(script: &str) -> Result<Figures> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        figures(command.spawn()?)
    }

    #[test]
    fn a_process_that_fails_is_an_error_that_says_why() {
        assert_eq!(
            shell(r#"echo '{"cpu": 2.5}'"#).expect("figures"),
            Figures::from([("cpu".to_owned(), 2.5)])
        );
        let error = shell("echo no io_uring here >&2; exit 3").expect_err("it failed");
        assert!(format!("{error}").contains("no io_uring here"), "{error}");
        assert!(shell("echo nothing").is_err());
    }
}
