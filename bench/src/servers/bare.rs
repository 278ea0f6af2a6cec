//! The bare loop of `peers/src/bin/bare.rs`: the floor every ratio is taken to.

use std::process::Command;

use super::{Kind, built};
use crate::shape::Content;
use crate::site::ONE_KIB;

pub(super) const KIND: Kind = Kind {
    name: "bare",
    serves: |content| content != Content::Files,
    command: |job| {
        let mut command = Command::new(built(job.peers, "bare")?);
        command.arg(job.port.to_string());
        if job.content == Content::OneKib {
            command.arg(job.site.root().join(&ONE_KIB[1..]));
        }
        Ok(command)
    },
    announces: false,
    version: |_| "answers without parsing; rustix, epoll".to_owned(),
};
