//! The pages that compare asyncio with us, held to the facts: no name of asyncio's is forgotten, and no
//! test is named that is not there. That the items named exist is rustdoc's to say, as the first of
//! the pages is one of its pages too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The cells of each line of a table in a page.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    page.lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_name_of_asyncio_stands_in_the_table_once() {
    let names = read("docs/asyncio/names.txt");
    let names: Vec<&str> = names
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let page = read("docs/asyncio/README.md");
    let mut times = BTreeMap::new();
    for row in rows(&page) {
        for name in code(row[0]) {
            *times.entry(name).or_insert(0) += 1;
        }
    }
    let missing: Vec<_> = names.iter().filter(|it| !times.contains_key(*it)).collect();
    let known = BTreeSet::from_iter(&names);
    let unknown: Vec<_> = times.keys().filter(|it| !known.contains(it)).collect();
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    assert!(unknown.is_empty(), "not in names.txt: {unknown:?}");
    assert!(repeated.is_empty(), "more than once: {repeated:?}");
    assert_eq!(known.len(), names.len(), "names.txt repeats itself");
}

#[test]
fn every_row_says_what_it_is_here_or_why_not() {
    let page = read("docs/asyncio/README.md");
    for row in rows(&page).filter(|row| row[0] != "asyncio") {
        let here = row[1];
        let links = here.starts_with("[`") && here.ends_with("`]");
        let reasoned = here.starts_with("no, because ");
        assert!(links || reasoned, "{row:?}");
    }
}

/// Names of functions, by the folders and the file they stand in.
type Functions = BTreeMap<String, BTreeSet<Vec<String>>>;

fn gather(folder: &Path, above: &[String], functions: &mut Functions) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut place = above.to_vec();
        place.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        if path.is_dir() {
            gather(&path, &place, functions);
        } else if path.extension().is_some_and(|it| it == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim_start();
                let line = line.strip_prefix("async ").unwrap_or(line);
                if let Some(rest) = line.strip_prefix("fn ") {
                    let name = rest.split(['(', '<']).next().unwrap();
                    let places = functions.entry(name.into()).or_default();
                    places.insert(place.clone());
                }
            }
        }
    }
}

fn is_lower(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_test_that_the_pages_name_exists() {
    let mut functions = Functions::new();
    for name in ["bucle", "bucle-loop", "bucle-net"] {
        for part in ["src", "tests/it"] {
            gather(
                &root().join("crates").join(name).join(part),
                &[],
                &mut functions,
            );
        }
    }
    let mut named = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("docs/asyncio")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file == "README.md" || !file.ends_with(".md") {
            continue;
        }
        let page = fs::read_to_string(&path).unwrap();
        let here = rows(&page).flat_map(|row| row.into_iter().skip(1));
        for text in here.flat_map(code) {
            let (place, name) = match text.rsplit_once("::") {
                Some((place, name)) => (place.split("::").last().unwrap(), name),
                None if text.starts_with("loom_") => ("…", text),
                None => continue,
            };
            if !is_lower(name) || !(is_lower(place) || place == "…") {
                continue;
            }
            named += 1;
            let found = functions.get(name).is_some_and(|places| {
                place == "…" || places.iter().any(|it| it.iter().any(|part| part == place))
            });
            if !found {
                wrong.push(format!("{file}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such tests:\n{}", wrong.join("\n"));
    assert!(
        named > 300,
        "only {named} were found: has the form changed?"
    );
}
