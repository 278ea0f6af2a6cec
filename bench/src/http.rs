//! The HTTP part: Bucle beside nginx, lighttpd, servers of hyper, ntex and may_minihttp, and a bare loop.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use crate::bars::{self, Judged};
use crate::bench::Bench;
use crate::congestion::Congestion;
use crate::idle::{self, Idle};
use crate::machine::{self, Machine, Versions};
use crate::shape::{SHAPES, Shape};
use crate::site::Site;
use crate::syscalls::{self, Syscalls};
use crate::timed::{self, Timed};
use crate::{pin, report, servers, stop};

/// The scenarios that are not timed shapes of load.
const SYSCALLS: &str = "syscalls";
const IDLE: &str = "idle";

/// What the HTTP part is asked for.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Rounds of each timed scenario; in each, every server is measured once
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Seconds that one measurement takes
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Only these scenarios: plaintext, pipelined, pipelined-few, one-kib, file, file-100k, file-10m, reconnect, plaintext-logged,
    /// one-kib-logged, tls, tls-handshake, tls-resumed, workers, syscalls, idle
    #[arg(long, value_delimiter = ',', value_name = "SCENARIO")]
    only: Vec<String>,
    /// Only these servers: bare, nginx, lighttpd, hyper, ntex, may, bucle
    #[arg(long, value_delimiter = ',', value_name = "SERVER")]
    servers: Vec<String>,
    /// Connections of the timed scenarios, instead of each one's own number
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: Option<u32>,
    /// Idle connections held
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    idle_connections: u32,
    /// Writes every sample and verdict to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Three short rounds and fewer idle connections: shows that everything works, proves nothing
    #[arg(long)]
    quick: bool,
    /// Another `bucle` executable than the one built from this repository
    #[arg(long, value_name = "FILE")]
    bucle: Option<PathBuf>,
    /// Takes the executables as they are
    #[arg(long)]
    no_build: bool,
}

/// Everything a run found out, as it is written with `--json`.
#[derive(Serialize)]
struct Results {
    machine: Machine,
    versions: Versions,
    congestion_control: String,
    seconds: f64,
    warnings: Vec<String>,
    timed: Vec<Timed>,
    syscalls: Option<Syscalls>,
    idle: Option<Idle>,
    bars: Vec<Judged>,
}

