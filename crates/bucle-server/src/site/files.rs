//! [`Files`]: the files of a site, opened once and kept as long as they do not change.
//!
//! A file is kept under the path that was asked for. What is kept is given out only after a look
//! at the disk: once a turn of the loop and file, one `stat` compares the kept state with what the
//! path leads to now; once a second the path is resolved beneath the root anew. So a file that
//! was changed, replaced or removed is seen by the next request.
//!
//! Head and bytes of an answer come from one open file. Small files are kept as bytes, others as
//! an open descriptor; both are bounded. A file that was changed less than two seconds ago is not
//! kept at all: it may change again without its times showing it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::site::entity;
use crate::site::root::{Facts, Root};

/// Files up to this many bytes are kept as bytes, and leave in one write with their head.
pub const SMALL_FILE: u64 = 16 * 1024;

/// How many files are kept, of either kind.
pub const KEPT_FILES: usize = 4096;

/// How many bytes the kept files may take in sum, with their names and heads.
pub const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// How many descriptors the kept large files may take.
pub const KEPT_DESCRIPTORS: usize = 128;

/// After so long a kept file's path is resolved beneath the root anew.
const RESOLVE_AGAIN: Duration = Duration::from_secs(1);

/// How often a file that changes while it is read is read again.
const MOST_READS: usize = 3;

/// A file as it was at one moment: its head and its bytes.
#[derive(Debug)]
pub(crate) struct Opened {
    facts: Facts,
    /// Complete header lines, those that a 304 has too at the end.
    lines: Rc<[u8]>,
    shared: usize,
    etag: Range<usize>,
    modified: Option<SystemTime>,
    content: Content,
}

/// The bytes of an [`Opened`] file.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory(Rc<[u8]>),
    File { file: Rc<OwnedFd>, length: u64 },
}

impl Opened {
    /// The header lines of an answer with the file.
    pub(crate) fn lines(&self) -> (Rc<[u8]>, usize) {
        (self.lines.clone(), 0)
    }

    /// The header lines of an answer without it (RFC 9110, section 15.4.5), and where they begin.
    pub(crate) fn lines_not_modified(&self) -> (Rc<[u8]>, usize) {
        (self.lines.clone(), self.shared)
    }

    pub(crate) fn etag(&self) -> &[u8] {
        &self.lines[self.etag.clone()]
    }

    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    pub(crate) fn content(&self) -> Content {
        self.content.clone()
    }
}

/// What a path led to.
pub(crate) enum Found {
    File(Rc<Opened>),
    Folder(OwnedFd),
}

struct Kept {
    path: CString,
    opened: Rc<Opened>,
    /// The turn in which it was last compared with the disk.
    turn: Cell<u64>,
    resolved: Cell<Instant>,
}

impl Kept {
    /// What it takes of [`KEPT_BYTES`] under `name`.
    fn weight(&self, name: &str) -> usize {
        let content = match &self.opened.content {
            Content::Memory(bytes) => bytes.len(),
            Content::File { .. } => 0,
        };
        name.len() + self.path.as_bytes().len() + self.opened.lines.len() + content
    }

    fn descriptors(&self) -> usize {
        usize::from(matches!(self.opened.content, Content::File { .. }))
    }
}

/// One half of what is kept: when it is full it becomes the old half, and the old one is let go,
/// but for what was asked for since.
#[derive(Default)]
struct Generation {
    kept: HashMap<Box<str>, Rc<Kept>>,
    bytes: usize,
    descriptors: usize,
}

impl Generation {
    /// Whether one more would be too much for half the bounds.
    fn is_full_for(&self, name: &str, kept: &Kept, bounds: &Bounds) -> bool {
        self.kept.len() >= bounds.files / 2
            || self.bytes + kept.weight(name) > bounds.bytes / 2
            || self.descriptors + kept.descriptors() > bounds.descriptors / 2
    }

    fn insert(&mut self, name: Box<str>, kept: Rc<Kept>) {
        self.remove(&name);
        self.bytes += kept.weight(&name);
        self.descriptors += kept.descriptors();
        self.kept.insert(name, kept);
    }

    fn remove(&mut self, name: &str) -> Option<(Box<str>, Rc<Kept>)> {
        let (name, kept) = self.kept.remove_entry(name)?;
        self.bytes -= kept.weight(&name);
        self.descriptors -= kept.descriptors();
        Some((name, kept))
    }
}

/// How much is kept.
struct Bounds {
    files: usize,
    bytes: usize,
    descriptors: usize,
}

/// The files of a site, as one loop sees them.
pub(crate) struct Files {
    root: Arc<Root>,
    bounds: Bounds,
    young: RefCell<Generation>,
    old: RefCell<Generation>,
}

impl Files {
    pub(crate) fn new(root: Arc<Root>) -> Files {
        Files {
            root,
            bounds: Bounds {
                files: KEPT_FILES,
                bytes: KEPT_BYTES,
                descriptors: KEPT_DESCRIPTORS,
            },
            young: RefCell::default(),
            old: RefCell::default(),
        }
    }

    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// The file that is kept under `name`, if it is still what is on the disk.
    #[inline]
    pub(crate) fn kept(
        &self,
        name: &str,
        turn: u64,
        now: impl FnOnce() -> Instant,
    ) -> Option<Rc<Opened>> {
        if let Some(kept) = self.young.borrow().kept.get(name)
            && kept.turn.get() == turn
        {
            return Some(kept.opened.clone());
        }
        self.compare(name, turn, now())
    }

