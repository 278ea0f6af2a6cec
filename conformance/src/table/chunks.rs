//! RFC 9112 section 7.1: chunked bodies.

use crate::Case;
use crate::case::chunked;

const SIZE: &str = "a chunk's size is not a hexadecimal number";
const EXTENSION: &str = "a chunk extension is not";
const END: &str = "a chunk's data is not followed by CRLF";
const LF: &str = "a line ends with LF alone";
const CR: &str = "a CR is not followed by LF";
const FORBIDDEN: &str = "a framing or routing field among the trailers";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        chunked("chunk-none", "9112 7.1", "no data", "0\r\n\r\n").echoes(""),
        chunked(
            "chunk-one",
            "9112 7.1",
            "one chunk",
            "5\r\nhello\r\n0\r\n\r\n",
        )
        .echoes("hello"),
        chunked(
            "chunk-three",
            "9112 7.1",
            "three chunks",
            "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n",
        )
        .echoes("hello"),
        chunked(
            "chunk-hex",
            "9112 7.1",
            "a letter",
            "a\r\n0123456789\r\n0\r\n\r\n",
        )
        .echoes("0123456789"),
        chunked(
            "chunk-hex-upper",
            "9112 7.1",
            "a letter in upper case",
            "A\r\n0123456789\r\n0\r\n\r\n",
        )
        .echoes("0123456789"),
        chunked(
            "chunk-zeros",
            "9112 7.1",
            "leading zeros",
            "0000000005\r\nhello\r\n000\r\n\r\n",
        )
        .echoes("hello"),
        chunked(
            "chunk-data-crlf",
            "9112 7.1",
            "line breaks and a last chunk within the data",
            "9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n",
        )
        .echoes("\r\n0\r\n\r\n\r\n"),
        chunked(
            "chunk-data-request",
            "9112 7.1",
            "a request within the data",
            "17\r\nGET /echo?x HTTP/1.1\r\n\r\r\n0\r\n\r\n",
        )
        .echoes("GET /echo?x HTTP/1.1\r\n\r"),
        chunked(
            "chunk-next",
            "9112 7.1",
            "what is behind the end is the next request",
            "5\r\nhello\r\n0\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .answers(&[200, 200])
        .body("hello\n"),
        chunked(
            "chunk-next-garbage",
            "9112 7.1",
            "what is behind the end is the next request, and none",
            "5\r\nhello\r\n0\r\n\r\n0\r\n\r\n",
        )
        .last(&[200, 400])
        .says("the method is not a token"),
        chunked("chunk-waits-size", "9112 7.1", "half a size", "5").waits(&[]),
        chunked("chunk-waits-data", "9112 7.1", "half the data", "5\r\nhel").waits(&[]),
        chunked(
            "chunk-waits-last",
            "9112 7.1",
            "no last chunk",
            "5\r\nhello\r\n",
        )
        .waits(&[]),
        chunked(
            "chunk-waits-trailers",
            "9112 7.1",
            "no end of the trailers",
            "5\r\nhello\r\n0\r\n",
        )
        .waits(&[]),
        chunked(
            "chunk-waits-cr",
            "9112 7.1",
            "the CR of the end",
            "5\r\nhello\r\n0\r\n\r",
        )
        .waits(&[]),
        chunked(
            "chunk-waits-large",
            "9112 7.1",
            "as much as a body may have, which is waited for",
            "40000000\r\n",
        )
        .waits(&[]),
        chunked(
            "chunk-over-limit",
            "9110 15.5.14",
            "one byte more than a body may have, none of which has come",
            "40000001\r\n",
        )
        .last(&[413]),
        chunked(
            "chunk-over-limit-huge",
            "9112 7.1",
            "2^63-1, which is more than a body may have",
            "7fffffffffffffff\r\nhello",
        )
        .last(&[413]),
        chunked(
            "chunk-cut",
            "9112 8",
            "the client ends its side in it",
            "5\r\nhel",
        )
        .ends()
        .last(&[400]),
        chunked(
            "chunk-cut-last",
            "9112 8",
            "the client ends its side before the last chunk",
            "5\r\nhello\r\n",
        )
        .ends()
        .last(&[400]),
        chunked(
            "chunk-cut-trailers",
            "9112 8",
            "the client ends its side before the end",
            "5\r\nhello\r\n0\r\n",
        )
        .ends()
        .last(&[400]),
        chunked(
            "chunk-short",
            "9112 7.1",
            "less data than said",
            "6\r\nhello\r\n0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-long",
            "9112 7.1",
            "more data than said",
            "4\r\nhello\r\n0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-no-crlf",
            "9112 7.1",
            "nothing behind the data",
            "5\r\nhello0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-end-lf",
            "9112 7.1",
            "LF behind the data",
            "5\r\nhello\n0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-end-cr",
            "9112 7.1",
            "CR behind the data",
            "5\r\nhello\r0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-end-two",
            "9112 7.1",
            "two bytes that are no line end",
            "5\r\nhelloXX0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-end-space",
            "9112 7.1",
            "white space behind the data",
            "5\r\nhello \r\n0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-end-x-lf",
            "9112 7.1",
            "another byte for CR behind the data",
            "5\r\nhelloX\n0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-end-lf-lf",
            "9112 7.1",
            "LF LF behind the data",
            "5\r\nhello\n\n0\r\n\r\n",
        )
        .refused(400, END),
        chunked(
            "chunk-size-lf",
            "9112 7.1",
            "LF behind the size",
            "5\nhello\r\n0\r\n\r\n",
        )
        .refused(400, LF),
        chunked(
            "chunk-size-cr",
            "9112 7.1",
            "CR behind the size",
            "5\rhello\r\n0\r\n\r\n",
        )
        .refused(400, CR),
        chunked(
            "chunk-size-cr-cr",
            "9112 7.1",
            "CR CR LF behind the size",
            "5\r\r\nhello\r\n0\r\n\r\n",
        )
        .refused(400, CR),
        chunked(
            "chunk-last-lf",
            "9112 7.1",
            "LF behind the last size",
            "5\r\nhello\r\n0\n\r\n",
        )
        .refused(400, LF),
        chunked(
            "chunk-last-lf-2",
            "9112 7.1",
            "LF for the last line",
            "5\r\nhello\r\n0\r\n\n",
        )
        .refused(400, LF),
        chunked(
            "chunk-last-cr",
            "9112 7.1",
            "CR for the last line",
            "5\r\nhello\r\n0\r\n\rX",
        )
        .refused(400, CR),
        chunked("chunk-all-lf", "9112 7.1", "LF all over", "5\nhello\n0\n\n").refused(400, LF),
    ];
    for (id, what, size) in [
        ("chunk-size-empty", "no size", ""),
        ("chunk-size-prefix", "a prefix", "0x5"),
        ("chunk-size-prefix-upper", "a prefix", "0X5"),
        ("chunk-size-plus", "a sign", "+5"),
        ("chunk-size-minus", "a sign", "-5"),
        ("chunk-size-underscore", "an underscore", "1_0"),
        ("chunk-size-space-before", "white space before", " 5"),
        ("chunk-size-tab-before", "white space before", "\t5"),
        ("chunk-size-letter", "no digit", "g"),
        ("chunk-size-suffix", "a suffix", "5h"),
        ("chunk-size-point", "a point", "5.0"),
        ("chunk-size-comma", "a comma", "5,"),
        ("chunk-size-quoted", "quoted", "\"5\""),
        ("chunk-size-nul", "NUL", "5\0"),
        ("chunk-size-vt", "VT", "5\x0b"),
        ("chunk-size-ff", "FF", "\x0c5"),
        ("chunk-size-arabic", "digits of another script", "\u{665}"),
        (
            "chunk-size-fullwidth",
            "digits of another width",
            "\u{ff15}",
        ),
        ("chunk-size-2-63", "2^63", "8000000000000000"),
        ("chunk-size-max", "2^64 - 1", "ffffffffffffffff"),
        ("chunk-size-2-64", "2^64", "10000000000000000"),
        ("chunk-size-2-64-5", "2^64 + 5", "10000000000000005"),
        (
            "chunk-size-2-128",
            "2^128 + 5",
            "100000000000000000000000000000005",
        ),
        ("chunk-size-17", "seventeen digits", "00000000000000005"),
        (
            "chunk-size-only-extension",
            "an extension without a size",
            ";a=b",
        ),
    ] {
        cases.push(
            chunked(
                id,
                "9112 7.1",
                what,
                format!("{size}\r\nhello\r\n0\r\n\r\n"),
            )
            .refused(400, SIZE),
        );
    }
    extensions(&mut cases);
    trailers(&mut cases);
    cases
}

