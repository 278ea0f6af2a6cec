//! What is written, and that it can be read again.

use bucle_http::encode::{self, EncodeError};
use bucle_http::{Error, StatusCode, write_chunk_head, write_field, write_status_line};

use crate::generator::Random;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn numbers() {
    let mut random = Random::new(3);
    let mut numbers: Vec<u64> = (0..1100).collect();
    numbers.extend((0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]));
    numbers.extend((0..20).flat_map(|power| [10u64.pow(power) - 1, 10u64.pow(power)]));
    numbers.extend((0..1000).map(|_| random.next() >> random.below(64)));
    numbers.push(u64::MAX);
    for number in numbers {
        assert_eq!(
            written(|out| encode::write_decimal(out, number)),
            number.to_string()
        );
        let chunk = if number == 0 {
            String::new()
        } else {
            format!("{number:x}\r\n")
        };
        assert_eq!(written(|out| write_chunk_head(out, number)), chunk);
    }
    let line = written(|out| encode::write_content_length(out, 1234));
    assert_eq!(line, "Content-Length: 1234\r\n");
}

#[test]
fn status_lines() {
    for status in StatusCode::REGISTERED {
        let line = written(|out| write_status_line(out, *status));
        assert_eq!(
            line,
            format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.reason())
        );
        assert_eq!(
            status.to_string(),
            format!("{} {}", status.as_u16(), status.reason())
        );
    }
    assert!(StatusCode::REGISTERED.is_sorted());
    let other = StatusCode::from_u16(299).unwrap();
    assert_eq!(
        written(|out| write_status_line(out, other)),
        "HTTP/1.1 299 \r\n"
    );
    for code in [0, 99, 1000, u16::MAX] {
        assert_eq!(StatusCode::from_u16(code), None);
    }
    for (code, has_body) in [
        (100, false),
        (101, false),
        (199, false),
        (200, true),
        (204, false),
    ] {
        assert_eq!(
            StatusCode::from_u16(code).unwrap().may_have_body(),
            has_body
        );
    }
    assert!(!StatusCode::NOT_MODIFIED.may_have_body() && StatusCode::RESET_CONTENT.may_have_body());
}

#[test]
fn no_field_begins_a_line_of_its_own() {
    let field = |name: &str, value: &[u8]| {
        let mut out = b"before".to_vec();
        let result = write_field(&mut out, name, value);
        if result.is_err() {
            assert_eq!(out, b"before");
        }
        result.map(|()| out.split_off(6))
    };
    assert_eq!(field("A", b"b").unwrap(), b"A: b\r\n");
    assert_eq!(field("X-Y", b"").unwrap(), b"X-Y: \r\n");
    assert_eq!(field("A", b"\xff\t\"~").unwrap(), b"A: \xff\t\"~\r\n");
    for value in [
        &b"a\r\nB: c"[..],
        b"\r",
        b"\n",
        b"a\0",
        b"\x7f",
        b"0123456789\x1b",
    ] {
        assert_eq!(
            field("A", value),
            Err(EncodeError::Value),
            "{}",
            value.escape_ascii()
        );
    }
    for name in ["", "A b", "A:", "A\r\nB", "\u{e9}", "A\0", " A", "A\t"] {
        assert_eq!(field(name, b"b"), Err(EncodeError::Name), "{name:?}");
    }
}

#[test]
fn request_lines() {
    let line = |method, target| {
        let mut out = Vec::new();
        encode::write_request_line(&mut out, method, target).map(|()| out)
    };
    assert_eq!(line("GET", "/a?b").unwrap(), b"GET /a?b HTTP/1.1\r\n");
    for method in ["", "G T", "G\r\n"] {
        assert_eq!(line(method, "/"), Err(EncodeError::Name));
    }
    for target in ["", "/a b", "/\r\n", "/\u{e9}", "/#a"] {
        assert_eq!(line("GET", target), Err(EncodeError::Target));
    }
}

#[test]
fn errors_say_what_would_be_right_in_one_line() {
    for (error, code) in [
        (Error::Method, 400),
        (Error::MethodTooLong, 501),
        (Error::Target, 400),
        (Error::TargetTooLong, 414),
        (Error::Version, 400),
        (Error::UnsupportedVersion, 505),
        (Error::HeadTooLong, 431),
        (Error::TooManyFields, 431),
        (Error::TrailersTooLong, 431),
        (Error::MissingHost, 400),
        (Error::LengthAndEncoding, 400),
        (Error::TransferEncoding, 400),
        (Error::UnsupportedTransferEncoding, 501),
        (Error::Expectation, 417),
        (Error::ChunkSize, 400),
        (Error::StatusLine, 502),
    ] {
        assert_eq!(error.status().as_u16(), code, "{error:?}");
        let message = error.to_string();
        assert!(message.len() > 10 && message.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
    }
}

#[test]
fn trailers_are_what_may_come_behind_a_body() {
    use bucle_http::encode::{EncodeError, write_last_chunk, write_trailer};

    let mut lines = Vec::new();
    write_trailer(&mut lines, "Digest", b"x=1").unwrap();
    for (name, value, wanted) in [
        ("Content-Length", &b"1"[..], EncodeError::Trailer),
        ("TRANSFER-ENCODING", b"chunked", EncodeError::Trailer),
        ("host", b"x", EncodeError::Trailer),
        ("Trailer", b"x", EncodeError::Trailer),
        ("A B", b"x", EncodeError::Name),
        ("A", b"x\r\nB: c", EncodeError::Value),
    ] {
        assert_eq!(
            write_trailer(&mut lines, name, value),
            Err(wanted),
            "{name}"
        );
    }
    let mut out = Vec::new();
    write_last_chunk(&mut out, &lines);
    assert_eq!(out, b"0\r\nDigest: x=1\r\n\r\n");
    out.clear();
    write_last_chunk(&mut out, b"");
    assert_eq!(out, bucle_http::encode::LAST_CHUNK);
}

#[test]
fn who_takes_trailers_has_said_so() {
    use bucle_http::{Limits, RequestHead, ServerConnection};

    for (lines, version, wanted) in [
        ("", "1.1", false),
        ("TE: trailers", "1.1", true),
        ("te:gzip;q=1,\tTRAILERS ", "1.1", true),
        ("TE: gzip\r\nTE: trailers", "1.1", true),
        ("TE: trailers", "1.0", false),
        ("TE: trailers;q=1", "1.1", false),
        ("Trailer: trailers", "1.1", false),
    ] {
        let lines = if lines.is_empty() { "A: b" } else { lines };
        let request = format!("GET / HTTP/{version}\r\nHost: x\r\n{lines}\r\n\r\n");
        let mut head = RequestHead::default();
        ServerConnection::default()
            .receive(request.as_bytes(), &mut head, &Limits::default())
            .unwrap();
        assert_eq!(head.takes_trailers(), wanted, "{lines} in {version}");
    }
}
