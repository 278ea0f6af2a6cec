//! The servers: how each is started, for plaintext from a handler or for files, tuned as its makers advise for this load.
//!
//! A server is a child process pinned to one CPU, in its own process group, ended by its pid when its `Server` is dropped
//! (also when the benchmark panics), and by the kernel if the benchmark itself is killed (`setpriv --pdeathsig`).

mod bare;
mod bucle;
mod echo;
mod hyper;
mod lighttpd;
mod may;
mod nginx;
mod ntex;

pub(crate) use echo::ECHO;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::account;
use crate::pin;
use crate::shape::Content;
use crate::site::Site;
use crate::stop;

/// How long a server may take to start, and to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked of a server when it is started.
pub(crate) struct Job<'a> {
    /// What it will be asked for.
    pub(crate) content: Content,
    /// The files.
    pub(crate) site: &'a Site,
    /// The port to take on 127.0.0.1, for a server that does not choose one itself.
    pub(crate) port: u16,
    /// The folder with the executables of this workspace.
    pub(crate) peers: &'a Path,
    /// Bucle's executable.
    pub(crate) bucle: &'a Path,
    /// What is not as always.
    pub(crate) how: How,
}

/// How a server is to be started where it isn't as always: one worker, plain, silent, as many files as it likes.
#[derive(Clone, Debug, Default)]
pub(crate) struct How {
    /// How long it may wait for the head of a request.
    pub(crate) header_timeout: Option<Duration>,
    /// How many files it may have open.
    pub(crate) files: Option<u64>,
    /// It writes an access log.
    pub(crate) logged: bool,
    /// It speaks TLS, with a key of its own.
    pub(crate) secure: bool,
    /// Every connection is for one request; who doesn't read must be told.
    pub(crate) closes: bool,
    /// It may run on the load's CPU too.
    pub(crate) two_cpus: bool,
}

/// One server of the table.
pub(crate) struct Kind {
    /// Its name on the command line and in the results.
    pub(crate) name: &'static str,
    /// Whether it can answer this at all.
    pub(crate) serves: fn(Content) -> bool,
    /// Makes the command, and writes its configuration. An error says what is missing.
    command: fn(&Job<'_>) -> Result<Command>,
    /// Whether it takes any free port and prints `http://127.0.0.1:PORT` once it listens; else it takes `Job::port`.
    announces: bool,
    /// Whether it writes an access log where it is told to, and speaks TLS.
    pub(crate) is_server: bool,
    /// How often it is started; connections are spread over all of them.
    pub(crate) copies: usize,
    /// Of how many processes each is made, as far as they serve or watch over those that do.
    processes: usize,
    /// Its version, in one line, given Bucle's executable.
    pub(crate) version: fn(&Path) -> String,
}

/// Every server there is. The first that is present is what the ratios are taken to.
pub(crate) const KINDS: &[Kind] = &[
    bare::KIND,
    nginx::KIND,
    lighttpd::KIND,
    hyper::KIND,
    ntex::KIND,
    may::KIND,
    bucle::KIND,
];

/// One worker, two, and twice one: two processes that share nothing.
pub(crate) const WORKERS: &[Kind] = &[
    bucle::KIND,
    bucle::TWO_WORKERS,
    bucle::TWICE,
    nginx::KIND,
    nginx::TWO_WORKERS,
];

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Its processes, the one that was started first.
    pub(crate) pids: Vec<u32>,
    child: Child,
}

impl Kind {
    /// What keeps this server from taking part, if anything.
    pub(crate) fn missing(&self, job: &Job<'_>) -> Option<String> {
        (self.command)(job).err().map(|error| format!("{error:#}"))
    }

