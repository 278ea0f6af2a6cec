//! Header and trailer fields: where they stand in a section.

use std::fmt;
use std::ops::Range;

use crate::chars::{self, TOKEN, VALUE};
use crate::controls::Controls;
use crate::notable::Notable;

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
    /// Where its value stands.
    #[inline]
    pub(crate) fn value_range(self) -> Range<usize> {
        self.value as usize..self.value_end as usize
    }

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

/// Parses the field lines of `section` from `at` on, up to and with the empty line, whose end is
/// returned. `None` if they are not whole, not well-formed, or more than `limit`.
///
/// Where a line ends, how long its name is and whether it is looked at is found without a branch: these differ from line to
/// line. What is asked for by branches is nearly always the same.
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
    let mut controls = Controls::new(section, at);
    loop {
        let line = section.get(at..)?;
        match line {
            [b'\r', b'\n', ..] => return Some(at + 2),
            // No name.
            [b':', ..] => return None,
            _ => {}
        }
        if fields.len() >= limit {
            return None;
        }
        let start = match line.first_chunk() {
            Some(start) => chars::words(start),
            None => padded(line),
        };
        let mut name_length = chars::letters_run(start);
        if line.get(name_length) != Some(&b':') {
            name_length = other_name_length(line, name_length)?;
        }
        let content_at = at + name_length + 1;
        let mut end = controls.next(content_at)?;
        if !section.get(end..)?.starts_with(b"\r\n") {
            end = end_behind_tab(section, end)?;
        }
        // One space in front of the value, and no other white space.
        let mut value = section.get(content_at..end)?;
        if let [b' ', rest @ ..] = value {
            value = rest;
        }
        let mut value_end = end;
        if let [..=b' ', ..] | [.., ..=b' '] = value {
            (value, value_end) = trim(value, end);
        }
        notable.meet(line, start, name_length, fields.len());
        fields.push(Field {
            name: at as u32,
            name_end: (at + name_length) as u32,
            value: (value_end - value.len()) as u32,
            value_end: value_end as u32,
        });
        at = end + 2;
    }
}

/// The length of a name before a colon that is long, or goes on with other characters after so many letters and hyphens.
#[cold]
fn other_name_length(line: &[u8], letters: usize) -> Option<usize> {
    let length = letters + chars::run(&line[letters..], TOKEN);
    (line.get(length) == Some(&b':')).then_some(length)
}

/// A value that ends at `end`, without the white space around it, and where it ends then.
#[cold]
fn trim(value: &[u8], end: usize) -> (&[u8], usize) {
    let padded = chars::trim_start(value);
    let value = chars::trim_end(padded);
    (value, end - (padded.len() - value.len()))
}

/// The first bytes of a line that has less than sixteen behind it.
#[cold]
fn padded(line: &[u8]) -> [u64; 2] {
    let mut padded = [0; 16];
    padded[..line.len()].copy_from_slice(line);
    chars::words(&padded)
}

/// The end of a value that has a control character at `at`: HTAB is allowed.
#[cold]
fn end_behind_tab(section: &[u8], at: usize) -> Option<usize> {
    let end = at + chars::run(&section[at..], VALUE);
    section.get(end..)?.starts_with(b"\r\n").then_some(end)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names and values, and where the section ends.
    type Parsed = (Vec<(Vec<u8>, Vec<u8>)>, usize);

    /// What field lines say, byte by byte.
    fn expected(section: &[u8]) -> Option<Parsed> {
        let mut fields = Vec::new();
        let mut at = 0;
        loop {
            let rest = &section[at..];
            if rest.starts_with(b"\r\n") {
                return Some((fields, at + 2));
            }
            let colon = rest.iter().position(|&byte| byte == b':')?;
            let end = rest.iter().position(|&byte| byte == b'\r')?;
            let (name, value) = (&rest[..colon], rest.get(colon + 1..end)?);
            let well_formed = !name.is_empty()
                && name.iter().all(|&byte| chars::is(byte, TOKEN))
                && value.iter().all(|&byte| chars::is(byte, VALUE))
                && rest.get(end + 1) == Some(&b'\n');
            if !well_formed {
                return None;
            }
            fields.push((name.to_vec(), chars::trim(value).to_vec()));
            at += end + 2;
        }
    }

    /// Lines of ordinary fields and of odd ones, with one byte changed, and bytes behind them.
    fn section() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            6 => "[A-Za-z-]{1,20}: [!-~]{1,20}",
            2 => "[A-Za-z-]{1,20}: [!-~][ -~]{0,300}",
            1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}:[ \t]{0,3}",
            1 => "[A-Z]{1,20}:[ \t]{0,3}[ -~\tä]{0,150}[ \t]{0,3}",
            1 => "[a-z]{0,2}: [a-z]{100,140}",
        ];
        let byte = prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\r\n\t :\x7f\0-a".as_slice())
        ];
        let change = prop::option::of((any::<prop::sample::Index>(), byte));
        let lines = prop::collection::vec(line, 0..12);
        (lines, "(\r\n)?[ -~]{0,20}", change).prop_map(|(lines, behind, change)| {
            let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut section = format!("{lines}\r\n{behind}").into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(section.len());
                section[at] = byte;
            }
            section
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lines_are_parsed_as_byte_by_byte(section in section(), cut: prop::sample::Index) {
            let cut = &section[..cut.index(section.len() + 1)];
            for section in [&section, cut] {
                let mut fields = Vec::new();
                let length = parse(section, 0, 100, &mut fields, &mut Notable::default());
                let parsed = length.map(|length| {
                    let bytes = |field: &Field| (field.name(section).to_vec(), field.value(section).to_vec());
                    (fields.iter().map(bytes).collect(), length)
                });
                prop_assert_eq!(parsed, expected(section), "{}", section.escape_ascii());
            }
        }
    }

    #[test]
    fn as_many_as_the_limit_says() {
        let section = b"a: 1\r\nb: 2\r\n\r\n";
        for (limit, expected) in [(1, None), (2, Some(section.len()))] {
            let mut fields = Vec::new();
            let length = parse(section, 0, limit, &mut fields, &mut Notable::default());
            assert_eq!(length, expected, "{limit}");
        }
    }
}
