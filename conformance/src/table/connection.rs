//! RFC 9112 section 9: how long a connection lasts.

use crate::Case;
use crate::case::case;

const GET: &str = "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let with = |id, source, what, version: &str, lines: &str| {
        let sent = format!("GET /a.txt HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        let case = case(id, source, what, sent);
        if version == "1.0" {
            case.http10()
        } else {
            case
        }
    };
    vec![
        with("keep", "9112 9.3", "HTTP/1.1 is kept", "1.1", "").answers(&[200]),
        with("keep-said", "9112 9.3", "HTTP/1.1 that says so", "1.1", "Connection: keep-alive\r\n").answers(&[200]),
        with("keep-old", "9112 9.3", "HTTP/1.0 is closed", "1.0", "").last(&[200]),
        with("keep-old-said", "9112 9.3", "HTTP/1.0 that asks is kept, and told", "1.0", "Connection: keep-alive\r\n")
            .answers(&[200])
            .says("Connection: keep-alive\r\n"),
        with("keep-old-case", "9110 7.6.1", "options are case-insensitive", "1.0", "Connection: Keep-Alive\r\n").answers(&[200]),
        with("keep-old-list", "9110 7.6.1", "in a list", "1.0", "Connection: foo, keep-alive\r\n").answers(&[200]),
        with("keep-old-close", "9112 9.3", "close counts", "1.0", "Connection: keep-alive, close\r\n").last(&[200]),
        with("keep-old-field", "9112 9.3", "Keep-Alive alone says nothing", "1.0", "Keep-Alive: timeout=5\r\n").last(&[200]),
        with("keep-old-proxy", "9112 9.3", "Proxy-Connection says nothing", "1.0", "Proxy-Connection: keep-alive\r\n").last(&[200]),
        with("close", "9112 9.6", "close", "1.1", "Connection: close\r\n").last(&[200]),
        with("close-case", "9110 7.6.1", "options are case-insensitive", "1.1", "connection:CLOSE\r\n").last(&[200]),
        with("close-list", "9110 7.6.1", "in a list", "1.1", "Connection: foo ,\tclose ,bar\r\n").last(&[200]),
        with("close-empty-elements", "9110 5.6.1.2", "behind empty elements", "1.1", "Connection: ,,close,\r\n").last(&[200]),
        with("close-lines", "9110 5.3", "in a second line", "1.1", "Connection: foo\r\nConnection: close\r\n").last(&[200]),
        with("close-keep", "9112 9.3", "close counts", "1.1", "Connection: keep-alive, close\r\n").last(&[200]),
        with("close-1.2", "9110 2.5", "in HTTP/1.2", "1.2", "Connection: close\r\n").last(&[200]),
        with("close-not", "9110 7.6.1", "another option", "1.1", "Connection: closed\r\n").answers(&[200]),
        with("close-not-2", "9110 7.6.1", "another option", "1.1", "Connection: not-close\r\n").answers(&[200]),
        with("close-quoted", "9110 7.6.1", "quoted it is another option", "1.1", "Connection: \"close\"\r\n").answers(&[200]),
        with("close-empty", "9110 7.6.1", "an empty list", "1.1", "Connection:\r\n").answers(&[200]),
        with("close-host", "9110 7.6.1", "naming a field doesn't take it away", "1.1", "Connection: Host\r\n").answers(&[200]),
        with("close-proxy", "9112 9.3", "Proxy-Connection says nothing", "1.1", "Proxy-Connection: close\r\n").answers(&[200]),
        with("upgrade-h2c", "9110 7.8", "an upgrade is not taken", "1.1",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n").answers(&[200]),
        with("upgrade-websocket", "9110 7.8", "an upgrade is not taken", "1.1",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
            .answers(&[200]),
        with("upgrade-old", "9110 7.8", "an upgrade means nothing in HTTP/1.0", "1.0", "Connection: Upgrade\r\nUpgrade: h2c\r\n")
            .last(&[200]),
        case("pipeline", "9112 9.3.2", "answers in the order of the requests", [
            "GET /echo?1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo",
            "HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n",
            "GET /echo?5 HTTP/1.1\r\nHost: a\r\n\r\n",
        ].concat())
            .head(2)
            .answers(&[200; 5])
            .body("Echo: GET /echo?5 HTTP/1.1"),
        case("pipeline-50", "9112 9.3.2", "fifty requests", GET.repeat(50)).answers(&[200; 50]),
        case("pipeline-error", "9112 9.3.2", "the good ones before a bad one are answered",
            [GET, GET, "GET /a.txt HTTP/1.1\r\n\r\n", GET].concat()).last(&[200, 200, 400]),
        case("pipeline-missing", "9112 9.3.2", "404 and 405 don't end it", [
            "GET /missing HTTP/1.1\r\nHost: a\r\n\r\n",
            "DELETE /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
            GET,
        ].concat()).answers(&[404, 405, 200]),
        case("pipeline-close", "9112 9.6", "nothing behind close is read",
            ["GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", GET].concat()).last(&[200]),
        case("pipeline-close-garbage", "9112 9.6", "not even what is none",
            "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\0\n\x01").last(&[200]),
        case("pipeline-close-body", "9112 9.6", "nothing behind the body of the last",
            ["POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", GET].concat())
            .last(&[200])
            .body("hello"),
        case("pipeline-old", "9112 9.3", "nothing behind HTTP/1.0", ["GET /a.txt HTTP/1.0\r\n\r\n", GET].concat())
            .http10()
            .last(&[200]),
        case("pipeline-old-kept", "9112 9.3", "HTTP/1.0 that is kept, and closes with the next",
            "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /a.txt HTTP/1.0\r\n\r\n").http10().last(&[200, 200]),
        case("pipeline-mixed", "9112 9.3", "HTTP/1.0 behind HTTP/1.1", [GET, "GET /a.txt HTTP/1.0\r\n\r\n", GET].concat())
            .last(&[200, 200]),
        case("pipeline-waits", "9112 9.3.2", "the last is not whole", [GET, "GET /a.txt HTTP"].concat()).waits(&[200]),
        case("half-close", "9112 9.6", "the client ends its side and is answered", GET).ends().last(&[200]),
        case("half-close-pipeline", "9112 9.6", "all it has asked is answered", GET.repeat(3)).ends().last(&[200, 200, 200]),
        case("half-close-cut", "9112 8", "the last is not whole", [GET, "GET /a.t"].concat()).ends().last(&[200]),
    ]
}
