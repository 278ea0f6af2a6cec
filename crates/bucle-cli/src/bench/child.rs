//! What the benchmarks start as processes of their own: this program, by a hidden command. A child
//! lives no longer than its standard input, so none outlives the benchmark.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use clap::{Args, ValueEnum};

use super::{connections, os};

#[derive(Args)]
pub(crate) struct Child {
    kind: Kind,
    /// What the kind wants to know.
    #[arg(default_value_t = 0)]
    number: u64,
}

/// What a child does.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Sends back each byte of its standard input.
    Echo,
    /// Makes so many loops, and prints what they took.
    Loops,
    /// A server of echoes on a loop.
    LoopServer,
    /// A server of echoes with a thread for every connection.
    ThreadServer,
}

impl Kind {
    /// As it stands on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Echo => "echo",
            Kind::Loops => "loops",
            Kind::LoopServer => "loop-server",
            Kind::ThreadServer => "thread-server",
        }
    }
}

impl Child {
    pub(crate) fn run(self) -> Result<(), String> {
        // A terminal's Ctrl-C goes to all. The parent decides, and closes our input.
        super::stop::install().map_err(|error| format!("can't catch signals: {error}"))?;
        match self.kind {
            Kind::Echo => {
                // Without the standard library's buffer.
                let out = std::io::stdout().as_fd().try_clone_to_owned();
                let out = out.map_err(|error| format!("standard output: {error}"))?;
                os::echo(&mut std::io::stdin().lock(), &mut std::fs::File::from(out));
                Ok(())
            }
            Kind::Loops => os::grow_by_loops(self.number),
            Kind::LoopServer => connections::loop_server(),
            Kind::ThreadServer => connections::thread_server(),
        }
    }
}

/// A child that is killed when this is dropped.
pub(crate) struct Started {
    child: std::process::Child,
}

/// Starts this program as such a child.
pub(crate) fn start(arguments: &[&str]) -> Result<Started, String> {
    let program = std::env::current_exe().map_err(|error| format!("our own program: {error}"))?;
    let child = Command::new(program)
        .args(["bench", "child"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("can't start a process of our own: {error}"))?;
    Ok(Started { child })
}

impl Started {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input and output; once.
    pub(crate) fn pipes(&mut self) -> Result<(ChildStdin, ChildStdout), String> {
        match (self.child.stdin.take(), self.child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok((stdin, stdout)),
            _ => Err("a child without pipes".into()),
        }
    }

    /// The first line that it prints. Its input stays open.
    pub(crate) fn first_line(&mut self) -> Result<String, String> {
        let stdout = self.child.stdout.as_mut().ok_or("a child without pipes")?;
        let mut line = String::new();
        match BufReader::with_capacity(256, stdout).read_line(&mut line) {
            Ok(1..) => Ok(line.trim_end().to_owned()),
            Ok(0) => Err("a process of ours ended at its start".into()),
            Err(error) => Err(format!("a process of ours: {error}")),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints one line for the parent.
pub(crate) fn tell(line: impl std::fmt::Display) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output: {error}"))
}

/// Blocks until the parent is gone, or wants us to go.
pub(crate) fn until_let_go() {
    let mut rest = Vec::new();
    let _ = std::io::stdin().lock().read_to_end(&mut rest);
}
