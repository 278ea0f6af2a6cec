//! [`Files`]: the files of a site, opened once and kept as long as they do not change.
//!
//! A file is kept under the path that was asked for, in one spelling. What is kept is given out only after a look
//! at the disk: once a turn of the loop and file, one `stat` compares the kept state with what the
//! path leads to now; once a second the path is resolved beneath the root anew. So a file that
//! was changed, replaced or removed is seen by the next request.
//!
//! Head and bytes of an answer come from one open file. Small files are kept as bytes, others as
//! an open descriptor; both are bounded. A file that was changed less than two seconds ago is not
//! kept at all: it may change again without its times showing it.
//!
//! A file's [`Variants`](super::variants) are kept with it, and count with it.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::hash::{Hash, Hasher};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::site::Policy;
use crate::site::coding::Coding;
use crate::site::compress::Source;
use crate::site::opened::{Label, Moment, Opened, assemble, read};
use crate::site::root::{Facts, Root};
use crate::site::variants::Variant;

/// How many files are kept, of either kind.
pub const KEPT_FILES: usize = 4096;

/// How many bytes the kept files may take in sum, with their names, heads and compressed variants.
pub const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// How many descriptors the kept large files may take.
pub const KEPT_DESCRIPTORS: usize = 128;

/// After so long a kept file's path is resolved beneath the root anew.
const RESOLVE_AGAIN: Duration = Duration::from_secs(1);

/// What a path led to.
#[derive(Debug)]
pub(crate) enum Found {
    File(Rc<Opened>),
    Folder,
}

/// The same, and whether a file may be kept.
enum Seen {
    File(Rc<Opened>, bool),
    Folder,
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
    fn is_full_for(&self, (bytes, descriptors): (usize, usize), bounds: &Bounds) -> bool {
        self.kept.len() >= bounds.files / 2
            || self.bytes + bytes > bounds.bytes / 2
            || self.descriptors + descriptors > bounds.descriptors / 2
    }

    fn insert(&mut self, opened: Rc<Opened>) {
        self.remove(opened.name());
        let (bytes, descriptors) = opened.weight();
        opened.counted.set((bytes, descriptors));
        self.bytes += bytes;
        self.descriptors += descriptors;
        self.kept.insert(Kept(opened));
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(Kept(opened)) = self.kept.take(name) {
            let (bytes, descriptors) = opened.counted.take();
            self.bytes -= bytes;
            self.descriptors -= descriptors;
        }
    }

    fn holds(&self, opened: &Rc<Opened>) -> bool {
        let kept = self.kept.get(opened.name());
        kept.is_some_and(|kept| Rc::ptr_eq(&kept.0, opened))
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
    policy: Arc<Policy>,
    bounds: Bounds,
    young: RefCell<Generation>,
    old: RefCell<Generation>,
}

impl Files {
    pub(crate) fn new(root: Arc<Root>, policy: Arc<Policy>) -> Files {
        Files {
            root,
            policy,
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
            self.look_beside(opened, true);
        }
        true
    }

    fn forget(&self, name: &str) {
        self.young.borrow_mut().remove(name.as_bytes());
        self.old.borrow_mut().remove(name.as_bytes());
    }

    fn insert(&self, opened: Rc<Opened>) {
        let weight = opened.weight();
        let mut young = self.young.borrow_mut();
        if young.is_full_for(weight, &self.bounds) {
            let old = std::mem::take(&mut *young);
            self.old.replace(old);
            if young.is_full_for(weight, &self.bounds) {
                return;
            }
        }
        young.insert(opened);
    }

    /// Counts a kept file anew, whose variants have changed.
    fn recount(&self, opened: &Rc<Opened>) {
        let mut young = self.young.borrow_mut();
        let mut old = self.old.borrow_mut();
        let kept = young.holds(opened) || old.holds(opened);
        if kept {
            young.remove(opened.name());
            old.remove(opened.name());
        }
        drop((young, old));
        if kept {
            self.insert(opened.clone());
        }
    }

    /// Opens what `path` leads to beneath the root, and keeps it under `name` if it is a file that
    /// can be kept. Without leave to `wait` for a disk, it says `EAGAIN` where it would have to.
    ///
    /// Whatever is neither a regular file nor a folder is refused with `ENXIO`, unopened.
    pub(crate) fn open(
        &self,
        name: &str,
        path: &CStr,
        moment: Moment,
        wait: bool,
    ) -> Result<Found, Errno> {
        let label = Label {
            name: name.as_bytes(),
            path,
            typed: path,
            coding: None,
            policy: &self.policy,
        };
        let opened = match self.try_open(&label, moment, wait) {
            // What is kept is worth less than an answer.
            Err(Errno::MFILE | Errno::NFILE) if self.let_descriptors_go() => {
                self.try_open(&label, moment, wait)?
            }
            result => result?,
        };
        let (opened, keep) = match opened {
            Seen::File(opened, keep) => (opened, keep),
            Seen::Folder => return Ok(Found::Folder),
        };
        if !self.look_beside(&opened, wait) {
            return Err(Errno::AGAIN);
        }
        if keep {
            self.insert(opened.clone());
        }
        Ok(Found::File(opened))
    }

