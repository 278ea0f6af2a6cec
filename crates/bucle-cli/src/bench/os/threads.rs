//! What a thread costs to make and to keep, and what a loop does.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use super::probe::{Effort, Group, Probe, bytes, failed, time, try_each};
use crate::bench::account;
use crate::bench::child::{self, Kind};
use crate::bench::machine::memory;

/// The stack of a thread as C libraries make it where nothing is said, and as the chapter has it.
pub(crate) const STACK: usize = 8 << 20;

pub(super) fn probes(effort: Effort) -> Vec<Probe> {
    vec![create(effort), kept(effort), event_loop(effort)]
}

fn create(effort: Effort) -> Probe {
    let figure = time(
        "thread-create-join",
        "make a thread that does nothing, and join it",
    );
    let times = effort.times(500);
    Probe::one(Group::Threads, figure, move || {
        try_each(times, || match thread::Builder::new().spawn(|| ()) {
            Ok(thread) => thread.join().map_err(|_| "a thread panicked".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    })
}

/// Threads that wait until they are let go.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn wait(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_while(open, |open| !*open));
    }

    fn open(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }
}

fn kept(effort: Effort) -> Probe {
    let figures = vec![
        bytes(
            "thread-mapped",
            "addresses that a waiting thread takes, asked for a stack of 8 MiB",
        )
        .about("8 MB", 8_388_608.0, 8_000_000.0..=8_500_000.0),
        bytes("thread-resident", "memory that it takes in its process"),
        bytes(
            "thread-kernel-stack",
            "its stack in the kernel (from the whole machine's sum)",
        ),
    ];
    let count = effort.times(200);
    /// Threads that exist beforehand: the C library keeps some stacks of threads that ended, and gives each of
    /// the first threads a heap of its own.
    const BEFORE: u32 = 32;
    Probe::new(Group::Threads, figures, move || {
        let gate = Arc::new(Gate::default());
        let pid = std::process::id();
        let mut before = (account::memory(pid)?, memory("KernelStack"));
        let mut threads = Vec::new();
        let mut failure = None;
        for number in 0..BEFORE + count {
            if number == BEFORE {
                before = (account::memory(pid)?, memory("KernelStack"));
            }
            let gate = Arc::clone(&gate);
            let thread = thread::Builder::new().stack_size(STACK);
            match thread.spawn(move || gate.wait()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    failure = Some(error.to_string());
                    break;
                }
            }
        }
        let after = account::memory(pid).map(|after| (after, memory("KernelStack")));
        gate.open();
        for thread in threads {
            let _ = thread.join();
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        let after = after?;
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / f64::from(count);
        Ok(vec![
            each(before.0.mapped, after.0.mapped),
            each(before.0.anonymous, after.0.anonymous),
            each(before.1, after.1),
        ])
    })
}

fn event_loop(effort: Effort) -> Probe {
    let figures = vec![
        time(
            "loop-create-close",
            "make an event loop of ours, and close it",
        ),
        bytes("loop-resident", "memory that it takes").claim("1-2 MB", 1_000_000.0..=2_097_152.0),
    ];
    let times = effort.times(200);
    Probe::new(Group::Threads, figures, move || {
        let created = try_each(times, || {
            bucle::EventLoop::new().map(bucle::EventLoop::close)
        })?;
        // In a process of its own, where no memory lies about that was used before.
        let mut child = child::start(&[Kind::Loops.name(), &LOOPS.to_string()])?;
        let grown = child.first_line()?;
        let grown: f64 = grown
            .parse()
            .map_err(|_| format!("a process of ours said `{grown}`"))?;
        Ok(vec![created, grown / f64::from(LOOPS)])
    })
}

/// How many loops are made to see what one takes.
const LOOPS: u32 = 200;

/// Makes `count` loops and prints by how many bytes that made this process grow.
pub(crate) fn grow_by_loops(count: u64) -> Result<(), String> {
    let pid = std::process::id();
    let before = account::memory(pid)?.anonymous;
    let loops = (0..count)
        .map(|_| bucle::EventLoop::new())
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed("a loop"))?;
    let after = account::memory(pid)?.anonymous;
    drop(loops);
    child::tell(after.saturating_sub(before))
}