    /// Starts the server on `cpu` and waits until it accepts connections.
    pub(crate) fn start(&self, job: &Job<'_>, cpu: usize, rest: usize) -> Result<Server> {
        let wanted = (self.command)(job)?;
        let log = job.site.scratch().join(format!("{}.log", self.name));
        let out = std::fs::File::create(&log)?;
        // A parent that dies without a word takes the server along.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(files) = job.how.files {
            command.arg("prlimit").arg(format!("--nofile={files}"));
        }
        command.arg(wanted.get_program()).args(wanted.get_args());
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0);
        // The child inherits the CPU it may run on, so no thread of it ever ran elsewhere.
        if job.how.two_cpus {
            pin::this_thread_to(&[cpu, rest])?;
        } else {
            pin::this_thread(cpu)?;
        }
        let spawned = command
            .spawn()
            .context("cannot run setpriv (Debian package util-linux)");
        pin::this_thread(rest)?;
        let child = spawned?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, job.port));
        let mut server = Server {
            address,
            pids: vec![child.id()],
            child,
        };
        let announced = self.announces.then_some(log.as_path());
        server
            .wait_until_ready(announced)
            .with_context(|| format!("{} did not start{}", self.name, tail(&log)))?;
        let end = Instant::now() + PATIENCE;
        loop {
            server.pids = account::family(server.child.id());
            if server.pids.len() >= self.processes {
                return Ok(server);
            }
            if Instant::now() > end {
                bail!("{} has only {} processes", self.name, server.pids.len());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Server {
    /// Waits until it accepts connections: on the port it was given, or on the one it announces in `output`.
    fn wait_until_ready(&mut self, output: Option<&Path>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            stop::check()?;
            let known = match output {
                None => true,
                Some(output) => {
                    let port = announced_port(&std::fs::read_to_string(output).unwrap_or_default());
                    port.inspect(|&port| self.address.set_port(port)).is_some()
                }
            };
            if known && TcpStream::connect_timeout(&self.address, PATIENCE).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            if Instant::now() > end {
                let place = if known {
                    self.address.to_string()
                } else {
                    "any port it told".to_owned()
                };
                bail!(
                    "it does not listen on {place} after {} s",
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The port in the first `http://127.0.0.1:PORT`, or `https`, of what a server printed; none while that may still be half
/// printed.
fn announced_port(printed: &str) -> Option<u16> {
    let (_, rest) = printed.split_once("://127.0.0.1:")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}

impl Drop for Server {
    /// SIGTERM to the process that was started; SIGKILL to whatever of its family is left after a moment.
    fn drop(&mut self) {
        let family = account::family(self.child.id());
        signal(self.child.id(), Signal::TERM);
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Only reaped pids can be reused, and only the first one's parent is this process.
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in family {
                signal(pid, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Finds an executable on the PATH and in the places where Debian keeps daemons.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// As [`find`], with an error that names the Debian package.
fn require(name: &str, package: &str) -> Result<PathBuf> {
    find(name).with_context(|| format!("{name} is not installed: apt-get install {package}"))
}

/// An executable that a build makes.
fn built(folder: &Path, name: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    if !file.is_file() {
        bail!("{name} is not built");
    }
    Ok(file)
}

/// The first line a program prints about its version, on either stream.
fn first_line(program: &str, argument: &str) -> String {
    let Some(file) = find(program) else {
        return "not installed".to_owned();
    };
    let Ok(output) = Command::new(file).arg(argument).output() else {
        return "unknown".to_owned();
    };
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both)
        .lines()
        .next()
        .unwrap_or("unknown")
        .to_owned()
}

/// The last lines a server printed, if any, to be put behind a message.
fn tail(log: &Path) -> String {
    let Ok(file) = std::fs::File::open(log) else {
        return String::new();
    };
    let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
    let last = lines[lines.len().saturating_sub(5)..].join(" | ");
    if last.is_empty() {
        last
    } else {
        format!(" ({last})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_taken_from_a_whole_announcement() {
        assert_eq!(
            announced_port("serving /srv on http://127.0.0.1:8080/ with 1 worker\n"),
            Some(8080)
        );
        assert_eq!(announced_port("http://127.0.0.1:80"), None);
        assert_eq!(
            announced_port("http://127.0.0.1:80\nhttp://127.0.0.1:81\n"),
            Some(80)
        );
        assert_eq!(announced_port("at https://127.0.0.1:443\n"), Some(443));
        assert_eq!(announced_port("listening\n"), None);
        assert_eq!(announced_port("http://127.0.0.1:99999\n"), None);
    }

    #[test]
    fn a_server_that_ends_at_once_or_is_not_there_is_an_error() {
        let site = Site::create().expect("a site");
        let nowhere = Path::new("/nonexistent");
        let job = Job {
            content: Content::Plaintext,
            site: &site,
            port: 1,
            peers: nowhere,
            bucle: nowhere,
            how: How::default(),
        };
        assert!(
            bare::KIND
                .missing(&job)
                .is_some_and(|reason| reason.contains("not built"))
        );
        let (server_cpu, load_cpu) = pin::choose().expect("two CPUs");
        let ends = Kind {
            command: |_| Ok(Command::new("true")),
            ..bare::KIND
        };
        let error = ends
            .start(&job, server_cpu, load_cpu)
            .err()
            .expect("it is no server");
        assert!(format!("{error:#}").contains("it ended"), "{error:#}");
    }
}
