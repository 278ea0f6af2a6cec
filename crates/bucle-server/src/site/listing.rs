//! The page that shows a folder without an `index.html`: one small HTML page that needs nothing
//! else.

use std::collections::BinaryHeap;
use std::ffi::{CStr, CString};
use std::fmt::{self, Display, Formatter, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, fstat, statat};
use rustix::io::Errno;

use crate::site::path::{SitePath, encode_segment};
use crate::site::root::{Facts, Root};

/// How many names are shown; the page says how many are not.
pub const LISTED_NAMES: usize = 10_000;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8883;--dim:#777;--link:#0b57d0}\
@media(prefers-color-scheme:dark){:root{--dim:#999;--link:#8ab4f8}}\
body{max-width:60rem;margin:2.5rem auto;padding:0 1.25rem;font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}\
h1 a{color:inherit}h1 span{color:var(--dim);padding:0 .2em}\
table{width:100%;border-collapse:collapse}\
th{text-align:left;font-weight:500;font-size:.8rem;color:var(--dim)}\
th,td{padding:.4rem .5rem;border-bottom:1px solid var(--line)}\
tr:hover td{background:#8881}\
td:first-child{overflow-wrap:anywhere}\
td+td,th+th{text-align:right;white-space:nowrap;color:var(--dim);font-variant-numeric:tabular-nums}\
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\
p{color:var(--dim)}\
@media(max-width:34rem){td:last-child,th:last-child{display:none}}";

/// What keeps the page from running or loading anything, whatever the names in it.
pub(crate) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What the page is.
pub(crate) const CONTENT_TYPE: &str = "text/html; charset=utf-8";

struct Entry {
    name: Vec<u8>,
    folder: bool,
    size: u64,
    modified: i64,
}

/// The page for `folder`, which `path` led to; the root is at `prefix`.
///
/// It reads the whole folder, so it is for a thread. Of more than [`LISTED_NAMES`], the first in
/// the order of the page are shown, so that the same folder gives the same page. A folder that was
/// removed while it is open is `NOENT`.
pub(crate) fn page(
    root: &Root,
    prefix: &str,
    path: &SitePath,
    folder: OwnedFd,
) -> Result<String, Errno> {
    let (names, left_out) = first_names(root, path, &folder)?;
    // Looked at afterwards: it may have been removed meanwhile. Some file systems count no links of
    // any folder, so one with names in it is there.
    if names.is_empty() && fstat(&folder)?.st_nlink == 0 {
        return Err(Errno::NOENT);
    }
    let entries: Vec<_> = names
        .into_iter()
        .filter_map(|name| entry(root, path, &folder, name))
        .collect();
    Ok(render(prefix, path, &entries, left_out))
}

/// What is known of a name without a look at what it stands for; in the order of the page: folders
/// first, each kind by name: without regard to case, then with.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    file: bool,
    folded: Vec<u8>,
    name: Vec<u8>,
}

/// The names that come first, in order, and how many more there are. No more than these are held at
/// any time.
fn first_names(
    root: &Root,
    path: &SitePath,
    folder: &OwnedFd,
) -> Result<(Vec<Name>, usize), Errno> {
    let mut first = BinaryHeap::new();
    let mut count = 0;
    for item in Dir::read_from(folder)? {
        let item = item?;
        let name = item.file_name().to_bytes();
        // Not served, so not shown; `.` and `..` among them.
        if name.starts_with(b".") {
            continue;
        }
        let kind = match item.file_type() {
            kind @ (FileType::RegularFile | FileType::Directory) => kind,
            FileType::Symlink | FileType::Unknown => {
                match facts(root, path, folder, item.file_name()) {
                    Some(facts) => facts.kind,
                    None => continue,
                }
            }
            _ => continue,
        };
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            continue;
        }
        count += 1;
        first.push(Name {
            file: kind != FileType::Directory,
            folded: name.to_ascii_lowercase(),
            name: name.to_vec(),
        });
        if first.len() > LISTED_NAMES {
            first.pop();
        }
    }
    let left_out = count - first.len();
    Ok((first.into_sorted_vec(), left_out))
}

/// What a name stands for; `None` for what was removed since, leads out of the root, or nowhere.
fn facts(root: &Root, path: &SitePath, folder: &OwnedFd, name: &CStr) -> Option<Facts> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let facts = Facts::of(&stat);
    match facts.kind {
        FileType::Symlink => root.facts_beneath(&path.join(name.to_bytes())).ok(),
        _ => Some(facts),
    }
}

fn entry(root: &Root, path: &SitePath, folder: &OwnedFd, name: Name) -> Option<Entry> {
    let text = CString::new(name.name).ok()?;
    let facts = facts(root, path, folder, &text)?;
    Some(Entry {
        name: text.into_bytes(),
        folder: facts.kind == FileType::Directory,
        size: facts.size,
        modified: facts.modified.0,
    })
}

fn render(prefix: &str, path: &SitePath, entries: &[Entry], left_out: usize) -> String {
    let mut page = String::with_capacity(2048 + entries.len() * 160);
    // Writing to a string never fails.
    let _ = write_page(&mut page, prefix, path, entries, left_out);
    page
}

