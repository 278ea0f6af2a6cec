//! Interleaved rounds: in each round every figure is sampled once, in an order that changes, so that
//! a machine that slows down for a while slows all of them. The first round warms up and is thrown
//! away.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::stop;

/// How often the bar shows how long it has taken.
const TICK: Duration = Duration::from_millis(500);

/// A bar on standard error, where that is a terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar of `steps` steps.
    pub(crate) fn new(steps: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} [{bar:30}] {pos}/{len} {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Progress(bar)
    }

    /// Says what is done now.
    pub(crate) fn now(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What is sampled once a round.
pub(crate) trait Subject {
    /// What it is, in a few words.
    fn name(&self) -> &str;
    /// Takes one sample. After an error it is not asked again.
    fn sample(&mut self, keep: bool) -> Result<(), String>;
}

/// Samples all `subjects` in `rounds` rounds after one that warms up, until a signal comes. Returns
/// what could not be measured, with the reason.
pub(crate) fn interleaved<S: Subject>(subjects: &mut [S], rounds: u32) -> Vec<(String, String)> {
    let mut failed: Vec<Option<String>> = vec![None; subjects.len()];
    let progress = Progress::new(u64::from(rounds + 1) * subjects.len() as u64);
    for round in 0..=rounds as usize {
        for turn in 0..subjects.len() {
            // Rotated, and every other round backwards.
            let place = (turn + round * 7) % subjects.len();
            let at = if round % 2 == 0 {
                place
            } else {
                subjects.len() - 1 - place
            };
            if stop::asked() {
                return outcome(subjects, failed);
            }
            let subject = &mut subjects[at];
            progress.now(subject.name());
            if failed[at].is_none()
                && let Err(reason) = subject.sample(round > 0)
            {
                failed[at] = Some(reason);
            }
            progress.step();
        }
    }
    drop(progress);
    outcome(subjects, failed)
}

fn outcome<S: Subject>(subjects: &[S], failed: Vec<Option<String>>) -> Vec<(String, String)> {
    let named = subjects.iter().zip(failed);
    named
        .filter_map(|(subject, reason)| Some((subject.name().to_owned(), reason?)))
        .collect()
}

/// Sleeps, but no longer than until a signal comes. False if one did.
pub(crate) fn pause(time: Duration) -> bool {
    let end = std::time::Instant::now() + time;
    while !stop::asked() {
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(&'static str, u32, u32);

    impl Subject for Counter {
        fn name(&self) -> &str {
            self.0
        }

        fn sample(&mut self, keep: bool) -> Result<(), String> {
            self.1 += 1;
            self.2 += u32::from(keep);
            if self.0 == "bad" {
                return Err("broken".into());
            }
            Ok(())
        }
    }

    #[test]
    fn every_subject_is_sampled_once_a_round_and_once_before() {
        let mut subjects = [Counter("a", 0, 0), Counter("bad", 0, 0), Counter("c", 0, 0)];
        let failed = interleaved(&mut subjects, 4);
        assert_eq!(failed, [("bad".to_owned(), "broken".to_owned())]);
        assert_eq!((subjects[0].1, subjects[0].2), (5, 4));
        assert_eq!((subjects[1].1, subjects[2].1), (1, 5));
    }
}
