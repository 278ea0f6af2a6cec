//! Bucle: `bucle serve` for files, and `bucle_plaintext`, a handler on its public API, for plaintext. Both take any free port
//! and print `http://127.0.0.1:PORT` once they listen.

use std::process::Command;

use anyhow::{Result, bail};

use super::{Job, Kind, built};
use crate::load::Key;
use crate::shape::Content;

pub(super) const KIND: Kind = Kind {
    name: "bucle",
    serves: |_| true,
    command: |job| command(job, "1"),
    announces: true,
    is_server: true,
    copies: 1,
    processes: 1,
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

pub(super) const TWO_WORKERS: Kind = Kind {
    name: "bucle-2",
    command: |job| command(job, "2"),
    ..KIND
};

pub(super) const TWICE: Kind = Kind {
    name: "bucle-twice",
    copies: 2,
    ..KIND
};

fn command(job: &Job<'_>, workers: &str) -> Result<Command> {
    if job.content == Content::Plaintext {
        let mut command = Command::new(built(job.peers, "bucle_plaintext")?);
        if job.how.logged {
            command.arg("--log");
        }
        return Ok(command);
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
        workers,
        // The others send the bytes as they are, and so must it; it looks for what was compressed beforehand all the same.
        "--compress",
        "precompressed",
        "--access-log",
        if job.how.logged { "combined" } else { "off" },
    ]);
    if let Some(timeout) = job.how.header_timeout {
        command.args(["--header-timeout", &timeout.as_secs().to_string()]);
    }
    if job.how.secure {
        let key = Key::at(job.site.scratch());
        command.arg("--tls-cert").arg(key.certificate);
        command.arg("--tls-key").arg(key.key);
    }
    Ok(command)
}
