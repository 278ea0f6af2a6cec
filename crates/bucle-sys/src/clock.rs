//! The monotonic clock, read as whole nanoseconds.

use rustix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds on the monotonic clock (`CLOCK_MONOTONIC`).
pub fn monotonic() -> u64 {
    read(ClockId::Monotonic)
}

/// Nanoseconds on the monotonic clock, as of the system's last tick where it keeps that (Linux):
/// a few milliseconds late, and a fraction of the cost.
pub fn monotonic_coarse() -> u64 {
    #[cfg(target_os = "linux")]
    {
        read(ClockId::MonotonicCoarse)
    }
    #[cfg(not(target_os = "linux"))]
    {
        monotonic()
    }
}
