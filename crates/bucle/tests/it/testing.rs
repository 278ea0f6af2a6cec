//! `#[bucle::test]`, used as anybody would.

use std::cell::Cell;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bucle::net::{
    ConnectOptions, DEFAULT_LIMIT, ServerOptions, StreamReader, StreamWriter, open_connection_with,
    start_server, start_server_with,
};
use bucle::sync::Lock;
use bucle::testing::{self, World};
use bucle::{SimOptions, get_running_loop, sleep, spawn, timeout, yield_now};

use crate::certificate;

#[bucle::test]
async fn it_runs_in_the_simulated_world() {
    assert_eq!(get_running_loop().selector_name(), "sim");
    sleep(Duration::from_secs(86_400)).await;
}

#[bucle::test(real)]
async fn or_in_the_real_one() {
    assert_ne!(get_running_loop().selector_name(), "sim");
    sleep(Duration::from_micros(10)).await;
}

#[bucle::test(seed = 7)]
async fn with_a_seed_of_choice() {
    let drawn = get_running_loop().random_u64();
    let thread = std::thread::spawn(|| {
        testing::run(World::seeded(7), async { get_running_loop().random_u64() })
    });
    assert_eq!(drawn, thread.join().unwrap());
}

#[bucle::test(seeds = 3..6)]
async fn with_many_seeds() {
    // Each begins anew.
    thread_local!(static RUNS: Cell<u32> = const { Cell::new(0) });
    RUNS.set(RUNS.get() + 1);
    assert_eq!(RUNS.get(), 1);
}

#[bucle::test(seeds = 20, faults)]
async fn with_many_seeds_and_faults() {
    sleep(Duration::from_secs(1)).await;
}

#[bucle::test]
async fn it_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    let _: u32 = "5".parse()?;
    Ok(())
}

#[bucle::test]
async fn it_may_return_an_exit_code() -> ExitCode {
    ExitCode::SUCCESS
}

#[bucle::test]
#[should_panic(expected = "as it should")]
async fn other_attributes_stay() {
    panic!("as it should");
}

#[bucle::test]
#[should_panic(expected = "no network")]
async fn a_panic_of_a_task_nobody_awaits_fails_the_test() {
    spawn(async { panic!("no network") }).detach();
    sleep(Duration::from_secs(1)).await;
}

#[bucle::test]
async fn unless_it_is_handled() {
    get_running_loop().set_exception_handler(|_, _| {});
    spawn(async { panic!("no matter") }).detach();
    sleep(Duration::from_secs(1)).await;
}

#[bucle::test]
#[should_panic(expected = "deadlock")]
async fn a_test_that_can_not_end_fails() {
    std::future::pending::<()>().await;
}

/// Two tasks that wait for each other, until a time-out ends them.
async fn a_circle_that_is_opened() {
    let left = Rc::new(Lock::new());
    let right = Rc::new(Lock::new());
    let take = |first: Rc<Lock>, second: Rc<Lock>| async move {
        let _first = first.acquire().await;
        yield_now().await;
        let _second = second.acquire().await;
    };
    let both = (take(left.clone(), right.clone()), take(right, left));
    let ended = timeout(Duration::from_millis(60), bucle::gather(both)).await;
    assert!(ended.is_err());
}

#[bucle::test(real)]
async fn a_circle_that_a_timeout_opens_is_no_failure() {
    a_circle_that_is_opened().await;
}

#[bucle::test]
async fn nor_is_it_in_the_simulated_world() {
    a_circle_that_is_opened().await;
}

#[test]
fn the_helper_returns_what_the_body_does() {
    assert_eq!(
        testing::run(World::with(SimOptions::calm()), async { 5 }),
        5
    );
    assert_eq!(testing::run(World::real(), async { 6 }), 6);
}

/// Passes, unless it runs as the child of the tests below.
#[bucle::test(seed = 41)]
async fn child() -> Result<(), &'static str> {
    match std::env::var("BUCLE_TEST_CHILD").as_deref() {
        Ok("panic") => panic!("drew {}", get_running_loop().random_u64()),
        Ok("error") => Err("an error"),
        _ => Ok(()),
    }
}

