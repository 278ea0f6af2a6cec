use crate::drive::{answers_cut, equal_however_cut, serve_cut};
use bucle_http::{Limits, Method, ServerConnection};

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<ServerConnection>() <= 48);
}

#[test]
fn pipelined_requests_with_all_kinds_of_bodies() {
    let input = b"\r\nGET /a?b HTTP/1.1\r\nHost: x\r\n\r\n\
        POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc\r\n\
        PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a=\"b\"\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n\
        GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let limits = Limits::default();
    let outcome = equal_however_cut(|cuts| serve_cut(input, cuts, &limits), input.len());
    assert_eq!(
        (outcome.requests().len(), outcome.ends(), outcome.left),
        (4, 4, 0),
        "{outcome:?}"
    );
    assert_eq!(outcome.body(), b"abcabc0123456789");
}

#[test]
fn pipelined_answers_with_all_kinds_of_bodies() {
    let input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
        HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n\
        HTTP/1.1 404 \r\n\r\nuntil the end";
    let methods = [
        Method::Get,
        Method::Head,
        Method::Get,
        Method::Get,
        Method::Get,
    ];
    let limits = Limits::default();
    let run = |cuts: &[usize]| answers_cut(input, &methods, cuts, &limits);
    let outcome = equal_however_cut(run, input.len());
    assert_eq!((outcome.ends(), outcome.left), (4, 0), "{outcome:?}");
    assert_eq!(outcome.body(), b"okauntil the end");
}
