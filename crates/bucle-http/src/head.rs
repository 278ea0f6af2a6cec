//! [`RequestHead`]: a request line and header fields, in a buffer that is used again.

use std::fmt;
use std::ops::Range;

use crate::chars::{self, TOKEN};
use crate::field::{self, Field, Fields};
use crate::framing::{self, Framing};
use crate::notable::{Kind, Notable};
use crate::section::Section;
use crate::target::{self, Target, TargetForm};
use crate::{Error, Limits, Method, Version};

/// The head of a request. It owns a copy of its bytes; all that it gives out is a view of them.
///
/// One is given to [`ServerConnection::receive`](crate::ServerConnection::receive) and is filled
/// when that returns [`Event::Head`](crate::Event::Head). It can be used again for any other
/// request, of any connection, and then allocates nothing as long as heads stay ordinary. Until it
/// is filled it is an empty `GET` without a target.
#[derive(Clone, Default)]
pub struct RequestHead {
    section: Section,
    trailers: Section,
    method: Method,
    version: Version,
    method_length: usize,
    target_length: usize,
    target: Target,
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
    upgrade: bool,
    selective: bool,
    takes_trailers: bool,
    /// Where the `Host` field's value stands; empty without one.
    host: Range<usize>,
}

impl RequestHead {
    /// The method; [`Method::Other`] for one that is not listed there.
    #[inline]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it was sent.
    pub fn method_str(&self) -> &str {
        match self.method {
            Method::Other => chars::ascii(self.bytes(&(0..self.method_length))),
            method => method.as_str(),
        }
    }

    /// The whole request target as it was sent: percent-encoded, ASCII without white space.
    pub fn target(&self) -> &str {
        chars::ascii(self.target_bytes())
    }

    /// The form of the target.
    pub fn target_form(&self) -> TargetForm {
        self.target.form
    }

    /// Whether the target is a URL of `https`. Such a request is to be rejected where the connection
    /// is not secured (RFC 9110 section 7.4).
    #[inline]
    pub fn is_https(&self) -> bool {
        self.target.form == TargetForm::Absolute
            && self
                .target_bytes()
                .get(..6)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https:"))
    }

    /// The path of the target as it was sent, still percent-encoded. `/` for a URL without one, `*`
    /// for `OPTIONS *` and for OPTIONS of a URL without a path (RFC 9112 section 3.2.4), empty for
    /// CONNECT.
    #[inline]
    pub fn path(&self) -> &str {
        let path = self.target.path_range();
        if path.is_empty() {
            return chars::ascii(self.path_bytes());
        }
        // Checked together with what is before it: from where the memory begins, whole words at a time
        // are looked at, while bytes are up to the next word.
        let target = self.method_length + 1;
        let text = chars::ascii(self.bytes(&(0..target + path.end)));
        text.get(target + path.start..).unwrap_or_default()
    }

    /// [`path`](RequestHead::path) as bytes, for whom text is of no use.
    #[inline]
    pub fn path_bytes(&self) -> &[u8] {
        let path = self.target.path(self.target_bytes());
        if !path.is_empty() {
            return path;
        }
        match (self.target.form, self.method) {
            (TargetForm::Absolute, Method::Options) if self.query().is_none() => b"*",
            (TargetForm::Absolute, _) => b"/",
            _ => b"",
        }
    }

