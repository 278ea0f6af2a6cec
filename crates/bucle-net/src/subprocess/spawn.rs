//! Starting a process: options put into a [`Command`], and our ends of its pipes taken out.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::rc::Rc;

use bucle_loop::LoopRef;

use super::child::ChildProcess;
use super::options::{Stdio, SubprocessOptions};

/// A child that runs, and our ends of its pipes.
pub(super) struct Spawned {
    pub(super) child: Rc<ChildProcess>,
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

pub(super) fn spawn(
    event_loop: &LoopRef,
    mut command: Command,
    options: SubprocessOptions,
) -> io::Result<Spawned> {
    if event_loop.sim_network().is_some() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "child processes are real; a simulated loop has none; run the test as \
             `#[bucle::test(real)]`",
        ));
    }
    if options.clear_env {
        command.env_clear();
    }
    for (name, value) in options.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = options.current_dir {
        command.current_dir(directory);
    }
    if let Some(group) = options.process_group {
        command.process_group(group);
    }
    let joined = put_stdio(
        &mut command,
        [options.stdin, options.stdout, options.stderr],
    )?;
    let spawned = command.spawn();
    let name = command.get_program().to_string_lossy().into_owned();
    // With it go our copies of the child's ends: its pipes end when it does.
    drop(command);
    let child = spawned
        .map_err(|error| io::Error::new(error.kind(), format!("can't run `{name}`: {error}")))?;
    watch(event_loop, child, joined, options.kill_on_drop)
}

/// Returns our end of a pipe that standard output and standard error share.
fn put_stdio(command: &mut Command, wanted: [Option<Stdio>; 3]) -> io::Result<Option<OwnedFd>> {
    let [stdin, stdout, stderr] = wanted;
    for (name, what) in [("stdin", &stdin), ("stdout", &stdout)] {
        if matches!(what, Some(Stdio::Stdout)) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`STDOUT` is for stderr, which goes where stdout goes; {name} can't be it"),
            ));
        }
    }
    if let Some(stdin) = stdin {
        command.stdin(std_stdio(stdin));
    }
    if !matches!(stderr, Some(Stdio::Stdout)) {
        if let Some(stdout) = stdout {
            command.stdout(std_stdio(stdout));
        }
        if let Some(stderr) = stderr {
            command.stderr(std_stdio(stderr));
        }
        return Ok(None);
    }
    let mut ours = None;
    let shared = match stdout {
        Some(Stdio::Pipe) => {
            let (read, write) = io::pipe()?;
            ours = Some(read.into());
            write.into()
        }
        Some(Stdio::DevNull) => File::options().write(true).open("/dev/null")?.into(),
        Some(Stdio::Fd(fd)) => fd,
        None | Some(Stdio::Inherit | Stdio::Stdout) => io::stdout().as_fd().try_clone_to_owned()?,
    };
    command.stderr(shared.try_clone()?);
    command.stdout(shared);
    Ok(ours)
}

fn std_stdio(what: Stdio) -> std::process::Stdio {
    match what {
        Stdio::Pipe => std::process::Stdio::piped(),
        Stdio::DevNull => std::process::Stdio::null(),
        Stdio::Fd(fd) => fd.into(),
        Stdio::Inherit | Stdio::Stdout => std::process::Stdio::inherit(),
    }
}

fn watch(
    event_loop: &LoopRef,
    mut child: Child,
    joined: Option<OwnedFd>,
    kill_on_drop: bool,
) -> io::Result<Spawned> {
    match ChildProcess::watch(event_loop, child.id(), kill_on_drop) {
        Ok(watched) => Ok(Spawned {
            child: watched,
            stdin: child.stdin.take().map(OwnedFd::from),
            stdout: joined.or(child.stdout.take().map(OwnedFd::from)),
            stderr: child.stderr.take().map(OwnedFd::from),
        }),
        Err(error) => {
            // Nobody would ever learn of its end.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}
