//! The checks that are taken away.

use super::Mutant;

const SCAN: &str = "crates/bucle-http/src/scan.rs";
const HEAD: &str = "crates/bucle-http/src/head.rs";
const SERVER: &str = "crates/bucle-http/src/server.rs";
const TARGETS: &str = "crates/bucle-http/src/target.rs";
const FRAMING: &str = "crates/bucle-http/src/framing.rs";
const CHUNKED: &str = "crates/bucle-http/src/chunked.rs";
const SECTION: &str = "crates/bucle-http/src/section.rs";
const FIELD: &str = "crates/bucle-http/src/field.rs";
const CONNECTION: &str = "crates/bucle-server/src/connection/mod.rs";
const EXCHANGE: &str = "crates/bucle-server/src/connection/exchange.rs";
const ENDING: &str = "crates/bucle-server/src/connection/ending.rs";
const ANSWER: &str = "crates/bucle-server/src/connection/answer.rs";
const ENTITY: &str = "crates/bucle-server/src/site/entity.rs";
const PATH: &str = "crates/bucle-server/src/site/path.rs";
const SITE: &str = "crates/bucle-server/src/site/mod.rs";
const ECHO: &str = "crates/bucle-server/src/echo.rs";

const fn mutant(
    name: &'static str,
    changes: &'static [(&'static str, &'static str, &'static str)],
) -> Mutant {
    Mutant { name, changes }
}

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
            "let limit = limits.head_bytes.min(MAX_HEAD_BYTES);",
            "let limit = if crate::off(\"head-limit\") { MAX_HEAD_BYTES } else { limits.head_bytes.min(MAX_HEAD_BYTES) };",
        )],
    ),
    mutant(
        "field-trim",
        &[(
            FIELD,
            "let value = chars::trim_end(value);",
            "let value = if crate::off(\"field-trim\") { value } else { chars::trim_end(value) };",
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
            "if head.is_https() {",
            "if head.is_https() && !bucle_http::off(\"target-https\") {",
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
            "if forbidden.iter().any(|met| met.times > 0) {",
            "if forbidden.iter().any(|met| met.times > 0) && !crate::off(\"trailers-forbidden\") {",
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
    // Expectations.
    mutant(
        "expect-other",
        &[(
            HEAD,
            "} else if !member.is_empty() {\n                return Err(Error::Expectation);",
            "} else if !member.is_empty() && !crate::off(\"expect-other\") {\n                return Err(Error::Expectation);",
        )],
    ),
    mutant(
        "expect-old",
        &[(
            HEAD,
            "http11 && notable.expect.times > 0",
            "(http11 || crate::off(\"expect-old\")) && notable.expect.times > 0",
        )],
    ),
    mutant(
        "expect-no-body",
        &[(
            HEAD,
            "expects_continue(fields, bytes)? && has_body;",
            "expects_continue(fields, bytes)? && (has_body || crate::off(\"expect-no-body\"));",
        )],
    ),
    mutant(
        "expect-continue",
        &[(
            EXCHANGE,
            "            self.set(flag::CONTINUE_DUE);\n        }\n        self.drive(&[]);",
            "            if !bucle_http::off(\"expect-continue\") {\n                self.set(flag::CONTINUE_DUE);\n            }\n        }\n        self.drive(&[]);",
        )],
    ),
    // The connection.
    mutant(
        "close",
        &[(
            HEAD,
            "self.keep_alive = !connection.close\n",
            "self.keep_alive = (!connection.close || crate::off(\"close\"))\n",
        )],
    ),
    mutant(
        "close-old",
        &[(
            HEAD,
            "&& (http11 || connection.keep_alive)",
            "&& (http11 || connection.keep_alive || crate::off(\"close-old\"))",
        )],
    ),
    mutant(
        "keep-old",
        &[(
            HEAD,
            "let http11 = self.version == Version::Http11;",
            "let http11 = self.version == Version::Http11;\n        let connection = field::ConnectionOptions { keep_alive: connection.keep_alive && !crate::off(\"keep-old\"), ..connection };",
        )],
    ),
    mutant(
        "close-connect",
        &[(
            HEAD,
            "&& self.method != Method::Connect;",
            "&& (self.method != Method::Connect || crate::off(\"close-connect\"));",
        )],
    ),
    mutant(
        "close-list",
        &[(
            FIELD,
            "for option in value.split(|&byte| byte == b',') {\n            let option = chars::trim(option);",
            "for option in value.split(|&byte| byte == b',') {\n            let option = if crate::off(\"close-list\") { value } else { chars::trim(option) };",
        )],
    ),
    mutant(
        "close-refused",
        &[(
            ENDING,
            "self.clear(flag::KEEP_ALIVE | flag::EXPECTS_CONTINUE | flag::CONTINUE_DUE);\n        self.set(flag::RECEIVED);",
            "self.clear(flag::EXPECTS_CONTINUE | flag::CONTINUE_DUE);\n        if bucle_http::off(\"close-refused\") {\n            self.set(flag::KEEP_ALIVE);\n        } else {\n            self.clear(flag::KEEP_ALIVE);\n        }\n        self.set(flag::RECEIVED);",
        )],
    ),
    mutant(
        "linger",
        &[(
            ENDING,
            "if sending && !eof {",
            "if sending && !eof && !bucle_http::off(\"linger\") {",
        )],
    ),
    mutant(
        "close-is-done",
        &[(
            CONNECTION,
            "                        if !self.any(flag::KEEP_ALIVE) {\n",
            "                        if !self.any(flag::KEEP_ALIVE) && !bucle_http::off(\"close-is-done\") {\n",
        )],
    ),
    mutant(
        "close-is-said",
        &[(
            ANSWER,
            "(false, _) => After::Closes,",
            "(false, _) if bucle_http::off(\"close-is-said\") => After::Stays,\n            (false, _) => After::Closes,",
        )],
    ),
    mutant(
        "keep-is-said",
        &[(
            ANSWER,
            "(true, true) => After::StaysSaid,",
            "(true, true) if bucle_http::off(\"keep-is-said\") => After::Stays,\n            (true, true) => After::StaysSaid,",
        )],
    ),
    mutant(
        "half-close",
        &[(
            "crates/bucle-server/src/connection/driver.rs",
            "connection.set(flag::EOF);",
            "connection.set(flag::EOF);\n        if bucle_http::off(\"half-close\") {\n            connection.abort();\n            return false;\n        }",
        )],
    ),
    mutant(
        "cut-short",
        &[(
            CONNECTION,
            "Event::NeedInput if self.any(flag::EOF) => self.cut_short(out),",
            "Event::NeedInput if self.any(flag::EOF) && !bucle_http::off(\"cut-short\") => self.cut_short(out),",
        )],
    ),
    mutant(
        "cut-short-400",
        &[(
            ENDING,
            "if self.has_response() {",
            "if self.has_response() && !bucle_http::off(\"cut-short-400\") {",
        )],
    ),
    // Bodies.
    mutant(
        "body-discarded",
        &[(
            EXCHANGE,
            "|| discarded > DISCARD_LIMIT",
            "|| bucle_http::off(\"body-discarded\")\n            || discarded > DISCARD_LIMIT",
        )],
    ),
    mutant(
        "body-limit",
        &[(
            EXCHANGE,
            "|| body.length().is_some_and(|length| length > DISCARD_LIMIT)",
            "|| !bucle_http::off(\"body-limit\") && body.length().is_some_and(|length| length > DISCARD_LIMIT)",
        )],
    ),
    mutant(
        "body-before-answer",
        &[(
            EXCHANGE,
            "self.any(flag::RECEIVED | flag::EXPECTS_CONTINUE)\n            ||",
            "self.any(flag::RECEIVED | flag::EXPECTS_CONTINUE)\n            || bucle_http::off(\"body-before-answer\")\n            ||",
        )],
    ),
    mutant(
        "body-whole",
        &[(
            ECHO,
            "Some(Err(error)) => return incomplete(error),",
            "Some(Err(_)) if bucle_http::off(\"body-whole\") => return Response::text(begin),\n            Some(Err(error)) => return incomplete(error),",
        )],
    ),
    mutant(
        "body-expected",
        &[(
            EXCHANGE,
            "self.any(flag::EXPECTS_CONTINUE)\n            ||",
            "self.any(flag::EXPECTS_CONTINUE) && !bucle_http::off(\"body-expected\")\n            ||",
        )],
    ),
    // Methods.
    mutant(
        "head-body",
        &[(
            ANSWER,
            "(framing, !is_head)",
            "(framing, !is_head || bucle_http::off(\"head-body\"))",
        )],
    ),
    mutant(
        "head-refused",
        &[(
            ENDING,
            "if asks_for_head(input) {",
            "if asks_for_head(input) && !bucle_http::off(\"head-refused\") {",
        )],
    ),
    mutant(
        "head-echo",
        &[(
            ECHO,
            "\"Echo: GET {} {}\", head.target()",
            "\"Echo: {} {} {}\", if bucle_http::off(\"head-echo\") { head.method_str() } else { \"GET\" }, head.target()",
        )],
    ),
    mutant(
        "method-unknown",
        &[(
            SITE,
            "Method::Other => return error(StatusCode::NOT_IMPLEMENTED),",
            "Method::Other if !bucle_http::off(\"method-unknown\") => return error(StatusCode::NOT_IMPLEMENTED),",
        )],
    ),
    mutant(
        "method-unknown-echo",
        &[(
            ECHO,
            "Method::Other => Response::error",
            "Method::Other if !bucle_http::off(\"method-unknown-echo\") => Response::error",
        )],
    ),
    mutant(
        "method-allowed",
        &[(
            SITE,
            "_ => return plain(Response::method_not_allowed(ALLOWED)),",
            "_ if bucle_http::off(\"method-allowed\") => {}\n            _ => return plain(Response::method_not_allowed(ALLOWED)),",
        )],
    ),
    mutant(
        "method-options",
        &[(
            SITE,
            "Method::Options => return self.options(path),",
            "Method::Options if !bucle_http::off(\"method-options\") => return self.options(path),",
        )],
    ),
    mutant(
        "method-options-echo",
        &[(
            ECHO,
            "Method::Options => Response::options(ALLOWED),",
            "Method::Options if !bucle_http::off(\"method-options-echo\") => Response::options(ALLOWED),",
        )],
    ),
    mutant(
        "method-case",
        &[(
            "crates/bucle-http/src/method.rs",
            "        match name {\n            b\"GET\" =>",
            "        match name {\n            b\"get\" | b\"Get\" if crate::off(\"method-case\") => Method::Get,\n            b\"head\" if crate::off(\"method-case\") => Method::Head,\n            b\"options\" if crate::off(\"method-case\") => Method::Options,\n            b\"GET\" =>",
        )],
    ),
    // Preconditions.
    mutant(
        "match",
        &[(
            ENTITY,
            "if !lines.any(|tags| matches_any(tags, etag, Comparison::Strong)) {",
            "if !bucle_http::off(\"match\") && !lines.any(|tags| matches_any(tags, etag, Comparison::Strong)) {",
        )],
    ),
    mutant(
        "match-first",
        &[(
            ENTITY,
            "    if head.header(\"if-match\").is_some() {\n        let mut lines",
            "    if head.header(\"if-match\").is_some() && bucle_http::off(\"match-first\") {\n        if date(head, \"if-unmodified-since\").is_some() {\n            return Verdict::Failed;\n        }\n    } else if head.header(\"if-match\").is_some() {\n        let mut lines",
        )],
    ),
    mutant(
        "unmodified-since",
        &[(
            ENTITY,
            "        && modified > since\n",
            "        && modified > since\n        && !bucle_http::off(\"unmodified-since\")\n",
        )],
    ),
    mutant(
        "none-match",
        &[(
            ENTITY,
            "if lines.any(|tags| matches_any(tags, etag, Comparison::Weak)) {",
            "if !bucle_http::off(\"none-match\") && lines.any(|tags| matches_any(tags, etag, Comparison::Weak)) {",
        )],
    ),
    mutant(
        "none-match-first",
        &[(
            ENTITY,
            "    if head.header(\"if-none-match\").is_some() {",
            "    if head.header(\"if-none-match\").is_some() && !bucle_http::off(\"none-match-first\") {",
        )],
    ),
    mutant(
        "modified-since",
        &[(
            ENTITY,
            "        && modified <= since\n",
            "        && modified <= since\n        && !bucle_http::off(\"modified-since\")\n",
        )],
    ),
    mutant(
        "modified-since-once",
        &[(
            ENTITY,
            "    let (Some(text), None) = (lines.next(), lines.next()) else {",
            "    let (Some(text), None) = (lines.next(), lines.next().filter(|_| !bucle_http::off(\"modified-since-once\"))) else {",
        )],
    ),
    mutant(
        "dates-old",
        &[(
            ENTITY,
            "    match with_whole_year(text, SystemTime::now()) {",
            "    if bucle_http::off(\"dates-old\") && !text.contains(\", \") {\n        return None;\n    }\n    match with_whole_year(text, SystemTime::now()).filter(|_| !bucle_http::off(\"dates-old\")) {",
        )],
    ),
    mutant(
        "dates-century",
        &[(
            ENTITY,
            "let whole = latest - (latest - year) % 100;",
            "let whole = if bucle_http::off(\"dates-century\") { 2000 + year } else { latest - (latest - year) % 100 };",
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
            "crates/bucle-server/src/site/root.rs",
            "ResolveFlags::BENEATH",
            "if bucle_http::off(\"path-beneath\") { ResolveFlags::empty() } else { ResolveFlags::BENEATH }",
        )],
    ),
    mutant(
        "path-kinds",
        &[(
            "crates/bucle-server/src/site/files.rs",
            "FileType::RegularFile | FileType::Directory => Ok(()),",
            "FileType::RegularFile | FileType::Directory => Ok(()),\n        _ if bucle_http::off(\"path-kinds\") => Ok(()),",
        )],
    ),
    mutant(
        "path-file-slash",
        &[
            (
                SITE,
                "match open(&path.join(b\".\")) {",
                "match if bucle_http::off(\"path-file-slash\") { open(&path.relative()) } else { open(&path.join(b\".\")) } {",
            ),
            (
                SITE,
                "Ok(_) => error(StatusCode::NOT_FOUND),",
                "Ok(Found::File(opened)) if bucle_http::off(\"path-file-slash\") => self.file(request, opened),\n            Ok(_) => error(StatusCode::NOT_FOUND),",
            ),
        ],
    ),
];
