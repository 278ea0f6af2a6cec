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

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::fmt::Display;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
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
    /// The turn in which it was last compared with the disk.
    turn: Cell<u64>,
    /// When its path was last resolved beneath the root.
    resolved: Cell<Instant>,
    modified: Option<SystemTime>,
    /// `None` for a small file, whose bytes are in `buffer`.
    file: Option<Rc<OwnedFd>>,
    /// All that an answer is made of, side by side: the name it is kept under, the path with its
    /// NUL, the header lines (those that a 304 has too at their end), the bytes of a small file.
    buffer: Box<[u8]>,
    path: usize,
    lines: usize,
    shared: usize,
    content: usize,
    etag: Range<usize>,
}

impl Opened {
    /// The header lines of an answer with the file.
    #[inline]
    pub(crate) fn lines(&self) -> &[u8] {
        &self.buffer[self.lines..self.content]
    }

    /// The header lines of an answer without it (RFC 9110, section 15.4.5).
    pub(crate) fn lines_not_modified(&self) -> &[u8] {
        &self.buffer[self.shared..self.content]
    }

    pub(crate) fn etag(&self) -> &[u8] {
        &self.buffer[self.etag.clone()]
    }

    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The file itself, unless it is small.
    #[inline]
    pub(crate) fn file(&self) -> Option<&Rc<OwnedFd>> {
        self.file.as_ref()
    }

    /// The bytes of a small file.
    #[inline]
    pub(crate) fn content(&self) -> &[u8] {
        &self.buffer[self.content..]
    }

    /// How long the answer's body is, in bytes.
    #[inline]
    pub(crate) fn length(&self) -> u64 {
        match self.file {
            Some(_) => self.facts.size,
            None => self.content().len() as u64,
        }
    }

    fn name(&self) -> &[u8] {
        &self.buffer[..self.path]
    }

    fn path(&self) -> &CStr {
        let path = CStr::from_bytes_with_nul(&self.buffer[self.path..self.lines]);
        path.unwrap_or_default()
    }

    fn descriptors(&self) -> usize {
        usize::from(self.file.is_some())
    }
}

/// What a path led to.
pub(crate) enum Found {
    File(Rc<Opened>),
    Folder(OwnedFd),
}

/// A file in a set, found by the name it is kept under.
struct Kept(Rc<Opened>);

impl Borrow<[u8]> for Kept {
    fn borrow(&self) -> &[u8] {
        self.0.name()
    }
}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for Kept {}

/// One half of what is kept: when it is full it becomes the old half, and the old one is let go,
/// but for what was asked for since.
#[derive(Default)]
struct Generation {
    kept: HashSet<Kept>,
    bytes: usize,
    descriptors: usize,
}

impl Generation {
    #[inline]
    fn get(&self, name: &str) -> Option<&Rc<Opened>> {
        self.kept.get(name.as_bytes()).map(|kept| &kept.0)
    }

    /// Whether one more would be too much for half the bounds.
    fn is_full_for(&self, opened: &Opened, bounds: &Bounds) -> bool {
        self.kept.len() >= bounds.files / 2
            || self.bytes + opened.buffer.len() > bounds.bytes / 2
            || self.descriptors + opened.descriptors() > bounds.descriptors / 2
    }

    fn insert(&mut self, opened: Rc<Opened>) {
        self.remove(opened.name());
        self.bytes += opened.buffer.len();
        self.descriptors += opened.descriptors();
        self.kept.insert(Kept(opened));
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(Kept(opened)) = self.kept.take(name) {
            self.bytes -= opened.buffer.len();
            self.descriptors -= opened.descriptors();
        }
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
        let young = self.young.borrow();
        if let Some(opened) = young.get(name) {
            if opened.turn.get() == turn || self.is_current(opened, turn, now()) {
                return Some(opened.clone());
            }
            drop(young);
            self.forget(name);
            return None;
        }
        drop(young);
        let opened = self.old.borrow().get(name)?.clone();
        let current = self.is_current(&opened, turn, now());
        self.forget(name);
        if !current {
            return None;
        }
        self.insert(opened.clone());
        Some(opened)
    }

