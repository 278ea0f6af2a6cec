//! Figures with their units, as people write them.

use serde::Serialize;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Time, in nanoseconds.
    Nanoseconds,
    /// Memory, in bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Things a second.
    PerSecond,
    /// A number without a unit.
    Number,
    /// A share, 1 being the whole.
    Share,
}

impl Unit {
    /// Three significant digits with the unit: `1.25 us`, `16.0 KiB`, `3.40 M/s`.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Nanoseconds => scaled(value, 1_000.0, &["ns", "us", "ms", "s"]),
            Unit::Bytes => scaled(value, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            Unit::BytesPerSecond => scaled(value, 1_000.0, &["B/s", "kB/s", "MB/s", "GB/s"]),
            Unit::PerSecond => scaled(value, 1_000.0, &["/s", "k/s", "M/s", "G/s"]),
            Unit::Number => three_digits(value),
            Unit::Share => format!("{} %", three_digits(value * 100.0)),
        }
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    // 999.7 would be written as 1000.
    while value.abs() >= step * 0.9995 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    format!("{} {}", three_digits(value), units[unit])
}

fn three_digits(value: f64) -> String {
    let digits = match value.abs() {
        v if v == 0.0 || v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.1 => 2,
        v if v >= 0.01 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (unit, value, text) in [
            (Unit::Nanoseconds, 0.333, "0.33 ns"),
            (Unit::Nanoseconds, 1_250.0, "1.25 us"),
            (Unit::Nanoseconds, 999.9, "1.00 us"),
            (Unit::Nanoseconds, 45_200_000.0, "45.2 ms"),
            (Unit::Bytes, 65_536.0, "64.0 KiB"),
            (Unit::Bytes, 353.0, "353 B"),
            (Unit::BytesPerSecond, 25.6e9, "25.6 GB/s"),
            (Unit::PerSecond, 1_000_000.0, "1.00 M/s"),
            (Unit::Number, 0.0, "0"),
            (Unit::Share, 0.0123, "1.23 %"),
        ] {
            assert_eq!(unit.show(value), text);
        }
    }
}
