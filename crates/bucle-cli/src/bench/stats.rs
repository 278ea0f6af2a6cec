//! The median of some samples, and their quartiles.

use serde::Serialize;

/// The median of some samples with their quartiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// A quarter of the samples lie below.
    pub(crate) low: f64,
    /// Half of the samples lie below.
    pub(crate) median: f64,
    /// Three quarters of the samples lie below.
    pub(crate) high: f64,
    /// How many samples there were.
    pub(crate) count: usize,
}

impl Spread {
    /// None without samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        // Between the two nearest samples in proportion (Hyndman and Fan's definition 7).
        let quantile = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (sorted[place as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Spread {
            low: quantile(0.25),
            median: quantile(0.5),
            high: quantile(0.75),
            count: sorted.len(),
        })
    }
}

/// The slope and the intercept of the straight line with the least squares through `points`; none
/// with fewer than two different abscissas.
pub(crate) fn line_through(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if points.len() < 2 || square == 0.0 {
        return None;
    }
    let product: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let slope = product / square;
    Some((slope, y - slope * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_five_and_of_four() {
        let odd = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((odd.low, odd.median, odd.high), (2.0, 3.0, 4.0));
        let even = Spread::of([1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((even.low, even.median, even.high), (1.75, 2.5, 3.25));
        assert_eq!(Spread::of([7.0]).unwrap().high, 7.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_line_is_found_again() {
        let points = [(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)];
        assert_eq!(line_through(&points), Some((2.0, 3.0)));
        assert_eq!(line_through(&[(1.0, 1.0)]), None);
        assert_eq!(line_through(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }
}
