//! Each example is run as a user would run it.

use std::path::PathBuf;
use std::process::Command;

/// Where cargo puts the examples that it builds beside these tests.
fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    if !path.exists() {
        // `cargo test --test it` builds this file only.
        let built = Command::new(env!("CARGO"))
            .args(["build", "--package", "bucle", "--example", name])
            .status()
            .unwrap();
        assert!(built.success());
    }
    path
}

fn run(name: &str) -> String {
    let output = Command::new(example(name)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether all `lines` are there, in this order, perhaps with others between.
#[track_caller]
fn assert_in_order(output: &str, lines: &[&str]) {
    let mut rest = output;
    for line in lines {
        match rest.find(line) {
            Some(place) => rest = &rest[place + line.len()..],
            None => panic!("{line:?} is missing, or too early, in:\n{output}"),
        }
    }
}

#[test]
fn coroutines() {
    let output = run("01_coroutines");
    assert_in_order(
        &output,
        &[
            "fetching http://one",
            "fetching http://three",
            "fetched  http://two",
        ],
    );
    assert_in_order(
        &output,
        &[
            "results",
            "OF HTTP://ONE",
            "OF HTTP://TWO",
            "OF HTTP://THREE",
        ],
    );
}

#[test]
fn futures() {
    assert_in_order(
        &run("02_futures"),
        &[
            "setting it to 43 failed: the future is done already",
            "the future came to 42",
            "made",
            "set: 42",
            "refused: 43",
            "done: Some(Ok(42))",
            "the other thread ended well",
        ],
    );
}

#[test]
fn tasks() {
    let output = run("03_tasks");
    assert_in_order(
        &output,
        &[
            "alive: endless, fetch-1, fetch-2, fetch-3",
            "error: task failing",
            "panicked: out of luck",
            "error: cancelled by task Task-1: nobody needs it",
            "fetch-1 is through",
            "fetch-3 is through",
            "alive: 0",
        ],
    );
}
