//! What a process has spent, by the kernel's own books, read while it runs.

use std::fs;
use std::time::Duration;

/// CPU time of this thread so far.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of another process so far, all its threads together.
pub(crate) fn cpu(pid: u32) -> Result<Duration, String> {
    bucle_sys::process::cpu_time(pid)
        .map_err(|error| format!("can't read the CPU time of process {pid}: {error}"))
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Memory {
    /// Resident, mapped files included.
    pub(crate) resident: u64,
    /// What it wrote itself and holds alone: heap, stacks, data.
    pub(crate) anonymous: u64,
    /// Resident, with what is shared divided by the number of those who share it.
    pub(crate) proportional: u64,
    /// Addresses it has mapped.
    pub(crate) mapped: u64,
    /// Page tables.
    pub(crate) page_tables: u64,
}

/// Memory of the process `pid`, from `smaps_rollup`, which walks the page tables: what `status` and
/// `statm` say is off by hundreds of KiB on recent kernels.
pub(crate) fn memory(pid: u32) -> Result<Memory, String> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).map_err(|error| format!("can't read {path}: {error}"))
    };
    let (rollup, status) = (read("smaps_rollup")?, read("status")?);
    Ok(Memory {
        resident: kib(&rollup, "Rss:"),
        anonymous: kib(&rollup, "Anonymous:"),
        proportional: kib(&rollup, "Pss:"),
        mapped: kib(&status, "VmSize:"),
        page_tables: kib(&status, "VmPTE:"),
    })
}

/// The processes that this one has started and not waited for.
pub(crate) fn children() -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let lists = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.collect::<Vec<u32>>()
        })
        .collect()
}

/// The number of a line `NAME  123 kB`, in bytes; 0 where there is none.
fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// How often the threads of a process that live were switched away from: (because they waited,
/// because others were to run).
pub(crate) fn switches(pid: u32) -> (u64, u64) {
    let mut sum = (0, 0);
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        sum.0 += number("voluntary_ctxt_switches:");
        sum.1 += number("nonvoluntary_ctxt_switches:");
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_books_can_be_read() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.anonymous > 0 && memory.resident >= memory.anonymous);
        assert!(memory.mapped > memory.resident);
        let before = cpu(pid).unwrap();
        let mut sum = 0_u64;
        while cpu(pid).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(thread_cpu() > Duration::ZERO);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(cpu(child.id()).is_err());
        assert!(super::memory(child.id()).is_err());
    }
}
