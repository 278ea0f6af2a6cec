//! What happened in the simulated world, in order: two runs that agree in it are the same run.
//!
//! What ran, what travelled and what was drawn is here, with its virtual time. What is not: the
//! bytes themselves (their number is), and what a program does between two awaits. So a trace is the
//! same in each replay although the bytes of TLS, whose keys are the system's own random numbers,
//! never are.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::fds::Readiness;
use crate::task::TaskTag;

/// Something that happened in the simulated world. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimEvent {
    /// When, since the loop was made, in virtual time.
    pub at: Duration,
    /// The number of the connection, counted from 1; `None` for what is no event of the network.
    pub connection: Option<u64>,
    /// What happened.
    pub kind: SimEventKind,
}

/// The kinds of [`SimEvent`]. `to_server` tells the direction: towards the end that accepted (or
/// the second one of a pair).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimEventKind {
    /// A connection was asked for.
    Connecting,
    /// It was established.
    Established,
    /// It was refused: nobody listens there.
    Refused,
    /// It was given up: nobody answered.
    TimedOut,
    /// So many bytes were taken from the sender.
    Sent {
        /// The direction.
        to_server: bool,
        /// How many.
        bytes: usize,
    },
    /// So many bytes arrived.
    Arrived {
        /// The direction.
        to_server: bool,
        /// How many.
        bytes: usize,
    },
    /// So many bytes were read.
    Received {
        /// The direction.
        to_server: bool,
        /// How many.
        bytes: usize,
    },
    /// The end of the stream arrived.
    Eof {
        /// The direction.
        to_server: bool,
    },
    /// A reset arrived.
    Reset {
        /// The direction.
        to_server: bool,
    },
    /// So many bytes were lost on their way, and are sent again later.
    Lost {
        /// The direction.
        to_server: bool,
        /// How many.
        bytes: usize,
    },
    /// An attempt to connect was lost, and is made again later.
    AttemptLost,
    /// The way between the two ends is cut for good: neither hears of the other again.
    Cut,
    /// One end gave up waiting to hear that what it sent had arrived.
    GaveUp {
        /// The direction of what it had sent.
        to_server: bool,
    },
    /// A task ran, to its next await or its end.
    Task(TaskTag),
    /// A callback ran: of `call_soon`, or of a timer that was due.
    Callback(&'static Location<'static>),
    /// A socket was ready, and its reader, writer or transport was told.
    Ready {
        /// The socket's number.
        socket: i32,
        /// For what.
        readiness: Readiness,
    },
    /// The program drew a random number.
    Drew(u64),
}

/// What is kept of it: all, or the last events.
#[derive(Debug, Default)]
pub(super) struct Trace {
    events: VecDeque<SimEvent>,
}

impl Trace {
    /// Adds an event, for which the oldest makes room at `limit`.
    pub(super) fn push(&mut self, event: SimEvent, limit: usize) {
        if limit == 0 {
            return;
        }
        while self.events.len() >= limit {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn take(&mut self) -> Vec<SimEvent> {
        std::mem::take(&mut self.events).into()
    }
}

impl fmt::Display for SimEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |to_server| if to_server { "->" } else { "<-" };
        let SimEvent {
            at,
            connection,
            kind,
        } = self;
        write!(f, "{at:>12.3?} ")?;
        if let Some(connection) = connection {
            write!(f, "#{connection} ")?;
        }
        match *kind {
            SimEventKind::Connecting => f.write_str("connecting"),
            SimEventKind::Established => f.write_str("established"),
            SimEventKind::Refused => f.write_str("refused"),
            SimEventKind::TimedOut => f.write_str("timed out"),
            SimEventKind::Sent { to_server, bytes } => {
                write!(f, "{} sent {bytes}", arrow(to_server))
            }
            SimEventKind::Arrived { to_server, bytes } => {
                write!(f, "{} arrived {bytes}", arrow(to_server))
            }
            SimEventKind::Received { to_server, bytes } => {
                write!(f, "{} received {bytes}", arrow(to_server))
            }
            SimEventKind::Eof { to_server } => write!(f, "{} end of stream", arrow(to_server)),
            SimEventKind::Reset { to_server } => write!(f, "{} reset", arrow(to_server)),
            SimEventKind::Lost { to_server, bytes } => {
                write!(f, "{} lost {bytes}, to be sent again", arrow(to_server))
            }
            SimEventKind::AttemptLost => f.write_str("attempt lost, to be made again"),
            SimEventKind::Cut => f.write_str("cut for good"),
            SimEventKind::GaveUp { to_server } => write!(f, "{} given up", arrow(to_server)),
            SimEventKind::Task(ref tag) => {
                write!(f, "task `{tag}` from {}", tag.location())
            }
            SimEventKind::Callback(location) => write!(f, "callback of {location}"),
            SimEventKind::Ready { socket, readiness } => {
                let what = match (readiness.readable(), readiness.writable()) {
                    (true, true) => "readable and writable",
                    (true, false) => "readable",
                    (false, _) => "writable",
                };
                write!(f, "socket {socket} is {what}")
            }
            SimEventKind::Drew(value) => write!(f, "drew {value}"),
        }
    }
}
