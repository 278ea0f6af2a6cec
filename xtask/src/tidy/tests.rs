//! Trees that break one rule each, and what is said of them.

use super::{Tree, check, layout, site, text};

/// What is said of a tree of these files, a line each.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    check(&Tree::of(files))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn assert_clean(files: &[(&str, &str)]) {
    assert_eq!(said(files), Vec::<String>::new());
}

/// Asserts that exactly one thing is said, that it names `place`, and that it holds `words`.
#[track_caller]
fn assert_said(files: &[(&str, &str)], place: &str, words: &str) {
    let said = said(files);
    assert!(
        said.len() == 1 && said[0].starts_with(&format!("{place}: ")) && said[0].contains(words),
        "wanted {place}: ...{words}..., but was told {said:#?}"
    );
}

/// The manifest of a package of this workspace, with what follows its own part.
fn package(name: &str, rest: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\ndescription = \"What it is\"\nversion.workspace = true\n\
         edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\n\
         [lints]\nworkspace = true\n\n{rest}"
    )
}

// The direction of dependencies.

#[test]
fn a_crate_may_depend_on_what_lies_below_it() {
    let net = package(
        "bucle-net",
        "[dependencies]\nbucle-loop.workspace = true\nbucle-sys = { workspace = true }\n",
    );
    assert_clean(&[("crates/bucle-net/Cargo.toml", &net)]);
}

#[test]
fn a_crate_may_not_depend_on_what_lies_above_it() {
    let looped = package(
        "bucle-loop",
        "[dependencies]\nbucle-sys.workspace = true\nbucle-net.workspace = true\n",
    );
    assert_said(
        &[("crates/bucle-loop/Cargo.toml", &looped)],
        "crates/bucle-loop/Cargo.toml:14",
        "`bucle-loop` depends on `bucle-net`; it may depend on bucle-sys only",
    );
}

#[test]
fn the_parser_knows_no_crate_of_ours_not_even_in_its_tests() {
    for table in [
        "[dev-dependencies]",
        "[build-dependencies]",
        "[target.'cfg(unix)'.dependencies]",
    ] {
        let http = package(
            "bucle-http",
            &format!("{table}\nbucle-loop.workspace = true\n"),
        );
        assert_said(
            &[("crates/bucle-http/Cargo.toml", &http)],
            "crates/bucle-http/Cargo.toml:13",
            "on no crate of this workspace",
        );
    }
}

#[test]
fn a_renamed_dependency_is_known_by_its_package() {
    let http = package(
        "bucle-http",
        "[dependencies]\nevents = { package = \"bucle-loop\", workspace = true }\n",
    );
    assert_said(
        &[("crates/bucle-http/Cargo.toml", &http)],
        "crates/bucle-http/Cargo.toml:13",
        "depends on `bucle-loop`",
    );
}

#[test]
fn tests_may_have_edges_of_their_own() {
    let tests = package(
        "bucle-pool",
        "[dev-dependencies]\nbucle-macros.workspace = true\n",
    );
    assert_clean(&[("crates/bucle-pool/Cargo.toml", &tests)]);
    let code = package(
        "bucle-pool",
        "[dependencies]\nbucle-macros.workspace = true\n",
    );
    assert_said(
        &[("crates/bucle-pool/Cargo.toml", &code)],
        "crates/bucle-pool/Cargo.toml:13",
        "depends on `bucle-macros`",
    );
}

#[test]
fn a_new_crate_is_entered_in_the_table_first() {
    let manifest = package("bucle-dns", "");
    assert_said(
        &[("crates/bucle-dns/Cargo.toml", &manifest)],
        "crates/bucle-dns/Cargo.toml:1",
        "not in the table of crates",
    );
}

// What is kept out.

