//! Amdahl's law: of the time that one worker takes, the share `s` can't be divided, so that `n`
//! workers take `s + (1 - s) / n` of it. Here `s` is what fits the times measured, in least squares.

use crate::bench::stats::line_through;

/// What fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// The serial share, from 0 to 1.
    pub(super) serial: f64,
    /// The time of one worker, as fitted.
    pub(super) alone: f64,
}

/// Fits the times of different numbers of workers; none with fewer than two numbers.
pub(super) fn fit(times: &[(usize, f64)]) -> Option<Fit> {
    let points: Vec<(f64, f64)> = times
        .iter()
        .map(|&(workers, time)| (1.0 / workers as f64, time))
        .collect();
    // time = alone * serial + alone * (1 - serial) / n: a line over 1 / n.
    let (slope, intercept) = line_through(&points)?;
    let alone = slope + intercept;
    (alone > 0.0).then(|| Fit {
        serial: (intercept / alone).clamp(0.0, 1.0),
        alone,
    })
}

impl Fit {
    /// How many times faster `workers` are than one.
    pub(super) fn speed_up(&self, workers: f64) -> f64 {
        1.0 / (self.serial + (1.0 - self.serial) / workers)
    }

    /// How many times faster any number of workers can be, for people.
    pub(super) fn most(&self) -> String {
        // A share that small is within the noise of the times that it was fitted to.
        if self.serial < 1e-2 {
            "100 x and more".into()
        } else {
            format!("{:.1} x", 1.0 / self.serial)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_that_is_serial_is_found_again() {
        let time = |n: usize| (n, 1_000.0 * (0.1 + 0.9 / n as f64));
        let fit = fit(&[time(1), time(2), time(4)]).unwrap();
        assert!((fit.serial - 0.1).abs() < 1e-9 && (fit.alone - 1_000.0).abs() < 1e-6);
        assert_eq!(fit.most(), "10.0 x");
        let nothing = Fit {
            serial: 0.002,
            alone: 1.0,
        };
        assert_eq!(nothing.most(), "100 x and more");
        // The chapter's: no number of workers is more than ten times faster.
        assert!(fit.speed_up(1e9) < 10.0);
    }

    #[test]
    fn what_does_not_get_faster_is_serial_and_one_point_is_none() {
        assert_eq!(fit(&[(1, 100.0), (2, 110.0)]).unwrap().serial, 1.0);
        assert_eq!(fit(&[(1, 100.0), (2, 49.0)]).unwrap().serial, 0.0);
        assert_eq!(fit(&[(2, 100.0)]), None);
    }
}
