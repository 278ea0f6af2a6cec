//! What a request's path may name beneath the root.
//!
//! Percent-encoding is decoded once, segment by segment, so that an encoded slash never becomes a
//! separator. Nothing here touches the disk, and nothing is guessed: a path that would need it is
//! refused.
//!
//! | path | |
//! |---|---|
//! | `..` and `.` in any encoding, `%00`, `%2F`, `%zz`, one that doesn't begin with `/` | malformed: 400 |
//! | a segment that begins with a dot, but `/.well-known/` | hidden: 404 |
//! | `//`, `///` | as one `/` |
//! | `\`, `%5C` | an ordinary character of a name |

use std::ffi::CString;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// The one folder beginning with a dot that is served (RFC 8615), at the root alone.
pub(crate) const WELL_KNOWN: &[u8] = b".well-known";

/// What is percent-encoded in the paths that we write: all that RFC 3986 doesn't allow in a path
/// segment, and what a browser or HTML could take for something else.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path beneath the root, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SitePath {
    /// Segments joined by single slashes, none at either end; empty for the root itself.
    relative: Vec<u8>,
    /// Whether the request's path ended in a slash.
    pub(crate) slash: bool,
}

/// Why a path is not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It could not be meant by a well-behaved client.
    Malformed(&'static str),
    /// It names what is never served.
    Hidden,
}

impl SitePath {
    /// Takes the path of a request's target, as it was sent.
    pub(crate) fn decode(raw: &str) -> Result<SitePath, Refused> {
        let Some(raw) = raw.strip_prefix('/') else {
            return Err(Refused::Malformed("the path must begin with a slash"));
        };
        let mut relative = Vec::with_capacity(raw.len());
        let mut hidden = false;
        for segment in raw.split('/').filter(|segment| !segment.is_empty()) {
            if !relative.is_empty() {
                relative.push(b'/');
            }
            let start = relative.len();
            decode_segment(segment, &mut relative)?;
            let name = &relative[start..];
            if name == b"." || name == b".." {
                return Err(Refused::Malformed(
                    "the path must not have `.` or `..` in it",
                ));
            }
            hidden |= name[0] == b'.' && (start > 0 || name != WELL_KNOWN);
        }
        if hidden {
            return Err(Refused::Hidden);
        }
        Ok(SitePath {
            relative,
            slash: raw.is_empty() || raw.ends_with('/'),
        })
    }

    /// The path as the system takes it: `.` for the root itself.
    pub(crate) fn relative(&self) -> CString {
        if self.relative.is_empty() {
            return c".".to_owned();
        }
        c_string(self.relative.clone())
    }

    /// The path of `name` in this folder.
    pub(crate) fn join(&self, name: &[u8]) -> CString {
        let mut path = self.relative.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        c_string(path)
    }

    /// The segments, from the root down.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.relative
            .split(|byte| *byte == b'/')
            .filter(|segment| !segment.is_empty())
    }

    /// The path in a URL, spelled in one of the ways in which it may be.
    pub(crate) fn url(&self) -> String {
        let mut url = String::new();
        for segment in self.segments() {
            url.push('/');
            url.extend(encode_segment(segment));
        }
        if self.slash || url.is_empty() {
            url.push('/');
        }
        url
    }

    /// The path of this folder in a URL below `prefix`: percent-encoded, with exactly one slash at
    /// its beginning, so that it can't be taken for another host, and one at its end.
    pub(crate) fn folder_url(&self, prefix: &str) -> String {
        let mut url = format!("{prefix}/");
        for segment in self.segments() {
            url.extend(encode_segment(segment));
            url.push('/');
        }
        url
    }
}

/// `name` as a segment of a URL's path.
pub(crate) fn encode_segment(name: &[u8]) -> impl Iterator<Item = &str> {
    percent_encode(name, SEGMENT)
}

/// A path without NUL, which decoding has seen to.
fn c_string(path: Vec<u8>) -> CString {
    CString::new(path).unwrap_or_default()
}

