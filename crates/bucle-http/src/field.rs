//! Header and trailer fields: where they stand in a section, and those among them that say how a
//! message is framed.

use std::fmt;
use std::ops::Range;

use crate::chars;

/// Where a field stands in its section. Sections are at most
/// [`MAX_HEAD_BYTES`](crate::limits::MAX_HEAD_BYTES) long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
}

impl Field {
    #[inline]
    pub(crate) fn name(self, section: &[u8]) -> &[u8] {
        section
            .get(self.name as usize..self.name_end as usize)
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn value(self, section: &[u8]) -> &[u8] {
        section
            .get(self.value as usize..self.value_end as usize)
            .unwrap_or_default()
    }
}

/// The fields that the protocol itself looks at, as they are met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notable {
    pub(crate) host: Met,
    pub(crate) content_length: Met,
    pub(crate) transfer_encoding: Met,
    pub(crate) expect: Met,
    pub(crate) upgrade: Met,
    pub(crate) connection: ConnectionOptions,
    /// Whether `TE` has `trailers` in it.
    pub(crate) trailers: bool,
    /// Whether there may be a field that decides what is sent of a representation.
    pub(crate) selective: bool,
}

/// How often a field was met, and the place of its first line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Met {
    pub(crate) times: u16,
    first: u16,
}

impl Met {
    fn meet(&mut self, place: usize) {
        if self.times == 0 {
            // There are at most u16::MAX fields.
            self.first = place as u16;
        }
        self.times = self.times.saturating_add(1);
    }

    /// Where the value of its first line stands; empty if it was not met.
    pub(crate) fn range(self, fields: &[Field]) -> Range<usize> {
        match fields.get(self.first as usize) {
            Some(field) if self.times > 0 => field.value as usize..field.value_end as usize,
            _ => 0..0,
        }
    }

    /// The value of its first line.
    pub(crate) fn value<'a>(self, fields: &[Field], section: &'a [u8]) -> Option<&'a [u8]> {
        if self.times == 0 {
            return None;
        }
        fields
            .get(self.first as usize)
            .map(|field| field.value(section))
    }
}

/// The options of all `Connection` fields that mean something here (RFC 9110 section 7.6.1).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl ConnectionOptions {
    #[inline]
    fn add(&mut self, value: &[u8]) {
        if chars::is_word(value, b"keep-alive") {
            self.keep_alive = true;
        } else {
            self.add_list(value);
        }
    }

    fn add_list(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = chars::trim(option);
            if chars::is_word(option, b"keep-alive") {
                self.keep_alive = true;
            } else if chars::is_word(option, b"close") {
                self.close = true;
            } else if chars::is_word(option, b"upgrade") {
                self.upgrade = true;
            }
        }
    }
}

impl Notable {
    #[inline]
    fn look(&mut self, name: &[u8], value: &[u8], place: usize) {
        // The length sorts most fields out.
        match name.len() {
            2 if chars::is_word(name, b"te") => self.trailers |= names_trailers(value),
            4 if chars::is_word(name, b"host") => self.host.meet(place),
            6 if chars::is_word(name, b"expect") => self.expect.meet(place),
            7 if chars::is_word(name, b"upgrade") => self.upgrade.meet(place),
            10 if chars::is_word(name, b"connection") => self.connection.add(value),
            14 if chars::is_word(name, b"content-length") => self.content_length.meet(place),
            17 if chars::is_word(name, b"transfer-encoding") => {
                self.transfer_encoding.meet(place);
            }
            // If-Match and If-Range, If-None-Match, If-Modified-Since, If-Unmodified-Since.
            8 | 13 | 17 | 19 => self.selective |= name[..3].eq_ignore_ascii_case(b"if-"),
            5 => self.selective |= chars::is_word(name, b"range"),
            15 => self.selective |= chars::is_word(name, b"accept-encoding"),
            _ => {}
        }
    }
}

/// Whether a value of `TE` names `trailers` (RFC 9110 section 10.1.4).
fn names_trailers(value: &[u8]) -> bool {
    let mut codings = value.split(|&byte| byte == b',');
    codings.any(|coding| chars::is_word(chars::trim(coding), b"trailers"))
}

/// Parses the field lines of `section` from `at` on, up to and with the empty line, whose end is
/// returned. `None` if they are not whole, not well-formed, or more than `limit`.
#[inline]
pub(crate) fn parse(
    section: &[u8],
    mut at: usize,
    limit: usize,
    fields: &mut Vec<Field>,
    notable: &mut Notable,
) -> Option<usize> {
    // As many as the scan can count.
    let limit = limit.min(usize::from(u16::MAX));
    fields.clear();
    loop {
        let line = section.get(at..)?;
        let name_length = chars::name_run(line);
        let after_name = line.get(name_length..)?;
        if name_length == 0 {
            return after_name.starts_with(b"\r\n").then_some(at + 2);
        }
        if fields.len() >= limit {
            return None;
        }
        let [b':', content @ ..] = after_name else {
            return None;
        };
        let content_length = chars::value_run(content);
        if !content.get(content_length..)?.starts_with(b"\r\n") {
            return None;
        }
        let content = &content[..content_length];
        let content_at = at + name_length + 1;
        let value = chars::trim_start(content);
        let value_at = content_at + (content.len() - value.len());
        let value = chars::trim_end(value);
        notable.look(&line[..name_length], value, fields.len());
        fields.push(Field {
            name: at as u32,
            name_end: (at + name_length) as u32,
            value: value_at as u32,
            value_end: (value_at + value.len()) as u32,
        });
        at = content_at + content_length + 2;
    }
}

/// The value of the first field with this name, in whatever case.
#[inline]
pub(crate) fn find<'a>(fields: &[Field], section: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let name = name.as_bytes();
    fields
        .iter()
        .find(|field| {
            (field.name_end - field.name) as usize == name.len()
                && field.name(section).eq_ignore_ascii_case(name)
        })
        .map(|field| field.value(section))
}

/// The fields of a section in the order they were sent, each as its name and its value. The value
/// is without the white space around it, and may hold bytes that are not ASCII.
#[derive(Clone)]
pub struct Fields<'a> {
    section: &'a [u8],
    fields: std::slice::Iter<'a, Field>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(section: &'a [u8], fields: &'a [Field]) -> Fields<'a> {
        Fields {
            section,
            fields: fields.iter(),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        let name = chars::ascii(field.name(self.section));
        Some((name, field.value(self.section)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.clone()
                    .map(|(name, value)| (name, value.escape_ascii().to_string())),
            )
            .finish()
    }
}
