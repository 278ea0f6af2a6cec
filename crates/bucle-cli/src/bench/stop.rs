//! SIGINT and SIGTERM end a benchmark in order: it looks here between two samples, stops, and
//! reports what it has. A second signal ends the process as it would any other.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Installs the handlers, for the rest of the process's life.
pub(crate) fn install() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&ASKED))?;
        signal_hook::flag::register(signal, Arc::clone(&ASKED))?;
    }
    Ok(())
}

/// Whether a signal came.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
