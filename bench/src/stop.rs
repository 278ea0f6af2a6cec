//! SIGINT, SIGTERM and SIGHUP end the run in order: loops look here, errors unwind, guards put everything back.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Installs the handlers. However often the signal comes, the end is in order, so that nothing stays changed; every wait of the
/// benchmark has a limit of seconds.
pub(crate) fn install() -> Result<()> {
    let flag = ASKED.get_or_init(Arc::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// Asks for the end by itself after `limit`, should a server have found a way around every other time limit.
pub(crate) fn after(limit: Duration) {
    let flag = Arc::clone(ASKED.get_or_init(Arc::default));
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!(
            "the benchmark has run for {} s, far longer than it should: stopping",
            limit.as_secs()
        );
        flag.store(true, Ordering::Relaxed);
    });
}

/// An error once a signal came.
pub(crate) fn check() -> Result<()> {
    if ASKED.get().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
        bail!("stopped by a signal or for running too long");
    }
    Ok(())
}
