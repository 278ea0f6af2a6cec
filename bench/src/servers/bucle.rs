//! Bucle: `bucle serve` for files, and `bucle_plaintext`, a handler on its public API, for plaintext.

use std::process::Command;

use anyhow::{Result, bail};

use super::{Job, Kind, built};
use crate::shape::Content;

pub(super) const KIND: Kind = Kind {
    name: "bucle",
    serves: |_| true,
    command,
    version: |bucle| {
        let output = Command::new(bucle).arg("--version").output();
        output.map_or_else(
            |_| "not built".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("unknown").to_owned(),
        )
    },
};

fn command(job: &Job<'_>) -> Result<Command> {
    if job.content == Content::Plaintext {
        let mut command = Command::new(built(job.peers, "bucle_plaintext")?);
        command.arg(job.port.to_string());
        return Ok(command);
    }
    if !job.bucle.is_file() {
        bail!("{} is not built: cargo build --release", job.bucle.display());
    }
    let mut command = Command::new(job.bucle);
    command.arg("serve").arg(job.site.root());
    command.args(["--listen", &format!("127.0.0.1:{}", job.port), "--workers", "1", "--access-log", "off"]);
    Ok(command)
}
