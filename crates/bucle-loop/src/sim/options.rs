//! [`SimOptions`]: the seed, and how much may go wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The independent uses of one seed: what a program draws changes nothing for the network.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Network,
    Schedule,
    Program,
    Jobs,
    /// What kind of world a seed has: see [`SimOptions::varied`].
    World,
    /// And what goes wrong in it: see [`SimOptions::faulty`].
    Faults,
}

/// How a simulated world behaves. `Send`, as the builder that takes it is.
///
/// The default has delays, splits and reordering, as any network has, and no faults.
/// [`calm`](SimOptions::calm) has none of it. Begin from one of the constructors, since fields will
/// be added:
///
/// ```
/// use bucle_loop::sim::SimOptions;
///
/// let options = SimOptions {
///     reset_probability: 0.01,
///     ..SimOptions::seeded(7)
/// };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SimOptions {
    /// What every random choice is drawn from. The same seed gives the same run. 0 until set.
    pub seed: u64,
    /// How long anything takes from one end of a connection to the other. 20 us to 2 ms until set.
    pub latency: RangeInclusive<Duration>,
    /// How long a job of an executor waits before it runs: in the simulation it is a task of the
    /// loop, see [`run_in_executor`](crate::LoopRef::run_in_executor). 20 us to 2 ms until set.
    pub job_latency: RangeInclusive<Duration>,
    /// The most bytes that arrive together; more are cut, each piece with a latency of its own.
    /// 1,460 until set, a TCP segment of an Ethernet frame.
    pub max_segment: usize,
    /// How likely (0 to 1) it is that a read gives fewer bytes than there are, that a write takes
    /// fewer than there is room for, or that a segment is cut shorter. 0.25 until set.
    pub partial_probability: f64,
    /// How many bytes a connection holds in one direction, unread, before a write would block.
    /// 64 KiB until set.
    pub send_buffer: usize,
    /// How likely (0 to 1) it is that a segment is lost for good and its connection reset, at both
    /// ends. 0 until set.
    pub reset_probability: f64,
    /// How likely (0 to 1) it is that a segment of a TCP connection, or an attempt to connect, is
    /// lost and sent again as Linux does: after 200 ms, twice that, and so on (an attempt after 1 s).
    /// A sender that has failed 15 times (an attempt that has failed 7 times) gives up with
    /// `ETIMEDOUT`. 0 until set.
    pub loss_probability: f64,
    /// How likely (0 to 1) it is that a segment of a TCP connection, or an attempt to connect, finds
    /// the way cut for good: nothing arrives any more in either direction. Who sends learns it by
    /// `ETIMEDOUT`, 924.6 s later (127 s for an attempt); who only waits never does, as on a real
    /// network. 0 until set.
    pub cut_probability: f64,
    /// Whether connections that are ready in the same turn are reported in an order that the seed
    /// decides, instead of by number. On until changed.
    pub reorder_ready_sockets: bool,
    /// Whether tasks that are ready in the same turn run in an order that the seed decides, instead
    /// of the order in which they became ready. Callbacks keep the order that `call_soon` promises
    /// them. Off until set.
    pub shuffle_ready_tasks: bool,
    /// How often time may go on: how often the clock may jump to the next timer or arrival. A run in
    /// which it has so often, and that has not come to its end, is taken for one that never will: it
    /// ends as a deadlock does, with the wait-for graph. Without this, a task that beats once a second
    /// would keep a run alive for ever whose other tasks wait in vain. 3,000,000 until set, which is a
    /// month of such beats.
    pub max_jumps: u64,
    /// How many sockets may exist at once; what would need one more fails with `EMFILE`. Without a
    /// limit until set.
    pub max_sockets: usize,
    /// Whether to keep what happens for [`take_trace`](crate::sim::SimNetwork::take_trace). Off
    /// until set.
    pub trace: bool,
    /// How many events of the trace are kept; the oldest go first. All until set.
    pub trace_limit: usize,
}

