//! How files are cut and named.

use super::source::{Code, words};
use super::tree::File;
use super::{Finding, Tree};

/// A file that is longer holds more than one thing.
pub(super) const LONGEST: usize = 800;

/// The functions whose name in asyncio (`get_mut`: in the standard library) begins with `get_`, as ours does.
const GET: [&str; 20] = [
    "get_buffer",
    "get_context",
    "get_coro",
    "get_current_task",
    "get_debug",
    "get_event_loop",
    "get_exception_handler",
    "get_extra_info",
    "get_loop",
    "get_mut",
    "get_name",
    "get_blocking",
    "get_nowait",
    "get_pid",
    "get_pipe_transport",
    "get_protocol",
    "get_returncode",
    "get_running_loop",
    "get_write_buffer_limits",
    "get_write_buffer_size",
];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "util.rs", "helpers.rs", "misc.rs", "common.rs"];

/// What a pure state machine has no use for.
const IMPURE: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.rust("") {
        check_length(file, findings);
        check_name(file, findings);
        check_get(file, findings);
        check_test_binary(file, findings);
    }
    for file in tree.rust("crates/bucle-http/src/") {
        check_pure(file, findings);
    }
    for prefix in [
        "crates/bucle-loop/src/selector/",
        "crates/bucle-loop/src/timers.rs",
    ] {
        for file in tree.rust(prefix) {
            check_knows_no_task(file, findings);
        }
    }
}

fn check_length(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > LONGEST && !file.is_test() {
        findings.push(Finding::new(
            &file.path,
            lines,
            format!("{lines} lines, over {LONGEST}; cut the file where its concerns part"),
        ));
    }
}

fn check_name(file: &File, findings: &mut Vec<Finding>) {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    if EMPTY_NAMES.contains(&name) {
        findings.push(Finding::new(
            &file.path,
            1,
            "the name says nothing; name the file after what it holds, in the field's words",
        ));
    }
}

fn check_get(file: &File, findings: &mut Vec<Finding>) {
    if !file.path.starts_with("crates/") || file.is_test() {
        return;
    }
    let code = Code::of(&file.text);
    for at in code.words("fn") {
        let name: String = code.as_str()[at + 2..]
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if name.starts_with("get_") && !GET.contains(&name.as_str()) {
            let short = &name["get_".len()..];
            findings.push(Finding::new(
                &file.path,
                code.line_of(at),
                format!("`{name}` is not asyncio's name; call it `{short}`"),
            ));
        }
    }
}

fn check_test_binary(file: &File, findings: &mut Vec<Finding>) {
    let mut parts = file.path.split('/');
    if parts.next() != Some("crates") {
        return;
    }
    let (package, folder, name) = (parts.next(), parts.next(), parts.next());
    if let (Some(package), Some("tests"), Some(name)) = (package, folder, name)
        && name.ends_with(".rs")
    {
        findings.push(Finding::new(
            &file.path,
            1,
            format!(
                "a test binary of its own; make it a module of crates/{package}/tests/it/main.rs"
            ),
        ));
    }
}

fn check_pure(file: &File, findings: &mut Vec<Finding>) {
    if file.is_test() {
        return;
    }
    let code = Code::of(&file.text);
    let tests = code.tests_begin().unwrap_or(usize::MAX);
    for name in IMPURE {
        for at in code.words(name) {
            let line = code.line_of(at);
            // Addresses are values.
            let after = &code.as_str()[at + name.len()..];
            let address = name == "std::net" && after.starts_with("::Ip");
            if line < tests && !address {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!(
                        "bucle-http names `{name}`, but it does no I/O and has no clock; let the \
                         caller pass in what is needed"
                    ),
                ));
            }
        }
    }
}

fn check_knows_no_task(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in file.lines() {
        let is_use = line.trim_start().starts_with("use ") || line.contains("crate::task");
        // The standard library's module of that name has the waker.
        let line = &line.replace("std::task", "");
        if is_use && !line.trim_start().starts_with("//") && words(line, "task").next().is_some() {
            findings.push(Finding::new(
                &file.path,
                number,
                "selectors and timers know nothing of tasks; go through a handle or a waker",
            ));
        }
    }
}