/// Measures, prints, and writes what was asked for.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    if arguments.quick {
        arguments.rounds = 3;
        arguments.seconds = arguments.seconds.min(0.3);
        arguments.idle_connections = arguments.idle_connections.min(1_000);
    }
    ensure!(
        (0.05..=60.0).contains(&arguments.seconds),
        "--seconds must be from 0.05 to 60"
    );
    let (shapes, with_syscalls, with_idle) = choose(&arguments)?;
    for name in &arguments.servers {
        ensure!(
            servers::KINDS.iter().any(|kind| kind.name == name),
            "there is no server {name:?}"
        );
    }

    let peers = std::env::current_exe()?
        .parent()
        .context("no folder of executables")?
        .to_path_buf();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no repository")?;
    let mut warnings = Vec::new();
    if !arguments.no_build {
        build(&peers, root, arguments.bucle.is_none(), &mut warnings)?;
    }
    let bucle = match &arguments.bucle {
        Some(file) => file.clone(),
        None => target(root).join("release/bucle"),
    };

    // From here on an end by signal or panic unwinds, so that the guards below put everything back.
    stop::install()?;
    let timed_seconds =
        shapes.len() as f64 * f64::from(arguments.rounds) * 7.0 * (arguments.seconds * 1.3 + 1.5);
    stop::after(Duration::from_secs_f64(600.0 + 2.0 * timed_seconds));
    let files = machine::raise_open_files(20_000)?;
    let room = files.saturating_sub(200).min(15_000) as u32;
    if arguments.idle_connections > room {
        warnings.push(format!(
            "only {room} idle connections: the limit on open files is {files}"
        ));
        arguments.idle_connections = room;
    }
    let congestion = Congestion::choose()?;
    warnings.extend(congestion.warning.clone());
    let (server_cpu, load_cpu) = pin::choose()?;
    pin::this_thread(load_cpu)?;
    if machine::share_a_core(server_cpu, load_cpu) {
        warnings.push(
            "server and load generator share a core: the figures disturb each other".to_owned(),
        );
    }
    let site = Site::create()?;
    let measure = Duration::from_secs_f64(arguments.seconds);
    let bench = Bench {
        site: &site,
        peers: &peers,
        bucle: &bucle,
        servers: arguments.servers.iter().cloned().collect(),
        server_cpu,
        load_cpu,
        rounds: arguments.rounds as usize,
        warm_up: measure.mul_f64(0.3),
        measure,
    };

    let mut results = Results {
        machine: Machine::look(),
        versions: servers::KINDS
            .iter()
            .map(|kind| (kind.name, (kind.version)(&bucle)))
            .collect(),
        congestion_control: congestion.used.clone(),
        seconds: arguments.seconds,
        warnings,
        timed: Vec::new(),
        syscalls: None,
        idle: None,
        bars: Vec::new(),
    };
    introduce(&results, &bench);
    for shape in &shapes {
        let timed = timed::run(&bench, shape)?;
        println!("{}", report::timed(&timed));
        results.bars.extend(bars::of_timed(&timed));
        results.timed.push(timed);
    }
    if with_syscalls {
        let syscalls = syscalls::run(&bench)?;
        println!("{}", report::syscalls(&syscalls));
        results.bars.extend(bars::of_syscalls(&syscalls));
        results.syscalls = Some(syscalls);
    }
    if with_idle {
        let idle = idle::run(&bench, arguments.idle_connections as usize)?;
        println!("{}", report::idle(&idle));
        results.bars.extend(bars::of_idle(&idle));
        results.idle = Some(idle);
    }
    println!("{}", report::bars(&results.bars));
    if arguments.quick || arguments.rounds < 15 {
        println!("fewer than 15 rounds: these figures show that the benchmark works, and no more");
    }
    if let Some(file) = &arguments.json {
        let json = serde_json::to_string_pretty(&results)?;
        std::fs::write(file, json + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The timed scenarios to run, and whether to count system calls and idle memory.
fn choose(arguments: &Arguments) -> Result<(Vec<Shape>, bool, bool)> {
    let only = &arguments.only;
    for name in only {
        let known =
            SHAPES.iter().any(|shape| shape.name == name) || name == SYSCALLS || name == IDLE;
        ensure!(known, "there is no scenario {name:?}: see --help");
    }
    let asked = |name: &str, by_default: bool| {
        if only.is_empty() {
            by_default
        } else {
            only.iter().any(|other| other == name)
        }
    };
    let mut shapes: Vec<Shape> = SHAPES
        .iter()
        .filter(|shape| asked(shape.name, shape.by_default))
        .cloned()
        .collect();
    for shape in &mut shapes {
        shape.connections = arguments
            .connections
            .map_or(shape.connections, |connections| connections as usize);
    }
    Ok((shapes, asked(SYSCALLS, true), asked(IDLE, true)))
}

/// Builds the peers of this workspace, and `bucle` from the repository's.
fn build(peers: &Path, root: &Path, with_bucle: bool, warnings: &mut Vec<String>) -> Result<()> {
    let folder = peers.parent().context("no target folder")?;
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = cargo()
        .args(["-p", "bench-peers", "--target-dir"])
        .arg(folder)
        .current_dir(bench)
        .status()?;
    if !status.success() {
        bail!("the peers do not build");
    }
    if with_bucle && build_bucle(root).is_err() {
        warnings.push(
            "bucle does not build: what was built before is measured, if anything".to_owned(),
        );
    }
    Ok(())
}

/// Builds `bucle` from the repository at `root`.
pub(crate) fn build_bucle(root: &Path) -> Result<()> {
    let status = cargo()
        .args(["-p", "bucle-cli"])
        .current_dir(root)
        .status()?;
    ensure!(status.success(), "bucle does not build");
    Ok(())
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--quiet"]);
    command
}

/// Where cargo builds the repository's own workspace.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn introduce(results: &Results, bench: &Bench<'_>) {
    println!("machine: {}", results.machine.line());
    println!(
        "servers on CPU {}, load on CPU {}; TCP congestion control: {}",
        bench.server_cpu, bench.load_cpu, results.congestion_control
    );
    for (name, version) in &results.versions {
        println!("  {name}: {version}");
    }
    for warning in &results.warnings {
        println!("WARNING: {warning}");
    }
    println!();
}
