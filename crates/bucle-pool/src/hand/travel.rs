//! Descriptors among a process's arguments.
//!
//! What stands for a descriptor (a pipe's end, a queue, shared memory) puts a number into the bytes
//! and the descriptor itself beside them, for as long as the arguments of a start are encoded; its
//! counterpart in the child takes it from there. Anywhere else the two are errors.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

thread_local! {
    /// Those that go with the arguments being encoded, if any are.
    static LEAVING: RefCell<Option<Vec<OwnedFd>>> = const { RefCell::new(None) };
    /// Those that came with this process's arguments and were not taken yet.
    static ARRIVED: RefCell<Vec<Option<OwnedFd>>> = const { RefCell::new(Vec::new()) };
    /// Why the last one could not be put or taken: postcard's errors carry no text.
    static REASON: Cell<Option<String>> = const { Cell::new(None) };
}

/// Calls `encode`, and gives the descriptors that were put meanwhile.
pub(super) fn leaving<T>(encode: impl FnOnce() -> T) -> (T, Vec<OwnedFd>) {
    /// If it panics, what it has put is closed.
    struct Clear;
    impl Drop for Clear {
        fn drop(&mut self) {
            LEAVING.take();
        }
    }
    let _clear = Clear;
    LEAVING.set(Some(Vec::new()));
    let result = encode();
    (result, LEAVING.take().unwrap_or_default())
}

/// The arguments of this process are about to be decoded.
pub(super) fn arrived(fds: Vec<OwnedFd>) {
    ARRIVED.set(fds.into_iter().map(Some).collect());
}

/// What was not taken is closed.
pub(super) fn all_taken() {
    ARRIVED.take();
}

/// Why something could not travel, if that was the reason of the last error. Asked for once.
pub(crate) fn take_reason() -> Option<String> {
    REASON.take()
}

/// An error of serde's, whose text is kept here.
fn refuse(why: impl Display) -> String {
    let why = why.to_string();
    REASON.set(Some(why.clone()));
    why
}

/// Refuses to put something into bytes.
pub(super) fn not_encoded<E: serde::ser::Error>(why: impl Display) -> E {
    E::custom(refuse(why))
}

/// Refuses to make something of bytes.
pub(super) fn not_decoded<E: serde::de::Error>(why: impl Display) -> E {
    E::custom(refuse(why))
}

/// Whether arguments of a start are being encoded.
///
/// # Errors
/// If not.
pub(super) fn check_leaving<E: serde::ser::Error>(what: &str) -> Result<(), E> {
    if LEAVING.with_borrow(Option::is_some) {
        return Ok(());
    }
    Err(not_encoded(format!(
        "{what} can be given to another process only as an argument of `Process::spawn`"
    )))
}

/// A descriptor as a value.
pub(super) struct Passed<'a>(pub(super) BorrowedFd<'a>);

impl Serialize for Passed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        check_leaving("a descriptor")?;
        let fd = self.0.try_clone_to_owned().map_err(not_encoded)?;
        let number = LEAVING.with_borrow_mut(|fds| {
            let fds = fds.get_or_insert_default();
            fds.push(fd);
            fds.len() - 1
        });
        serializer.serialize_u64(number as u64)
    }
}

/// The counterpart of [`Passed`].
#[derive(Debug)]
pub(super) struct Arrived(pub(super) OwnedFd);

impl<'de> Deserialize<'de> for Arrived {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Arrived, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let fd = ARRIVED.with_borrow_mut(|fds| {
            let number = usize::try_from(number).ok()?;
            fds.get_mut(number)?.take()
        });
        fd.map(Arrived).ok_or_else(|| {
            not_decoded("the descriptor that it stands for did not come with the arguments")
        })
    }
}

impl Arrived {
    /// What it is a descriptor of.
    pub(super) fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for Arrived {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
