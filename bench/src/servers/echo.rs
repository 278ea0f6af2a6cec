//! The echo servers of the runtimes' part: `runtime echo NAME` of `runtimes/`, which takes any free port and announces it.

use std::process::Command;

use anyhow::Result;

use super::{Job, Kind, built};

/// Every echo server there is.
pub(crate) const ECHO: &[Kind] = &[
    kind("bare", |job| echo(job, "bare")),
    kind("bucle-protocol", |job| echo(job, "bucle-protocol")),
    kind("bucle-stream", |job| echo(job, "bucle-stream")),
    kind("tokio", |job| echo(job, "tokio")),
];

const fn kind(name: &'static str, command: fn(&Job<'_>) -> Result<Command>) -> Kind {
    Kind {
        name,
        serves: |_| false,
        command,
        announces: true,
        is_server: false,
        copies: 1,
        processes: 1,
        version: |_| String::new(),
    }
}

fn echo(job: &Job<'_>, name: &str) -> Result<Command> {
    let mut command = Command::new(built(job.peers, "runtime")?);
    command.args(["echo", name]);
    Ok(command)
}
