//! [`record`]: a run to look at.

use std::future::Future;

use bucle_loop::SimOptions;
use bucle_loop::sim::SimEvent;

use super::failure::Failure;
use super::quiet::Quiet;
use super::running::{Ended, once, text};

/// What a run came to, and all that happened in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recorded<T> {
    /// What the body returned, or how it failed.
    pub result: Result<T, Failure>,
    /// All that happened, in order. The body can take some of it away by
    /// [`take_trace`](bucle_loop::SimNetwork::take_trace).
    pub trace: Vec<SimEvent>,
}

impl<T> Recorded<T> {
    /// The trace as text, one event a line. The same program in the same world has the same text, to
    /// the byte.
    pub fn trace_text(&self) -> String {
        text(&self.trace)
    }
}

/// Runs `body` to its end in the simulated world of `options`, prints nothing of it, and returns how
/// it ended and all that happened: to compare runs, and to test what should fail. `BUCLE_SEED`
/// changes nothing here.
///
/// ```
/// use bucle::{SimOptions, testing};
///
/// let once = testing::record(SimOptions::varied(7), async { bucle::yield_now().await });
/// let again = testing::record(SimOptions::varied(7), async { bucle::yield_now().await });
/// assert!(once.result.is_ok());
/// assert!(once.trace.len() >= 2);
/// # // The places of spawning are two.
/// assert_eq!(once.trace.len(), again.trace.len());
/// ```
pub fn record<F>(options: SimOptions, body: F) -> Recorded<F::Output>
where
    F: Future + 'static,
{
    let seed = options.seed;
    let options = SimOptions {
        trace: true,
        ..options
    };
    let quiet = Quiet::begin();
    let Ended {
        result,
        told,
        trace,
    } = once(Some(options), body);
    let result = result.map_err(|ending| ending.into_failure(seed, told));
    drop(quiet);
    Recorded { result, trace }
}
