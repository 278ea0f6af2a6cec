//! Child processes by descriptor: a [`PidFd`] is readable once its process has ended, and names no
//! other process, however numbers are given out again.
//!
//! Linux only; elsewhere [`PidFd::open`] says so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::time::Duration;

/// What a process used in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in its own code.
    pub user: Duration,
    /// Processor time in the system on its behalf.
    pub system: Duration,
    /// The most memory, in bytes, that was resident at one time.
    pub peak_resident: u64,
}

/// A descriptor of a child process.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl PidFd {
    /// The descriptor of the process `pid`, close-on-exec. Only for a child that nobody has waited
    /// for yet is it certain that the number still means that child.
    ///
    /// # Errors
    /// `ESRCH` when there is no such process, `ENOSYS` before Linux 5.3, `EMFILE` and the like.
    pub fn open(pid: u32) -> io::Result<PidFd> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(rustix::io::Errno::SRCH)?;
        Ok(PidFd(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// `ESRCH` once it was waited for; `EPERM` when it has changed its user; `InvalidInput` for what
    /// is no signal.
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        let signal = signal_from(signal)?;
        Ok(rustix::process::pidfd_send_signal(&self.0, signal)?)
    }

    /// How the process ended, `None` while it has not. It can be asked for once: the process is
    /// gone from the system's table then.
    ///
    /// # Errors
    /// `ECHILD` when it is no child of ours, or was waited for by somebody else.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        use rustix::process::WaitIdOptions;
        self.wait_id(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Whether the process has ended, which leaves it to be waited for.
    ///
    /// # Errors
    /// As [`try_wait`](PidFd::try_wait).
    pub fn has_ended(&self) -> io::Result<bool> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::PidFd(self.0.as_fd()), options)?.is_some())
    }

    /// [`try_wait`](PidFd::try_wait) that also says what the process has used.
    ///
    /// # Errors
    /// As [`try_wait`](PidFd::try_wait).
    pub fn try_wait_usage(&self) -> io::Result<Option<(ExitStatus, Usage)>> {
        use std::os::fd::AsRawFd;
        use std::os::unix::process::ExitStatusExt;
        // SAFETY: both are structures of numbers and padding, for which zeros are values.
        let (mut info, mut used): (libc::siginfo_t, libc::rusage) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: the system call reads a number that names an open descriptor, and writes to the
        // two structures, which live until it returns. The C library's `waitid` has no place for
        // the second one.
        let result = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::P_PIDFD,
                self.0.as_raw_fd(),
                &raw mut info,
                libc::WEXITED | libc::WNOHANG,
                &raw mut used,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a successful `waitid` has filled in the fields of SIGCHLD, or left them zeros.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Ok(None);
        }
        let raw = match info.si_code {
            libc::CLD_EXITED => (status & 0xff) << 8,
            libc::CLD_DUMPED => status | 0x80,
            _ => status,
        };
        let time = |time: libc::timeval| {
            Duration::new(
                u64::try_from(time.tv_sec).unwrap_or(0),
                u32::try_from(time.tv_usec).unwrap_or(0) * 1000,
            )
        };
        let usage = Usage {
            user: time(used.ru_utime),
            system: time(used.ru_stime),
            // The system counts in KiB.
            peak_resident: u64::try_from(used.ru_maxrss).unwrap_or(0) * 1024,
        };
        Ok(Some((ExitStatus::from_raw(raw), usage)))
    }

    /// Blocks until the process has ended, and says how.
    ///
    /// # Errors
    /// As [`try_wait`](PidFd::try_wait).
    pub fn wait(&self) -> io::Result<ExitStatus> {
        let status = self.wait_id(rustix::process::WaitIdOptions::EXITED)?;
        status.ok_or_else(|| io::ErrorKind::Other.into())
    }

    fn wait_id(&self, options: rustix::process::WaitIdOptions) -> io::Result<Option<ExitStatus>> {
        use rustix::process::{WaitId, waitid};
        use std::os::unix::process::ExitStatusExt;
        let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(self.0.as_fd()), options))?;
        let Some(status) = status else {
            return Ok(None);
        };
        // Put together as `wait` would have given it.
        let raw = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => (code & 0xff) << 8,
            (None, Some(signal)) if status.dumped() => signal | 0x80,
            (None, Some(signal)) => signal,
            (None, None) => return Ok(None),
        };
        Ok(Some(ExitStatus::from_raw(raw)))
    }
}

