//! `docs/conformance.md`, written from the table.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::peers::{Verdict, compare};
use crate::requirements::{self, Shown};
use crate::{Case, Fate, table};

/// Longer rows are shown cut.
const SHOWN: usize = 110;

/// The document, with the verdicts of others as [`peers`](crate::peers) wrote them.
pub fn document(peers: &str) -> String {
    let topics = table::topics();
    let rows: usize = topics.iter().map(|topic| topic.cases.len()).sum();
    let known = topics
        .iter()
        .flat_map(|topic| &topic.cases)
        .filter(|case| case.known.is_some())
        .count();
    let verdicts = Verdict::read_all(peers);
    let mut out = String::new();
    let _ = write!(
        out,
        "<!-- Written by `cargo run -p conformance -- document`; change the table in conformance/src. -->\n\n\
         # Conformance\n\n\
         {rows} requests as raw bytes, and all that must come back: the status of every answer, what becomes of the\n\
         connection, and what is not read of the bytes. {known} of them are published faults of other servers.\n\n\
         Every row is played through a real socket against the binary by `cargo test -p bucle-cli` (and against a release,\n\
         with `BUCLE_BINARY`): in one piece, byte by byte, and cut once at every offset. A piece is sent when the server has\n\
         taken the one before it. Rows over 1,000 bytes are cut at a hundred offsets and every 61 bytes.\n\n\
         - **kept**: another request, right behind the row, is answered, once and last.\n\
         - **closed**: the last answer says `Connection: close`; that other request is left unread, and the client, which\n\
         \x20 is still sending, reads its answers to an orderly end.\n\
         - **waits**: nothing comes, and the connection is open.\n\n\
         Of a refused message nothing is used but its beginning, and what is behind it is left unread.\n\
         Every answer of every row is held to what every answer must be: well-formed, `Date`, one length, none where\n\
         there is no body, nothing that HTTP/1.0 doesn't know, `Allow` in 405, `Connection: close` in the last one only.\n\n\
         Taking a check away makes its rows fail: [the run that shows it](results/conformance-mutants.txt) is made by\n\
         `.ci/conformance mutants`, and the columns of the others by `.ci/conformance peers`.\n\n"
    );
    differences(&mut out, &verdicts);
    requirements_of(&mut out, &topics);
    let servers: Vec<_> = verdicts.keys().cloned().collect();
    for topic in &topics {
        let _ = write!(
            out,
            "## {}\n\n| row | source | what | sent | here |",
            topic.title
        );
        for server in &servers {
            let _ = write!(out, " {server} |");
        }
        out.push_str("\n|---|---|---|---|---|");
        out.push_str(&"---|".repeat(servers.len()));
        out.push('\n');
        for case in &topic.cases {
            row(&mut out, case, &servers, &verdicts);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn row(
    out: &mut String,
    case: &Case,
    servers: &[String],
    verdicts: &BTreeMap<String, BTreeMap<String, Verdict>>,
) {
    let what = match case.known {
        Some("HTTP Garden") => case.what.to_owned(),
        Some(known) if case.what == "request smuggling" || case.what == "faults in chunks" => {
            known.to_owned()
        }
        Some(known) => format!("{}: {known}", case.what),
        None => case.what.to_owned(),
    };
    let _ = write!(
        out,
        "| `{}` | {} | {} | {} | {} |",
        case.id,
        case.source,
        cell(&what),
        sent(case),
        ours(case)
    );
    for server in servers {
        let verdict = verdicts[server].get(case.id);
        let told = match verdict {
            None => "-".to_owned(),
            Some(verdict) if compare(case, verdict).is_same() => "same".to_owned(),
            Some(verdict) => format!("{verdict}"),
        };
        let _ = write!(out, " {told} |");
    }
    out.push('\n');
}

fn ours(case: &Case) -> String {
    let mut statuses: Vec<_> = case.statuses.iter().map(u16::to_string).collect();
    if statuses.len() > 6 {
        statuses = vec![format!("{} x {}", statuses.len(), statuses[0])];
    }
    let fate = match case.fate {
        Fate::Kept => "kept",
        Fate::Closed => "closed",
        Fate::Waits => "waits",
    };
    format!("{} {fate}", statuses.join(", ")).trim().to_owned()
}

fn sent(case: &Case) -> String {
    let text = case.sent.escape_ascii().to_string();
    let text = text.replace("\\\"", "\"").replace("\\'", "'");
    let end = if case.ends { " (end)" } else { "" };
    let text = if text.len() > SHOWN {
        let cut = &text[..SHOWN];
        let cut = cut.trim_end_matches('\\');
        format!("{cut}.. ({} bytes)", case.sent.len())
    } else {
        text
    };
    format!("{}{end}", code(&text))
}

/// `text` as code in a table.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    let text = text.replace('|', "\\|");
    if text.contains('`') {
        return format!("`` {text} ``");
    }
    format!("`{text}`")
}

/// `text` in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('*', "\\*")
        .replace('$', "\\$")
}

/// How the others differ, counted, and why.
fn differences(out: &mut String, verdicts: &BTreeMap<String, BTreeMap<String, Verdict>>) {
    if verdicts.is_empty() {
        return;
    }
    out.push_str("## Beside others\n\n| | same | other status | we are stricter | we are more lenient | another end |\n|---|---|---|---|---|---|\n");
    let cases = table::cases();
    for (server, verdicts) in verdicts {
        let mut counts = [0; 5];
        for case in &cases {
            if let Some(verdict) = verdicts.get(case.id) {
                counts[compare(case, verdict) as usize] += 1;
            }
        }
        let _ = write!(out, "| {server} |");
        for count in counts {
            let _ = write!(out, " {count} |");
        }
        out.push('\n');
    }
    out.push_str(WHY);
}

const WHY: &str = "
*Stricter*: we refuse what they answer; *more lenient*: we answer what they refuse; *another end*: the same status, but
they keep what we close or the reverse. The others serve the same folder; they are played in one piece only.

**Where we are stricter, and why.** What RFC 9112 lets a recipient repair is refused here, since two parsers that repair a
message differently are how requests get smuggled: LF alone as a line end, empty lines of LF, white space around the
request line's parts, a folded line, `Content-Length` twice or as a list with equal numbers, `Content-Length` beside
`Transfer-Encoding`, `Transfer-Encoding` in HTTP/1.0 (which must be taken as faulty), an empty element in
`Transfer-Encoding`. Chunk extensions are parsed by their grammar, white space behind a size without an extension is
refused, and trailers that would say where a message ends. Bodies that nobody reads are checked as well. A URL needs a
host without a user, `https` a secured connection; an unknown expectation is 417; a target has no fragment, quotation mark
or byte that is not ASCII; dots in a path are refused instead of resolved.

**Where we are more lenient, and why.** A higher minor version counts as 1.1 (RFC 9110 section 2.5; hyper refuses it). White
space is SP and HTAB everywhere (nginx takes only SP). OPTIONS is answered. A host may be whatever RFC 3986 allows, and a port
may be empty (Apache refuses some). An expectation means nothing in HTTP/1.0, and is a list (Apache refuses both). Dates that
are none, or more than one, are ignored as RFC 9110 section 13.1.4 asks (nginx answers 412). A chunk is waited for as long as
the body may have so much; targets and heads are as long as the limits in the [manual](manual/serve.md) say. The other rows that count here
have the same status, but the connection is kept: after 405, 412, 501 and a malformed path it is not in doubt where the
request ends.

**Where ranges differ.** HEAD has none (RFC 9110 section 14.2; the others answer 206 and 416). A list that is malformed anywhere is
ignored as a whole, as Apache does; nginx answers 416, or takes what it could read. White space, empty elements and numbers of any length
are what the grammar says (nginx and Apache take fewer). More than 32 ranges are the whole file. `If-None-Match` alone counts
where it stands beside `If-Modified-Since` (section 13.1.3; both others want both to hold).

**Where codings differ.** The others compress nothing as they are set up here, so what depends on the coded bytes (`coding-416`,
`coding-if-range`, `coding-none-match`) has another status there.

";

fn requirements_of(out: &mut String, topics: &[table::Topic]) {
    let ids: Vec<_> = topics
        .iter()
        .flat_map(|topic| &topic.cases)
        .map(|case| case.id)
        .collect();
    out.push_str("## What must be\n\nEvery MUST of RFC 9112, and those of RFC 9110 that are about an origin server of files.\n\n| source | what | shown by |\n|---|---|---|\n");
    for requirement in requirements::ALL {
        let shown = match requirement.shown {
            Shown::By(patterns) => {
                let rows = patterns
                    .iter()
                    .map(|pattern| matching(&ids, pattern).count())
                    .sum::<usize>();
                let names: Vec<_> = patterns
                    .iter()
                    .map(|pattern| format!("`{pattern}`"))
                    .collect();
                let plural = if rows == 1 { "row" } else { "rows" };
                format!("{} ({rows} {plural})", names.join(", "))
            }
            Shown::Always => "every answer of every row".to_owned(),
            Shown::NotOurs(why) => format!("not ours: {why}"),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {shown} |",
            requirement.source,
            cell(requirement.text)
        );
    }
    out.push('\n');
}

fn matching<'a>(
    ids: &'a [&'static str],
    pattern: &'a str,
) -> impl Iterator<Item = &'static str> + 'a {
    ids.iter()
        .copied()
        .filter(move |id| match pattern.strip_suffix('*') {
            Some(begin) => id.starts_with(begin),
            None => *id == pattern,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_has_its_rows() {
        let ids: Vec<_> = table::cases().iter().map(|case| case.id).collect();
        for requirement in requirements::ALL {
            if let Shown::By(patterns) = requirement.shown {
                for pattern in patterns {
                    assert!(matching(&ids, pattern).next().is_some(), "{pattern}");
                }
            }
        }
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut ids: Vec<_> = table::cases().iter().map(|case| case.id).collect();
        ids.sort_unstable();
        for pair in ids.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }

    #[test]
    fn the_document_is_that_of_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
        let read =
            |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
        let expected = document(&read("results/conformance-peers.txt"));
        assert!(
            read("conformance.md") == expected,
            "docs/conformance.md is not that of the table; write it: cargo run -p conformance -- document"
        );
    }
}
