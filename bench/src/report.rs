//! The tables that people read.

use crate::account::CpuTime;
use crate::bars::{Figure, Judged, ratio};
use crate::idle::Idle;
use crate::stats::Spread;
use crate::syscalls::Syscalls;
use crate::timed::{Row, Timed};

/// Servers below this share of their CPU waited for the load generator.
const SATURATED: f64 = 0.95;
/// More of a server's CPU than this to others disturbs a measurement.
const DISTURBED: f64 = 0.05;

/// The table of a timed scenario, with what should be known about it.
pub(crate) fn timed(timed: &Timed) -> String {
    let workers = timed.rows.iter().any(|row| row.server == "bucle-2");
    let ours: &[_] = if workers {
        &["bucle", "bucle-twice"]
    } else {
        &[]
    };
    let references: Vec<&Row> = ["bare", "nginx", "lighttpd"]
        .iter()
        .chain(ours)
        .filter_map(|name| timed.rows.iter().find(|row| row.server == *name))
        .collect();
    let mut head: Vec<String> = [
        "server",
        "requests/s",
        "CPU us/request",
        "user",
        "system",
        "on CPU",
    ]
    .map(str::to_owned)
    .to_vec();
    for reference in &references {
        head.push(format!("CPU / {}", reference.server));
    }
    if let Some(first) = references.first() {
        head.push(format!("rate / {}", first.server));
    }
    let mut table = vec![head];
    let mut notes = Vec::new();
    for row in &timed.rows {
        let spread =
            |figure: fn(&crate::timed::Sample) -> f64| Spread::of(row.samples.iter().map(figure));
        let (Some(rate), Some(cpu), Some(busy), Some(foreign)) = (
            spread(|s| s.rate()),
            spread(|s| s.cpu()),
            spread(|s| s.busy()),
            spread(|s| s.foreign),
        ) else {
            continue;
        };
        // The split is a sample of few ticks a round: all rounds together.
        let whole: CpuTime = row.samples.iter().map(|sample| sample.cpu).sum();
        let user = cpu.median * whole.user() / whole.total as f64;
        let mut line = vec![
            row.server.to_owned(),
            show(&rate, 0),
            show(&cpu, 2),
            format!("{user:.2}"),
            format!("{:.2}", cpu.median - user),
            format!("{:.0} %", busy.median * 100.0),
        ];
        for reference in &references {
            line.push(
                ratio(row, reference, Figure::Cpu)
                    .map_or_else(String::new, |ratio| show(&ratio, 2)),
            );
        }
        if let Some(first) = references.first() {
            line.push(
                ratio(row, first, Figure::Rate).map_or_else(String::new, |ratio| show(&ratio, 2)),
            );
        }
        table.push(line);
        if foreign.median > DISTURBED {
            notes.push(format!(
                "{}: {:.0} % of its CPU went to others",
                row.server,
                foreign.median * 100.0
            ));
        } else if busy.median < SATURATED {
            notes.push(format!(
                "{}: not saturated, its rate is the load generator's; CPU/request stands",
                row.server
            ));
        }
        let reopened: u64 = row.samples.iter().map(|sample| sample.reopened).sum();
        if reopened > 0 {
            notes.push(format!(
                "{}: closed {reopened} connections, which were made again",
                row.server
            ));
        }
    }
    if timed.void > 0 {
        let end = if timed.void_kept {
            "; then given up, what follows is as measured and NOT VALID"
        } else {
            ""
        };
        notes.push(format!(
            "{} rounds were void (bare loop over 0.25 us of user time) and repeated{end}",
            timed.void
        ));
    }
    notes.extend(timed.skipped.iter().map(|skipped| {
        format!(
            "{} is not in this table: {}",
            skipped.server, skipped.reason
        )
    }));
    let rounds = timed.rows.first().map_or(0, |row| row.samples.len());
    let title = format!(
        "{}: {} ({} connections, {} at once on each, requests of {} bytes on average)\n\
         median (quartiles) of {rounds} rounds; ratios are taken within the round",
        timed.name, timed.about, timed.connections, timed.depth, timed.request_bytes
    );
    assemble(&title, &table, &notes)
}

/// The table of system calls.
pub(crate) fn syscalls(syscalls: &Syscalls) -> String {
    let mut table = vec![
        [
            "server",
            "content",
            "1 connection",
            "32 connections",
            "on 1 connection",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for row in &syscalls.rows {
        let names: Vec<String> = row
            .names
            .iter()
            .map(|(name, calls)| format!("{name} {calls:.2}"))
            .collect();
        let (one, many) = (format!("{:.2}", row.one), format!("{:.2}", row.many));
        table.push(vec![
            row.server.to_owned(),
            format!("{:?}", row.content),
            one,
            many,
            names.join(", "),
        ]);
    }
    let mut notes: Vec<String> = syscalls
        .skipped
        .iter()
        .map(|skipped| {
            format!(
                "{} is not in this table: {}",
                skipped.server, skipped.reason
            )
        })
        .collect();
    notes.extend(
        syscalls
            .not_run
            .iter()
            .map(|reason| format!("skipped: {reason}")),
    );
    assemble(
        &format!(
            "syscalls: system calls a request, counted by {}",
            syscalls.counter
        ),
        &table,
        &notes,
    )
}

/// The table of idle connections.
pub(crate) fn idle(idle: &Idle) -> String {
    let head = [
        "server",
        "content",
        "connections",
        "bytes each",
        "anonymous KiB before",
        "and held",
        "resident KiB before",
        "and held",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for row in &idle.rows {
        let mut line = vec![
            row.server.to_owned(),
            format!("{:?}", row.content),
            row.connections.to_string(),
        ];
        line.push(format!("{:.0}", row.each()));
        line.extend(
            [row.before, row.held, row.resident.0, row.resident.1]
                .map(|bytes| (bytes / 1024).to_string()),
        );
        table.push(line);
    }
    let notes: Vec<String> = idle
        .skipped
        .iter()
        .map(|skipped| {
            format!(
                "{} is not in this table: {}",
                skipped.server, skipped.reason
            )
        })
        .collect();
    assemble(
        "idle: user memory of an idle keep-alive connection that has had one request answered",
        &table,
        &notes,
    )
}

/// The lines about the bars.
pub(crate) fn bars(bars: &[Judged]) -> String {
    let mut text = String::from("bars (TIE: the bar is inside the quartiles)\n");
    for judged in bars {
        text.push_str("  ");
        text.push_str(&judged.line());
        text.push('\n');
    }
    text
}

/// A spread for people.
pub(crate) fn show(spread: &Spread, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$}-{:.digits$})",
        spread.median, spread.low, spread.high
    )
}

/// A table with its title and notes.
pub(crate) fn assemble(title: &str, table: &[Vec<String>], notes: &[String]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        table
            .iter()
            .filter_map(|line| line.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = format!("{title}\n");
    for line in table {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
    }
    for note in notes {
        text.push_str(&format!("  ! {note}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let table = vec![
            vec!["a".to_owned(), "bb".to_owned()],
            vec!["ccc".to_owned(), "d".to_owned()],
        ];
        assert_eq!(
            assemble("t", &table, &["n".to_owned()]),
            "t\n  a    bb\n  ccc  d\n  ! n\n"
        );
    }

    #[test]
    fn a_spread_is_shown_with_its_digits() {
        let spread = Spread {
            low: 1.0,
            median: 1.256,
            high: 2.0,
            count: 3,
        };
        assert_eq!(show(&spread, 2), "1.26 (1.00-2.00)");
        assert_eq!(show(&spread, 0), "1 (1-2)");
    }
}
