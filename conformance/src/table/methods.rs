//! RFC 9110 section 9: methods.

use crate::Case;
use crate::case::{case, get};

pub(super) fn cases() -> Vec<Case> {
    let method = |id, source, what, method: &str, target: &str| {
        case(
            id,
            source,
            what,
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
    };
    let mut cases = vec![
        method("method-head", "9110 9.3.2", "as GET, without the body", "HEAD", "/a.txt")
            .head(0)
            .answers(&[200])
            .says("Content-Length: 6\r\n")
            .says("Content-Type: text/plain; charset=utf-8\r\n")
            .says("ETag: "),
        method("method-head-large", "9110 9.3.2", "as GET, without the body", "HEAD", "/large.bin")
            .head(0)
            .answers(&[200])
            .says("Content-Length: 100000\r\n"),
        method("method-head-missing", "9110 9.3.2", "as GET, without the body", "HEAD", "/missing").head(0).answers(&[404]).says("Content-Length: 14\r\n"),
        method("method-head-folder", "9110 9.3.2", "as GET, without the body", "HEAD", "/").head(0).answers(&[200]).says("Content-Type: text/html"),
        method("method-head-redirect", "9110 9.3.2", "as GET, without the body", "HEAD", "/dir").head(0).answers(&[301]).says("Location: /dir/\r\n"),
        method("method-head-echo", "9110 9.3.2", "as GET, without the body", "HEAD", "/echo").head(0).answers(&[200]).says("Content-Length: 24\r\n"),
        case("method-head-pipelined", "9110 9.3.2", "HEAD between two GETs",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .head(1)
            .answers(&[200, 200, 200]),
        case("method-head-refused", "9110 9.3.2", "HEAD that is refused: no body either",
            "HEAD /a.txt HTTP/1.1\r\n\r\n").head(0).last(&[400]).says("Content-Length: "),
        case("method-head-refused-2", "9110 9.3.2", "HEAD that is refused, behind an empty line",
            "\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n").head(0).last(&[400]),
        case("method-head-refused-body", "9110 9.3.2", "HEAD with a body that is refused",
            "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").head(0).last(&[400]),
        case("method-head-1.0", "9110 9.3.2", "HEAD of HTTP/1.0", "HEAD /a.txt HTTP/1.0\r\n\r\n").http10().head(0).last(&[200])
            .says("Content-Length: 6\r\n"),
        case("method-head-body", "9110 9.3.2", "HEAD with content, which is read over",
            "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").head(0).answers(&[200]),
        method("method-options", "9110 9.3.7", "OPTIONS of a file", "OPTIONS", "/a.txt")
            .answers(&[200])
            .says("Allow: GET, HEAD, OPTIONS\r\n")
            .says("Content-Length: 0\r\n"),
        method("method-options-missing", "9110 9.3.7", "OPTIONS of what is not there", "OPTIONS", "/missing")
            .answers(&[200])
            .says("Allow: GET, HEAD, OPTIONS\r\n"),
        method("method-options-echo", "9110 9.3.7", "OPTIONS of a resource that knows more", "OPTIONS", "/echo")
            .answers(&[200])
            .says("Allow: GET, HEAD, POST, PUT, OPTIONS\r\n"),
        method("method-options-dots", "3986 3.3", "OPTIONS of a path that is malformed", "OPTIONS", "/../a.txt").answers(&[400]),
        case("method-options-body", "9110 9.3.7", "OPTIONS with content, which is read over",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").answers(&[200]),
        case("method-get-body", "9110 9.3.1", "GET with content, which is read over",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").answers(&[200]),
        case("method-get-chunked", "9110 9.3.1", "GET with chunked content, which is read over",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").answers(&[200]),
        case("method-post-body", "9110 9.3.3", "405, and the content is read over",
            "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").answers(&[405]).says("Allow: GET, HEAD, OPTIONS\r\n"),
        case("method-post-missing", "9110 9.3.3", "405 whether there is a file or not",
            "POST /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").answers(&[405]),
        case("method-unknown-body", "9110 9.1", "501, and the content is read over",
            "FOO /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").answers(&[501]),
        case("method-echo-delete", "9110 15.5.6", "405 with what is allowed there", "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            .answers(&[405])
            .says("Allow: GET, HEAD, POST, PUT, OPTIONS\r\n"),
        case("method-echo-unknown", "9110 9.1", "501", "FOO /echo HTTP/1.1\r\nHost: a\r\n\r\n").answers(&[501]),
        case("method-put-echo", "9110 9.3.4", "PUT", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").echoes("hi"),
        case("method-trace-fields", "9110 9.3.8", "TRACE tells nothing back",
            "TRACE /a.txt HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n").answers(&[405]).lacks("secret"),
        get("method-override", "9110 9.1", "no field changes the method", "X-HTTP-Method-Override: DELETE\r\n").answers(&[200]),
    ];
    for (id, name) in [
        ("method-post", "POST"),
        ("method-put", "PUT"),
        ("method-delete", "DELETE"),
        ("method-patch", "PATCH"),
        ("method-trace", "TRACE"),
    ] {
        let case = method(
            id,
            "9110 15.5.6",
            "known, and not allowed for a file",
            name,
            "/a.txt",
        );
        cases.push(case.answers(&[405]).says("Allow: GET, HEAD, OPTIONS\r\n"));
    }
    for (id, what, name) in [
        ("method-lower", "methods are case-sensitive", "get"),
        ("method-mixed", "methods are case-sensitive", "Get"),
        (
            "method-lower-head",
            "methods are case-sensitive, so this has a body",
            "head",
        ),
        (
            "method-lower-options",
            "methods are case-sensitive",
            "options",
        ),
        ("method-prefix", "not known", "GE"),
        ("method-suffix", "not known", "GETS"),
        ("method-one", "not known", "X"),
        ("method-propfind", "not known", "PROPFIND"),
        ("method-purge", "not known", "PURGE"),
        ("method-odd", "not known, but a token", "!#$%&'*+-.^_`|~09"),
        ("method-number", "not known, but a token", "1"),
    ] {
        cases.push(method(id, "9110 9.1", what, name, "/a.txt").answers(&[501]));
    }
    cases
}
