//! The faults that the HTTP Garden has found in servers and proxies, with its own payloads
//! (<https://github.com/narfindustries/http-garden>, TROPHIES.md): by their numbers there, those of
//! proxies with a `t`, crashes with a `c`, HTTP/2 with an `h`. `Host` is put in where it is missing,
//! so that it is the fault that is refused.

use crate::Case;
use crate::case::case;

const METHOD: &str = "the method is not a token";
const VERSION: &str = "does not end with one space and HTTP/1.1";
const SUPPORTED: &str = "the version is not HTTP/1.0 or HTTP/1.1";
const TARGET: &str = "the request target is not";
const NAME: &str = "a header line is not a name, a colon and a value";
const SPACE: &str = "white space between a header field's name and its colon";
const FOLD: &str = "a line begins with white space";
const VALUE: &str = "a control character in it";
const LF: &str = "a line ends with LF alone";
const CR: &str = "a CR is not followed by LF";
const HOST: &str = "the host is not a name or an address";
const LENGTH: &str = "Content-Length is not a decimal number";
const TWICE: &str = "there is more than one Content-Length";
const BOTH: &str = "both Content-Length and Transfer-Encoding";
const ENCODING: &str = "Transfer-Encoding is not chunked, once and last";
const UNKNOWN: &str = "no transfer coding but chunked is known";
const SIZE: &str = "a chunk's size is not a hexadecimal number";
const END: &str = "a chunk's data is not followed by CRLF";