#[test]
fn what_is_kept_out_is_named_with_its_substitute() {
    let root = "[workspace.package]\nrust-version = \"1.95\"\n[workspace.dependencies]\n\
                bincode = \"1\"\npostcard = \"1\"\n";
    assert_eq!(
        said(&[("Cargo.toml", root)]),
        [
            "Cargo.toml:4: `bincode` is kept out: it is not maintained; use `postcard`",
            "Cargo.toml:5: `postcard` with its default features; say `default-features = false`",
        ]
    );
    assert_said(
        &[("bench/Cargo.toml", "[dependencies]\natty = \"0.2\"\n")],
        "bench/Cargo.toml:2",
        "`atty` is kept out: use std's `IsTerminal`",
    );
    let good = "[workspace.package]\nrust-version = \"1.95\"\n[workspace.dependencies]\n\
                postcard = { version = \"1\", default-features = false }\n";
    assert_clean(&[("Cargo.toml", good)]);
}

#[test]
fn another_runtime_is_an_oracle_or_nothing() {
    let oracle = package("bucle-net", "[dev-dependencies]\ntokio.workspace = true\n");
    assert_clean(&[("crates/bucle-net/Cargo.toml", &oracle)]);
    let below = package("bucle-net", "[dependencies]\ntokio.workspace = true\n");
    assert_said(
        &[("crates/bucle-net/Cargo.toml", &below)],
        "crates/bucle-net/Cargo.toml:13",
        "`tokio` is another runtime's",
    );
}

// What a package says about itself.

#[test]
fn versions_are_decided_in_the_workspace() {
    let manifest = package("bucle-http", "[dependencies]\nmemchr = \"2\"\n");
    assert_said(
        &[("crates/bucle-http/Cargo.toml", &manifest)],
        "crates/bucle-http/Cargo.toml:13",
        "`memchr` has a version of its own",
    );
}

#[test]
fn a_package_says_all_there_is_to_say() {
    let bare = "[package]\nname = \"http\"\nversion = \"0.1.0\"\nedition.workspace = true\n";
    let said = said(&[("crates/bucle-http/Cargo.toml", bare)]);
    for wanted in [
        "say `name = \"bucle-http\"`",
        "no `description`",
        "say `version.workspace = true`",
        "say `rust-version.workspace = true`",
        "say `license.workspace = true`",
        "add `[lints]`",
    ] {
        assert!(
            said.iter().any(|line| line.contains(wanted)),
            "{wanted} is missing in {said:#?}"
        );
    }
    assert_eq!(said.len(), 6);
}

#[test]
fn what_is_no_manifest_is_said_to_be_none() {
    assert_said(
        &[("crates/bucle/Cargo.toml", "[package]\nname =\n")],
        "crates/bucle/Cargo.toml:2",
        "not TOML",
    );
}

#[test]
fn the_minimum_rust_version_is_stated_to_people_too() {
    let root = "[workspace.package]\nrust-version = \"1.95\"\n";
    assert_clean(&[("Cargo.toml", root), ("README.md", "Rust 1.95 or newer.\n")]);
    assert_said(
        &[("Cargo.toml", root), ("README.md", "Rust 1.94 or newer.\n")],
        "README.md:1",
        "`Rust 1.95`",
    );
    assert_said(
        &[("Cargo.toml", "[workspace]\nmembers = []\n")],
        "Cargo.toml:1",
        "no `rust-version`",
    );
}

#[test]
fn an_example_is_declared_and_tested() {
    let declared = package(
        "bucle",
        "[[example]]\nname = \"01_hello\"\npath = \"../../examples/01_hello.rs\"\n",
    );
    let example = ("examples/01_hello.rs", "fn main() {}\n");
    let test = (
        "crates/bucle/tests/it/examples.rs",
        "#[test] fn hello() { run(\"01_hello\"); }\n",
    );
    let manifest = ("crates/bucle/Cargo.toml", declared.as_str());
    assert_clean(&[manifest, example, test]);
    assert_said(
        &[manifest, example],
        "examples/01_hello.rs:1",
        "no test runs it",
    );
    assert_said(
        &[manifest, test],
        "crates/bucle/Cargo.toml:12",
        "there is no examples/01_hello.rs",
    );
    let undeclared = package("bucle", "");
    assert_said(
        &[("crates/bucle/Cargo.toml", &undeclared), example, test],
        "examples/01_hello.rs:1",
        "not declared",
    );
}

