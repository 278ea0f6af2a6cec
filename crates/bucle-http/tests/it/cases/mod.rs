//! Raw bytes and what becomes of them. Every row is run whole, byte by byte and cut at every offset.
//!
//! A row says where it comes from: a section of RFC 9112 or 9110, or the class of faults that other
//! servers had there.

mod chunks;
mod connection;
mod fields;
mod framing;
mod host;
mod request_line;
mod responses;

use bucle_http::{Error, Limits};

use crate::drive::{Outcome, equal_however_cut, serve_cut};

/// What becomes of a row.
enum Verdict {
    /// So many whole requests, their bodies joined, and nothing wrong.
    Taken(usize, &'static [u8]),
    /// Refused, after so many whole requests.
    Refused(usize, Error),
    /// Nothing wrong so far, so many whole requests, and more input is needed.
    Waits(usize),
}

use Verdict::{Refused, Taken, Waits};

type Row<'a> = (&'a str, &'a [u8], Verdict);

fn run(input: &[u8]) -> Outcome {
    let limits = Limits::default();
    equal_however_cut(|cuts| serve_cut(input, cuts, &limits), input.len())
}

fn check(rows: &[Row<'_>]) {
    for (source, input, verdict) in rows {
        let outcome = run(input);
        let told = || format!("{source}: {}\n{outcome:#?}", input.escape_ascii());
        let ends = outcome.ends();
        match verdict {
            Taken(requests, body) => {
                assert_eq!(outcome.error(), None, "{}", told());
                assert_eq!(
                    (ends, outcome.requests().len()),
                    (*requests, *requests),
                    "{}",
                    told()
                );
                assert_eq!(outcome.body(), *body, "{}", told());
                assert_eq!(outcome.left, 0, "{}", told());
            }
            Refused(requests, error) => {
                assert_eq!(outcome.error(), Some(*error), "{}", told());
                assert_eq!(ends, *requests, "{}", told());
            }
            Waits(requests) => {
                assert_eq!(outcome.error(), None, "{}", told());
                assert_eq!(ends, *requests, "{}", told());
                let begun = outcome.requests().len() > *requests;
                assert!(begun || outcome.left > 0, "{}", told());
            }
        }
    }
}

/// Rows of one request each that differ in a part of it: `before`, the part, `after`.
fn check_parts(before: &[u8], after: &[u8], rows: &[(&str, &[u8], Verdict)]) {
    for (source, part, verdict) in rows {
        let input = [before, part, after].concat();
        let verdict = match verdict {
            Taken(requests, body) => Taken(*requests, body),
            Refused(requests, error) => Refused(*requests, *error),
            Waits(requests) => Waits(*requests),
        };
        check(&[(source, &input, verdict)]);
    }
}

const ONE: Verdict = Taken(1, b"");
const fn no(error: Error) -> Verdict {
    Refused(0, error)
}
