//! What workers write to standard output and standard error: lines for the log, and the end of it
//! for errors.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

/// How much of a worker's standard error a failure shows, in bytes.
pub const STDERR_TAIL: usize = 4096;

/// A line is given out in pieces if it is longer.
const LONGEST_LINE: usize = 64 * 1024;

/// How much is read at a time, so that a worker that writes without end stops nobody else.
const READ: usize = 64 * 1024;

/// Which stream a line came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that a worker wrote.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutputLine<'a> {
    /// The worker's process.
    pub pid: u32,
    /// The task that ran when the line came, or had run last.
    pub task: Option<&'a str>,
    /// Which stream it came by.
    pub stream: OutputStream,
    /// The line without its end. What is no UTF-8 is replaced.
    pub text: &'a str,
}

impl OutputLine<'_> {
    /// Writes it to this process's standard error, in one call.
    pub(super) fn log(self) {
        let line = match self.task {
            Some(task) => format!("[{} {task}] {}\n", self.pid, self.text),
            None => format!("[{}] {}\n", self.pid, self.text),
        };
        // There is nobody to tell when standard error is gone.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// One pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
    stream: OutputStream,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    tail: VecDeque<u8>,
    total: usize,
    /// The task that the tail is of, if one runs.
    tail_of: Option<u64>,
}

impl Pipe {
    pub(super) fn new(fd: OwnedFd, stream: OutputStream) -> io::Result<Pipe> {
        bucle_sys::worker::set_nonblocking(&fd)?;
        Ok(Pipe {
            file: fd.into(),
            stream,
            partial: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
            tail_of: None,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Reads once, and gives each line that is whole to `take`. True if there may be more to read,
    /// false if there is nothing now or the end has come; `Ok(None)` at the end.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        take: &mut dyn FnMut(OutputStream, &str),
    ) -> Option<bool> {
        let most = buffer.len().min(READ);
        match self.file.read(&mut buffer[..most]) {
            Ok(0) => {
                self.give_partial(take);
                None
            }
            Ok(read) => {
                self.add(&buffer[..read], take);
                Some(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(false),
            Err(_) => None,
        }
    }

    fn add(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(OutputStream, &str)) {
        self.total = self.total.wrapping_add(bytes.len());
        if self.stream == OutputStream::Stderr {
            self.tail
                .extend(&bytes[bytes.len().saturating_sub(STDERR_TAIL)..]);
            let over = self.tail.len().saturating_sub(STDERR_TAIL);
            self.tail.drain(..over);
        }
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            take(self.stream, &String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > LONGEST_LINE {
            self.give_partial(take);
        }
    }

    fn give_partial(&mut self, take: &mut dyn FnMut(OutputStream, &str)) {
        if !self.partial.is_empty() {
            take(self.stream, &String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
    }

    /// Forgets what has come so far.
    pub(super) fn forget(&mut self) {
        self.partial.clear();
        self.tail.clear();
    }

    /// Forgets the tail but for its last `fresh` bytes if they were read since another task than
    /// `running` was seen to run; all of it if none runs. `running` has to be looked up after they
    /// were read: so nothing of the task that runs is lost.
    pub(super) fn seen_running(&mut self, running: Option<u64>, fresh: usize) {
        let before = match running {
            None => self.tail.len(),
            Some(_) if self.tail_of == running => 0,
            Some(_) => self.tail.len().saturating_sub(fresh),
        };
        self.tail.drain(..before);
        self.tail_of = running;
    }

    /// How many bytes came by it in all.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// The last that came by it; of standard error only.
    pub(super) fn tail(&self) -> String {
        let (front, back) = self.tail.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_of_the_task_that_runs() {
        let (read, _write) = io::pipe().unwrap();
        let mut pipe = Pipe::new(read.into(), OutputStream::Stderr).unwrap();
        pipe.add(b"first\n", &mut |_, _| {});
        pipe.seen_running(Some(1), 6);
        pipe.add(b"more\n", &mut |_, _| {});
        pipe.seen_running(Some(1), 5);
        assert_eq!(pipe.tail(), "first\nmore\n");
        pipe.add(b"second\n", &mut |_, _| {});
        pipe.seen_running(Some(2), 7);
        assert_eq!((pipe.tail().as_str(), pipe.total()), ("second\n", 18));
        pipe.seen_running(None, 0);
        assert_eq!(pipe.tail(), "");
    }

    #[test]
    fn lines_and_the_tail() {
        let (read, mut write) = io::pipe().unwrap();
        let mut pipe = Pipe::new(read.into(), OutputStream::Stderr).unwrap();
        let mut lines = Vec::new();
        let mut buffer = vec![0; 16];
        let mut take = |_, line: &str| lines.push(line.to_string());
        assert_eq!(pipe.read(&mut buffer, &mut take), Some(false));
        write.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(pipe.read(&mut buffer, &mut take), Some(true));
        write.write_all(b"ee\n\xff").unwrap();
        assert_eq!(pipe.read(&mut buffer, &mut take), Some(true));
        drop(write);
        assert_eq!(pipe.read(&mut buffer, &mut take), None);
        assert_eq!(lines, ["one", "two", "three", "\u{fffd}"]);
        assert_eq!(pipe.tail(), "one\ntwo\nthree\n\u{fffd}");
        pipe.add(&[b'x'; STDERR_TAIL + 10], &mut |_, _| {});
        assert_eq!(pipe.tail(), "x".repeat(STDERR_TAIL));
        let mut pieces = 0;
        pipe.add(&[b'y'; LONGEST_LINE], &mut |_, _| pieces += 1);
        assert_eq!(pieces, 1);
    }
}
