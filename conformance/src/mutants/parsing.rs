//! The checks of a request's bytes.

use super::{Mutant, mutant};

const SCAN: &str = "crates/bucle-http/src/scan.rs";
const HEAD: &str = "crates/bucle-http/src/head.rs";
const SERVER: &str = "crates/bucle-http/src/server.rs";
const TARGETS: &str = "crates/bucle-http/src/target.rs";
const FRAMING: &str = "crates/bucle-http/src/framing.rs";
const CHUNKED: &str = "crates/bucle-http/src/chunked.rs";
const SECTION: &str = "crates/bucle-http/src/section.rs";
const FIELD: &str = "crates/bucle-http/src/field.rs";
const EXCHANGE: &str = "crates/bucle-server/src/connection/exchange.rs";

pub(super) const ALL: &[Mutant] = &[
    // The request line.
    mutant(
        "method-token",
        &[(
            SCAN,
            "_ if !chars::is(byte, TOKEN) => return Err(Error::Method),",
            "_ if !chars::is(byte, TOKEN) && !crate::off(\"method-token\") => return Err(Error::Method),",
        )],
    ),
    mutant(
        "method-limit",
        &[
            (
                SCAN,
                "limits.method_bytes, Error::MethodTooLong",
                "if crate::off(\"method-limit\") { usize::MAX } else { limits.method_bytes }, Error::MethodTooLong",
            ),
            (
                HEAD,
                "|| method_length > limits.method_bytes",
                "|| method_length > limits.method_bytes && !crate::off(\"method-limit\")",
            ),
        ],
    ),
    mutant(
        "target-characters",
        &[(
            SCAN,
            "_ if !chars::is(byte, TARGET) => return Err(Error::Target),",
            "_ if !chars::is(byte, TARGET) && !crate::off(\"target-characters\") => return Err(Error::Target),",
        )],
    ),
    mutant(
        "target-limit",
        &[
            (
                SCAN,
                "limits.target_bytes, Error::TargetTooLong",
                "if crate::off(\"target-limit\") { usize::MAX } else { limits.target_bytes }, Error::TargetTooLong",
            ),
            (
                HEAD,
                "|| target_length > limits.target_bytes",
                "|| target_length > limits.target_bytes && !crate::off(\"target-limit\")",
            ),
        ],
    ),
    mutant(
        "version-missing",
        &[(
            SCAN,
            "b'\\r' | b'\\n' if self.run > 0 => return Err(Error::Version),",
            "b'\\r' | b'\\n' if self.run > 0 => return Err(if crate::off(\"version-missing\") { Error::Target } else { Error::Version }),",
        )],
    ),
    mutant(
        "version-bytes",
        &[(
            SCAN,
            "_ => return Err(Error::Version),",
            "_ if !crate::off(\"version-bytes\") => return Err(Error::Version),\n                _ => self.next(State::Version),",
        )],
    ),
    mutant(
        "version-supported",
        &[(
            HEAD,
            "_ => return Err(Error::UnsupportedVersion),",
            "_ if crate::off(\"version-supported\") => Version::Http11,\n            _ => return Err(Error::UnsupportedVersion),",
        )],
    ),
    mutant(
        "version-minor",
        &[(
            HEAD,
            "(1, _) => Version::Http11,",
            "(1, 1) => Version::Http11,\n            (1, _) if !crate::off(\"version-minor\") => Version::Http11,",
        )],
    ),
    mutant(
        "line-lf",
        &[(
            SCAN,
            "State::Version => match (self.run, byte) {\n                (8, b'\\r') => State::LineEnd,\n                (8, b'\\n') => return Err(Error::BareLf),",
            "State::Version => match (self.run, byte) {\n                (8, b'\\r') => State::LineEnd,\n                (8, b'\\n') if !crate::off(\"line-lf\") => return Err(Error::BareLf),",
        )],
    ),
    mutant(
        "bare-cr",
        &[(
            SCAN,
            "State::LineEnd | State::SectionEnd => return Err(Error::BareCr),",
            "State::LineEnd | State::SectionEnd if crate::off(\"bare-cr\") => State::Field,\n            State::LineEnd | State::SectionEnd => return Err(Error::BareCr),",
        )],
    ),
    mutant(
        "empty-lines-limit",
        &[(
            SERVER,
            "if *lines >= limits.empty_lines =>",
            "if *lines >= limits.empty_lines && !crate::off(\"empty-lines-limit\") =>",
        )],
    ),
    mutant(
        "empty-lines-skipped",
        &[(
            SERVER,
            "if let [b'\\r' | b'\\n', ..] = input {",
            "if let [b'\\r' | b'\\n', ..] = input\n                && !crate::off(\"empty-lines-skipped\")\n            {",
        )],
    ),
    mutant(
        "empty-lines-lf",
        &[(
            SERVER,
            "[b'\\n', ..] => return Err(Error::BareLf),",
            "[b'\\n', ..] if crate::off(\"empty-lines-lf\") => at += 1,\n            [b'\\n', ..] => return Err(Error::BareLf),",
        )],
    ),
    mutant(
        "empty-lines-cr",
        &[(
            SERVER,
            "[b'\\r', _, ..] => return Err(Error::BareCr),",
            "[b'\\r', _, ..] if crate::off(\"empty-lines-cr\") => at += 1,\n            [b'\\r', _, ..] => return Err(Error::BareCr),",
        )],
    ),
    // Fields.
    mutant(
        "field-fold",
        &[(
            SCAN,
            "b' ' | b'\\t' => return Err(Error::LineFolding),",
            "b' ' | b'\\t' if !crate::off(\"field-fold\") => return Err(Error::LineFolding),",
        )],
    ),
    mutant(
        "field-space-colon",
        &[(
            SCAN,
            "b' ' | b'\\t' => return Err(Error::SpaceBeforeColon),",
            "b' ' | b'\\t' if crate::off(\"field-space-colon\") => State::Name,\n                b' ' | b'\\t' => return Err(Error::SpaceBeforeColon),",
        )],
    ),
    mutant(
        "field-name",
        &[(
            SCAN,
            "_ if !chars::is(byte, TOKEN) => return Err(Error::FieldName),\n                _ => State::Name,",
            "_ if !chars::is(byte, TOKEN) && !crate::off(\"field-name\") => return Err(Error::FieldName),\n                _ => State::Name,",
        )],
    ),
    mutant(
        "field-name-begin",
        &[(
            SCAN,
            "_ if !chars::is(byte, TOKEN) => return Err(Error::FieldName),\n                _ if usize::from",
            "_ if !chars::is(byte, TOKEN) && !crate::off(\"field-name-begin\") => return Err(Error::FieldName),\n                _ if usize::from",
        )],
    ),
    mutant(
        "field-value",
        &[(
            SCAN,
            "_ if !chars::is(byte, VALUE) => return Err(Error::FieldValue),",
            "_ if !chars::is(byte, VALUE) && !crate::off(\"field-value\") => return Err(Error::FieldValue),",
        )],
    ),
    mutant(
        "field-value-lf",
        &[(
            SCAN,
            "State::Value => match byte {\n                b'\\r' => State::LineEnd,\n                b'\\n' => return Err(Error::BareLf),",
            "State::Value => match byte {\n                b'\\r' => State::LineEnd,\n                b'\\n' if crate::off(\"field-value-lf\") => State::Field,\n                b'\\n' => return Err(Error::BareLf),",
        )],
    ),
    mutant(
        "field-begin-lf",
        &[(
            SCAN,
            "b'\\r' => State::SectionEnd,\n                b'\\n' => return Err(Error::BareLf),",
            "b'\\r' => State::SectionEnd,\n                b'\\n' if crate::off(\"field-begin-lf\") => return Ok(true),\n                b'\\n' => return Err(Error::BareLf),",
        )],
    ),
    mutant(
        "fields-limit",
        &[
            (
                SCAN,
                "_ if usize::from(self.fields) >= limits.fields ||",
                "_ if usize::from(self.fields) >= limits.fields && !crate::off(\"fields-limit\") ||",
            ),
            (
                FIELD,
                "if fields.len() >= limit {",
                "if fields.len() >= limit && !crate::off(\"fields-limit\") {",
            ),
        ],
    ),
    mutant(
        "head-limit",
        &[(
            SERVER,
            "    limits.head_bytes.min(MAX_HEAD_BYTES)\n",
            "    if crate::off(\"head-limit\") { MAX_HEAD_BYTES } else { limits.head_bytes.min(MAX_HEAD_BYTES) }\n",
        )],
    ),
    mutant(
        "field-trim",
        &[(
            FIELD,
            "let value = chars::trim_end(padded);",
            "let value = if crate::off(\"field-trim\") { padded } else { chars::trim_end(padded) };",
        )],
    ),
    // Hosts and targets.
    mutant(
        "host-missing",
        &[(
            HEAD,
            "0 => return Err(Error::MissingHost),",
            "0 if crate::off(\"host-missing\") => self.host = 0..0,\n            0 => return Err(Error::MissingHost),",
        )],
    ),
    mutant(
        "host-missing-old",
        &[(
            HEAD,
            "0 if self.version == Version::Http10 =>",
            "0 if self.version == Version::Http10 && !crate::off(\"host-missing-old\") =>",
        )],
    ),
    mutant(
        "host-repeated",
        &[(
            HEAD,
            "_ => return Err(Error::RepeatedHost),",
            "_ if crate::off(\"host-repeated\") => self.host = 0..0,\n            _ => return Err(Error::RepeatedHost),",
        )],
    ),
    mutant(
        "host-checked",
        &[(
            HEAD,
            "target::check_host(&bytes[host.clone()])?;",
            "if !crate::off(\"host-checked\") {\n                    target::check_host(&bytes[host.clone()])?;\n                }",
        )],
    ),
    mutant(
        "host-empty",
        &[(
            TARGETS,
            "if name_length == 0 {\n        return Err(Error::Host);\n    }",
            "if name_length == 0 && !crate::off(\"host-empty\") {\n        return Err(Error::Host);\n    }",
        )],
    ),
    mutant(
        "host-rest",
        &[(
            TARGETS,
            "        _ => Err(Error::Host),\n    }\n}\n\n#[cold]\nfn bracketed_length",
            "        _ if crate::off(\"host-rest\") => Ok(None),\n        _ => Err(Error::Host),\n    }\n}\n\n#[cold]\nfn bracketed_length",
        )],
    ),
    mutant(
        "host-percent",
        &[(
            TARGETS,
            "_ => return Err(Error::Host),\n                }\n                length += 3;",
            "_ if crate::off(\"host-percent\") => return Ok(None),\n                    _ => return Err(Error::Host),\n                }\n                length += 3;",
        )],
    ),
    mutant(
        "host-address",
        &[(
            TARGETS,
            "if is_ip_future(inside) ||",
            "if crate::off(\"host-address\") || is_ip_future(inside) ||",
        )],
    ),
    mutant(
        "host-future",
        &[(
            TARGETS,
            "    digits > 0 && !address.is_empty()",
            "    !crate::off(\"host-future\") && digits > 0 && !address.is_empty()",
        )],
    ),
    mutant(
        "host-port-digits",
        &[(
            TARGETS,
            "if !digit.is_ascii_digit() {\n            return Err(Error::Host);",
            "if !digit.is_ascii_digit() {\n            if crate::off(\"host-port-digits\") {\n                return Ok(80);\n            }\n            return Err(Error::Host);",
        )],
    ),
    mutant(
        "host-port-range",
        &[(
            TARGETS,
            "let mut port = 0u16;",
            "if crate::off(\"host-port-range\") && digits.len() > 4 {\n        return Ok(80);\n    }\n    let mut port = 0u16;",
        )],
    ),
    mutant(
        "target-asterisk",
        &[(
            TARGETS,
            "b\"*\" if method == Method::Options =>",
            "b\"*\" if method == Method::Options || crate::off(\"target-asterisk\") =>",
        )],
    ),
    mutant(
        "target-scheme",
        &[(
            TARGETS,
            "        return Err(Error::Target);\n    };\n    let rest = &target[from..];",
            "        if crate::off(\"target-scheme\") {\n            return Ok(parse_path(target, 0));\n        }\n        return Err(Error::Target);\n    };\n    let rest = &target[from..];",
        )],
    ),
    mutant(
        "target-authority",
        &[(
            TARGETS,
            "    check_host(&target[from..authority_end])?;",
            "    if !crate::off(\"target-authority\") {\n        check_host(&target[from..authority_end])?;\n    }",
        )],
    ),
    mutant(
        "target-absolute",
        &[(
            TARGETS,
            "    let from = if scheme_is(b\"http://\") {",
            "    let from = if crate::off(\"target-absolute\") {\n        return Err(Error::Target);\n    } else if scheme_is(b\"http://\") {",
        )],
    ),
    mutant(
        "target-connect",
        &[(
            TARGETS,
            "    match check_host(target) {\n        Ok(Some(1..)) =>",
            "    match check_host(target).or(if crate::off(\"target-connect\") { Ok(Some(1)) } else { Err(Error::Target) }) {\n        Ok(Some(0) | None) if crate::off(\"target-connect\") => Ok(Target::default()),\n        Ok(Some(1..)) =>",
        )],
    ),
    mutant(
        "target-empty-path",
        &[(
            HEAD,
            "(TargetForm::Absolute, _) => b\"/\",",
            "(TargetForm::Absolute, _) if !crate::off(\"target-empty-path\") => b\"/\",",
        )],
    ),
    mutant(
        "target-options-url",
        &[(
            HEAD,
            "(TargetForm::Absolute, Method::Options) if self.query().is_none() => b\"*\",",
            "(TargetForm::Absolute, Method::Options) if self.query().is_none() => {\n                if crate::off(\"target-options-url\") { b\"\" } else { b\"*\" }\n            }",
        )],
    ),
    mutant(
        "target-https",
        &[(
            EXCHANGE,
            "if head.is_https() && !self.is_secured() {",
            "if head.is_https() && !self.is_secured() && !bucle_http::off(\"target-https\") {",
        )],
    ),
    // Where a body ends.
    mutant(
        "length-digits",
        &[(
            FRAMING,
            "if !digit.is_ascii_digit() {",
            "if !digit.is_ascii_digit() && crate::off(\"length-digits\") {\n            return Ok(5);\n        }\n        if !digit.is_ascii_digit() {",
        )],
    ),
    mutant(
        "length-empty",
        &[(
            FRAMING,
            "if digits.is_empty() {",
            "if digits.is_empty() && !crate::off(\"length-empty\") {",
        )],
    ),
    mutant(
        "length-overflow",
        &[(
            FRAMING,
            ".ok_or(Error::ContentLength)?;",
            ".or(crate::off(\"length-overflow\").then_some(5))\n            .ok_or(Error::ContentLength)?;",
        )],
    ),
    mutant(
        "length-repeated",
        &[(
            FRAMING,
            "if lengths > 1 {",
            "if lengths > 1 && !crate::off(\"length-repeated\") {",
        )],
    ),
    mutant(
        "length-and-encoding",
        &[(
            FRAMING,
            "if lengths > 0 {",
            "if lengths > 0 && !crate::off(\"length-and-encoding\") {",
        )],
    ),
    mutant(
        "encoding-old",
        &[(
            FRAMING,
            "if version == Version::Http10 {",
            "if version == Version::Http10 && !crate::off(\"encoding-old\") {",
        )],
    ),
    mutant(
        "encoding-last",
        &[(
            FRAMING,
            "if chunked || coding.is_empty() {",
            "if chunked && !crate::off(\"encoding-last\") || coding.is_empty() && !crate::off(\"encoding-empty\") {",
        )],
    ),
    mutant(
        "encoding-empty",
        &[(
            FRAMING,
            "            // Parameters may follow a coding, but not this one.",
            "            if coding.is_empty() && crate::off(\"encoding-empty\") {\n                continue;\n            }\n            // Parameters may follow a coding, but not this one.",
        )],
    ),
    mutant(
        "encoding-token",
        &[(
            FRAMING,
            "if name.is_empty()\n",
            "if crate::off(\"encoding-token\") {\n                chunked = true;\n                continue;\n            }\n            if name.is_empty()\n",
        )],
    ),
    mutant(
        "encoding-known",
        &[(
            FRAMING,
            "    if other {",
            "    if other && !crate::off(\"encoding-known\") {",
        )],
    ),
    mutant(
        "connect-content",
        &[(
            HEAD,
            "if self.method == Method::Connect && has_body {",
            "if self.method == Method::Connect && has_body && !crate::off(\"connect-content\") {",
        )],
    ),
    // Chunks.
    mutant(
        "chunk-size-empty",
        &[(
            CHUNKED,
            "b'\\r' | b';' | b' ' | b'\\t' if self.digits == 0 => return Err(Error::ChunkSize),",
            "b'\\r' | b';' | b' ' | b'\\t' if self.digits == 0 && !crate::off(\"chunk-size-empty\") => return Err(Error::ChunkSize),",
        )],
    ),
    mutant(
        "chunk-size-digit",
        &[(
            CHUNKED,
            "char::from(byte).to_digit(16).ok_or(Error::ChunkSize)?;",
            "char::from(byte).to_digit(16).or(crate::off(\"chunk-size-digit\").then_some(0)).ok_or(Error::ChunkSize)?;",
        )],
    ),
    mutant(
        "chunk-size-digits",
        &[(
            CHUNKED,
            "if self.digits == SIZE_DIGITS {",
            "if self.digits == SIZE_DIGITS && !crate::off(\"chunk-size-digits\") {",
        )],
    ),
    mutant(
        "chunk-size-overflow",
        &[(
            CHUNKED,
            "if i64::try_from(self.left).is_err() {",
            "if i64::try_from(self.left).is_err() && !crate::off(\"chunk-size-overflow\") {",
        )],
    ),
    mutant(
        "chunk-size-lf",
        &[(
            CHUNKED,
            "b'\\n' => return Err(Error::BareLf),\n                _ => self.digit(byte)?,",
            "b'\\n' if crate::off(\"chunk-size-lf\") => State::Data,\n                b'\\n' => return Err(Error::BareLf),\n                _ => self.digit(byte)?,",
        )],
    ),
    mutant(
        "chunk-size-cr",
        &[(
            CHUNKED,
            "_ => return Err(Error::BareCr),",
            "_ if crate::off(\"chunk-size-cr\") => State::Data,\n                _ => return Err(Error::BareCr),",
        )],
    ),
    mutant(
        "chunk-end-cr",
        &[(
            CHUNKED,
            "b'\\r' => State::DataLf,\n                _ => return Err(Error::ChunkEnd),",
            "b'\\r' => State::DataLf,\n                _ if crate::off(\"chunk-end-cr\") => State::DataLf,\n                _ => return Err(Error::ChunkEnd),",
        )],
    ),
    mutant(
        "chunk-end-lf",
        &[(
            CHUNKED,
            "                    State::Size\n                }\n                _ => return Err(Error::ChunkEnd),",
            "                    State::Size\n                }\n                _ if crate::off(\"chunk-end-lf\") => {\n                    self.digits = 0;\n                    State::Size\n                }\n                _ => return Err(Error::ChunkEnd),",
        )],
    ),
    mutant(
        "ext-space",
        &[(
            CHUNKED,
            "b';' => State::BeforeName,\n                b'\\n' => return Err(Error::BareLf),\n                _ => return Err(Error::ChunkExtension),\n            },\n            State::BeforeName",
            "b';' => State::BeforeName,\n                b'\\n' if crate::off(\"ext-space-lf\") => State::Data,\n                b'\\r' if crate::off(\"ext-space\") => State::SizeEnd,\n                b'\\n' => return Err(Error::BareLf),\n                _ if crate::off(\"ext-space\") => State::BeforeSemicolon,\n                _ => return Err(Error::ChunkExtension),\n            },\n            State::BeforeName",
        )],
    ),
    mutant("ext-space-lf", &[]),
    mutant(
        "ext-name",
        &[(
            CHUNKED,
            "b' ' | b'\\t' => State::BeforeName,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) => State::Name,\n                _ => return Err(Error::ChunkExtension),",
            "b' ' | b'\\t' => State::BeforeName,\n                b'\\n' if crate::off(\"ext-name-lf\") => State::Data,\n                b'\\r' if crate::off(\"ext-name\") => State::SizeEnd,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) || crate::off(\"ext-name\") => State::Name,\n                _ => return Err(Error::ChunkExtension),",
        )],
    ),
    mutant("ext-name-lf", &[]),
    mutant(
        "ext-name-token",
        &[(
            CHUNKED,
            "b' ' | b'\\t' => State::AfterName,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) => State::Name,\n                _ => return Err(Error::ChunkExtension),",
            "b' ' | b'\\t' => State::AfterName,\n                b'\\n' if crate::off(\"ext-in-name-lf\") => State::Data,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) || crate::off(\"ext-name-token\") => State::Name,\n                _ => return Err(Error::ChunkExtension),",
        )],
    ),
    mutant("ext-in-name-lf", &[]),
    mutant(
        "ext-after-name",
        &[(
            CHUNKED,
            "b'=' => State::BeforeValue,\n                b'\\n' => return Err(Error::BareLf),\n                _ => return Err(Error::ChunkExtension),",
            "b'=' => State::BeforeValue,\n                b'\\n' if crate::off(\"ext-after-name-lf\") => State::Data,\n                b'\\r' if crate::off(\"ext-after-name\") => State::SizeEnd,\n                b'\\n' => return Err(Error::BareLf),\n                _ if crate::off(\"ext-after-name\") => State::AfterName,\n                _ => return Err(Error::ChunkExtension),",
        )],
    ),
    mutant("ext-after-name-lf", &[]),
    mutant(
        "ext-value",
        &[(
            CHUNKED,
            "b'\"' => State::Quoted,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) => State::Value,\n                _ => return Err(Error::ChunkExtension),",
            "b'\"' => State::Quoted,\n                b'\\n' if crate::off(\"ext-value-lf\") => State::Data,\n                b'\\r' if crate::off(\"ext-value\") => State::SizeEnd,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) || crate::off(\"ext-value\") => State::Value,\n                _ => return Err(Error::ChunkExtension),",
        )],
    ),
    mutant("ext-value-lf", &[]),
    mutant(
        "ext-value-token",
        &[(
            CHUNKED,
            "b' ' | b'\\t' => State::BeforeSemicolon,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) => State::Value,\n                _ => return Err(Error::ChunkExtension),",
            "b' ' | b'\\t' => State::BeforeSemicolon,\n                b'\\n' if crate::off(\"ext-in-value-lf\") => State::Data,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, TOKEN) || crate::off(\"ext-value-token\") => State::Value,\n                _ => return Err(Error::ChunkExtension),",
        )],
    ),
    mutant("ext-in-value-lf", &[]),
    mutant(
        "ext-quoted",
        &[(
            CHUNKED,
            "b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, QDTEXT) => State::Quoted,",
            "b'\\n' if crate::off(\"ext-quoted-lf\") => State::Data,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, QDTEXT) || crate::off(\"ext-quoted\") => State::Quoted,",
        )],
    ),
    mutant("ext-quoted-lf", &[]),
    mutant(
        "ext-escaped",
        &[(
            CHUNKED,
            "b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, VALUE) => State::Quoted,",
            "b'\\n' if crate::off(\"ext-escaped-lf\") => State::Data,\n                b'\\n' => return Err(Error::BareLf),\n                _ if chars::is(byte, VALUE) || crate::off(\"ext-escaped\") => State::Quoted,",
        )],
    ),
    mutant("ext-escaped-lf", &[]),
    mutant(
        "ext-after-quoted",
        &[(
            CHUNKED,
            "b' ' | b'\\t' => State::BeforeSemicolon,\n                b'\\n' => return Err(Error::BareLf),\n                _ => return Err(Error::ChunkExtension),",
            "b' ' | b'\\t' => State::BeforeSemicolon,\n                b'\\n' if crate::off(\"ext-after-quoted-lf\") => State::Data,\n                b'\\n' => return Err(Error::BareLf),\n                _ if crate::off(\"ext-after-quoted\") => State::AfterQuoted,\n                _ => return Err(Error::ChunkExtension),",
        )],
    ),
    mutant("ext-after-quoted-lf", &[]),
    mutant(
        "ext-limit",
        &[(
            CHUNKED,
            "if self.extension_bytes >= limits.chunk_extension_bytes {",
            "if self.extension_bytes >= limits.chunk_extension_bytes && !crate::off(\"ext-limit\") {",
        )],
    ),
    mutant(
        "trailers-forbidden",
        &[(
            SECTION,
            "if forbidden.iter().any(|&kind| notable.times(kind) > 0) {",
            "if forbidden.iter().any(|&kind| notable.times(kind) > 0) && !crate::off(\"trailers-forbidden\") {",
        )],
    ),
    mutant(
        "trailers-limit",
        &[(
            "crates/bucle-http/src/body.rs",
            "let limit = limits.trailer_bytes.min(MAX_HEAD_BYTES);",
            "let limit = if crate::off(\"trailers-limit\") { MAX_HEAD_BYTES } else { limits.trailer_bytes.min(MAX_HEAD_BYTES) };",
        )],
    ),
];
