//! What happened on the simulated network, in order: two runs that agree in it are the same run.

use std::fmt;
use std::time::Duration;

/// Something that happened on the simulated network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimEvent {
    /// When, since the loop was made, in virtual time.
    pub at: Duration,
    /// The number of the connection, counted from 1.
    pub connection: u64,
    /// What happened.
    pub kind: SimEventKind,
}

/// The kinds of [`SimEvent`]. `to_server` tells the direction: towards the end that accepted (or
/// the second one of a pair).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl fmt::Display for SimEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = |to_server| if to_server { "->" } else { "<-" };
        let SimEvent {
            at,
            connection,
            kind,
        } = self;
        write!(f, "{at:>12.3?} #{connection} ")?;
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
        }
    }
}
