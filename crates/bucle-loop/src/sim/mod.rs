//! The simulated world: a network in memory whose every accident is drawn from a seed.
//!
//! A loop made by [`LoopBuilder::simulated`](crate::LoopBuilder::simulated) has no selector of the
//! system and no descriptor at all. Its clock stands still while anything can run and then jumps to
//! what comes next, a timer or an arrival on the network, so that a day of sleep takes no time. Its
//! network ([`SimNetwork`]) is made of sockets that behave as the kernel's do, errors included, with
//! latencies, partial reads and writes, and faults that the seed decides.
//!
//! **What a seed changes.** Only what the loop and a network leave open: which of the tasks and
//! sockets that are ready in one turn come first, when what was sent arrives, and in which pieces.
//! What is promised stays: callbacks and timers in their order, locks and queues first come, first
//! served, bytes in order. Under [`SimOptions::seeded`] tasks run first in, first out all the same;
//! [`SimOptions::varied`] is the world of a sweep over seeds, [`SimOptions::faulty`] one with faults.
//!
//! **Replay.** The same program with the same [`SimOptions`] does the same, to the nanosecond and
//! the byte, as long as it takes its randomness from
//! [`LoopRef::random_u64`](crate::LoopRef::random_u64), its time from
//! [`LoopRef::time`](crate::LoopRef::time), and does without what the simulation can't see: threads,
//! real descriptors, the iteration order of a `HashMap`. Real descriptors and signals are refused by
//! name. What other threads send through a [`Remote`](crate::Remote) is taken each turn, but never
//! waited for: when nothing is ready, no timer is armed and no traffic is under way, the run ends
//! as a deadlock.
//!
//! Nothing here reads a clock, starts a thread, asks the system or runs anybody's code.
//!
//! ```text
//!   SimSocket ──send──▶ flight (due at now + latency) ──▶ the peer's incoming bytes ──recv──▶
//!       ▲                                                                          │
//!       └────────────── room in the send buffer ◀── flight ◀───────────────────────┘
//! ```
//!
//! | file | what |
//! |---|---|
//! | `options` | what one may ask for |
//! | `address` | TCP addresses, and paths as names |
//! | `socket` | [`SimNetwork`] and [`SimSocket`], the public side |
//! | `connection` | one connection's two ends, as the kernel keeps them |
//! | `network` | all sockets, what is in flight, and what is ready; in `network/calls` what a socket can be asked |
//! | `trace` | what happened, to be compared or read |
//!
//! ```
//! use bucle_loop::sim::{SimAddress, SimOptions};
//! use bucle_loop::EventLoop;
//!
//! let event_loop = EventLoop::builder().simulated(SimOptions::seeded(7)).build()?;
//! let network = event_loop.sim_network().unwrap();
//! let address: SimAddress = "10.0.0.1:80".parse().unwrap();
//! let listener = network.listen(&address, 128)?;
//! let client = network.connect(&address)?;
//! // Nothing has arrived yet.
//! assert!(listener.accept().is_err());
//! # Ok::<(), std::io::Error>(())
//! ```

mod address;
mod connection;
pub(crate) mod network;
pub(crate) mod options;
mod socket;
mod trace;

pub use address::SimAddress;
pub use options::SimOptions;
pub use socket::{SimKey, SimNetwork, SimSocket};
pub use trace::{SimEvent, SimEventKind};
