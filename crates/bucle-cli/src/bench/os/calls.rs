//! A cycle, a system call, round trips between two threads, waiting for many descriptors.

use std::hint::black_box;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bucle_sys::epoll::{Epoll, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::thread::futex;

use super::probe::{Effort, Group, Probe, bytes, each, failed, time, try_each};
use crate::bench::machine::{self, cpus, pin};

pub(super) fn probes(effort: Effort) -> Vec<Probe> {
    let mut probes = vec![
        cycle(effort),
        system_call(effort),
        clock(effort),
        round_trip(
            effort,
            "pipe-round-trip",
            "two threads on two CPUs, through two pipes",
            pipe_round_trips,
        ),
        round_trip(
            effort,
            "eventfd-round-trip",
            "the same through two eventfds",
            eventfd_round_trips,
        ),
        round_trip(
            effort,
            "futex-round-trip",
            "the same through a futex",
            futex_round_trips,
        ),
    ];
    probes.extend(readiness(effort));
    probes.push(kernel_sizes());
    probes
}

fn cycle(effort: Effort) -> Probe {
    let figure = time("cycle", "one of a chain of single-cycle operations").about(
        "0.33 ns (3 GHz)",
        1.0 / 3.0,
        0.30..=0.36,
    );
    let times = effort.times(4_000_000);
    Probe::one(Group::Calls, figure, move || {
        let mut x = black_box(88_172_645_463_325_252_u64);
        let time = each(times, || x = (x ^ (x >> 7)).wrapping_add(0x9e37_79b9));
        black_box(x);
        // A shift, an exclusive or, an addition: each needs the one before.
        Ok(time / 3.0)
    })
}

fn system_call(effort: Effort) -> Probe {
    let figure = time("system-call", "getppid, which does nothing").about(
        "100 cycles (33 ns)",
        100.0 / 3.0,
        20.0..=50.0,
    );
    let times = effort.times(200_000);
    Probe::one(Group::Calls, figure, move || {
        Ok(each(times, || {
            black_box(rustix::process::getppid());
        }))
    })
}

fn clock(effort: Effort) -> Probe {
    let figures = vec![
        time("clock-read", "reading the monotonic clock (no system call)"),
        time(
            "clock-step",
            "the smallest step between two readings that differ",
        ),
    ];
    let times = effort.times(200_000);
    Probe::new(Group::Calls, figures, move || {
        let read = each(times, || {
            black_box(Instant::now());
        });
        let mut step = Duration::MAX;
        let mut before = Instant::now();
        for _ in 0..times {
            let now = Instant::now();
            if now > before {
                step = step.min(now - before);
            }
            before = now;
        }
        Ok(vec![read, step.as_nanos() as f64])
    })
}

fn round_trip(
    effort: Effort,
    name: &'static str,
    title: &str,
    run: fn(u32, usize, usize) -> Result<f64, String>,
) -> Probe {
    let times = effort.times(2_000);
    Probe::one(Group::Calls, time(name, title), move || match cpus()[..] {
        [first, .., last] => run(times, first, last),
        _ => Err("it takes two CPUs".into()),
    })
}

/// Runs `body` in a thread of its own on the CPU `here`.
fn on_cpu<T: Send>(
    here: usize,
    body: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin(here)?;
            body()
        });
        thread
            .join()
            .unwrap_or_else(|_| Err("a thread panicked".into()))
    })
}

/// Nanoseconds that a byte takes to another thread and back, each on its CPU.
pub(super) fn pipe_round_trips(times: u32, here: usize, there: usize) -> Result<f64, String> {
    let (mut to_read, mut to_write) = pipe().map_err(failed("pipe"))?;
    let (mut back_read, mut back_write) = pipe().map_err(failed("pipe"))?;
    thread::scope(|scope| {
        scope.spawn(move || {
            // Not pinned, it would still answer.
            let _ = pin(there);
            echo(&mut to_read, &mut back_write);
        });
        // The other thread ends when its pipe has no writer any more.
        on_cpu(here, move || ping(times, &mut to_write, &mut back_read))
    })
}

/// Sends back each byte that comes, until none does.
pub(crate) fn echo(from: &mut impl Read, to: &mut impl Write) {
    let mut byte = [0];
    while matches!(from.read(&mut byte), Ok(1)) && to.write_all(&byte).is_ok() {}
}

/// Nanoseconds of one of `times` round trips to whoever echoes.
pub(crate) fn ping(times: u32, to: &mut impl Write, from: &mut impl Read) -> Result<f64, String> {
    let mut byte = [0];
    let mut once = || to.write_all(b"x").and_then(|()| from.read_exact(&mut byte));
    // The other side has started once it has answered.
    once().map_err(|error| error.to_string())?;
    try_each(times, once)
}

/// Nanoseconds of a write to a pipe and the read of it, in one thread.
pub(super) fn pipe_overhead(times: u32) -> Result<f64, String> {
    let (mut reader, mut writer): (PipeReader, PipeWriter) = pipe().map_err(failed("pipe"))?;
    let mut byte = [0];
    try_each(times, || {
        writer.write_all(b"x")?;
        reader.read_exact(&mut byte)
    })
}

