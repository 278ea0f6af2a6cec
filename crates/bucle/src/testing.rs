//! What `#[bucle::test]` stands on: one body, in simulated worlds or in the real one.
//!
//! In a simulated world the clock jumps, the network is in memory, and every accident is drawn from a
//! seed: see [`sim`](crate::sim). A test that fails there tells its seed and the last that happened,
//! and runs exactly the same again with `BUCLE_SEED` in the environment.
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
//!
//! # Seeds
//!
//! Seed 0 is the plain world: what is ready runs first in, first out. Every other seed runs ready
//! tasks in an order of its own, and has a network of its own: see
//! [`SimOptions::varied`]. `#[bucle::test(seeds = 1000)]` tries seeds 0 to 999, as
//! many at once as the machine has cores; the lowest that fails is told, run again in the test's own
//! thread, where its output and its panic are the test's, and the others are left. `seeds = 1000,
//! faults` has resets, losses and time-outs too: [`SimOptions::faulty`].
//!
//! Each seed runs in a thread of its own, so that a `thread_local` begins anew. A `static` does not:
//! what seeds that run at once change there, no seed can repeat. What a test prints while it is swept
//! goes where the test's output goes, and comes before that of the seed that is run again.
//!
//! A bug that has a window of one turn between two awaits is often found within ten seeds:
//!
//! ```
//! use bucle::sync::Event;
//! use bucle::{SimOptions, spawn, testing};
//! use std::rc::Rc;
//!
//! let failure = testing::sweep(1000, SimOptions::varied, || async {
//!     let closed = Rc::new(Event::new());
//!     let watcher = spawn({
//!         let closed = closed.clone();
//!         async move {
//!             bucle::yield_now().await;
//!             assert!(!closed.is_set(), "it was closed before it was used");
//!         }
//!     });
//!     let closer = spawn(async move {
//!         bucle::yield_now().await;
//!         closed.set();
//!     });
//!     watcher.await.unwrap();
//!     closer.await.unwrap();
//! });
//! let failure = failure.expect("one order of the two fails");
//! assert!(failure.seed < 50);
//! assert!(failure.message.contains("closed before it was used"));
//! ```
//!
//! # What ends a test
//!
//! When nothing can wake any task any more, the run ends at once and says who waits for what, held by
//! whom: see [`WaitGraph`](crate::WaitGraph). In a simulated world so does one whose clock jumps on
//! and on, since something beats for ever beside those that wait in vain:
//! [`SimOptions::max_jumps`]. Tasks that wait for each other in a circle fail the test if they still
//! do at its end.
//!
//! # What the simulated world has not
//!
//! Threads but those of `to_thread` and `run_in_executor` are not waited for; child processes, UDP,
//! signals, names to resolve and descriptors of the system are refused with a message. Tests of these
//! say `#[bucle::test(real)]`. The bytes of TLS are not drawn from the seed, but their number is the
//! same each time if the certificate's key is an Ed25519 one; signatures of an ECDSA key differ in
//! length.

mod failure;
mod outcome;
mod quiet;
mod record;
mod running;
mod sweep;

use std::future::Future;

use bucle_loop::SimOptions;

pub use failure::Failure;
#[doc(hidden)]
pub use outcome::Outcome;
pub use record::{Recorded, record};
use running::Run;
#[doc(hidden)]
pub use sweep::run_seeds;
pub use sweep::{Seeds, sweep};

/// The environment variable that replays a seed, whatever a test says.
pub const SEED_VARIABLE: &str = "BUCLE_SEED";

/// The environment variable that names a file for all that happens in a simulated run, one event a
/// line. Meant for one test at a time: each writes the file anew.
pub const TRACE_VARIABLE: &str = "BUCLE_TRACE";

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

    /// The world of another seed, unless `BUCLE_SEED` says one: [`SimOptions::varied`].
    ///
    /// # Panics
    /// If `BUCLE_SEED` is no whole number.
    #[track_caller]
    pub fn seeded(seed: u64) -> World {
        World::exactly(SimOptions::varied(seed_from_env().unwrap_or(seed)))
    }

    /// The same with a network that fails: [`SimOptions::faulty`].
    ///
    /// # Panics
    /// If `BUCLE_SEED` is no whole number.
    #[track_caller]
    pub fn faulty(seed: u64) -> World {
        World::exactly(SimOptions::faulty(seed_from_env().unwrap_or(seed)))
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
        World::exactly(options)
    }

    fn exactly(options: SimOptions) -> World {
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
/// A failure in the simulated world tells on standard error the last that happened, and the seed.
#[track_caller]
pub fn run<F>(world: World, body: F) -> F::Output
where
    F: Future + 'static,
{
    Run::of(world, None).complete(body, |_| false)
}

/// [`run`] for the test function `name` (with its path): what it returns may be a failure as well.
#[doc(hidden)]
#[track_caller]
pub fn run_test<F>(name: &str, world: World, body: F) -> F::Output
where
    F: Future<Output: Outcome> + 'static,
{
    Run::of(world, Some(name)).complete(body, |value| value.failure().is_some())
}
