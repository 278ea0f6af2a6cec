use super::*;

const BEFORE: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn sizes() {
    use Error::{BareCr, BareLf, ChunkEnd, ChunkExtension, ChunkSize};
    check_parts(
        BEFORE,
        b"",
        &[
            ("9112 7.1: nothing", b"0\r\n\r\n", ONE),
            ("9112 7.1", b"1\r\na\r\n0\r\n\r\n", Taken(1, b"a")),
            (
                "9112 7.1: hexadecimal",
                b"a\r\n0123456789\r\n0\r\n\r\n",
                Taken(1, b"0123456789"),
            ),
            (
                "9112 7.1: hexadecimal",
                b"A\r\n0123456789\r\n0\r\n\r\n",
                Taken(1, b"0123456789"),
            ),
            (
                "9112 7.1: leading zeros",
                b"00000000000001\r\na\r\n000\r\n\r\n",
                Taken(1, b"a"),
            ),
            (
                "9112 7.1: data is not looked at",
                b"5\r\n\r\n0\r\n\r\n0\r\n\r\n",
                Taken(1, b"\r\n0\r\n"),
            ),
            ("9112 7.1: not whole", b"5\r\nabc", Waits(0)),
            ("9112 7.1: not whole", b"5\r\nabcde\r\n0\r\n", Waits(0)),
            ("9112 7.1: empty size", b"\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            (
                "9112 7.1: empty size",
                b";a=b\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            ("9112 7.1: prefix", b"0x1\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            ("9112 7.1: prefix", b"0X1\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            ("9112 7.1: sign", b"+1\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            ("9112 7.1: sign", b"-1\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            (
                "9112 7.1: underscore",
                b"1_0\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            ("9112 7.1: no digit", b"g\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            ("9112 7.1: a suffix", b"1h\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            ("9112 7.1: a point", b"1.0\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            (
                "9112 7.1: white space before",
                b" 1\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            (
                "9112 7.1: white space before",
                b"\t1\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            (
                "9112 7.1: white space behind",
                b"1 \r\na\r\n0\r\n\r\n",
                no(ChunkExtension),
            ),
            (
                "9112 7.1: white space within",
                b"1 0\r\na\r\n0\r\n\r\n",
                no(ChunkExtension),
            ),
            ("9112 7.1: NUL", b"1\0\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            ("9112 7.1: VT", b"1\x0b\r\na\r\n0\r\n\r\n", no(ChunkSize)),
            (
                "9112 7.1: not ASCII digits",
                b"\xd9\xa1\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            (
                "9112 7.1: a line end as the end of data",
                b"1\r\na\r\n\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            ("2^63", b"8000000000000000\r\n", no(ChunkSize)),
            ("2^64 - 1", b"ffffffffffffffff\r\n", no(ChunkSize)),
            ("2^64", b"10000000000000000\r\n", no(ChunkSize)),
            (
                "2^64 + 1",
                b"10000000000000001\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            (
                "17 digits",
                b"00000000000000001\r\na\r\n0\r\n\r\n",
                no(ChunkSize),
            ),
            ("2^63 - 1", b"7fffffffffffffff\r\na", Waits(0)),
            (
                "9112 2.2: LF behind the size",
                b"1\na\r\n0\r\n\r\n",
                no(BareLf),
            ),
            (
                "9112 2.2: CR behind the size",
                b"1\ra\r\n0\r\n\r\n",
                no(BareCr),
            ),
            ("9112 2.2: CR CR LF", b"1\r\r\na\r\n0\r\n\r\n", no(BareCr)),
            (
                "9112 7.1: data longer",
                b"1\r\nab\r\n0\r\n\r\n",
                no(ChunkEnd),
            ),
            (
                "9112 7.1: data shorter",
                b"3\r\na\r\n0\r\n\r\n",
                no(ChunkEnd),
            ),
            (
                "9112 7.1: LF behind the data",
                b"1\r\na\n0\r\n\r\n",
                no(ChunkEnd),
            ),
            (
                "9112 7.1: CR behind the data",
                b"1\r\na\r0\r\n\r\n",
                no(ChunkEnd),
            ),
            (
                "9112 7.1: nothing behind the data",
                b"1\r\na0\r\n\r\n",
                no(ChunkEnd),
            ),
            (
                "9112 7.1: two bytes that are no line end",
                b"1\r\naXX0\r\n\r\n",
                no(ChunkEnd),
            ),
            ("LF behind the last size", b"0\n\r\n", no(BareLf)),
            ("LF for the last line", b"0\r\n\n", no(BareLf)),
            ("CR for the last line", b"0\r\n\rX", no(BareCr)),
            (
                "what follows is the next request",
                b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                Taken(2, b"a"),
            ),
            (
                "9112 7.1: more behind the end",
                b"0\r\n\r\n0\r\n\r\n",
                Refused(1, Error::Method),
            ),
        ],
    );
}

#[test]
fn extensions() {
    use Error::{BareCr, BareLf, ChunkExtension};
    check_parts(
        &[BEFORE, b"1"].concat(),
        b"\r\na\r\n0\r\n\r\n",
        &[
            ("9112 7.1.1", b";a", Taken(1, b"a")),
            ("9112 7.1.1", b";a=b", Taken(1, b"a")),
            ("9112 7.1.1", b";a=b;c=d;e", Taken(1, b"a")),
            ("9112 7.1.1: quoted", b";a=\"b\"", Taken(1, b"a")),
            ("9112 7.1.1: quoted", b";a=\"\"", Taken(1, b"a")),
            (
                "9112 7.1.1: quoted",
                b";a=\"b;c = \\\"\\\\d\t\xff\";e",
                Taken(1, b"a"),
            ),
            ("9112 7.1.1: BWS", b" ; a = b ;c", Taken(1, b"a")),
            ("9112 7.1.1: BWS", b"\t;\ta\t=\t\"b\"\t;c", Taken(1, b"a")),
            ("9112 7.1.1: no name", b";", no(ChunkExtension)),
            ("9112 7.1.1: no name", b";;a", no(ChunkExtension)),
            ("9112 7.1.1: no name", b";=b", no(ChunkExtension)),
            ("9112 7.1.1: no name", b"; ", no(ChunkExtension)),
            ("9112 7.1.1: no value", b";a=", no(ChunkExtension)),
            ("9112 7.1.1: no value", b";a=;b", no(ChunkExtension)),
            ("9112 7.1.1: two values", b";a=b=c", no(ChunkExtension)),
            ("9112 7.1.1: two words", b";a b", no(ChunkExtension)),
            ("9112 7.1.1: two words", b";a=b c", no(ChunkExtension)),
            (
                "9112 7.1.1: white space at the end",
                b";a ",
                no(ChunkExtension),
            ),
            (
                "9112 7.1.1: white space at the end",
                b";a=b ",
                no(ChunkExtension),
            ),
            (
                "9112 7.1.1: white space at the end",
                b";a=\"b\" ",
                no(ChunkExtension),
            ),
            (
                "9112 7.1.1: behind a quoted string",
                b";a=\"b\"c",
                no(ChunkExtension),
            ),
            ("9112 7.1.1: not closed", b";a=\"b", no(ChunkExtension)),
            ("9112 7.1.1: not closed", b";a=\"b\\", no(ChunkExtension)),
            ("9112 7.1.1: no token", b";a=b/c", no(ChunkExtension)),
            ("9112 7.1.1: no token", b";(a)", no(ChunkExtension)),
            (
                "9112 7.1.1: another separator",
                b",a=b",
                no(Error::ChunkSize),
            ),
            ("NUL", b";a=b\0", no(ChunkExtension)),
            ("NUL in quotes", b";a=\"\0\"", no(ChunkExtension)),
            ("a control in quotes", b";a=\"\\\x01\"", no(ChunkExtension)),
            ("not ASCII", b";\xc3\xa9", no(ChunkExtension)),
            ("TERM.EXT, funky chunks: LF", b";\n", no(BareLf)),
            ("TERM.EXT: LF in a name", b";a\nb", no(BareLf)),
            ("TERM.EXT: LF in a value", b";a=b\nc", no(BareLf)),
            ("TERM.EXT: LF in quotes", b";a=\"b\nc\"", no(BareLf)),
            (
                "TERM.EXT: LF in quotes, escaped",
                b";a=\"b\\\nc\"",
                no(BareLf),
            ),
            ("TERM.EXT: CR", b";\rb", no(ChunkExtension)),
            ("TERM.EXT: CR in a name", b";a\rb", no(BareCr)),
            ("TERM.EXT: CR in quotes", b";a=\"b\rc\"", no(ChunkExtension)),
            (
                "TERM.EXT: CR LF in quotes",
                b";a=\"b\r\nc\"",
                no(ChunkExtension),
            ),
            (
                "TERM.EXT: CR LF in quotes, escaped",
                b";a=\"b\\\r\nc\"",
                no(ChunkExtension),
            ),
            ("TERM.EXT: LF before the semicolon", b" \n;a", no(BareLf)),
            ("TERM.EXT: LF for an equals sign", b";a \n", no(BareLf)),
            ("TERM.EXT: LF for a value", b";a=\n", no(BareLf)),
            ("TERM.EXT: LF behind quotes", b";a=\"b\"\n", no(BareLf)),
            ("CR CR LF", b";a\r", no(BareCr)),
        ],
    );
}

#[test]
fn trailers() {
    use Error::*;
    check_parts(
        &[BEFORE, b"1\r\na\r\n0\r\n"].concat(),
        b"\r\n",
        &[
            ("9112 7.1.2: none", b"", Taken(1, b"a")),
            ("9112 7.1.2", b"X-Sum: 1\r\n", Taken(1, b"a")),
            (
                "9112 7.1.2",
                b"X-Sum: 1\r\nServer-Timing: x;dur=1\r\n",
                Taken(1, b"a"),
            ),
            (
                "9112 5.1: white space before the colon",
                b"X : 1\r\n",
                no(SpaceBeforeColon),
            ),
            ("9112 5.2: folded", b"X: 1\r\n 2\r\n", no(LineFolding)),
            ("9112 5.2: folded", b" X: 1\r\n", no(LineFolding)),
            ("9112 5: no colon", b"X\r\n", no(FieldName)),
            ("9112 5: empty name", b": 1\r\n", no(FieldName)),
            ("9110 5.5: NUL", b"X: \0\r\n", no(FieldValue)),
            ("9112 2.2: LF", b"X: 1\n", no(BareLf)),
            ("9112 2.2: CR", b"X: 1\rY: 2\r\n", no(BareCr)),
            (
                "9110 6.5.1: framing",
                b"Content-Length: 1\r\n",
                no(ForbiddenTrailer),
            ),
            (
                "9110 6.5.1: framing",
                b"transfer-encoding: chunked\r\n",
                no(ForbiddenTrailer),
            ),
            (
                "9110 6.5.1: routing",
                b"X: y\r\nHost: b\r\n",
                no(ForbiddenTrailer),
            ),
            (
                "a request line for a trailer",
                b"GET /smuggled HTTP/1.1\r\n",
                no(SpaceBeforeColon),
            ),
            (
                "another chunk for a trailer",
                b"1\r\nb\r\n0\r\n",
                no(FieldName),
            ),
        ],
    );
    let outcome = run(&[BEFORE, b"0\r\nX-Sum:  1 \r\ny:\r\n\r\n"].concat());
    let trailers = vec![
        ("X-Sum".to_owned(), b"1".to_vec()),
        ("y".to_owned(), Vec::new()),
    ];
    assert!(
        outcome
            .said
            .contains(&crate::drive::Said::Trailers(trailers)),
        "{outcome:?}"
    );
}
