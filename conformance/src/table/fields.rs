//! RFC 9112 section 5, RFC 9110 section 5: field lines.

use crate::Case;
use crate::case::{case, get};

const NAME: &str = "a header line is not a name, a colon and a value";
const SPACE: &str = "white space between a header field's name and its colon";
const FOLD: &str = "a line begins with white space";
const VALUE: &str = "a control character in it";
const LF: &str = "a line ends with LF alone";
const CR: &str = "a CR is not followed by LF";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, source, what, lines) in [
        ("field-plain", "9112 5", "a field", "X: y\r\n"),
        (
            "field-no-space",
            "9112 5",
            "no white space behind the colon",
            "X:y\r\n",
        ),
        ("field-empty-value", "9110 5.5", "an empty value", "X:\r\n"),
        (
            "field-only-space",
            "9110 5.5",
            "a value of white space",
            "X: \t \r\n",
        ),
        (
            "field-space-around",
            "9110 5.5",
            "white space around the value",
            "X: \t y \t\r\n",
        ),
        (
            "field-colon-in-value",
            "9112 5",
            "a colon in the value",
            "X: a:b::c\r\n",
        ),
        (
            "field-obs-text",
            "9110 5.5",
            "bytes that are not ASCII",
            "X: \u{e9}\u{fc}\r\n",
        ),
        (
            "field-token",
            "9110 5.6.2",
            "all that a name may have",
            "!#$%&'*+-.^_`|~09aZ: y\r\n",
        ),
        (
            "field-underscore",
            "9110 5.1",
            "an underscore",
            "X_Y: z\r\n",
        ),
        (
            "field-one-letter",
            "9110 5.1",
            "a name of one letter",
            "a: b\r\n",
        ),
        ("field-digit", "9110 5.1", "a name of a digit", "0: b\r\n"),
        (
            "field-repeated",
            "9110 5.3",
            "a field in two lines",
            "X: a\r\nX: b\r\n",
        ),
        (
            "field-quoted",
            "9110 5.6.4",
            "a quoted string",
            "X: \"a\\\"b, c\"\r\n",
        ),
        (
            "field-quote-open",
            "9110 5.5",
            "a quote that is not closed",
            "X: \"a\r\n",
        ),
        (
            "field-tab-within",
            "9110 5.5",
            "a tab in the value",
            "X: a\tb\r\n",
        ),
        (
            "field-unknown",
            "9110 5.1",
            "fields that nobody knows",
            "Foo-Bar: 1\r\nContent-Foo: 2\r\n",
        ),
        (
            "field-many-cookies",
            "6265 5.4",
            "several Cookie lines",
            "Cookie: a=b\r\nCookie: c=d\r\n",
        ),
    ] {
        cases.push(get(id, source, what, lines).answers(&[200]));
    }
    for (id, source, what, lines, why) in [
        (
            "field-space-colon",
            "9112 5.1",
            "white space before the colon",
            "X : y\r\n",
            SPACE,
        ),
        (
            "field-tab-colon",
            "9112 5.1",
            "white space before the colon",
            "X\t: y\r\n",
            SPACE,
        ),
        (
            "field-space-colon-length",
            "9112 5.1",
            "white space before the colon of Content-Length",
            "Content-Length : 5\r\n",
            SPACE,
        ),
        (
            "field-space-colon-encoding",
            "9112 5.1",
            "white space before the colon of Transfer-Encoding",
            "Transfer-Encoding : chunked\r\n",
            SPACE,
        ),
        (
            "field-space-in-name",
            "9112 5.1",
            "white space in the name",
            "X Y: z\r\n",
            SPACE,
        ),
        (
            "field-fold",
            "9112 5.2",
            "a folded line",
            "X: y\r\n z\r\n",
            FOLD,
        ),
        (
            "field-fold-tab",
            "9112 5.2",
            "a folded line",
            "X: y\r\n\tz\r\n",
            FOLD,
        ),
        (
            "field-fold-empty",
            "9112 5.2",
            "a folded line of white space",
            "X: y\r\n \r\n",
            FOLD,
        ),
        (
            "field-fold-length",
            "9112 5.2",
            "a folded Content-Length",
            "Content-Length:\r\n 5\r\n",
            FOLD,
        ),
        (
            "field-fold-encoding",
            "9112 5.2",
            "a folded Transfer-Encoding",
            "Transfer-Encoding:\r\n chunked\r\n",
            FOLD,
        ),
        ("field-no-colon", "9112 5", "no colon", "X\r\n", NAME),
        (
            "field-no-colon-2",
            "9112 5",
            "no colon but white space",
            "X y\r\n",
            SPACE,
        ),
        (
            "field-empty-name",
            "9112 5",
            "an empty name",
            ": y\r\n",
            NAME,
        ),
        (
            "field-name-nul",
            "9110 5.1",
            "NUL in the name",
            "X\0: y\r\n",
            NAME,
        ),
        (
            "field-name-control",
            "9110 5.1",
            "a control character in the name",
            "X\x01: y\r\n",
            NAME,
        ),
        (
            "field-name-high",
            "9110 5.1",
            "a name that is not ASCII",
            "X\u{e9}: y\r\n",
            NAME,
        ),
        (
            "field-name-paren",
            "9110 5.1",
            "a separator in the name",
            "X(Y): z\r\n",
            NAME,
        ),
        (
            "field-name-slash",
            "9110 5.1",
            "a separator in the name",
            "X/Y: z\r\n",
            NAME,
        ),
        (
            "field-name-bracket",
            "9110 5.1",
            "a separator in the name",
            "X[Y]: z\r\n",
            NAME,
        ),
        (
            "field-name-quote",
            "9110 5.1",
            "a quoted name",
            "\"X\": z\r\n",
            NAME,
        ),
        (
            "field-name-at",
            "9110 5.1",
            "a separator in the name",
            "X@Y: z\r\n",
            NAME,
        ),
        (
            "field-name-equals",
            "9110 5.1",
            "a separator in the name",
            "X=Y: z\r\n",
            NAME,
        ),
        (
            "field-name-semicolon",
            "9110 5.1",
            "a separator in the name",
            "X;Y: z\r\n",
            NAME,
        ),
        (
            "field-name-comma",
            "9110 5.1",
            "a separator in the name",
            "X,Y: z\r\n",
            NAME,
        ),
        (
            "field-name-del",
            "9110 5.1",
            "DEL in the name",
            "X\x7f: z\r\n",
            NAME,
        ),
        (
            "field-name-vt",
            "9110 5.1",
            "VT behind the name",
            "Content-Length\x0b: 5\r\n",
            NAME,
        ),
        (
            "field-value-nul",
            "9110 5.5",
            "NUL in the value",
            "X: a\0b\r\n",
            VALUE,
        ),
        (
            "field-value-control",
            "9110 5.5",
            "a control character in the value",
            "X: a\x01b\r\n",
            VALUE,
        ),
        (
            "field-value-vt",
            "9110 5.5",
            "VT in the value",
            "X: a\x0bb\r\n",
            VALUE,
        ),
        (
            "field-value-ff",
            "9110 5.5",
            "FF in the value",
            "X: a\x0cb\r\n",
            VALUE,
        ),
        (
            "field-value-esc",
            "9110 5.5",
            "ESC in the value",
            "X: a\x1b[31m\r\n",
            VALUE,
        ),
        (
            "field-value-del",
            "9110 5.5",
            "DEL in the value",
            "X: a\x7f\r\n",
            VALUE,
        ),
        (
            "field-value-cr",
            "9112 2.2",
            "CR in the value",
            "X: a\rb\r\n",
            CR,
        ),
        (
            "field-value-cr-2",
            "9112 2.2",
            "CR CR LF behind the value",
            "X: a\r\r\n",
            CR,
        ),
        (
            "field-value-cr-field",
            "9112 2.2",
            "a field behind a CR",
            "X: a\rContent-Length: 5\r\n",
            CR,
        ),
        (
            "field-value-lf",
            "9112 2.2",
            "LF alone behind the value",
            "X: a\n",
            LF,
        ),
        (
            "field-value-lf-field",
            "9112 2.2",
            "a field behind an LF",
            "X: a\nTransfer-Encoding: chunked\r\n",
            LF,
        ),
        (
            "field-empty-lf",
            "9112 2.2",
            "LF alone for the empty line",
            "\n",
            LF,
        ),
        (
            "field-request-line",
            "9112 5",
            "a request line for a field",
            "GET /b HTTP/1.1\r\n",
            SPACE,
        ),
    ] {
        cases.push(get(id, source, what, lines).refused(400, why));
    }
    cases.extend([
        case(
            "field-space-first",
            "9112 2.2",
            "white space before the first field",
            "GET /a.txt HTTP/1.1\r\n Host: a\r\n\r\n",
        )
        .refused(400, FOLD),
        case(
            "field-tab-first",
            "9112 2.2",
            "white space before the first field",
            "GET /a.txt HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n",
        )
        .refused(400, FOLD),
        case(
            "field-space-line-first",
            "9112 2.2",
            "a line of white space before the first field",
            "GET /a.txt HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
        )
        .refused(400, FOLD),
        case(
            "field-cr-end",
            "9112 2.2",
            "CR for the empty line",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        )
        .refused(400, CR),
        case(
            "field-cr-end-2",
            "9112 2.2",
            "CR CR LF for the empty line",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\r\n",
        )
        .refused(400, CR),
        case(
            "field-lf-all",
            "9112 2.2",
            "LF alone behind all fields",
            "GET /a.txt HTTP/1.1\r\nHost: a\nX: y\n\n",
        )
        .refused(400, LF),
        case(
            "field-value-high-latin",
            "9110 5.5",
            "Latin-1",
            &b"GET /a.txt HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\x80\r\n\r\n"[..],
        )
        .answers(&[200]),
    ]);
    cases
}
