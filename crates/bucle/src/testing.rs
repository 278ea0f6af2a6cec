//! What `#[bucle::test]` stands on: one body, in the simulated world or in the real one.

use std::future::Future;

use bucle_loop::{EventLoop, SimOptions, TaskError};

/// The environment variable that replays a seed, whatever the test says.
pub const SEED_VARIABLE: &str = "BUCLE_SEED";

/// The world a test runs in.
#[derive(Clone, Debug)]
pub struct World {
    simulation: Option<SimOptions>,
}

impl World {
    /// Virtual time and sockets in memory, with seed 0 or what `BUCLE_SEED` says.
    pub fn simulated() -> World {
        World::seeded(0)
    }

    /// The same with another seed, unless `BUCLE_SEED` says one.
    ///
    /// # Panics
    /// If `BUCLE_SEED` is no number.
    pub fn seeded(seed: u64) -> World {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(text) => match text.parse() {
                Ok(seed) => seed,
                Err(_) => panic!("{SEED_VARIABLE} is {text:?}; it must be a whole number"),
            },
            Err(_) => seed,
        };
        World::with(SimOptions::default().seed(seed))
    }

    /// A simulated world with these options.
    pub fn with(options: SimOptions) -> World {
        World {
            simulation: Some(options),
        }
    }

    /// The system's clock, network and selector.
    pub fn real() -> World {
        World { simulation: None }
    }
}

/// Runs `body` to its end in `world`.
///
/// # Panics
/// When the body panics, with its panic; when it can never end (a deadlock, seen in the simulated
/// world); when the loop can't be made. A failure in the simulated world tells the seed.
#[track_caller]
pub fn run<F>(world: World, body: F) -> F::Output
where
    F: Future + 'static,
{
    let mut builder = EventLoop::builder();
    if let Some(options) = &world.simulation {
        builder = builder.simulated(options.clone());
    }
    let event_loop = match builder.build() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("the event loop can't be made: {error}"),
    };
    let error = match event_loop.run_until_complete(body) {
        Ok(value) => return value,
        Err(error) => error,
    };
    if let Some(options) = &world.simulation {
        let seed = options.get_seed();
        eprintln!("failed with seed {seed}; {SEED_VARIABLE}={seed} runs this very schedule again");
    }
    match error {
        TaskError::Panicked(panic) => match panic.take_payload() {
            Some(payload) => std::panic::resume_unwind(payload),
            None => panic!("{panic}"),
        },
        other => panic!("the test did not end: {other}"),
    }
}
