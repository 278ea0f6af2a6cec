//! [`SubprocessOptions`]: how a child is to be started.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::DEFAULT_LIMIT;

/// What one of a child's standard streams is to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stdio {
    /// What it is in this process.
    Inherit,
    /// A pipe, whose other end is a stream here.
    Pipe,
    /// `/dev/null`.
    DevNull,
    /// What standard output is; for standard error alone. Standard output is then what the options
    /// say of it, this process's own if they say nothing, whatever a given `Command` says.
    Stdout,
    /// A descriptor: a file, the end of another child's pipe.
    Fd(OwnedFd),
}

/// asyncio's `subprocess.PIPE`.
pub const PIPE: Stdio = Stdio::Pipe;

/// asyncio's `subprocess.DEVNULL`.
pub const DEVNULL: Stdio = Stdio::DevNull;

/// asyncio's `subprocess.STDOUT`.
pub const STDOUT: Stdio = Stdio::Stdout;

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Stdio {
        Stdio::Fd(fd)
    }
}

impl From<std::fs::File> for Stdio {
    fn from(file: std::fs::File) -> Stdio {
        Stdio::Fd(file.into())
    }
}

/// What a child is given, and what becomes of it. The keyword arguments of asyncio's
/// `create_subprocess_exec`.
#[derive(Debug)]
#[must_use]
pub struct SubprocessOptions {
    pub(super) stdin: Option<Stdio>,
    pub(super) stdout: Option<Stdio>,
    pub(super) stderr: Option<Stdio>,
    pub(super) current_dir: Option<PathBuf>,
    pub(super) clear_env: bool,
    /// A variable without a value is removed.
    pub(super) env: Vec<(OsString, Option<OsString>)>,
    pub(super) process_group: Option<i32>,
    pub(super) kill_on_drop: bool,
    pub(super) limit: usize,
}

impl Default for SubprocessOptions {
    fn default() -> SubprocessOptions {
        SubprocessOptions {
            stdin: None,
            stdout: None,
            stderr: None,
            current_dir: None,
            clear_env: false,
            env: Vec::new(),
            process_group: None,
            kill_on_drop: false,
            limit: DEFAULT_LIMIT,
        }
    }
}

impl SubprocessOptions {
    /// What the child reads; [`Stdio::Inherit`] unless set, but a pipe for the functions that take a
    /// protocol, as asyncio has it.
    pub fn stdin(mut self, what: impl Into<Stdio>) -> SubprocessOptions {
        self.stdin = Some(what.into());
        self
    }

    /// Where it writes; unless set as [`stdin`](SubprocessOptions::stdin).
    pub fn stdout(mut self, what: impl Into<Stdio>) -> SubprocessOptions {
        self.stdout = Some(what.into());
        self
    }

    /// Where it complains; unless set as [`stdin`](SubprocessOptions::stdin).
    pub fn stderr(mut self, what: impl Into<Stdio>) -> SubprocessOptions {
        self.stderr = Some(what.into());
        self
    }

    /// The directory it starts in; ours unless set.
    pub fn cwd(mut self, directory: impl Into<PathBuf>) -> SubprocessOptions {
        self.current_dir = Some(directory.into());
        self
    }

    /// Sets a variable of its environment, which is ours otherwise.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Some(value.into())));
        self
    }

    /// Takes a variable out of its environment.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> SubprocessOptions {
        self.env.push((name.into(), None));
        self
    }

    /// Gives it no variables but those of [`env`](SubprocessOptions::env) that are set after this;
    /// with it, `env` is what asyncio's is.
    pub fn env_clear(mut self) -> SubprocessOptions {
        self.clear_env = true;
        self.env.clear();
        self
    }

    /// The process group it joins, 0 for one of its own: a terminal's interrupt then does not reach
    /// it, and a signal to the group reaches whatever it starts.
    pub fn process_group(mut self, group: i32) -> SubprocessOptions {
        self.process_group = Some(group);
        self
    }

    /// Whether the child is killed when its [`Process`](super::Process) is dropped, or the loop
    /// closed, before it has ended. No unless set: it runs on, and is waited for.
    pub fn kill_on_drop(mut self, on: bool) -> SubprocessOptions {
        self.kill_on_drop = on;
        self
    }

    /// The [limit](crate::ConnectOptions::limit) of the streams' buffers, in bytes;
    /// [`DEFAULT_LIMIT`] unless set.
    pub fn limit(mut self, limit: usize) -> SubprocessOptions {
        self.limit = limit;
        self
    }
}
