//! The files of the repository: what git tracks, and what it would track if it were added now.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A text file.
pub(crate) struct File {
    /// Relative to the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether the path ends in `.extension`.
    pub(crate) fn is(&self, extension: &str) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, found)| found == extension)
    }

    /// Whether the whole file is test code: integration tests, `tests.rs` beside the code and its
    /// kin (`loom_tests.rs`, ...).
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// The lines, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }
}

/// All files, in the order of their paths.
#[derive(Default)]
pub(crate) struct Tree {
    files: Vec<File>,
    /// Every tracked path, those of files that are no text too.
    paths: Vec<String>,
}

impl Tree {
    /// Reads the repository at `root`.
    pub(crate) fn of_repository(root: &Path) -> Result<Tree, String> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others"])
            .arg("--exclude-standard")
            .current_dir(root)
            .output()
            .map_err(|error| format!("git can't be run in {}: {error}", root.display()))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git ls-files failed: {}", why.trim_end()));
        }
        let listing = String::from_utf8(output.stdout)
            .map_err(|_| "a tracked path is not UTF-8".to_string())?;
        let mut tree = Tree::default();
        for path in listing.split_terminator('\0') {
            // What was removed but is still in the index is no file of the tree.
            let Ok(bytes) = fs::read(root.join(path)) else {
                continue;
            };
            match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => tree.add(path, &text),
                _ => tree.paths.push(path.into()),
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree.paths.sort();
        Ok(tree)
    }

    /// A tree of these paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add(path, text);
        }
        tree
    }

    fn add(&mut self, path: &str, text: &str) {
        self.paths.push(path.into());
        self.files.push(File {
            path: path.into(),
            text: text.into(),
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The Rust files below `prefix`.
    pub(crate) fn rust(&self, prefix: &str) -> impl Iterator<Item = &File> {
        self.files()
            .filter(move |file| file.path.starts_with(prefix) && file.is("rs"))
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }

    /// Whether `path` is a tracked file, or a folder that holds one.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.paths.iter().any(|found| {
            found
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}