    /// Compares what is kept with what the path leads to now.
    fn is_current(&self, opened: &Opened, turn: u64, now: Instant) -> bool {
        let again = now.saturating_duration_since(opened.resolved.get()) >= RESOLVE_AGAIN;
        let facts = if again {
            self.root.facts_beneath(opened.path())
        } else {
            self.root.facts(opened.path())
        };
        if facts != Ok(opened.facts) {
            return false;
        }
        opened.turn.set(turn);
        if again {
            opened.resolved.set(now);
        }
        true
    }

    fn forget(&self, name: &str) {
        self.young.borrow_mut().remove(name.as_bytes());
        self.old.borrow_mut().remove(name.as_bytes());
    }

    fn insert(&self, opened: Rc<Opened>) {
        let mut young = self.young.borrow_mut();
        if young.is_full_for(&opened, &self.bounds) {
            let old = std::mem::take(&mut *young);
            self.old.replace(old);
        }
        young.insert(opened);
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
        let seen = Seen {
            facts,
            turn,
            now,
            wall,
        };
        let opened = Rc::new(read(file, name, path, seen, settled)?);
        if settled && opened.facts == facts {
            self.insert(opened.clone());
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

/// What a file was seen to be, and when.
struct Seen {
    facts: Facts,
    turn: u64,
    now: Instant,
    wall: SystemTime,
}

/// Makes the head of a file, and reads it if it is small.
fn read(
    file: OwnedFd,
    name: &str,
    path: &CStr,
    mut seen: Seen,
    settled: bool,
) -> Result<Opened, Errno> {
    let file = fs::File::from(file);
    let mut strong = settled;
    let mut reads_left = MOST_READS;
    while seen.facts.size <= SMALL_FILE {
        let bytes = read_whole(&file, seen.facts.size)?;
        let after = Facts::of_open(&file)?;
        let steady = after == seen.facts && bytes.len() as u64 == seen.facts.size;
        reads_left -= 1;
        if steady || reads_left == 0 {
            return Ok(opened(seen, name, path, strong && steady, Ok(bytes)));
        }
        // Somebody is writing to it.
        seen.facts = after;
        strong = false;
    }
    Ok(opened(seen, name, path, strong, Err(file.into())))
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

/// Puts together what answers are made of: with the bytes of a small file, or with the file.
fn opened(
    seen: Seen,
    name: &str,
    path: &CStr,
    strong: bool,
    content: Result<Vec<u8>, OwnedFd>,
) -> Opened {
    let content_type = entity::content_type(Path::new(OsStr::from_bytes(path.to_bytes())));
    let modified = entity::last_modified(&seen.facts, seen.wall);
    let mut buffer = Vec::from(name);
    let path_at = buffer.len();
    buffer.extend_from_slice(path.to_bytes_with_nul());
    let lines = buffer.len();
    put(
        &mut buffer,
        format_args!("Content-Type: {content_type}\r\n"),
    );
    put(&mut buffer, "X-Content-Type-Options: nosniff\r\n");
    let shared = buffer.len();
    if content_type.starts_with("text/html") {
        // A page may be kept, but is asked for again: it names the assets of today.
        put(&mut buffer, "Cache-Control: no-cache\r\n");
    }
    if let Some(modified) = modified {
        let date = httpdate::HttpDate::from(modified);
        put(&mut buffer, format_args!("Last-Modified: {date}\r\n"));
    }
    put(&mut buffer, "ETag: ");
    let etag = buffer.len();
    put(&mut buffer, entity::etag(&seen.facts, strong));
    let etag = etag..buffer.len();
    put(&mut buffer, "\r\n");
    let content_at = buffer.len();
    let file = match content {
        Ok(bytes) => {
            buffer.extend_from_slice(&bytes);
            None
        }
        Err(file) => Some(Rc::new(file)),
    };
    Opened {
        facts: seen.facts,
        turn: Cell::new(seen.turn),
        resolved: Cell::new(seen.now),
        modified,
        file,
        buffer: buffer.into(),
        path: path_at,
        lines,
        shared,
        content: content_at,
        etag,
    }
}

fn put(buffer: &mut Vec<u8>, text: impl Display) {
    // Writing to a vector never fails.
    let _ = write!(buffer, "{text}");
}

#[cfg(test)]
mod tests;
