//! [`Process`]: a child process for `async` code.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::process::{Command, ExitStatus};
use std::rc::Rc;
use std::task::{Context, Poll};

use bucle_loop::LoopRef;
use bucle_sys::process::{SIGKILL, SIGTERM};

use super::child::{ChildProcess, returncode};
use super::options::SubprocessOptions;
use super::spawn::{Spawned, spawn};
use crate::waiters::Seat;
use crate::{StreamReader, StreamWriter, open_read_pipe_with, open_write_pipe};

/// A child process. asyncio's `Process`.
///
/// Dropping it closes what it holds of the child's streams, and kills the child if
/// [`kill_on_drop`](SubprocessOptions::kill_on_drop) was set. Either way the loop waits for it.
pub struct Process {
    child: Rc<ChildProcess>,
    /// Writes to the child's standard input, if that is a [pipe](super::PIPE). Dropping the writer,
    /// or closing it, ends the input.
    pub stdin: Option<StreamWriter>,
    /// Reads the child's standard output, if that is a pipe.
    pub stdout: Option<StreamReader>,
    /// Reads the child's standard error, if that is a pipe.
    pub stderr: Option<StreamReader>,
}

impl Process {
    #[track_caller]
    pub(super) fn start(
        event_loop: &LoopRef,
        command: Command,
        options: SubprocessOptions,
    ) -> io::Result<Process> {
        let limit = options.limit;
        let Spawned {
            child,
            stdin,
            stdout,
            stderr,
        } = spawn(event_loop, command, options)?;
        let reader = |fd| open_read_pipe_with(fd, limit);
        let pipes = (|| {
            Ok((
                stdin.map(open_write_pipe).transpose()?,
                stdout.map(reader).transpose()?,
                stderr.map(reader).transpose()?,
            ))
        })();
        let (stdin, stdout, stderr) = pipes.inspect_err(|_: &io::Error| {
            // Nobody could reach it, or wait for it.
            let _ = child.send_signal(SIGKILL);
        })?;
        Ok(Process {
            child,
            stdin,
            stdout,
            stderr,
        })
    }

    /// The process id. After the end it may be another's.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// How the child ended: its exit code, or minus the signal that killed it; `None` while it
    /// runs, or while its end is not known yet.
    pub fn returncode(&self) -> Option<i32> {
        self.child.status().map(returncode)
    }

    /// Waits until the child has ended. Cancel-safe; can be awaited any number of times.
    ///
    /// Pipes are not waited for: something the child has started may still write to them. A child
    /// that writes more into a pipe than the pipe and the stream's [limit](super::PIPE) take does
    /// not end before somebody reads: see [`communicate`](Process::communicate).
    pub async fn wait(&self) -> ExitStatus {
        let mut seat = Seat::default();
        poll_fn(|cx| self.child.poll_wait(&mut seat, cx)).await
    }

    /// Writes `input` to the child, ends its input, reads standard output and standard error to
    /// their ends, and waits for the child. Returns what was read; nothing where there is no pipe.
    ///
    /// A child that ends, or closes its input, before it has read everything is no error.
    /// Cancelled, it loses none of the output: what was read is still in the readers, and the rest of
    /// the input is still on its way.
    ///
    /// # Errors
    /// `InvalidInput` if there is input and standard input is no pipe; the system's.
    pub async fn communicate(&mut self, input: Option<&[u8]>) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let stdin = self.stdin.take();
        match (&stdin, input) {
            (Some(stdin), Some(input)) => stdin.write(input),
            (None, Some(input)) if !input.is_empty() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "there is no pipe to write the input to; start the process with \
                     `.stdin(PIPE)`, and communicate once",
                ));
            }
            _ => {}
        }
        // What was written still leaves.
        drop(stdin);
        poll_fn(|cx| {
            let out = poll_to_end(&mut self.stdout, cx);
            let err = poll_to_end(&mut self.stderr, cx);
            if out.is_ready() { err } else { out }
        })
        .await;
        self.wait().await;
        let taken = |reader: &mut Option<StreamReader>| match reader {
            Some(reader) => reader.take_all(),
            None => Ok(Vec::new()),
        };
        Ok((taken(&mut self.stdout)?, taken(&mut self.stderr)?))
    }

    /// Sends a signal to the child.
    ///
    /// # Errors
    /// `NotFound` once its end is known (it never reaches another process that has the number by
    /// now); `InvalidInput` for what is no signal; `PermissionDenied`.
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.child.send_signal(signal)
    }

    /// Asks the child to end, by `SIGTERM`.
    ///
    /// # Errors
    /// As [`send_signal`](Process::send_signal).
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(SIGTERM)
    }

    /// Ends the child, by `SIGKILL`.
    ///
    /// # Errors
    /// As [`send_signal`](Process::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(SIGKILL)
    }
}

fn poll_to_end(reader: &mut Option<StreamReader>, cx: &mut Context<'_>) -> Poll<()> {
    match reader {
        Some(reader) => reader.poll_to_end(cx),
        None => Poll::Ready(()),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.let_go();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .field("returncode", &self.returncode())
            .finish_non_exhaustive()
    }
}
