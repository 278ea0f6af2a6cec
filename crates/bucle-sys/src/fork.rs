//! A bare `fork`, for whoever measures what it costs.
//!
//! Nothing in Bucle starts a worker this way. After a fork of a process with several threads the
//! child may call async-signal-safe functions only (POSIX `fork`), so what it does is chosen from a
//! list, each item of which makes system calls and nothing else.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::process::ExitStatus;
use std::ptr;

/// The exit code of a child that could not start its program.
pub const NOT_STARTED: i32 = 127;

/// A program and its arguments, laid out for `execv` beforehand: a child may not allocate.
#[derive(Debug)]
pub struct Program {
    /// The path, then the arguments.
    words: Vec<CString>,
}

impl Program {
    /// The program at `path`, with these arguments.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL byte.
    pub fn new(path: &str, arguments: &[&str]) -> io::Result<Program> {
        let words = std::iter::once(&path).chain(arguments);
        let words = words
            .map(|word| CString::new(*word))
            .collect::<Result<_, _>>();
        Ok(Program { words: words? })
    }
}

/// What a forked child does.
#[derive(Clone, Copy, Debug)]
pub enum Child<'a> {
    /// Ends at once, with exit code 0.
    Exit,
    /// Reads one byte (or the end) of a descriptor, then ends with exit code 0.
    Wait(BorrowedFd<'a>),
    /// Becomes another program; exit code [`NOT_STARTED`] if that fails.
    Exec(&'a Program),
}

/// A forked child. Dropping it kills it and waits for it.
#[derive(Debug)]
pub struct Forked {
    pid: libc::pid_t,
    waited: bool,
}

/// Forks.
///
/// # Errors
/// `EAGAIN` at the limit on processes, `ENOMEM`.
pub fn fork(child: Child<'_>) -> io::Result<Forked> {
    let mut pointers: Vec<*const libc::c_char> = Vec::new();
    if let Child::Exec(program) = child {
        pointers.extend(program.words.iter().map(|word| word.as_ptr()));
        pointers.push(ptr::null());
    }
    // SAFETY: the child runs `behave` only, which makes async-signal-safe calls, neither allocates
    // nor locks nor unwinds, and never returns.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => behave(child, &pointers),
        pid => Ok(Forked { pid, waited: false }),
    }
}

fn behave(child: Child<'_>, pointers: &[*const libc::c_char]) -> ! {
    let code = match child {
        Child::Exit => 0,
        Child::Wait(fd) => {
            let mut byte = 0u8;
            // SAFETY: `byte` is one writable byte. Whatever comes, the child ends then.
            unsafe { libc::read(fd.as_raw_fd(), (&raw mut byte).cast(), 1) };
            0
        }
        Child::Exec(_) => {
            if let [path, ..] = pointers {
                // SAFETY: the strings outlive the call (they are in the child's copy of the
                // caller's memory), and the list ends with a null pointer.
                unsafe { libc::execv(*path, pointers.as_ptr()) };
            }
            NOT_STARTED
        }
    };
    // SAFETY: it ends the child without running anything of the parent's.
    unsafe { libc::_exit(code) }
}

impl Forked {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid as u32
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// `ECHILD` if somebody else waited for it.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        self.reap()
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        use std::os::unix::process::ExitStatusExt;
        self.waited = true;
        let mut status = 0;
        loop {
            // SAFETY: `status` is writable memory for an int.
            if unsafe { libc::waitpid(self.pid, &raw mut status, 0) } >= 0 {
                return Ok(ExitStatus::from_raw(status));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if !self.waited {
            // SAFETY: it is a child that nobody has waited for, so the number is still its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            let _ = self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_child_does_what_it_is_for() {
        assert_eq!(fork(Child::Exit).unwrap().wait().unwrap().code(), Some(0));
        let program = Program::new("/bin/sh", &["-c", "exit 7"]).unwrap();
        let child = fork(Child::Exec(&program)).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7));
        let missing = Program::new("/nowhere/at/all", &[]).unwrap();
        let child = fork(Child::Exec(&missing)).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(NOT_STARTED));
        assert!(Program::new("a\0b", &[]).is_err());
    }

    #[test]
    fn a_waiting_child_waits_and_a_dropped_one_is_killed() {
        let (reader, writer) = io::pipe().unwrap();
        let child = fork(Child::Wait(reader.as_fd())).unwrap();
        io::Write::write_all(&mut &writer, b"x").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let child = fork(Child::Wait(reader.as_fd())).unwrap();
        let pid = child.id();
        drop(child);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