fn eventfd_round_trips(times: u32, here: usize, there: usize) -> Result<f64, String> {
    let make = || eventfd(0, EventfdFlags::CLOEXEC).map_err(failed("eventfd"));
    let (to, back): (OwnedFd, OwnedFd) = (make()?, make()?);
    let wait = |fd: &OwnedFd| rustix::io::read(fd, &mut [0_u8; 8]).map(drop);
    let wake = |fd: &OwnedFd| rustix::io::write(fd, &1_u64.to_ne_bytes()).map(drop);
    thread::scope(|scope| {
        let (to, back) = (&to, &back);
        // One more than the other side asks for: the first round trip is not timed.
        scope.spawn(move || {
            let _ = pin(there);
            for _ in 0..=times {
                if wait(to).and_then(|()| wake(back)).is_err() {
                    break;
                }
            }
        });
        on_cpu(here, || {
            let once = || wake(to).and_then(|()| wait(back));
            once().map_err(|error| error.to_string())?;
            try_each(times, once)
        })
    })
}

fn futex_round_trips(times: u32, here: usize, there: usize) -> Result<f64, String> {
    let word = AtomicU32::new(0);
    // Waits for the word to be `mine`, then makes it `theirs`.
    let pass = |mine: u32, theirs: u32| {
        while word.load(Ordering::Acquire) != mine {
            // Woken for nothing, or changed before the wait began: look again.
            let _ = futex::wait(&word, futex::Flags::PRIVATE, theirs, None);
        }
        word.store(theirs, Ordering::Release);
        futex::wake(&word, futex::Flags::PRIVATE, 1).map(drop)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = pin(there);
            for _ in 0..=times {
                let _ = pass(1, 0);
            }
        });
        on_cpu(here, || {
            // The first one starts it; the last one leaves the other thread nothing to do.
            pass(0, 1).map_err(|error| error.to_string())?;
            try_each(times, || pass(0, 1))
        })
    })
}

/// Descriptors that are watched.
const WATCHED: [(usize, &str, &str); 3] = [
    (10, "epoll-10", "poll-10"),
    (1_000, "epoll-1000", "poll-1000"),
    (10_000, "epoll-10000", "poll-10000"),
];

fn readiness(effort: Effort) -> impl Iterator<Item = Probe> {
    WATCHED.into_iter().map(move |(count, epoll, poll)| {
        let figures = vec![
            time(
                epoll,
                format!("epoll_wait, one ready of {count} descriptors"),
            ),
            time(poll, format!("poll, one ready of {count} descriptors")),
        ];
        let times = effort.times(if count > 1_000 { 200 } else { 2_000 });
        Probe::new(Group::Calls, figures, move || {
            let limit = machine::raise_open_files(count as u64 + 100);
            if limit < count as u64 + 50 {
                return Err(format!(
                    "the limit on open files is {limit}; raise it with `ulimit -n`"
                ));
            }
            wait_for_one_of(count, times)
        })
    })
}

fn wait_for_one_of(count: usize, times: u32) -> Result<Vec<f64>, String> {
    let make = |ready| eventfd(ready, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    let watched = (0..count)
        .map(|number| make(u32::from(number == count / 2)))
        .collect::<Result<Vec<OwnedFd>, _>>()
        .map_err(failed("eventfd"))?;
    let epoll = Epoll::new().map_err(failed("epoll"))?;
    for (number, fd) in watched.iter().enumerate() {
        epoll
            .add(fd.as_fd(), number as u64, EventFlags::IN)
            .map_err(failed("epoll"))?;
    }
    let mut events = Vec::with_capacity(64);
    let by_epoll = try_each(times, || {
        events.clear();
        epoll.wait(&mut events, None)
    })?;
    let mut fds: Vec<PollFd<'_>> = watched
        .iter()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    let by_poll = try_each(times.div_ceil(4), || {
        rustix::event::poll(&mut fds, None).map(drop)
    })?;
    Ok(vec![by_epoll, by_poll])
}

fn kernel_sizes() -> Probe {
    let figures = vec![
        bytes("pipe-buffer", "what a pipe holds").claim("64 KB", 65_536.0..=65_536.0),
        bytes(
            "tcp-receive-buffer",
            "a TCP socket's receive buffer, to begin with",
        )
        .claim("212,992 bytes", 212_992.0..=212_992.0),
        bytes("udp-receive-buffer", "a UDP socket's receive buffer"),
        bytes("epoll-event", "struct epoll_event").claim("12 bytes", 12.0..=12.0),
    ];
    Probe::new(Group::Calls, figures, || {
        let (reader, _writer) = pipe().map_err(failed("pipe"))?;
        let pipe_size = rustix::pipe::fcntl_getpipe_size(&reader).map_err(failed("pipe"))?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed("TCP"))?;
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").map_err(failed("UDP"))?;
        use rustix::net::sockopt::socket_recv_buffer_size as buffer;
        Ok(vec![
            pipe_size as f64,
            buffer(&listener).map_err(failed("TCP"))? as f64,
            buffer(&udp).map_err(failed("UDP"))? as f64,
            size_of::<bucle_sys::epoll::Event>() as f64,
        ])
    })
}
