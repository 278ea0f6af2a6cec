//! RFC 9112 section 9.3, RFC 9110 section 10.1.1: bodies that nobody reads, and expectations.

use crate::Case;
use crate::case::{case, get, post};

pub(super) fn cases() -> Vec<Case> {
    let expecting = |id, what, expectation: &str| {
        let lines = format!("Content-Length: 5\r\nExpect: {expectation}\r\n");
        post(id, "9110 10.1.1", what, &lines, "hello")
    };
    let mut cases = vec![
        post("expect-waits", "9110 10.1.1", "100 before the body, which is not waited for",
            "Content-Length: 5\r\nExpect: 100-continue\r\n", "").waits(&[100]),
        post("expect-waits-chunked", "9110 10.1.1", "100 before a chunked body",
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "").waits(&[100]),
        post("expect-waits-case", "9110 10.1.1", "its value is case-insensitive",
            "Content-Length: 5\r\nExpect: 100-CONTINUE\r\n", "").waits(&[100]),
        expecting("expect", "the answer comes after the body", "100-continue")
            .continue_may_come()
            .echoes("hello"),
        expecting("expect-list", "a list of the same", "100-continue, 100-continue").continue_may_come().echoes("hello"),
        expecting("expect-empty", "an empty list asks for nothing", "").echoes("hello"),
        post("expect-chunked", "9110 10.1.1", "with a chunked body",
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "5\r\nhello\r\n0\r\n\r\n").continue_may_come().echoes("hello"),
        post("expect-no-body", "9110 10.1.1", "no body: no 100", "Content-Length: 0\r\nExpect: 100-continue\r\n", "").echoes(""),
        get("expect-get", "9110 10.1.1", "GET without a body: no 100", "Expect: 100-continue\r\n").answers(&[200]),
        case("expect-1.0", "9110 10.1.1", "it means nothing in HTTP/1.0",
            "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello").http10().last(&[200]).body("hello"),
        case("expect-1.0-other", "9110 10.1.1", "whatever it is, it means nothing in HTTP/1.0",
            "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: x\r\n\r\nhello").http10().last(&[200]).body("hello"),
        case("expect-final", "9110 10.1.1", "the final answer at once where the body is not wanted, and the end",
            "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").last(&[405]),
        case("expect-final-get", "9110 10.1.1", "the final answer at once where the body is not wanted, and the end",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").last(&[200]),
        case("expect-final-unknown", "9110 10.1.1", "501 at once",
            "FOO /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").last(&[501]),
        post("expect-next", "9110 10.1.1", "and the next request",
            "Content-Length: 5\r\nExpect: 100-continue\r\n", "helloGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .continue_may_come()
            .answers(&[200, 200])
            .body("hello\n"),
        case("body-unread-chunked", "9112 9.3", "chunked content of a 405 is read over, and checked",
            "POST /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").answers(&[405]),
        case("body-unread-malformed", "9112 9.3", "content that nobody reads is checked as well",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n")
            .refused(400, "a chunk's size is not"),
        case("body-unread-malformed-post", "9112 9.3", "content that nobody reads is checked as well",
            "POST /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX")
            .refused(400, "a chunk's data is not followed"),
        case("body-unread-waits", "9112 9.3", "content that nobody reads is waited for",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel").waits(&[]),
        case("body-unread-cut", "9112 8", "content that nobody reads is cut",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel").ends().refused(400, "ended in the middle"),
        case("body-unread-long", "9112 9.3", "content too long to be read over: answered at once, and closed",
            "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\nhello").last(&[405]),
        case("body-unread-missing", "9112 9.3", "content of a 404 is read over",
            "GET /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").answers(&[404]),
        case("body-unread-redirect", "9112 9.3", "content of a redirect is read over",
            "GET /dir HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").answers(&[301]),
    ];
    for (id, what, expectation) in [
        ("expect-other", "another expectation", "200-ok"),
        ("expect-prefix", "another expectation", "100-continu"),
        ("expect-suffix", "another expectation", "100-continue2"),
        ("expect-number", "another expectation", "100"),
        (
            "expect-list-other",
            "another expectation as well",
            "100-continue, x",
        ),
        ("expect-parameter", "a parameter", "100-continue;a=b"),
        ("expect-quoted", "quoted", "\"100-continue\""),
        ("expect-value", "a value", "100-continue=yes"),
    ] {
        cases
            .push(expecting(id, what, expectation).refused(417, "no expectation but 100-continue"));
    }
    cases.push(
        get(
            "expect-other-get",
            "9110 10.1.1",
            "another expectation, of GET",
            "Expect: x\r\n",
        )
        .refused(417, "no expectation but 100-continue"),
    );
    cases.push(
        post(
            "expect-lines",
            "9110 5.3",
            "another expectation in a second line",
            "Content-Length: 5\r\nExpect: 100-continue\r\nExpect: x\r\n",
            "hello",
        )
        .refused(417, "no expectation"),
    );
    cases
}