fn extensions(cases: &mut Vec<Case>) {
    let with = |id, what, extension: &str| {
        chunked(
            id,
            "9112 7.1.1",
            what,
            format!("5{extension}\r\nhello\r\n0\r\n\r\n"),
        )
    };
    for (id, what, extension) in [
        ("ext-name", "a name", ";a"),
        ("ext-value", "a value", ";a=b"),
        ("ext-several", "several", ";a=b;c=d;e"),
        ("ext-quoted", "a quoted value", ";a=\"b\""),
        ("ext-quoted-empty", "an empty quoted value", ";a=\"\""),
        (
            "ext-quoted-escaped",
            "escapes, and all that quotes protect",
            ";a=\"b;c = \\\"\\\\d\t\u{e9}\";e",
        ),
        ("ext-space", "white space around ; and =", " ; a = b ;c"),
        (
            "ext-tab",
            "white space around ; and =",
            "\t;\ta\t=\t\"b\"\t;c",
        ),
        (
            "ext-token",
            "all that a token may have",
            ";!#$%&'*+-.^_`|~09aZ=!#$%&'*+-.^_`|~09aZ",
        ),
    ] {
        cases.push(with(id, what, extension).echoes("hello"));
    }
    cases.push(
        chunked(
            "ext-last",
            "9112 7.1.1",
            "an extension of the last chunk",
            "5\r\nhello\r\n0;a=b\r\n\r\n",
        )
        .echoes("hello"),
    );
    for (id, what, extension, why) in [
        ("ext-no-name", "no name", ";", EXTENSION),
        ("ext-no-name-2", "no name", ";;a", EXTENSION),
        ("ext-no-name-3", "no name", ";=b", EXTENSION),
        ("ext-no-name-space", "no name", "; ", EXTENSION),
        ("ext-no-value", "no value", ";a=", EXTENSION),
        ("ext-no-value-2", "no value", ";a=;b", EXTENSION),
        ("ext-two-values", "two values", ";a=b=c", EXTENSION),
        ("ext-two-words", "two words", ";a b", EXTENSION),
        ("ext-two-words-2", "two words", ";a=b c", EXTENSION),
        ("ext-space-end", "white space at the end", ";a ", EXTENSION),
        (
            "ext-space-end-2",
            "white space at the end",
            ";a=b ",
            EXTENSION,
        ),
        (
            "ext-space-end-3",
            "white space at the end",
            ";a=\"b\" ",
            EXTENSION,
        ),
        (
            "ext-space-only",
            "white space without an extension",
            " ",
            EXTENSION,
        ),
        (
            "ext-tab-only",
            "white space without an extension",
            "\t",
            EXTENSION,
        ),
        (
            "ext-space-digits",
            "white space within the size",
            " 0",
            EXTENSION,
        ),
        (
            "ext-behind-quotes",
            "something behind quotes",
            ";a=\"b\"c",
            EXTENSION,
        ),
        (
            "ext-quote-open",
            "a quote that is not closed",
            ";a=\"b",
            EXTENSION,
        ),
        (
            "ext-escape-open",
            "an escape that is not ended",
            ";a=\"b\\",
            EXTENSION,
        ),
        ("ext-no-token", "no token", ";a=b/c", EXTENSION),
        ("ext-no-token-name", "no token", ";a(b", EXTENSION),
        (
            "ext-control-name",
            "a control character in a name",
            ";a\x01b",
            EXTENSION,
        ),
        ("ext-no-token-2", "no token", ";(a)", EXTENSION),
        ("ext-quoted-name", "a quoted name", ";\"a\"=b", EXTENSION),
        ("ext-nul", "NUL", ";a=b\0", EXTENSION),
        ("ext-nul-quoted", "NUL in quotes", ";a=\"\0\"", EXTENSION),
        (
            "ext-control-quoted",
            "a control character in quotes",
            ";a=\"\\\x01\"",
            EXTENSION,
        ),
        ("ext-high", "a name that is not ASCII", ";\u{e9}", EXTENSION),
        ("ext-comma", "another separator", ",a=b", SIZE),
        ("ext-lf", "LF behind ;", ";\n", LF),
        ("ext-lf-name", "LF in a name", ";a\nb", LF),
        ("ext-lf-value", "LF in a value", ";a=b\nc", LF),
        ("ext-lf-equals", "LF behind =", ";a=\n", LF),
        ("ext-lf-space", "LF behind white space", " \n;a", LF),
        ("ext-lf-space-name", "LF behind white space", ";a \n", LF),
        ("ext-lf-quoted", "LF in quotes", ";a=\"b\nc\"", LF),
        (
            "ext-lf-escaped",
            "LF in quotes, escaped",
            ";a=\"b\\\nc\"",
            LF,
        ),
        ("ext-lf-behind-quotes", "LF behind quotes", ";a=\"b\"\n", LF),
        ("ext-cr", "CR behind ;", ";\rb", EXTENSION),
        ("ext-cr-name", "CR in a name", ";a\rb", CR),
        ("ext-cr-value", "CR in a value", ";a=b\rc", CR),
        ("ext-cr-quoted", "CR in quotes", ";a=\"b\rc\"", EXTENSION),
        (
            "ext-crlf-quoted",
            "CR LF in quotes",
            ";a=\"b\r\nc\"",
            EXTENSION,
        ),
        (
            "ext-crlf-escaped",
            "CR LF in quotes, escaped",
            ";a=\"b\\\r\nc\"",
            EXTENSION,
        ),
        ("ext-cr-cr", "CR CR LF", ";a\r", CR),
    ] {
        cases.push(with(id, what, extension).refused(400, why));
    }
}

