//! [`ExceptionGroup`]: all the errors of tasks that ran together, as a tree.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use crate::task::TaskTag;

/// Any error, as a [`TaskGroup`](crate::TaskGroup) keeps it.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// All the errors of a [`TaskGroup`](crate::TaskGroup). asyncio's `ExceptionGroup`.
///
/// Displays as one line with the first error; the alternate form (`{:#}`), and `Debug`, draw the
/// tree: a line for each task that failed, its error's causes, and the groups that failed within it.
/// The errors are in the order in which they came.
///
/// ```text
/// 2 errors in the task group at src/main.rs:12:17
/// ├─ fetch: connection refused
/// │  └─ caused by: no route to host
/// └─ task store panicked: out of range
/// ```
pub struct ExceptionGroup {
    location: &'static Location<'static>,
    exceptions: Vec<GroupException>,
}

/// One error of an [`ExceptionGroup`], and whose it was.
#[derive(Debug)]
pub struct GroupException {
    task: Option<TaskTag>,
    error: BoxError,
}

impl GroupException {
    pub(crate) fn new(task: Option<TaskTag>, error: BoxError) -> GroupException {
        GroupException { task, error }
    }

    /// The task that failed; `None` for the body of the group.
    pub fn task(&self) -> Option<&TaskTag> {
        self.task.as_ref()
    }

    /// The error; a task that panicked has its [`Panic`](crate::Panic) here.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// The error itself.
    pub fn into_error(self) -> BoxError {
        self.error
    }
}

impl ExceptionGroup {
    /// `exceptions` isn't empty.
    pub(crate) fn new(
        location: &'static Location<'static>,
        exceptions: Vec<GroupException>,
    ) -> ExceptionGroup {
        ExceptionGroup {
            location,
            exceptions,
        }
    }

    /// The errors, in the order in which they came; at least one.
    pub fn exceptions(&self) -> &[GroupException] {
        &self.exceptions
    }

    /// The errors themselves.
    pub fn into_exceptions(self) -> Vec<GroupException> {
        self.exceptions
    }

