//! A child that is to be started, and one that was.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use bucle_sys::channel;
use bucle_sys::process::{PidFd, SIGKILL, Usage, is_scarce};
use bucle_sys::worker::kill_group;

use super::hello::{Hello, Role};
use super::spawner;
use super::{TEST_ENTRIES, VARIABLE};

/// Where a child's standard output and standard error go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// To a pipe, whose other end the [`Child`] has.
    Pipe,
    /// Where the parent's own go.
    Inherit,
}

/// A child that is to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) role: Role,
    /// Go with the hello.
    pub(crate) fds: Vec<OwnedFd>,
    /// `None` takes a variable away.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) current_dir: Option<PathBuf>,
    pub(crate) output: Output,
}

impl Launch {
    pub(crate) fn new(role: Role) -> Launch {
        Launch {
            role,
            fds: Vec::new(),
            env: Vec::new(),
            current_dir: None,
            output: Output::Pipe,
        }
    }

    /// Has the spawner's thread start it, and calls `done` there. This never blocks.
    pub(crate) fn start(self, done: impl FnOnce(io::Result<Child>) + Send + 'static) {
        spawner::start(self, Box::new(done));
    }

    /// In the spawner's thread.
    pub(super) fn run(self) -> io::Result<Child> {
        let (ours, theirs) = channel::pair()?;
        let fds: Vec<BorrowedFd<'_>> = self.fds.iter().map(AsFd::as_fd).collect();
        channel::send(&ours, &Hello::new(self.role).to_bytes(), &fds)?;
        // Not the path: the file there may be another one by now.
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        if let Some(entry) = TEST_ENTRIES.first() {
            // The test harness knows its tests without the crate's name.
            let test = entry.split_once("::").map_or(*entry, |(_, test)| test);
            command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        }
        for (name, value) in self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env(VARIABLE, std::process::id().to_string());
        if let Some(directory) = &self.current_dir {
            command.current_dir(directory);
        }
        let output = || match self.output {
            Output::Pipe => Stdio::piped(),
            Output::Inherit => Stdio::inherit(),
        };
        command
            .stdin(theirs)
            .stdout(output())
            .stderr(output())
            .process_group(0);
        let spawned = command.spawn();
        // With it goes our copy of the child's end.
        drop(command);
        let mut child = spawned.map_err(|error| {
            if is_scarce(&error) {
                // It says all, and is known by its number.
                return error;
            }
            let message = match &self.current_dir {
                Some(directory) => format!(
                    "can't start a child process in `{}`: {error}",
                    directory.display()
                ),
                None => format!("can't start a child process: {error}"),
            };
            io::Error::new(error.kind(), message)
        })?;
        let pidfd = match PidFd::open(child.id()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                // Nobody would ever learn of its end.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Child {
            pid: child.id(),
            pidfd: Some(pidfd),
            channel: ours,
            stdout: child.stdout.take().map(OwnedFd::from),
            stderr: child.stderr.take().map(OwnedFd::from),
        })
    }
}

/// A child process. Dropped before it was [waited for](Child::try_wait), it is killed with its
/// group, and waited for by the spawner's thread.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    /// `None` once it was waited for.
    pidfd: Option<PidFd>,
    /// Our end of its channel.
    pub(crate) channel: OwnedFd,
    /// The ends of its pipes, if there are any.
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

impl Child {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Readable when it has ended; `None` once it was waited for.
    pub(crate) fn pidfd(&self) -> Option<&PidFd> {
        self.pidfd.as_ref()
    }

    /// Sends a signal to the process itself. Does nothing once it was waited for.
    pub(crate) fn signal(&self, signal: i32) {
        if let Some(pidfd) = &self.pidfd {
            let _ = pidfd.send_signal(signal);
        }
    }

    /// Kills it and what it has started, but for what left its process group.
    pub(crate) fn kill(&self) {
        if let Some(pidfd) = &self.pidfd {
            // An error says that somebody else has waited for it: its number may be another's.
            if pidfd.has_ended().is_ok() {
                kill_group(self.pid);
            }
            let _ = pidfd.send_signal(SIGKILL);
        }
    }

    /// If it has ended: kills what is left of its group, waits for it, and says how it ended and
    /// what it has used.
    ///
    /// # Errors
    /// `ECHILD` if somebody else has waited for it, whose bug that is; it counts as waited for.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<(ExitStatus, Usage)>> {
        let Some(pidfd) = &self.pidfd else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match pidfd.has_ended() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.pidfd = None;
                return Err(error);
            }
        }
        // As long as it was not waited for, its number is the group's.
        kill_group(self.pid);
        let result = pidfd.try_wait_usage();
        if !matches!(result, Ok(None)) {
            self.pidfd = None;
        }
        result
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if let Some(pidfd) = self.pidfd.take() {
            spawner::bury(pidfd);
        }
    }
}