impl Default for SimOptions {
    fn default() -> SimOptions {
        SimOptions {
            seed: 0,
            latency: Duration::from_micros(20)..=Duration::from_millis(2),
            job_latency: Duration::from_micros(20)..=Duration::from_millis(2),
            max_segment: 1_460,
            partial_probability: 0.25,
            send_buffer: 64 * 1024,
            reset_probability: 0.0,
            loss_probability: 0.0,
            cut_probability: 0.0,
            reorder_ready_sockets: true,
            shuffle_ready_tasks: false,
            max_jumps: 3_000_000,
            max_sockets: usize::MAX,
            trace: false,
            trace_limit: usize::MAX,
        }
    }
}

impl SimOptions {
    /// The default world with this seed.
    pub fn seeded(seed: u64) -> SimOptions {
        SimOptions {
            seed,
            ..SimOptions::default()
        }
    }

    /// The world of a sweep over seeds: what the loop and the network are free to vary, this seed
    /// varies.
    ///
    /// Seed 0 is the default world: ready tasks run first in, first out. Under every other seed they
    /// run in an order of the seed, and the seed also says what the network is like: how slow (never
    /// slower than in the default world), how finely it cuts, how much it holds. So one seed has a
    /// fast network and another one that delivers a few bytes at a time, and a sweep sees both.
    ///
    /// ```
    /// use bucle_loop::sim::SimOptions;
    ///
    /// assert_eq!(SimOptions::varied(0), SimOptions::default());
    /// assert!(SimOptions::varied(7).shuffle_ready_tasks);
    /// ```
    pub fn varied(seed: u64) -> SimOptions {
        let plain = SimOptions::seeded(seed);
        if seed == 0 {
            return plain;
        }
        let mut random = plain.stream(Stream::World);
        SimOptions {
            latency: latency(&mut random),
            job_latency: latency(&mut random),
            max_segment: *pick(&mut random, &[1_460, 1_460, 536, 64 * 1024]),
            partial_probability: *pick(&mut random, &[0.0, 0.25, 0.75]),
            send_buffer: *pick(&mut random, &[64 * 1024, 64 * 1024, 16 * 1024, 4 * 1024]),
            shuffle_ready_tasks: true,
            ..plain
        }
    }

    /// [`varied`](SimOptions::varied), with faults: connections are reset, segments are lost and sent
    /// again, ways are cut. How often is the seed's; in a part of the worlds one or another doesn't
    /// happen. Seed 0 is the default world still, without any.
    pub fn faulty(seed: u64) -> SimOptions {
        let varied = SimOptions::varied(seed);
        if seed == 0 {
            return varied;
        }
        let mut random = varied.stream(Stream::Faults);
        SimOptions {
            reset_probability: *pick(&mut random, &[0.0, 0.001, 0.01, 0.1]),
            loss_probability: *pick(&mut random, &[0.0, 0.01, 0.1, 0.3]),
            cut_probability: *pick(&mut random, &[0.0, 0.001, 0.01, 0.1]),
            ..varied
        }
    }

    /// The source of random numbers for one use.
    pub(crate) fn stream(&self, stream: Stream) -> fastrand::Rng {
        let mut seeds = fastrand::Rng::with_seed(self.seed);
        for _ in 0..stream as u8 {
            seeds.u64(..);
        }
        seeds.fork()
    }

    /// A world in which nothing is delayed, split or reordered: everything arrives whole, in the
    /// next wait, and a job runs in the next turn. For tests of something else than the network.
    pub fn calm() -> SimOptions {
        SimOptions {
            latency: Duration::ZERO..=Duration::ZERO,
            job_latency: Duration::ZERO..=Duration::ZERO,
            max_segment: usize::MAX,
            partial_probability: 0.0,
            reorder_ready_sockets: false,
            ..SimOptions::default()
        }
    }
}

/// One of `choices`.
fn pick<'a, T>(random: &mut fastrand::Rng, choices: &'a [T]) -> &'a T {
    &choices[random.usize(..choices.len())]
}

/// From nothing to what the default world has.
fn latency(random: &mut fastrand::Rng) -> RangeInclusive<Duration> {
    let (least, most) = pick(random, &[(0, 0), (20, 100), (20, 500), (20, 2_000)]);
    Duration::from_micros(*least)..=Duration::from_micros(*most)
}
