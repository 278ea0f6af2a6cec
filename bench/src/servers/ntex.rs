//! ntex 3 with its tokio runtime, one worker: `peers/src/bin/ntex_plaintext.rs`.

use std::process::Command;

use super::hyper::locked;
use super::{Kind, built};
use crate::shape::Content;

pub(super) const KIND: Kind = Kind {
    name: "ntex",
    serves: |content| content == Content::Plaintext,
    command: |job| {
        let mut command = Command::new(built(job.peers, "ntex_plaintext")?);
        command.arg(job.port.to_string());
        Ok(command)
    },
    announces: false,
    is_server: false,
    copies: 1,
    processes: 1,
    version: |_| format!("ntex {}", locked("ntex")),
};
