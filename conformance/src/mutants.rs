//! Takes the server's checks away, one at a time, and sees which rows fail.
//!
//! All mutants are put into one copy of the tree, each behind a question to the environment, so that
//! the server is built once and then run with each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::play::{Cuts, play};
use crate::serving::Serving;
use crate::{Fate, table};

mod files;
mod parsing;
mod serving;

/// A mutant may keep a connection from ever ending.
const PATIENCE: Duration = Duration::from_millis(200);

/// One check that is taken away.
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What stands in a file, once, and what is put in its place.
    pub changes: &'static [(&'static str, &'static str, &'static str)],
}

/// Where the question is put.
const PARSER: &str = "crates/bucle-http/src/lib.rs";

const fn mutant(
    name: &'static str,
    changes: &'static [(&'static str, &'static str, &'static str)],
) -> Mutant {
    Mutant { name, changes }
}

fn all() -> impl Iterator<Item = &'static Mutant> {
    parsing::ALL.iter().chain(serving::ALL).chain(files::ALL)
}

/// The question, at the end of the parser's crate.
const QUESTION: &str = r#"
/// Whether this mutant is the one that is asked for.
pub fn off(name: &str) -> bool {
    static ON: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let on = ON.get_or_init(|| std::env::var("BUCLE_MUTANT").unwrap_or_default());
    !name.is_empty() && on == name
}
"#;

/// The files of the tree at `root` that have mutants, with all of them in.
///
/// # Errors
/// The system's, or a change that doesn't fit the source any longer.
pub fn applied(root: &Path) -> io::Result<BTreeMap<&'static str, String>> {
    let mut files = BTreeMap::new();
    for mutant in all() {
        for &(file, from, to) in mutant.changes {
            let text = match files.remove(file) {
                Some(text) => text,
                None => fs::read_to_string(root.join(file))?,
            };
            let count = text.matches(from).count();
            if count != 1 {
                return Err(io::Error::other(format!(
                    "mutant {}: {count} places in {file} read {from:?}; one has to",
                    mutant.name
                )));
            }
            files.insert(file, text.replace(from, to));
        }
    }
    let mut parser = fs::read_to_string(root.join(PARSER))?;
    parser.push_str(QUESTION);
    files.insert(PARSER, parser);
    Ok(files)
}

/// Copies the tracked files of the repository at `root`, with the mutants in.
fn copy(root: &Path, copy: &Path) -> io::Result<()> {
    let mut changed = applied(root)?;
    let listing = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()?;
    for name in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
        let (from, to) = (root.join(name), copy.join(name));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = match changed.remove(name) {
            Some(text) => text.into_bytes(),
            None => match fs::read(&from) {
                Ok(text) => text,
                Err(_) => continue,
            },
        };
        // What is not changed keeps its time, so that it isn't built again.
        if fs::read(&to).ok().as_ref() != Some(&text) {
            fs::write(to, text)?;
        }
    }
    Ok(())
}

/// Runs all mutants of the repository at `root`; returns the report, and the names of the mutants
/// that no row noticed.
///
/// # Errors
/// The system's, a change that doesn't fit, a build that fails.
pub fn run(root: &Path) -> io::Result<(String, Vec<&'static str>)> {
    let tree = root.join("target/mutants/tree");
    copy(root, &tree)?;
    let target = root.join("target/mutants/build");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "-p", "bucle-cli"])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", "-A warnings")
        .current_dir(&tree)
        .status()?;
    if !built.success() {
        return Err(io::Error::other("the tree with the mutants is not built"));
    }
    let binary = target.join("debug/bucle");
    let folder = root.join("target/mutants/site");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    crate::site::make(&folder)?;
    report(&binary, &folder)
}

fn report(binary: &Path, folder: &Path) -> io::Result<(String, Vec<&'static str>)> {
    let mut out = String::from(
        "Each check is taken away alone, and all rows are played in one piece; these fail.\n\n",
    );
    let mut noticed = BTreeSet::new();
    let mut survivors = Vec::new();
    let none = failing(binary, folder, "")?;
    if !none.is_empty() {
        return Err(io::Error::other(format!(
            "rows fail without a mutant: {none:?}"
        )));
    }
    for mutant in all() {
        let failed = failing(binary, folder, mutant.name)?;
        if failed.is_empty() {
            survivors.push(mutant.name);
        }
        let rows: Vec<_> = failed.iter().copied().collect();
        let _ = writeln!(out, "{}: {} rows", mutant.name, rows.len());
        let _ = writeln!(out, "    {}", rows.join(" "));
        noticed.extend(failed);
    }
    let cases = table::cases();
    let alone: Vec<_> = cases
        .iter()
        .filter(|case| !noticed.contains(case.id))
        .map(|case| case.id)
        .collect();
    let refusing = |id: &&&str| {
        cases
            .iter()
            .any(|case| case.id == **id && case.fate == Fate::Closed)
    };
    let survivors_named = match survivors[..] {
        [] => String::new(),
        _ => format!(": {}", survivors.join(" ")),
    };
    let _ = write!(
        out,
        "\n{} mutants, {} of them noticed by no row{}\n\
         {} rows, {} of them failed by no mutant, of which {} refuse something:\n    {}\n",
        all().count(),
        survivors.len(),
        survivors_named,
        cases.len(),
        alone.len(),
        alone.iter().filter(refusing).count(),
        alone.join(" ")
    );
    Ok((out, survivors))
}

/// The rows that fail with this mutant.
fn failing(binary: &Path, folder: &Path, mutant: &str) -> io::Result<BTreeSet<&'static str>> {
    let mut command = Command::new(binary);
    command.env("BUCLE_MUTANT", mutant).stderr(Stdio::null());
    let serving = Serving::start(command, folder)?;
    let (_, failures) = play(&table::cases(), Cuts::Whole, serving.address, PATIENCE)?;
    Ok(failures.iter().map(|failure| failure.id).collect())
}

/// The root of the repository, as cargo says at the time of running.
pub fn repository() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let package = package.unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_fits_the_source() {
        applied(&repository()).unwrap();
    }
}