fn failing_child(how: &str, seed: Option<&str>) -> String {
    failing("testing::child", how, seed)
}

fn failing(test: &str, how: &str, seed: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env("BUCLE_TEST_CHILD", how)
        .env_remove(testing::TRACE_VARIABLE)
        .env_remove(testing::SEED_VARIABLE);
    if let Some(seed) = seed {
        command.env(testing::SEED_VARIABLE, seed);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn drawn(stderr: &str) -> &str {
    let (_, after) = stderr.split_once("drew ").unwrap();
    after.split_whitespace().next().unwrap()
}

#[test]
fn a_failure_tells_the_seed_and_the_seed_replays_it() {
    let first = failing_child("panic", None);
    assert!(
        first.contains(
            "failed with seed 41; again: BUCLE_SEED=41 cargo test testing::child -- --exact\n"
        ),
        "{first}"
    );
    let again = failing_child("panic", Some("41"));
    assert_eq!(drawn(&first), drawn(&again));
    let other = failing_child("panic", Some("42"));
    assert!(other.contains("seed 42"), "{other}");
    assert_ne!(drawn(&first), drawn(&other));
    let error = failing_child("error", None);
    assert!(error.contains("failed with seed 41"), "{error}");
    let wrong = failing_child("panic", Some("twelve"));
    assert!(wrong.contains("must be a whole number"), "{wrong}");
}

/// How many of two tasks' 12 additions are there at the end, when each gives way between reading
/// and writing. First in, first out, none is lost: the second begins a turn later.
async fn lost_updates() -> u32 {
    let total = Rc::new(Cell::new(0));
    for _ in 0..6 {
        let add = |late| {
            let total = total.clone();
            spawn(async move {
                if late {
                    yield_now().await;
                }
                let read = total.get();
                yield_now().await;
                total.set(read + 1);
            })
        };
        let (first, second) = (add(false), add(true));
        first.await.unwrap();
        second.await.unwrap();
    }
    total.get()
}

#[test]
fn a_sweep_finds_the_lowest_seed_every_time() {
    let sweep = || {
        testing::sweep(1000, SimOptions::varied, || async {
            assert_ne!(lost_updates().await, 6, "one of each two was lost");
        })
    };
    let failure = sweep().expect("some seed loses one of each two");
    assert!(failure.message.contains("was lost"), "{failure}");
    assert!(failure.seed > 3, "{failure}");
    let location = failure.location.as_deref().unwrap();
    assert!(location.contains("testing.rs:"), "{failure}");
    for seed in 0..failure.seed {
        let run = testing::record(SimOptions::varied(seed), lost_updates());
        let total = run.result.unwrap();
        assert_ne!(total, 6);
        assert!(seed > 0 || total == 12, "first in, first out: {total}");
    }
    let run = testing::record(SimOptions::varied(failure.seed), lost_updates());
    assert_eq!(run.result.unwrap(), 6);
    for _ in 0..5 {
        assert_eq!(sweep().as_ref(), Some(&failure));
    }
}

#[test]
fn a_sweep_that_finds_nothing_has_run_every_seed_once() {
    let seen = Mutex::new(Vec::new());
    let failure = testing::sweep(100..=250, SimOptions::varied, || {
        seen.lock().unwrap().push(());
        async {}
    });
    assert_eq!(failure, None);
    assert_eq!(seen.lock().unwrap().len(), 151);
}

#[test]
fn every_way_to_fail_is_a_failure() {
    let failure = |how: &'static str| {
        testing::sweep(7..8, SimOptions::varied, move || async move {
            match how {
                "panic" => panic!("by a panic"),
                "error" => return Err("by an error"),
                "deadlock" => {
                    let pending = bucle::spawn_named("who waits", std::future::pending::<()>());
                    pending.await.unwrap();
                }
                "task" => {
                    spawn(async { panic!("by a task") }).detach();
                    sleep(Duration::from_secs(1)).await;
                }
                _ => std::panic::resume_unwind(Box::new(5)),
            }
            Ok(())
        })
        .unwrap()
    };
    for (how, message) in [
        ("panic", "by a panic"),
        ("error", "it returned an error: \"by an error\""),
        ("deadlock", "the test did not end: "),
        ("task", "reached the loop's exception handler: "),
        ("number", "a panic without words"),
    ] {
        let failure = failure(how);
        assert_eq!(failure.seed, 7);
        assert!(failure.message.starts_with(message) || failure.message.contains(message));
    }
    let told = failure("deadlock").told.join("\n");
    assert!(told.contains("who waits"), "{told}");
    let in_the_closure = testing::sweep(3, SimOptions::varied, || {
        assert!(std::env::args().count() == 0, "before it began");
        async {}
    });
    assert_eq!(in_the_closure.unwrap().message, "before it began");
}

#[test]
#[should_panic(expected = "no seed is in")]
fn a_sweep_of_nothing_is_a_mistake() {
    let _ = testing::sweep(5..5, SimOptions::varied, || async {});
}

/// Passes, unless it runs as the child of the test below: then with a `static` on which its end
/// depends, or not.
#[bucle::test(seeds = 1000)]
async fn swept_child() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let how = std::env::var("BUCLE_TEST_CHILD");
    println!("a print of some seed");
    match how.as_deref() {
        Ok("race") => assert_ne!(lost_updates().await, 6, "one of each two was lost"),
        Ok("static") => assert!(RUNS.fetch_add(1, Ordering::Relaxed) != 20, "the 21st"),
        _ => {}
    }
}

