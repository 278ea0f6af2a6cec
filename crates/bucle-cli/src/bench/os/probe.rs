//! One measurement.

use std::ops::RangeInclusive;
use std::time::Instant;

use crate::bench::rounds::Subject;
use crate::bench::stats::Spread;
use crate::bench::units::Unit;

/// What belongs together in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Calls,
    Switches,
    Threads,
    Processes,
    Memory,
    Atomics,
}

impl Group {
    pub(super) const ALL: [Group; 6] = [
        Group::Calls,
        Group::Switches,
        Group::Threads,
        Group::Processes,
        Group::Memory,
        Group::Atomics,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Group::Calls => "Calls and waiting",
            Group::Switches => "Switches and time",
            Group::Threads => "Threads and the loop",
            Group::Processes => "Processes",
            Group::Memory => "Memory",
            Group::Atomics => "Atomics",
        }
    }
}

/// How much is done for one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) quick: bool,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Effort {
        Effort { quick }
    }

    /// `full` times, or a few of them.
    pub(super) fn times(self, full: u32) -> u32 {
        if self.quick { (full / 20).max(2) } else { full }
    }
}

/// What is said of a figure.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) text: &'static str,
    /// What it says: from here to there, or one figure.
    says: RangeInclusive<f64>,
    /// Which medians bear it out.
    holds: RangeInclusive<f64>,
}

impl Claim {
    /// `text` says that a figure is within `says`; a median within that bears it out.
    pub(super) fn new(text: &'static str, says: RangeInclusive<f64>) -> Claim {
        let holds = says.clone();
        Claim { text, says, holds }
    }

    /// What our figure says about it.
    pub(super) fn against(&self, spread: Spread) -> String {
        let (from, to) = (*self.says.start(), *self.says.end());
        let times = |ratio: f64| {
            if ratio < 9.95 {
                format!("{ratio:.1} x")
            } else {
                format!("{ratio:.0} x")
            }
        };
        // What would be shown as 1.0 x.
        let near = |ratio: f64| ratio < 1.05;
        match spread.median {
            median if self.holds.contains(&median) => "holds".into(),
            median if median < from && median <= 0.0 => "lower".into(),
            median if median < from && !near(from / median) => {
                format!("{} lower", times(from / median))
            }
            median if median > to && !near(median / to) => format!("{} higher", times(median / to)),
            _ => "holds".into(),
        }
    }
}

/// A figure that a probe gives.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) unit: Unit,
    pub(super) claim: Option<Claim>,
}

/// A time, or time a thing.
pub(super) fn time(name: &'static str, title: impl Into<String>) -> Figure {
    Figure {
        name,
        title: title.into(),
        unit: Unit::Nanoseconds,
        claim: None,
    }
}

/// An amount of memory.
pub(super) fn bytes(name: &'static str, title: impl Into<String>) -> Figure {
    Figure {
        unit: Unit::Bytes,
        ..time(name, title)
    }
}

impl Figure {
    /// Sets a claim beside it: `text` says that it is within `says`.
    pub(super) fn claim(mut self, text: &'static str, says: RangeInclusive<f64>) -> Figure {
        self.claim = Some(Claim::new(text, says));
        self
    }

    /// Sets a claim beside it: `text` says `figure`, which a median within `holds` bears out.
    pub(super) fn about(
        mut self,
        text: &'static str,
        figure: f64,
        holds: RangeInclusive<f64>,
    ) -> Figure {
        self.claim = Some(Claim {
            text,
            says: figure..=figure,
            holds,
        });
        self
    }
}

type Run = Box<dyn FnMut() -> Result<Vec<f64>, String>>;

/// A measurement that gives one figure or some.
pub(super) struct Probe {
    pub(super) group: Group,
    figures: Vec<Figure>,
    samples: Vec<Vec<f64>>,
    run: Run,
}

impl Probe {
    /// `run` returns a value for each of `figures`, in their order.
    pub(super) fn new<F>(group: Group, figures: Vec<Figure>, run: F) -> Probe
    where
        F: FnMut() -> Result<Vec<f64>, String> + 'static,
    {
        let samples = vec![Vec::new(); figures.len()];
        Probe {
            group,
            figures,
            samples,
            run: Box::new(run),
        }
    }

    /// A measurement that gives one figure.
    pub(super) fn one<F>(group: Group, figure: Figure, mut run: F) -> Probe
    where
        F: FnMut() -> Result<f64, String> + 'static,
    {
        Probe::new(group, vec![figure], move || Ok(vec![run()?]))
    }

    /// Whether `word` is in one of its names, or its group's.
    pub(super) fn matches(&self, word: &str) -> bool {
        let word = word.trim().to_lowercase();
        self.group.title().to_lowercase().contains(&word)
            || self
                .figures
                .iter()
                .any(|figure| figure.name.contains(&word))
    }

    /// Its figures with their samples.
    pub(super) fn measured(&self) -> impl Iterator<Item = (&Figure, &Vec<f64>)> {
        self.figures.iter().zip(&self.samples)
    }
}

impl Subject for Probe {
    fn name(&self) -> &str {
        self.figures.first().map_or("", |figure| figure.name)
    }

    fn sample(&mut self, keep: bool) -> Result<(), String> {
        let values = (self.run)()?;
        if keep {
            for (samples, value) in self.samples.iter_mut().zip(values) {
                samples.push(value);
            }
        }
        Ok(())
    }
}

/// Nanoseconds that one of `times` calls of `body` takes.
pub(super) fn each(times: u32, mut body: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        body();
    }
    start.elapsed().as_nanos() as f64 / f64::from(times)
}

/// As [`each`], for what can fail.
pub(super) fn try_each<E: ToString>(
    times: u32,
    mut body: impl FnMut() -> Result<(), E>,
) -> Result<f64, String> {
    let start = Instant::now();
    for _ in 0..times {
        body().map_err(|error| error.to_string())?;
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(times))
}

/// Why something did not work, with what it was.
pub(super) fn failed<E: std::fmt::Display>(what: &str) -> impl Fn(E) -> String + '_ {
    move |error| format!("{what}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_within_its_range() {
        let claim = Claim::new("1 to 10 us", 1_000.0..=10_000.0);
        let against = |value| claim.against(Spread::of([value]).unwrap());
        assert_eq!(against(1_000.0), "holds");
        assert_eq!(against(10_000.0), "holds");
        assert_eq!(against(500.0), "2.0 x lower");
        assert_eq!(against(0.0), "lower");
        assert_eq!(against(250_000.0), "25 x higher");
        // It would be 1.0 times higher.
        assert_eq!(against(10_400.0), "holds");
        assert_eq!(against(10_600.0), "1.1 x higher");
    }

    #[test]
    fn how_far_off_counts_from_the_figure_that_is_claimed() {
        let figure = time("quantum", "").about("10 ms", 10e6, 8e6..=12e6);
        let claim = figure.claim.unwrap();
        let against = |value| claim.against(Spread::of([value]).unwrap());
        assert_eq!(against(8e6), "holds");
        assert_eq!(against(12e6), "holds");
        assert_eq!(against(3.94e6), "2.5 x lower");
        assert_eq!(against(25e6), "2.5 x higher");
    }
}
