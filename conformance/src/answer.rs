//! [`Answer`]: an answer, taken apart by other code than the server's.

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// From the status line to the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What bytes come to.
#[derive(Debug)]
pub(crate) enum Taken {
    /// An answer, and how long it is.
    Whole(Answer, usize),
    /// Not all of it is there.
    Part,
    /// What can't be an answer.
    Malformed(String),
}

/// Takes the answer that `bytes` begins with; `ended` if no more will come, `headless` if it is to
/// HEAD.
pub(crate) fn take(bytes: &[u8], headless: bool, ended: bool) -> Taken {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Taken::Part;
    };
    let end = end + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let bad = |why: &str| Taken::Malformed(format!("{why}: {head:?}"));
    let Some(status) = head
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.strip_prefix(['0', '1'])?.strip_prefix(' '))
        .and_then(|line| line.get(..4))
        .and_then(|code| code.strip_suffix(' '))
        .and_then(|code| code.parse().ok())
    else {
        return bad("no status line of HTTP/1");
    };
    let lines = head[..head.len() - 4].split("\r\n").skip(1);
    for line in lines {
        let name = line.split(':').next().unwrap_or_default();
        if !line.contains(':') || name.is_empty() || name.contains([' ', '\t']) {
            return bad("a field line that is none");
        }
        if line.contains(['\r', '\n', '\0']) {
            return bad("a bare CR, LF or NUL");
        }
    }
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
    };
    let rest = &bytes[end..];
    if headless || matches!(status, 100..=199 | 204 | 304) {
        return Taken::Whole(answer, end);
    }
    if answer.field("transfer-encoding").is_some() {
        return match chunks(rest) {
            Ok(Some((body, length))) => {
                answer.body = body;
                Taken::Whole(answer, end + length)
            }
            Ok(None) => Taken::Part,
            Err(why) => Taken::Malformed(why),
        };
    }
    let length = match answer.field("content-length").map(str::parse) {
        Some(Ok(length)) => length,
        Some(Err(_)) => return Taken::Malformed("a Content-Length that is none".into()),
        // It ends with the connection.
        None if ended => rest.len(),
        None => return Taken::Part,
    };
    if rest.len() < length {
        return Taken::Part;
    }
    answer.body = rest[..length].to_vec();
    Taken::Whole(answer, end + length)
}

impl Answer {
    /// The value of the first field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn says(&self, what: &str) -> bool {
        self.head.contains(what) || String::from_utf8_lossy(&self.body).contains(what)
    }

    /// What every answer has to be, whatever was asked.
    pub(crate) fn check(&self, http10: bool) -> Result<(), String> {
        let has = |name| self.field(name).is_some();
        let bad = |why: &str| Err(format!("{why}: {:?}", self.head));
        if !self.head.starts_with("HTTP/1.1 ") {
            // RFC 9110 section 6.2: the highest version we conform to, whatever the client's.
            return bad("not HTTP/1.1");
        }
        for name in [
            "content-length",
            "transfer-encoding",
            "date",
            "connection",
            "content-type",
        ] {
            let lines = self.head.to_ascii_lowercase();
            if lines.matches(&format!("\r\n{name}:")).count() > 1 {
                return bad("a field in two lines");
            }
        }
        if self.status >= 200 && !has("date") {
            // RFC 9110 section 6.6.1.
            return bad("no Date");
        }
        if has("content-length") && has("transfer-encoding") {
            // RFC 9112 section 6.2.
            return bad("both Content-Length and Transfer-Encoding");
        }
        if matches!(self.status, 100..=199 | 204)
            && (has("content-length") || has("transfer-encoding"))
        {
            // RFC 9110 section 8.6, RFC 9112 section 6.1.
            return bad("a length without a body");
        }
        if http10 && (has("transfer-encoding") || self.status < 200) {
            // RFC 9112 section 6.1, RFC 9110 section 15.2.
            return bad("what HTTP/1.0 doesn't know");
        }
        if self.status == 206 {
            // RFC 9110 sections 15.3.7.1 and 15.3.7.2: it says in one place which part it is.
            let several = self
                .field("content-type")
                .is_some_and(|kind| kind.starts_with("multipart/byteranges"));
            if several == has("content-range") {
                return bad("206 with two ranges in its head, or none");
            }
            if !has("etag") || !has("cache-control") {
                return bad("206 without the fields of the 200");
            }
        }
        if self.status == 405 && !has("allow") {
            // RFC 9110 section 15.5.6.
            return bad("405 without Allow");
        }
        Ok(())
    }
}

/// A chunked body and the length of its coding.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let size = String::from_utf8_lossy(&rest[..line]).into_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else {
            return Err(format!("a chunk of size {size:?}"));
        };
        let data = line + 2;
        if rest.len() < data + size + 2 {
            return Ok(None);
        }
        if &rest[data + size..data + size + 2] != b"\r\n" {
            return Err("a chunk that does not end".into());
        }
        body.extend_from_slice(&rest[data..data + size]);
        at += data + size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}
