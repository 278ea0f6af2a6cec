//! What every scenario shares: the files, the CPUs, the servers that take part, how long and how often.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::servers::{How, Job, KINDS, Kind, Server, free_port};
use crate::shape::Content;
use crate::site::Site;

/// The set-up of a run.
pub(crate) struct Bench<'a> {
    pub(crate) site: &'a Site,
    /// The folder with the executables of this workspace.
    pub(crate) peers: &'a Path,
    /// Bucle's executable.
    pub(crate) bucle: &'a Path,
    /// Names on the command line; all when empty.
    pub(crate) servers: BTreeSet<String>,
    /// Where servers run.
    pub(crate) server_cpu: usize,
    /// Where the load generator runs.
    pub(crate) load_cpu: usize,
    /// How many rounds.
    pub(crate) rounds: usize,
    /// How long a server is driven before the clock starts.
    pub(crate) warm_up: Duration,
    /// How long a measurement takes.
    pub(crate) measure: Duration,
}

/// A server that did not take part, and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Skipped {
    pub(crate) server: &'static str,
    pub(crate) reason: String,
}

impl Bench<'_> {
    /// The servers that were asked for and can answer this; those that are missing go to `skipped`.
    pub(crate) fn able(&self, content: Content, skipped: &mut Vec<Skipped>) -> Vec<&'static Kind> {
        self.able_as(KINDS, content, &How::default(), skipped)
    }

    /// Those of `kinds` that can answer when they are started so.
    pub(crate) fn able_as(
        &self,
        kinds: &'static [Kind],
        content: Content,
        how: &How,
        skipped: &mut Vec<Skipped>,
    ) -> Vec<&'static Kind> {
        let asked = |kind: &&Kind| {
            let name = kind.name.split('-').next().unwrap_or(kind.name);
            self.servers.is_empty() || self.servers.contains(name)
        };
        let whole = how.logged || how.secure;
        let mut kinds: Vec<&'static Kind> = kinds
            .iter()
            .filter(asked)
            .filter(|kind| (kind.serves)(content) && (kind.is_server || !whole))
            .collect();
        kinds.retain(|kind| match kind.missing(&self.job(content, 0, how)) {
            None => true,
            Some(reason) => {
                self.say(&format!("{} is skipped: {reason}", kind.name));
                skipped.push(Skipped {
                    server: kind.name,
                    reason,
                });
                false
            }
        });
        kinds
    }

    /// Starts a server on its CPU.
    pub(crate) fn start(&self, kind: &Kind, content: Content) -> Result<Server> {
        self.start_as(kind, content, &How::default())
    }

    /// Starts it so.
    pub(crate) fn start_as(&self, kind: &Kind, content: Content, how: &How) -> Result<Server> {
        let job = self.job(content, free_port()?, how);
        kind.start(&job, self.server_cpu, self.load_cpu)
    }

    fn job(&self, content: Content, port: u16, how: &How) -> Job<'_> {
        Job {
            how: how.clone(),
            content,
            site: self.site,
            port,
            peers: self.peers,
            bucle: self.bucle,
        }
    }

    /// Tells the person who waits.
    pub(crate) fn say(&self, line: &str) {
        eprintln!("  {line}");
    }
}
