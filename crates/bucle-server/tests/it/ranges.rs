//! Ranges and preconditions, from outside: raw requests, exact answers.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use bucle_server::{Options, Site};

use crate::support::{Answer, Running, read_answers, serve};

struct World {
    folder: tempfile::TempDir,
    server: Running,
}

const LARGE: usize = 3_000_000;

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

/// A small file of 1000 bytes, a large one, and an empty one, all old enough for strong tags.
fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.png"), content(1_000)).unwrap();
    fs::write(folder.path().join("large.png"), content(LARGE)).unwrap();
    fs::write(folder.path().join("empty.png"), "").unwrap();
    thread::sleep(Duration::from_millis(2_100));
    let site = Site::open(folder.path()).unwrap();
    World {
        server: serve(Options::default(), move || site.handler()),
        folder,
    }
}

impl World {
    fn get(&self, path: &str, lines: &str) -> Answer {
        self.server.request("GET", path, lines)
    }
}

#[test]
fn one_range_is_answered_with_206_and_nothing_else() {
    let world = world();
    let whole = world.get("/small.png", "");
    for (path, size) in [("/small.png", 1_000), ("/large.png", LARGE)] {
        let all = content(size);
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..size),
            ("bytes=10-19", 10..20),
            ("bytes=-7", size - 7..size),
            ("bytes=-999999999999999999999999", 0..size),
            ("bytes=500-999999999999999999999", 500..size),
            ("bytes=0-10,5-20", 0..21),
        ] {
            let answer = world.get(path, &format!("Range: {range}\r\n"));
            assert_eq!(answer.status, 206, "{path} {range}");
            assert!(answer.body == all[part.clone()], "{path} {range}");
            let content_range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            assert_eq!(answer.field("content-range"), Some(&*content_range));
            assert_eq!(answer.field("content-type"), Some("image/png"));
            assert_eq!(
                answer.field("content-length"),
                Some(&*part.len().to_string())
            );
        }
    }
    let answer = world.get("/small.png", "Range: bytes=0-9\r\n");
    for name in ["etag", "last-modified", "cache-control", "accept-ranges"] {
        assert!(
            answer.field(name).is_some() && answer.field(name) == whole.field(name),
            "{name}"
        );
    }
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let world = world();
    for (path, size) in [("/small.png", 1_000), ("/large.png", LARGE)] {
        let all = content(size);
        let answer = world.get(path, "Range: bytes=600-609, 0-4 ,-1\r\n");
        assert_eq!(answer.status, 206);
        assert_eq!(answer.field("content-range"), None);
        let content_type = answer.field("content-type").unwrap();
        let boundary = content_type
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let mut wanted = Vec::new();
        for (before, first, last) in [("", 600, 609), ("\r\n", 0, 4), ("\r\n", size - 1, size - 1)]
        {
            wanted.extend_from_slice(
                format!(
                    "{before}--{boundary}\r\nContent-Type: image/png\r\n\
                     Content-Range: bytes {first}-{last}/{size}\r\n\r\n"
                )
                .as_bytes(),
            );
            wanted.extend_from_slice(&all[first..=last]);
        }
        wanted.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(
            answer.body == wanted,
            "{:?}",
            String::from_utf8_lossy(&answer.body)
        );
        // Another boundary each time.
        let again = world.get(path, "Range: bytes=600-609, 0-4 ,-1\r\n");
        assert_ne!(again.field("content-type"), answer.field("content-type"));
    }
    // What comes behind is not torn: pipelined, by one connection.
    let mut stream = world.server.connect();
    let request = "GET /large.png HTTP/1.1\r\nHost: x\r\nRange: bytes=0-99999,1000000-1099999\r\n\r\n\
                   GET /small.png HTTP/1.1\r\nHost: x\r\nRange: bytes=1-1\r\n\r\n";
    stream.write_all(request.repeat(3).as_bytes()).unwrap();
    for pair in read_answers(&mut stream, 6).chunks(2) {
        assert!(pair[0].body.len() > 200_000 && pair[0].status == 206);
        assert_eq!(pair[1].body, [1]);
    }
}

#[test]
fn what_can_t_be_satisfied_is_416_and_what_is_absurd_is_ignored() {
    let world = world();
    for (path, range, length) in [
        ("/small.png", "bytes=1000-", 1_000),
        ("/small.png", "bytes=-0", 1_000),
        ("/small.png", "bytes=5000-6000,7000-", 1_000),
        ("/large.png", "bytes=99999999999999999999-", LARGE),
        ("/empty.png", "bytes=0-", 0),
    ] {
        let answer = world.get(path, &format!("Range: {range}\r\n"));
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(
            answer.field("content-range"),
            Some(&*format!("bytes */{length}"))
        );
        assert_eq!(answer.field("etag"), None);
    }
    let killer = format!("bytes=0-{}", ",5-0".repeat(500));
    let many = format!("bytes=0-0{}", ",9-9,0-0".repeat(500));
    for range in [
        "bytes=5-3",
        "bytes=x",
        "lines=0-1",
        "bytes=",
        &killer,
        &many,
    ] {
        let answer = world.get("/small.png", &format!("Range: {range}\r\n"));
        assert_eq!((answer.status, answer.body.len()), (200, 1_000), "{range}");
        assert_eq!(answer.field("content-range"), None);
    }
    let empty = world.get("/empty.png", "Range: bytes=-5\r\n");
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let head = world
        .server
        .request("HEAD", "/small.png", "Range: bytes=0-1\r\n");
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("1000"))
    );
    let twice = world.get("/small.png", "Range: bytes=0-1\r\nRange: bytes=0-1\r\n");
    assert_eq!(twice.status, 200);
}

