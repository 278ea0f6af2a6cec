//! `bucle-bench`: Bucle beside its peers on one machine, in one run. The HTTP servers without a subcommand, the runtimes with
//! `runtimes`. See README.md.

#![forbid(unsafe_code)]

mod account;
mod attacks;
mod bars;
mod bench;
mod check;
mod congestion;
mod hooks;
mod http;
mod idle;
mod load;
mod machine;
mod pin;
mod random;
mod report;
mod runtimes;
mod servers;
mod shape;
mod site;
mod stats;
mod stop;
mod syscalls;
mod timed;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

/// Measures Bucle beside its peers. Without a subcommand, HTTP servers: requests a second, CPU time a request, system calls,
/// idle memory.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    http: http::Arguments,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Runtimes: tasks, wakes, timers, threads, memory, and TCP echo
    Runtimes(runtimes::Arguments),
    /// Attacks: slow, many and rude clients, and an honest one beside them
    Attacks(attacks::Arguments),
    /// The instructions that Bucle's hooks take with nothing attached
    Hooks(hooks::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bucle-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "a debug build measures nothing: cargo run --release"
    );
    match arguments.part {
        None => http::run(arguments.http),
        Some(Part::Runtimes(arguments)) => runtimes::run(arguments),
        Some(Part::Attacks(arguments)) => attacks::run(arguments),
        Some(Part::Hooks(arguments)) => hooks::run(&arguments),
    }
}
