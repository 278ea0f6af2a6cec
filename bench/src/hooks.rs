//! What the hooks for debugging and monitoring cost with nothing attached: instructions, counted by callgrind, of Bucle as it is
//! and of a build without them that exists for this comparison only.
//!
//! Instructions are the same every time, where time is not. Each case is run twice, the second time with twice as many
//! operations: the difference is what the operations cost, and what a process does at its start and end is not in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bars::Judged;
use crate::report::assemble;
use crate::servers::find;
use crate::stats::Verdict;

/// What the hooks may cost, as a part of the instructions.
const MOST: f64 = 0.02;

/// A case, and how many operations are counted.
const CASES: &[(&str, u64)] = &[
    ("spawn-one", 20_000),
    ("spawn-batch", 20_000),
    ("yield-hundred", 50_000),
    ("echo", 2_000),
];
/// Those that the bar is on: the others show where it comes from.
const JUDGED: &[&str] = &["spawn-one", "spawn-batch", "echo"];

/// The `cfg` that takes the watch over slow steps out of bucle-loop.
const WITHOUT: &str = "bucle_bench_without_hooks";

/// The `cfg` under which the watch finds those steps short that are so without valgrind, which takes some fifty times as long:
/// it then reads the clock as seldom as it does in earnest.
const COUNTED: &str = "bucle_bench_counted";

/// What is asked of it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Takes the executables as they are
    #[arg(long)]
    no_build: bool,
}

/// Builds both, counts, prints.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        find("valgrind").is_some(),
        "valgrind is not installed: apt-get install valgrind"
    );
    let folder = std::env::current_exe()?;
    let folder = folder
        .ancestors()
        .nth(2)
        .context("no target folder")?
        .join("hooks");
    let builds = ["with", "without"].map(|name| folder.join(name));
    if !arguments.no_build {
        build(&builds[0], &format!(" --cfg {COUNTED}"))?;
        build(&builds[1], &format!(" --cfg {WITHOUT}"))?;
    }
    let mut table = vec![
        ["case", "with hooks", "without", "the hooks' part"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut bars = Vec::new();
    for &(case, count) in CASES {
        let with = instructions(&builds[0], case, count)?;
        let without = instructions(&builds[1], case, count)?;
        let part = with / without - 1.0;
        let percent = format!("{:.2} %", part * 100.0);
        table.push(vec![
            case.to_owned(),
            format!("{with:.1}"),
            format!("{without:.1}"),
            percent.clone(),
        ]);
        if JUDGED.contains(&case) {
            bars.push(Judged {
                bar: format!(
                    "{case}: hooks at most {:.0} % of instructions",
                    MOST * 100.0
                ),
                measured: percent,
                verdict: Some(if part <= MOST {
                    Verdict::Met
                } else {
                    Verdict::Missed
                }),
            });
        }
    }
    let title = "hooks: instructions of an operation, by callgrind";
    println!("{}", assemble(title, &table, &[]));
    println!("{}", crate::report::bars(&bars));
    Ok(())
}

/// Builds the runtimes into `folder`. The C library is asked for what rustix would take from the vDSO, which valgrind hides.
fn build(folder: &Path, flags: &str) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release", "--quiet", "-p", "bench-runtimes"])
        .args(["--no-default-features", "--bin", "runtime", "--target-dir"])
        .arg(folder)
        .env("RUSTFLAGS", format!("--cfg rustix_use_libc{flags}"))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    ensure!(command.status()?.success(), "the runtimes do not build");
    Ok(())
}

/// Instructions of one operation.
fn instructions(build: &Path, case: &str, count: u64) -> Result<f64> {
    let once = total(build, case, count)?;
    let twice = total(build, case, 2 * count)?;
    Ok(twice.saturating_sub(once) as f64 / count as f64)
}

/// Instructions of a whole process.
fn total(build: &Path, case: &str, count: u64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file: PathBuf = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(build.join("release/runtime"))
        .args(["bucle", case, "--repetitions", "1", "--count"])
        .arg(count.to_string())
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{case}: {}: {said}", output.status);
    let counted = std::fs::read_to_string(&file)?;
    summary(&counted).with_context(|| format!("{case}: callgrind's file has no summary"))
}

/// The whole of what callgrind counted.
fn summary(counted: &str) -> Option<u64> {
    let line = counted.lines().find_map(|line| {
        line.strip_prefix("summary:")
            .or_else(|| line.strip_prefix("totals:"))
    })?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_callgrinds_file() {
        assert_eq!(summary("version: 1\nsummary: 12345\n"), Some(12_345));
        assert_eq!(summary("fn=(1) main\ntotals: 7 8\n"), Some(7));
        assert_eq!(summary("version: 1\n"), None);
    }
}