#[cfg(target_os = "linux")]
fn signal_from(signal: i32) -> io::Result<rustix::process::Signal> {
    if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
        return Ok(signal);
    }
    if (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&signal) {
        // SAFETY: it is a real-time signal within the range that the C library leaves to programs.
        return Ok(unsafe { rustix::process::Signal::from_raw_unchecked(signal) });
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{signal} is no signal"),
    ))
}

#[cfg(not(target_os = "linux"))]
impl PidFd {
    /// Not on this system.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn open(_: u32) -> io::Result<PidFd> {
        Err(unsupported())
    }

    /// Not on this system.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn send_signal(&self, _: i32) -> io::Result<()> {
        Err(unsupported())
    }

    /// Not on this system.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        Err(unsupported())
    }

    /// Not on this system.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        Err(unsupported())
    }
}

#[cfg(not(target_os = "linux"))]
fn unsupported() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "child processes are waited for by pidfd, which this system does not have",
    )
}

/// CPU time that a process has spent, all its threads together, those that ended included: the
/// scheduler's own count, exact to the nanosecond.
///
/// # Errors
/// `InvalidInput` (the system's `EINVAL`) or `ESRCH` when there is no such process, `Unsupported`
/// but on Linux.
#[cfg(target_os = "linux")]
pub fn cpu_time(pid: u32) -> io::Result<std::time::Duration> {
    // `CPUCLOCK_SCHED` in Linux's posix-timers.h.
    const SCHEDULER: i32 = 2;
    let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel's MAKE_PROCESS_CPUCLOCK, which is its interface to user programs.
    let clock = (!pid << 3) | SCHEDULER;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable memory for a timespec; a clock that is none is an error.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(std::time::Duration::new(
        time.tv_sec as u64,
        time.tv_nsec as u32,
    ))
}

/// Not on this system.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn cpu_time(_: u32) -> io::Result<std::time::Duration> {
    Err(unsupported())
}

/// Whether an error of [`PidFd::open`] or [`PidFd::try_wait`] says that the child was waited for
/// already: by somebody else, or by the system because `SIGCHLD` is ignored.
pub fn is_no_child(error: &io::Error) -> bool {
    matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::CHILD | rustix::io::Errno::SRCH)
    )
}

/// Whether an error says that the system has no room now (for a process, a descriptor, memory), and
/// may have some later.
pub fn is_scarce(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    )
}

/// The number of `SIGTERM`.
pub const SIGTERM: i32 = libc::SIGTERM;

/// The number of `SIGKILL`.
pub const SIGKILL: i32 = libc::SIGKILL;

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::zombie_processes, reason = "they are waited for by pidfd")]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_waited_for_once() {
        let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pidfd = PidFd::open(child.id()).unwrap();
        assert_eq!(pidfd.wait().unwrap().code(), Some(7));
        assert!(is_no_child(&pidfd.try_wait().unwrap_err()));
        assert!(is_no_child(&pidfd.send_signal(SIGTERM).unwrap_err()));
    }

    #[test]
    fn cpu_time_is_the_process_s_own() {
        let before = cpu_time(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while cpu_time(std::process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu_time(std::process::id()).unwrap() > before);
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(cpu_time(child.id()).is_err());
        assert!(cpu_time(u32::MAX).is_err());
    }

    #[test]
    fn what_a_child_used_is_told_once() {
        use std::os::unix::process::ExitStatusExt;
        let child = Command::new("sh")
            .args(["-c", "kill -9 $$"])
            .spawn()
            .unwrap();
        let pidfd = PidFd::open(child.id()).unwrap();
        while !pidfd.has_ended().unwrap() {
            std::thread::yield_now();
        }
        assert!(pidfd.has_ended().unwrap(), "it was waited for");
        let (status, usage) = loop {
            if let Some(ended) = pidfd.try_wait_usage().unwrap() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert_eq!(status.signal(), Some(SIGKILL));
        assert!(usage.peak_resident > 4096, "{usage:?}");
        assert!(is_no_child(&pidfd.try_wait_usage().unwrap_err()));
        let child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let pidfd = PidFd::open(child.id()).unwrap();
        let status = loop {
            if let Some((status, _)) = pidfd.try_wait_usage().unwrap() {
                break status;
            }
            std::thread::yield_now();
        };
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_signal_is_told() {
        use std::os::unix::process::ExitStatusExt;
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pidfd = PidFd::open(child.id()).unwrap();
        assert!(pidfd.try_wait().unwrap().is_none());
        let error = pidfd.send_signal(0x7777).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        pidfd.send_signal(libc::SIGRTMIN()).unwrap();
        assert_eq!(pidfd.wait().unwrap().signal(), Some(libc::SIGRTMIN()));
    }
}
