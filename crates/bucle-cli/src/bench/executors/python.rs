//! The chapter's benchmark in the machine's Python, beside ours: threads under the global
//! interpreter lock, and processes.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::json;

use super::work::Work;
use crate::bench::report::{Bar, Chart, Report, Table};
use crate::bench::stats::Spread;
use crate::bench::units::Unit;

const SCRIPT: &str = include_str!("python.py");
const PYTHON: &str = "python3";

/// What the script prints.
#[derive(Clone, Debug, Deserialize)]
struct Answer {
    version: String,
    implementation: String,
    gil: bool,
    /// Seconds.
    switch_interval: f64,
    start_method: String,
    /// Nanoseconds.
    times: BTreeMap<String, f64>,
}

/// The comparison.
pub(super) struct Python {
    arguments: [String; 4],
    workers: usize,
    tasks: u32,
    last: Option<Answer>,
    samples: BTreeMap<String, Vec<f64>>,
}

impl Python {
    /// Looks whether there is one.
    pub(super) fn find(works: &[Work], tasks: u32, workers: usize) -> Result<Python, String> {
        let mut arguments = [
            workers.to_string(),
            tasks.to_string(),
            "0".into(),
            "0".into(),
        ];
        for work in works {
            match work {
                Work::Cpu { terms } => arguments[2] = terms.to_string(),
                Work::Io { wait } => arguments[3] = wait.as_secs_f64().to_string(),
                Work::Matrix { .. } => {}
            }
        }
        let asked = Command::new(PYTHON)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match asked {
            Ok(status) if status.success() => Ok(Python {
                arguments,
                workers,
                tasks,
                last: None,
                samples: BTreeMap::new(),
            }),
            Ok(status) => Err(format!("`{PYTHON} --version` ended with {status}")),
            Err(error) => Err(format!("there is no `{PYTHON}`: {error}")),
        }
    }

    /// Runs the script once.
    pub(super) fn sample(&mut self, keep: bool) -> Result<(), String> {
        let answer = self.ask()?;
        if keep {
            for (name, time) in &answer.times {
                self.samples.entry(name.clone()).or_default().push(*time);
            }
        }
        self.last = Some(answer);
        Ok(())
    }

    fn ask(&self) -> Result<Answer, String> {
        // A file of its own, which processes that are not forked import again.
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_nanos();
        let name = format!("bucle-bench-{}-{now}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        // Ours alone: what is there already is somebody else's, and an error.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(failed)?;
        let script = folder.join("executors.py");
        let ran = std::fs::File::create(&script)
            .and_then(|mut file| file.write_all(SCRIPT.as_bytes()))
            .and_then(|()| {
                Command::new(PYTHON)
                    .arg("-B")
                    .arg(&script)
                    .args(&self.arguments)
                    .stdin(Stdio::null())
                    .output()
            });
        let _ = std::fs::remove_dir_all(&folder);
        let output = ran.map_err(failed)?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let last = errors.lines().last().unwrap_or("").to_owned();
            return Err(format!("{PYTHON} ended with {}: {last}", output.status));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{PYTHON} printed something else: {error}"))
    }

    /// A table and a plot; and what a program wants to know.
    pub(super) fn fill(&self, report: &mut Report) -> serde_json::Value {
        let Some(answer) = &self.last else {
            return serde_json::Value::Null;
        };
        let name = format!("{} {}", answer.implementation, answer.version);
        let lock = if answer.gil { "with" } else { "without" };
        let title = format!(
            "For comparison, {name} {lock} a global interpreter lock: the same {} tasks, {} workers, processes by {}",
            self.tasks, self.workers, answer.start_method
        );
        let mut table = Table::new(&*title, &["way", "time", "quartiles"]);
        let mut bars = Vec::new();
        for (way, samples) in &self.samples {
            let Some(spread) = Spread::of(samples.iter().copied()) else {
                continue;
            };
            table.row([
                way.clone(),
                Unit::Nanoseconds.show(spread.median),
                format!(
                    "{} .. {}",
                    Unit::Nanoseconds.show(spread.low),
                    Unit::Nanoseconds.show(spread.high)
                ),
            ]);
            bars.push(Bar {
                name: way.clone(),
                spread,
                group: 6,
            });
        }
        report.tables.push(table);
        report.charts.push(Chart::Bars {
            title: format!("For comparison: {name}, {lock} a global interpreter lock"),
            unit: Unit::Nanoseconds,
            log: false,
            bars,
        });
        json!({
            "version": answer.version,
            "implementation": answer.implementation,
            "gil": answer.gil,
            "switch_interval_s": answer.switch_interval,
            "start_method": answer.start_method,
            "workers": self.workers,
            "samples": self.samples,
        })
    }
}
