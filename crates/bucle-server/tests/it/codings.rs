//! Content codings, from outside.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use bucle_server::{Compression, Options, Site};

use crate::support::{Answer, Running, serve};

struct World {
    _folder: tempfile::TempDir,
    root: PathBuf,
    server: Running,
}

fn text(size: usize) -> String {
    "all work and no play\n".repeat(size / 21 + 1)[..size].to_owned()
}

/// Files that are old enough to be kept and compressed.
fn world(compression: Compression) -> World {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_path_buf();
    fs::write(root.join("a.js"), text(50_000)).unwrap();
    fs::write(root.join("b.css"), text(3_000)).unwrap();
    fs::write(root.join("tiny.js"), text(100)).unwrap();
    fs::write(root.join("a.png"), text(3_000)).unwrap();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(3_000)
        .collect();
    fs::write(root.join("noise.txt"), noise).unwrap();
    fs::write(root.join("both.js"), text(2_000)).unwrap();
    fs::write(root.join("both.js.gz"), "the gzip file").unwrap();
    fs::write(root.join("both.js.br"), "the brotli file").unwrap();
    fs::write(root.join("one.js"), text(2_000)).unwrap();
    fs::write(root.join("one.js.gz"), "the gzip file").unwrap();
    fs::write(root.join("lone.js.gz"), "nothing to stand for").unwrap();
    fs::write(root.join("data"), text(2_000)).unwrap();
    fs::write(root.join("data.zst"), "the zstd file").unwrap();
    thread::sleep(Duration::from_millis(2_100));
    let site = Site::open(&root).unwrap().compression(compression);
    World {
        server: serve(Options::default(), move || site.handler()),
        _folder: folder,
        root,
    }
}

impl World {
    fn get(&self, path: &str, accept: &str) -> Answer {
        let lines = format!("Accept-Encoding: {accept}\r\n");
        let answer = self.server.request("GET", path, &lines);
        let head = self.server.request("HEAD", path, &lines);
        for name in [
            "etag",
            "content-length",
            "content-encoding",
            "vary",
            "content-type",
        ] {
            assert_eq!(
                answer.field(name),
                head.field(name),
                "{path} {accept} {name}"
            );
        }
        answer
    }

    fn set_age(&self, name: &str, seconds: u64) {
        let file = fs::File::options()
            .write(true)
            .open(self.root.join(name))
            .unwrap();
        let time = SystemTime::now() - Duration::from_secs(seconds);
        file.set_times(fs::FileTimes::new().set_modified(time))
            .unwrap();
    }
}

fn unpacked(answer: &Answer) -> String {
    use std::io::Read;
    let mut text = String::new();
    match answer.field("content-encoding") {
        Some("gzip") => {
            let mut reader = flate2::read::GzDecoder::new(&answer.body[..]);
            reader.read_to_string(&mut text).unwrap();
        }
        Some("br") => {
            let mut bytes = Vec::new();
            brotli::BrotliDecompress(&mut &answer.body[..], &mut bytes).unwrap();
            text = String::from_utf8(bytes).unwrap();
        }
        other => panic!("{other:?}"),
    }
    text
}

