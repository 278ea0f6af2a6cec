//! The child's side of the start: [`init`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bucle_sys::channel::{self, MAX_MESSAGE, Received};
use bucle_sys::worker as sys;

use super::hello::{BuildMismatch, Hello, Message, Role};
use super::{TEST_ENTRIES, VARIABLE};
use crate::function::build_id;
use crate::hand;
use crate::worker;

/// The exit code of a child that could not begin.
const NOT_BEGUN: i32 = 70;

/// Whether `init` was called here.
static SET_UP: AtomicBool = AtomicBool::new(false);

/// The one line of set-up: what the pool's workers run instead of the program. To be the first
/// thing in `main`; `#[bucle::main]` says it by itself, and a test binary says
/// [`test_entry!`](crate::test_entry) once instead.
///
/// A worker is this program, started again. In one, this function never returns: it runs the tasks
/// that come and exits. In a process that was started otherwise it does nothing and returns at
/// once.
///
/// ```no_run
/// bucle_pool::init();
/// // the program
/// ```
pub fn init() {
    let Some(parent) = std::env::var_os(VARIABLE) else {
        SET_UP.store(true, Ordering::Relaxed);
        return;
    };
    // No child of this process is to take itself for one of ours.
    sys::remove_variable(VARIABLE);
    SET_UP.store(true, Ordering::Relaxed);
    let parent = parent.to_str().and_then(|parent| parent.parse().ok());
    let code = match parent.ok_or_else(not_a_child).and_then(begin) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("bucle: this child process can't begin: {error}");
            NOT_BEGUN
        }
    };
    process::exit(code)
}

fn not_a_child() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "{VARIABLE} is set, but this process was not started by a pool; take it out of the \
             environment"
        ),
    )
}

/// Whether workers that are started now would know what they are.
///
/// # Errors
/// If nobody said the line of set-up: which line that is.
pub(crate) fn check_set_up() -> io::Result<()> {
    if SET_UP.load(Ordering::Relaxed) || !TEST_ENTRIES.is_empty() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "child processes are this program, started again, and it would not know that it is one: \
         say `bucle::process::init();` as the first line of `main` (`#[bucle::main]` does), or, for \
         a test binary, `bucle::process::test_entry!();` once at its top level",
    ))
}

/// What a role is played with.
pub(crate) struct ChildSide {
    pub(crate) channel: OwnedFd,
    /// That came with the hello.
    pub(crate) fds: Vec<OwnedFd>,
}

impl ChildSide {
    /// Says that the child is there.
    ///
    /// # Errors
    /// The system's: the parent is gone.
    pub(crate) fn ready(&self) -> io::Result<()> {
        channel::send(&self.channel, &Message::Ready(build_id()).to_bytes(), &[])
    }
}

fn begin(parent: u32) -> io::Result<std::convert::Infallible> {
    let channel = sys::take_channel()?;
    if !sys::die_with_parent(parent)? {
        return Err(io::Error::other("the parent is gone"));
    }
    sys::restore_signals();
    let mut buffer = vec![0; MAX_MESSAGE];
    let Received::Message(len, fds) = channel::receive_blocking(&channel, &mut buffer)? else {
        return Err(io::Error::other("the parent has closed the channel"));
    };
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
    let hello = Hello::from_bytes(&buffer[..len])
        .ok_or_else(|| wrong("the parent's first words are not understood"))?;
    if let Err(mismatch) = BuildMismatch::check(hello.build) {
        // The parent says so too, and better.
        channel::send(&channel, &Message::Ready(build_id()).to_bytes(), &[])?;
        return Err(wrong(&mismatch.to_string()));
    }
    watch_channel(&channel)?;
    let side = ChildSide { channel, fds };
    match hello.role {
        Role::Worker { nice } => worker::run(side, nice),
        Role::Process { function, head } => hand::run(side, function, head),
    }
}

/// Whatever the main thread is busy with: when the channel closes, this process and all that it
/// has started end.
fn watch_channel(channel: &OwnedFd) -> io::Result<()> {
    let channel = channel.as_fd().try_clone_to_owned()?;
    thread::Builder::new()
        .name("bucle-watcher".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            let _ = channel::wait_closed(&channel);
            sys::kill_own_group()
        })?;
    Ok(())
}

/// Makes a test binary able to have child processes: the counterpart of [`init`] where there is no
/// `main` to say it in. To be said once, at the top level of the tests: in `tests/it/main.rs`, or
/// in `lib.rs` or `main.rs` for unit tests.
///
/// It adds a test with the name `bucle_child_process::entry`, which does nothing when it is run as
/// a test, and is what the binary runs when it is started as a worker.
///
/// ```
/// bucle_pool::test_entry!();
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! test_entry {
    () => {
        #[cfg(test)]
        mod bucle_child_process {
            #[test]
            fn entry() {
                $crate::init();
            }

            #[$crate::__private::linkme::distributed_slice($crate::__private::TEST_ENTRIES)]
            #[linkme(crate = $crate::__private::linkme)]
            static ENTRY: &'static str = ::core::concat!(::core::module_path!(), "::entry");
        }
    };
}
