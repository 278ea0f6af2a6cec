//! RFC 9110 sections 2.3, 5.4, 15.5.15: every limit, at N and at N + 1.

use crate::Case;
use crate::case::{case, chunked, get, post};

const METHOD: usize = 32;
const TARGET: usize = 8 * 1024;
const HEAD: usize = 32 * 1024;
const FIELDS: usize = 100;
const EXTENSIONS: usize = 16 * 1024;
const BODY: usize = 1024 * 1024 * 1024;
const TRAILERS: usize = 8 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let target = |id, what, length: usize| {
        let target = format!("/echo?{}", "t".repeat(length - 6));
        case(
            id,
            "9112 3",
            what,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
    };
    let method = |id, what, length: usize| {
        let method = "M".repeat(length);
        case(
            id,
            "9112 3",
            what,
            format!("{method} /a.txt HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
    };
    let head = |id, what, length: usize| {
        let rest = "GET /a.txt HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        get(
            id,
            "9110 5.4",
            what,
            &format!("X: {}\r\n", "v".repeat(length - rest)),
        )
    };
    let extensions = |id, what, length: usize| {
        chunked(
            id,
            "9112 7.1.1",
            what,
            format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(length - 1)),
        )
    };
    let trailers = |id, what, length: usize| {
        chunked(
            id,
            "9110 5.4",
            what,
            format!("5\r\nhello\r\n0\r\nX:{}\r\n\r\n", "v".repeat(length - 6)),
        )
    };
    vec![
        method("limit-method", "the longest method", METHOD).answers(&[501]),
        method("limit-method-over", "one byte more", METHOD + 1)
            .refused(501, "the method is longer than any"),
        method("limit-method-huge", "a method of 10,000 bytes", 10_000)
            .refused(501, "the method is longer than any"),
        target(
            "limit-target-8000",
            "8,000 bytes, which are to be supported",
            8000,
        )
        .answers(&[200]),
        target("limit-target", "the longest target", TARGET).answers(&[200]),
        target("limit-target-over", "one byte more", TARGET + 1)
            .refused(414, "the request target is too long"),
        target("limit-target-huge", "60,000 bytes", 60_000)
            .refused(414, "the request target is too long"),
        case(
            "limit-target-head",
            "9110 9.3.2",
            "HEAD of a target that is too long",
            format!("HEAD /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(TARGET)),
        )
        .head(0)
        .last(&[414]),
        head("limit-head", "the longest head", HEAD).answers(&[200]),
        head("limit-head-over", "one byte more", HEAD + 1)
            .refused(431, "the header section is too long"),
        head("limit-head-huge", "100,000 bytes", 100_000)
            .refused(431, "the header section is too long"),
        get(
            "limit-name-huge",
            "9110 5.4",
            "a name of 100,000 bytes",
            &format!("{}: y\r\n", "n".repeat(100_000)),
        )
        .refused(431, "the header section is too long"),
        get(
            "limit-space-huge",
            "9110 5.4",
            "100,000 bytes of white space",
            &format!("X:{}y\r\n", " ".repeat(100_000)),
        )
        .refused(431, "the header section is too long"),
        get(
            "limit-fields",
            "9110 5.4",
            "as many fields as are taken",
            &"X: y\r\n".repeat(FIELDS - 1),
        )
        .answers(&[200]),
        get(
            "limit-fields-over",
            "9110 5.4",
            "one more",
            &"X: y\r\n".repeat(FIELDS),
        )
        .refused(431, "too many header fields"),
        get(
            "limit-fields-1000",
            "9110 5.4",
            "a thousand fields",
            &"X: y\r\n".repeat(1000),
        )
        .refused(431, "too many header fields"),
        extensions("limit-extensions", "the longest extension", EXTENSIONS).echoes("hello"),
        extensions("limit-extensions-over", "one byte more", EXTENSIONS + 1)
            .refused(400, "the chunk extensions are too long"),
        chunked(
            "limit-extensions-many",
            "9112 7.1.1",
            "those of all chunks count together",
            format!(
                "{}0\r\n\r\n",
                "1;eeeeeeee\r\nx\r\n".repeat(EXTENSIONS / 9 + 1)
            ),
        )
        .refused(400, "the chunk extensions are too long"),
        chunked(
            "limit-extensions-space",
            "9112 7.1.1",
            "white space counts",
            format!("5{};a\r\nhello\r\n0\r\n\r\n", " ".repeat(20_000)),
        )
        .refused(400, "the chunk extensions are too long"),
        trailers("limit-trailers", "the longest trailers", TRAILERS).echoes("hello"),
        trailers("limit-trailers-over", "one byte more", TRAILERS + 1)
            .refused(431, "the trailer section is too long"),
        chunked(
            "limit-trailers-fields",
            "9110 5.4",
            "too many trailers",
            format!("5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(FIELDS + 1)),
        )
        .refused(431, "too many header fields"),
        post(
            "limit-body",
            "9110 15.5.14",
            "a body that is sent back as it comes",
            "Content-Length: 400000\r\n",
            &"b".repeat(400_000),
        )
        .answers(&[200]),
        case(
            "limit-length",
            "9110 15.5.14",
            "the longest body that is taken, which is not asked for",
            format!("POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\nb"),
        )
        .last(&[405]),
        case(
            "limit-length-over",
            "9110 15.5.14",
            "one byte more",
            format!(
                "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\nb",
                BODY + 1
            ),
        )
        .last(&[413]),
        case(
            "limit-discard",
            "9112 9.3",
            "the longest body that is read over",
            format!(
                "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 262144\r\n\r\n{}",
                "b".repeat(262_144)
            ),
        )
        .answers(&[405]),
        case(
            "limit-discard-over",
            "9112 9.3",
            "one byte more: closed",
            format!(
                "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 262145\r\n\r\n{}",
                "b".repeat(262_145)
            ),
        )
        .last(&[405]),
    ]
}
