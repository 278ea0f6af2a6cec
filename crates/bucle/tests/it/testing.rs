//! `#[bucle::test]`, used as anybody would.

use std::cell::Cell;
use std::process::{Command, ExitCode};
use std::time::Duration;

use bucle::testing::{self, World};
use bucle::{SimOptions, get_running_loop, sleep, spawn};

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
    thread_local!(static RUNS: Cell<u32> = const { Cell::new(0) });
    RUNS.set(RUNS.get() + 1);
    assert!(RUNS.get() <= 3);
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
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "testing::child", "--nocapture"])
        .env("BUCLE_TEST_CHILD", how)
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
        first.contains("failed with seed 41; BUCLE_SEED=41"),
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
