use super::*;

const BEFORE: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\n";

#[test]
fn content_length() {
    use Error::{ContentLength, RepeatedContentLength};
    check_parts(
        BEFORE,
        b"\r\n\r\nabc",
        &[
            ("9112 6.2", b"Content-Length: 3", Taken(1, b"abc")),
            (
                "9110 8.6: leading zeros",
                b"content-length:0003",
                Taken(1, b"abc"),
            ),
            (
                "9110 8.6: leading zeros",
                b"content-length: 00000000000000000000000000000000000003",
                Taken(1, b"abc"),
            ),
            (
                "9110 5.5: white space around",
                b"Content-Length: \t3\t ",
                Taken(1, b"abc"),
            ),
            (
                "9112 6.3: more is the next request",
                b"Content-Length: 2",
                Waits(1),
            ),
            ("9112 6.3: less", b"Content-Length: 4", Waits(0)),
            ("9110 8.6: empty", b"Content-Length:", no(ContentLength)),
            ("9110 8.6: empty", b"Content-Length: \t", no(ContentLength)),
            ("9110 8.6: a sign", b"Content-Length: +3", no(ContentLength)),
            ("9110 8.6: a sign", b"Content-Length: -3", no(ContentLength)),
            (
                "9110 8.6: minus zero",
                b"Content-Length: -0",
                no(ContentLength),
            ),
            (
                "9110 8.6: hexadecimal",
                b"Content-Length: 0x3",
                no(ContentLength),
            ),
            (
                "9110 8.6: hexadecimal",
                b"Content-Length: a",
                no(ContentLength),
            ),
            (
                "9110 8.6: a point",
                b"Content-Length: 3.0",
                no(ContentLength),
            ),
            (
                "9110 8.6: an exponent",
                b"Content-Length: 3e0",
                no(ContentLength),
            ),
            (
                "9110 8.6: an underscore",
                b"Content-Length: 1_0",
                no(ContentLength),
            ),
            (
                "9110 8.6: a comma",
                b"Content-Length: 3,",
                no(ContentLength),
            ),
            (
                "9110 8.6: a comma",
                b"Content-Length: ,3",
                no(ContentLength),
            ),
            (
                "9110 8.6: a list",
                b"Content-Length: 3, 3",
                no(ContentLength),
            ),
            (
                "9112 6.3: a list that differs",
                b"Content-Length: 3, 4",
                no(ContentLength),
            ),
            (
                "9110 8.6: white space within",
                b"Content-Length: 3 3",
                no(ContentLength),
            ),
            (
                "9110 8.6: a parameter",
                b"Content-Length: 3;a",
                no(ContentLength),
            ),
            (
                "9110 8.6: quoted",
                b"Content-Length: \"3\"",
                no(ContentLength),
            ),
            (
                "9110 8.6: a word",
                b"Content-Length: three",
                no(ContentLength),
            ),
            (
                "9110 8.6: not ASCII digits",
                b"Content-Length: \xd9\xa3",
                no(ContentLength),
            ),
            (
                "9110 8.6: not ASCII space",
                b"Content-Length: 3\xa0",
                no(ContentLength),
            ),
            (
                "9110 8.6: 2^63",
                b"Content-Length: 9223372036854775808",
                no(ContentLength),
            ),
            (
                "9110 8.6: 2^64",
                b"Content-Length: 18446744073709551616",
                no(ContentLength),
            ),
            (
                "9110 8.6: 2^64 + 3",
                b"Content-Length: 18446744073709551619",
                no(ContentLength),
            ),
            (
                "9110 8.6: a hundred digits",
                b"Content-Length: 9999999999999999999999999999999999999999999999999999999999999999\
                  999999999999999999999999999999999999",
                no(ContentLength),
            ),
            (
                "9110 8.6: 2^63 - 1",
                b"Content-Length: 9223372036854775807",
                Waits(0),
            ),
            (
                "9112 6.3: twice, different",
                b"Content-Length: 3\r\nContent-Length: 4",
                no(RepeatedContentLength),
            ),
            (
                "9110 8.6: twice, equal",
                b"Content-Length: 3\r\ncontent-length: 3",
                no(RepeatedContentLength),
            ),
            (
                "9110 8.6: twice, one empty",
                b"Content-Length: 3\r\ncontent-length:",
                no(RepeatedContentLength),
            ),
        ],
    );
}

