//! What stands in the manifests: the direction of dependencies between the crates, what is kept out,
//! what every package says about itself, and that every example is known and tested.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::File;
use super::{Finding, Tree};

/// Which crate of this workspace may depend on which: `sys <- loop <- net <- server <- bucle <- cli`,
/// `loop <- pool <- bucle`, `http <- server`, `macros <- bucle`. A crate may name what lies further
/// down its own chain.
const EDGES: [(&str, &[&str]); 9] = [
    ("bucle-sys", &[]),
    ("bucle-loop", &["bucle-sys"]),
    ("bucle-net", &["bucle-loop", "bucle-sys"]),
    ("bucle-pool", &["bucle-loop", "bucle-sys"]),
    ("bucle-http", &[]),
    (
        "bucle-server",
        &["bucle-http", "bucle-net", "bucle-loop", "bucle-sys"],
    ),
    ("bucle-macros", &[]),
    (
        "bucle",
        &[
            "bucle-server",
            "bucle-http",
            "bucle-net",
            "bucle-pool",
            "bucle-loop",
            "bucle-macros",
        ],
    ),
    // `bucle serve` stands on the façade alone. `bucle bench` measures the system itself, and is a client of HTTP.
    ("bucle-cli", &["bucle", "bucle-http", "bucle-sys"]),
];

/// What tests may depend on besides.
const TEST_EDGES: [(&str, &[&str]); 1] = [
    // The pool's tests are of functions with the attribute.
    ("bucle-pool", &["bucle-macros"]),
];

/// What no manifest here names, and what to use instead.
const KEPT_OUT: [(&str, &str); 9] = [
    ("async-std", "this project is a runtime itself"),
    ("atty", "use std's `IsTerminal`"),
    ("bincode", "it is not maintained; use `postcard`"),
    ("fxhash", "it is not maintained; use std's hasher, or none"),
    ("generational-arena", "it is not maintained; use `slab`"),
    ("instant", "use std's `Instant`"),
    ("lazy_static", "use std's `LazyLock`"),
    ("paste", "it is not maintained; write the names out"),
    ("rustls-pemfile", "use `pki_types::pem::PemObject`"),
];

/// Runtimes and what stands on one: oracles in tests and benchmarks, never below a library.
const RUNTIMES: [&str; 12] = [
    "async-executor",
    "async-global-executor",
    "async-io",
    "async-task",
    "compio",
    "embassy-executor",
    "glommio",
    "hyper",
    "monoio",
    "polling",
    "smol",
    "tokio",
];

const EXAMPLES_MANIFEST: &str = "crates/bucle/Cargo.toml";
const EXAMPLES_TEST: &str = "crates/bucle/tests/it/examples.rs";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let manifests = tree
        .files()
        .filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"));
    for file in manifests {
        let manifest = match Manifest::parse(file) {
            Ok(manifest) => manifest,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        check_kept_out(&manifest, findings);
        if file.path == "Cargo.toml" {
            check_workspace(tree, &manifest, findings);
        }
        match file.path.split('/').collect::<Vec<_>>()[..] {
            ["crates", folder, _] => {
                check_package(folder, &manifest, findings);
                check_edges(folder, &manifest, findings);
                check_runtimes(&manifest, findings);
                check_from_workspace(&manifest, findings);
            }
            ["xtask", _] => check_package("xtask", &manifest, findings),
            _ => {}
        }
        if file.path == EXAMPLES_MANIFEST {
            check_examples(tree, &manifest, findings);
        }
    }
}

/// A manifest, parsed.
struct Manifest<'a> {
    file: &'a File,
    root: DeTable<'a>,
}

/// One dependency, as written.
struct Dependency<'m, 'a> {
    /// The package, whatever it is renamed to.
    package: &'m str,
    value: &'m DeValue<'a>,
    line: usize,
    for_tests: bool,
}

impl<'a> Manifest<'a> {
    fn parse(file: &'a File) -> Result<Manifest<'a>, Finding> {
        match DeTable::parse(&file.text) {
            Ok(root) => Ok(Manifest {
                file,
                root: root.into_inner(),
            }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let message = format!("not TOML: {}", error.message());
                Err(Finding::new(&file.path, line_of(&file.text, at), message))
            }
        }
    }

    fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding::new(&self.file.path, line, message)
    }