#[test]
fn a_swept_test_tells_one_failure_and_how_to_have_it_again() {
    let told = failing("testing::swept_child", "race", None);
    assert_eq!(told.matches("panicked at").count(), 1, "{told}");
    let (_, after) = told.split_once("failed with seed ").unwrap();
    let (seed, _) = after.split_once(':').unwrap();
    assert!(told.contains("the last that happened:"), "{told}");
    let again = format!(
        "failed with seed {seed}; again: BUCLE_SEED={seed} cargo test testing::swept_child -- --exact\n"
    );
    assert!(told.contains(&again), "{told}");
    // Nothing is swept then.
    let replayed = failing("testing::swept_child", "race", Some(seed));
    assert!(replayed.contains("one of each two was lost"), "{replayed}");
    assert!(!replayed.contains("the same again, alone"), "{replayed}");
    assert!(replayed.contains(&again), "{replayed}");
}

#[test]
fn a_seed_that_passes_when_run_again_says_why_that_can_be() {
    let told = failing("testing::swept_child", "static", None);
    assert!(told.contains("passed when it was run again"), "{told}");
    assert!(told.contains("the 21st"), "{told}");
}

#[test]
fn the_whole_trace_is_the_same_in_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let trace = |name: &str| {
        let path = directory.path().join(name);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "testing::traffic"])
            .env(testing::TRACE_VARIABLE, &path)
            .env(testing::SEED_VARIABLE, "77")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::read(path).unwrap()
    };
    let first = trace("first");
    assert!(first.len() > 1_000);
    assert!(first == trace("second"));
}

/// Some of everything, TLS too, whose keys and random bytes are others in each run.
#[bucle::test]
async fn traffic() {
    let echo = |mut reader: StreamReader, writer: StreamWriter| async move {
        let all = reader.read_to_end().await.unwrap();
        let all = bucle::to_thread(move || all).await.unwrap();
        writer.write(&all);
        writer.close();
    };
    let server = start_server("127.0.0.1:0", echo).unwrap();
    let tls = ServerOptions::default().tls(certificate::server());
    let tls_server = start_server_with("127.0.0.1:0", tls, DEFAULT_LIMIT, echo).unwrap();
    let clients = (0..6).map(|n| {
        let (server, options) = if n % 2 == 0 {
            (&server, ConnectOptions::default())
        } else {
            let options = ConnectOptions::default();
            (&tls_server, options.tls(certificate::client()))
        };
        let address = server.sockets()[0].clone();
        async move {
            sleep(Duration::from_micros(get_running_loop().random_u64() % 500)).await;
            let (mut reader, writer) = open_connection_with(address, options).await.unwrap();
            writer.write(&vec![n; 9_000]);
            writer.write_eof();
            assert_eq!(reader.read_to_end().await.unwrap(), vec![n; 9_000]);
        }
    });
    bucle::gather(clients).await.unwrap();
}
