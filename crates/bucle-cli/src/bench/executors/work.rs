//! What the tasks do: the chapter's two kinds of work, and a matrix multiplication.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A kind of work, as `--work` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A sum of sin(i) / (i + 1).
    Cpu,
    /// Waiting, which stands for I/O.
    Io,
    /// A product of two matrices.
    Matrix,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Cpu, Kind::Io, Kind::Matrix];
}

/// One task's work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Work {
    Cpu { terms: u32 },
    Io { wait: Duration },
    Matrix { size: u32 },
}

impl Work {
    pub(super) fn name(self) -> &'static str {
        match self {
            Work::Cpu { .. } => "cpu",
            Work::Io { .. } => "io",
            Work::Matrix { .. } => "matrix",
        }
    }

    pub(super) fn describe(self) -> String {
        match self {
            Work::Cpu { terms } => format!("{terms} terms of the sum of sin(i) / (i + 1)"),
            Work::Io { wait } => format!("a wait of {} ms", wait.as_secs_f64() * 1e3),
            Work::Matrix { size } => format!("a product of matrices of {size} x {size}"),
        }
    }

    pub(super) fn needs_cpu(self) -> bool {
        !matches!(self, Work::Io { .. })
    }

    /// Does it, blocking the thread.
    pub(crate) fn run(self) -> f64 {
        match self {
            Work::Cpu { terms } => sum(terms),
            Work::Io { wait } => {
                thread::sleep(wait);
                0.0
            }
            Work::Matrix { size } => multiply(size as usize),
        }
    }

    /// Does it as a task of the loop: what waits lets others run.
    pub(super) async fn run_as_task(self) -> f64 {
        match self {
            Work::Io { wait } => {
                bucle::sleep(wait).await;
                0.0
            }
            work => work.run(),
        }
    }
}

/// The chapter's `cpu_bound_task`.
fn sum(terms: u32) -> f64 {
    (0..black_box(terms))
        .map(f64::from)
        .map(|i| i.sin() / (i + 1.0))
        .sum()
}

/// The trace of the product of two matrices.
fn multiply(size: usize) -> f64 {
    let matrix = |seed: usize| -> Vec<f64> {
        (0..size * size)
            .map(|at| ((at * 31 + seed) % 17) as f64)
            .collect()
    };
    let (a, b) = (black_box(matrix(3)), black_box(matrix(7)));
    let mut c = vec![0.0; size * size];
    for (row, result) in a.chunks_exact(size).zip(c.chunks_exact_mut(size)) {
        for (factor, of_b) in row.iter().zip(b.chunks_exact(size)) {
            for (sum, value) in result.iter_mut().zip(of_b) {
                *sum += factor * value;
            }
        }
    }
    black_box(&c).iter().step_by(size + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done() {
        // sin(0) / 1 + sin(1) / 2 + sin(2) / 3
        let three = 1_f64.sin() / 2.0 + 2_f64.sin() / 3.0;
        assert!((Work::Cpu { terms: 3 }.run() - three).abs() < 1e-12);
        // [[3, 0], [14, 11]] * [[7, 4], [1, 15]], whose trace is 21 + 56 + 165.
        assert_eq!(multiply(2), 21.0 + 14.0 * 4.0 + 11.0 * 15.0);
    }
}