// Unsafe code.

#[test]
fn unsafe_with_its_argument_at_home() {
    assert_clean(&[(
        "crates/bucle-sys/src/epoll.rs",
        "\
fn f(events: &mut Vec<Event>) {
    // SAFETY: the kernel wrote `count` events, the first ones.
    unsafe { events.set_len(count) };
    // SAFETY: the buffer is as long as said, and nobody else has it.
    let a_name_that_is_so_long_that_the_call_has_no_room_beside_it =
        unsafe { raw(events) };
}

/// Frees it.
///
/// # Safety
/// Nobody may have it any more.
#[inline]
unsafe fn free(ptr: *mut u8) {}

// SAFETY: it holds no pointer of the thread it was made on.
unsafe impl Send for Event {}

type Free = unsafe fn(*mut u8);
",
    )]);
}

#[test]
fn unsafe_without_its_argument() {
    let file = |code: &'static str| [("crates/bucle-sys/src/epoll.rs", code)];
    let place = "crates/bucle-sys/src/epoll.rs";
    assert_said(
        &file("fn f() {\n    unsafe { g() };\n}\n"),
        &format!("{place}:2"),
        "an `unsafe` block without its argument",
    );
    assert_said(
        &file("// SAFETY: this one has.\nunsafe impl Send for A {}\nunsafe impl Sync for A {}\n"),
        &format!("{place}:3"),
        "an `unsafe impl` without its argument",
    );
    assert_said(
        &file("/// Does it.\nunsafe fn g() {}\n"),
        &format!("{place}:2"),
        "a comment with `# Safety`",
    );
    // A heading without words argues nothing.
    assert_said(
        &file("fn f() {\n    // SAFETY: fine\n    unsafe { g() };\n}\n"),
        &format!("{place}:3"),
        "an `unsafe` block without its argument",
    );
    // An argument that belongs to the statement before.
    assert_said(
        &file(
            "fn f() {\n    // SAFETY: this one is.\n    unsafe { g() };\n\n    unsafe { g() };\n}\n",
        ),
        &format!("{place}:5"),
        "an `unsafe` block without its argument",
    );
    assert_said(
        &file("#[unsafe(no_mangle)]\nfn f() {}\n"),
        &format!("{place}:1"),
        "attribute without its argument",
    );
}

#[test]
fn unsafe_away_from_home() {
    assert_said(
        &[(
            "crates/bucle-net/src/socket.rs",
            "// SAFETY: argued or not, it is not here.\nunsafe impl Send for A {}\n",
        )],
        "crates/bucle-net/src/socket.rs:2",
        "outside the homes of `unsafe`",
    );
    assert_said(
        &[("crates/bucle-loop/src/ready.rs", "#![allow(unsafe_code)]\n")],
        "crates/bucle-loop/src/ready.rs:1",
        "`allow(unsafe_code)` outside",
    );
    assert_clean(&[(
        "crates/bucle-net/src/socket.rs",
        "//! There is no unsafe code here.\nconst WORD: &str = \"unsafe\";\n",
    )]);
}

#[test]
fn a_crate_forbids_unsafe_at_its_root() {
    assert_said(
        &[("crates/bucle-net/src/lib.rs", "//! The network.\n")],
        "crates/bucle-net/src/lib.rs:1",
        "#![forbid(unsafe_code)]",
    );
    assert_said(
        &[("crates/bucle-loop/src/lib.rs", "//! The loop.\n")],
        "crates/bucle-loop/src/lib.rs:1",
        "#![deny(unsafe_code)]",
    );
    assert_clean(&[
        ("crates/bucle-sys/src/lib.rs", "//! The system.\n"),
        (
            "crates/bucle-net/src/lib.rs",
            "//! The network.\n#![forbid(unsafe_code)]\n",
        ),
    ]);
}

