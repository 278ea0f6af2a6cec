//! Just enough of HTTP/1.1 to tell where an answer ends, and that it is the one that was asked for. No I/O.
//!
//! The whole content is compared before a run is timed; while timing, status line, blank line and length are looked at.

use anyhow::{Result, bail};
use memchr::memmem;

const GOOD: &[u8] = b"HTTP/1.1 200 ";
/// A head longer than this is taken for garbage.
pub(crate) const LONGEST_HEAD: usize = 8 * 1024;

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its length, blank line included.
    pub(crate) length: usize,
    /// `Content-Length`.
    pub(crate) body: usize,
}

/// Reads heads; remembers the last one's layout, since the next one from the same server mostly has the same.
#[derive(Default)]
pub(crate) struct Heads {
    last: Option<Head>,
    /// The `Content-Length` line of the last head, with its line end, and where it stood.
    line: Vec<u8>,
    line_at: usize,
}

impl Heads {
    /// The head at the start of `bytes`; none if it is not there whole yet. An error for any status but 200, and for an answer
    /// whose end can't be told from one `Content-Length`.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>> {
        if let Some(head) = self.last
            && let Some(known) = bytes.get(..head.length)
            && known.starts_with(GOOD)
            && known.ends_with(b"\r\n\r\n")
            && known[self.line_at..].starts_with(&self.line)
        {
            return Ok(self.last);
        }
        self.read_slowly(bytes)
    }

    fn read_slowly(&mut self, bytes: &[u8]) -> Result<Option<Head>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            if bytes.len() > LONGEST_HEAD {
                bail!("no end of the head within {LONGEST_HEAD} bytes");
            }
            return Ok(None);
        };
        let head = &bytes[..end + 2];
        if !head.starts_with(GOOD) {
            bail!(
                "answered with {:?}",
                String::from_utf8_lossy(&head[..head.len().min(60)])
            );
        }
        let mut found = None;
        let mut start = 0;
        for line_end in memchr::memchr_iter(b'\n', head) {
            let line = &head[start..=line_end];
            if let Some(value) = value_of(line, b"content-length:") {
                if found.is_some() {
                    bail!("two Content-Length headers");
                }
                let Some(length) = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.trim().parse().ok())
                else {
                    bail!("Content-Length is no number");
                };
                self.line.clear();
                self.line.extend_from_slice(line);
                self.line_at = start;
                found = Some(length);
            } else if value_of(line, b"transfer-encoding:").is_some() {
                bail!("answered with a Transfer-Encoding, which this load generator does not read");
            }
            start = line_end + 1;
        }
        let Some(body) = found else {
            bail!("no Content-Length in the answer")
        };
        self.last = Some(Head {
            length: end + 4,
            body,
        });
        Ok(self.last)
    }
}

/// The value of the first header of that name, in any case of letters.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let value = value_of(line, name.as_bytes())?.strip_prefix(b":")?;
        Some(value.trim_ascii())
    })
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 13\r\n\r\nHello, World!";

    #[test]
    fn a_head_is_found_whole_or_not_at_all() {
        let whole = Head {
            length: ANSWER.len() - 13,
            body: 13,
        };
        let mut warm = Heads::default();
        assert_eq!(warm.read(ANSWER).expect("valid"), Some(whole));
        for cut in 0..ANSWER.len() {
            let expected = (cut >= whole.length).then_some(whole);
            assert_eq!(
                Heads::default().read(&ANSWER[..cut]).expect("valid"),
                expected,
                "cold, cut at {cut}"
            );
            assert_eq!(
                warm.read(&ANSWER[..cut]).expect("valid"),
                expected,
                "warm, cut at {cut}"
            );
        }
    }

    #[test]
    fn headers_are_found_by_name() {
        assert_eq!(header(ANSWER, "Content-Length"), Some(&b"13"[..]));
        assert_eq!(header(ANSWER, "SERVER"), Some(&b"x"[..]));
        assert_eq!(header(ANSWER, "Content"), None);
        assert_eq!(header(ANSWER, "HTTP/1.1 200 OK"), None);
    }

    #[test]
    fn a_change_of_length_or_status_is_seen() {
        let mut heads = Heads::default();
        heads.read(ANSWER).expect("valid");
        let longer = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 14\r\n\r\n";
        assert_eq!(heads.read(longer).expect("valid").expect("whole").body, 14);
        assert!(
            heads
                .read(b"HTTP/1.1 404 No\r\nServer: x\r\ncontent-length: 14\r\n\r\n")
                .is_err()
        );
        assert!(heads.read(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n").is_err());
        assert!(
            heads
                .read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")
                .is_err()
        );
    }
}
