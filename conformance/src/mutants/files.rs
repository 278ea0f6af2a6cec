//! The checks of what is sent of a file.

use super::{Mutant, mutant};

const ANSWERING: &str = "crates/bucle-server/src/site/answering.rs";
const CODING: &str = "crates/bucle-server/src/site/coding.rs";
const FILES: &str = "crates/bucle-server/src/site/files.rs";
const OPENED: &str = "crates/bucle-server/src/site/opened.rs";
const PATH: &str = "crates/bucle-server/src/site/path.rs";
const PRECONDITIONS: &str = "crates/bucle-server/src/site/preconditions.rs";
const RANGE: &str = "crates/bucle-server/src/site/range.rs";
const ROOT: &str = "crates/bucle-server/src/site/root.rs";

pub(super) const ALL: &[Mutant] = &[
    // Methods.
    mutant(
        "method-unknown",
        &[(
            ANSWERING,
            "Method::Other => return Step::Done(error(StatusCode::NOT_IMPLEMENTED)),",
            "Method::Other if !bucle_http::off(\"method-unknown\") => return Step::Done(error(StatusCode::NOT_IMPLEMENTED)),",
        )],
    ),
    mutant(
        "method-allowed",
        &[(
            ANSWERING,
            "_ => return Step::Done(plain(Response::method_not_allowed(ALLOWED))),",
            "_ if bucle_http::off(\"method-allowed\") => {}\n            _ => return Step::Done(plain(Response::method_not_allowed(ALLOWED))),",
        )],
    ),
    mutant(
        "method-options",
        &[(
            ANSWERING,
            "Method::Options => return Step::Done(self.options(path)),",
            "Method::Options if !bucle_http::off(\"method-options\") => return Step::Done(self.options(path)),",
        )],
    ),
    // Preconditions.
    mutant(
        "match",
        &[(
            PRECONDITIONS,
            "if !any_matches(head.header_all(\"if-match\"), etag, strongly) {",
            "if !bucle_http::off(\"match\") && !any_matches(head.header_all(\"if-match\"), etag, strongly) {",
        )],
    ),
    mutant(
        "match-first",
        &[(
            PRECONDITIONS,
            "        if self.if_match {\n",
            "        if self.if_match && bucle_http::off(\"match-first\") && self.if_unmodified_since.time().is_some() {\n            return Verdict::Failed;\n        } else if self.if_match {\n",
        )],
    ),
    mutant(
        "match-weak",
        &[(
            PRECONDITIONS,
            "fn strongly(one: &[u8], other: &[u8]) -> bool {\n",
            "fn strongly(one: &[u8], other: &[u8]) -> bool {\n    if bucle_http::off(\"match-weak\") {\n        return weakly(one, other);\n    }\n",
        )],
    ),
    mutant(
        "match-commas",
        &[(
            PRECONDITIONS,
            "while let Some((tag, after)) = take_tag(rest) {",
            "while let Some((tag, after)) = take_tag(rest).map(|(tag, after)| if bucle_http::off(\"match-commas\") { (rest, &b\"\"[..]) } else { (tag, after) }) {",
        )],
    ),
    mutant(
        "unmodified-since",
        &[(
            PRECONDITIONS,
            "            && modified > since\n",
            "            && modified > since\n            && !bucle_http::off(\"unmodified-since\")\n",
        )],
    ),
    mutant(
        "none-match",
        &[(
            PRECONDITIONS,
            "if any_matches(head.header_all(\"if-none-match\"), etag, weakly) {",
            "if !bucle_http::off(\"none-match\") && any_matches(head.header_all(\"if-none-match\"), etag, weakly) {",
        )],
    ),
    mutant(
        "none-match-first",
        &[(
            PRECONDITIONS,
            "        if self.if_none_match {\n",
            "        if self.if_none_match && !bucle_http::off(\"none-match-first\") {\n",
        )],
    ),
    mutant(
        "modified-since",
        &[(
            PRECONDITIONS,
            "            && modified <= since\n",
            "            && modified <= since\n            && !bucle_http::off(\"modified-since\")\n",
        )],
    ),
    mutant(
        "modified-since-once",
        &[(
            PRECONDITIONS,
            "            _ => Once::Unclear,",
            "            Once::Here(_) if bucle_http::off(\"modified-since-once\") => Once::Here(value),\n            _ => Once::Unclear,",
        )],
    ),
    mutant(
        "dates-old",
        &[(
            PRECONDITIONS,
            "                match with_whole_year(text, SystemTime::now()) {",
            "                if bucle_http::off(\"dates-old\") && !text.contains(\", \") {\n                    return None;\n                }\n                match with_whole_year(text, SystemTime::now()).filter(|_| !bucle_http::off(\"dates-old\")) {",
        )],
    ),
    mutant(
        "dates-century",
        &[(
            PRECONDITIONS,
            "let whole = latest - (latest - year) % 100;",
            "let whole = if bucle_http::off(\"dates-century\") { 2000 + year } else { latest - (latest - year) % 100 };",
        )],
    ),
    // Ranges.
    mutant(
        "range-method",
        &[(
            PRECONDITIONS,
            "(Once::Here(range), Method::Get) = (self.range, head.method()) else",
            "(Once::Here(range), true) = (self.range, head.method() == Method::Get || bucle_http::off(\"range-method\")) else",
        )],
    ),
    mutant(
        "range-if",
        &[(
            PRECONDITIONS,
            "holds.then_some(range)",
            "(holds || bucle_http::off(\"range-if\")).then_some(range)",
        )],
    ),
    mutant(
        "range-if-date",
        &[(
            PRECONDITIONS,
            "modified.is_some() && date.time() == modified",
            "modified.is_some() && (date.time() == modified || bucle_http::off(\"range-if-date\") && date.time() > modified)",
        )],
    ),
    mutant(
        "range-unit",
        &[(
            RANGE,
            "unit.eq_ignore_ascii_case(b\"bytes=\").then_some(set)",
            "(unit.eq_ignore_ascii_case(b\"bytes=\") || bucle_http::off(\"range-unit\")).then_some(set)",
        )],
    ),
    mutant(
        "range-many",
        &[(
            RANGE,
            "if specs > RANGES || elements > 2 * RANGES {",
            "if !bucle_http::off(\"range-many\") && (specs > RANGES || elements > 2 * RANGES) {",
        )],
    ),
    mutant(
        "range-malformed",
        &[(
            RANGE,
            "            None => return Wanted::Whole,",
            "            None if bucle_http::off(\"range-malformed\") => {}\n            None => return Wanted::Whole,",
        )],
    ),
    mutant(
        "range-reverse",
        &[(
            RANGE,
            "(first <= last).then_some(Spec::Between(first, last))",
            "(first <= last || bucle_http::off(\"range-reverse\")).then_some(Spec::Between(first, last))",
        )],
    ),
    mutant(
        "range-digits",
        &[(
            RANGE,
            "    digits.iter().try_fold(0u64, |number, digit| {",
            "    let digits = if bucle_http::off(\"range-digits\") { digits.strip_prefix(b\"+\").unwrap_or(digits).trim_ascii() } else { digits };\n    digits.iter().try_fold(0u64, |number, digit| {",
        )],
    ),
    mutant(
        "range-overflow",
        &[(
            RANGE,
            "                .saturating_mul(10)\n                .saturating_add((digit - b'0').into())",
            "                .saturating_mul(if bucle_http::off(\"range-overflow\") { 0 } else { 10 })\n                .saturating_add((digit - b'0').into())",
        )],
    ),
    mutant(
        "range-clamp",
        &[(
            RANGE,
            "Spec::Between(first, last) => first..last.saturating_add(1).min(length),",
            "Spec::Between(first, last) if bucle_http::off(\"range-clamp\") => first..last.min(1 << 40).saturating_add(1),\n            Spec::Between(first, last) => first..last.saturating_add(1).min(length),",
        )],
    ),
    mutant(
        "range-empty",
        &[(
            RANGE,
            "Some(Spec::Last(1..)) if length == 0 =>",
            "Some(Spec::Last(1..)) if length == 0 && !bucle_http::off(\"range-empty\") =>",
        )],
    ),
    mutant(
        "range-coalesce",
        &[(
            RANGE,
            "    coalesce(&mut found);",
            "    if !bucle_http::off(\"range-coalesce\") {\n        coalesce(&mut found);\n    }",
        )],
    ),
    mutant(
        "range-unsatisfiable",
        &[(
            RANGE,
            "0 => Wanted::Unsatisfiable,",
            "0 if bucle_http::off(\"range-unsatisfiable\") => Wanted::Whole,\n        0 => Wanted::Unsatisfiable,",
        )],
    ),
    mutant(
        "range-length",
        &[(
            RANGE,
            "format!(\"bytes */{length}\")",
            "if bucle_http::off(\"range-length\") { \"bytes */*\".to_owned() } else { format!(\"bytes */{length}\") }",
        )],
    ),
    mutant(
        "range-type",
        &[(
            RANGE,
            "        head.extend_from_slice(opened.type_line());",
            "        if !bucle_http::off(\"range-type\") {\n            head.extend_from_slice(opened.type_line());\n        }",
        )],
    ),
    // Paths.
    mutant(
        "path-dots",
        &[(
            PATH,
            "if name == b\".\" || name == b\"..\" {",
            "if !bucle_http::off(\"path-dots\") && (name == b\".\" || name == b\"..\") {",
        )],
    ),
    mutant(
        "path-hidden",
        &[(
            PATH,
            "hidden |= name[0] == b'.'",
            "hidden |= !bucle_http::off(\"path-hidden\") && name[0] == b'.'",
        )],
    ),
    mutant(
        "path-nul",
        &[(
            PATH,
            "0 => return Err(Refused::Malformed(\"the path must not have a NUL in it\")),",
            "0 if bucle_http::off(\"path-nul\") => {}\n            0 => return Err(Refused::Malformed(\"the path must not have a NUL in it\")),",
        )],
    ),
    mutant(
        "path-slash",
        &[(
            PATH,
            "            b'/' => {\n                return Err",
            "            b'/' if !bucle_http::off(\"path-slash\") => {\n                return Err",
        )],
    ),
    mutant(
        "path-escape",
        &[(
            PATH,
            "let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);",
            "let digit = |byte: Option<u8>| {\n                    if bucle_http::off(\"path-escape\") {\n                        return Some(byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(1));\n                    }\n                    char::from(byte?).to_digit(16)\n                };",
        )],
    ),
    mutant(
        "path-redirect",
        &[(
            PATH,
            "let mut url = format!(\"{prefix}/\");",
            "let mut url = if bucle_http::off(\"path-redirect\") { format!(\"{prefix}//\") } else { format!(\"{prefix}/\") };",
        )],
    ),
    mutant(
        "path-beneath",
        &[(
            ROOT,
            "        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;\n",
            "        let resolve = if bucle_http::off(\"path-beneath\") { ResolveFlags::empty() } else { ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS };\n",
        )],
    ),
    mutant(
        "path-hidden-link",
        &[(
            ROOT,
            "            if linked && is_hidden(",
            "            if linked && !bucle_http::off(\"path-hidden-link\") && is_hidden(",
        )],
    ),
    mutant(
        "path-kinds",
        &[(
            FILES,
            "        FileType::RegularFile | FileType::Directory => Ok(kind),",
            "        FileType::RegularFile | FileType::Directory => Ok(kind),\n        _ if bucle_http::off(\"path-kinds\") => Ok(FileType::RegularFile),",
        )],
    ),
    mutant(
        "path-file-slash",
        &[(
            ANSWERING,
            "        if path.slash {\n            match here.files.folder(",
            "        if path.slash && !bucle_http::off(\"path-file-slash\") {\n            match here.files.folder(",
        )],
    ),
    // Codings.
    mutant(
        "coding-identity",
        &[(
            CODING,
            "weight == 0 || weight < self.identity",
            "weight == 0 || weight < self.identity && !bucle_http::off(\"coding-identity\")",
        )],
    ),
    mutant(
        "coding-weight",
        &[(
            CODING,
            "(weight <= 1000).then_some(weight)",
            "(weight <= 1000 || bucle_http::off(\"coding-weight\")).then_some(weight)",
        )],
    ),
    mutant(
        "coding-any",
        &[(
            CODING,
            "weight.or(any).unwrap_or(0)",
            "weight.or(any.filter(|_| !bucle_http::off(\"coding-any\"))).unwrap_or(0)",
        )],
    ),
    mutant(
        "coding-varies",
        &[(
            OPENED,
            "    if negotiated {\n",
            "    if negotiated && !bucle_http::off(\"coding-varies\") {\n",
        )],
    ),
];
