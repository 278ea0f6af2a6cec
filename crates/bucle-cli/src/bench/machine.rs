//! What the figures were measured on.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

/// The kind of machine, without anything that would name it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    /// CPUs that this process may use.
    pub(crate) cpus: usize,
    pub(crate) virtual_machine: bool,
    pub(crate) memory_mib: u64,
    /// The kernel's release.
    pub(crate) linux: String,
    /// The compiler that built this.
    pub(crate) rustc: &'static str,
    /// `release`, or `debug`, whose figures say little.
    pub(crate) profile: &'static str,
    /// Runnable tasks of the whole machine before the first sample, as the average of a minute.
    pub(crate) load: f64,
}

impl Machine {
    /// Looks.
    pub(crate) fn look() -> Machine {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Machine {
            cpu: field(&cpu_info, "model name")
                .unwrap_or("unknown")
                .to_owned(),
            cpus: cpus().len(),
            virtual_machine: field(&cpu_info, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_mib: memory("MemTotal") >> 20,
            linux: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            rustc: env!("BUCLE_RUSTC"),
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            load: load
                .split(' ')
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
        }
    }

    /// Whether others used it before the first sample, so much that it shows in what was measured.
    pub(crate) fn is_busy(&self) -> bool {
        self.load > 0.5 * self.cpus as f64
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let kind = if self.virtual_machine {
            "virtual"
        } else {
            "physical"
        };
        format!(
            "{}, {} CPUs ({kind}), {} MiB, Linux {}, built by {} ({}), load {:.1}",
            self.cpu, self.cpus, self.memory_mib, self.linux, self.rustc, self.profile, self.load
        )
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// A field of `/proc/meminfo`, in bytes; 0 where there is none.
pub(crate) fn memory(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    field(&text, name)
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// The CPUs that this process may use.
pub(crate) fn cpus() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(allowed) => (0..CpuSet::MAX_CPU)
            .filter(|&cpu| allowed.is_set(cpu))
            .collect(),
        Err(_) => vec![0],
    }
}

/// Lets the calling thread, and what it starts from now on, run on one CPU only.
pub(crate) fn pin(cpu: usize) -> Result<(), String> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).map_err(|error| format!("can't run on CPU {cpu} only: {error}"))
}

/// While it lives, the calling thread, and what it starts, runs on one CPU only.
pub(crate) struct Pinned(CpuSet);

/// See [`Pinned`].
pub(crate) fn pinned(cpu: usize) -> Result<Pinned, String> {
    let before = sched_getaffinity(None).map_err(|error| error.to_string())?;
    pin(cpu)?;
    Ok(Pinned(before))
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed a moment ago.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Raises the limit on open files to `wanted`, or as far as it goes, and returns what is in force.
pub(crate) fn raise_open_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(now.current) {
        return now.current.unwrap_or(u64::MAX);
    }
    // Only root may raise the hard limit as well.
    let both = Rlimit {
        current: Some(wanted),
        maximum: Some(wanted),
    };
    if !enough(now.maximum) && setrlimit(Resource::Nofile, both).is_ok() {
        return wanted;
    }
    let most = now.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let soft = Rlimit {
        current: Some(most),
        maximum: now.maximum,
    };
    match setrlimit(Resource::Nofile, soft) {
        Ok(()) => most,
        Err(_) => now.current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_follows_the_colon() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC"));
        assert_eq!(field(text, "flags"), Some("fpu hypervisor"));
        assert_eq!(field(text, "MemTotal"), None);
        assert!(memory("MemTotal") > 0);
    }

    #[test]
    fn pinning_lasts_as_long_as_it_lives() {
        let before = cpus();
        let pinned = pinned(before[0]).unwrap();
        assert_eq!(cpus(), [before[0]]);
        drop(pinned);
        assert_eq!(cpus(), before);
    }
}
