//! `bucle bench os`: what things cost on this machine, beside what is said of them.
//!
//! | file | what |
//! |---|---|
//! | `probe` | one measurement: its figures, the claim beside each, how a sample is taken |
//! | `calls` | the clock's cycle, system calls, round trips between threads, waiting for many descriptors |
//! | `switches` | context switches, the scheduler's quantum, timers |
//! | `threads`, `processes` | making them, and what they take |
//! | `memory`, `atomics` | bandwidth and latency; atomic operations, contention, false sharing |

mod atomics;
mod calls;
mod memory;
mod probe;
mod processes;
mod switches;
mod threads;

use clap::Args;
use serde_json::json;

pub(crate) use calls::{echo, ping};
use probe::{Effort, Group, Probe};
pub(crate) use threads::{STACK, grow_by_loops};

use super::report::{Bar, Chart, Output, Report, Table};
use super::rounds::interleaved;
use super::stats::Spread;
use super::units::Unit;

/// Rounds without `--rounds`, and with `--quick`.
const ROUNDS: u32 = 9;
const QUICK_ROUNDS: u32 = 2;

#[derive(Args)]
pub(crate) struct Os {
    /// How many times everything is measured; the table shows the median and the quartiles.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// Measure only what has one of these words in its name or its group, such as fork,atomics.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    only: Vec<String>,

    #[command(flatten)]
    pub(super) output: Output,
}

impl Os {
    pub(crate) fn run(self) -> Result<(), String> {
        let quick = self.output.quick;
        let rounds = self
            .rounds
            .unwrap_or(if quick { QUICK_ROUNDS } else { ROUNDS });
        let mut report = Report::new("os", json!({ "rounds": rounds, "quick": quick }));
        let mut probes = all(Effort::new(quick));
        if !self.only.is_empty() {
            probes.retain(|probe| self.only.iter().any(|word| probe.matches(word)));
            if probes.is_empty() {
                return Err(format!(
                    "--only {}: nothing is called so; see the first column of `bucle bench os --quick`",
                    self.only.join(",")
                ));
            }
        }
        for (name, reason) in interleaved(&mut probes, rounds) {
            report.note(format!("{name} could not be measured: {reason}"));
        }
        fill(&mut report, &probes);
        report.deliver(&self.output)
    }
}

fn all(effort: Effort) -> Vec<Probe> {
    let mut probes = calls::probes(effort);
    probes.extend(switches::probes(effort));
    probes.extend(threads::probes(effort));
    probes.extend(processes::probes(effort));
    probes.extend(memory::probes(effort));
    probes.extend(atomics::probes(effort));
    probes
}

/// Puts what was measured into the report: a table and a plot for each group, and figures by name.
fn fill(report: &mut Report, probes: &[Probe]) {
    let mut figures = serde_json::Map::new();
    for group in Group::ALL {
        let columns = ["figure", "median", "quartiles", "claim", "here", "what"];
        let mut table = Table::new(group.title(), &columns);
        let mut bars: Vec<(Unit, Vec<Bar>)> = Vec::new();
        for probe in probes.iter().filter(|probe| probe.group == group) {
            for (figure, samples) in probe.measured() {
                let Some(spread) = Spread::of(samples.iter().copied()) else {
                    continue;
                };
                let verdict = figure.claim.as_ref().map(|claim| claim.against(spread));
                table.row([
                    figure.name.to_owned(),
                    figure.unit.show(spread.median),
                    format!(
                        "{} .. {}",
                        figure.unit.show(spread.low),
                        figure.unit.show(spread.high)
                    ),
                    figure.claim.as_ref().map_or("", |claim| claim.text).into(),
                    verdict.clone().unwrap_or_default(),
                    figure.title.clone(),
                ]);
                figures.insert(
                    figure.name.into(),
                    json!({
                        "group": group.title(),
                        "what": figure.title,
                        "unit": figure.unit,
                        "low": spread.low,
                        "median": spread.median,
                        "high": spread.high,
                        "samples": samples,
                        "claim": figure.claim.as_ref().map(|claim| claim.text),
                        "verdict": verdict,
                    }),
                );
                let bar = Bar {
                    name: figure.name.into(),
                    spread,
                    group: 0,
                };
                match bars.iter_mut().find(|(unit, _)| *unit == figure.unit) {
                    Some((_, bars)) => bars.push(bar),
                    None => bars.push((figure.unit, vec![bar])),
                }
            }
        }
        report.tables.push(table);
        for (unit, bars) in bars.into_iter().filter(|(_, bars)| bars.len() > 1) {
            report.charts.push(Chart::Bars {
                title: group.title().into(),
                unit,
                log: true,
                bars,
            });
        }
    }
    report.results = json!({ "figures": figures });
    report.note(
        "claim: what the textbook chapter says that Bucle began with; `here` is our median \
         beside it (docs/chapter.md has the verdicts)",
    );
}