    fn try_open(&self, label: &Label<'_>, moment: Moment, wait: bool) -> Result<Seen, Errno> {
        // Opening a FIFO would wake who waits at its other end, and some devices do something when
        // they are opened. What the path leads to may change before it is opened; then it is
        // refused below.
        let seen = if wait {
            self.root.facts_beneath(label.path)
        } else {
            self.root.facts_at_hand(label.path)
        };
        let seen = seen?;
        if acceptable(seen.kind)? == FileType::Directory {
            return Ok(Seen::Folder);
        }
        let file = self.root.open_beneath(label.path)?;
        let facts = Facts::of_open(&file)?;
        if acceptable(facts.kind)? == FileType::Directory {
            return Ok(Seen::Folder);
        }
        let opened = read(file, facts, label, moment, wait)?;
        let keep = opened.is_settled() && opened.facts == facts;
        Ok(Seen::File(Rc::new(opened), keep))
    }

    /// The facts of the folder that `path` leads to; `None` if it is none. Without leave to `wait` for a
    /// disk, it says `EAGAIN` where it would have to.
    pub(crate) fn folder(&self, path: &CStr, wait: bool) -> Result<Option<Facts>, Errno> {
        let facts = if wait {
            self.root.facts_beneath(path)?
        } else {
            self.root.facts_at_hand(path)?
        };
        Ok((facts.kind == FileType::Directory).then_some(facts))
    }

    /// Closes the descriptors that are kept for later; says whether there were any.
    fn let_descriptors_go(&self) -> bool {
        let mut any = false;
        for generation in [&self.young, &self.old] {
            let mut generation = generation.borrow_mut();
            if generation.descriptors > 0 {
                any = true;
                let gone = std::mem::take(&mut *generation);
                drop(generation);
                drop(gone);
            }
        }
        any
    }

    /// Looks which codings of a file lie beside it. Without leave to wait for a disk, it says
    /// whether it could.
    fn look_beside(&self, opened: &Opened, wait: bool) -> bool {
        let Some(variants) = &opened.variants else {
            return true;
        };
        for coding in Coding::ALL {
            let path = beside(opened.path(), coding);
            let facts = if wait {
                self.root.facts_beneath(&path)
            } else {
                self.root.facts_at_hand(&path)
            };
            let there = match facts {
                Ok(facts) => {
                    facts.kind == FileType::RegularFile && facts.modified >= opened.facts.modified
                }
                Err(Errno::AGAIN) => return false,
                Err(_) => false,
            };
            variants.set_beside(coding, there);
        }
        true
    }

    /// The file that lies beside another, in a coding, if there is one and it is not older. Without
    /// leave to `wait` for a disk, it says `EAGAIN` where it would have to; there is no other error.
    pub(crate) fn beside(
        &self,
        opened: &Rc<Opened>,
        coding: Coding,
        moment: Moment,
        wait: bool,
    ) -> Result<Option<Rc<Opened>>, Errno> {
        let Some(variants) = &opened.variants else {
            return Ok(None);
        };
        if let Variant::Beside(variant) = variants.get(coding) {
            let Moment { turn, now, .. } = moment;
            if variant.turn.get() == turn || self.is_current(&variant, turn, now) {
                return Ok(Some(variant));
            }
            variants.set(coding, Variant::None);
            self.recount(opened);
        }
        let path = beside(opened.path(), coding);
        let label = Label {
            name: b"",
            path: &path,
            typed: opened.path(),
            coding: Some(coding),
            policy: &self.policy,
        };
        let (variant, keep) = match self.try_open(&label, moment, wait) {
            Err(Errno::AGAIN) => return Err(Errno::AGAIN),
            Ok(Seen::File(variant, keep)) => (variant, keep),
            Ok(Seen::Folder) | Err(_) => return Ok(None),
        };
        if variant.facts.modified < opened.facts.modified {
            return Ok(None);
        }
        if keep {
            variants.set(coding, Variant::Beside(variant.clone()));
            self.recount(opened);
        }
        Ok(Some(variant))
    }

    /// What there is to be compressed of a file.
    pub(crate) fn source(opened: &Opened) -> std::io::Result<Source> {
        match opened.file() {
            Some(file) => Ok(Source::File(
                file.as_fd().try_clone_to_owned()?,
                opened.facts,
            )),
            None => Ok(Source::Bytes(opened.content().to_vec())),
        }
    }

    /// Keeps what a file was compressed to. Where that is too much to be kept with the file, what was made was of no use: it
    /// would have to be made again for each who asks.
    pub(crate) fn made(&self, opened: &Rc<Opened>, coding: Coding, bytes: Vec<u8>, moment: Moment) {
        let Some(variants) = &opened.variants else {
            return;
        };
        let label = Label {
            name: b"",
            path: opened.path(),
            typed: opened.path(),
            coding: Some(coding),
            policy: &self.policy,
        };
        let strong = opened.is_settled();
        let variant = assemble(opened.facts, strong, &label, moment, Bytes::from(bytes));
        if opened.weight().0 + variant.weight().0 > self.bounds.bytes / 2 {
            variants.set(coding, Variant::Useless);
            return;
        }
        variants.set(coding, Variant::Made(Rc::new(variant)));
        self.recount(opened);
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

/// The path of a file's variant.
pub(crate) fn beside(path: &CStr, coding: Coding) -> CString {
    let mut beside = path.to_bytes().to_vec();
    beside.extend_from_slice(coding.suffix().as_bytes());
    // A path has no NUL in it.
    CString::new(beside).unwrap_or_default()
}

fn acceptable(kind: FileType) -> Result<FileType, Errno> {
    match kind {
        FileType::RegularFile | FileType::Directory => Ok(kind),
        _ => Err(Errno::NXIO),
    }
}

#[cfg(test)]
mod tests;
