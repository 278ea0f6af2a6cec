//! Against httparse: what we take it takes, and sees the same in it; what it takes and we refuse is
//! refused for a reason that is listed here.

use bucle_http::ClientConnection;
use bucle_http::{Error, Event, Limits, RequestHead, ResponseHead, ServerConnection};

use crate::generator::{Random, mutate, request, response};

const MUTATIONS: u64 = 60_000;

/// Where we are stricter than httparse, by decision. It looks at syntax only, repairs some of it,
/// and has no limits but that on fields.
fn stricter_by_decision(error: Error) -> bool {
    matches!(
        error,
        // LF alone as a line end, and empty lines before a message, in any number.
        Error::BareLf
            | Error::EmptyLines
            // Characters and forms of targets.
            | Error::Target
            // Meaning: versions, hosts, framing, expectations.
            | Error::MissingHost
            | Error::RepeatedHost
            | Error::Host
            | Error::ContentLength
            | Error::RepeatedContentLength
            | Error::LengthAndEncoding
            | Error::TransferEncoding
            | Error::UnsupportedTransferEncoding
            | Error::TransferEncodingInHttp10
            | Error::Expectation
            // Its reason phrases and the codes before them are anything.
            | Error::StatusLine
    )
}

#[test]
fn requests() {
    let limits = Limits::default();
    let mut random = Random::new(7);
    let (mut both, mut neither, mut stricter) = (0, 0, 0);
    for _ in 0..MUTATIONS {
        let mut input = Vec::new();
        request(&mut random, &mut input);
        for _ in 0..random.below(3) {
            mutate(&mut random, &mut input);
        }
        let mut head = RequestHead::default();
        let mut connection = ServerConnection::default();
        let ours = connection.receive(&input, &mut head, &limits);
        let mut fields = [httparse::EMPTY_HEADER; 200];
        let mut parsed = httparse::Request::new(&mut fields);
        let theirs = parsed.parse(&input);
        let told = || format!("{}\n{ours:?}\n{theirs:?}", input.escape_ascii());
        match (&ours, &theirs) {
            (Ok(progress), Ok(httparse::Status::Complete(length)))
                if progress.event == Event::Head =>
            {
                both += 1;
                assert_eq!(progress.consumed, *length, "{}", told());
                assert_eq!(Some(head.method_str()), parsed.method, "{}", told());
                assert_eq!(Some(head.target()), parsed.path, "{}", told());
                let theirs = parsed.headers.iter().map(|field| (field.name, field.value));
                assert!(head.headers().eq(theirs), "{}", told());
            }
            (Ok(progress), Ok(httparse::Status::Partial)) => {
                assert_eq!(progress.event, Event::NeedInput, "{}", told());
            }
            // It reads a minor version of 0 or 1 only (RFC 9110 section 2.5 wants more).
            (Ok(_), Err(httparse::Error::Version)) => {}
            (Err(error), Ok(_)) => {
                stricter += 1;
                assert!(stricter_by_decision(*error), "{}", told());
            }
            (Err(_), Err(_)) => neither += 1,
            _ => panic!("{}", told()),
        }
    }
    // The comparison compares something.
    assert!(
        both > MUTATIONS / 3 && neither > 1000 && stricter > 1000,
        "{both} {neither} {stricter}"
    );
}

#[test]
fn responses() {
    let limits = Limits::default();
    let mut random = Random::new(11);
    let (mut both, mut neither) = (0, 0);
    for _ in 0..MUTATIONS {
        let mut input = Vec::new();
        response(&mut random, &mut input);
        for _ in 0..random.below(3) {
            mutate(&mut random, &mut input);
        }
        let mut head = ResponseHead::default();
        let ours = ClientConnection::default().receive(&input, &mut head, &limits);
        let mut fields = [httparse::EMPTY_HEADER; 200];
        let mut parsed = httparse::Response::new(&mut fields);
        let theirs = parsed.parse(&input);
        let told = || format!("{}\n{ours:?}\n{theirs:?}", input.escape_ascii());
        match (&ours, &theirs) {
            (Ok(progress), Ok(httparse::Status::Complete(length)))
                if progress.event == Event::Head =>
            {
                both += 1;
                assert_eq!(progress.consumed, *length, "{}", told());
                assert_eq!(Some(head.status().as_u16()), parsed.code, "{}", told());
                let theirs = parsed.headers.iter().map(|field| (field.name, field.value));
                assert!(head.headers().eq(theirs), "{}", told());
            }
            (Ok(progress), Ok(httparse::Status::Partial)) => {
                assert_eq!(progress.event, Event::NeedInput, "{}", told());
            }
            (Ok(_), Err(httparse::Error::Version)) => {}
            (Err(error), Ok(_)) => assert!(stricter_by_decision(*error), "{}", told()),
            (Err(_), Err(_)) => neither += 1,
            _ => panic!("{}", told()),
        }
    }
    assert!(both > MUTATIONS / 3 && neither > 1000, "{both} {neither}");
}
