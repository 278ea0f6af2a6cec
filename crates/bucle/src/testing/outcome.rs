//! [`Outcome`]: what a test function may return.

use std::fmt::Debug;
use std::process::ExitCode;

/// What a test function may return.
#[diagnostic::on_unimplemented(
    message = "a `#[bucle::test]` can't return `{Self}`",
    note = "it may return `()`, a `Result` of one of these, or an `ExitCode`"
)]
pub trait Outcome: Sized {
    /// Why the test failed, if it did.
    fn failure(&self) -> Option<String>;

    /// What a test returns that did not.
    fn success() -> Self;
}

impl Outcome for () {
    fn failure(&self) -> Option<String> {
        None
    }

    fn success() {}
}

impl<T: Outcome, E: Debug> Outcome for Result<T, E> {
    fn failure(&self) -> Option<String> {
        match self {
            Ok(value) => value.failure(),
            Err(error) => Some(format!("it returned an error: {error:?}")),
        }
    }

    fn success() -> Result<T, E> {
        Ok(T::success())
    }
}

impl Outcome for ExitCode {
    fn failure(&self) -> Option<String> {
        (*self != ExitCode::SUCCESS).then(|| format!("it returned {self:?}"))
    }

    fn success() -> ExitCode {
        ExitCode::SUCCESS
    }
}