    /// Where the group was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The first error of this type in the tree, in depth. Python's `except*`, for looking.
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        self.leaves()
            .into_iter()
            .find_map(|error| error.downcast_ref())
    }

    /// All errors of the tree that aren't groups, in depth.
    pub fn leaves(&self) -> Vec<&(dyn Error + 'static)> {
        let mut leaves = Vec::new();
        self.collect_leaves(&mut leaves);
        leaves
    }

    fn collect_leaves<'a>(&'a self, leaves: &mut Vec<&'a (dyn Error + 'static)>) {
        for exception in &self.exceptions {
            let error: &(dyn Error + 'static) = &*exception.error;
            match error.downcast_ref::<ExceptionGroup>() {
                Some(group) => group.collect_leaves(leaves),
                None => leaves.push(error),
            }
        }
    }

    /// The errors of the tree for which `wanted` is true, and the others; each with the groups they
    /// were in. Python's `split`.
    pub fn split(
        self,
        mut wanted: impl FnMut(&(dyn Error + 'static)) -> bool,
    ) -> (Option<ExceptionGroup>, Option<ExceptionGroup>) {
        self.split_by(&mut wanted)
    }

    fn split_by(
        self,
        wanted: &mut dyn FnMut(&(dyn Error + 'static)) -> bool,
    ) -> (Option<ExceptionGroup>, Option<ExceptionGroup>) {
        let (mut these, mut those) = (Vec::new(), Vec::new());
        for GroupException { task, error } in self.exceptions {
            match error.downcast::<ExceptionGroup>() {
                Ok(group) => {
                    let (this, that) = group.split_by(wanted);
                    let boxed = |group| GroupException::new(task.clone(), Box::new(group));
                    these.extend(this.map(boxed));
                    those.extend(that.map(boxed));
                }
                Err(error) => {
                    let list = if wanted(&*error) {
                        &mut these
                    } else {
                        &mut those
                    };
                    list.push(GroupException::new(task, error));
                }
            }
        }
        let group = |exceptions: Vec<_>| {
            (!exceptions.is_empty()).then(|| ExceptionGroup::new(self.location, exceptions))
        };
        (group(these), group(those))
    }

    fn title(&self) -> String {
        let count = self.exceptions.len();
        let errors = if count == 1 { "error" } else { "errors" };
        format!("{count} {errors} in the task group at {}", self.location)
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, margin: &str) -> fmt::Result {
        let last = self.exceptions.len().saturating_sub(1);
        for (number, exception) in self.exceptions.iter().enumerate() {
            let (branch, below) = branch(number == last);
            write!(f, "\n{margin}{branch}")?;
            let error: &(dyn Error + 'static) = &*exception.error;
            // A panic names its task by itself.
            if let Some(task) = &exception.task
                && !error.is::<crate::Panic>()
            {
                write!(f, "{task}: ")?;
            }
            draw_error(f, error, &format!("{margin}{below}"))?;
        }
        Ok(())
    }
}

fn branch(last: bool) -> (&'static str, &'static str) {
    if last {
        ("└─ ", "   ")
    } else {
        ("├─ ", "│  ")
    }
}

/// One error, and beneath it the errors of a group, or what caused it.
fn draw_error(
    f: &mut fmt::Formatter<'_>,
    error: &(dyn Error + 'static),
    margin: &str,
) -> fmt::Result {
    if let Some(group) = error.downcast_ref::<ExceptionGroup>() {
        f.write_str(&group.title())?;
        return group.draw(f, margin);
    }
    write!(f, "{error}")?;
    if let Some(cause) = error.source() {
        let (branch, below) = branch(true);
        write!(f, "\n{margin}{branch}caused by: ")?;
        draw_error(f, cause, &format!("{margin}{below}"))?;
    }
    Ok(())
}

impl fmt::Display for ExceptionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title())?;
        if f.alternate() {
            return self.draw(f, "");
        }
        match self.exceptions.first() {
            Some(first) => write!(f, ": {}", first.error),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ExceptionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl Error for ExceptionGroup {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Caused(std::fmt::Error);
    impl fmt::Display for Caused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl Error for Caused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn tree() -> ExceptionGroup {
        let here = Location::caller();
        let tag = |name: &str| Some(TaskTag::new(1, Some(name.into()), here));
        let inner = ExceptionGroup::new(
            here,
            vec![
                GroupException::new(tag("a"), "plain".into()),
                GroupException::new(None, Box::new(Caused(std::fmt::Error))),
            ],
        );
        ExceptionGroup::new(
            here,
            vec![
                GroupException::new(tag("inner"), Box::new(inner)),
                GroupException::new(tag("b"), "last".into()),
            ],
        )
    }

    #[test]
    fn draws_a_tree_with_causes() {
        let drawn = format!("{:#}", tree());
        let at = Location::caller().file();
        let lines: Vec<String> = drawn
            .lines()
            .map(|line| line.split(at).next().unwrap_or_default().to_string())
            .collect();
        assert_eq!(
            lines,
            [
                "2 errors in the task group at ",
                "├─ inner: 2 errors in the task group at ",
                "│  ├─ a: plain",
                "│  └─ outer",
                "│     └─ caused by: an error occurred when formatting an argument",
                "└─ b: last",
            ]
        );
        assert_eq!(drawn, format!("{:?}", tree()));
        assert!(!tree().to_string().contains('\n'));
    }

    #[test]
    fn finds_and_splits_by_type() {
        assert!(tree().find::<Caused>().is_some());
        assert!(tree().find::<std::io::Error>().is_none());
        assert_eq!(tree().leaves().len(), 3);
        let (caused, rest) = tree().split(|error| error.is::<Caused>());
        assert_eq!(caused.unwrap().leaves().len(), 1);
        let rest = rest.unwrap();
        assert_eq!(rest.leaves().len(), 2);
        assert_eq!(rest.exceptions().len(), 2);
        let (all, none) = tree().split(|_| true);
        assert_eq!(all.unwrap().leaves().len(), 3);
        assert!(none.is_none());
    }

    #[test]
    fn crosses_threads() {
        fn check<T: Error + Send + Sync + 'static>() {}
        check::<ExceptionGroup>();
    }
}
