//! The bare loop of `peers/src/bin/bare.rs`: the floor every ratio is taken to.

use std::process::Command;

use super::{Kind, built};
use crate::shape::Content;
use crate::site::{LARGE, ONE_KIB};

pub(super) const KIND: Kind = Kind {
    name: "bare",
    serves: |content| content != Content::Files,
    command: |job| {
        let large = match job.content {
            Content::HundredKib => Some(LARGE[0].0),
            Content::TenMib => Some(LARGE[1].0),
            _ => None,
        };
        if let Some(large) = large {
            let mut command = Command::new(built(job.peers, "bare_sendfile")?);
            command.arg(job.port.to_string());
            command.arg(job.site.root().join(&large[1..]));
            return Ok(command);
        }
        let mut command = Command::new(built(job.peers, "bare")?);
        command.arg(job.port.to_string());
        if job.content == Content::OneKib {
            command.arg(job.site.root().join(&ONE_KIB[1..]));
        }
        if job.how.closes {
            command.arg("--close");
        }
        Ok(command)
    },
    announces: false,
    is_server: false,
    copies: 1,
    processes: 1,
    version: |_| "answers without parsing; rustix, epoll".to_owned(),
};
