//! Limits of the process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard one, and returns the limit now in force
/// (`None`: unlimited).
///
/// # Errors
/// What `setrlimit` says; the old limit then stays.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )?;
    }
    Ok(maximum)
}

/// The soft limit on open files; `None`: unlimited.
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
