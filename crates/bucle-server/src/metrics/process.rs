//! What the system knows of this process, under the names that Prometheus' own clients use.

use std::fs;
use std::time::Duration;

/// What can be told; where the system has no `/proc`, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// Bytes of memory that are resident.
    pub(crate) resident: Option<u64>,
    /// Bytes of address space.
    pub(crate) virtual_memory: Option<u64>,
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
    /// In user and system mode.
    pub(crate) cpu: Option<Duration>,
    pub(crate) threads: Option<u64>,
}

impl Process {
    /// Asks the system.
    pub(crate) fn now() -> Process {
        let page = rustix::param::page_size() as u64;
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let mut pages = statm.split(' ').map(|field| field.trim().parse().ok());
        let mut bytes = || pages.next().flatten().map(|pages: u64| pages * page);
        let (virtual_memory, resident) = (bytes(), bytes());
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Process {
            resident,
            virtual_memory,
            open_fds: open_fds(),
            max_fds: bucle_sys::limits::open_files(),
            cpu: stat_field(&stat, 14)
                .zip(stat_field(&stat, 15))
                .map(|(user, system)| ticks(user + system)),
            threads: stat_field(&stat, 20),
        }
    }
}

/// A field of `/proc/PID/stat` by its number in proc(5), from 3 on: the second is a name in
/// parentheses, in which anything may stand.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(") ")?;
    behind
        .split(' ')
        .nth(number.checked_sub(3)?)?
        .trim()
        .parse()
        .ok()
}

fn ticks(count: u64) -> Duration {
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_secs_f64(count as f64 / a_second as f64)
}

/// Linux tells the number since 6.2, as the folder's size. Where they have to be counted, which takes milliseconds for ten
/// thousand, the one that it takes is not counted.
fn open_fds() -> Option<u64> {
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    if told > 0 {
        return Some(told);
    }
    let count = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_and_spaces_shift_nothing() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20\n";
        assert_eq!(stat_field(stat, 14), Some(11));
        assert_eq!(stat_field(stat, 23), Some(20));
        assert_eq!(stat_field(stat, 24), None);
        assert_eq!(stat_field("", 14), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells() {
        let before = Process::now();
        let file = fs::File::open("/proc/self/stat").unwrap();
        let resident = before.resident.unwrap();
        assert!(resident > 100_000 && before.virtual_memory.unwrap() > resident);
        assert!(before.open_fds.unwrap() >= 3);
        assert!(
            before
                .max_fds
                .is_none_or(|max| max >= before.open_fds.unwrap())
        );
        assert!(before.threads.unwrap() >= 1 && before.cpu.is_some());
        drop(file);
    }
}