    fn compare(&self, name: &str, turn: u64, now: Instant) -> Option<Rc<Opened>> {
        let young = self.young.borrow().kept.get(name).cloned();
        let (kept, is_old) = match young {
            Some(kept) => (kept, false),
            None => (self.old.borrow().kept.get(name)?.clone(), true),
        };
        let again = now.saturating_duration_since(kept.resolved.get()) >= RESOLVE_AGAIN;
        let facts = if again {
            self.root.facts_beneath(&kept.path)
        } else {
            self.root.facts(&kept.path)
        };
        if facts != Ok(kept.opened.facts) {
            self.young.borrow_mut().remove(name);
            self.old.borrow_mut().remove(name);
            return None;
        }
        kept.turn.set(turn);
        if again {
            kept.resolved.set(now);
        }
        if is_old {
            let moved = self.old.borrow_mut().remove(name);
            if let Some((name, kept)) = moved {
                self.insert(name, kept);
            }
        }
        Some(kept.opened.clone())
    }

    fn insert(&self, name: Box<str>, kept: Rc<Kept>) {
        let mut young = self.young.borrow_mut();
        if young.is_full_for(&name, &kept, &self.bounds) {
            let old = std::mem::take(&mut *young);
            self.old.replace(old);
        }
        young.insert(name, kept);
    }

    /// Opens what `path` leads to beneath the root, and keeps it under `name` if it is a file that
    /// can be kept.
    ///
    /// Whatever is neither a regular file nor a folder is refused with `ENXIO`, unopened.
    pub(crate) fn open(
        &self,
        name: &str,
        path: &CStr,
        turn: u64,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Found, Errno> {
        // Opening a FIFO would wake who waits at its other end, and some devices do something when
        // they are opened. What the path leads to may change before it is opened; then it is
        // refused below.
        acceptable(self.root.facts(path)?.kind)?;
        let file = self.root.open_beneath(path)?;
        let facts = Facts::of_open(&file)?;
        acceptable(facts.kind)?;
        if facts.kind == FileType::Directory {
            return Ok(Found::Folder(file));
        }
        let settled = entity::settled(&facts, wall);
        let opened = Rc::new(read(file, facts, path, settled, wall)?);
        if settled && opened.facts == facts {
            let kept = Rc::new(Kept {
                path: path.to_owned(),
                opened: opened.clone(),
                turn: Cell::new(turn),
                resolved: Cell::new(now),
            });
            self.insert(name.into(), kept);
        }
        Ok(Found::File(opened))
    }

    /// How many files, bytes and descriptors are kept.
    #[cfg(test)]
    fn held(&self) -> (usize, usize, usize) {
        let (young, old) = (self.young.borrow(), self.old.borrow());
        (
            young.kept.len() + old.kept.len(),
            young.bytes + old.bytes,
            young.descriptors + old.descriptors,
        )
    }
}

fn acceptable(kind: FileType) -> Result<(), Errno> {
    match kind {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err(Errno::NXIO),
    }
}

/// Makes the head of a file, and reads it if it is small.
fn read(
    file: OwnedFd,
    mut facts: Facts,
    path: &CStr,
    settled: bool,
    wall: SystemTime,
) -> Result<Opened, Errno> {
    let file = fs::File::from(file);
    let mut strong = settled;
    let mut reads_left = MOST_READS;
    while facts.size <= SMALL_FILE {
        let bytes = read_whole(&file, facts.size)?;
        let after = Facts::of_open(&file)?;
        let steady = after == facts && bytes.len() as u64 == facts.size;
        reads_left -= 1;
        if steady || reads_left == 0 {
            let content = Content::Memory(bytes.into());
            return Ok(opened(facts, path, strong && steady, wall, content));
        }
        // Somebody is writing to it.
        facts = after;
        strong = false;
    }
    let content = Content::File {
        file: Rc::new(file.into()),
        length: facts.size,
    };
    Ok(opened(facts, path, strong, wall, content))
}

/// The first `size` bytes of `file`, or as many as there are.
fn read_whole(file: &fs::File, size: u64) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; usize::try_from(size.min(SMALL_FILE)).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn opened(facts: Facts, path: &CStr, strong: bool, wall: SystemTime, content: Content) -> Opened {
    let content_type = entity::content_type(Path::new(OsStr::from_bytes(path.to_bytes())));
    let etag = entity::etag(&facts, strong);
    let modified = entity::last_modified(&facts, wall);
    let mut lines = format!("Content-Type: {content_type}\r\nX-Content-Type-Options: nosniff\r\n");
    let shared = lines.len();
    if content_type.starts_with("text/html") {
        // A page may be kept, but is asked for again: it names the assets of today.
        lines.push_str("Cache-Control: no-cache\r\n");
    }
    if let Some(modified) = modified {
        let date = httpdate::HttpDate::from(modified);
        // Writing to a string never fails.
        let _ = write!(lines, "Last-Modified: {date}\r\n");
    }
    lines.push_str("ETag: ");
    let etag_start = lines.len();
    lines.push_str(&etag);
    let etag = etag_start..lines.len();
    lines.push_str("\r\n");
    Opened {
        facts,
        lines: lines.into_bytes().into(),
        shared,
        etag,
        modified,
        content,
    }
}

#[cfg(test)]
mod tests;
