//! Workers that do what no worker should, and parents that are killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bucle_macros::process;
use bucle_pool::{Cause, OutputStream, ProcessPoolExecutor, TaskOptions};
use rustix::process::{Signal, getpid, kill_process};

use crate::deaths::{failure, one_more};
use crate::support::{WATCHDOG, pool, run};

/// The descriptors that are sockets: the worker's channel, once for the watcher.
pub(crate) fn channels() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("procfs");
    let paths = entries.flatten().map(|entry| entry.path());
    let is_socket = |path: &PathBuf| {
        let target = std::fs::read_link(path).unwrap_or_default();
        target.to_string_lossy().starts_with("socket:")
    };
    paths.filter(is_socket).collect()
}

#[process(crate = bucle_pool)]
fn shut_channel() {
    for path in channels() {
        let number: i32 = path.file_name().unwrap().to_string_lossy().parse().unwrap();
        // Over its own, which is as good as closed then.
        let null = File::open("/dev/null").unwrap();
        let _ = rustix::net::shutdown(borrowed(number).as_fd(), rustix::net::Shutdown::Both);
        drop(null);
    }
    std::thread::sleep(WATCHDOG);
}

/// A descriptor of this process, by its number: a second one for the same.
pub(crate) fn borrowed(number: i32) -> std::os::fd::OwnedFd {
    let pidfd = rustix::process::pidfd_open(getpid(), rustix::process::PidfdFlags::empty());
    let pidfd = pidfd.expect("pidfd");
    rustix::process::pidfd_getfd(&pidfd, number, rustix::process::PidfdGetfdFlags::empty())
        .expect("our own descriptor")
}

#[process(crate = bucle_pool)]
fn write_garbage() {
    for path in channels() {
        let number: i32 = path.file_name().unwrap().to_string_lossy().parse().unwrap();
        let channel = borrowed(number);
        assert!(channel.as_raw_fd() >= 0);
        let _ = rustix::net::send(&channel, b"what is this?", rustix::net::SendFlags::empty());
    }
    std::thread::sleep(WATCHDOG);
}

/// Writes over the board that the worker shares with its pool.
#[process(crate = bucle_pool)]
fn write_over_board() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    let board = maps.lines().find(|line| line.contains("bucle-board"));
    let start = board
        .and_then(|line| line.split('-').next())
        .expect("a board");
    let start = u64::from_str_radix(start, 16).expect("an address");
    let memory = File::options()
        .write(true)
        .open("/proc/self/mem")
        .expect("our own memory");
    use std::os::unix::fs::FileExt;
    // From the words of the ring of results on.
    memory
        .write_all_at(&[0x5a; 64 * 1024], start + 64 * 8)
        .expect("written");
}

#[process(crate = bucle_pool)]
fn stop_self() {
    let _ = kill_process(getpid(), Signal::STOP);
    // Another thread may be the one that the signal stops first.
    std::thread::sleep(WATCHDOG);
}

#[process(crate = bucle_pool)]
fn ignore_polite_signal() {
    // While it is stopped, the signal waits.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' TERM; kill -STOP $PPID; sleep 600"]);
    let _ = shell.status();
}

#[process(crate = bucle_pool)]
fn leave_child_and_die() -> u32 {
    let child = Command::new("sleep").arg("600").spawn().expect("sleep");
    eprintln!("{}", child.id());
    std::process::abort()
}

