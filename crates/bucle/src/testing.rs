//! What `#[bucle::test]` stands on: one body, in the simulated world or in the real one.
//!
//! In the simulated world the clock jumps, the network is in memory, and every accident is drawn
//! from a seed: see [`sim`](crate::sim). A test that fails there tells its seed, and runs exactly
//! the same again with `BUCLE_SEED` in the environment.
//!
//! ```
//! use bucle::testing::{self, World};
//! use std::time::Duration;
//!
//! let took = testing::run(World::seeded(7), async {
//!     let begun = bucle::get_running_loop().time();
//!     bucle::sleep(Duration::from_secs(86_400)).await;
//!     bucle::get_running_loop().time() - begun
//! });
//! assert_eq!(took, Duration::from_secs(86_400));
//! ```

use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::rc::Rc;

use bucle_loop::{EventLoop, SimOptions, TaskError};

/// The environment variable that replays a seed, whatever a test says.
pub const SEED_VARIABLE: &str = "BUCLE_SEED";

/// The world a test runs in.
#[derive(Clone, Debug)]
pub struct World {
    simulation: Option<SimOptions>,
}

impl World {
    /// Virtual time and sockets in memory, with seed 0 or what `BUCLE_SEED` says.
    ///
    /// # Panics
    /// If `BUCLE_SEED` is no whole number.
    #[track_caller]
    pub fn simulated() -> World {
        World::seeded(0)
    }

    /// The same with another seed, unless `BUCLE_SEED` says one.
    ///
    /// # Panics
    /// If `BUCLE_SEED` is no whole number.
    #[track_caller]
    pub fn seeded(seed: u64) -> World {
        World::with(SimOptions::seeded(seed))
    }

    /// A simulated world with these options, but for the seed if `BUCLE_SEED` says one.
    ///
    /// # Panics
    /// If `BUCLE_SEED` is no whole number.
    #[track_caller]
    pub fn with(mut options: SimOptions) -> World {
        if let Some(seed) = seed_from_env() {
            options.seed = seed;
        }
        World {
            simulation: Some(options),
        }
    }

    /// The system's clock, network and selector.
    pub fn real() -> World {
        World { simulation: None }
    }
}

#[track_caller]
fn seed_from_env() -> Option<u64> {
    let text = std::env::var_os(SEED_VARIABLE)?;
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(seed) => Some(seed),
        None => panic!("{SEED_VARIABLE} is {text:?}; it must be a whole number"),
    }
}

/// Runs `body` to its end in `world`, and returns what it came to.
///
/// A panic in a task nobody awaits, or in a callback, fails the test too, at its end, unless the
/// body has set an exception handler of its own.
///
/// # Panics
/// When the body panics, with its panic; when an error reached the loop's exception handler; when
/// the body can never end (a deadlock, seen in the simulated world); when the loop can't be made.
/// A failure in the simulated world tells the seed on standard error.
#[track_caller]
pub fn run<F>(world: World, body: F) -> F::Output
where
    F: Future + 'static,
{
    let seed = world.simulation.as_ref().map(|options| options.seed);
    let tell_seed = TellSeed(seed);
    let value = run_silently(world, body);
    tell_seed.not();
    value
}

/// [`run`] for a test function: what it returns may be a failure as well.
#[doc(hidden)]
#[track_caller]
pub fn run_test<F>(world: World, body: F) -> F::Output
where
    F: Future<Output: Outcome> + 'static,
{
    let seed = world.simulation.as_ref().map(|options| options.seed);
    let tell_seed = TellSeed(seed);
    let value = run_silently(world, body);
    if !value.is_failure() {
        tell_seed.not();
    }
    value
}

/// [`run_test`] once for each seed of `seeds`, or once only where `BUCLE_SEED` says which; ends with
/// the first failure.
#[doc(hidden)]
#[track_caller]
pub fn run_seeds<F>(seeds: Range<u64>, mut body: impl FnMut() -> F) -> F::Output
where
    F: Future<Output: Outcome> + 'static,
{
    assert!(!seeds.is_empty(), "no seed is in {seeds:?}");
    let mut seeds = match seed_from_env() {
        Some(seed) => seed..=seed,
        None => seeds.start..=seeds.end - 1,
    };
    loop {
        let Some(seed) = seeds.next() else {
            unreachable!("the last one returns");
        };
        let value = run_test(World::seeded(seed), body());
        if value.is_failure() || seeds.is_empty() {
            return value;
        }
    }
}

/// What a test function may return.
#[doc(hidden)]
pub trait Outcome {
    /// Whether the test failed.
    fn is_failure(&self) -> bool;
}

impl Outcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T: Outcome, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.as_ref().map_or(true, Outcome::is_failure)
    }
}

impl Outcome for ExitCode {
    fn is_failure(&self) -> bool {
        *self != ExitCode::SUCCESS
    }
}

/// Tells the seed when dropped, as it is when a test fails by a panic.
struct TellSeed(Option<u64>);

impl TellSeed {
    /// Nothing failed.
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for TellSeed {
    fn drop(&mut self) {
        if let Some(seed) = self.0 {
            eprintln!("failed with seed {seed}; {SEED_VARIABLE}={seed} runs the same again");
        }
    }
}

#[track_caller]
fn run_silently<F>(world: World, body: F) -> F::Output
where
    F: Future + 'static,
{
    let mut builder = EventLoop::builder();
    if let Some(options) = world.simulation {
        builder = builder.simulated(options);
    }
    let event_loop = match builder.build() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("the event loop can't be made: {error}"),
    };
    let errors = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let errors = errors.clone();
        move |_, context| {
            eprintln!("bucle: {context}");
            errors.borrow_mut().push(context.to_string());
        }
    });
    let result = event_loop.run_until_complete(body);
    // What is left is dropped now, so that an error in a destructor counts too.
    let closed = catch_unwind(AssertUnwindSafe(|| event_loop.close()));
    match result {
        Err(TaskError::Panicked(panic)) => match panic.take_payload() {
            Some(payload) => resume_unwind(payload),
            None => panic!("{panic}"),
        },
        Err(error) => panic!("the test did not end: {error}"),
        Ok(value) => {
            if let Err(payload) = closed {
                resume_unwind(payload);
            }
            if let Some(first) = errors.borrow().first() {
                panic!("an error reached the loop's exception handler: {first}");
            }
            value
        }
    }
}