fn write_page(
    page: &mut String,
    prefix: &str,
    path: &SitePath,
    entries: &[Entry],
    left_out: usize,
) -> fmt::Result {
    let shown = path
        .segments()
        .map(|segment| String::from_utf8_lossy(segment) + "/")
        .fold(String::from("/"), |whole, segment| whole + &segment);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Index of {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>",
        Escaped(&shown)
    )?;
    write_crumbs(page, prefix, path)?;
    page.write_str("</h1>\n<table>\n<tr><th>Name<th>Size<th>Modified (UTC)\n")?;
    if path.segments().next().is_some() {
        page.write_str("<tr><td><a href=\"../\">../</a><td><td>\n")?;
    }
    for entry in entries {
        let slash = if entry.folder { "/" } else { "" };
        // Relative, and never taken for a scheme: a colon is percent-encoded.
        page.write_str("<tr><td><a href=\"")?;
        page.extend(encode_segment(&entry.name));
        write!(
            page,
            "{slash}\">{}{slash}</a><td>",
            Escaped(&String::from_utf8_lossy(&entry.name))
        )?;
        if !entry.folder {
            write!(page, "{}", Size(entry.size))?;
        }
        writeln!(page, "<td>{}", Minute(entry.modified))?;
    }
    page.write_str("</table>\n")?;
    if left_out > 0 {
        writeln!(page, "<p>{left_out} more names are not shown.</p>")?;
    } else if entries.is_empty() {
        page.write_str("<p>This folder is empty.</p>\n")?;
    }
    page.write_str("</body>\n</html>\n")
}

/// The path, each folder of it a link.
fn write_crumbs(page: &mut String, prefix: &str, path: &SitePath) -> fmt::Result {
    let mut url = format!("{prefix}/");
    write!(page, "<a href=\"{}\">Index</a>", Escaped(&url))?;
    for segment in path.segments() {
        url.extend(encode_segment(segment));
        url.push('/');
        write!(
            page,
            "<span>/</span><a href=\"{}\">{}</a>",
            Escaped(&url),
            Escaped(&String::from_utf8_lossy(segment))
        )?;
    }
    page.write_str("<span>/</span>")
}

/// Text in HTML, also in an attribute. Control characters, with which a name could mislead, are
/// shown as a replacement character.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Marks that turn the direction of what follows.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char('\u{fffd}')?,
                control if control.is_control() => f.write_char('\u{fffd}')?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

/// A number of bytes with three significant digits.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut amount = self.0 as f64 / 1024.0;
        let mut unit = UNITS[0];
        for larger in &UNITS[1..] {
            if amount < 999.5 {
                break;
            }
            amount /= 1024.0;
            unit = larger;
        }
        let digits = match amount {
            amount if amount < 9.995 => 2,
            amount if amount < 99.95 => 1,
            _ => 0,
        };
        write!(f, "{amount:.digits$} {unit}")
    }
}

/// A time in seconds since 1970, to the minute.
struct Minute(i64);

impl Display for Minute {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (year, month, day) = crate::date::civil(self.0.div_euclid(86_400));
        let minute = self.0.rem_euclid(86_400) / 60;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}",
            minute / 60,
            minute % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn sizes_have_three_digits() {
        for (size, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10_234, "9.99 KiB"),
            (10_236, "10.0 KiB"),
            (1_048_575, "1.00 MiB"),
            (123_456_789, "118 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Size(size).to_string(), shown);
        }
    }

    #[test]
    fn times_are_civil() {
        assert_eq!(Minute(0).to_string(), "1970-01-01 00:00");
        assert_eq!(Minute(951_827_696).to_string(), "2000-02-29 12:34");
        assert_eq!(Minute(-1).to_string(), "1969-12-31 23:59");
    }

    #[test]
    fn names_are_sorted_and_escaped_and_only_what_is_served_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in [
            "b.txt",
            "A.txt",
            "<img src=x>&\"'",
            "javascript:alert(1)",
            ".hidden",
        ] {
            fs::write(path.join(name), "x").unwrap();
        }
        fs::write(path.join(std::ffi::OsStr::from_bytes(b"\xff\n")), "").unwrap();
        fs::create_dir(path.join("zoo")).unwrap();
        std::os::unix::fs::symlink("zoo", path.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", path.join("out")).unwrap();
        let root = Root::open(path).unwrap();
        let site_path = SitePath::decode("/").unwrap();
        let page = page(&root, "", &site_path, root.open_beneath(c".").unwrap()).unwrap();
        let places: Vec<_> = [
            "href=\"link/\">link/<",
            "href=\"zoo/\">zoo/<",
            "href=\"%3Cimg%20src=x%3E%26%22%27\">&lt;img src=x&gt;&amp;&quot;&#39;<",
            "href=\"A.txt\">A.txt</a><td>1 B<td>",
            "href=\"b.txt\">",
            "href=\"javascript%3Aalert(1)\">javascript:alert(1)<",
            "href=\"%FF%0A\">\u{fffd}\u{fffd}<",
        ]
        .iter()
        .map(|wanted| {
            page.find(wanted)
                .unwrap_or_else(|| panic!("{wanted} in {page}"))
        })
        .collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(!page.contains("hidden") && !page.contains("out") && !page.contains("../"));
        let below = SitePath::decode("/a%22b/c").unwrap();
        let page = render("/x", &below, &[], 3);
        assert!(page.contains("Index of /a&quot;b/c/"));
        assert!(page.contains("<a href=\"/x/a%22b/c/\">c</a>"));
        assert!(page.contains("href=\"../\"") && page.contains("3 more"));
    }
}
