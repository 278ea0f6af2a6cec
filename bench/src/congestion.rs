//! One TCP congestion control for every server of a run, put back at the end.
//!
//! A machine that defaults to BBR paces loopback traffic, which distorts everything larger than a packet. The choice can't be made
//! on the sockets of servers we did not write, so the system's default for new sockets is changed while the benchmark runs.

use std::fs;

use anyhow::{Context, Result};

const DEFAULT: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
/// Neither paces. `reno` is in every kernel and does no arithmetic of its own for an acknowledgement.
const CHOICES: [&str; 2] = ["reno", "cubic"];

/// Puts the system's default back when dropped.
pub(crate) struct Congestion {
    /// What every server of the run uses.
    pub(crate) used: String,
    /// Set when what is used is not what was wanted.
    pub(crate) warning: Option<String>,
    before: Option<String>,
}

impl Congestion {
    /// Sets the first available of the choices as the default. Where that is not permitted, says so and leaves things as they are.
    pub(crate) fn choose() -> Result<Congestion> {
        let now = fs::read_to_string(DEFAULT)
            .with_context(|| format!("cannot read {DEFAULT}"))?
            .trim()
            .to_owned();
        let available = fs::read_to_string(AVAILABLE).unwrap_or_default();
        let wanted = pick(&now, &available);
        if wanted == now {
            return Ok(Congestion {
                used: now,
                warning: None,
                before: None,
            });
        }
        match fs::write(DEFAULT, &wanted) {
            Ok(()) => Ok(Congestion {
                used: wanted,
                warning: None,
                before: Some(now),
            }),
            Err(error) => {
                let warning = format!(
                    "TCP congestion control stays {now} for every server ({error}); if that paces (bbr), files are distorted: \
                     run as root, or first: sysctl net.ipv4.tcp_congestion_control={wanted}"
                );
                Ok(Congestion {
                    used: now,
                    warning: Some(warning),
                    before: None,
                })
            }
        }
    }
}

impl Drop for Congestion {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = fs::write(DEFAULT, before)
        {
            eprintln!("cannot put {DEFAULT} back to {before}: {error}");
        }
    }
}

/// What to use: what is set if it does not pace, else the first choice that is available.
fn pick(now: &str, available: &str) -> String {
    let there = |name: &&str| available.split_whitespace().any(|other| other == *name);
    if CHOICES.contains(&now) {
        return now.to_owned();
    }
    CHOICES
        .into_iter()
        .find(there)
        .unwrap_or(CHOICES[0])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::pick;

    #[test]
    fn only_what_paces_is_replaced() {
        assert_eq!(pick("cubic", "reno bbr cubic"), "cubic");
        assert_eq!(pick("reno", "reno"), "reno");
        assert_eq!(pick("bbr", "reno bbr cubic"), "reno");
        assert_eq!(pick("bbr", "bbr cubic"), "cubic");
        assert_eq!(pick("bbr", ""), "reno");
    }
}
