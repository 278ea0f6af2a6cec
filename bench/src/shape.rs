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
    /// The static file of 100 KiB.
    HundredKib,
    /// The static file of 10 MiB.
    TenMib,
}

impl Content {
    /// Whether it takes a bare loop so little of its own time that a round in which it took more is void.
    pub(crate) fn is_small(self) -> bool {
        !matches!(self, Content::HundredKib | Content::TenMib)
    }
}

/// How TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Secure {
    /// One handshake, then many requests.
    KeepAlive,
    /// A whole handshake for every request.
    Handshake,
    /// A handshake for every request that goes on from an earlier one.
    Resumed,
}

/// Where servers of one worker and of two run, beside one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Workers {
    /// All on the one CPU of servers; the load has its own.
    Together,
    /// On the CPU of servers and on that of the load, which competes with them.
    Apart,
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
    /// By TLS, and how.
    pub(crate) secure: Option<Secure>,
    /// Servers write an access log; those that have none stay away.
    pub(crate) logged: bool,
    /// Servers with one worker and with two, and where they run.
    pub(crate) workers: Option<Workers>,
    /// Part of a run that names no shapes.
    pub(crate) by_default: bool,
}

impl Shape {
    /// What most have.
    const PLAIN: Shape = Shape {
        name: "",
        about: "",
        content: Content::Plaintext,
        connections: 64,
        depth: 1,
        reconnect: false,
        secure: None,
        logged: false,
        workers: None,
        by_default: true,
    };

    /// One request at a time on each of some connections, for the scenarios that are not timed.
    pub(crate) fn keep_alive(content: Content, connections: usize) -> Shape {
        Shape {
            name: "keep-alive",
            about: "",
            content,
            connections,
            by_default: false,
            ..Shape::PLAIN
        }
    }
}

/// Every shape there is.
pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "plaintext",
        about: "Hello, World! from a handler, keep-alive, 64 connections",
        ..Shape::PLAIN
    },
    Shape {
        name: "pipelined",
        about: "the same, 16 requests pipelined, 64 connections",
        depth: 16,
        ..Shape::PLAIN
    },
    Shape {
        name: "pipelined-few",
        about: "the same, 16 requests pipelined, 4 connections",
        connections: 4,
        depth: 16,
        by_default: false,
        ..Shape::PLAIN
    },
    Shape {
        name: "one-kib",
        about: "one static file of 1 KiB, keep-alive, 64 connections",
        content: Content::OneKib,
        ..Shape::PLAIN
    },
    Shape {
        name: "file",
        about: "1,000 static files of 0.2 to 4 KiB, keep-alive, 64 connections",
        content: Content::Files,
        ..Shape::PLAIN
    },
    Shape {
        name: "file-100k",
        about: "one static file of 100 KiB, keep-alive, 16 connections",
        content: Content::HundredKib,
        connections: 16,
        ..Shape::PLAIN
    },
    Shape {
        name: "file-10m",
        about: "one static file of 10 MiB, keep-alive, 4 connections",
        content: Content::TenMib,
        connections: 4,
        ..Shape::PLAIN
    },
    Shape {
        name: "reconnect",
        about: "Hello, World!, a new connection for every request, 64 at once",
        reconnect: true,
        ..Shape::PLAIN
    },
    Shape {
        name: "plaintext-logged",
        about: "as plaintext, with an access log",
        logged: true,
        ..Shape::PLAIN
    },
    Shape {
        name: "one-kib-logged",
        about: "as one-kib, with an access log",
        content: Content::OneKib,
        logged: true,
        ..Shape::PLAIN
    },
    Shape {
        name: "tls",
        about: "one static file of 1 KiB by TLS 1.3, AES-128-GCM, keep-alive, 64 connections",
        content: Content::OneKib,
        secure: Some(Secure::KeepAlive),
        ..Shape::PLAIN
    },
    Shape {
        name: "tls-handshake",
        about: "the same, a whole handshake (X25519, ECDSA with P-256) for every request, 16 at once",
        content: Content::OneKib,
        connections: 16,
        reconnect: true,
        secure: Some(Secure::Handshake),
        ..Shape::PLAIN
    },
    Shape {
        name: "tls-resumed",
        about: "the same, a resumed handshake for every request, 16 at once",
        content: Content::OneKib,
        connections: 16,
        reconnect: true,
        secure: Some(Secure::Resumed),
        ..Shape::PLAIN
    },
    Shape {
        name: "workers",
        about: "one static file of 1 KiB, one worker and two, on one CPU",
        content: Content::OneKib,
        workers: Some(Workers::Together),
        ..Shape::PLAIN
    },
    Shape {
        name: "workers-apart",
        about: "the same, on two CPUs, one of which is the load's",
        content: Content::OneKib,
        workers: Some(Workers::Apart),
        ..Shape::PLAIN
    },
];
