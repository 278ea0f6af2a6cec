use super::*;
use std::cell::Cell;
use std::fs::{self, FileTimes};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::site::opened::SMALL_FILE;

struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    files: Files,
    turn: Cell<u64>,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let root = Root::open(&path).unwrap();
    World {
        _folder: folder,
        files: Files::new(Arc::new(root), Arc::default()),
        path,
        turn: Cell::new(0),
    }
}

impl World {
    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path.join(name), content).unwrap();
    }

    /// Asks as a request of a new turn does, in a world whose clock is `ahead` of the disk's.
    fn ask(&self, name: &str, ahead: Duration) -> Result<Rc<Opened>, Errno> {
        self.turn.set(self.turn.get() + 1);
        let (turn, now) = (self.turn.get(), Instant::now() + ahead);
        if let Some(opened) = self.files.kept(name, turn, || now) {
            return Ok(opened);
        }
        let path = CString::new(name).unwrap();
        match self.files.open(name, &path, self.moment(ahead), true)? {
            Found::File(opened) => Ok(opened),
            Found::Folder => Err(Errno::ISDIR),
        }
    }

    fn moment(&self, ahead: Duration) -> Moment {
        Moment {
            turn: self.turn.get(),
            now: Instant::now() + ahead,
            wall: SystemTime::now() + ahead,
        }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let opened = self.ask(name, LATER).unwrap();
        let Some(file) = opened.file() else {
            return opened.content().to_vec();
        };
        let mut bytes = vec![0; opened.length() as usize];
        let file = fs::File::from(file.try_clone().unwrap());
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn kept(&self) -> usize {
        self.files.held().0
    }
}

/// So far ahead that what was written just now is settled.
const LATER: Duration = Duration::from_secs(60);

#[test]
fn a_settled_file_is_kept_and_a_fresh_one_is_not() {
    let world = world();
    world.write("a", b"one");
    // As if it had been changed only now.
    let moment = Moment {
        wall: SystemTime::UNIX_EPOCH,
        ..world.moment(Duration::ZERO)
    };
    let path = CString::new("a").unwrap();
    let fresh = world.files.open("a", &path, moment, true).unwrap();
    let Found::File(fresh) = fresh else {
        panic!("{fresh:?}");
    };
    assert!(fresh.etag().starts_with(b"W/\""));
    assert_eq!(world.kept(), 0);
    let settled = world.ask("a", LATER).unwrap();
    assert!(settled.etag().starts_with(b"\""));
    assert_eq!(world.kept(), 1);
    assert!(Rc::ptr_eq(&settled, &world.ask("a", LATER).unwrap()));
}

#[test]
fn every_change_is_seen_by_the_next_turn() {
    let world = world();
    world.write("a", b"one");
    let large = vec![b'x'; SMALL_FILE as usize + 1];
    world.write("b", &large);
    for name in ["a", "b"] {
        world.bytes(name);
    }
    assert_eq!(world.kept(), 2);
    // In place, same length; longer; from small to large and back; replaced; removed.
    world.write("a", b"two");
    assert_eq!(world.bytes("a"), b"two");
    world.write("a", &large);
    assert_eq!(world.bytes("a"), large);
    world.write("b", b"now small");
    assert_eq!(world.bytes("b"), b"now small");
    world.write("new", b"new");
    fs::rename(world.path.join("new"), world.path.join("b")).unwrap();
    assert_eq!(world.bytes("b"), b"new");
    fs::remove_file(world.path.join("b")).unwrap();
    assert_eq!(world.ask("b", LATER).unwrap_err(), Errno::NOENT);
    fs::create_dir(world.path.join("b")).unwrap();
    assert_eq!(world.ask("b", LATER).unwrap_err(), Errno::ISDIR);
}

#[test]
fn setting_the_times_back_hides_no_change() {
    let world = world();
    world.write("a", b"one");
    let path = world.path.join("a");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    world.bytes("a");
    world.write("a", b"two");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_times(FileTimes::new().set_modified(before))
        .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert_eq!(world.bytes("a"), b"two");
}