pub(super) fn cases() -> Vec<Case> {
    let row =
        |id, what, payload: &[u8]| case(id, "HTTP Garden", what, payload).known("HTTP Garden");
    vec![
        row("garden-1", "int() of Python takes `_` in a chunk's size: aiohttp, gunicorn, tornado", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0_2e\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n").refused(400, SIZE),
        row("garden-2", "NUL and CR in a value: aiohttp, gunicorn, tornado", b"GET / HTTP/1.1\r\nHost: a\r\nHeader: v\x00\ralue\r\n\r\n").refused(400, VALUE),
        row("garden-3", "white space behind a name: aiohttp, cheroot, OpenLiteSpeed", b"GET / HTTP/1.1\r\nHost: whatever\r\nContent-Length : 34\r\n\r\nGET / HTTP/1.1\r\nHost: whatever\r\n\r\n").refused(400, SPACE),
        row("garden-4", "white space before the first name: aiohttp", b"GET / HTTP/1.1\r\n\tContent-Length: 1\r\n\r\nX").refused(400, FOLD),
        row("garden-5", "a version of which the beginning is taken: aiohttp", b"GET /test HTTP/1.32\r\nHost: a\r\n\r\n").refused(400, VERSION),
        row("garden-6", "a method of which the beginning is taken: aiohttp", b"G=\":<>(e),[T];?\" /get HTTP/1.1\r\nHost: a\r\n\r\n").refused(400, METHOD),
        row("garden-7", "a target that is not checked: aiohttp", b"GET ! HTTP/1.1\r\nHost: a\r\n\r\n").refused(400, TARGET),
        row("garden-8", "a name that is not ASCII: aiohttp, daphne, mongoose", b"GET / HTTP/1.1\r\nHost: a\r\n\xefoo: bar\r\n\r\n").refused(400, NAME),
        row("garden-9", "LF for a space in the request line: aiohttp", b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n").refused(400, VERSION),
        row("garden-10", "int() of Python takes `+` and `_` in a length: aiohttp, CPython, tornado, werkzeug", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1_0\r\n\r\n0123456789").refused(400, LENGTH),
        row("garden-11", "chunked in two lines is no body: tornado", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\n").refused(400, ENCODING),
        row("garden-12", "0xA0 and 0x85 are taken off a value: tornado", b"POST / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: \xa0chunked\xa0\r\n\r\n0\r\n\r\n").refused(400, ENCODING),
        row("garden-13", "CR ends a line: CPython, mongoose", b"GET / HTTP/1.1\r\nHost: a\r\nVisible: :/\rSmuggled: :)\r\n\r\n").refused(400, CR),
        row("garden-14", "a name of all that is no name: daphne, mongoose, tornado, OpenLiteSpeed", b"GET / HTTP/1.1\r\nHost: a\r\n\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f \"(),/;<=>?@[/]{}: whatever\r\n\r\n").refused(400, NAME),
        row("garden-15", "a version that is not checked", b"GET / HTTP/\r\r1.1\r\nHost: a\r\n\r\n").refused(400, VERSION),
        row("garden-16", "an empty length is 0", b"GET / HTTP/1.1\r\nHost: whatever\r\nContent-Length: \r\n\r\n").refused(400, LENGTH),
        row("garden-17", "an empty size is 0", b"GET / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n").refused(400, SIZE),
        row("garden-18", "an empty name", b"GET / HTTP/1.1\r\n: ignored\r\nHost: whatever\r\n\r\n").refused(400, NAME),
        row("garden-19", "line breaks are taken off a value", b"GET / HTTP/1.1\r\nHost: a\r\nUseless:\n\nGET / HTTP/1.1\r\n\r\n").refused(400, LF),
        row("garden-20", "0xA0 and 0x85 are taken off a name", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length\x85: 10\r\n\r\n0123456789").refused(400, NAME),
        row("garden-21", "an empty element makes chunked another coding", b"GET / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: ,chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n").refused(400, BOTH),
        row("garden-23", "two lengths, the first is taken", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 0\r\n\r\nZ").refused(400, TWICE),
        row("garden-24", "a version of 8 bits", b"GET / HTTP/4294967295.255\r\nHost: a\r\n\r\n").refused(400, VERSION),
        row("garden-25", "strtoll() takes a sign and a prefix in a size", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+0x0\r\n\r\n").refused(400, SIZE),
        row("garden-26", "a negative length is waited for without end", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -48\r\n\r\n").refused(400, LENGTH),
        row("garden-27", "a field without name and value ends the head", b"GET / HTTP/1.1\r\nHost: a\r\n:\r\nI: am chopped off\r\n\r\n").refused(400, NAME),
        row("garden-28", "white space for the colon", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length 10\r\n\r\n0123456789").refused(400, SPACE),
        row("garden-29", "a length of which the beginning is taken", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1Z\r\n\r\nZ").refused(400, LENGTH),
        row("garden-30", "CR LF CR and any byte end the head", b"GET / HTTP/1.1\r\nHost: a\r\n\rZGET /evil: HTTP/1.1\r\nHost: a\r\n\r\n").refused(400, CR),
        row("garden-31", "CR and any byte end a chunk's line", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n").refused(400, CR),
        row("garden-32", "a length with a leading zero is octal; ten bytes are waited for", b"GET / HTTP/1.1\r\nHost: whatever\r\nContent-Length: 010\r\n\r\n01234567").waits(&[]),
        row("garden-33", "two lengths, the last is taken", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\nZ").refused(400, TWICE),
        row("garden-34", "CR in a value", b"GET / HTTP/1.1\r\nHost: whatever\r\nHeader: va\rlue\r\n\r\n").refused(400, CR),
        row("garden-35", "a value is cut at NUL", b"GET / HTTP/1.1\r\nHost: whatever\r\nTest: test\x00THESE BYTES GET DROPPED\r\nConnection: close\r\n\r\n").refused(400, VALUE),
        row("garden-36", "CR in the white space of an extension: h2o", b"POST /abc HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h2o.http-garden.us\r\n\r\n41;a=b\r\rXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\r\n0\r\n\r\nGET /bad_path/pwned HTTP/1.1\r\nHost: a\r\nContent-Length: 412\r\n\r\n0\r\n\r\nGET /def HTTP/1.1\r\nHost: h2o.http-garden.us\r\n\r\n").refused(400, CR),
        row("garden-37", "a name goes on in the next line", b"POST / HTTP/1.1\r\nHost: whatever\r\nTransfer-\r\nEncoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n").refused(400, NAME),
        row("garden-38", "an empty length is as long as it lasts", b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: \r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n").refused(400, LENGTH),
        row("garden-39", "CR LF and any two bytes end the body", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX:POST / HTTP/1.1\r\n\r\n").answers(&[200]),
        row("garden-40", "neither method nor version is checked", b"\x00 / HTTP/............0596.7407.\r\n\r\n").refused(400, METHOD),
        row("garden-41", "0xA0 and 0x85 are taken off a value: here they are part of it", b"GET / HTTP/1.1\r\nHost: a\r\nUser: \x85admin\xa0\r\n\r\n").answers(&[200]),
        row("garden-42", "an empty length is 0, whatever comes behind it", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\nContent-Length: 43\r\n\r\nPOST /evil HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n").refused(400, TWICE),
        row("garden-43", "NUL is taken off a value", b"GET / HTTP/1.1\r\nHost: a\r\nEvil: evil\x00\r\n\r\n").refused(400, VALUE),
        row("garden-44", "every unknown coding is chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: blegh\r\n\r\n1\r\nZ\r\n0\r\n\r\n").refused(501, UNKNOWN),
        row("garden-45", "what is none behind a request takes its answer away", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nInvalid\r\n\r\n").last(&[200]),
        row("garden-46", "bytes over 0x80 are taken off a value", b"POST / HTTP/1.1\r\nHost: \xffa\xff\r\nTransfer-Encoding: \xffchunked\xff\r\n\r\n1\r\nZ\r\n0\r\n\r\n").refused(400, HOST),
        row("garden-47", "behind a bad chunk the next line is a request", b"POST / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: chunked\r\n\r\nINVALID!!!\r\nGET / HTTP/1.1\r\nHost: whatever\r\n\r\n").refused(400, SIZE),
        row("garden-48", "what is pipelined is the body of the first", b"POST / HTTP/1.1\r\nContent-Length: 0\r\nConnection:keep-alive\r\nHost: a\r\nid: 0\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nid: 1\r\nContent-Length: 34\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nid: 2\r\n\r\n").answers(&[405, 405]),
        row("garden-t1", "a length with a prefix", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\nZ").refused(400, LENGTH),
        row("garden-t2", "sizes that are none", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\nZZ\r\nZZZ\r\n\r\n").refused(400, SIZE),
        row("garden-t3", "CR before an extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\r;a\r\n02\r\n41\r\n0\r\n\r\nGET /bad_path/pwned HTTP/1.1\r\nHost: a\r\nContent-Length: 430\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").refused(400, CR),
        row("garden-t4", "two spaces, and CR and LF apart in a chunk's line", b"POST /  HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r0\n").refused(400, VERSION),
        row("garden-t6", "a byte that is not ASCII in a name", b"GET / HTTP/1.1\r\nHost: fanout\r\nHeader\x85: value\r\n\r\n").refused(400, NAME),
        row("garden-t7", "a size of which the beginning is taken", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1these-bytes-never-get-validated\r\nZ\r\n0\r\n\r\n").refused(400, SIZE),
        row("garden-t9", "an empty element before chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n").refused(400, ENCODING),
        row("garden-t10", "CRs in a value", b"GET / HTTP/1.1\r\nHost: a\r\nInvalid-Header: this\rvalue\ris\rinvalid\r\n\r\n").refused(400, CR),
        row("garden-t12", "NUL in Host", b"GET / HTTP/1.1\r\nHost: google.com\x00.kallus.org\r\n\r\n").refused(400, VALUE),
        row("garden-t13", "LF behind a chunk's data", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\n0\r\n\r\n").refused(400, END),
        row("garden-t14", "a line without a colon", b"GET / HTTP/1.1\r\nHost: whatever\r\nTe\nst: test\r\nConnection: close\r\n\r\n").refused(400, NAME),
        row("garden-t16", "LF all over", b"GET / HTTP/1.1\nHost: whatever\nConnection: close\n\n").refused(400, LF),
        row("garden-t17", "a line break more before the last chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n\r\n0\r\n\r\n").refused(400, SIZE),
        row("garden-t19", "a size with sign and prefix", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-0x0\r\n\r\n").refused(400, SIZE),
        row("garden-t20", "a name with NUL is joined to the value before", b"GET / HTTP/1.1\r\nHost: a\r\na:b\r\nc\x00\r\n\r\n").refused(400, NAME),
        row("garden-t21", "a body of GET is taken away, its length is not", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1234567890").answers(&[200]),
        row("garden-t22", "two lengths, the last is taken", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n").refused(400, TWICE),
        row("garden-t23", "length and coding", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").refused(400, BOTH),
        row("garden-t24", "white space before a size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n           0\r\n\r\n").refused(400, SIZE),
        row("garden-t25", "chunked in two lines", b"POST / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").refused(400, ENCODING),
        row("garden-c3", "a byte behind a chunked body", b"GET / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\x00").last(&[200, 400]).says(METHOD),
        row("garden-c4", "a chunked body comes back before the answer", b"POST / HTTP/1.1\r\nHost: whatever\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\n").answers(&[405]),
        row("garden-h1", "HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00E\x01\x05").refused(505, SUPPORTED),
    ]
}
