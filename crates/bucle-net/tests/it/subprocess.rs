//! Child processes.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use bucle_loop::{EventLoop, get_running_loop, sleep, timeout};
use bucle_net::subprocess::*;

use crate::support::*;

const SIGHUP: i32 = 1;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;

fn options() -> SubprocessOptions {
    SubprocessOptions::default()
}

fn piped() -> SubprocessOptions {
    options().stdin(PIPE).stdout(PIPE).stderr(PIPE)
}

/// A child that does nothing for long.
fn blocked() -> Process {
    create_subprocess_exec("sleep", ["3600"], options()).unwrap()
}

/// The state of a process, `None` once it was waited for.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[test]
fn what_is_written_comes_back() {
    run(|| async {
        let mut cat = create_subprocess_exec("cat", [""; 0], piped()).unwrap();
        let stdin = cat.stdin.take().unwrap();
        stdin.write(b"some data");
        stdin.drain().await.unwrap();
        stdin.close();
        let stdout = cat.stdout.as_mut().unwrap();
        assert_eq!(stdout.read_to_end().await.unwrap(), b"some data");
        assert!(cat.wait().await.success());
        assert_eq!(cat.returncode(), Some(0));
        // Asked again, it says the same.
        assert!(cat.wait().await.success());
    });
}

#[test]
fn communicate_moves_more_than_pipes_hold_both_ways() {
    run(|| async {
        let input = pattern(1_000_000);
        let mut cat = create_subprocess_shell("tee /dev/stderr", piped()).unwrap();
        let (out, err) = cat.communicate(Some(&input)).await.unwrap();
        assert!(out == input);
        assert!(err == input);
        assert_eq!(cat.returncode(), Some(0));
    });
}

#[test]
fn communicate_with_little() {
    run(|| async {
        for input in [None, Some(&b""[..])] {
            let mut wc = create_subprocess_exec("wc", ["-c"], piped()).unwrap();
            let (out, err) = wc.communicate(input).await.unwrap();
            assert_eq!((out.trim_ascii(), &err[..]), (&b"0"[..], &b""[..]));
        }
        // No pipe gives nothing.
        let mut quiet = create_subprocess_shell("exit 3", options()).unwrap();
        let (out, err) = quiet.communicate(None).await.unwrap();
        assert!(out.is_empty() && err.is_empty());
        assert_eq!(quiet.returncode(), Some(3));
        // Input without a pipe is a mistake.
        let mut quiet = create_subprocess_shell("exit 3", options()).unwrap();
        let error = quiet.communicate(Some(b"x")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        quiet.wait().await;
    });
}

#[test]
fn a_cancelled_communicate_loses_nothing() {
    run(|| async {
        let line = "echo early; echo warned >&2; exec 2>&-; read x; echo $x";
        let mut child = create_subprocess_shell(line, piped()).unwrap();
        let stdin = child.stdin.take().unwrap();
        // Standard error has ended by now or not; both are kept.
        let short = Duration::from_millis(50);
        assert!(timeout(short, child.communicate(None)).await.is_err());
        stdin.write(b"late\n");
        let (out, err) = child.communicate(None).await.unwrap();
        assert_eq!(out, b"early\nlate\n");
        assert_eq!(err, b"warned\n");
    });
}

#[test]
fn input_that_nobody_reads() {
    run(|| async {
        let input = pattern(1_000_000);
        // No error of `communicate`.
        let mut child = create_subprocess_exec("true", [""; 0], options().stdin(PIPE)).unwrap();
        child.communicate(Some(&input)).await.unwrap();
        assert_eq!(child.returncode(), Some(0));
        // But of `drain`.
        let child = create_subprocess_exec("true", [""; 0], options().stdin(PIPE)).unwrap();
        child.wait().await;
        let stdin = child.stdin.as_ref().unwrap();
        stdin.write(&input);
        let error = stdin.drain().await.unwrap_err();
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
    });
}

#[test]
fn shell_and_exit_codes() {
    run(|| async {
        for code in [0, 7, 255] {
            let child = create_subprocess_shell(format!("exit {code}"), options()).unwrap();
            assert_eq!(child.wait().await.code(), Some(code));
            assert_eq!(child.returncode(), Some(code));
        }
    });
}

#[test]
fn signals() {
    run(|| async {
        let child = blocked();
        assert_eq!(child.returncode(), None);
        child.kill().unwrap();
        child.wait().await;
        assert_eq!(child.returncode(), Some(-SIGKILL));
        let child = blocked();
        child.terminate().unwrap();
        child.wait().await;
        assert_eq!(child.returncode(), Some(-SIGTERM));
        let child = blocked();
        assert_eq!(
            child.send_signal(0x7777).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        child.send_signal(SIGHUP).unwrap();
        child.wait().await;
        assert_eq!(child.returncode(), Some(-SIGHUP));
        // None reaches a process that has ended.
        let error = child.kill().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("has ended"), "{error}");
    });
}

#[test]
fn a_signal_races_with_the_end() {
    run(|| async {
        for _ in 0..50 {
            let child = create_subprocess_exec("true", [""; 0], options()).unwrap();
            match child.terminate() {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            }
            let code = child.wait().await.code();
            assert!(matches!(code, Some(0) | None));
        }
    });
}

#[test]
fn streams_that_are_no_pipes() {
    run(|| async {
        let mut child = create_subprocess_exec("wc", ["-c"], piped().stdin(DEVNULL)).unwrap();
        assert!(child.stdin.is_none());
        let (out, _) = child.communicate(None).await.unwrap();
        assert_eq!(out.trim_ascii(), b"0");
        let mut child = create_subprocess_exec("echo", ["x"], piped().stdout(DEVNULL)).unwrap();
        assert!(child.stdout.is_none());
        assert_eq!(child.communicate(None).await.unwrap().0, b"");
        let mut child = create_subprocess_shell("echo x >&2", piped().stderr(DEVNULL)).unwrap();
        assert!(child.stderr.is_none());
        assert_eq!(child.communicate(None).await.unwrap().1, b"");
        // A file.
        let mut file = tempfile::tempfile().unwrap();
        let into = options().stdout(file.try_clone().unwrap());
        let child = create_subprocess_exec("echo", ["into a file"], into).unwrap();
        child.wait().await;
        let mut written = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut written).unwrap();
        assert_eq!(written, "into a file\n");
    });
}