    fn line_of<T>(&self, spanned: &Spanned<T>) -> usize {
        line_of(&self.file.text, spanned.span().start)
    }

    /// The value at a path of keys.
    fn at(&self, path: &[&str]) -> Option<&Spanned<DeValue<'a>>> {
        let (first, rest) = path.split_first()?;
        let mut value = self.root.get(*first)?;
        for key in rest {
            value = value.get_ref().get(*key)?;
        }
        Some(value)
    }

    fn is_true(&self, path: &[&str]) -> bool {
        self.at(path)
            .is_some_and(|value| value.get_ref().as_bool() == Some(true))
    }

    /// Every dependency of every kind, those of single targets and of the workspace too.
    fn dependencies(&self) -> Vec<Dependency<'_, 'a>> {
        let mut tables = vec![
            (self.at(&["dependencies"]), false),
            (self.at(&["build-dependencies"]), false),
            (self.at(&["dev-dependencies"]), true),
            (self.at(&["workspace", "dependencies"]), true),
        ];
        let targets = self.at(&["target"]).and_then(|t| t.get_ref().as_table());
        for target in targets.into_iter().flat_map(|targets| targets.values()) {
            let target = target.get_ref();
            tables.push((target.get("dependencies"), false));
            tables.push((target.get("build-dependencies"), false));
            tables.push((target.get("dev-dependencies"), true));
        }
        let mut found = Vec::new();
        for (table, for_tests) in tables {
            let Some(table) = table.and_then(|value| value.get_ref().as_table()) else {
                continue;
            };
            for (name, value) in table {
                let renamed = value.get_ref().get("package");
                found.push(Dependency {
                    package: renamed
                        .and_then(|value| value.get_ref().as_str())
                        .unwrap_or(name.get_ref()),
                    value: value.get_ref(),
                    line: self.line_of(name),
                    for_tests,
                });
            }
        }
        found
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn check_kept_out(manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    for dependency in manifest.dependencies() {
        let kept_out = KEPT_OUT
            .iter()
            .find(|(name, _)| *name == dependency.package);
        if let Some((name, instead)) = kept_out {
            let message = format!("`{name}` is kept out: {instead}");
            findings.push(manifest.finding(dependency.line, message));
        }
        let default_features = dependency.value.get("default-features");
        let inherited = dependency.value.get("workspace").is_some();
        if dependency.package == "postcard"
            && !inherited
            && default_features.and_then(|value| value.get_ref().as_bool()) != Some(false)
        {
            let message = "`postcard` with its default features; say `default-features = false`";
            findings.push(manifest.finding(dependency.line, message));
        }
    }
}

/// The minimum Rust version is stated, and stated alike to people.
fn check_workspace(tree: &Tree, manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    let version = manifest.at(&["workspace", "package", "rust-version"]);
    let Some(version) = version.and_then(|value| value.get_ref().as_str()) else {
        let message = "no `rust-version` in [workspace.package]; state the oldest Rust that works";
        findings.push(manifest.finding(1, message));
        return;
    };
    if let Some(readme) = tree.file("README.md")
        && !readme.text.contains(&format!("Rust {version}"))
    {
        findings.push(Finding::new(
            &readme.path,
            1,
            format!("the README does not say `Rust {version}`, the oldest that works"),
        ));
    }
}

fn check_package(folder: &str, manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    let mut add = |line, message: String| findings.push(manifest.finding(line, message));
    let Some(package) = manifest.at(&["package"]) else {
        return add(1, "no [package]".into());
    };
    let line = manifest.line_of(package);
    let text = |key| {
        manifest
            .at(&["package", key])
            .and_then(|value| value.get_ref().as_str())
    };
    if text("name") != Some(folder) {
        add(
            line,
            format!("the package is not named after its folder; say `name = \"{folder}\"`"),
        );
    }
    if text("description").is_none_or(|text| text.trim().is_empty()) {
        add(line, "no `description`; say in one line what it is".into());
    }
    for key in ["version", "edition", "rust-version", "license"] {
        if !manifest.is_true(&["package", key, "workspace"]) {
            add(line, format!("say `{key}.workspace = true`"));
        }
    }
    if !manifest.is_true(&["lints", "workspace"]) {
        add(
            line,
            "the lints of the workspace do not hold here; add `[lints]` with `workspace = true`"
                .into(),
        );
    }
}

fn check_edges(crate_name: &str, manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    let edges_of = |table: &[(&str, &'static [&'static str])]| {
        table
            .iter()
            .find(|(name, _)| *name == crate_name)
            .map(|(_, edges)| *edges)
    };
    let Some(allowed) = edges_of(&EDGES) else {
        let message = format!(
            "the crate `{crate_name}` is not in the table of crates; add it to EDGES in \
             xtask/src/tidy/dependencies.rs, with what it may depend on"
        );
        findings.push(manifest.finding(1, message));
        return;
    };
    let for_tests = edges_of(&TEST_EDGES).unwrap_or(&[]);
    for dependency in manifest.dependencies() {
        let name = dependency.package;
        let ours = EDGES.iter().any(|(ours, _)| *ours == name) || name.starts_with("bucle-");
        let may = allowed.contains(&name) || dependency.for_tests && for_tests.contains(&name);
        if ours && !may {
            let list = if allowed.is_empty() {
                "on no crate of this workspace".to_string()
            } else {
                format!("on {} only", allowed.join(", "))
            };
            let message = format!("`{crate_name}` depends on `{name}`; it may depend {list}");
            findings.push(manifest.finding(dependency.line, message));
        }
    }
}

