//! hyper 1 on tokio's current-thread runtime: `peers/src/bin/hyper_plaintext.rs`.

use std::process::Command;

use super::{Kind, built};
use crate::shape::Content;

pub(super) const KIND: Kind = Kind {
    name: "hyper",
    serves: |content| content == Content::Plaintext,
    command: |job| {
        let mut command = Command::new(built(job.peers, "hyper_plaintext")?);
        command.arg(job.port.to_string());
        Ok(command)
    },
    announces: false,
    is_server: false,
    copies: 1,
    processes: 1,
    version: |_| format!("hyper {}, tokio {}", locked("hyper"), locked("tokio")),
};

/// The version of a crate in this workspace's lock file.
pub(super) fn locked(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    let version = lock
        .split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'));
    version.map_or_else(|| "unknown".to_owned(), |(version, _)| version.to_owned())
}