#[test]
fn standard_error_joins_standard_output() {
    run(|| async {
        let line = "echo one; echo two >&2; echo three";
        let mut child =
            create_subprocess_shell(line, options().stdout(PIPE).stderr(STDOUT)).unwrap();
        assert!(child.stderr.is_none());
        let (out, _) = child.communicate(None).await.unwrap();
        assert_eq!(out, b"one\ntwo\nthree\n");
        let mut file = tempfile::tempfile().unwrap();
        let into = options().stdout(file.try_clone().unwrap()).stderr(STDOUT);
        create_subprocess_shell(line, into).unwrap().wait().await;
        let mut written = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut written).unwrap();
        assert_eq!(written, "one\ntwo\nthree\n");
        let child = create_subprocess_shell(line, options().stdout(DEVNULL).stderr(STDOUT));
        assert!(child.unwrap().wait().await.success());
        for wrong in [options().stdout(STDOUT), options().stdin(STDOUT)] {
            let error = create_subprocess_shell("true", wrong).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn one_child_feeds_another() {
    run(|| async {
        let (read, write) = io::pipe().unwrap();
        let from = create_subprocess_exec(
            "printf",
            ["b\\na\\n"],
            options().stdout(Stdio::Fd(write.into())),
        )
        .unwrap();
        let mut to = create_subprocess_exec(
            "sort",
            [""; 0],
            options().stdin(Stdio::Fd(read.into())).stdout(PIPE),
        )
        .unwrap();
        // Neither is held open here.
        let (out, _) = to.communicate(None).await.unwrap();
        assert_eq!(out, b"a\nb\n");
        from.wait().await;
    });
}

#[test]
fn pipes_are_no_socket_pairs() {
    run(|| async {
        // Sockets can't be opened by such names.
        let line = "cat /dev/stdin; readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; \
                    echo again > /dev/stdout";
        let mut child = create_subprocess_shell(line, piped()).unwrap();
        let (out, err) = child.communicate(Some(b"input\n")).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("input\n"), "{text}");
        assert_eq!(text.matches("pipe:").count(), 3, "{text}");
        assert!(text.ends_with("again\n"), "{text}");
        assert_eq!(err, b"");
    });
}

#[test]
fn our_ends_are_not_inherited() {
    run(|| async {
        // The second child would hold the first one's input open.
        let mut first = create_subprocess_exec("cat", [""; 0], piped()).unwrap();
        let second = blocked();
        let (out, _) = first.communicate(Some(b"done")).await.unwrap();
        assert_eq!(out, b"done");
        second.kill().unwrap();
        second.wait().await;
    });
}

#[test]
fn reading_stops_at_the_limit() {
    run(|| async {
        let limited = options().stdout(PIPE).limit(10);
        let mut child = create_subprocess_exec("seq", ["200000"], limited).unwrap();
        // The child can't end before it is read: a pipe and the stream hold less.
        let short = Duration::from_millis(50);
        assert!(timeout(short, child.wait()).await.is_err());
        let (out, _) = child.communicate(None).await.unwrap();
        assert_eq!(out.len(), 1_288_895);
        assert!(child.wait().await.success());
    });
}

#[test]
fn output_can_be_read_after_the_end() {
    run(|| async {
        let mut child = create_subprocess_exec("echo", ["hello"], options().stdout(PIPE)).unwrap();
        child.wait().await;
        let stdout = child.stdout.as_mut().unwrap();
        assert_eq!(stdout.readline().await.unwrap(), b"hello\n");
        assert_eq!(stdout.read(1).await.unwrap(), b"");
    });
}

#[test]
fn the_end_is_known_while_a_grandchild_holds_the_pipe() {
    run(|| async {
        let line = "sleep 3600 & echo $!; exit 5";
        let mut child = create_subprocess_shell(line, options().stdout(PIPE)).unwrap();
        let stdout = child.stdout.as_mut().unwrap();
        let line = String::from_utf8(stdout.readline().await.unwrap()).unwrap();
        assert_eq!(child.wait().await.code(), Some(5));
        let end = create_subprocess_exec("kill", [line.trim()], options()).unwrap();
        assert!(end.wait().await.success());
        assert_eq!(child.communicate(None).await.unwrap().0, b"");
    });
}

#[test]
fn environment_directory_and_group() {
    run(|| async {
        let directory = tempfile::tempdir().unwrap();
        let set = options()
            .stdout(PIPE)
            .env("GREETING", "hello")
            .env("UNSET", "x");
        let set = set.env_remove("UNSET").cwd(directory.path());
        let line = "echo $GREETING ${UNSET-unset}; pwd -P";
        let mut child = create_subprocess_shell(line, set).unwrap();
        let (out, _) = child.communicate(None).await.unwrap();
        let real = directory.path().canonicalize().unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("hello unset\n{}\n", real.display())
        );
        let alone = options()
            .stdout(PIPE)
            .env("A", "1")
            .env_clear()
            .env("B", "2");
        let mut child = create_subprocess_exec("/usr/bin/env", [""; 0], alone).unwrap();
        assert_eq!(child.communicate(None).await.unwrap().0, b"B=2\n");
        let mut child = create_subprocess_shell(
            "cut -d ' ' -f 1,5 /proc/self/stat; wait",
            options().stdout(PIPE).process_group(0),
        )
        .unwrap();
        let (out, _) = child.communicate(None).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.split_whitespace().nth(1),
            Some(&child.pid().to_string()[..])
        );
    });
}

