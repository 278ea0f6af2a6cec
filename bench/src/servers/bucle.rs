//! Bucle: `bucle serve` for files, and `bucle_plaintext`, a handler on its public API, for plaintext. Both take any free port
//! and print `http://127.0.0.1:PORT` once they listen.

use std::process::Command;

use anyhow::{Result, bail};

use super::{Job, Kind, built};
use crate::shape::Content;

pub(super) const KIND: Kind = Kind {
    name: "bucle",
    serves: |_| true,
    command,
    announces: true,
    version: |bucle| {
        let output = Command::new(bucle).arg("--version").output();
        output.map_or_else(
            |_| "not built".to_owned(),
            |output| {
                String::from_utf8_lossy(&output.stdout)
                    .lines()
                    .next()
                    .unwrap_or("unknown")
                    .to_owned()
            },
        )
    },
};

fn command(job: &Job<'_>) -> Result<Command> {
    if job.content == Content::Plaintext {
        return Ok(Command::new(built(job.peers, "bucle_plaintext")?));
    }
    if !job.bucle.is_file() {
        bail!(
            "{} is not built: cargo build --release",
            job.bucle.display()
        );
    }
    let mut command = Command::new(job.bucle);
    command.arg("serve").arg(job.site.root());
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--access-log",
        "off",
    ]);
    Ok(command)
}
