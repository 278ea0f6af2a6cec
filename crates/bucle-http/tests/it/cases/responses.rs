//! Answers, as a client takes them.

use bucle_http::{ClientConnection, Event, Method, ResponseHead};

use super::*;
use crate::drive::{Said, answers_cut};

fn answers(input: &[u8], methods: &[Method]) -> Outcome {
    let limits = Limits::default();
    equal_however_cut(
        |cuts| answers_cut(input, methods, cuts, &limits),
        input.len(),
    )
}

fn refused(input: &[u8]) -> Option<Error> {
    answers(input, &[Method::Get]).error()
}

#[test]
fn status_lines() {
    use Error::{BareCr, BareLf, StatusLine, UnsupportedVersion};
    for (line, expected) in [
        (&b"HTTP/1.1 200 OK"[..], Ok((200, &b"OK"[..]))),
        (b"HTTP/1.0 404 Not Found", Ok((404, b"Not Found"))),
        (b"HTTP/1.2 200 OK", Ok((200, b"OK"))),
        (b"HTTP/1.1 200 ", Ok((200, b""))),
        (b"HTTP/1.1 200", Ok((200, b""))),
        (b"HTTP/1.1 299 \xff\tx", Ok((299, b"\xff\tx"))),
        (b"HTTP/1.1 999 x", Ok((999, b"x"))),
        (b"HTTP/1.1 099 x", Err(StatusLine)),
        (b"HTTP/1.1 20 x", Err(StatusLine)),
        (b"HTTP/1.1 2000 x", Err(StatusLine)),
        (b"HTTP/1.1 2x0 x", Err(StatusLine)),
        (b"HTTP/1.1 -20 x", Err(StatusLine)),
        (b"HTTP/1.1  200 x", Err(StatusLine)),
        (b"HTTP/1.1\t200 x", Err(StatusLine)),
        (b"HTTP/1.1 200\tx", Err(StatusLine)),
        (b"HTTP/1.1 200 a\0b", Err(StatusLine)),
        (b"HTTP/1.1 200 a\rb", Err(BareCr)),
        (b"HTTP/1.1 200 a\nb", Err(BareLf)),
        (b"HTTP/1.1 200\n", Err(BareLf)),
        (b"HTTP/2.0 200 OK", Err(UnsupportedVersion)),
        (b"HTTP/1.10 200 OK", Err(StatusLine)),
        (b"HTTP/1 200 OK", Err(StatusLine)),
        (b"http/1.1 200 OK", Err(StatusLine)),
        (b"ICY 200 OK", Err(StatusLine)),
        (b" HTTP/1.1 200 OK", Err(StatusLine)),
        (b"", Err(StatusLine)),
    ] {
        let outcome = answers(
            &[line, b"\r\nContent-Length: 0\r\n\r\n"].concat(),
            &[Method::Get],
        );
        let told = || format!("{} {outcome:?}", line.escape_ascii());
        match (expected, &outcome.said[0]) {
            (Ok((status, reason)), Said::Response(response)) => {
                assert_eq!(
                    (response.status, &*response.reason),
                    (status, reason),
                    "{}",
                    told()
                );
                assert_eq!(outcome.ends(), 1, "{}", told());
            }
            (Err(error), Said::Failed(failed)) => assert_eq!(error, *failed, "{}", told()),
            _ => panic!("{}", told()),
        }
    }
}

