//! What no tracked text may hold: open ends, paths of somebody's machine, stray white space, links
//! to nowhere.

use super::source::{Code, words};
use super::tree::File;
use super::{Finding, Tree};

/// A line of prose in Markdown.
pub(super) const LONGEST_PROSE: usize = 160;

/// These rules name what they forbid.
const OWN: &str = "xtask/src/tidy/";

/// Input for machines, kept byte for byte.
const RAW: [&str; 2] = ["fuzz/seeds/", "fuzz/dict.txt"];

const OPEN_ENDS: [&str; 3] = ["TODO", "FIXME", "XXX"];
const OPEN_MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Where paths begin that exist on one machine only.
const MACHINE: [&str; 4] = ["/work/", "/root/", "/home/", "/Users/"];

/// Homes that stand for anybody's.
const ANYBODY: [&str; 3] = ["user", "www", "me"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.files() {
        if file.path.ends_with(".lock") || RAW.iter().any(|raw| file.path.starts_with(raw)) {
            continue;
        }
        check_white_space(file, findings);
        if file.path.starts_with(OWN) {
            continue;
        }
        check_open_ends(file, findings);
        check_machine_paths(file, findings);
        if file.is("rs") {
            check_open_code(file, findings);
        }
        if file.is("md") {
            check_prose(file, findings);
            check_links(tree, file, findings);
        }
    }
}

fn check_white_space(file: &File, findings: &mut Vec<Finding>) {
    let mut add = |line, message: &str| findings.push(Finding::new(&file.path, line, message));
    for (number, line) in file.lines() {
        if line.ends_with([' ', '\t', '\r']) {
            add(number, "white space at the end of the line; take it away");
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        add(
            file.text.lines().count(),
            "the last line has no end; add a newline",
        );
    }
}

fn check_open_ends(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in file.lines() {
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
            findings.push(Finding::new(
                &file.path,
                number,
                "a merge was left in the middle; keep what is right and take the marks away",
            ));
        }
        for word in OPEN_ENDS {
            if words(line, word).next().is_some() {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("`{word}` is an open end; finish it, or file an issue and say what is"),
                ));
            }
        }
    }
}

fn check_open_code(file: &File, findings: &mut Vec<Finding>) {
    let code = Code::of(&file.text);
    for name in OPEN_MACROS {
        let (word, _) = name.split_at(name.len() - 1);
        for at in code.words(word) {
            if code.as_str()[at + word.len()..].starts_with('!') {
                findings.push(Finding::new(
                    &file.path,
                    code.line_of(at),
                    format!("`{name}` is an open end; write what belongs there"),
                ));
            }
        }
    }
    for (at, _) in code.as_str().match_indices("#[ignore") {
        // A test that a test starts as a child process says so, and is no open end.
        let says_why = code.as_str()[at..].starts_with("#[ignore =");
        if !(file.is_test() && says_why) {
            findings.push(Finding::new(
                &file.path,
                code.line_of(at),
                "an ignored test; make it run, or, if another test starts it as a child process, \
                 say so: `#[ignore = \"...\"]`",
            ));
        }
    }
}

fn check_machine_paths(file: &File, findings: &mut Vec<Finding>) {
    let code = Code::of(&file.text);
    let tests = if file.is("rs") {
        code.tests_begin().unwrap_or(usize::MAX)
    } else {
        usize::MAX
    };
    for (number, line) in file.lines() {
        for prefix in MACHINE {
            if let Some(path) = machine_path(line, prefix) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("`{path}` exists on one machine only; name no such path"),
                ));
            }
        }
        let test = file.is_test() || number >= tests;
        if !test && begins_path(line, "/tmp/").next().is_some() {
            findings.push(Finding::new(
                &file.path,
                number,
                "a fixed path in /tmp is anybody's; use `tempfile`, `mktemp`, or an example of \
                 another place",
            ));
        }
    }
}

/// The first path of a machine in `line` that begins with `prefix`.
fn machine_path<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    begins_path(line, prefix).find(|path| {
        let owner = path[prefix.len()..].split('/').next().unwrap_or("");
        let names_owner = prefix == "/home/" || prefix == "/Users/";
        !names_owner || !(owner.is_empty() || ANYBODY.contains(&owner))
    })
}

/// Where an absolute path that begins with `prefix` stands, up to its end.
fn begins_path<'a>(line: &'a str, prefix: &str) -> impl Iterator<Item = &'a str> {
    let before = |c: char| c.is_alphanumeric() || "._-~/)}*".contains(c);
    let inside = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    line.match_indices(prefix)
        .filter(move |(at, _)| !line[..*at].ends_with(before))
        .map(move |(at, _)| {
            let path = &line[at..];
            &path[..path.find(|c| !inside(c)).unwrap_or(path.len())]
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// The lines of a Markdown file that are not inside a block of code.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn check_prose(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in prose(file) {
        let length = line.chars().count();
        // A row of a table can't be broken, nor can an address.
        let whole = line.trim_start().starts_with('|') || line.contains("://");
        if length > LONGEST_PROSE && !whole {
            findings.push(Finding::new(
                &file.path,
                number,
                format!("{length} characters, over {LONGEST_PROSE}; break the line"),
            ));
        }
    }
}

fn check_links(tree: &Tree, file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in prose(file) {
        for target in link_targets(line) {
            let path = target.split('#').next().unwrap_or("");
            if path.is_empty() || path.contains(':') {
                continue;
            }
            match resolve(&file.path, path) {
                Some(path) if tree.has(&path) => {}
                _ => findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("the link to `{target}` leads nowhere; nothing is tracked there"),
                )),
            }
        }
    }
}

/// What stands in `](...)`, code in back-ticks left out.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').step_by(2).flat_map(|part| {
        part.split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
    })
}

/// A link in the file `from`, as a path from the root; `None` if it leaves the repository.
pub(super) fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}