fn check_runtimes(manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    for dependency in manifest.dependencies() {
        if RUNTIMES.contains(&dependency.package) && !dependency.for_tests {
            let message = format!(
                "`{}` is another runtime's; it may be an oracle in [dev-dependencies], no more",
                dependency.package
            );
            findings.push(manifest.finding(dependency.line, message));
        }
    }
}

/// Versions and features are decided once.
fn check_from_workspace(manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    for dependency in manifest.dependencies() {
        let inherited = dependency.value.get("workspace");
        if inherited.and_then(|value| value.get_ref().as_bool()) != Some(true) {
            let message = format!(
                "`{}` has a version of its own; name it in [workspace.dependencies] and say \
                 `workspace = true`",
                dependency.package
            );
            findings.push(manifest.finding(dependency.line, message));
        }
    }
}

fn check_examples(tree: &Tree, manifest: &Manifest<'_>, findings: &mut Vec<Finding>) {
    let mut declared = Vec::new();
    let examples = manifest.at(&["example"]);
    for example in examples.into_iter().flat_map(|list| match list.get_ref() {
        DeValue::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    }) {
        let text = |key| {
            example
                .get_ref()
                .get(key)
                .and_then(|value| value.get_ref().as_str())
        };
        let (Some(name), Some(path)) = (text("name"), text("path")) else {
            let message = "an example without `name` or `path`; give both";
            findings.push(manifest.finding(manifest.line_of(example), message));
            continue;
        };
        if path != format!("../../examples/{name}.rs") {
            let message = format!("the path of example `{name}` is not ../../examples/{name}.rs");
            findings.push(manifest.finding(manifest.line_of(example), message));
        }
        if !tree.has(&format!("examples/{name}.rs")) {
            let message = format!("there is no examples/{name}.rs");
            findings.push(manifest.finding(manifest.line_of(example), message));
        }
        declared.push(name);
    }
    let test = tree.file(EXAMPLES_TEST).map_or("", |file| &file.text);
    for file in tree.rust("examples/") {
        let name = &file.path["examples/".len()..file.path.len() - ".rs".len()];
        if name.contains('/') {
            continue;
        }
        if !declared.contains(&name) {
            let message = format!("not declared; add an [[example]] to {EXAMPLES_MANIFEST}");
            findings.push(Finding::new(&file.path, 1, message));
        }
        if !test.contains(&format!("\"{name}\"")) {
            let message = format!("no test runs it; add one to {EXAMPLES_TEST}");
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
}
