//! The rules of the house that no compiler holds.
//!
//! A rule is a function from a [`Tree`] (all tracked files, as text) to [`Finding`]s. Rules read
//! nothing else and change nothing, so a test can feed them a tree of three lines.
//!
//! | file | rules |
//! |---|---|
//! | `dependencies` | which crate may depend on which, what is kept out, what every manifest says |
//! | `unsafety` | where `unsafe` may stand, and that each one has its argument right above |
//! | `layout` | file lengths and names, test binaries, examples, `get_`, what bucle-http may not name |
//! | `site` | links and fingerprints of the example site |
//! | `text` | open ends, paths of a machine, white space, lines and links of Markdown |
//!
//! `tree` holds the files, `source` tells code from comments and literals.

mod dependencies;
mod layout;
mod site;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod unsafety;

use std::fmt;

pub(crate) use tree::Tree;

/// One broken rule: where, what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding {
            path: path.into(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// All that is wrong with `tree`, in the order of its files and lines.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    dependencies::check(tree, &mut findings);
    unsafety::check(tree, &mut findings);
    layout::check(tree, &mut findings);
    site::check(tree, &mut findings);
    text::check(tree, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}
