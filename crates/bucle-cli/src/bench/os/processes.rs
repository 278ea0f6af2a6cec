//! What a process costs to make and to keep, small and large, and what it costs to write to memory
//! that was shared by a fork.

use std::io::{Write, pipe};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use bucle_sys::fork::{self, Child, Program};
use bucle_sys::pages::{PageSize, Pages, page_size};

use super::probe::{Effort, Figure, Group, Probe, bytes, failed, time, try_each};
use crate::bench::account;
use crate::bench::child::{self, Kind};
use crate::bench::machine::memory;

pub(super) fn probes(effort: Effort) -> Vec<Probe> {
    let size = large(effort);
    vec![
        small(effort),
        with_memory(effort, size, PageSize::Small),
        with_memory(effort, size, PageSize::Huge),
        copy_on_write(effort),
        kept(),
    ]
}

/// What a large process holds: 1 GiB if there is plenty.
fn large(effort: Effort) -> usize {
    match memory("MemAvailable") {
        _ if effort.quick => 64 << 20,
        available if available > 3 << 30 => 1 << 30,
        _ => 256 << 20,
    }
}

/// A program that ends at once, and is there on every system.
const TRUE: &str = "/bin/true";

fn fork_and_wait(child: Child<'_>) -> Result<(), String> {
    let status = fork::fork(child)
        .and_then(fork::Forked::wait)
        .map_err(failed("fork"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("a forked child ended with {status}"))
    }
}

fn spawn_and_wait() -> Result<(), String> {
    let mut command = Command::new(TRUE);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{TRUE} ended with {status}")),
        Err(error) => Err(format!("{TRUE}: {error}")),
    }
}

fn small(effort: Effort) -> Probe {
    let figures = vec![
        time("fork", "fork, exit and wait, as small as this process is"),
        time("fork-exec", "fork, exec of /bin/true, wait"),
        time("spawn", "the same by posix_spawn, as std's Command does it"),
    ];
    let times = effort.times(60);
    Probe::new(Group::Processes, figures, move || {
        let program = Program::new(TRUE, &[]).map_err(failed(TRUE))?;
        Ok(vec![
            try_each(times, || fork_and_wait(Child::Exit))?,
            try_each(times, || fork_and_wait(Child::Exec(&program)))?,
            try_each(times, spawn_and_wait)?,
        ])
    })
}

fn with_memory(effort: Effort, size: usize, page: PageSize) -> Probe {
    let mib = size >> 20;
    let figures = match page {
        PageSize::Small => vec![
            one_gib(
                time(
                    "fork-large",
                    format!("fork, exit and wait, with {mib} MiB resident in small pages"),
                ),
                size,
            ),
            time("fork-exec-large", "fork, exec of /bin/true, wait, likewise"),
            time(
                "spawn-large",
                "posix_spawn, likewise: the memory is not copied, nor its tables",
            ),
            time("first-touch", "the first write to a page of 4 KiB"),
        ],
        PageSize::Huge => vec![
            one_gib(
                time(
                    "fork-large-huge-pages",
                    format!("fork, exit and wait, with {mib} MiB in huge pages"),
                ),
                size,
            ),
            time(
                "first-touch-huge-pages",
                "the first write, a 4 KiB of huge pages",
            ),
        ],
    };
    let times = effort.times(5);
    Probe::new(Group::Processes, figures, move || {
        let mut pages = Pages::map(size, page).map_err(failed("memory"))?;
        let touched = touch(&mut pages, 1);
        let forked = try_each(times, || fork_and_wait(Child::Exit))?;
        if page == PageSize::Huge {
            return Ok(vec![forked, touched]);
        }
        let program = Program::new(TRUE, &[]).map_err(failed(TRUE))?;
        Ok(vec![
            forked,
            try_each(times, || fork_and_wait(Child::Exec(&program)))?,
            try_each(times, spawn_and_wait)?,
            touched,
        ])
    })
}

/// The chapter speaks of 1 GB only.
fn one_gib(figure: Figure, size: usize) -> Figure {
    if size == 1 << 30 {
        figure.claim("10-100 ms for 1 GB", 1e7..=1e8)
    } else {
        figure
    }
}

/// Nanoseconds a page of 4 KiB that writing a byte to each takes.
fn touch(pages: &mut Pages, value: u8) -> f64 {
    let start = Instant::now();
    let mut count = 0_u32;
    for byte in pages.iter_mut().step_by(page_size()) {
        *byte = value;
        count += 1;
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

fn copy_on_write(effort: Effort) -> Probe {
    let figures = vec![
        time(
            "copy-on-write",
            "the first write to a page of 4 KiB after a fork, in the parent",
        ),
        time("written-again", "a write to such a page later"),
    ];
    let size = if effort.quick { 4 << 20 } else { 64 << 20 };
    Probe::new(Group::Processes, figures, move || {
        let mut pages = Pages::map(size, PageSize::Small).map_err(failed("memory"))?;
        touch(&mut pages, 1);
        let (reader, mut writer) = pipe().map_err(failed("pipe"))?;
        // While the child lives, the pages are its too.
        let child = fork::fork(Child::Wait(reader.as_fd())).map_err(failed("fork"))?;
        let first = touch(&mut pages, 2);
        let again = touch(&mut pages, 3);
        writer.write_all(b"x").map_err(failed("pipe"))?;
        child.wait().map_err(failed("fork"))?;
        Ok(vec![first, again])
    })
}

fn kept() -> Probe {
    let figures = vec![
        bytes(
            "process-mapped",
            "addresses that a waiting process of this program takes",
        )
        .about("~4 GB", 4e9, 3.5e9..=4.5e9),
        bytes("process-anonymous", "memory that is its own"),
        bytes(
            "process-proportional",
            "memory with its share of what it shares (the program, libc)",
        ),
        bytes("process-page-tables", "its page tables"),
    ];
    Probe::new(Group::Processes, figures, || {
        let mut child = child::start(&[Kind::Echo.name()])?;
        // Once it has answered it stands as it will stand.
        let (mut to, mut from) = child.pipes()?;
        super::calls::ping(1, &mut to, &mut from)?;
        let memory = account::memory(child.id())?;
        Ok(vec![
            memory.mapped as f64,
            memory.anonymous as f64,
            memory.proportional as f64,
            memory.page_tables as f64,
        ])
    })
}
