//! The example site: links lead somewhere, and a file with a fingerprint in its name has the right
//! one.
//!
//! A fingerprint lets a browser keep the file for ever, so a name that stays while the content
//! changes would show old pages to everybody.

use super::text::resolve;
use super::tree::File;
use super::{Finding, Tree};

const SITE: &str = "examples/site/";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for file in tree.files().filter(|file| file.path.starts_with(SITE)) {
        check_fingerprint(file, findings);
        if file.is("html") {
            check_links(tree, file, findings);
        }
    }
}

/// The first 32 bits of FNV-1a: enough to tell versions of one file apart.
pub(super) fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}

fn check_fingerprint(file: &File, findings: &mut Vec<Finding>) {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let [stem, found, extension] = name.split('.').collect::<Vec<_>>()[..] else {
        return;
    };
    let right = fingerprint(&file.text);
    if found != right {
        findings.push(Finding::new(
            &file.path,
            1,
            format!(
                "the name does not belong to the content; rename it to {stem}.{right}.{extension}, \
                 and what links to it"
            ),
        ));
    }
}

fn check_links(tree: &Tree, file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in file.lines() {
        for attribute in ["href=\"", "src=\""] {
            for rest in line.split(attribute).skip(1) {
                let link = rest.split('"').next().unwrap_or("");
                let path = link.split(['#', '?']).next().unwrap_or("");
                if path.is_empty() || path.contains(':') {
                    continue;
                }
                let found = resolve(&file.path, path).is_some_and(|path| {
                    tree.file(&path).is_some() || tree.file(&format!("{path}/index.html")).is_some()
                });
                if !found {
                    findings.push(Finding::new(
                        &file.path,
                        number,
                        format!("the link to `{link}` leads to no file and to no index.html"),
                    ));
                }
            }
        }
    }
}
