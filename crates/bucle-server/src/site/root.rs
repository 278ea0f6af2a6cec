//! [`Root`]: the folder that is served, beneath which everything is opened.
//!
//! What is opened is held beneath the root by the kernel: `openat2` with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_SYMLINKS`, so that no `..` and no folder swapped for another at the wrong moment leads
//! out. Where a symbolic link is in the way, or `openat2` is not to be had (before Linux 5.6, in a
//! sandbox that refuses it, on other systems), the path is walked here, one name at a time, with
//! `O_NOFOLLOW`.
//!
//! Symbolic links that lead to something beneath the root are followed, absolute ones and those that
//! go out and come back in too; any other is treated as if it were not there. So is one whose way
//! passes a name that is not served because it begins with a dot: a link must not uncover it. Names
//! that begin with two dots (`..data`, as Kubernetes has them in what it mounts) may be passed.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::site::opened::SMALL_FILE;
use crate::site::path::WELL_KNOWN;

/// How many symbolic links one path may lead through, as in Linux.
const MOST_LINKS: usize = 40;

/// How often `openat2` is tried again when something was renamed under its feet.
#[cfg(target_os = "linux")]
const MOST_TRIES: usize = 16;

/// A folder on the way: only passed through, where the system has a word for that.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Never waits for a writer of a FIFO or the carrier of a terminal, never takes a terminal over.
const READ: OFlags = OFlags::NONBLOCK
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The folder that is served.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
    /// Without symbolic links, as it was when it was opened.
    path: PathBuf,
    identity: (u64, u64),
    #[cfg(target_os = "linux")]
    openat2: AtomicBool,
    /// Whether the kernel can look things up without waiting for a disk.
    #[cfg(target_os = "linux")]
    looks_without_waiting: AtomicBool,
}

/// What tells one file, and one state of it, from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) kind: FileType,
    pub(crate) size: u64,
    /// Last change of the bytes: seconds and nanoseconds since 1970.
    pub(crate) modified: (i64, u32),
    /// Last change of anything, which nobody can set back.
    pub(crate) changed: (i64, u32),
}

impl Facts {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields differ from system to system"
    )]
    pub(crate) fn of(stat: &Stat) -> Facts {
        Facts {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            kind: FileType::from_raw_mode(stat.st_mode as _),
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }

    /// Those of an open file.
    pub(crate) fn of_open(file: impl AsFd) -> Result<Facts, Errno> {
        Ok(Facts::of(&fstat(file)?))
    }
}

/// Whether a file's times are told by this kernel's own clock, to its tick: on the common local file
/// systems, and not on one that is shared over a network, or made by another program.
#[cfg(target_os = "linux")]
pub(crate) fn has_kernel_s_clock(file: impl AsFd) -> bool {
    // linux/magic.h: ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs, ramfs, overlayfs.
    const LOCAL: [u64; 9] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0xf2f5_2010,
        0xca45_1a4e,
        0x2fc1_2fc1,
        0x0102_1994,
        0x8584_58f6,
        0x794c_7630,
    ];
    rustix::fs::fstatfs(file).is_ok_and(|it| LOCAL.contains(&(it.f_type as u64 & 0xffff_ffff)))
}

/// On other systems we don't know.
#[cfg(not(target_os = "linux"))]
pub(crate) fn has_kernel_s_clock(_: impl AsFd) -> bool {
    false
}

