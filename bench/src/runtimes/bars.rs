//! The bars Bucle is held to among runtimes.

use super::cases::{Case, Figure};
use super::echo::Echo;
use super::rounds::{Outcome, Row, ratio};
use crate::bars::{Judged, ratio as server_ratio};
use crate::stats::{Spread, Verdict, Wanted};

/// Spawn and yield, as a multiple of the floor's.
const TO_FLOOR: f64 = 2.0;
/// A fired sleep's CPU, as a part of tokio's.
const SLEEP_TO_TOKIO: f64 = 0.6;
/// How late a million sleeps may be on average, in milliseconds.
const LATE: f64 = 10.0;
/// CPU of an echoed message, as a multiple of the bare loop's.
const ECHO_PROTOCOL: f64 = 1.04;
const ECHO_STREAM: f64 = 1.08;

/// The bars of a case.
pub(crate) fn of_case(case: &Case, outcome: &Outcome) -> Vec<Judged> {
    let mut bars = Vec::new();
    let figure = case.figures[0];
    let row = |name: &str| outcome.rows.iter().find(|row| row.runtime == name);
    let ours = row("bucle");
    let best = best_peer(outcome, figure);
    let name = best.map_or("the best peer", |row| row.runtime);
    bars.push(judged(
        format!(
            "{}: first, {name} being the next: at most 1.00 x its",
            case.name
        ),
        ours.zip(best)
            .and_then(|(ours, best)| ratio(ours, best, figure)),
        1.0,
    ));
    if case.name.starts_with("spawn") || case.name.starts_with("yield") {
        bars.push(judged(
            format!("{}: at most {TO_FLOOR:.2} x the floor", case.name),
            ours.zip(row("floor"))
                .and_then(|(ours, floor)| ratio(ours, floor, figure)),
            TO_FLOOR,
        ));
    }
    if case.name == "sleep-fired" {
        bars.push(judged(
            format!("{}: at most {SLEEP_TO_TOKIO:.2} x tokio's", case.name),
            ours.zip(row("tokio"))
                .and_then(|(ours, tokio)| ratio(ours, tokio, figure)),
            SLEEP_TO_TOKIO,
        ));
        let spread = |name: &str| {
            let figure = case.figures.iter().find(|figure| figure.name == name)?;
            ours?.spread(*figure)
        };
        bars.push(judged(
            format!("{}: at most {LATE} ms late on average", case.name),
            spread("late"),
            LATE,
        ));
        bars.push(judged(
            format!("{}: none early", case.name),
            // One early sleep in one round is one too many, whatever the quartiles say.
            spread("early").map(|_| most(ours, "early")),
            0.0,
        ));
    }
    bars
}

/// The bars of one size of echoed message.
pub(crate) fn of_echo(echo: &Echo) -> Vec<Judged> {
    let row = |name: &str| echo.rows.iter().find(|row| row.server == name);
    let bar = |ours: &str, theirs: &str, limit: f64| {
        judged(
            format!(
                "{}: {ours}'s CPU at most {limit:.2} x {theirs}'s",
                echo.name()
            ),
            row(ours)
                .zip(row(theirs))
                .and_then(|(a, b)| server_ratio(a, b, crate::bars::Figure::Cpu)),
            limit,
        )
    };
    vec![
        bar("bucle-protocol", "bare", ECHO_PROTOCOL),
        bar("bucle-stream", "bare", ECHO_STREAM),
        bar("bucle-protocol", "tokio", 1.0),
        bar("bucle-stream", "tokio", 1.0),
    ]
}

/// The peer with the lowest median; the floor is none.
fn best_peer(outcome: &Outcome, figure: Figure) -> Option<&Row> {
    let peers = outcome.rows.iter();
    let peers = peers.filter(|row| !["floor", "bucle"].contains(&row.runtime));
    let medians = peers.filter_map(|row| Some((row.spread(figure)?.median, row)));
    medians
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, row)| row)
}

/// The largest value of all rounds, as a spread of itself.
fn most(row: Option<&Row>, figure: &str) -> Spread {
    let values = row.into_iter().flat_map(|row| &row.samples);
    let most = values
        .filter_map(|sample| sample.get(figure).copied())
        .fold(0.0, f64::max);
    Spread {
        low: most,
        median: most,
        high: most,
        count: row.map_or(0, |row| row.samples.len()),
    }
}

fn judged(bar: String, spread: Option<Spread>, limit: f64) -> Judged {
    let measured = match spread {
        None => "not measured".to_owned(),
        Some(Spread {
            low,
            median,
            high,
            count,
        }) => format!("{median:.3} (quartiles {low:.3} to {high:.3}, {count} rounds)"),
    };
    let verdict: Option<Verdict> = spread.map(|spread| spread.against(limit, Wanted::AtMost));
    Judged {
        bar,
        measured,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::cases::CASES;
    use crate::runtimes::rounds::Figures;

    fn row(runtime: &'static str, figures: &[(&str, f64)]) -> Row {
        let sample: Figures = figures
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect();
        Row {
            runtime,
            samples: vec![sample; 3],
        }
    }

    fn verdicts(case: &str, rows: Vec<Row>) -> Vec<Option<Verdict>> {
        let case = CASES.iter().find(|other| other.name == case);
        let case = case.expect("a case");
        let outcome = Outcome {
            case: case.name,
            rows,
            skipped: Vec::new(),
        };
        let judged = of_case(case, &outcome);
        judged.iter().map(|judged| judged.verdict).collect()
    }

    #[test]
    fn first_is_to_be_no_slower_than_the_best_peer_and_the_floor_is_none() {
        let rows = |ours| {
            vec![
                row("floor", &[("cpu", 30.0)]),
                row("bucle", &[("cpu", ours)]),
                row("smol", &[("cpu", 300.0)]),
                row("monoio", &[("cpu", 61.0)]),
            ]
        };
        let (met, missed) = (Some(Verdict::Met), Some(Verdict::Missed));
        assert_eq!(verdicts("spawn-batch", rows(59.0)), [met, met]);
        assert_eq!(verdicts("spawn-batch", rows(61.5)), [missed, missed]);
        let alone = vec![row("bucle", &[("cpu", 1.0)])];
        assert_eq!(verdicts("spawn-batch", alone), [None, None]);
    }

    #[test]
    fn one_early_sleep_misses_the_bar() {
        let sleeps = |early| {
            let mut ours = row("bucle", &[("cpu", 500.0), ("late", 3.0), ("early", 0.0)]);
            ours.samples[1].insert("early".to_owned(), early);
            let rows = vec![ours, row("tokio", &[("cpu", 1_000.0)])];
            verdicts("sleep-fired", rows)
        };
        assert_eq!(sleeps(0.0), [Some(Verdict::Met); 4]);
        assert_eq!(sleeps(1.0)[3], Some(Verdict::Missed));
    }
}