    /// What follows the first `?` of the target, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.target.query(self.target_bytes()).map(chars::ascii)
    }

    /// The version.
    #[inline]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The host, with its port if it has one, that the request is for: that of the target if it
    /// names one (RFC 9112 section 3.2.2), else that of the `Host` field. An HTTP/1.0 request may
    /// have none.
    pub fn host(&self) -> Option<&str> {
        let named = self.target.authority(self.target_bytes());
        let host = match named {
            Some(authority) => authority,
            None if self.host.is_empty() => return None,
            None => self.bytes(&self.host),
        };
        Some(chars::ascii(host))
    }

    /// The value of the first header field with this name, in whatever case, without the white
    /// space around it. A field that is a list may have more lines: see
    /// [`header_all`](RequestHead::header_all).
    #[inline]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.section.find(name)
    }

    /// The values of all header fields with this name, in order.
    pub fn header_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.headers()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All header fields, in the order they were sent.
    pub fn headers(&self) -> Fields<'_> {
        self.section.iter()
    }

    /// Whether the client takes trailer fields behind the answer's body: it has said `TE: trailers`
    /// (RFC 9110 section 10.1.4), in HTTP/1.1.
    #[inline]
    pub fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }

    /// The fields of the trailer section that was received into this head last.
    pub fn trailers(&self) -> Fields<'_> {
        self.trailers.iter()
    }

    /// Whether the connection can go on after this request (RFC 9112 section 9.3). Not after
    /// CONNECT: what follows it may be meant for a tunnel.
    #[inline]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 section
    /// 10.1.1). Never in HTTP/1.0, nor where there is no body.
    #[inline]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether a body of at least one byte, or a chunked one, follows.
    #[inline]
    pub fn has_body(&self) -> bool {
        match self.framing {
            Framing::None => false,
            Framing::Length(length) => length > 0,
            Framing::Chunked => true,
        }
    }

    /// Whether the body is chunked, so that its length isn't known.
    pub fn is_chunked(&self) -> bool {
        self.framing == Framing::Chunked
    }

    /// The body's length in bytes, if a `Content-Length` says so.
    #[inline]
    pub fn content_length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::None | Framing::Chunked => None,
        }
    }

    /// Whether there are fields that decide what is sent of a representation, or what looks like one:
    /// preconditions (RFC 9110 section 13.1), `Range`, `Accept-Encoding`. Without them nothing has to
    /// be looked for.
    #[inline]
    pub fn is_selective(&self) -> bool {
        self.selective
    }

    /// The value of the first `Upgrade` field, if the client asks for another protocol: that field,
    /// `Connection: upgrade`, HTTP/1.1 (RFC 9110 section 7.8).
    pub fn upgrade(&self) -> Option<&[u8]> {
        if self.upgrade {
            self.header("upgrade")
        } else {
            None
        }
    }

    /// The head as it was sent, without what came before the request line.
    pub fn as_bytes(&self) -> &[u8] {
        &self.section.bytes
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.section.bytes.get(range.clone()).unwrap_or_default()
    }

    #[inline]
    fn target_bytes(&self) -> &[u8] {
        let from = self.method_length + 1;
        self.bytes(&(from..from + self.target_length))
    }
}

/// A head that is well-formed, before anybody asked what it means.
struct Lines {
    length: usize,
    method: Method,
    method_length: usize,
    target_length: usize,
    major: u8,
    minor: u8,
}

impl RequestHead {
    /// Makes it an empty head again.
    pub(crate) fn clear(&mut self) {
        self.section.clear();
        self.trailers.clear();
        self.method = Method::Get;
        self.version = Version::Http11;
        self.method_length = 0;
        self.target_length = 0;
        self.target = Target::default();
        self.framing = Framing::None;
        self.keep_alive = false;
        self.expects_continue = false;
        self.upgrade = false;
        self.selective = false;
        self.takes_trailers = false;
        self.host = 0..0;
    }

