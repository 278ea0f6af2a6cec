//! What the measured programs share: the command line, the work, the figure.

use std::time::{Duration, Instant};

/// 64 MiB of numbers.
pub const PAYLOAD: usize = (64 << 20) / size_of::<f64>();

/// How many tasks are outstanding when single submits are counted.
pub const OUTSTANDING: usize = 1000;

/// What was asked for: a case, how often, and a number the case may want.
pub struct Asked {
    /// The case.
    pub case: String,
    /// How many operations.
    pub count: usize,
    /// Steps of [`work`] a task does.
    pub steps: u64,
}

impl Asked {
    /// Reads `PROGRAM CASE COUNT [STEPS]`.
    ///
    /// # Errors
    /// What was wrong.
    pub fn from_arguments() -> Result<Asked, String> {
        let mut arguments = std::env::args().skip(1);
        let case = arguments
            .next()
            .ok_or("no case; want: CASE COUNT [STEPS]")?;
        let mut number = |what: &str, default| match arguments.next() {
            None => Ok(default),
            Some(text) => text
                .parse::<u64>()
                .map_err(|_| format!("{what} is `{text}`; want a whole number")),
        };
        let count = number("COUNT", 1)?;
        let steps = number("STEPS", 0)?;
        Ok(Asked {
            case,
            count: usize::try_from(count).map_err(|error| error.to_string())?,
            steps,
        })
    }
}

/// Prints the figure, in nanoseconds.
pub fn tell(nanoseconds: f64) {
    println!("{nanoseconds:.1}");
}

/// Nanoseconds of `time` for each of `count`.
pub fn each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e9 / count.max(1) as f64
}

/// The middle one, in nanoseconds.
pub fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| each(*time, 1))
}

/// Work for a processor, without memory: the sum of sin(i)/(i+1).
pub fn work(steps: u64) -> f64 {
    let mut sum = 0.0;
    for step in 0..steps {
        let step = step as f64;
        sum += step.sin() / (step + 1.0);
    }
    sum
}

/// A new array that every byte of the old one has its part in.
pub fn renew(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|number| number + 1.0).collect()
}

/// Measures `count` times, with a pause before each, in which everybody falls asleep.
pub const PAUSE: Duration = Duration::from_millis(2);

/// How long `body` takes.
pub fn timed<R>(body: impl FnOnce() -> R) -> (R, Duration) {
    let begun = Instant::now();
    let value = body();
    (value, begun.elapsed())
}