#[process(crate = bucle_pool)]
fn shout() {
    print!("to stdout\n\0\u{7}half a line");
    std::io::stdout().flush().expect("stdout");
    eprintln!("to stderr");
    std::io::stderr()
        .write_all(&[0xff; 100_000])
        .expect("stderr");
    eprintln!();
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie that its new parent has not looked at yet is dead.
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[track_caller]
pub(crate) fn assert_dies(pid: u32) {
    assert_ne!(pid, 0);
    let until = Instant::now() + WATCHDOG;
    while is_alive(pid) {
        assert!(Instant::now() < until, "process {pid} lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_worker_that_breaks_the_protocol_is_killed() {
    run(async {
        let pool = pool(2);
        let failed = failure(pool.submit(write_garbage, ()).await);
        assert!(matches!(&failed.cause, Cause::BrokeProtocol(_)), "{failed}");
        let failed = failure(pool.submit(shut_channel, ()).await);
        // Whoever is first: its watcher, or the parent.
        assert_eq!(failed.signal(), Some(9), "{failed}");
        let failed = failure(pool.submit(write_over_board, ()).await);
        assert!(failed.status.is_some(), "{failed}");
        assert_eq!(pool.submit(one_more, 1).await.unwrap(), 2);
    });
}

#[test]
fn a_stopped_worker_is_ended_by_its_deadline() {
    run(async {
        let builder = ProcessPoolExecutor::builder().max_workers(1);
        let pool = builder
            .kill_after(Duration::from_millis(50))
            .build()
            .unwrap();
        let options = TaskOptions::new().deadline(Duration::from_millis(50));
        for _ in 0..2 {
            let failed = failure(pool.submit_with(options.clone(), stop_self, ()).await);
            assert!(
                matches!(failed.cause, Cause::DeadlineExceeded(_)),
                "{failed}"
            );
            assert_eq!(failed.signal(), Some(9));
        }
        let failed = failure(pool.submit_with(options, ignore_polite_signal, ()).await);
        assert_eq!(failed.signal(), Some(9), "{failed}");
        let _stopped = pool.submit(stop_self, ());
        assert!(!pool.shutdown(Duration::from_millis(50)).await);
    });
}

#[test]
fn what_a_worker_has_started_ends_with_it() {
    run(async {
        let pool = pool(1);
        let failed = failure(pool.submit(leave_child_and_die, ()).await);
        let child = failed
            .stderr
            .lines()
            .next()
            .and_then(|line| line.parse().ok());
        assert_dies(child.expect("a pid"));
    });
}

#[test]
fn output_goes_to_the_log_and_nowhere_else() {
    use std::cell::RefCell;
    use std::rc::Rc;
    type Line = (OutputStream, Option<String>, String);
    run(async {
        let lines: Rc<RefCell<Vec<Line>>> = Rc::default();
        let log = lines.clone();
        let pool = ProcessPoolExecutor::builder()
            .max_workers(1)
            .on_output(move |line| {
                assert!(line.pid > 0);
                let task = line.task.map(String::from);
                log.borrow_mut()
                    .push((line.stream, task, line.text.to_string()));
            })
            .build()
            .unwrap();
        pool.submit(shout, ()).await.unwrap();
        assert_eq!(pool.submit(one_more, 1).await.unwrap(), 2);
        assert!(pool.shutdown(WATCHDOG).await);
        let lines = lines.borrow();
        let text = |stream| {
            let lines = lines.iter().filter(move |(of, _, _)| *of == stream);
            lines.map(|(_, _, text)| text.as_str()).collect::<Vec<_>>()
        };
        // A process that exits goes no further than its half line.
        assert_eq!(text(OutputStream::Stdout)[0], "to stdout");
        assert_eq!(text(OutputStream::Stderr)[0], "to stderr");
        assert!(lines.iter().all(|(_, task, _)| task.is_some()), "{lines:?}");
        assert_eq!(lines[0].1.as_deref(), Some("shout"));
    });
}

/// Where cargo puts the examples that it builds beside these tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    if !path.exists() {
        // `cargo test --test it` builds this file only.
        let built = Command::new(env!("CARGO"))
            .args(["build", "--package", "bucle-pool", "--example", name])
            .status()
            .unwrap();
        assert!(built.success());
    }
    path
}

#[test]
fn no_worker_outlives_its_parent() {
    // A child of a worker; a worker that computes, one that is stopped, one that sleeps.
    assert_ends_with_its_parent(Command::new(example("pool_parent")).arg("orphans"), 4);
}

/// Starts a parent that prints the pids of its children, kills it, and sees all of them end.
pub(crate) fn assert_ends_with_its_parent(parent: &mut Command, children: usize) {
    struct KillOnDrop(std::process::Child);
    impl Drop for KillOnDrop {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    parent.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut parent = KillOnDrop(parent.spawn().unwrap());
    let mut line = String::new();
    let stdout = parent.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let pids: Vec<u32> = line
        .split_ascii_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.len() >= children, "{line}");
    assert!(pids.iter().all(|pid| is_alive(*pid)), "{line}");
    drop(parent);
    for pid in pids {
        assert_dies(pid);
    }
}

#[test]
fn a_forgotten_line_is_named() {
    let output = Command::new(example("pool_parent"))
        .arg("forgotten")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("bucle::process::init();"), "{text}");
    assert!(text.contains("first line of `main`"), "{text}");
}

#[test]
fn workers_that_never_come_to_life_are_not_waited_for() {
    let output = Command::new(example("pool_parent"))
        .arg("stuck")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Broken"), "{text}");
    assert!(text.contains("not ready within 20ms"), "{text}");
}

#[test]
fn what_the_parent_ignores_its_workers_do_not() {
    let script = "trap '' TERM CHLD HUP; exec \"$0\" signals";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(example("pool_parent"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mask = |name: &str| {
        let after = text.split(name).nth(1).expect(name);
        let digits: String = after
            .chars()
            .skip_while(|c| !c.is_ascii_hexdigit())
            .take_while(char::is_ascii_hexdigit)
            .collect();
        u64::from_str_radix(&digits, 16).unwrap()
    };
    for signal in [Signal::TERM, Signal::CHILD, Signal::HUP] {
        let bit = 1 << (signal.as_raw() - 1);
        assert_eq!(mask("SigIgn:\\t") & bit, 0, "{signal:?}: {text}");
    }
    assert_eq!(mask("SigBlk:\\t"), 0, "{text}");
    assert!(text.contains("Ok(ExitStatus"), "{text}");
}

#[test]
fn the_variable_alone_makes_no_worker() {
    let output = Command::new(example("pool_parent"))
        .arg("orphans")
        .env("BUCLE_CHILD_OF", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("can't begin"), "{text}");
    assert_eq!(output.status.code(), Some(70));
}