#[test]
fn a_path_that_leads_out_of_the_root_all_at_once_is_found_out() {
    let world = world();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(world.path.join("sub")).unwrap();
    world.write("sub/a", b"one");
    world.bytes("sub/a");
    // The very same file, but no longer beneath the root.
    let moved = outside.path().join("sub");
    fs::rename(world.path.join("sub"), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, world.path.join("sub")).unwrap();
    let error = world.ask("sub/a", LATER + RESOLVE_AGAIN).unwrap_err();
    assert_eq!(error, Errno::XDEV);
    assert_eq!(world.kept(), 0);
}

#[test]
fn what_is_kept_is_bounded() {
    const LARGE: usize = SMALL_FILE as usize + 1;
    let mut world = world();
    world.files.bounds = Bounds {
        files: 20,
        bytes: 20_000,
        descriptors: 8,
    };
    let write = |kind: &str, size: usize| {
        let content = vec![b'x'; size];
        for number in 0..30 {
            world.write(&format!("{kind}{number}"), &content);
        }
    };
    write("many", 1);
    write("long", 3_000);
    write("large", LARGE);
    let within_bounds = || {
        let (files, bytes, descriptors) = world.files.held();
        files <= 20 && bytes <= 20_000 && descriptors <= 8
    };
    for kind in ["many", "long", "large"] {
        for number in 0..30 {
            world.bytes(&format!("{kind}{number}"));
            assert!(world.kept() > 0 && within_bounds());
        }
    }
    // What is asked for again and again stays.
    let first = world.ask("many0", LATER).unwrap();
    for number in 1..30 {
        world.bytes(&format!("many{number}"));
        assert!(Rc::ptr_eq(&first, &world.ask("many0", LATER).unwrap()));
        assert!(within_bounds());
    }
    // A file that is too long for half the bounds does no harm.
    world.files.bounds.bytes = 1_000;
    world.bytes("long0");
    world.bytes("many1");
    // Weights are taken back as they were counted.
    for generation in [&world.files.young, &world.files.old] {
        let kept: Vec<_> = generation
            .borrow()
            .kept
            .iter()
            .map(|kept| kept.0.clone())
            .collect();
        for opened in kept {
            generation.borrow_mut().remove(opened.name());
        }
    }
    assert_eq!(world.files.held(), (0, 0, 0));
}

#[test]
fn devices_and_fifos_are_not_even_opened() {
    let world = world();
    let root = fs::File::open(&world.path).unwrap();
    rustix::fs::mkfifoat(
        &root,
        c"fifo",
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.path.join("socket")).unwrap();
    for name in ["fifo", "socket"] {
        assert_eq!(world.ask(name, LATER).unwrap_err(), Errno::NXIO, "{name}");
    }
}

#[test]
fn heads_say_what_a_client_needs_and_304_says_less() {
    let world = world();
    world.write("a.html", b"one");
    let opened = world.ask("a.html", LATER).unwrap();
    let text = |lines: &[u8]| String::from_utf8(lines.to_vec()).unwrap();
    let lines = text(opened.lines());
    let etag = std::str::from_utf8(opened.etag()).unwrap();
    let date = httpdate::fmt_http_date(
        fs::metadata(world.path.join("a.html"))
            .unwrap()
            .modified()
            .unwrap(),
    );
    let shared = format!(
        "Cache-Control: no-cache\r\nVary: Accept-Encoding\r\nLast-Modified: {date}\r\nETag: {etag}\r\n"
    );
    assert_eq!(text(opened.lines_not_modified()), shared);
    assert_eq!(
        lines,
        format!(
            "Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
             Accept-Ranges: bytes\r\n{shared}"
        )
    );
    world.write("b.png", b"one");
    let lines = text(world.ask("b.png", LATER).unwrap().lines());
    assert!(lines.starts_with("Content-Type: image/png\r\n") && !lines.contains("Vary"));
}