#[test]
fn bodies() {
    use Method::{Connect, Get, Head, Post};
    for (source, method, input, ends, body) in [
        (
            "6.2",
            Get,
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"[..],
            1,
            &b"ab"[..],
        ),
        (
            "7.1",
            Get,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            1,
            b"a",
        ),
        (
            "6.3: until close",
            Get,
            b"HTTP/1.1 200 OK\r\n\r\nab",
            0,
            b"ab",
        ),
        (
            "6.3: until close",
            Post,
            b"HTTP/1.0 404 No\r\n\r\nab",
            0,
            b"ab",
        ),
        (
            "6.3: HEAD",
            Head,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            1,
            b"",
        ),
        (
            "6.3: HEAD",
            Head,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            1,
            b"",
        ),
        ("6.3: HEAD", Head, b"HTTP/1.1 200 OK\r\n\r\n", 1, b""),
        ("6.3: 204", Get, b"HTTP/1.1 204 No Content\r\n\r\n", 1, b""),
        (
            "6.3: 204 with a length",
            Get,
            b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
            1,
            b"",
        ),
        (
            "6.3: 304",
            Get,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
            1,
            b"",
        ),
        (
            "6.3: 205 can have one",
            Get,
            b"HTTP/1.1 205 Reset\r\nContent-Length: 1\r\n\r\na",
            1,
            b"a",
        ),
        (
            "9110 15.2: interim",
            Get,
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            1,
            b"a",
        ),
        (
            "9110 15.2.2: 101",
            Get,
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n\0\0",
            1,
            b"",
        ),
        (
            "9110 9.3.6: a tunnel",
            Connect,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            1,
            b"",
        ),
        (
            "9110 9.3.6: no tunnel",
            Connect,
            b"HTTP/1.1 405 No\r\nContent-Length: 1\r\n\r\na",
            1,
            b"a",
        ),
    ] {
        let outcome = answers(input, &[method]);
        assert_eq!(outcome.error(), None, "{source}: {outcome:?}");
        assert_eq!(
            (outcome.ends(), &*outcome.body()),
            (ends, body),
            "{source}: {outcome:?}"
        );
    }
}

#[test]
fn ambiguous_answers_are_refused() {
    use Error::*;
    for (input, error) in [
        (
            &b"Content-Length: 1\r\nTransfer-Encoding: chunked"[..],
            LengthAndEncoding,
        ),
        (
            b"Content-Length: 1\r\nContent-Length: 1",
            RepeatedContentLength,
        ),
        (b"Content-Length: 1, 1", ContentLength),
        (b"Content-Length: +1", ContentLength),
        (
            b"Transfer-Encoding: gzip, chunked",
            UnsupportedTransferEncoding,
        ),
        (b"Transfer-Encoding: chunked, chunked", TransferEncoding),
        (b"A : b", SpaceBeforeColon),
        (b"A: b\r\n c", LineFolding),
        (b"A: \0", FieldValue),
    ] {
        let answer = [b"HTTP/1.1 200 OK\r\n", input, b"\r\n\r\n"].concat();
        assert_eq!(refused(&answer), Some(error), "{}", input.escape_ascii());
    }
    let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refused(old), Some(TransferEncodingInHttp10));
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(21);
    assert_eq!(refused(&interim), Some(TooManyInterimResponses));
    assert_eq!(refused(&interim[25..]), None);
}

#[test]
fn ends_of_the_connection() {
    let limits = Limits::default();
    let at_eof = |input: &[u8]| {
        let mut connection = ClientConnection::default();
        let mut head = ResponseHead::default();
        let mut at = 0;
        loop {
            let progress = connection
                .receive(&input[at..], &mut head, &limits)
                .unwrap();
            at += progress.consumed;
            if matches!(progress.event, Event::NeedInput | Event::Paused) {
                let ended = connection.eof_received();
                assert!(matches!(
                    (ended, connection.receive(b"", &mut head, &limits)),
                    (Err(_), Err(_)) | (Ok(_), Ok(_))
                ));
                return ended;
            }
        }
    };
    assert_eq!(at_eof(b""), Ok(false));
    assert_eq!(at_eof(b"HTTP/1.1 200 OK\r\n\r\nabc"), Ok(true));
    assert_eq!(
        at_eof(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        Ok(false)
    );
    assert_eq!(at_eof(b"HTTP/1.1 204 No\r\n\r\n"), Ok(false));
    for cut in [
        &b"H"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert_eq!(
            at_eof(cut),
            Err(Error::Incomplete),
            "{}",
            cut.escape_ascii()
        );
    }
}
