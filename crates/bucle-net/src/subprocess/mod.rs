//! Child processes: [`create_subprocess_exec`], [`create_subprocess_shell`] and [`Process`] for
//! `async` code; [`subprocess_exec`], [`subprocess_shell`] and [`SubprocessProtocol`] below them.
//!
//! A child's end is an event of the loop, by its *pidfd*: nobody waits in a thread, no handler of
//! `SIGCHLD` is needed, and the user's own is left alone. Whatever becomes of a [`Process`], its
//! child is waited for, so none is left a zombie: the loop keeps watching a child whose `Process`
//! was dropped, and when the loop itself is closed, a thread takes over. Whether the child is to be
//! killed then is a choice: [`SubprocessOptions::kill_on_drop`].
//!
//! What a child reads and writes goes through pipes, never through socket pairs, so that it may
//! open `/dev/stdin` and the like. Linux only, so far.
//!
//! ```
//! use bucle_net::subprocess::{PIPE, SubprocessOptions, create_subprocess_exec};
//!
//! bucle_loop::run(async {
//!     let options = SubprocessOptions::default().stdin(PIPE).stdout(PIPE);
//!     let mut sort = create_subprocess_exec("sort", ["-r"], options)?;
//!     let (out, _) = sort.communicate(Some(b"a\nb\n")).await?;
//!     assert_eq!(out, b"b\na\n");
//!     assert_eq!(sort.returncode(), Some(0));
//!     Ok::<(), std::io::Error>(())
//! })??;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | file | what |
//! |---|---|
//! | `options` | [`SubprocessOptions`], [`Stdio`] |
//! | `spawn` | a process started, its pipes in our hands |
//! | `child` | the child on the loop: its end, signals to it |
//! | `process` | [`Process`]: streams |
//! | `protocol`, `transport` | [`SubprocessProtocol`], [`SubprocessTransport`]: callbacks |

mod child;
mod options;
mod process;
mod protocol;
mod spawn;
mod transport;

use std::ffi::OsStr;
use std::io;
use std::process::Command;

use bucle_loop::get_running_loop;

pub use options::{DEVNULL, PIPE, STDOUT, Stdio, SubprocessOptions};
pub use process::Process;
pub use protocol::SubprocessProtocol;
pub use transport::SubprocessTransport;

/// Starts `program`, looked for in `PATH` if it has no slash, with `arguments`. asyncio's
/// `create_subprocess_exec`.
///
/// The call returns when the child has begun to run the program, which blocks the loop for as long
/// as the system takes to load it.
///
/// # Errors
/// `NotFound` and `PermissionDenied` as the system says of the program, with its name;
/// `InvalidInput` for options that contradict one another; `Unsupported` on a simulated loop, and
/// where there are no pidfds.
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_subprocess_exec<I>(
    program: impl AsRef<OsStr>,
    arguments: I,
    options: SubprocessOptions,
) -> io::Result<Process>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    create_subprocess(exec(program.as_ref(), arguments), options)
}

/// Has `/bin/sh` run `line`. asyncio's `create_subprocess_shell`.
///
/// What comes from outside is quoted by whoever writes the line, or better given to
/// [`create_subprocess_exec`], which needs no quoting.
///
/// # Errors
/// As [`create_subprocess_exec`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_subprocess_shell(
    line: impl AsRef<OsStr>,
    options: SubprocessOptions,
) -> io::Result<Process> {
    create_subprocess(shell(line.as_ref()), options)
}

/// Starts a command of the standard library, for what [`SubprocessOptions`] has no word for: users
/// and groups, another name, code to run before the program. Where the options say
/// [`Stdio::Inherit`], what the command says holds; a pipe it asks for becomes a stream.
///
/// # Errors
/// As [`create_subprocess_exec`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn create_subprocess(command: Command, options: SubprocessOptions) -> io::Result<Process> {
    Process::start(&get_running_loop(), command, options)
}

/// Starts `program` with a protocol that is told what it writes and how it ends. asyncio's
/// `subprocess_exec`. Unlike [`create_subprocess_exec`], pipes are made of all three streams unless
/// the options say otherwise than [`Stdio::Inherit`], as asyncio does it.
///
/// # Errors
/// As [`create_subprocess_exec`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn subprocess_exec<I>(
    protocol: impl SubprocessProtocol,
    program: impl AsRef<OsStr>,
    arguments: I,
    options: SubprocessOptions,
) -> io::Result<SubprocessTransport>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let command = exec(program.as_ref(), arguments);
    SubprocessTransport::start(&get_running_loop(), command, options, Box::new(protocol))
}

/// Has `/bin/sh` run `line`, with a protocol; see [`subprocess_exec`]. asyncio's
/// `subprocess_shell`.
///
/// # Errors
/// As [`create_subprocess_exec`].
///
/// # Panics
/// If no loop is running in this thread.
#[track_caller]
pub fn subprocess_shell(
    protocol: impl SubprocessProtocol,
    line: impl AsRef<OsStr>,
    options: SubprocessOptions,
) -> io::Result<SubprocessTransport> {
    let command = shell(line.as_ref());
    SubprocessTransport::start(&get_running_loop(), command, options, Box::new(protocol))
}

fn exec<I>(program: &OsStr, arguments: I) -> Command
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn shell(line: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}
