//! Heads of answers, written straight into the buffer they leave from.

use bucle_http::write_content_length;

use crate::Response;
use crate::date::DateCache;

/// How the client knows where an answer ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The status alone says that there is no body.
    None,
    Length(u64),
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// What the connection becomes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It stays, as HTTP/1.1 has it by itself.
    Stays,
    /// It stays, which HTTP/1.0 must be told.
    StaysSaid,
    Closes,
}

/// Writes the head of `response`, from the status line to the empty line.
#[inline]
pub(crate) fn head(
    out: &mut Vec<u8>,
    response: &Response,
    framing: Framing,
    after: After,
    date: &mut DateCache,
) {
    out.extend_from_slice(date.beginning(response.status(), response.content_type_value()));
    let lines = response.lines();
    if !lines.is_empty() {
        out.extend_from_slice(lines);
    }
    if let Framing::Length(length) = framing {
        write_content_length(out, length);
    } else if framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if after != After::Stays {
        say_what_becomes_of_it(out, after);
    }
    out.extend_from_slice(b"\r\n");
}

/// What HTTP/1.1 says by saying nothing is not said.
#[inline(never)]
fn say_what_becomes_of_it(out: &mut Vec<u8>, after: After) {
    out.extend_from_slice(match after {
        After::Stays => b"",
        After::StaysSaid => b"Connection: keep-alive\r\n",
        After::Closes => b"Connection: close\r\n",
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bucle_http::StatusCode;

    fn written(response: &Response, framing: Framing, after: After) -> String {
        let mut out = Vec::new();
        head(&mut out, response, framing, after, &mut DateCache::at(0));
        let out = String::from_utf8(out).unwrap();
        out.replace("Thu, 01 Jan 1970 00:00:00 GMT", "..")
    }

    #[test]
    fn heads_are_whole() {
        let response = Response::text("hello").header("X-A", "b").unwrap();
        assert_eq!(
            written(&response, Framing::Length(5), After::Stays),
            "HTTP/1.1 200 OK\r\nDate: ..\r\nContent-Type: text/plain; charset=utf-8\r\n\
             X-A: b\r\nContent-Length: 5\r\n\r\n"
        );
        let response = Response::new(StatusCode::NOT_MODIFIED);
        assert_eq!(
            written(&response, Framing::None, After::StaysSaid),
            "HTTP/1.1 304 Not Modified\r\nDate: ..\r\nConnection: keep-alive\r\n\r\n"
        );
        let response = Response::new(StatusCode::OK);
        assert_eq!(
            written(&response, Framing::Chunked, After::Closes),
            "HTTP/1.1 200 OK\r\nDate: ..\r\nTransfer-Encoding: chunked\r\n\
             Connection: close\r\n\r\n"
        );
    }
}