#[test]
fn transfer_encoding() {
    use Error::{TransferEncoding, UnsupportedTransferEncoding};
    check_parts(
        BEFORE,
        b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        &[
            ("9112 7.1", b"Transfer-Encoding: chunked", Taken(1, b"abc")),
            (
                "9112 7: case-insensitive",
                b"transfer-encoding: CHunked",
                Taken(1, b"abc"),
            ),
            (
                "9110 5.5: white space around",
                b"Transfer-Encoding:\tchunked \t",
                Taken(1, b"abc"),
            ),
            (
                "9112 6.1: unknown",
                b"Transfer-Encoding: gzip",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: unknown",
                b"Transfer-Encoding: identity",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: unknown",
                b"Transfer-Encoding: xchunked",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: unknown",
                b"Transfer-Encoding: chunkedx",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: unknown",
                b"Transfer-Encoding: chunke",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: unknown, then chunked",
                b"Transfer-Encoding: gzip, chunked",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: unknown with a parameter",
                b"Transfer-Encoding: a;b=c, chunked",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.1: on two lines",
                b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                no(UnsupportedTransferEncoding),
            ),
            (
                "9112 6.3: not last",
                b"Transfer-Encoding: chunked, gzip",
                no(TransferEncoding),
            ),
            (
                "9112 6.3: not last",
                b"Transfer-Encoding: chunked, identity",
                no(TransferEncoding),
            ),
            (
                "9112 6.1: twice",
                b"Transfer-Encoding: chunked, chunked",
                no(TransferEncoding),
            ),
            (
                "9112 6.1: twice",
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                no(TransferEncoding),
            ),
            (
                "9112 6.3: not last, on two lines",
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                no(TransferEncoding),
            ),
            (
                "two lines, one of them odd",
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
                no(TransferEncoding),
            ),
            (
                "two lines, one of them empty",
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
                no(TransferEncoding),
            ),
            (
                "9112 7.1: a parameter",
                b"Transfer-Encoding: chunked;a=b",
                no(TransferEncoding),
            ),
            (
                "9112 7.1: a parameter",
                b"Transfer-Encoding: chunked ;a=b",
                no(TransferEncoding),
            ),
            ("empty", b"Transfer-Encoding:", no(TransferEncoding)),
            (
                "a comma",
                b"Transfer-Encoding: ,chunked",
                no(TransferEncoding),
            ),
            (
                "a comma",
                b"Transfer-Encoding: chunked,",
                no(TransferEncoding),
            ),
            ("a comma", b"Transfer-Encoding: ,", no(TransferEncoding)),
            (
                "quoted",
                b"Transfer-Encoding: \"chunked\"",
                no(TransferEncoding),
            ),
            (
                "quoted",
                b"Transfer-Encoding: 'chunked'",
                no(UnsupportedTransferEncoding),
            ),
            (
                "two words",
                b"Transfer-Encoding: chunked x",
                no(TransferEncoding),
            ),
            (
                "two words",
                b"Transfer-Encoding: x chunked",
                no(TransferEncoding),
            ),
            (
                "a colon more",
                b"Transfer-Encoding: : chunked",
                no(TransferEncoding),
            ),
            (
                "no-break space",
                b"Transfer-Encoding: \xa0chunked",
                no(TransferEncoding),
            ),
            (
                "next line",
                b"Transfer-Encoding: chunked\x85",
                no(TransferEncoding),
            ),
            (
                "VT",
                b"Transfer-Encoding: \x0bchunked",
                no(Error::FieldValue),
            ),
            (
                "NUL",
                b"Transfer-Encoding: chunked\0",
                no(Error::FieldValue),
            ),
            (
                "a Kelvin sign is no K",
                b"Transfer-Encoding: chun\xe2\x84\xaaed",
                no(TransferEncoding),
            ),
        ],
    );
}

#[test]
fn both() {
    use Error::LengthAndEncoding;
    check_parts(
        BEFORE,
        b"\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &[
            (
                "9112 6.3: CL.TE",
                b"Content-Length: 6\r\nTransfer-Encoding: chunked",
                no(LengthAndEncoding),
            ),
            (
                "9112 6.3: TE.CL",
                b"Transfer-Encoding: chunked\r\nContent-Length: 6",
                no(LengthAndEncoding),
            ),
            (
                "9112 6.3: with a length of 0",
                b"Transfer-Encoding: chunked\r\nContent-Length: 0",
                no(LengthAndEncoding),
            ),
            (
                "9112 6.3: with another coding",
                b"Content-Length: 6\r\nTransfer-Encoding: gzip",
                no(LengthAndEncoding),
            ),
            (
                "9112 6.3: with a length that is none",
                b"Content-Length: x\r\nTransfer-Encoding: chunked",
                no(LengthAndEncoding),
            ),
            (
                "9112 6.1: other names mean nothing",
                b"Transfer-Encodin: chunked",
                Refused(1, Error::Method),
            ),
        ],
    );
}

#[test]
fn http_10() {
    use Error::TransferEncodingInHttp10;
    check(&[
        (
            "9112 6.1: Transfer-Encoding in HTTP/1.0",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            no(TransferEncodingInHttp10),
        ),
        (
            "9112 6.1: with a length as well",
            b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            no(TransferEncodingInHttp10),
        ),
        (
            "9112 6.2",
            b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na",
            Taken(1, b"a"),
        ),
        (
            "9112 6.3: without a length",
            b"POST / HTTP/1.0\r\n\r\n",
            ONE,
        ),
    ]);
}

#[test]
fn bodies_of_all_methods() {
    check(&[
        (
            "9110 9.3.1: GET with a body; it is not the next request",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 24\r\n\r\nGET /smuggled HTTP/1.1\r\n\
              GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Taken(2, b"GET /smuggled HTTP/1.1\r\n"),
        ),
        (
            "9110 9.3.2: HEAD with a body",
            b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
            Taken(1, b"a"),
        ),
        (
            "9110 9.3.7: OPTIONS with a body",
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            Taken(1, b"a"),
        ),
        (
            "a length of 0, and what follows is the next request",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Taken(2, b""),
        ),
        ("9112 6.3: neither field", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", ONE),
        ("CONNECT may say 0", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", ONE),
    ]);
}
