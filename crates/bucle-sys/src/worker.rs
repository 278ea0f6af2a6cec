//! What a process does that was started to work for its parent: its channel, its ties to the
//! parent, its limits. Linux only.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal};

/// Takes `name` out of the environment, so that no child of this process inherits it.
///
/// To be called first thing in `main`, before there are threads.
pub fn remove_variable(name: &str) {
    // SAFETY: what must not happen meanwhile is that another thread reads the environment other
    // than through `std::env`, which locks it. A worker calls this as the first thing it does: from
    // `main` there is no other thread; from a test's entry the others are the test harness's, which
    // waits for that one test and reads variables through `std::env` alone.
    unsafe { std::env::remove_var(name) }
}

/// The channel that the parent put in place of standard input, which is `/dev/null` from now on.
///
/// # Errors
/// `InvalidData` if standard input is no channel of ours; the system's.
pub fn take_channel() -> io::Result<OwnedFd> {
    let stdin = rustix::stdio::stdin();
    let kind = rustix::net::sockopt::socket_type(stdin);
    if !matches!(kind, Ok(rustix::net::SocketType::SEQPACKET)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "standard input is not the channel to the process that started this one",
        ));
    }
    // Above the standard streams, whichever of them are closed.
    let channel = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(channel)
}

/// Ties this process to its parent `parent`: when the thread that started it ends, the whole
/// process group of this process is killed. False if the parent is gone already.
///
/// The signal is `SIGHUP`, whose handler kills the group; so do a terminal that hangs up, and the
/// kernel's own `SIGHUP` for a stopped group that has lost its parent.
///
/// # Errors
/// The system's.
pub fn die_with_parent(parent: u32) -> io::Result<bool> {
    extern "C" fn hung_up(_: c_int) {
        // SAFETY: `kill` may be called from a signal handler. Group 0 is this process's own.
        unsafe { libc::kill(0, libc::SIGKILL) };
    }
    // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask, the default handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = hung_up as extern "C" fn(c_int) as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler has the signature that goes without SA_SIGINFO, and does only what a
    // handler may do.
    if unsafe { libc::sigaction(libc::SIGHUP, &raw const action, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::HUP))?;
    // It may have gone before the signal was asked for.
    let now = rustix::process::getppid().map(Pid::as_raw_nonzero);
    Ok(now.is_some_and(|now| u32::try_from(now.get()) == Ok(parent)))
}

/// Has the signals that the parent may ignore, and would have this process ignore with it, do what
/// they do by default: `SIGTERM`, by which this process is asked to end, and `SIGCHLD`, without
/// which none of its children can be waited for. What is handled is left alone.
pub fn restore_signals() {
    for signal in [libc::SIGTERM, libc::SIGCHLD] {
        // SAFETY: all zeros is a valid `sigaction`, which the call fills in.
        let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: `now` may be written to; a null pointer asks for no change.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
        if asked == 0 && now.sa_sigaction == libc::SIG_IGN {
            // SAFETY: the default action is no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// Kills the process group that this process leads, itself included. Where it leads none, itself.
pub fn kill_own_group() -> ! {
    let own = rustix::process::getpid();
    if rustix::process::getpgrp() == own {
        let _ = rustix::process::kill_process_group(own, Signal::KILL);
    }
    let _ = rustix::process::kill_process(own, Signal::KILL);
    // Not reached: nobody survives that signal.
    std::process::abort()
}

/// Kills what is left of the process group `leader`, a child of ours that was not waited for yet:
/// so long nobody else has its number.
pub fn kill_group(leader: u32) {
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
}

/// Sets how much memory this process may have of its own (`RLIMIT_DATA`: heap, stacks of threads,
/// private mappings, in bytes), or lifts what was set before: then the limit holds that the process was
/// started with, which is never raised. Allocations beyond it fail.
///
/// # Errors
/// The system's: beyond the hard limit.
pub fn limit_data(most: Option<u64>) -> io::Result<()> {
    /// What the process was started with.
    static BEFORE: OnceLock<Option<u64>> = OnceLock::new();
    let now = rustix::process::getrlimit(Resource::Data);
    let (before, hard) = (*BEFORE.get_or_init(|| now.current), now.maximum);
    // No limit is none that is lower.
    let current = most.into_iter().chain(before).chain(hard).min();
    let limit = Rlimit {
        current,
        maximum: hard,
    };
    Ok(rustix::process::setrlimit(Resource::Data, limit)?)
}

/// Makes this process nicer by `increment`.
///
/// # Errors
/// `EPERM` for a negative one without the right to it.
pub fn nice(increment: i32) -> io::Result<()> {
    rustix::process::nice(increment)?;
    Ok(())
}

/// The name under which the system lists this process, cut to 15 bytes.
pub fn set_process_name(name: &str) {
    // Of the main thread, whichever this one is. It is for people alone.
    let _ = std::fs::write("/proc/self/comm", &name[..name.floor_char_boundary(15)]);
}

/// How much processor time this process has used.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    duration(time)
}

/// Nanoseconds of the monotonic clock, which is the same in all processes of the machine.
pub fn monotonic_ns() -> u64 {
    let time = duration(rustix::time::clock_gettime(
        rustix::time::ClockId::Monotonic,
    ));
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn duration(time: rustix::time::Timespec) -> Duration {
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// How much memory of a process is resident, in bytes; `None` once it is gone.
pub fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// Makes a pipe that is to be read by a loop not block its reader.
///
/// # Errors
/// The system's.
pub fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_gone() {
        // Inherited from nobody, looked at by nobody else.
        let name = "BUCLE_SYS_TEST_VARIABLE";
        remove_variable(name);
        assert!(std::env::var_os(name).is_none());
    }

    #[test]
    fn an_ordinary_standard_input_is_refused() {
        let error = take_channel().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn clocks_and_sizes() {
        let before = monotonic_ns();
        assert!(monotonic_ns() >= before);
        assert!(cpu_time() <= Duration::from_secs(3600));
        assert!(resident(std::process::id()).unwrap() > 4096);
        assert_eq!(resident(0), None);
    }

    #[test]
    fn the_data_limit_is_set_and_lifted() {
        let before = rustix::process::getrlimit(Resource::Data);
        let generous = 1 << 40;
        limit_data(Some(generous)).unwrap();
        let limit = rustix::process::getrlimit(Resource::Data);
        assert!(limit.current.is_some_and(|current| current <= generous));
        limit_data(None).unwrap();
        let after = rustix::process::getrlimit(Resource::Data);
        assert_eq!(after.current, before.current);
    }
}
