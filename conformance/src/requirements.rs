//! Every MUST of RFC 9112, and of RFC 9110 what applies to an origin server of files, with the rows
//! that show it.

/// A requirement.
pub struct Requirement {
    /// `9112 2.2` is RFC 9112, section 2.2.
    pub source: &'static str,
    /// What must be, in short.
    pub text: &'static str,
    /// What shows it.
    pub shown: Shown,
}

/// What shows that a requirement is met.
pub enum Shown {
    /// These rows; one that ends in `*` stands for all that begin so.
    By(&'static [&'static str]),
    /// Every answer of every row is checked for it.
    Always,
    /// Nothing: it is not about a server such as this one.
    NotOurs(&'static str),
}

use Shown::{Always, By, NotOurs};

const CLIENTS: Shown = NotOurs("it binds clients");
const PROXIES: Shown = NotOurs("it binds intermediaries");

const fn must(source: &'static str, text: &'static str, shown: Shown) -> Requirement {
    Requirement {
        source,
        text,
        shown,
    }
}

/// All of them, in the order of the RFCs.
pub const ALL: &[Requirement] = &[
    must(
        "9112 2.2",
        "a message is parsed as octets in a superset of US-ASCII",
        By(&["line-high", "field-value-high-latin", "field-obs-text"]),
    ),
    must("9112 2.2", "a sender generates no bare CR", Always),
    must(
        "9112 2.2",
        "an element with a bare CR is invalid, or the CR becomes SP",
        By(&[
            "line-bare-cr",
            "line-cr-cr-lf",
            "line-empty-cr",
            "field-value-cr*",
            "field-cr-end*",
            "chunk-size-cr*",
            "ext-cr*",
            "trailer-cr",
        ]),
    ),
    must(
        "9112 2.2",
        "a user agent sends no extra CRLF around a request",
        CLIENTS,
    ),
    must(
        "9112 2.2",
        "a line end behind a body is counted in it",
        CLIENTS,
    ),
    must(
        "9112 2.2",
        "no white space between start-line and first field is sent",
        Always,
    ),
    must(
        "9112 2.2",
        "white space between start-line and first field: refused, or the line is dropped",
        By(&[
            "field-space-first",
            "field-tab-first",
            "field-space-line-first",
            "fault-space-host",
        ]),
    ),
    must("9112 2.3", "an intermediary sends its own version", PROXIES),
    must(
        "9112 3",
        "a target that is too long is 414",
        By(&[
            "limit-target-over",
            "limit-target-huge",
            "limit-target-head",
        ]),
    ),
    must("9112 3.2", "a client sends Host, and what", CLIENTS),
    must(
        "9112 3.2",
        "400 for HTTP/1.1 without Host",
        By(&[
            "host-missing",
            "host-missing-1.2",
            "target-absolute-no-host",
        ]),
    ),
    must(
        "9112 3.2",
        "400 for more than one Host",
        By(&[
            "host-twice*",
            "target-absolute-two-hosts",
            "fault-two-hosts",
        ]),
    ),
    must(
        "9112 3.2",
        "400 for a Host that is invalid",
        By(&[
            "host-space",
            "host-tab",
            "host-list",
            "host-path",
            "host-user",
            "host-high",
            "host-port-*",
            "host-ipv6-*",
            "host-bad-1.0",
            "target-absolute-bad-host",
            "host-nul",
        ]),
    ),
    must(
        "9112 3.2.1",
        "a client sends path and query, and `/` for an empty path",
        CLIENTS,
    ),
    must(
        "9112 3.2.2",
        "a client sends a URL to a proxy, and Host besides",
        CLIENTS,
    ),
    must("9112 3.2.2", "a proxy replaces Host by the URL's", PROXIES),
    must(
        "9112 3.2.2",
        "an origin server takes the URL's host, not that of Host",
        By(&["target-absolute-wins"]),
    ),
    must(
        "9112 3.2.2",
        "a server accepts a URL as target",
        By(&[
            "target-absolute",
            "target-absolute-port",
            "target-absolute-case",
            "target-absolute-1.0",
            "target-absolute-no-path",
        ]),
    ),
    must(
        "9112 3.2.3",
        "a client sends host and port with CONNECT",
        CLIENTS,
    ),
    must(
        "9112 3.2.4",
        "a client sends `*` for OPTIONS of the server",
        CLIENTS,
    ),
    must(
        "9112 3.2.4",
        "the last proxy makes an empty path of OPTIONS `*`",
        PROXIES,
    ),
    must("9112 4", "the space behind the status code is sent", Always),
    must(
        "9112 5.1",
        "400 for white space between name and colon",
        By(&[
            "field-space-colon*",
            "field-tab-colon",
            "host-colon-space",
            "trailer-space-colon",
            "fault-te-space-colon",
            "fault-cl-space-colon",
        ]),
    ),
    must(
        "9112 5.1",
        "a proxy takes such white space out of an answer",
        PROXIES,
    ),
    must("9112 5.2", "a sender folds no lines", Always),
    must(
        "9112 5.2",
        "a folded line: 400, or SP instead",
        By(&[
            "field-fold*",
            "host-folded",
            "trailer-fold",
            "fault-te-folded*",
        ]),
    ),
    must(
        "9112 5.2",
        "proxies and user agents mend folded lines of answers",
        PROXIES,
    ),
    must(
        "9112 6.1",
        "a recipient can parse chunked",
        By(&["encoding", "encoding-case", "chunk-*"]),
    ),
    must(
        "9112 6.1",
        "a sender applies chunked once, and last",
        Always,
    ),
    must("9112 6.1", "no Transfer-Encoding in 1xx and 204", Always),
    must(
        "9112 6.1",
        "no Transfer-Encoding in 2xx to CONNECT",
        By(&["target-connect"]),
    ),
    must(
        "9112 6.1",
        "a client sends no Transfer-Encoding to who may not know it",
        CLIENTS,
    ),
    must(
        "9112 6.1",
        "no Transfer-Encoding to HTTP/1.0",
        By(&["keep-old*", "line-version-1.0", "length-1.0"]),
    ),
    must(
        "9112 6.1",
        "the connection is closed after both Content-Length and Transfer-Encoding",
        By(&["both*", "fault-cl-te", "fault-te-cl"]),
    ),
    must(
        "9112 6.1",
        "Transfer-Encoding in HTTP/1.0 is faulty framing, and the connection is closed",
        By(&["encoding-1.0*", "fault-te-1.0"]),
    ),
    must(
        "9112 6.2",
        "no Content-Length beside Transfer-Encoding is sent",
        Always,
    ),
    must(
        "9112 6.3",
        "a client ignores lengths of answers to CONNECT",
        CLIENTS,
    ),
    must(
        "9112 6.3",
        "an intermediary removes Content-Length beside Transfer-Encoding",
        PROXIES,
    ),
    must(
        "9112 6.3",
        "400 and close where chunked is not the last coding of a request",
        By(&[
            "encoding-not-last*",
            "encoding-twice*",
            "encoding-parameter",
            "encoding-quoted",
            "fault-te-list",
        ]),
    ),
    must(
        "9112 6.3",
        "an invalid Content-Length is an error: 400 and close",
        By(&[
            "length-empty",
            "length-plus",
            "length-minus",
            "length-hex",
            "length-list*",
            "length-twice*",
            "length-2-*",
        ]),
    ),
    must(
        "9112 6.3",
        "proxies and user agents give up answers with an invalid one",
        PROXIES,
    ),
    must(
        "9112 6.3",
        "a message that ends early is incomplete, and the connection is closed",
        By(&["length-cut", "body-unread-cut"]),
    ),
    must("9112 6.3", "a client says how long its body is", CLIENTS),
    must(
        "9112 6.3",
        "a client takes no extra data for an answer",
        CLIENTS,
    ),
    must(
        "9112 7.1",
        "a recipient can parse and decode chunked",
        By(&[
            "chunk-one",
            "chunk-three",
            "chunk-hex*",
            "chunk-data-*",
            "chunk-zeros",
        ]),
    ),
    must(
        "9112 7.1",
        "large sizes don't overflow",
        By(&[
            "chunk-size-2-*",
            "chunk-size-max",
            "chunk-waits-large",
            "chunk-over-limit-huge",
            "fault-chunk-wrap*",
            "fault-chunk-sign-bit",
        ]),
    ),
    must(
        "9112 7.1.1",
        "unknown chunk extensions are ignored",
        By(&[
            "ext-name",
            "ext-value",
            "ext-several",
            "ext-quoted*",
            "ext-space",
            "ext-tab",
            "ext-last",
        ]),
    ),
    must(
        "9112 7.1.2",
        "trailers are kept apart from the fields of the head, or merged where that is defined",
        By(&["trailer-one", "trailer-connection", "trailer-expect"]),
    ),
    must(
        "9112 7.4",
        "TE is sent with its connection option, and without chunked",
        CLIENTS,
    ),
    must(
        "9112 8",
        "an incomplete answer is recorded as such",
        CLIENTS,
    ),
    must("9112 9.2", "a client matches answers to requests", CLIENTS),
    must(
        "9112 9.3",
        "who doesn't support persistence says close",
        By(&["close", "line-version-1.0"]),
    ),
    must(
        "9112 9.3",
        "the whole body is read, or the connection is closed",
        By(&[
            "method-get-body",
            "method-post-body",
            "body-unread-*",
            "limit-discard*",
            "expect-final*",
            "fault-405-body",
            "fault-404-body",
            "fault-get-body",
        ]),
    ),
    must(
        "9112 9.3",
        "a proxy keeps no connection with HTTP/1.0",
        PROXIES,
    ),
    must(
        "9112 9.3.2",
        "answers leave in the order of the requests",
        By(&["pipeline", "pipeline-50", "pipeline-missing"]),
    ),
    must(
        "9112 9.3.2",
        "a client doesn't pipeline at once when it tries again",
        CLIENTS,
    ),
    must(
        "9112 9.6",
        "after a request with close the connection is closed",
        By(&["close*", "keep-old-close"]),
    ),
    must(
        "9112 9.6",
        "no request behind close is processed",
        By(&["pipeline-close*", "fault-close-pipeline"]),
    ),
    must(
        "9112 9.6",
        "after an answer with close the connection is closed, and no further request processed",
        By(&["pipeline-error", "line-version-2.0", "both"]),
    ),
    must(
        "9112 9.6",
        "a client that sends or gets close sends no more",
        CLIENTS,
    ),
    must(
        "9112 9.8",
        "closure alerts of TLS",
        NotOurs("these rows are about plain connections"),
    ),
    must("9110 2.2", "what is sent matches the grammar", Always),
    must(
        "9110 2.3",
        "lengths of at least those that are generated are supported",
        By(&["limit-target-8000", "limit-head", "limit-fields"]),
    ),
    must(
        "9110 4.2.1",
        "an http URL without a host is refused",
        By(&[
            "target-absolute-empty-host",
            "target-absolute-only-port",
            "target-absolute-nothing",
            "host-empty",
        ]),
    ),
    must(
        "9110 4.2.4",
        "no user in a URL",
        By(&["target-absolute-user"]),
    ),
    must("9110 5.3", "no field is sent twice that is no list", Always),
    must(
        "9110 5.3",
        "a request is not applied before all its fields are there",
        By(&["line-waits", "line-waits-cr", "line-cut-fields"]),
    ),
    must(
        "9110 5.4",
        "fields that are too large are 4xx",
        By(&[
            "limit-head-*",
            "limit-fields-*",
            "limit-name-huge",
            "limit-space-huge",
            "limit-trailers-*",
        ]),
    ),
    must(
        "9110 5.5",
        "white space around a value is not part of it",
        By(&[
            "field-space-around",
            "length-space",
            "encoding-space",
            "host-white-space",
        ]),
    ),
    must(
        "9110 5.5",
        "CR, LF and NUL in a value: refused, or SP instead",
        By(&[
            "field-value-nul",
            "field-value-cr",
            "field-value-lf",
            "host-nul",
            "trailer-nul",
        ]),
    ),
    must(
        "9110 5.6.1.2",
        "empty elements of lists are ignored",
        By(&["close-empty-elements", "expect-empty"]),
    ),
    must(
        "9110 5.6.3",
        "bad white space is parsed and removed",
        By(&["ext-space", "ext-tab"]),
    ),
    must(
        "9110 5.6.4",
        "a quoted-pair is its second octet",
        By(&["ext-quoted-escaped"]),
    ),
    must(
        "9110 5.6.7",
        "all three formats of dates are accepted",
        By(&[
            "since-equal",
            "since-850*",
            "since-asctime*",
            "unmodified-asctime",
        ]),
    ),
    must(
        "9110 5.6.7",
        "a two-digit year over 50 years ahead is in the past",
        By(&[
            "since-850-past",
            "unmodified-850-past",
            "unmodified-850-ahead",
        ]),
    ),
    must(
        "9110 6.2",
        "no version is sent to which we don't conform",
        Always,
    ),
    must(
        "9110 6.5.1",
        "no trailer is merged unless its definition says how",
        By(&[
            "trailer-length",
            "trailer-encoding",
            "trailer-host",
            "trailer-connection",
            "trailer-expect",
            "fault-chunk-trailer-length",
        ]),
    ),
    must("9110 6.6.1", "Date in all 2xx, 3xx and 4xx", Always),
    must(
        "9110 7.1",
        "authority-form and asterisk-form go with CONNECT and OPTIONS only",
        By(&[
            "target-asterisk-get",
            "target-authority-get",
            "target-post-asterisk",
            "target-connect-path",
            "target-connect-url",
        ]),
    ),
    must(
        "9110 7.4",
        "https is refused on a connection that is not secured",
        By(&["target-https*"]),
    ),
    must(
        "9110 7.8",
        "no switch to a protocol that was not asked for; Upgrade in HTTP/1.0 is ignored",
        By(&["upgrade-*", "fault-upgrade-h2c"]),
    ),
    must(
        "9110 8.6",
        "no Content-Length in 1xx, 204 and 2xx to CONNECT",
        Always,
    ),
    must(
        "9110 8.6",
        "Content-Length of HEAD is that of GET",
        By(&[
            "method-head",
            "method-head-large",
            "method-head-missing",
            "method-head-echo",
            "method-head-1.0",
        ]),
    ),
    must(
        "9110 8.6",
        "Content-Length doesn't overflow",
        By(&[
            "length-2-63",
            "length-2-64",
            "length-2-64-5",
            "length-many-digits",
            "length-max",
            "fault-cl-overflow",
        ]),
    ),
    must(
        "9110 9.1",
        "GET and HEAD are supported",
        By(&["line-get", "method-head"]),
    ),
    must(
        "9110 9.3.2",
        "no content in the answer to HEAD",
        By(&[
            "method-head*",
            "limit-target-head",
            "since-head",
            "match-head",
        ]),
    ),
    must(
        "9110 9.3.6",
        "CONNECT with an empty or invalid port is refused",
        By(&[
            "target-connect-no-port",
            "target-connect-empty-port",
            "target-connect-port-*",
        ]),
    ),
    must(
        "9110 10.1.1",
        "100 or a final status to an expectation of 100-continue, before the content",
        By(&["expect-waits*", "expect-final*"]),
    ),
    must("9110 10.2.1", "Allow in 405", Always),
    must(
        "9110 13.1.1",
        "If-Match is evaluated, by the strong comparison",
        By(&["match-*"]),
    ),
    must(
        "9110 13.1.2",
        "If-None-Match is evaluated, and 304 to GET and HEAD",
        By(&["none-*", "since-head"]),
    ),
    must(
        "9110 13.1.3",
        "If-Modified-Since gives way to If-None-Match, and is ignored where it is no date",
        By(&[
            "none-before-since*",
            "since-none",
            "since-list",
            "since-twice",
        ]),
    ),
    must(
        "9110 13.1.4",
        "If-Unmodified-Since gives way to If-Match, and is ignored where it is no date",
        By(&["unmodified-*"]),
    ),
    must(
        "9110 13.1.5",
        "If-Range without Range is ignored",
        By(&["if-range-alone"]),
    ),
    must(
        "9110 13.2.1",
        "preconditions are evaluated last, and ignored where the answer is not 2xx",
        By(&["ignored-*"]),
    ),
    must(
        "9110 13.2.2",
        "the order of preconditions",
        By(&["order-*"]),
    ),
    must(
        "9110 13.1.5",
        "If-Range: strong comparison; an equal date only; the whole where it doesn't hold",
        By(&["if-range-*"]),
    ),
    must(
        "9110 14.2",
        "Range is ignored with another method than GET",
        By(&["range-head*", "range-options", "range-post"]),
    ),
    must(
        "9110 14.2",
        "a range of an unknown unit is ignored",
        By(&["fault-range-unit", "range-unit", "range-unit-*"]),
    ),
    must(
        "9110 14.1.1",
        "a range that ends before it begins is invalid",
        By(&["range-reverse*", "fault-range-reverse"]),
    ),
    must(
        "9110 14.1.2",
        "a suffix longer than the file is all of it",
        By(&["range-suffix-*"]),
    ),
    must(
        "9110 15.3.7",
        "206 has the fields of the 200, among them Date, Cache-Control, ETag and Vary",
        By(&["range-first", "range-suffix*", "if-range-tag"]),
    ),
    must(
        "9110 15.3.7.1",
        "Content-Range in 206 with one part",
        By(&["range-first", "range-list-one", "range-from*"]),
    ),
    must(
        "9110 15.3.7.2",
        "no Content-Range in the head of 206 with several parts, but in each part",
        By(&["range-two*", "range-three"]),
    ),
    must(
        "9110 15.3.7.2",
        "one range that was asked for is never sent as multipart/byteranges",
        By(&["range-first", "range-one", "range-from*"]),
    ),
    must(
        "9110 15.5.17",
        "416 says how long the file is",
        By(&["range-behind*", "range-far*", "range-suffix-0"]),
    ),
    must("9110 15.2", "no 1xx to HTTP/1.0", By(&["expect-1.0*"])),
    must(
        "9110 15.4.5",
        "304 has the fields of the 200",
        By(&["none-any", "since-equal"]),
    ),
];
