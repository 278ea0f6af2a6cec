//! `docs/chapter.md` sets commands beside claims. Each of them exists, and gives the figure that it
//! is there for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::run;

const CHAPTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/chapter.md");

/// The words of every command `bucle ...` in the text.
fn commands() -> BTreeSet<Vec<String>> {
    let text = std::fs::read_to_string(CHAPTER).unwrap();
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|code| code.starts_with("bucle "))
        .map(|code| code.split_whitespace().skip(1).map(String::from).collect())
        .collect()
}

#[test]
fn every_command_exists() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        // Everything before it is read first.
        words.push("--help");
        let output = run(&words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "bucle {}: {errors}",
            command.join(" ")
        );
    }
    assert!(
        !run(&["bench", "os", "--nonsense", "--help"])
            .status
            .success()
    );
}

#[test]
fn every_figure_is_measured() {
    let words: BTreeSet<String> = commands()
        .iter()
        .filter(|command| command.starts_with(&["bench".into(), "os".into()]))
        .filter_map(|command| {
            let only = command.iter().position(|word| word == "--only")?;
            command.get(only + 1).cloned()
        })
        .flat_map(|words| words.split(',').map(String::from).collect::<Vec<_>>())
        .collect();
    assert!(words.len() > 10, "{words:?}");
    let only = words.iter().cloned().collect::<Vec<_>>().join(",");
    let output = run(&[
        "bench", "os", "--quick", "--rounds", "1", "--only", &only, "--json",
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = report["results"]["figures"].as_object().unwrap();
    for word in words {
        let measured = figures.keys().any(|name| *name == word);
        assert!(measured, "no figure is called {word}");
    }
}