#[test]
fn what_lies_beside_a_file_is_found_while_it_is_not_older() {
    let world = world();
    world.write("a.js", b"plain");
    world.write("a.js.br", b"brotli");
    let opened = world.ask("a.js", LATER).unwrap();
    let variants = opened.variants.as_ref().unwrap();
    assert!(variants.is_beside(Coding::Brotli) && !variants.is_beside(Coding::Gzip));
    let beside = |opened: &Rc<Opened>| {
        let moment = world.moment(LATER);
        world
            .files
            .beside(opened, Coding::Brotli, moment, true)
            .unwrap()
    };
    let variant = beside(&opened).unwrap();
    assert_eq!(variant.content(), b"brotli");
    assert!(variant.etag() != opened.etag() && variant.etag().ends_with(b"-br\""));
    let lines = String::from_utf8(variant.lines().to_vec()).unwrap();
    assert!(
        lines.contains("Content-Type: text/javascript; charset=utf-8\r\n"),
        "{lines}"
    );
    assert!(
        lines.contains("Content-Encoding: br\r\n") && lines.contains("Vary: Accept-Encoding\r\n")
    );
    // It is kept with the file, and counts.
    assert!(Rc::ptr_eq(&variant, &beside(&opened).unwrap()));
    assert_eq!(world.files.held().1, opened.weight().0);
    // Changed.
    world.write("a.js.br", b"other");
    world.turn.set(world.turn.get() + 1);
    assert_eq!(beside(&opened).unwrap().content(), b"other");
    // The file has become newer than what was made of it.
    world.write("a.js", b"newer");
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(1));
    let older = fs::File::options()
        .write(true)
        .open(world.path.join("a.js.br"))
        .unwrap();
    older.set_times(times).unwrap();
    let opened = world.ask("a.js", LATER).unwrap();
    assert!(!opened.variants.as_ref().unwrap().is_beside(Coding::Brotli));
    assert!(beside(&opened).is_none());
    // Gone.
    fs::remove_file(world.path.join("a.js.br")).unwrap();
    assert!(beside(&opened).is_none());
    // Nothing is looked for beside what gains nothing.
    world.write("a.png", b"png");
    assert!(world.ask("a.png", LATER).unwrap().variants.is_none());
}

#[test]
fn a_variant_counts_with_its_file_and_within_the_bounds() {
    let mut world = world();
    world.files.bounds.bytes = 200_000;
    world.write("a.js", &[b'x'; 5_000]);
    let opened = world.ask("a.js", LATER).unwrap();
    let variants = opened.variants.as_ref().unwrap();
    let make = |coding, size: usize| {
        let moment = world.moment(LATER);
        world.files.made(&opened, coding, vec![b'y'; size], moment);
        variants.get(coding)
    };
    let Variant::Made(variant) = make(Coding::Gzip, 30_000) else {
        panic!("it fits");
    };
    assert_eq!(variant.content().len(), 30_000);
    assert!(variant.etag().ends_with(b"-gzip\""));
    let held = world.files.held();
    assert_eq!(held.1, opened.weight().0);
    assert!(held.1 > 35_000);
    // Too much for half the bounds: it is not made again for each who asks, and what is kept stays.
    assert!(matches!(make(Coding::Brotli, 70_000), Variant::Useless));
    assert!(!variants.can_make(Coding::Brotli));
    assert_eq!(world.files.held(), held);
    assert!(matches!(variants.get(Coding::Gzip), Variant::Made(_)));
}

#[test]
fn for_want_of_descriptors_the_kept_ones_are_closed() {
    let world = world();
    world.write("large", &vec![b'x'; SMALL_FILE as usize + 1]);
    world.bytes("large");
    assert_eq!(world.files.held().2, 1);
    assert!(world.files.let_descriptors_go());
    assert_eq!(world.files.held(), (0, 0, 0));
    assert!(!world.files.let_descriptors_go());
}