#[test]
fn text_is_compressed_for_who_takes_it() {
    let world = world(Compression::On);
    let plain = world.server.get("/a.js");
    assert_eq!(plain.field("content-encoding"), None);
    assert_eq!(plain.field("vary"), Some("Accept-Encoding"));
    let mut tags = vec![plain.field("etag").unwrap().to_owned()];
    for (accept, coding) in [("gzip", "gzip"), ("gzip, deflate, br", "br")] {
        let answer = world.get("/a.js", accept);
        assert_eq!(answer.field("content-encoding"), Some(coding));
        assert_eq!(answer.field("content-type"), plain.field("content-type"));
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
        assert!(unpacked(&answer) == plain.text() && answer.body.len() < 5_000);
        let etag = answer.field("etag").unwrap();
        assert!(etag.starts_with('"') && !tags.iter().any(|tag| tag == etag));
        tags.push(etag.to_owned());
        // The same again, and none for who has it.
        assert!(world.get("/a.js", accept).body == answer.body);
        let lines = format!("Accept-Encoding: {accept}\r\nIf-None-Match: {etag}\r\n");
        let hit = world.server.request("GET", "/a.js", &lines);
        assert_eq!((hit.status, hit.field("etag")), (304, Some(etag)));
        assert_eq!(hit.field("vary"), Some("Accept-Encoding"));
        // The tag of one coding says nothing of another.
        let miss = world
            .server
            .request("GET", "/a.js", &format!("If-None-Match: {etag}\r\n"));
        assert_eq!(miss.status, 200);
        // A part of what is compressed is a part of those bytes.
        let lines =
            format!("Accept-Encoding: {accept}\r\nIf-Range: {etag}\r\nRange: bytes=10-19\r\n");
        let part = world.server.request("GET", "/a.js", &lines);
        assert_eq!((part.status, &part.body[..]), (206, &answer.body[10..20]));
        assert_eq!(part.field("content-encoding"), Some(coding));
    }
    for accept in [
        "",
        "identity",
        "gzip;q=0",
        "deflate",
        "identity, gzip;q=0.1",
        "identity;q=0",
    ] {
        let answer = world.get("/a.js", accept);
        assert_eq!(answer.field("content-encoding"), None, "{accept}");
        assert!(
            answer.status == 200 && answer.body == plain.body,
            "{accept}"
        );
    }
    // Too short, of a type that gains nothing, not getting shorter.
    for path in ["/tiny.js", "/a.png", "/noise.txt"] {
        let answer = world.get(path, "gzip, br");
        assert_eq!(answer.field("content-encoding"), None, "{path}");
    }
    assert_eq!(world.get("/a.png", "gzip").field("vary"), None);
    assert_eq!(world.get("/noise.txt", "gzip").body.len(), 3_000);
}

