//! A `bucle serve` as a child process, and a plain client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No wait in these tests is shorter.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

pub(crate) fn bucle() -> Command {
    let binary = std::env::var_os("BUCLE_BINARY");
    Command::new(binary.unwrap_or(env!("CARGO_BIN_EXE_bucle").into()))
}

/// Runs `bucle` to its end, which has to come by itself.
pub(crate) fn run(arguments: &[&str]) -> Output {
    bucle()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A folder with an `index.html` and a large file.
pub(crate) fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<p>hello").unwrap();
    std::fs::write(folder.path().join("large"), vec![b'x'; 30_000_000]).unwrap();
    folder
}

/// A server that runs until it is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) output: BufReader<ChildStdout>,
    /// What it said at its start, line by line.
    pub(crate) told: Vec<String>,
    /// The first TCP address it told.
    pub(crate) address: SocketAddr,
}

impl Serving {
    /// `bucle serve FOLDER` with more arguments, of which `--listen` is the caller's.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Serving {
        let listens = arguments.iter().filter(|argument| **argument == "--listen");
        let mut command = bucle();
        command.arg("serve").arg(folder).args(arguments);
        command.stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Standard output has the log then, and nothing else.
        let on_errors = arguments.contains(&"json");
        let told: Vec<_> = (0..listens.count().max(1))
            .map(|_| {
                let line = if on_errors {
                    next_line(child.stderr.as_mut().unwrap())
                } else {
                    let mut line = String::new();
                    output.read_line(&mut line).unwrap();
                    line
                };
                line.trim_end().to_owned()
            })
            .collect();
        let address = told.iter().find_map(|line| {
            let (_, url) = line.split_once(" at http")?;
            url.split_once("://")?.1.parse().ok()
        });
        let address = address.unwrap_or_else(|| {
            let mut error = String::new();
            let _ = child.wait();
            let _ = child.stderr.take().unwrap().read_to_string(&mut error);
            panic!("no address in {told:?}; {error}")
        });
        Serving {
            child,
            output,
            told,
            address,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// How much memory it has, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kibibytes.parse::<usize>().unwrap() * 1024
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + WATCHDOG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it said on standard error, after its end; but for what was slow, which on a busy machine
    /// may be anything.
    pub(crate) fn errors(&mut self) -> String {
        let stderr = BufReader::new(self.child.stderr.as_mut().unwrap());
        let lines = stderr.lines().map(Result::unwrap);
        let news = lines.filter(|line| !line.starts_with("bucle: slow "));
        news.map(|line| line + "\n").collect()
    }

    /// The next line that it says on standard error.
    pub(crate) fn next_error(&mut self) -> String {
        next_line(self.child.stderr.as_mut().unwrap())
    }

    /// Its standard output is read no more.
    pub(crate) fn close_output(&mut self) {
        // The end of a pipe of nobody's in the place of its own.
        let (reader, _) = std::io::pipe().unwrap();
        self.output = BufReader::new(ChildStdout::from(OwnedFd::from(reader)));
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream
    }

    /// The whole answer to a GET.
    pub(crate) fn get(&self, target: &str) -> String {
        get(self.connect(), target)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line of standard error; but for what was slow, which on a busy machine may be anything.
fn next_line(stderr: &mut ChildStderr) -> String {
    loop {
        // Byte by byte: what follows is for others.
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "it ended");
            line.extend_from_slice(&byte);
        }
        let line = String::from_utf8(line).unwrap();
        if !line.starts_with("bucle: slow ") {
            return line;
        }
    }
}

/// The whole answer to a GET over a stream that is closed after it.
pub(crate) fn get(mut stream: impl Duplex, target: &str) -> String {
    // In one piece: the server may close after the first.
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.end();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A stream whose sending side can be ended.
pub(crate) trait Duplex: Read + Write {
    fn end(&self);
}

impl Duplex for TcpStream {
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Duplex for std::os::unix::net::UnixStream {
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}