// Files and names.

#[test]
fn a_file_may_be_as_long_as_the_limit_and_no_longer() {
    let lines = |count| "fn f() {}\n".repeat(count);
    let at_limit = lines(layout::LONGEST);
    let over = lines(layout::LONGEST + 1);
    assert_clean(&[("crates/bucle-net/src/tcp.rs", &at_limit)]);
    assert_said(
        &[("crates/bucle-net/src/tcp.rs", &over)],
        "crates/bucle-net/src/tcp.rs:801",
        "801 lines, over 800",
    );
    assert_clean(&[("crates/bucle-net/src/tcp/tests.rs", &over)]);
}

#[test]
fn names_say_something() {
    assert_said(
        &[("crates/bucle-net/src/utils.rs", "")],
        "crates/bucle-net/src/utils.rs:1",
        "says nothing",
    );
}

#[test]
fn get_is_for_names_of_asyncio() {
    assert_said(
        &[(
            "crates/bucle-net/src/tcp.rs",
            "fn get_extra_info() {}\n// fn get_none()\nfn get_port() {}\n",
        )],
        "crates/bucle-net/src/tcp.rs:3",
        "call it `port`",
    );
}

#[test]
fn one_test_binary_a_crate() {
    assert_clean(&[("crates/bucle-net/tests/it/streams.rs", "")]);
    assert_said(
        &[("crates/bucle-net/tests/streams.rs", "")],
        "crates/bucle-net/tests/streams.rs:1",
        "crates/bucle-net/tests/it/main.rs",
    );
}

#[test]
fn the_parser_is_pure() {
    let code = "\
//! No std::fs here.
use std::time::Instant;
use std::net::Ipv6Addr;

#[cfg(test)]
mod tests {
    use std::time::Duration;
}
";
    assert_said(
        &[("crates/bucle-http/src/limits.rs", code)],
        "crates/bucle-http/src/limits.rs:2",
        "bucle-http names `std::time`",
    );
}

#[test]
fn selectors_and_timers_know_no_tasks() {
    assert_said(
        &[(
            "crates/bucle-loop/src/selector/epoll.rs",
            "use crate::fds::Interest;\nuse crate::task::Task;\n",
        )],
        "crates/bucle-loop/src/selector/epoll.rs:2",
        "know nothing of tasks",
    );
}

// Texts.

#[test]
fn nothing_is_left_open() {
    for word in ["TODO", "FIXME", "XXX"] {
        assert_said(
            &[("docs/a.md", &format!("fine\n{word}: the rest\n"))],
            "docs/a.md:2",
            "is an open end",
        );
    }
    assert_clean(&[("docs/a.md", "XXXL and METODO are words.\n")]);
    assert_said(
        &[("docs/a.md", "fine\n>>>>>>> other\n")],
        "docs/a.md:2",
        "a merge was left in the middle",
    );
    for code in ["todo!()", "unimplemented!()", "dbg!(1)"] {
        assert_said(
            &[(
                "crates/bucle-net/src/tcp.rs",
                &format!("fn f() {{\n    {code}\n}}\n"),
            )],
            "crates/bucle-net/src/tcp.rs:2",
            "is an open end",
        );
    }
}

#[test]
fn a_test_is_ignored_only_if_another_starts_it() {
    let bare = "#[ignore]\nfn f() {}\n";
    let child = "#[ignore = \"a child of `stop`\"]\nfn f() {}\n";
    assert_said(
        &[("crates/bucle-net/tests/it/tcp.rs", bare)],
        "crates/bucle-net/tests/it/tcp.rs:1",
        "an ignored test",
    );
    assert_clean(&[("crates/bucle-net/tests/it/tcp.rs", child)]);
    assert_said(
        &[("crates/bucle-net/src/tcp.rs", child)],
        "crates/bucle-net/src/tcp.rs:1",
        "an ignored test",
    );
}

