//! Where `unsafe` may stand, and that each one has its argument right above.
//!
//! clippy's `undocumented_unsafe_blocks` asks for a comment over blocks and impls. This asks for
//! `unsafe fn` and traits too (`# Safety` in their docs), wants words behind the colon, and holds
//! `unsafe` to its places.

use super::source::Code;
use super::tree::File;
use super::{Finding, Tree};

/// The only homes of `unsafe`: the system's, the task cell's, and the executor that the benchmark takes for the floor.
const HOMES: [&str; 4] = [
    "crates/bucle-sys/src/",
    "crates/bucle-loop/src/task/cell.rs",
    "crates/bucle-loop/src/task/cell/",
    "bench/runtimes/src/peers/floor.rs",
];

/// How many lines a statement may have above the line of its `unsafe`.
const STATEMENT: usize = 8;

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.rust("") {
        let code = Code::of(&file.text);
        for at in code.words("unsafe") {
            check_one(file, &code, at, findings);
        }
        check_allow(file, &code, findings);
    }
    for file in tree.rust("crates/") {
        check_root(file, findings);
    }
}

/// What an `unsafe` begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Impl,
    Trait,
    Function,
    /// `extern { ... }`, or an attribute such as `#[unsafe(no_mangle)]`.
    Promise,
    /// `unsafe fn(...)`, the type of a pointer: whoever calls it argues.
    PointerType,
}

impl Kind {
    fn of(after: &str) -> Kind {
        let after = after.trim_start();
        let function = after.strip_prefix("extern").map_or(after, str::trim_start);
        if let Some(rest) = function.strip_prefix("fn") {
            return if rest.trim_start().starts_with('(') {
                Kind::PointerType
            } else {
                Kind::Function
            };
        }
        if after.starts_with("impl") {
            Kind::Impl
        } else if after.starts_with("trait") {
            Kind::Trait
        } else if after.starts_with('{') {
            Kind::Block
        } else {
            Kind::Promise
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Block => "an `unsafe` block",
            Kind::Impl => "an `unsafe impl`",
            Kind::Trait => "an `unsafe trait`",
            Kind::Function => "an `unsafe fn`",
            Kind::Promise => "an `unsafe` extern block or attribute",
            Kind::PointerType => "an `unsafe fn` pointer",
        }
    }

    /// What the argument begins with.
    fn heading(self) -> &'static str {
        match self {
            Kind::Trait | Kind::Function => "# Safety",
            _ => "SAFETY:",
        }
    }
}

fn check_one(file: &File, code: &Code, at: usize, findings: &mut Vec<Finding>) {
    let line = code.line_of(at);
    let kind = Kind::of(&code.as_str()[at + "unsafe".len()..]);
    if !HOMES.iter().any(|home| file.path.starts_with(home)) {
        findings.push(Finding::new(
            &file.path,
            line,
            format!(
                "{} outside the homes of `unsafe` ({}); write it safely, or move it behind a safe \
                 function there",
                kind.name(),
                HOMES.join(", ")
            ),
        ));
    }
    if kind == Kind::PointerType {
        return;
    }
    let heading = kind.heading();
    let argued = comment_above(&file.text, code, line)
        .is_some_and(|comment| argues(&comment, heading) || argues(&comment, "SAFETY:"));
    if !argued {
        findings.push(Finding::new(
            &file.path,
            line,
            format!(
                "{} without its argument; right above it, a comment with `{heading}` must say why \
                 it is sound",
                kind.name()
            ),
        ));
    }
}

/// Whether `comment` has `heading` with words after it.
fn argues(comment: &str, heading: &str) -> bool {
    comment
        .split_once(heading)
        .is_some_and(|(_, argument)| argument.split_whitespace().count() >= 2)
}

/// The comment that stands right above the statement or item that `line` belongs to, its lines
/// joined.
fn comment_above(text: &str, code: &Code, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut above = line - 1;
    for _ in 0..STATEMENT {
        if above == 0 {
            return None;
        }
        let here = lines[above - 1];
        if here.starts_with("//") {
            return Some(comment_ending_at(&lines, above));
        }
        let code = code.line(above).trim();
        let attribute = here.starts_with("#[") || here.ends_with(")]");
        if !attribute && (code.is_empty() || code.ends_with([';', '{', '}', ','])) {
            return None;
        }
        above -= 1;
    }
    None
}

fn comment_ending_at(lines: &[&str], last: usize) -> String {
    let first = lines[..last]
        .iter()
        .rposition(|line| !line.starts_with("//"))
        .map_or(0, |at| at + 1);
    lines[first..last]
        .iter()
        .map(|line| line.trim_start_matches(['/', '!']))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `allow(unsafe_code)` opens a home, so it may stand in one only.
fn check_allow(file: &File, code: &Code, findings: &mut Vec<Finding>) {
    if HOMES.iter().any(|home| file.path.starts_with(home)) {
        return;
    }
    for at in code.words("unsafe_code") {
        let line = code.line_of(at);
        if code.line(line).contains("allow(") {
            findings.push(Finding::new(
                &file.path,
                line,
                "`allow(unsafe_code)` outside the homes of `unsafe`; take it away",
            ));
        }
    }
}

/// Every crate says by itself what it allows.
fn check_root(file: &File, findings: &mut Vec<Finding>) {
    let Some((package, rest)) = file
        .path
        .strip_prefix("crates/")
        .and_then(|path| path.split_once('/'))
    else {
        return;
    };
    let is_root = rest == "src/lib.rs" || rest == "src/main.rs" || rest.starts_with("src/bin/");
    let wanted = match package {
        "bucle-sys" => return,
        "bucle-loop" => "#![deny(unsafe_code)]",
        _ => "#![forbid(unsafe_code)]",
    };
    if is_root && !file.text.contains(wanted) {
        findings.push(Finding::new(
            &file.path,
            1,
            format!("the crate does not say `{wanted}`; add it below the docs of the crate"),
        ));
    }
}
