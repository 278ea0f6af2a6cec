//! Functions that other processes run: the trait that `#[bucle::process]` implements, and the
//! registry in which a worker finds them.
//!
//! Parent and child are the same binary, so a function's place in the registry is the same in both;
//! the handshake compares [`build_id`]s before anybody relies on it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

use linkme::distributed_slice;

use crate::payload::{NotDecoded, NotEncoded, Reader, Writer};

/// A function that can run in another process. Implemented by `#[bucle::process]`, for a type of
/// the function's name: `pool.submit(resize, arguments)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no function that another process can run",
    note = "put `#[bucle::process]` above the `fn`"
)]
pub trait ProcessFunction: Copy + Send + 'static {
    /// What it is called with: `()`, the one argument, or a tuple of all.
    type Arguments<'a>;

    /// What it returns.
    type Output: 'static;

    /// Its entry in the registry.
    #[doc(hidden)]
    fn entry() -> &'static Entry;

    /// Puts arguments into bytes.
    ///
    /// # Errors
    /// What their `Serialize` says.
    #[doc(hidden)]
    fn encode<'a>(
        arguments: &'a Self::Arguments<'_>,
        to: &mut Writer<'a>,
    ) -> Result<(), NotEncoded>;

    /// Makes the output of what the worker has sent.
    ///
    /// # Errors
    /// What its `Deserialize` says.
    #[doc(hidden)]
    fn decode(from: &mut Reader<'_>) -> Result<Self::Output, NotDecoded>;
}

/// A function in the registry.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entry {
    /// Where it stands: `my_crate::images::resize`.
    pub path: &'static str,
    /// Decodes the arguments, runs it and gives its output.
    pub call: fn(&mut Reader<'_>, &mut dyn Answer) -> Result<(), CallError>,
}

/// Who runs a function in a worker, as seen by the code that the attribute makes.
#[doc(hidden)]
pub trait Answer {
    /// The arguments are there; the function begins now.
    fn begin(&mut self);

    /// The function has returned.
    fn end(&mut self);

    /// Its output.
    ///
    /// # Errors
    /// When it can't be sent.
    fn give(&mut self, output: &Writer<'_>) -> Result<(), NotEncoded>;
}

/// Why a function has no output, other than by a panic.
#[doc(hidden)]
#[derive(Debug)]
pub enum CallError {
    /// The arguments could not be read; the function did not run.
    Arguments(NotDecoded),
    /// The function ran; its output could not be put into bytes.
    Output(NotEncoded),
}

impl From<NotDecoded> for CallError {
    fn from(error: NotDecoded) -> CallError {
        CallError::Arguments(error)
    }
}

impl From<NotEncoded> for CallError {
    fn from(error: NotEncoded) -> CallError {
        CallError::Output(error)
    }
}

/// All functions of this program that other processes can run.
#[doc(hidden)]
#[distributed_slice]
pub static FUNCTIONS: [Entry];

/// The place of `entry` in the registry.
///
/// # Panics
/// If it stands elsewhere, which the attribute rules out.
pub(crate) fn index_of(entry: &'static Entry) -> u32 {
    let offset = (&raw const *entry).addr() - FUNCTIONS.as_ptr().addr();
    let index = offset / size_of::<Entry>();
    assert!(
        FUNCTIONS
            .get(index)
            .is_some_and(|there| std::ptr::eq(there, entry)),
        "`{}` is not in the registry of functions",
        entry.path
    );
    index as u32
}

/// The function at a place in the registry.
pub(crate) fn at_index(index: u32) -> Option<&'static Entry> {
    FUNCTIONS.get(index as usize)
}

/// The last part of a path: the function's own name.
pub(crate) fn short_name(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap_or(path)
}

/// A number that two processes have in common only if they run the same build: of the program's
/// file, and of the functions that it can run.
pub(crate) fn build_id() -> u64 {
    static BUILD_ID: LazyLock<u64> = LazyLock::new(|| {
        // The same in every process of one build: its keys are fixed.
        let mut hasher = DefaultHasher::new();
        if let Ok(file) = std::fs::metadata("/proc/self/exe") {
            (file.dev(), file.ino(), file.size()).hash(&mut hasher);
            (file.mtime(), file.mtime_nsec()).hash(&mut hasher);
        }
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        for entry in FUNCTIONS {
            entry.path.hash(&mut hasher);
        }
        hasher.finish()
    });
    *BUILD_ID
}
