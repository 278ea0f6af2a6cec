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

/// CPU time of all of the machine's CPUs together since it was started, in clock ticks: (idle, all).
pub(crate) fn machine_cpu() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guests are contained in user and nice.
    let fields = line.split_whitespace().skip(1).take(8);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    let idle = ticks.iter().skip(3).take(2).sum();
    (idle, ticks.iter().sum())
}

/// The share of CPU time that nobody used between two readings; none if no tick lies between them.
pub(crate) fn idle_share(before: (u64, u64), after: (u64, u64)) -> Option<f64> {
    let all = after.1.saturating_sub(before.1);
    (all > 0).then(|| after.0.saturating_sub(before.0) as f64 / all as f64)
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
    fn the_machine_s_books_have_idle_time_as_a_part() {
        let (idle, all) = machine_cpu();
        assert!(idle <= all && all > 0);
        assert_eq!(idle_share((10, 100), (40, 200)), Some(0.3));
        assert_eq!(idle_share((10, 100), (10, 100)), None);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(cpu(child.id()).is_err());
        assert!(super::memory(child.id()).is_err());
    }
}
