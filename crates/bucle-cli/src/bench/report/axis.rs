//! The axis of a plot: where a value lies on it, and which values are written beside it.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::bench::units::Unit;

/// An axis, linear or logarithmic.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    unit: Unit,
    log: bool,
    /// Ends of the axis, as places: values, or their logarithms.
    from: f64,
    to: f64,
    /// Places that are labelled.
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis on which all of `values` lie: from 0 if linear. What is not positive has no place on
    /// a logarithmic one, and lies at its beginning.
    pub(super) fn around(values: impl Iterator<Item = f64> + Clone, unit: Unit, log: bool) -> Axis {
        let finite = values.filter(|value| value.is_finite() && (!log || *value > 0.0));
        let least = finite.clone().fold(f64::INFINITY, f64::min);
        let most = finite.fold(f64::NEG_INFINITY, f64::max);
        if log {
            let (least, most) = if least <= most {
                (least, most)
            } else {
                (1.0, 10.0)
            };
            return Axis::decades(least, most, unit);
        }
        let most = if most > 0.0 { most * 1.05 } else { 1.0 };
        let step = if unit == Unit::Bytes {
            // KiB and MiB are round in powers of two.
            (most / 6.0).log2().ceil().exp2()
        } else {
            step(most / 6.0)
        };
        let ticks = (0..=64)
            .map(|number| f64::from(number) * step)
            .take_while(|tick| *tick <= most)
            .collect();
        Axis {
            unit,
            log,
            from: 0.0,
            to: most,
            ticks,
        }
    }

    fn decades(least: f64, most: f64, unit: Unit) -> Axis {
        // A little room, so that nothing lies on the edge.
        let (from, to) = (least.log10() - 0.1, most.log10() + 0.1);
        let every = ((to - from) / 8.0).ceil().max(1.0) as i32;
        let mut ticks: Vec<f64> = (from.ceil() as i32..=to.floor() as i32)
            .filter(|decade| decade % every == 0)
            .map(f64::from)
            .collect();
        if unit == Unit::Bytes {
            let powers = (from / 2_f64.log10()).ceil() as i32..=(to / 2_f64.log10()).floor() as i32;
            let every = (powers.clone().count() as i32 / 8).max(1);
            ticks = powers
                .filter(|power| power % every == 0)
                .map(|power| f64::from(power) * 2_f64.log10())
                .collect();
        } else if ticks.len() < 3 {
            // Less than three decades: 1, 2 and 5 of each.
            ticks = (from.floor() as i32..=to.ceil() as i32)
                .flat_map(|decade| [1.0_f64, 2.0, 5.0].map(|m| m.log10() + f64::from(decade)))
                .filter(|tick| (from..=to).contains(tick))
                .collect();
        }
        Axis {
            unit,
            log: true,
            from,
            to,
            ticks,
        }
    }

    /// Where `value` lies.
    fn place(&self, value: f64) -> f64 {
        if !self.log {
            value
        } else if value > 0.0 {
            value.log10().max(self.from)
        } else {
            self.from
        }
    }

    fn value(&self, place: f64) -> f64 {
        if self.log { 10_f64.powf(place) } else { place }
    }

    /// The value at the axis's beginning.
    pub(super) fn beginning(&self) -> f64 {
        self.value(self.from)
    }

    /// What is written beside a value.
    fn label(&self, value: f64) -> String {
        let text = self.unit.show(value);
        // 10.0 ms is written 10 ms.
        match text.split_once(' ') {
            Some((number, unit)) => format!("{} {unit}", shortest(number)),
            None => shortest(&text).to_owned(),
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (self.place(*value) - self.from) / (self.to - self.from);
        first + (f64::from(last - first) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|&tick| self.value(tick)).collect()
    }

    fn range(&self) -> Range<f64> {
        self.value(self.from)..self.value(self.to)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

fn shortest(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// The round number next to `about`: 1, 2 or 5 times a power of ten.
fn step(about: f64) -> f64 {
    let decade = 10_f64.powf(about.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * decade)
        .find(|step| *step >= about)
        .unwrap_or(decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_zero_with_round_ticks() {
        let axis = Axis::around([3.0, 11.0].into_iter(), Unit::Number, false);
        assert_eq!((axis.from, axis.ticks[1]), (0.0, 2.0));
        assert!(axis.ticks.len() >= 5 && axis.to >= 11.0);
        assert_eq!(axis.label(2.0), "2");
        assert_eq!(axis.place(4.0), 4.0);
    }

    #[test]
    fn a_logarithmic_axis_has_decades() {
        let axis = Axis::around(
            [0.3, 0.0, 50_000_000.0].into_iter(),
            Unit::Nanoseconds,
            true,
        );
        assert_eq!(axis.place(1_000.0), 3.0);
        assert_eq!(axis.place(0.0), axis.from);
        assert!(axis.ticks.iter().all(|tick| tick.fract() == 0.0));
        assert_eq!(axis.label(axis.value(4.0)), "10 us");
        let narrow = Axis::around([30.0, 90.0].into_iter(), Unit::Nanoseconds, true);
        assert_eq!(narrow.label(narrow.value(narrow.ticks[0])), "50 ns");
        let memory = Axis::around([1_000.0, 9_000.0].into_iter(), Unit::Bytes, true);
        assert_eq!(memory.label(memory.value(memory.ticks[0])), "1 KiB");
        let memory = Axis::around([60_000.0].into_iter(), Unit::Bytes, false);
        assert_eq!(memory.label(memory.ticks[1]), "16 KiB");
    }

    #[test]
    fn no_values_are_an_axis_too() {
        for log in [false, true] {
            let axis = Axis::around(std::iter::empty(), Unit::Number, log);
            assert!(axis.from < axis.to);
        }
    }
}
