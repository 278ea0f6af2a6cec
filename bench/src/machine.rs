//! What the figures were measured on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// The kind of machine, without anything that would name it.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) virtual_machine: bool,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
}

impl Machine {
    /// Looks.
    pub(crate) fn look() -> Machine {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let rustc = Command::new("rustc").arg("--version").output();
        Machine {
            cpu: field(&cpu_info, "model name")
                .unwrap_or("unknown")
                .to_owned(),
            cores: cpu_info
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            virtual_machine: field(&cpu_info, "flags")
                .is_some_and(|f| f.split(' ').any(|flag| flag == "hypervisor")),
            memory_mib: field(&memory, "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            rustc: rustc.map_or_else(
                |_| "unknown".to_owned(),
                |o| String::from_utf8_lossy(&o.stdout).trim().to_owned(),
            ),
        }
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let kind = if self.virtual_machine {
            "virtual machine"
        } else {
            "physical machine"
        };
        format!(
            "{}, {} CPUs, {kind}, {} MiB, Linux {}, {}",
            self.cpu, self.cores, self.memory_mib, self.kernel, self.rustc
        )
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// Whether two CPUs are threads of one core, which then share what is measured.
pub(crate) fn share_a_core(one: usize, other: usize) -> bool {
    let core = |cpu: usize| {
        fs::read_to_string(format!(
            "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        ))
    };
    matches!((core(one), core(other)), (Ok(a), Ok(b)) if a == b)
}

/// Raises this process's limit on open files, which its children inherit, to `wanted` or as far as it goes; returns the limit.
pub(crate) fn raise_open_files(wanted: u64) -> Result<u64> {
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(now.current) {
        return Ok(now.current.unwrap_or(u64::MAX));
    }
    // Only root may raise the hard limit as well.
    if !enough(now.maximum)
        && setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: Some(wanted),
            },
        )
        .is_ok()
    {
        return Ok(wanted);
    }
    let most = now.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(most),
            maximum: now.maximum,
        },
    )
    .context("cannot raise the limit on open files")?;
    Ok(most)
}

/// Versions of the servers, by name.
pub(crate) type Versions = BTreeMap<&'static str, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_follows_the_colon() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC"));
        assert_eq!(field(text, "flags"), Some("fpu hypervisor"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
