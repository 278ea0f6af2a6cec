//! [`Traffic`]: what came in by a server, counted so that another thread can read it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What came in by a server and left by it: see [`ServerOptions::traffic`](crate::ServerOptions::traffic).
///
/// One loop writes, anybody reads. Counting is a load and a store, which on the machines there are
/// is what a plain number costs; so two servers of different threads must not be given the same one,
/// or counts are lost. It has cache lines of its own, lest its neighbours slow it down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Traffic {
    accepted: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// Adds, where only one thread does.
#[inline]
fn add(counter: &AtomicU64, n: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(n),
        Ordering::Relaxed,
    );
}

impl Traffic {
    /// Connections that were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections that were closed as they came, because no descriptor was left for them.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Bytes that were read from connections: those of TLS, where that is spoken.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes that the system has taken from connections to send: those of TLS, where that is spoken.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn count_accepted(&self) {
        add(&self.accepted, 1);
    }

    pub(crate) fn count_refused(&self) {
        add(&self.refused, 1);
    }

    #[inline]
    pub(crate) fn count_received(&self, count: usize) {
        add(&self.received, count as u64);
    }

    #[inline]
    pub(crate) fn count_sent(&self, count: usize) {
        add(&self.sent, count as u64);
    }
}