    /// Takes the head at the beginning of `input` in, if it is there as a whole and its lines are
    /// well-formed and within the limits; returns its length. `None` says that it isn't, and
    /// [`Scan`](crate::scan::Scan) can tell why.
    ///
    /// # Errors
    /// The lines are well-formed but what they say is not.
    #[inline]
    pub(crate) fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        self.section.clear();
        self.trailers.clear();
        let mut notable = Notable::default();
        let fields = &mut self.section.fields;
        let Some(lines) = parse_lines(input, limits, fields, &mut notable) else {
            self.clear();
            return Ok(None);
        };
        let length = lines.length;
        self.section.bytes.extend_from_slice(&input[..length]);
        if let Err(error) = self.interpret(&lines, &notable) {
            self.clear();
            return Err(error);
        }
        Ok(Some(length))
    }

    /// What the lines mean, in this order: version, target, host, framing, expectation.
    #[inline]
    fn interpret(&mut self, lines: &Lines, notable: &Notable) -> Result<(), Error> {
        let Lines {
            method_length,
            target_length,
            ..
        } = lines;
        let bytes = &self.section.bytes[..];
        let fields = &self.section.fields[..];
        self.version = match (lines.major, lines.minor) {
            (1, 0) => Version::Http10,
            (1, _) => Version::Http11,
            _ => return Err(Error::UnsupportedVersion),
        };
        self.method_length = *method_length;
        self.target_length = *target_length;
        self.method = lines.method;
        let target = &bytes[method_length + 1..method_length + 1 + target_length];
        self.target = target::parse(target, self.method)?;

        match notable.times(Kind::Host) {
            0 if self.version == Version::Http10 => self.host = 0..0,
            0 => return Err(Error::MissingHost),
            1 => {
                let host = notable.range(Kind::Host, fields);
                target::check_host(&bytes[host.clone()])?;
                self.host = host;
            }
            _ => return Err(Error::RepeatedHost),
        }

        self.framing = framing::framing(notable, fields, bytes, self.version)?;
        let has_body = !matches!(self.framing, Framing::None | Framing::Length(0));
        if self.method == Method::Connect && has_body {
            return Err(Error::ContentInConnect);
        }

        let connection = notable.connection(fields, bytes);
        let http11 = self.version == Version::Http11;
        self.keep_alive = !connection.close
            && (http11 || connection.keep_alive)
            && self.method != Method::Connect;
        self.selective = notable.times(Kind::Selective) > 0;
        self.takes_trailers = http11 && notable.takes_trailers(fields, bytes);
        self.upgrade = http11 && connection.upgrade && notable.times(Kind::Upgrade) > 0;
        self.expects_continue = http11
            && notable.times(Kind::Expect) > 0
            && expects_continue(fields, bytes)?
            && has_body;
        Ok(())
    }

    #[inline]
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Where trailers go.
    #[inline]
    pub(crate) fn trailer_section(&mut self) -> &mut Section {
        &mut self.trailers
    }
}

/// Whether all `Expect` lines together, which are one list, name `100-continue`.
///
/// # Errors
/// [`Error::Expectation`] if they name anything else.
#[cold]
fn expects_continue(fields: &[Field], section: &[u8]) -> Result<bool, Error> {
    let lines = fields
        .iter()
        .filter(|field| field.name(section).eq_ignore_ascii_case(b"expect"));
    let mut named = false;
    for line in lines {
        for member in line.value(section).split(|&byte| byte == b',') {
            let member = chars::trim(member);
            if member.eq_ignore_ascii_case(b"100-continue") {
                named = true;
            } else if !member.is_empty() {
                return Err(Error::Expectation);
            }
        }
    }
    Ok(named)
}

/// Parses request line and field lines.
#[inline]
fn parse_lines(
    input: &[u8],
    limits: &Limits,
    fields: &mut Vec<Field>,
    notable: &mut Notable,
) -> Option<Lines> {
    let (method, method_length) = match input.first_chunk() {
        Some(b"GET ") => (Method::Get, 3),
        _ => {
            let length = chars::run(input, TOKEN);
            (Method::from_bytes(&input[..length]), length)
        }
    };
    let [b' ', rest @ ..] = input.get(method_length..)? else {
        return None;
    };
    let target_length = chars::target_run(rest);
    let version = rest.get(target_length..)?.first_chunk::<11>()?;
    let (major, minor) = if version == b" HTTP/1.1\r\n" {
        (1, 1)
    } else {
        parse_version(version)?
    };
    if method_length == 0
        || target_length == 0
        || method_length > limits.method_bytes
        || target_length > limits.target_bytes
    {
        return None;
    }
    let at = method_length + target_length + 12;
    let length = field::parse(input, at, limits.fields, fields, notable)?;
    Some(Lines {
        length,
        method,
        method_length,
        target_length,
        major,
        minor,
    })
}

/// The digits of the version at the end of a request line.
#[cold]
fn parse_version(end: &[u8; 11]) -> Option<(u8, u8)> {
    match end {
        [
            b' ',
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major @ b'0'..=b'9',
            b'.',
            minor @ b'0'..=b'9',
            b'\r',
            b'\n',
        ] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method_str())
            .field("target", &self.target())
            .field("version", &self.version)
            .field("headers", &self.headers())
            .finish_non_exhaustive()
    }
}
