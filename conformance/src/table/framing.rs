//! RFC 9112 section 6, RFC 9110 section 8.6: what says where a body ends.

use crate::Case;
use crate::case::{case, post};

const LENGTH: &str = "Content-Length is not a decimal number";
const TWICE: &str = "there is more than one Content-Length";
const BOTH: &str = "both Content-Length and Transfer-Encoding";
const ENCODING: &str = "Transfer-Encoding is not chunked, once and last";
const UNKNOWN: &str = "no transfer coding but chunked is known";
const OLD: &str = "HTTP/1.0 has no Transfer-Encoding";
const CHUNKED: &str = "5\r\nhello\r\n0\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        post("length", "9112 6.2", "a length", "Content-Length: 5\r\n", "hello").echoes("hello"),
        post("length-zero", "9112 6.2", "no content", "Content-Length: 0\r\n", "").echoes(""),
        post("length-none", "9112 6.3", "neither length nor encoding: no body", "", "").echoes(""),
        post("length-leading-zeros", "9110 8.6", "leading zeros", "Content-Length: 00005\r\n", "hello").echoes("hello"),
        post("length-space", "9110 5.5", "white space around it", "Content-Length: \t5 \t\r\n", "hello").echoes("hello"),
        post("length-case", "9110 5.1", "its name in another case", "cONTENT-lENGTH: 5\r\n", "hello").echoes("hello"),
        post("length-more", "9112 6.3", "what is behind it is the next request",
            "Content-Length: 5\r\n", "helloGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n").answers(&[200, 200]).body("hello\n"),
        post("length-more-garbage", "9112 6.3", "what is behind it is the next request, and none",
            "Content-Length: 5\r\n", "hello!\r\n\r\n").last(&[200, 400]).says("the method is not a token"),
        post("length-request-within", "9112 6.3", "a request within a body is content",
            "Content-Length: 31\r\n", "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
            .echoes("GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
        post("length-crlf-within", "9112 6.3", "line breaks within a body are content", "Content-Length: 4\r\n", "\r\n\r\n").echoes("\r\n\r\n"),
        post("length-waits", "9112 6.3", "not all of it is there", "Content-Length: 6\r\n", "hello").waits(&[]),
        post("length-cut", "9112 8", "the client ends its side in it", "Content-Length: 6\r\n", "hello").ends().last(&[400]),
        case("length-max", "9110 8.6", "2^63-1, which is not waited for",
            "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nhello").last(&[413]),
        post("encoding", "9112 6.1", "chunked", "Transfer-Encoding: chunked\r\n", CHUNKED).echoes("hello"),
        post("encoding-case", "9112 7", "codings are case-insensitive", "Transfer-Encoding: ChunKED\r\n", CHUNKED).echoes("hello"),
        post("encoding-name-case", "9110 5.1", "its name in another case", "tRANSFER-eNCODING: chunked\r\n", CHUNKED).echoes("hello"),
        post("encoding-space", "9110 5.5", "white space around it", "Transfer-Encoding: \t chunked \t\r\n", CHUNKED).echoes("hello"),
        post("encoding-no-space", "9112 5", "no white space before it", "Transfer-Encoding:chunked\r\n", CHUNKED).echoes("hello"),
        post("encoding-te-header", "9112 7.4", "TE says nothing of this body", "TE: trailers, deflate\r\nContent-Length: 5\r\n", "hello")
            .echoes("hello"),
        post("encoding-content", "9110 8.4", "Content-Encoding says nothing of where the body ends",
            "Content-Encoding: chunked\r\nContent-Length: 5\r\n", "hello").echoes("hello"),
        case("encoding-1.0", "9112 6.1", "in HTTP/1.0",
            "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").http10().refused(400, OLD),
        case("encoding-1.0-keep", "9112 6.1", "in HTTP/1.0 that is to be kept",
            "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .http10()
            .refused(400, OLD),
        case("encoding-1.0-length", "9112 6.1", "in HTTP/1.0, with a length",
            "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello").http10().refused(400, OLD),
        case("encoding-1.0-identity", "9112 6.1", "in HTTP/1.0, another coding",
            "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello").http10().refused(400, OLD),
        case("encoding-get", "9112 6.1", "an unknown coding with GET", "GET /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n")
            .refused(501, UNKNOWN),
        case("length-1.0", "9112 6.2", "a length in HTTP/1.0", "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
            .http10()
            .last(&[200])
            .body("hello"),
        case("length-1.0-none", "9112 6.3", "HTTP/1.0 without a length: no body", "POST /echo HTTP/1.0\r\n\r\nhello")
            .http10()
            .last(&[200])
            .body(""),
        case("length-get-smuggle", "9112 6.3", "content of GET is no request",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\n\r\nGET /echo?evil HTTP/1.1\r\nHost: evil\r\n\r\n")
            .answers(&[200])
            .body("hello\n"),
    ];
    for (id, what, value) in [
        ("length-empty", "empty", ""),
        ("length-blank", "white space", " \t"),
        ("length-plus", "a sign", "+5"),
        ("length-minus", "a sign", "-5"),
        ("length-minus-zero", "a sign", "-0"),
        ("length-hex", "hexadecimal", "0x5"),
        ("length-octal", "octal", "0o5"),
        ("length-letters", "hexadecimal digits", "5a"),
        ("length-point", "a point", "5.0"),
        ("length-exponent", "an exponent", "5e0"),
        ("length-underscore", "an underscore", "1_0"),
        ("length-two", "two numbers", "5 5"),
        ("length-list", "a list of equal numbers", "5, 5"),
        ("length-list-close", "a list of equal numbers", "5,5"),
        ("length-list-other", "a list of numbers", "5, 6"),
        ("length-list-empty", "a list with an empty element", "5,"),
        ("length-list-empty-2", "a list with an empty element", ",5"),
        ("length-semicolon", "a parameter", "5;a=b"),
        ("length-quoted", "quoted", "\"5\""),
        ("length-word", "a word", "five"),
        ("length-nan", "a word", "NaN"),
        ("length-2-63", "2^63", "9223372036854775808"),
        ("length-2-64", "2^64", "18446744073709551616"),
        ("length-2-64-5", "2^64 + 5", "18446744073709551621"),
        ("length-many-digits", "a hundred digits", &*"9".repeat(100)),
        ("length-arabic", "digits of another script", "\u{665}"),
        ("length-high", "a byte that is no space in ASCII", "5\u{a0}"),
    ] {
        cases.push(
            post(
                id,
                "9110 8.6",
                what,
                &format!("Content-Length: {value}\r\n"),
                "hello",
            )
            .refused(400, LENGTH),
        );
    }
    for (id, what, lines) in [
        (
            "length-twice",
            "two that are equal",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
        ),
        (
            "length-twice-other",
            "two that differ",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
        ),
        (
            "length-twice-zero",
            "two that differ",
            "Content-Length: 0\r\nContent-Length: 5\r\n",
        ),
        (
            "length-twice-bad",
            "one that is none",
            "Content-Length: 5\r\ncontent-length: x\r\n",
        ),
        (
            "length-twice-apart",
            "two, apart from one another",
            "Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n",
        ),
    ] {
        cases.push(post(id, "9112 6.3", what, lines, "hello").refused(400, TWICE));
    }
    for (id, what, lines) in [
        (
            "both",
            "both",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "both-reverse",
            "both, the other way round",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ),
        (
            "both-zero",
            "both, with length 0",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "both-bad-length",
            "both, the length is none",
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "both-twice",
            "both, and two lengths",
            "Content-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "both-unknown",
            "both, with an unknown coding",
            "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n",
        ),
        (
            "both-identity",
            "both, with identity",
            "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        ),
        (
            "both-close",
            "both, on a connection that closes",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n",
        ),
    ] {
        cases.push(post(id, "9112 6.3", what, lines, CHUNKED).refused(400, BOTH));
    }
    for (id, what, lines) in [
        ("encoding-empty", "empty", "Transfer-Encoding:\r\n"),
        (
            "encoding-twice",
            "chunked twice",
            "Transfer-Encoding: chunked, chunked\r\n",
        ),
        (
            "encoding-twice-lines",
            "chunked in two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "encoding-not-last",
            "chunked is not the last",
            "Transfer-Encoding: chunked, gzip\r\n",
        ),
        (
            "encoding-not-last-lines",
            "chunked is not the last",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        ),
        (
            "encoding-not-last-identity",
            "chunked is not the last",
            "Transfer-Encoding: chunked, identity\r\n",
        ),
        (
            "encoding-empty-first",
            "an empty element",
            "Transfer-Encoding: , chunked\r\n",
        ),
        (
            "encoding-empty-last",
            "an empty element",
            "Transfer-Encoding: chunked,\r\n",
        ),
        (
            "encoding-empty-line",
            "an empty line before it",
            "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "encoding-parameter",
            "chunked with a parameter",
            "Transfer-Encoding: chunked;a=b\r\n",
        ),
        (
            "encoding-quoted",
            "quoted",
            "Transfer-Encoding: \"chunked\"\r\n",
        ),
        (
            "encoding-single-quoted",
            "two words",
            "Transfer-Encoding: chunked chunked\r\n",
        ),
        (
            "encoding-space-within",
            "two words",
            "Transfer-Encoding: chun ked\r\n",
        ),
        (
            "encoding-slash",
            "no token",
            "Transfer-Encoding: chunked/1\r\n",
        ),
        (
            "encoding-high",
            "a byte that is no space in ASCII",
            "Transfer-Encoding: chunked\u{a0}\r\n",
        ),
        (
            "encoding-high-first",
            "a byte that is no space in ASCII",
            "Transfer-Encoding: \u{a0}chunked\r\n",
        ),
    ] {
        cases.push(post(id, "9112 6.3", what, lines, CHUNKED).refused(400, ENCODING));
    }
    for (id, what, lines) in [
        ("encoding-gzip", "gzip alone", "Transfer-Encoding: gzip\r\n"),
        (
            "encoding-gzip-chunked",
            "gzip, then chunked",
            "Transfer-Encoding: gzip, chunked\r\n",
        ),
        (
            "encoding-gzip-chunked-lines",
            "gzip, then chunked",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "encoding-identity",
            "identity, which is no coding any more",
            "Transfer-Encoding: identity\r\n",
        ),
        (
            "encoding-identity-chunked",
            "identity, then chunked",
            "Transfer-Encoding: identity, chunked\r\n",
        ),
        (
            "encoding-prefix",
            "a name that only ends so",
            "Transfer-Encoding: xchunked\r\n",
        ),
        (
            "encoding-suffix",
            "a name that only begins so",
            "Transfer-Encoding: chunkedx\r\n",
        ),
        (
            "encoding-apostrophes",
            "apostrophes are part of a name",
            "Transfer-Encoding: 'chunked'\r\n",
        ),
        (
            "encoding-short",
            "a name that is shorter",
            "Transfer-Encoding: chunke\r\n",
        ),
        (
            "encoding-cow",
            "unknown, then chunked",
            "Transfer-Encoding: cow, chunked\r\n",
        ),
        (
            "encoding-parameters",
            "unknown with parameters",
            "Transfer-Encoding: foo;a=\"b\", chunked\r\n",
        ),
    ] {
        cases.push(post(id, "9112 6.1", what, lines, CHUNKED).refused(501, UNKNOWN));
    }
    cases
}