#[test]
fn preconditions_come_in_their_order() {
    let world = world();
    let get = world.get("/small.png", "");
    let (etag, date) = (
        get.field("etag").unwrap(),
        get.field("last-modified").unwrap(),
    );
    assert!(etag.starts_with('"'));
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (lines, status) in [
        (format!("If-Match: {etag}"), 200),
        ("If-Match: *".into(), 200),
        ("If-Match: \"other\"".into(), 412),
        (format!("If-Match: W/{etag}"), 412),
        (
            format!("If-Match: {etag}\r\nIf-Unmodified-Since: {old}"),
            200,
        ),
        (format!("If-Unmodified-Since: {old}"), 412),
        (format!("If-Unmodified-Since: {date}"), 200),
        (format!("If-Match: \"other\"\r\nIf-None-Match: {etag}"), 412),
        (
            format!("If-Unmodified-Since: {old}\r\nIf-Modified-Since: {date}"),
            412,
        ),
        (format!("If-Match: {etag}\r\nIf-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        (
            format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {date}"),
            200,
        ),
        (format!("If-None-Match: {etag}\r\nRange: bytes=0-1"), 304),
        (format!("If-Match: {etag}\r\nRange: bytes=0-1"), 206),
        ("If-Match: \"other\"\r\nRange: bytes=9999-".into(), 412),
        ("If-None-Match: \"other\"\r\nRange: bytes=9999-".into(), 416),
        (format!("If-Range: {etag}\r\nRange: bytes=0-1"), 206),
        (format!("If-Range: {date}\r\nRange: bytes=0-1"), 206),
        ("If-Range: \"other\"\r\nRange: bytes=0-1".into(), 200),
        ("If-Range: \"other\"\r\nRange: bytes=9999-".into(), 200),
        (format!("If-Range: W/{etag}\r\nRange: bytes=0-1"), 200),
        (format!("If-Range: {old}\r\nRange: bytes=0-1"), 200),
        (format!("If-Range: {etag}"), 200),
    ] {
        let answer = world.get("/small.png", &format!("{lines}\r\n"));
        assert_eq!(answer.status, status, "{lines}");
        let head = world
            .server
            .request("HEAD", "/small.png", &format!("{lines}\r\n"));
        let wanted = if matches!(status, 206 | 416) {
            200
        } else {
            status
        };
        assert_eq!(head.status, wanted, "HEAD {lines}");
    }
}

#[test]
fn a_range_of_a_changed_file_is_the_whole_new_one() {
    let world = world();
    let get = world.get("/small.png", "");
    let etag = get.field("etag").unwrap();
    let lines = format!("If-Range: {etag}\r\nRange: bytes=500-\r\n");
    assert_eq!(world.get("/small.png", &lines).status, 206);
    fs::write(world.folder.path().join("small.png"), content(900)).unwrap();
    let answer = world.get("/small.png", &lines);
    assert_eq!((answer.status, answer.body.len()), (200, 900));
    // Of a file that may change again unseen, no part is sent by its tag: one so large may be in the
    // middle of being written for as long as two seconds.
    let large = world.folder.path().join("large.png");
    fs::File::create(large).unwrap().set_len(1 << 30).unwrap();
    let answer = world.server.request("HEAD", "/large.png", "");
    let etag = answer.field("etag").unwrap();
    let lines = format!("If-Range: {etag}\r\nRange: bytes=500-\r\n");
    assert!(etag.starts_with("W/"));
    assert_eq!(
        world.server.request("HEAD", "/large.png", &lines).status,
        200
    );
}

#[test]
fn a_file_truncated_while_a_part_is_sent_ends_the_connection() {
    let world = world();
    let path = world.folder.path().join("shrinks.png");
    fs::write(&path, vec![b'x'; 50_000_000]).unwrap();
    for ranges in ["bytes=1000-", "bytes=0-20000000,30000000-"] {
        let mut stream = world.server.connect();
        let request = format!("GET /shrinks.png HTTP/1.1\r\nHost: x\r\nRange: {ranges}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut start = [0; 1000];
        stream.read_exact(&mut start).unwrap();
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1_000)
            .unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 40_000_000);
        fs::write(&path, vec![b'x'; 50_000_000]).unwrap();
    }
}