#[test]
fn paths_of_one_machine() {
    for (line, path) in [
        ("see /work/project/a.rs.", "/work/project/a.rs."),
        ("DIR=/root/.cargo", "/root/.cargo"),
        ("`/home/alice/site`", "/home/alice/site"),
        ("\"/Users/bob\"", "/Users/bob"),
    ] {
        assert_said(
            &[(".ci/run", &format!("{line}\n"))],
            ".ci/run:1",
            &format!("`{path}` exists on one machine only"),
        );
    }
    assert_clean(&[(
        "docs/a.md",
        "https://example.org/work/a, ./work/b, $HOME/root/, /home/user/site, /home/\n",
    )]);
}

#[test]
fn fixed_places_for_temporary_files() {
    let code = "const A: &str = \"/tmp/socket\";\n";
    assert_said(
        &[("crates/bucle-net/src/unix.rs", code)],
        "crates/bucle-net/src/unix.rs:1",
        "a fixed path in /tmp",
    );
    assert_clean(&[("crates/bucle-net/tests/it/unix.rs", code)]);
    let inside = format!("fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n    {code}}}\n");
    assert_clean(&[("crates/bucle-net/src/unix.rs", &inside)]);
}

#[test]
fn white_space() {
    assert_said(
        &[("a.css", "a {}\nb {} \n")],
        "a.css:2",
        "white space at the end of the line",
    );
    assert_said(&[("a.css", "a {}")], "a.css:1", "add a newline");
    assert_clean(&[("a.css", "")]);
    assert_clean(&[("fuzz/seeds/request/get", "GET / HTTP/1.1\r\n\r\n")]);
}

#[test]
fn prose_is_broken_into_lines() {
    let line = |length| "x".repeat(length) + "\n";
    assert_clean(&[("a.md", &line(text::LONGEST_PROSE))]);
    assert_said(
        &[("a.md", &line(text::LONGEST_PROSE + 1))],
        "a.md:1",
        "161 characters, over 160",
    );
    let row = format!("| {}", line(200));
    let code = format!("```\n{}```\n", line(200));
    assert_clean(&[("a.md", &row), ("b.md", &code)]);
}

#[test]
fn links_lead_somewhere() {
    let files = |link: &str| format!("see [this]({link}) and `[that](nowhere)`\n");
    for good in [
        "b.md",
        "b.md#part",
        "#part",
        "../README.md",
        "../docs/",
        "https://example.org/",
    ] {
        assert_clean(&[
            ("README.md", ""),
            ("docs/a.md", &files(good)),
            ("docs/b.md", ""),
        ]);
    }
    for bad in ["c.md", "../../b.md", "docs/b.md"] {
        assert_said(
            &[("docs/a.md", &files(bad)), ("docs/b.md", "")],
            "docs/a.md:1",
            "leads nowhere",
        );
    }
}

// The example site.

#[test]
fn a_fingerprint_belongs_to_its_content() {
    let name = |fingerprint| format!("examples/site/assets/style.{fingerprint}.css");
    let right = name(site::fingerprint("a {}\n"));
    assert_clean(&[(&right, "a {}\n")]);
    assert_said(
        &[(&right, "b {}\n")],
        &format!("{right}:1"),
        &format!("rename it to style.{}.css", site::fingerprint("b {}\n")),
    );
    assert_clean(&[("examples/site/logo.svg", "<svg/>\n")]);
}

#[test]
fn links_of_the_site_lead_to_files() {
    let page = "<a href=\"turn/\">, <a href=\"#main\">, <a href=\"https://example.org/\">\n\
                <img src=\"logo.svg\">\n";
    let home = ("examples/site/index.html", page);
    let turn = ("examples/site/turn/index.html", "<a href=\"../\">\n");
    let logo = ("examples/site/logo.svg", "<svg/>\n");
    assert_clean(&[home, turn, logo]);
    assert_said(
        &[home, turn],
        "examples/site/index.html:2",
        "`logo.svg` leads to no file",
    );
    assert_said(
        &[home, logo],
        "examples/site/index.html:1",
        "`turn/` leads to no file",
    );
}
