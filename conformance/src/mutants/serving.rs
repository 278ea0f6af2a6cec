//! The checks of what becomes of a request.

use super::{Mutant, mutant};

const HEAD: &str = "crates/bucle-http/src/head.rs";
const NOTABLE: &str = "crates/bucle-http/src/notable.rs";
const CONNECTION: &str = "crates/bucle-server/src/connection/mod.rs";
const EXCHANGE: &str = "crates/bucle-server/src/connection/exchange.rs";
const ENDING: &str = "crates/bucle-server/src/connection/ending.rs";
const ANSWER: &str = "crates/bucle-server/src/connection/answer.rs";
const ECHO: &str = "crates/bucle-server/src/echo.rs";

pub(super) const ALL: &[Mutant] = &[
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
            "self.expects_continue = http11\n",
            "self.expects_continue = (http11 || crate::off(\"expect-old\"))\n",
        )],
    ),
    mutant(
        "expect-continue",
        &[(
            EXCHANGE,
            "            self.set(flag::CONTINUE_DUE);\n        }\n        Connection(self).drive(&[]);\n    }",
            "            if !bucle_http::off(\"expect-continue\") {\n                self.set(flag::CONTINUE_DUE);\n            }\n        }\n        Connection(self).drive(&[]);\n    }",
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
            "let http11 = self.version == Version::Http11;\n        let connection = crate::notable::ConnectionOptions { keep_alive: connection.keep_alive && !crate::off(\"keep-old\"), ..connection };",
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
            NOTABLE,
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
            "if sending && !self.any(flag::EOF) {",
            "if sending && bucle_http::off(\"linger\") {\n            self.transport().write(out);\n            self.transport().abort();\n        } else if sending && !self.any(flag::EOF) {",
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
        "body-max",
        &[(
            EXCHANGE,
            "limit.is_some_and(|limit| length",
            "!bucle_http::off(\"body-max\") && limit.is_some_and(|limit| length",
        )],
    ),
    mutant(
        "body-announced",
        &[(
            CONNECTION,
            "let announced = parser.announced();",
            "let announced = if bucle_http::off(\"body-announced\") { 0 } else { parser.announced() };",
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
        "method-unknown-echo",
        &[(
            ECHO,
            "Method::Other => Response::error",
            "Method::Other if !bucle_http::off(\"method-unknown-echo\") => Response::error",
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
];