#[test]
fn a_command_of_the_standard_library() {
    run(|| async {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $0; cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = create_subprocess(command, options()).unwrap();
        assert_eq!(child.communicate(Some(b"in")).await.unwrap().0, b"sh\nin");
    });
}

#[test]
fn programs_that_cannot_be_run() {
    run(|| async {
        for options in [options(), piped()] {
            let error = create_subprocess_exec("/no/such/program", [""; 0], options).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().contains("/no/such/program"), "{error}");
        }
        let error = create_subprocess_exec("/dev/null", [""; 0], options()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_cancelled_wait_can_be_repeated() {
    run(|| async {
        let child = blocked();
        for _ in 0..3 {
            assert!(
                timeout(Duration::from_millis(1), child.wait())
                    .await
                    .is_err()
            );
        }
        child.kill().unwrap();
        child.wait().await;
        assert_eq!(child.returncode(), Some(-SIGKILL));
    });
}

#[test]
fn several_tasks_wait_for_one_child() {
    run(|| async {
        let child = Rc::new(create_subprocess_shell("read x; exit 4", piped()).unwrap());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let child = child.clone();
                bucle_loop::spawn(async move { child.wait().await.code() })
            })
            .collect();
        sleep(Duration::from_millis(1)).await;
        child.stdin.as_ref().unwrap().write(b"\n");
        for task in waiting {
            assert_eq!(task.await.unwrap(), Some(4));
        }
    });
}

#[test]
fn many_children_at_once() {
    run(|| async {
        let children: Vec<_> = (0..40)
            .map(|code| create_subprocess_shell(format!("exit {code}"), options()).unwrap())
            .collect();
        for (code, child) in children.iter().enumerate() {
            assert_eq!(child.wait().await.code(), Some(code as i32));
        }
    });
}

/// A process that was dropped is waited for by the loop.
#[test]
fn a_dropped_process_runs_on_and_is_reaped() {
    run(|| async {
        let (read, write) = io::pipe().unwrap();
        let child = create_subprocess_exec("cat", [""; 0], options().stdin(Stdio::Fd(read.into())));
        let pid = child.as_ref().unwrap().pid();
        drop(child);
        assert!(matches!(state(pid), Some('R' | 'S' | 'D')));
        drop(write);
        while state(pid).is_some() {
            sleep(Duration::from_millis(1)).await;
        }
        let child = create_subprocess_exec("sleep", ["3600"], options().kill_on_drop(true));
        let pid = child.as_ref().unwrap().pid();
        drop(child);
        while state(pid).is_some() {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

/// A loop that is closed leaves no zombie.
#[test]
fn children_outlive_the_loop_or_not_as_chosen() {
    within(|| {
        let (read, write) = io::pipe().unwrap();
        let (kept, killed) = bucle_loop::run(async move {
            let stdin = options().stdin(Stdio::Fd(read.into()));
            let kept = create_subprocess_exec("cat", [""; 0], stdin).unwrap();
            let kill = options().kill_on_drop(true);
            let killed = create_subprocess_exec("sleep", ["3600"], kill).unwrap();
            let pids = (kept.pid(), killed.pid());
            // Neither is dropped before the loop is.
            get_running_loop().call_later(Duration::from_secs(3600), move || {
                drop((kept, killed));
            });
            pids
        })
        .unwrap();
        while state(killed).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(state(kept), Some('R' | 'S' | 'D')));
        drop(write);
        while state(kept).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

#[test]
fn a_closed_loop_holds_no_descriptor_of_a_child() {
    within(|| {
        let event_loop = EventLoop::new().unwrap();
        let pid = event_loop
            .run_until_complete(async {
                let told = Rc::new(RefCell::new(Vec::new()));
                let teller = Teller::new(&told);
                let transport = subprocess_exec(teller, "cat", [""; 0], options()).unwrap();
                transport.get_pid()
            })
            .unwrap();
        event_loop.close();
        // Its input has ended with the loop, and it is waited for.
        while state(pid).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

#[test]
fn the_users_own_handler_of_sigchld_is_called() {
    run(|| async {
        let seen = Rc::new(Cell::new(0));
        let event_loop = get_running_loop();
        event_loop
            .add_signal_handler(SIGCHLD, {
                let seen = seen.clone();
                move || seen.set(seen.get() + 1)
            })
            .unwrap();
        let child = create_subprocess_shell("exit 9", options()).unwrap();
        assert_eq!(child.wait().await.code(), Some(9));
        while seen.get() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        event_loop.remove_signal_handler(SIGCHLD);
    });
}

#[test]
fn real_processes_are_refused_on_a_simulated_loop() {
    within(|| {
        let event_loop = EventLoop::builder()
            .simulated(bucle_loop::SimOptions::default())
            .build()
            .unwrap();
        let error = event_loop
            .run_until_complete(async {
                create_subprocess_exec("true", [""; 0], options()).unwrap_err()
            })
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("simulated"), "{error}");
    });
}

/// What a protocol of a child was told.
struct Teller {
    told: Rc<RefCell<Vec<String>>>,
    transport: Option<SubprocessTransport>,
    wake: Rc<Cell<bool>>,
}

impl Teller {
    fn new(told: &Rc<RefCell<Vec<String>>>) -> Teller {
        Teller {
            told: told.clone(),
            transport: None,
            wake: Rc::default(),
        }
    }

    fn tell(&self, what: String) {
        self.told.borrow_mut().push(what);
    }
}

impl SubprocessProtocol for Teller {
    fn connection_made(&mut self, transport: SubprocessTransport) {
        self.tell("made".into());
        self.transport = Some(transport);
    }

    fn pipe_data_received(&mut self, fd: u32, data: &[u8]) {
        self.tell(format!("{fd}: {}", String::from_utf8_lossy(data)));
        assert_ne!(data, b"panic\n", "as it was asked to");
    }

    fn pipe_connection_lost(&mut self, fd: u32, error: Option<io::Error>) {
        self.tell(format!("lost {fd} {}", error.is_some()));
    }

    fn process_exited(&mut self) {
        let transport = self.transport.as_ref().unwrap();
        self.tell(format!("exited {:?}", transport.get_returncode()));
    }

    fn connection_lost(&mut self) {
        self.tell("connection lost".into());
        self.wake.set(true);
    }

    fn pause_writing(&mut self) {
        self.tell("pause".into());
    }

    fn resume_writing(&mut self) {
        self.tell("resume".into());
    }
}

async fn over(done: &Cell<bool>) {
    while !done.get() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_protocol_is_told_everything_in_order() {
    run(|| async {
        let told = Rc::new(RefCell::new(Vec::new()));
        let teller = Teller::new(&told);
        let done = teller.wake.clone();
        let line = "read x; echo out $x; echo err >&2; exit 2";
        let transport = subprocess_shell(teller, line, options()).unwrap();
        assert_eq!(*told.borrow(), ["made"]);
        transport.get_pipe_transport(0).unwrap().write(b"in\n");
        assert!(transport.get_pipe_transport(3).is_none());
        over(&done).await;
        let told = told.borrow();
        let place = |what: &str| {
            let place = told.iter().position(|told| told == what);
            place.unwrap_or_else(|| panic!("no {what} in {told:?}"))
        };
        assert!(place("1: out in\n") < place("lost 1 false"));
        assert!(place("2: err\n") < place("lost 2 false"));
        place("lost 0 false");
        place("exited Some(2)");
        assert_eq!(place("connection lost"), told.len() - 1);
        assert!(transport.is_closing());
        assert!(transport.kill().is_err());
    });
}

#[test]
fn a_protocol_writes_from_its_callbacks() {
    /// Doubles what it gets until it is much.
    struct Doubler {
        transport: Option<SubprocessTransport>,
        told: Rc<RefCell<Vec<&'static str>>>,
        got: Rc<Cell<usize>>,
        done: Rc<Cell<bool>>,
        busy: bool,
    }
    impl SubprocessProtocol for Doubler {
        fn connection_made(&mut self, transport: SubprocessTransport) {
            transport.get_pipe_transport(0).unwrap().write(b"x");
            self.transport = Some(transport);
        }
        fn pipe_data_received(&mut self, _: u32, data: &[u8]) {
            self.busy = true;
            self.got.set(self.got.get() + data.len());
            let pipe = self
                .transport
                .as_ref()
                .unwrap()
                .get_pipe_transport(0)
                .unwrap();
            if self.got.get() < 2_000_000 {
                pipe.write(data);
                pipe.write(data);
            } else {
                pipe.write_eof();
            }
            self.busy = false;
        }
        fn pause_writing(&mut self) {
            assert!(!self.busy);
            self.told.borrow_mut().push("pause");
        }
        fn resume_writing(&mut self) {
            assert!(!self.busy);
            self.told.borrow_mut().push("resume");
        }
        fn connection_lost(&mut self) {
            self.done.set(true);
        }
    }
    run(|| async {
        let told = Rc::new(RefCell::new(Vec::new()));
        let done = Rc::new(Cell::new(false));
        let got = Rc::new(Cell::new(0));
        let doubler = Doubler {
            transport: None,
            told: told.clone(),
            got: got.clone(),
            done: done.clone(),
            busy: false,
        };
        let transport = subprocess_exec(doubler, "cat", [""; 0], options()).unwrap();
        over(&done).await;
        assert!(got.get() >= 2_000_000);
        assert_eq!(transport.get_returncode(), Some(0));
        let told = told.borrow();
        assert!(told.iter().step_by(2).all(|told| *told == "pause"));
        assert!(told.iter().skip(1).step_by(2).all(|told| *told == "resume"));
    });
}

#[test]
fn closing_the_transport_kills_what_runs() {
    run(|| async {
        let told = Rc::new(RefCell::new(Vec::new()));
        let teller = Teller::new(&told);
        let done = teller.wake.clone();
        let transport = subprocess_exec(teller, "sleep", ["3600"], options()).unwrap();
        assert!(!transport.is_closing());
        transport.close();
        transport.close();
        over(&done).await;
        assert_eq!(transport.get_returncode(), Some(-SIGKILL));
        let told = told.borrow();
        for what in [
            "lost 0 false",
            "lost 1 false",
            "lost 2 false",
            "exited Some(-9)",
        ] {
            assert_eq!(
                told.iter().filter(|told| *told == what).count(),
                1,
                "{told:?}"
            );
        }
    });
}

#[test]
fn a_panicking_protocol_is_reported_and_closed() {
    run(|| async {
        let reports = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let reports = reports.clone();
            move |_, context| reports.borrow_mut().push(context.to_string())
        });
        let told = Rc::new(RefCell::new(Vec::new()));
        let teller = Teller::new(&told);
        let done = teller.wake.clone();
        let line = "echo panic; exec sleep 3600";
        let transport = subprocess_shell(teller, line, options()).unwrap();
        over(&done).await;
        assert_eq!(transport.get_returncode(), Some(-SIGKILL));
        let reports = reports.borrow();
        assert!(
            reports.len() == 1 && reports[0].contains("panicked"),
            "{reports:?}"
        );
    });
}

const CHILD: &str = "BUCLE_NET_TEST_CHILD";

/// Runs the test `name` once more, in a process of its own that `env` sets up.
async fn again(name: &str, set_up: &str) {
    let test = std::env::current_exe().unwrap();
    let arguments = [
        set_up,
        test.to_str().unwrap(),
        "--exact",
        name,
        "--test-threads=1",
    ];
    let child = options().stdout(DEVNULL).env(CHILD, "1");
    let child = create_subprocess_exec("env", arguments, child).unwrap();
    assert!(child.wait().await.success());
}

#[test]
fn a_child_that_the_system_has_reaped_counts_as_255() {
    const NAME: &str = "subprocess::a_child_that_the_system_has_reaped_counts_as_255";
    if std::env::var_os(CHILD).is_none() {
        return run(|| again(NAME, "--ignore-signal=CHLD"));
    }
    run(|| async {
        let reports = Rc::new(RefCell::new(Vec::new()));
        get_running_loop().set_exception_handler({
            let reports = reports.clone();
            move |_, context| reports.borrow_mut().push(context.to_string())
        });
        let mut child = create_subprocess_shell("cat; exit 3", piped()).unwrap();
        assert_eq!(child.communicate(Some(b"x")).await.unwrap().0, b"x");
        assert_eq!(child.returncode(), Some(255));
        assert!(reports.borrow()[0].contains("SIGCHLD"), "{reports:?}");
        assert!(child.kill().is_err());
    });
}

#[test]
fn no_descriptor_is_left() {
    const NAME: &str = "subprocess::no_descriptor_is_left";
    if std::env::var_os(CHILD).is_none() {
        // Other tests open descriptors meanwhile.
        return run(|| again(NAME, "--"));
    }
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    run(move || async move {
        let mut before = 0;
        for round in 0..6 {
            let mut child = create_subprocess_exec("cat", [""; 0], piped()).unwrap();
            child.communicate(Some(b"x")).await.unwrap();
            drop(child);
            let _ = create_subprocess_exec("/no/such", [""; 0], piped());
            sleep(Duration::from_millis(5)).await;
            if round == 2 {
                before = open();
            }
        }
        assert_eq!(open(), before);
    });
}
