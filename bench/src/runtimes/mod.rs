//! The runtimes' part: Bucle beside tokio, smol, monoio, glommio, compio and a floor.
//!
//! The cases are written in `bench/runtimes`, once for all; this runs them, each in a process of its own, and compares.

mod bars;
mod cases;
mod echo;
mod echo_load;
mod report;
mod rounds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::bars::Judged;
use crate::bench::Bench;
use crate::congestion::Congestion;
use crate::machine::{self, Machine};
use crate::runtimes::cases::{CASES, RUNTIMES};
use crate::runtimes::echo::Echo;
use crate::runtimes::rounds::{Lab, Outcome};
use crate::site::Site;
use crate::{pin, stop};

/// The scenario that is no case of a runtime alone.
const ECHO: &str = "echo";
/// After this the run ends by itself, should something have found a way around every other limit.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// What the runtimes' part is asked for.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Rounds of each case; in each, every runtime is measured once
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Only these cases, by the names in the tables; `echo` for the echo servers
    #[arg(long, value_delimiter = ',', value_name = "CASE")]
    only: Vec<String>,
    /// Only these runtimes: floor, bucle, tokio, smol, monoio, glommio, compio
    #[arg(long, value_delimiter = ',', value_name = "RUNTIME")]
    runtimes: Vec<String>,
    /// Writes every sample and verdict to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the tables to this file as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Two rounds of few operations: shows that everything works, proves nothing
    #[arg(long)]
    quick: bool,
    /// Takes the executables as they are
    #[arg(long)]
    no_build: bool,
}

/// Everything a run found out, as it is written with `--json`.
#[derive(Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) versions: BTreeMap<&'static str, String>,
    pub(crate) rounds: usize,
    pub(crate) warnings: Vec<String>,
    pub(crate) cases: Vec<Outcome>,
    pub(crate) echo: Vec<Echo>,
    pub(crate) bars: Vec<Judged>,
}

/// Measures, prints, and writes what was asked for.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    if arguments.quick {
        arguments.rounds = 2;
    }
    for name in &arguments.only {
        let known = name == ECHO || CASES.iter().any(|case| case.name == name);
        ensure!(known, "there is no case {name:?}");
    }
    for name in &arguments.runtimes {
        ensure!(
            RUNTIMES.contains(&name.as_str()),
            "there is no runtime {name:?}"
        );
    }
    let executables = std::env::current_exe()?
        .parent()
        .context("no folder of executables")?
        .to_path_buf();
    if !arguments.no_build {
        build(&executables)?;
    }
    // From here on an end by signal or panic unwinds, so that the guards below put everything back.
    stop::install()?;
    stop::after(LIMIT);
    machine::raise_open_files(1_000)?;
    let (server_cpu, load_cpu) = pin::choose()?;
    let mut warnings = Vec::new();
    if machine::share_a_core(server_cpu, load_cpu) {
        warnings.push("the CPUs share a core: threads and echo disturb each other".to_owned());
    }
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|other| other == name);
    let lab = Lab {
        executables: &executables,
        runtimes: RUNTIMES
            .iter()
            .copied()
            .filter(|name| {
                arguments.runtimes.is_empty()
                    || arguments.runtimes.iter().any(|other| other == name)
            })
            .collect(),
        rounds: arguments.rounds as usize,
        cpu: server_cpu,
        count: arguments.quick.then_some(1_000),
    };
    let mut results = Results {
        machine: Machine::look(),
        versions: versions(),
        rounds: lab.rounds,
        warnings,
        cases: Vec::new(),
        echo: Vec::new(),
        bars: Vec::new(),
    };
    println!("{}", report::introduction(&results));
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        let outcome = lab.run(case)?;
        println!("{}", report::case(case, &outcome));
        results.bars.extend(bars::of_case(case, &outcome));
        results.cases.push(outcome);
    }
    if wanted(ECHO) {
        echo_servers(&arguments, &executables, &mut results)?;
    }
    println!("{}", crate::report::bars(&results.bars));
    if arguments.rounds < 9 {
        println!("fewer than 9 rounds: these figures show that the benchmark works, and no more");
    }
    let write = |file: &Option<PathBuf>, text: &dyn Fn() -> Result<String>| {
        let Some(file) = file else { return Ok(()) };
        std::fs::write(file, text()?).with_context(|| format!("cannot write {}", file.display()))
    };
    write(&arguments.json, &|| {
        Ok(serde_json::to_string_pretty(&results)? + "\n")
    })?;
    write(&arguments.markdown, &|| Ok(report::markdown(&results)))
}

fn echo_servers(arguments: &Arguments, executables: &Path, results: &mut Results) -> Result<()> {
    let congestion = Congestion::choose()?;
    results.warnings.extend(congestion.warning.clone());
    let (server_cpu, load_cpu) = pin::choose()?;
    let _here = pin::only(load_cpu)?;
    let site = Site::create()?;
    let measure = Duration::from_millis(if arguments.quick { 100 } else { 500 });
    let bench = Bench {
        site: &site,
        peers: executables,
        bucle: Path::new(""),
        servers: Default::default(),
        server_cpu,
        load_cpu,
        rounds: arguments.rounds as usize,
        warm_up: measure.mul_f64(0.5),
        measure,
    };
    for &size in echo::SIZES {
        let echo = echo::run(&bench, size)?;
        println!("{}", report::echo(&echo));
        results.bars.extend(bars::of_echo(&echo));
        results.echo.push(echo);
    }
    Ok(())
}

/// Builds the runtimes of this workspace.
fn build(executables: &Path) -> Result<()> {
    let folder = executables.parent().context("no target folder")?;
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "-p", "bench-runtimes"])
        .arg("--target-dir")
        .arg(folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(status.success(), "the runtimes do not build");
    Ok(())
}

/// Which versions of the peers were built, from the lock file.
fn versions() -> BTreeMap<&'static str, String> {
    let lock = include_str!("../../Cargo.lock");
    let of = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let crates = ["bucle", "tokio", "smol", "monoio", "glommio", "compio"];
    let crates = crates
        .into_iter()
        .chain(["async-channel", "async-lock", "local-sync"]);
    crates.filter_map(|name| Some((name, of(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_but_the_floor_has_a_version() {
        let versions = versions();
        for name in RUNTIMES.iter().filter(|name| **name != "floor") {
            assert!(versions.contains_key(name), "{name}");
        }
    }
}