fn trailers(cases: &mut Vec<Case>) {
    let with = |id, source, what, trailers: &str| {
        chunked(
            id,
            source,
            what,
            format!("5\r\nhello\r\n0\r\n{trailers}\r\n"),
        )
    };
    for (id, what, trailers) in [
        ("trailer-one", "a trailer", "X-Sum: 1\r\n"),
        (
            "trailer-several",
            "several",
            "X-Sum: 1\r\nServer-Timing: x;dur=1\r\nX-Sum: 2\r\n",
        ),
        ("trailer-empty", "an empty value", "X:\r\n"),
        (
            "trailer-announced",
            "whether announced or not",
            "Foo: bar\r\n",
        ),
        (
            "trailer-connection",
            "a field that is not merged: the connection is kept",
            "Connection: close\r\n",
        ),
        (
            "trailer-expect",
            "a field that is not merged",
            "Expect: something\r\n",
        ),
    ] {
        cases.push(with(id, "9112 7.1.2", what, trailers).echoes("hello"));
    }
    for (id, source, what, trailers, why) in [
        (
            "trailer-length",
            "9110 6.5.1",
            "framing",
            "Content-Length: 1\r\n",
            FORBIDDEN,
        ),
        (
            "trailer-encoding",
            "9110 6.5.1",
            "framing",
            "Transfer-Encoding: chunked\r\n",
            FORBIDDEN,
        ),
        (
            "trailer-host",
            "9110 6.5.1",
            "routing",
            "X: y\r\nHost: b\r\n",
            FORBIDDEN,
        ),
        (
            "trailer-length-case",
            "9110 6.5.1",
            "framing, in another case",
            "content-LENGTH: 1\r\n",
            FORBIDDEN,
        ),
        (
            "trailer-space-colon",
            "9112 5.1",
            "white space before the colon",
            "X : y\r\n",
            "white space between",
        ),
        (
            "trailer-fold",
            "9112 5.2",
            "a folded line",
            "X: y\r\n z\r\n",
            "a line begins with white space",
        ),
        (
            "trailer-space-first",
            "9112 5.2",
            "white space first",
            " X: y\r\n",
            "a line begins with white space",
        ),
        (
            "trailer-no-colon",
            "9112 5",
            "no colon",
            "X\r\n",
            "a header line is not a name",
        ),
        (
            "trailer-empty-name",
            "9112 5",
            "an empty name",
            ": y\r\n",
            "a header line is not a name",
        ),
        (
            "trailer-nul",
            "9110 5.5",
            "NUL",
            "X: \0\r\n",
            "a control character in it",
        ),
        ("trailer-lf", "9112 2.2", "LF alone", "X: y\n", LF),
        ("trailer-cr", "9112 2.2", "CR alone", "X: y\rZ: z\r\n", CR),
        (
            "trailer-request",
            "9112 7.1.2",
            "a request line for a trailer",
            "GET /a.txt HTTP/1.1\r\n",
            "white space between",
        ),
        (
            "trailer-chunk",
            "9112 7.1",
            "another chunk for a trailer",
            "5\r\nhello\r\n0\r\n",
            "a header line is not a name",
        ),
    ] {
        cases.push(with(id, source, what, trailers).refused(400, why));
    }
}
