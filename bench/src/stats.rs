//! Medians, quartiles, and what may be concluded from them.

use serde::Serialize;

/// The median of some values with their quartiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// A quarter of the values lie below.
    pub(crate) low: f64,
    /// Half of the values lie below.
    pub(crate) median: f64,
    /// Three quarters of the values lie below.
    pub(crate) high: f64,
    /// How many values there were.
    pub(crate) count: usize,
}

impl Spread {
    /// None without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        // Between the two nearest values in proportion (Hyndman and Fan's definition 7).
        let quantile = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            let (below, above) = (
                sorted[place.floor() as usize],
                sorted[place.ceil() as usize],
            );
            below + (above - below) * place.fract()
        };
        (!sorted.is_empty()).then(|| Spread {
            low: quantile(0.25),
            median: quantile(0.5),
            high: quantile(0.75),
            count: sorted.len(),
        })
    }

    /// Where this lies with regard to `bar`.
    pub(crate) fn against(&self, bar: f64, wanted: Wanted) -> Verdict {
        let (below, above) = (self.high <= bar, self.low >= bar);
        match wanted {
            Wanted::AtMost if below => Verdict::Met,
            Wanted::AtLeast if above => Verdict::Met,
            _ if below || above => Verdict::Missed,
            _ => Verdict::Tie,
        }
    }
}

/// Which side of a bar is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Wanted {
    /// Lower is better.
    AtMost,
    /// Higher is better.
    AtLeast,
}

/// What a spread says about a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    /// The whole spread is on the good side.
    Met,
    /// The bar is inside the spread: nothing may be concluded.
    Tie,
    /// The whole spread is on the bad side.
    Missed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_five_and_of_four() {
        let odd = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]).expect("values");
        assert_eq!(
            (odd.low, odd.median, odd.high, odd.count),
            (2.0, 3.0, 4.0, 5)
        );
        let even = Spread::of([1.0, 2.0, 3.0, 4.0]).expect("values");
        assert_eq!((even.low, even.median, even.high), (1.75, 2.5, 3.25));
        assert_eq!(Spread::of([7.0]).expect("one").high, 7.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_bar_inside_the_spread_is_a_tie() {
        let spread = Spread {
            low: 1.0,
            median: 1.1,
            high: 1.2,
            count: 15,
        };
        assert_eq!(spread.against(1.15, Wanted::AtMost), Verdict::Tie);
        assert_eq!(spread.against(1.3, Wanted::AtMost), Verdict::Met);
        assert_eq!(spread.against(0.9, Wanted::AtMost), Verdict::Missed);
        assert_eq!(spread.against(0.9, Wanted::AtLeast), Verdict::Met);
        assert_eq!(spread.against(1.3, Wanted::AtLeast), Verdict::Missed);
    }
}
