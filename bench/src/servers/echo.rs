//! The echo servers of the runtimes' part: Rust peers in `runtimes/src/bin`, each of which takes any free port and announces it.

use std::process::Command;

use anyhow::Result;

use super::{Job, Kind, built};

/// Every echo server there is.
pub(crate) const ECHO: &[Kind] = &[
    kind("bare", |job| echo(job, "echo_bare")),
    kind("bucle-protocol", |job| echo(job, "echo_bucle_protocol")),
    kind("bucle-stream", |job| echo(job, "echo_bucle_stream")),
    kind("tokio", |job| echo(job, "echo_tokio")),
];

const fn kind(name: &'static str, command: fn(&Job<'_>) -> Result<Command>) -> Kind {
    Kind {
        name,
        serves: |_| false,
        command,
        announces: true,
        version: |_| String::new(),
    }
}

fn echo(job: &Job<'_>, name: &str) -> Result<Command> {
    Ok(Command::new(built(job.peers, name)?))
}
