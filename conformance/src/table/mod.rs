//! The table, a file for each topic.

mod advisories;
mod bodies;
mod chunks;
mod codings;
mod connection;
mod faults;
mod fields;
mod framing;
mod garden;
mod limits;
mod methods;
mod paths;
mod preconditions;
mod ranges;
mod request_line;
mod targets;

use crate::Case;

/// A topic: its title and its rows.
pub struct Topic {
    /// As it stands in the document.
    pub title: &'static str,
    /// Its rows.
    pub cases: Vec<Case>,
}

/// All rows by topic.
pub fn topics() -> Vec<Topic> {
    [
        ("The request line", request_line::cases()),
        ("Targets and hosts", targets::cases()),
        ("Methods", methods::cases()),
        ("Fields", fields::cases()),
        ("Where a body ends", framing::cases()),
        ("Chunks", chunks::cases()),
        ("Bodies and expectations", bodies::cases()),
        ("The connection", connection::cases()),
        ("Preconditions", preconditions::cases()),
        ("Ranges", ranges::cases()),
        ("Content codings", codings::cases()),
        ("Paths and files", paths::cases()),
        ("Limits", limits::cases()),
        ("Published faults", faults::cases()),
        ("Published faults, server by server", advisories::cases()),
        ("Published faults: the HTTP Garden's", garden::cases()),
    ]
    .map(|(title, cases)| Topic { title, cases })
    .into()
}

/// All rows.
pub fn cases() -> Vec<Case> {
    topics().into_iter().flat_map(|topic| topic.cases).collect()
}
