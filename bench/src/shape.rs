//! The shapes of load: what is asked for, over how many connections, how many requests at once on each.

use serde::Serialize;

/// What the requests ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Content {
    /// `Hello, World!` from a handler.
    Plaintext,
    /// The static file of 1 KiB.
    OneKib,
    /// Static files drawn from the 1,000.
    Files,
}

/// One shape of load.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The name on the command line and in the results.
    pub(crate) name: &'static str,
    /// One line for the table.
    pub(crate) about: &'static str,
    /// What is asked for.
    pub(crate) content: Content,
    /// Connections held open.
    pub(crate) connections: usize,
    /// Requests sent in one write; the next follow when all are answered.
    pub(crate) depth: usize,
    /// A new connection for every request, with `Connection: close`.
    pub(crate) reconnect: bool,
    /// Part of a run that names no shapes.
    pub(crate) by_default: bool,
}

impl Shape {
    /// One request at a time on each of some connections, for the scenarios that are not timed.
    pub(crate) fn keep_alive(content: Content, connections: usize) -> Shape {
        Shape {
            name: "keep-alive",
            about: "",
            content,
            connections,
            depth: 1,
            reconnect: false,
            by_default: false,
        }
    }
}

/// Every shape there is.
pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "plaintext",
        about: "Hello, World! from a handler, keep-alive, 64 connections",
        content: Content::Plaintext,
        connections: 64,
        depth: 1,
        reconnect: false,
        by_default: true,
    },
    Shape {
        name: "pipelined",
        about: "the same, 16 requests pipelined, 64 connections",
        content: Content::Plaintext,
        connections: 64,
        depth: 16,
        reconnect: false,
        by_default: true,
    },
    Shape {
        name: "pipelined-few",
        about: "the same, 16 requests pipelined, 4 connections",
        content: Content::Plaintext,
        connections: 4,
        depth: 16,
        reconnect: false,
        by_default: false,
    },
    Shape {
        name: "one-kib",
        about: "one static file of 1 KiB, keep-alive, 64 connections",
        content: Content::OneKib,
        connections: 64,
        depth: 1,
        reconnect: false,
        by_default: true,
    },
    Shape {
        name: "file",
        about: "1,000 static files of 0.2 to 4 KiB, keep-alive, 64 connections",
        content: Content::Files,
        connections: 64,
        depth: 1,
        reconnect: false,
        by_default: true,
    },
    Shape {
        name: "reconnect",
        about: "Hello, World!, a new connection for every request, 64 at once",
        content: Content::Plaintext,
        connections: 64,
        depth: 1,
        reconnect: true,
        by_default: false,
    },
];