#[test]
fn a_changed_file_is_never_sent_in_its_old_coding() {
    let world = world(Compression::On);
    assert_eq!(unpacked(&world.get("/b.css", "gzip")), text(3_000));
    fs::write(world.root.join("b.css"), text(4_000)).unwrap();
    // For as long as it may change again, it is sent as it is.
    for _ in 0..1_000 {
        let lines = "Accept-Encoding: gzip\r\n";
        let fresh = world.server.request("GET", "/b.css", lines);
        assert_eq!(fresh.field("vary"), Some("Accept-Encoding"));
        if fresh.field("content-encoding").is_some() {
            return assert_eq!(unpacked(&fresh), text(4_000));
        }
        assert_eq!(fresh.text(), text(4_000));
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it is never compressed again");
}

#[test]
fn files_compressed_beforehand_are_used_while_they_are_not_older() {
    for compression in [Compression::On, Compression::Precompressed] {
        let world = world(compression);
        for (path, accept, coding, body) in [
            ("/both.js", "gzip, br", Some("br"), "the brotli file"),
            ("/both.js", "gzip", Some("gzip"), "the gzip file"),
            ("/both.js", "br;q=0.5, gzip", Some("gzip"), "the gzip file"),
            ("/both.js", "identity", None, &*text(2_000)),
            ("/one.js", "gzip, br", Some("gzip"), "the gzip file"),
            ("/data", "zstd", Some("zstd"), "the zstd file"),
            ("/data", "gzip", None, &text(2_000)),
            ("/both.js.gz", "gzip", None, "the gzip file"),
        ] {
            let answer = world.get(path, accept);
            assert_eq!(answer.field("content-encoding"), coding, "{path} {accept}");
            assert_eq!(answer.text(), body, "{path} {accept}");
        }
        let answer = world.get("/both.js", "br");
        assert_eq!(
            answer.field("content-type"),
            Some("text/javascript; charset=utf-8")
        );
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
        let plain = world.server.get("/both.js");
        assert_ne!(plain.field("etag"), answer.field("etag"));
        // Not without its original, and not when it is older.
        assert_eq!(world.get("/lone.js", "gzip").status, 404);
        world.set_age("both.js.br", 1_000);
        assert_ne!(world.get("/both.js", "br").body, b"the brotli file");
        fs::remove_file(world.root.join("one.js.gz")).unwrap();
        assert_ne!(world.get("/one.js", "gzip").body, b"the gzip file");
        fs::remove_file(world.root.join("one.js")).unwrap();
        assert_eq!(world.get("/one.js", "gzip").status, 404);
    }
}

#[test]
fn a_file_put_beside_is_found_soon() {
    let world = world(Compression::Precompressed);
    assert_eq!(world.get("/b.css", "br").field("content-encoding"), None);
    fs::write(world.root.join("b.css.br"), "now").unwrap();
    // By GET alone: it may be found between that and a HEAD.
    let lines = "Accept-Encoding: br\r\n";
    while world.server.request("GET", "/b.css", lines).text() != "now" {
        thread::sleep(Duration::from_millis(50));
    }
    fs::write(world.root.join("b.css.br"), "again").unwrap();
    assert_eq!(world.get("/b.css", "br").text(), "again");
}

#[test]
fn compression_can_be_off() {
    let world = world(Compression::Off);
    let answer = world.get("/both.js", "gzip, br");
    assert_eq!(answer.field("content-encoding"), None);
    assert_eq!((answer.field("vary"), answer.text()), (None, &*text(2_000)));
}

#[test]
fn many_clients_at_once_get_the_same_bytes() {
    let world = world(Compression::On);
    let bodies: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let lines = "Accept-Encoding: br\r\n";
                scope.spawn(|| world.server.request("GET", "/a.js", lines))
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    for answer in &bodies {
        assert!(answer.field("content-encoding") == Some("br") && answer.body == bodies[0].body);
    }
    // Who leaves before it is done does no harm.
    fs::write(world.root.join("long.js"), text(4_000_000)).unwrap();
    thread::sleep(Duration::from_millis(2_100));
    for _ in 0..10 {
        use std::io::Write;
        let mut stream = world.server.connect();
        let request = b"GET /long.js HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n";
        stream.write_all(request).unwrap();
    }
    let answer = world
        .server
        .request("GET", "/long.js", "Accept-Encoding: gzip\r\n");
    assert!(unpacked(&answer) == text(4_000_000));
}

#[test]
fn the_page_of_a_folder_is_compressed_for_who_takes_it() {
    let world = world(Compression::On);
    let plain = world.server.get("/");
    assert_eq!(plain.field("content-encoding"), None);
    assert_eq!(plain.field("vary"), Some("Accept-Encoding"));
    let mut tags = vec![plain.field("etag").unwrap().to_owned()];
    for (accept, coding) in [("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, *", "gzip")] {
        let answer = world.get("/", accept);
        if accept.contains('*') && cfg!(feature = "zstd") {
            continue;
        }
        assert_eq!(answer.field("content-encoding"), Some(coding), "{accept}");
        assert_eq!(answer.field("content-type"), plain.field("content-type"));
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
        assert!(unpacked(&answer) == plain.text() && answer.body.len() < plain.body.len());
        let etag = answer.field("etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with(&format!("-{coding}\"")));
        tags.push(etag.to_owned());
        // Of the coding, not of the page as it is; also when the page was written anew.
        for (tag, status) in [(etag, 304), (&tags[0], 200)] {
            let lines = format!("Accept-Encoding: {accept}\r\nIf-None-Match: {tag}\r\n");
            let again = world.server.request("GET", "/", &lines);
            assert_eq!(again.status, status, "{accept} {tag}");
            assert_eq!(again.field("etag"), Some(etag));
            assert_eq!(again.field("vary"), Some("Accept-Encoding"));
        }
    }
    for accept in ["identity", "gzip;q=0", "deflate"] {
        let answer = world.get("/", accept);
        assert_eq!(answer.field("content-encoding"), None, "{accept}");
        assert_eq!(answer.field("etag"), Some(&*tags[0]));
    }
    // A folder that changed just now has a page that is sent once, most likely.
    fs::write(world.root.join("new.txt"), "new").unwrap();
    let young = world.get("/", "gzip");
    assert_eq!(young.field("content-encoding"), None);
    assert_eq!(young.field("vary"), Some("Accept-Encoding"));
    assert!(young.text().contains("new.txt"));
}

#[test]
fn the_page_of_a_folder_is_sent_as_it_is_where_the_server_compresses_nothing() {
    for compression in [Compression::Off, Compression::Precompressed] {
        let world = world(compression);
        let answer = world.get("/", "gzip, br");
        assert_eq!(answer.field("content-encoding"), None);
        assert_eq!(answer.field("vary"), None);
    }
}