fn decode_segment(segment: &str, out: &mut Vec<u8>) -> Result<(), Refused> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(Refused::Malformed(
                        "`%` in the path must be followed by two hexadecimal digits",
                    ));
                };
                (high * 16 + low) as u8
            }
            byte => byte,
        };
        match byte {
            0 => return Err(Refused::Malformed("the path must not have a NUL in it")),
            b'/' => {
                return Err(Refused::Malformed(
                    "the path must not have an encoded slash in it",
                ));
            }
            byte => out.push(byte),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &str) -> (Vec<u8>, bool) {
        let path = SitePath::decode(raw).unwrap();
        (path.relative.clone(), path.slash)
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(decoded("/"), (b"".to_vec(), true));
        assert_eq!(decoded("/a.html"), (b"a.html".to_vec(), false));
        assert_eq!(decoded("/a%20b/"), (b"a b".to_vec(), true));
        assert_eq!(decoded("/a/b//c"), (b"a/b/c".to_vec(), false));
        assert_eq!(decoded("//host/x"), (b"host/x".to_vec(), false));
        assert_eq!(decoded("/%e4%F6"), (b"\xe4\xf6".to_vec(), false));
        // Once: what was encoded twice is encoded still.
        assert_eq!(decoded("/%252e%252e"), (b"%2e%2e".to_vec(), false));
        assert_eq!(decoded("/a%5cb\\c"), (b"a\\b\\c".to_vec(), false));
    }

    #[test]
    fn what_could_leave_the_root_is_malformed() {
        for raw in [
            "",
            "a",
            "*",
            "/..",
            "/../x",
            "/a/../b",
            "/a/..",
            "/%2e%2e/x",
            "/.%2E/x",
            "/%2e./x",
            "/%2E%2E",
            "/.",
            "/a/./b",
            "/%2e/",
            "/a%00",
            "/%00/../x",
            "/a%2fb",
            "/..%2fx",
            "/%2F",
            "/%",
            "/%2",
            "/%zz",
            "/a%g0",
            "/%-1",
            "/%+1",
        ] {
            assert!(
                matches!(SitePath::decode(raw), Err(Refused::Malformed(_))),
                "{raw}"
            );
        }
    }

    #[test]
    fn what_begins_with_a_dot_is_hidden_but_well_known() {
        for raw in [
            "/.git/config",
            "/a/.htaccess",
            "/%2egit",
            "/...",
            "/.well-known/.x",
            "/a/.well-known/x",
            "/.well-knownx",
            "/..\\..\\x",
        ] {
            assert_eq!(SitePath::decode(raw), Err(Refused::Hidden), "{raw}");
        }
        assert_eq!(decoded("/.well-known/x").0, b".well-known/x");
        assert_eq!(decoded("/%2ewell-known/").0, b".well-known");
    }

    #[test]
    fn of_all_spellings_there_is_one_that_means_the_same() {
        for (raws, url) in [
            (&["/", "//", "///"][..], "/"),
            (&["/a.txt", "//a.txt", "/%61.txt", "/%61%2etxt"], "/a.txt"),
            (&["/a/b/", "/a//b//", "/%61/b/"], "/a/b/"),
            (&["/%2561", "/%25%36%31"], "/%2561"),
            (&["/a b", "/a%20b"], "/a%20b"),
            (&["/%c3%a9", "/%C3%A9", "/%c3%A9"], "/%C3%A9"),
            (&["/a&b", "/a%26b"], "/a%26b"),
        ] {
            for raw in raws {
                assert_eq!(SitePath::decode(raw).unwrap().url(), url, "{raw}");
            }
            assert_eq!(decoded(url), decoded(raws[0]));
        }
    }

    #[test]
    fn a_folder_s_url_is_never_another_host() {
        let url = |raw| SitePath::decode(raw).unwrap().folder_url("");
        assert_eq!(url("/"), "/");
        assert_eq!(url("//host"), "/host/");
        assert_eq!(url("/%5chost"), "/%5Chost/");
        assert_eq!(url("/a b/%0d%0aX: y"), "/a%20b/%0D%0AX%3A%20y/");
        assert_eq!(url("/%c3%a9?/"), "/%C3%A9%3F/");
        let below = SitePath::decode("//a").unwrap();
        assert_eq!(below.folder_url("/static"), "/static/a/");
    }
}
