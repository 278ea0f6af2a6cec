//! What a server process has spent, by the kernel's own books, read from outside while it runs.
//!
//! Every process has three CPU clocks that any other may read (`clock_gettime` on a clock id made from the pid):
//! the scheduler's (exact nanoseconds, threads that ended included), and two that count timer ticks in user mode
//! and in both modes. The first is the cost; the other two only split it into user and system, and the split is a
//! sample: at 250 ticks a second, 4 % of user time in one second is 10 +- 3 ticks. `/proc/PID/stat` and `getrusage`
//! print the same split, rounded to 10 ms or scaled over the whole life; this reads it raw.
//!
//! Network work on loopback is done in the sender's context, so a server pays for delivering its answers and the load
//! generator pays for delivering its requests, for every server alike.

use std::iter::Sum;
use std::ops::Sub;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::time::ClockId;
use serde::Serialize;

/// Which of a process's CPU clocks (`CPUCLOCK_*` in Linux's `posix-timers.h`).
#[derive(Clone, Copy)]
enum Clock {
    BothModes = 0,
    User = 1,
    Scheduler = 2,
}

/// CPU time of a set of processes: a reading, or the difference of two.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct CpuTime {
    /// Nanoseconds on a CPU, exact.
    pub(crate) total: u64,
    /// Of the sampled nanoseconds, those in user mode.
    pub(crate) ticks_user: u64,
    /// The sampled nanoseconds in either mode.
    pub(crate) ticks_both: u64,
}

impl CpuTime {
    /// The part of `total` spent in user mode, in nanoseconds, as the ticks sampled it.
    pub(crate) fn user(self) -> f64 {
        if self.ticks_both == 0 {
            0.0
        } else {
            self.total as f64 * self.ticks_user as f64 / self.ticks_both as f64
        }
    }
}

impl Sum for CpuTime {
    fn sum<I: Iterator<Item = CpuTime>>(all: I) -> CpuTime {
        all.fold(CpuTime::default(), |sum, one| CpuTime {
            total: sum.total + one.total,
            ticks_user: sum.ticks_user + one.ticks_user,
            ticks_both: sum.ticks_both + one.ticks_both,
        })
    }
}

impl Sub for CpuTime {
    type Output = CpuTime;

    fn sub(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            total: self.total.saturating_sub(earlier.total),
            ticks_user: self.ticks_user.saturating_sub(earlier.ticks_user),
            ticks_both: self.ticks_both.saturating_sub(earlier.ticks_both),
        }
    }
}

/// Reads the clocks of `pids` and adds them up. An error when one of them is gone.
pub(crate) fn cpu_time(pids: &[u32]) -> Result<CpuTime> {
    let mut sum = CpuTime::default();
    for &pid in pids {
        sum.total += read_clock(pid, Clock::Scheduler)?;
        sum.ticks_user += read_clock(pid, Clock::User)?;
        sum.ticks_both += read_clock(pid, Clock::BothModes)?;
    }
    Ok(sum)
}

fn read_clock(pid: u32, clock: Clock) -> Result<u64> {
    let pid = i32::try_from(pid).context("a pid out of range")?;
    // The kernel's MAKE_PROCESS_CPUCLOCK.
    let id = ClockId::from_raw((!pid << 3) | clock as i32);
    let now = id
        .now()
        .with_context(|| format!("process {pid} has no CPU clock: it is gone"))?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// Resident memory of a set of processes, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resident {
    /// All of it, mapped files included.
    pub(crate) all: u64,
    /// What the processes wrote themselves: heap, stacks, data.
    pub(crate) anonymous: u64,
}

/// Resident memory of `pids`, from `smaps_rollup`, which walks the page tables
/// (`status` and `statm` are off by up to a few hundred KiB on recent kernels).
pub(crate) fn resident(pids: &[u32]) -> Result<Resident> {
    let mut sum = Resident::default();
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| -> Result<u64> {
            let line = text.lines().find(|line| line.starts_with(name));
            let kib = line
                .and_then(|line| line.split_whitespace().nth(1))
                .and_then(|n| n.parse::<u64>().ok());
            Ok(kib.with_context(|| format!("{path} has no {name}"))? * 1024)
        };
        sum.all += field("Rss:")?;
        sum.anonymous += field("Anonymous:")?;
    }
    Ok(sum)
}

/// How many descriptors `pids` have open, all together.
pub(crate) fn descriptors(pids: &[u32]) -> Result<usize> {
    let each = pids.iter().map(|pid| {
        let folder = format!("/proc/{pid}/fd");
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
        Ok(entries.count())
    });
    each.sum()
}

/// A process and all that descend from it, the first first.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(&parent) = all.get(next) {
        next += 1;
        for thread in threads(parent) {
            let children = format!("/proc/{parent}/task/{thread}/children");
            let text = std::fs::read_to_string(children).unwrap_or_default();
            all.extend(
                text.split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
    }
    all
}

/// The thread ids of a process; none when it is gone.
pub(crate) fn threads(pid: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Busy and stolen time of one CPU since boot, in clock ticks, from `/proc/stat`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuBusy {
    /// User, nice, system, interrupts.
    pub(crate) busy: u64,
    /// Time the hypervisor gave to somebody else.
    pub(crate) stolen: u64,
}

impl Sub for CpuBusy {
    type Output = CpuBusy;

    fn sub(self, earlier: CpuBusy) -> CpuBusy {
        CpuBusy {
            busy: self.busy.saturating_sub(earlier.busy),
            stolen: self.stolen.saturating_sub(earlier.stolen),
        }
    }
}

/// Reads the books of CPU `cpu`.
pub(crate) fn cpu_busy(cpu: usize) -> Result<CpuBusy> {
    let text =
        std::fs::read_to_string(Path::new("/proc/stat")).context("cannot read /proc/stat")?;
    let name = format!("cpu{cpu} ");
    let Some(line) = text.lines().find(|line| line.starts_with(&name)) else {
        bail!("/proc/stat has no CPU {cpu}")
    };
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or(0);
    // user nice system idle iowait irq softirq steal
    Ok(CpuBusy {
        busy: field(0) + field(1) + field(2) + field(5) + field(6),
        stolen: field(7),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_time_is_the_sampled_share_of_the_exact_total() {
        let early = CpuTime {
            total: 1_000,
            ticks_user: 100,
            ticks_both: 400,
        };
        let late = CpuTime {
            total: 3_000,
            ticks_user: 200,
            ticks_both: 800,
        };
        assert_eq!((late - early).user(), 500.0);
        assert_eq!(CpuTime::default().user(), 0.0);
        let sum: CpuTime = [early, late].into_iter().sum();
        assert_eq!(
            (sum.total, sum.ticks_user, sum.ticks_both),
            (4_000, 300, 1_200)
        );
    }

    #[test]
    fn own_clock_goes_forward() {
        let pid = std::process::id();
        let before = cpu_time(&[pid]).expect("own clocks");
        let mut sum = 0_u64;
        while cpu_time(&[pid]).expect("own clocks").total == before.total {
            sum = std::hint::black_box(sum + 1);
        }
        assert!((cpu_time(&[pid]).expect("own clocks") - before).total > 0);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("true runs");
        child.wait().expect("it ends");
        assert!(cpu_time(&[child.id()]).is_err());
    }

    #[test]
    fn own_family_starts_with_itself() {
        assert_eq!(family(std::process::id())[0], std::process::id());
        assert!(
            resident(&[std::process::id()])
                .expect("own memory")
                .anonymous
                > 0
        );
    }
}
