//! The tables of runtimes, for a terminal and as Markdown.

use super::Results;
use super::cases::{CASES, Case, RUNTIMES};
use super::echo::{CONNECTIONS, Echo};
use super::rounds::{Outcome, ratio};
use crate::bars::{Figure, ratio as server_ratio};
use crate::report::{assemble, show};
use crate::stats::Spread;
use crate::timed::Sample;

/// The lines before the tables.
pub(crate) fn introduction(results: &Results) -> String {
    let versions = results.versions.iter();
    let versions: Vec<String> = versions.map(|(name, v)| format!("{name} {v}")).collect();
    let mut text = format!(
        "machine: {}\nversions: {}\n",
        results.machine.line(),
        versions.join(", ")
    );
    for warning in &results.warnings {
        text.push_str(&format!("WARNING: {warning}\n"));
    }
    text
}

/// The table of one case.
pub(crate) fn case(case: &Case, outcome: &Outcome) -> String {
    let mut head = vec!["runtime".to_owned()];
    head.extend(case.figures.iter().map(|figure| figure.unit.to_owned()));
    head.push("ratio to bucle".to_owned());
    let mut table = vec![head];
    let ours = outcome.rows.iter().find(|row| row.runtime == "bucle");
    for row in &outcome.rows {
        let mut line = vec![row.runtime.to_owned()];
        for figure in case.figures {
            let spread = row.spread(*figure);
            line.push(spread.map_or_else(String::new, |spread| show(&spread, figure.digits)));
        }
        let ratio = ours.and_then(|ours| ratio(row, ours, case.figures[0]));
        line.push(ratio.map_or_else(String::new, |ratio| show(&ratio, 2)));
        table.push(line);
    }
    let notes: Vec<String> = outcome
        .skipped
        .iter()
        .map(|skipped| {
            let (runtime, reason) = (skipped.runtime, &skipped.reason);
            format!("{runtime} is not in this table: {reason}")
        })
        .collect();
    assemble(&format!("{}: {}", case.name, case.about), &table, &notes)
}

/// The table of one size of message.
pub(crate) fn echo(echo: &Echo) -> String {
    let head = ["server", "CPU us/message", "messages/s", "on CPU"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table[0].extend(["CPU / bare".to_owned(), "CPU / tokio".to_owned()]);
    for row in &echo.rows {
        let spread = |figure: fn(&Sample) -> f64| Spread::of(row.samples.iter().map(figure));
        let (Some(cpu), Some(rate), Some(busy)) = (
            spread(|sample| sample.cpu()),
            spread(|sample| sample.rate()),
            spread(|sample| sample.busy()),
        ) else {
            continue;
        };
        let mut line = vec![
            row.server.to_owned(),
            show(&cpu, 2),
            show(&rate, 0),
            format!("{:.0} %", busy.median * 100.0),
        ];
        for reference in ["bare", "tokio"] {
            let theirs = echo.rows.iter().find(|row| row.server == reference);
            let ratio = theirs.and_then(|theirs| server_ratio(row, theirs, Figure::Cpu));
            line.push(ratio.map_or_else(String::new, |ratio| show(&ratio, 3)));
        }
        table.push(line);
    }
    let notes: Vec<String> = echo
        .skipped
        .iter()
        .map(|skipped| {
            let (server, reason) = (skipped.server, &skipped.reason);
            format!("{server} is not in this table: {reason}")
        })
        .collect();
    let title = format!(
        "{}: a message of {} bytes there and back, {CONNECTIONS} connections",
        echo.name(),
        echo.size
    );
    assemble(&title, &table, &notes)
}

/// Everything on one page: medians by case and runtime, echo, and the bars.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = format!(
        "# Runtimes side by side\n\n{}, {} rounds; medians.\n\n",
        results.machine.line(),
        results.rounds
    );
    text.push_str(&row(&[&["case", "figure"], RUNTIMES].concat()));
    text.push_str(&row(&vec!["---"; RUNTIMES.len() + 2]));
    for outcome in &results.cases {
        let Some(case) = CASES.iter().find(|case| case.name == outcome.case) else {
            continue;
        };
        for figure in case.figures {
            let mut line = vec![case.name.to_owned(), figure.unit.to_owned()];
            line.extend(RUNTIMES.iter().map(|name| {
                let row = outcome.rows.iter().find(|row| row.runtime == *name);
                let spread = row.and_then(|row| row.spread(*figure));
                spread.map_or_else(
                    || "-".to_owned(),
                    |spread| format!("{:.*}", figure.digits, spread.median),
                )
            }));
            text.push_str(&row(&line));
        }
    }
    for echo in &results.echo {
        text.push_str(&format!("\n```text\n{}```\n", self::echo(echo)));
    }
    text.push_str(&format!(
        "\n```text\n{}```\n",
        crate::report::bars(&results.bars)
    ));
    let skipped = results.cases.iter().flat_map(|outcome| {
        let skipped = outcome.skipped.iter();
        skipped.map(|skipped| {
            let (runtime, reason) = (skipped.runtime, &skipped.reason);
            format!("- {} without {runtime}: {reason}\n", outcome.case)
        })
    });
    let skipped: String = skipped.collect();
    if !skipped.is_empty() {
        text.push_str(&format!("\n{skipped}"));
    }
    text
}

fn row<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}