impl Root {
    /// Opens the folder at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        let facts = Facts::of_open(&folder)?;
        Ok(Root {
            path: fs::canonicalize(path)?,
            identity: (facts.device, facts.inode),
            folder,
            #[cfg(target_os = "linux")]
            openat2: AtomicBool::new(true),
            #[cfg(target_os = "linux")]
            looks_without_waiting: AtomicBool::new(true),
        })
    }

    /// Whether `path` still leads to this folder. Also true where it leads nowhere.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        match rustix::fs::stat(path) {
            Ok(stat) => {
                let facts = Facts::of(&stat);
                facts.kind != FileType::Directory || (facts.device, facts.inode) == self.identity
            }
            Err(_) => true,
        }
    }

    /// The facts of what `path` leads to, also when that is not beneath the root: good for
    /// comparing with what was opened beneath it, and for nothing else.
    #[inline]
    pub(crate) fn facts(&self, path: &CStr) -> Result<Facts, Errno> {
        Ok(Facts::of(&statat(&self.folder, path, AtFlags::empty())?))
    }

    /// Opens a file or folder to be read. A FIFO or device is not waited for.
    pub(crate) fn open_beneath(&self, path: &CStr) -> Result<OwnedFd, Errno> {
        self.beneath(path, READ)
    }

    /// Looks a file up without opening it; gives its facts.
    pub(crate) fn facts_beneath(&self, path: &CStr) -> Result<Facts, Errno> {
        #[cfg(target_os = "linux")]
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = READ;
        Facts::of_open(self.beneath(path, flags)?)
    }

    /// The same without waiting for a disk: `EAGAIN` where it would have to, or where there is a
    /// symbolic link on the way. Where the system can't do that (before Linux 5.12), it waits.
    pub(crate) fn facts_at_hand(&self, path: &CStr) -> Result<Facts, Errno> {
        #[cfg(target_os = "linux")]
        if self.looks_without_waiting.load(Ordering::Relaxed) {
            use rustix::fs::{ResolveFlags, openat2};

            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
            match openat2(&self.folder, path, flags, Mode::empty(), resolve) {
                Ok(opened) => return Facts::of_open(opened),
                Err(Errno::LOOP | Errno::INTR) => return Err(Errno::AGAIN),
                Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                    self.looks_without_waiting.store(false, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        self.facts_beneath(path)
    }

    /// Has the system read what a look at these paths needs, a small file's bytes included; for a
    /// thread that may wait for it.
    pub(crate) fn warm(&self, paths: &[CString]) {
        for path in paths {
            if let Ok(facts) = self.facts_beneath(path)
                && facts.kind == FileType::RegularFile
                && let Ok(file) = self.open_beneath(path)
            {
                let mut start = [0; SMALL_FILE as usize];
                let _ = bucle_sys::file::read_at(file, &mut start, 0);
            }
        }
    }

    fn beneath(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.resolve(path, flags) {
            Err(Errno::LOOP) => {}
            result => return result,
        }
        match self.walk(path, flags, MOST_LINKS) {
            Err(Errno::XDEV) => match self.by_way_of_outside(path) {
                Some(path) => self.resolve(&path, flags),
                None => Err(Errno::XDEV),
            },
            result => result,
        }
    }

    /// The path beneath the root that `path` leads to by way of an absolute link, or one that goes
    /// out and comes back in, if any.
    ///
    /// It is only a hint: whoever opens it does so beneath the root, and without links.
    fn by_way_of_outside(&self, path: &CStr) -> Option<CString> {
        let path = self.path.join(OsStr::from_bytes(path.to_bytes()));
        let resolved = fs::canonicalize(path).ok()?;
        let relative = resolved.strip_prefix(&self.path).ok()?;
        let relative = relative.as_os_str().as_bytes();
        let mut names = relative.split(|byte| *byte == b'/').enumerate();
        if names.any(|(depth, name)| is_hidden(name, depth)) {
            return None;
        }
        CString::new(if relative.is_empty() { b"." } else { relative }).ok()
    }

    /// Opens `path` where no symbolic link is in it; `ELOOP` if one is.
    #[cfg(target_os = "linux")]
    fn resolve(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        use rustix::fs::{ResolveFlags, openat2};

        if !self.openat2.load(Ordering::Relaxed) {
            return self.walk(path, flags, 0);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        for _ in 0..MOST_TRIES {
            match openat2(&self.folder, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // EPERM is also a file's own, for instance a sealed one's: the walk will tell.
                Err(Errno::NOSYS) => {
                    self.openat2.store(false, Ordering::Relaxed);
                    break;
                }
                Err(Errno::PERM) => break,
                result => return result,
            }
        }
        self.walk(path, flags, 0)
    }

    #[cfg(not(target_os = "linux"))]
    fn resolve(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.walk(path, flags, 0)
    }

    /// Opens `path` one name at a time. The folders passed through stay open until the end, so that
    /// `..` in a link means the folder we came from, whatever was renamed meanwhile.
    fn walk(&self, path: &CStr, flags: OFlags, mut links: usize) -> Result<OwnedFd, Errno> {
        let mut folders: Vec<OwnedFd> = Vec::new();
        // The names still to come, the next one last, and whether they stood in a link.
        let mut names = Vec::new();
        push_names(&mut names, path.to_bytes(), false)?;
        while let Some((name, linked)) = names.pop() {
            if name.as_bytes() == b".." {
                // Above the root there is nothing.
                drop(folders.pop().ok_or(Errno::XDEV)?);
                continue;
            }
            if linked && is_hidden(name.as_bytes(), folders.len()) {
                return Err(Errno::NOENT);
            }
            let here = self.innermost(&folders);
            let last = names.is_empty();
            let wanted = if last {
                flags | OFlags::NOFOLLOW
            } else {
                FOLDER
            };
            let error = match openat(here, &name, wanted, Mode::empty()) {
                Ok(opened) if last && !is_link(&opened)? => return Ok(opened),
                Ok(_) if last => Errno::LOOP,
                Ok(opened) => {
                    folders.push(opened);
                    continue;
                }
                Err(error) => error,
            };
            // A symbolic link says ELOOP, ENOTDIR or EMLINK, depending on flags and system.
            if !matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::MLINK) {
                return Err(error);
            }
            let target = match readlinkat(here, &name, Vec::new()) {
                Ok(target) => target,
                Err(Errno::INVAL) => return Err(error),
                Err(error) => return Err(error),
            };
            links = links.checked_sub(1).ok_or(Errno::LOOP)?;
            if target.as_bytes().starts_with(b"/") {
                return Err(Errno::XDEV);
            }
            push_names(&mut names, target.as_bytes(), true)?;
        }
        openat(self.innermost(&folders), c".", flags, Mode::empty())
    }

    fn innermost<'a>(&'a self, folders: &'a [OwnedFd]) -> BorrowedFd<'a> {
        folders.last().unwrap_or(&self.folder).as_fd()
    }

    /// Makes this root walk by itself, as where the kernel can't help.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn without_openat2(self) -> Root {
        self.openat2.store(false, Ordering::Relaxed);
        self
    }
}

fn push_names(names: &mut Vec<(CString, bool)>, path: &[u8], linked: bool) -> Result<(), Errno> {
    let parts = path.split(|byte| *byte == b'/').rev();
    for part in parts.filter(|part| !part.is_empty() && *part != b".") {
        names.push((CString::new(part).map_err(|_| Errno::INVAL)?, linked));
    }
    Ok(())
}

/// Whether a link may not lead by way of this name, with so many folders between it and the root.
fn is_hidden(name: &[u8], depth: usize) -> bool {
    name.starts_with(b".") && !name.starts_with(b"..") && (depth > 0 || name != WELL_KNOWN)
}

/// With `O_PATH`, `O_NOFOLLOW` opens the link itself.
fn is_link(opened: &OwnedFd) -> Result<bool, Errno> {
    Ok(Facts::of_open(opened)?.kind == FileType::Symlink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct World {
        _folder: tempfile::TempDir,
        roots: Vec<Root>,
    }

    /// `outside/secret`, `root/` with files, folders and links of every kind.
    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let root = base.join("root");
        fs::create_dir_all(base.join("outside")).unwrap();
        fs::write(base.join("outside/secret"), "secret").unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("file"), "file").unwrap();
        fs::write(root.join("a/b/deep"), "deep").unwrap();
        let links = [
            ("in", "file"),
            ("a/up", "../file"),
            ("a/b/far", "../../a/up"),
            ("folder", "a/b"),
            ("top", "a/.."),
            ("dot", "."),
            ("out", "../outside/secret"),
            ("a/out", "../../outside/secret"),
            ("outfolder", "../outside"),
            ("etc", "/etc/passwd"),
            ("sly", "a/../../root/file"),
            ("loop", "loop"),
            ("dangling", "nothing"),
            ("magic", "/proc/self/cwd"),
            ("env", ".env"),
            ("a/env", "../.env"),
            ("git", ".git"),
            ("a/sly-env", "b/../../.env"),
            ("twice", "env"),
            ("wk", ".well-known/x"),
            ("a/wk", "../.well-known/x"),
            ("deep-wk", "a/.well-known/x"),
            ("k8s", "..data/k8s"),
            ("..data", "..2026_11_24"),
        ];
        for hidden in [".git", ".well-known", "a/.well-known", "..2026_11_24"] {
            fs::create_dir(root.join(hidden)).unwrap();
        }
        for name in [
            ".env",
            ".git/config",
            ".well-known/x",
            "a/.well-known/x",
            "..2026_11_24/k8s",
        ] {
            fs::write(root.join(name), "dotted").unwrap();
        }
        for (name, target) in links {
            symlink(target, root.join(name)).unwrap();
        }
        symlink(root.join("a/b/deep"), root.join("absolute")).unwrap();
        symlink(root.join("a"), root.join("absfolder")).unwrap();
        symlink(base.join("outside/secret"), root.join("absout")).unwrap();
        symlink(root.join(".env"), root.join("absenv")).unwrap();
        let mut roots = vec![Root::open(&root).unwrap()];
        #[cfg(target_os = "linux")]
        roots.push(Root::open(&root).unwrap().without_openat2());
        World {
            _folder: folder,
            roots,
        }
    }

    fn read(root: &Root, path: &str) -> Result<String, Errno> {
        let file = root.open_beneath(&CString::new(path).unwrap())?;
        Ok(io::read_to_string(fs::File::from(file)).unwrap_or_default())
    }

    #[test]
    fn links_are_followed_beneath_the_root_alone() {
        let world = world();
        for root in &world.roots {
            for (path, content) in [
                ("file", "file"),
                ("in", "file"),
                ("a/up", "file"),
                ("a/b/far", "file"),
                ("folder/deep", "deep"),
                ("top/a/b/deep", "deep"),
                ("dot/dot/file", "file"),
                ("absolute", "deep"),
                ("absfolder/b/deep", "deep"),
                ("sly", "file"),
                ("wk", "dotted"),
                ("a/wk", "dotted"),
                ("k8s", "dotted"),
            ] {
                assert_eq!(read(root, path).as_deref(), Ok(content), "{path} {root:?}");
                assert!(root.facts_beneath(&CString::new(path).unwrap()).is_ok());
            }
            for path in [
                "out",
                "a/out",
                "outfolder/secret",
                "etc",
                "loop",
                "dangling",
                "absout",
                "magic/etc/passwd",
                "../outside/secret",
                "a/../../outside/secret",
                "nothing",
                "file/x",
                "env",
                "a/env",
                "git/config",
                "a/sly-env",
                "twice",
                "absenv",
                "deep-wk",
            ] {
                let error = read(root, path).unwrap_err();
                assert!(
                    [Errno::XDEV, Errno::LOOP, Errno::NOENT, Errno::NOTDIR].contains(&error),
                    "{path}: {error} {root:?}"
                );
                assert!(root.facts_beneath(&CString::new(path).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn what_was_seen_once_is_at_hand() {
        let world = world();
        for root in &world.roots {
            root.warm(&[c"file".to_owned(), c"nothing".to_owned(), c"in".to_owned()]);
            let facts = root.facts_at_hand(c"file").unwrap();
            assert_eq!(Ok(facts), root.facts_beneath(c"file"));
            assert_eq!(root.facts_at_hand(c"nothing"), Err(Errno::NOENT));
            // A link is left to whom may wait; or the system can't tell.
            let linked = root.facts_at_hand(c"in");
            assert!(
                linked == Err(Errno::AGAIN) || linked == Ok(facts),
                "{linked:?}"
            );
            assert!(root.facts_at_hand(c"out").is_err());
        }
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let world = world();
        for root in &world.roots {
            let _ = rustix::fs::mkfifoat(&root.folder, c"fifo", Mode::RUSR | Mode::WUSR);
            let file = root.open_beneath(c"fifo").unwrap();
            assert_eq!(Facts::of_open(file).unwrap().kind, FileType::Fifo);
        }
    }
}
