//! Static files from outside.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bucle_server::{Options, SMALL_FILE, Site};

use crate::support::{Answer, Running, read_answers, read_to_end, serve};

struct World {
    _folder: tempfile::TempDir,
    /// What is served; beside it is `secret`, which is not.
    root: PathBuf,
    server: Running,
}

fn world() -> World {
    world_with(|site| site)
}

fn world_with(change: fn(Site) -> Site) -> World {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let root = base.join("root");
    fs::create_dir_all(root.join("folder/inner")).unwrap();
    fs::create_dir_all(root.join("with index")).unwrap();
    fs::create_dir_all(root.join(".well-known")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    let files: [(&[u8], &str); 11] = [
        (b"../secret", "secret"),
        (b"index.html", "<p>root</p>"),
        (b"a.txt", "a"),
        (b"empty", ""),
        (b"folder/b.css", "b"),
        (b"with index/index.html", "indexed"),
        (b".well-known/token", "token"),
        (b".git/config", "secret"),
        (b".env", "secret"),
        (b"back\\slash", "backslash"),
        (b"caf\xc3\xa9 %41", "coffee"),
    ];
    for (name, content) in files {
        fs::write(root.join(OsStr::from_bytes(name)), content).unwrap();
    }
    fs::write(root.join(OsStr::from_bytes(b"\xff")), "no text").unwrap();
    symlink("a.txt", root.join("inside")).unwrap();
    symlink("../secret", root.join("outside")).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink(root.join("a.txt"), root.join("absolute-inside")).unwrap();
    symlink("..", root.join("up")).unwrap();
    let site = change(Site::open(&root).unwrap());
    World {
        server: serve(Options::default(), move || site.handler()),
        root,
        _folder: folder,
    }
}

#[test]
fn files_are_found_by_their_names() {
    let world = world();
    for (target, content) in [
        ("/", "<p>root</p>"),
        ("/index.html", "<p>root</p>"),
        ("/a.txt", "a"),
        ("/a.txt?with=query", "a"),
        ("/%61.txt", "a"),
        ("//a.txt", "a"),
        ("/folder//b.css", "b"),
        ("/with%20index/", "indexed"),
        ("/.well-known/token", "token"),
        ("/%2ewell-known/token", "token"),
        ("/back%5Cslash", "backslash"),
        ("/caf%C3%A9%20%2541", "coffee"),
        ("/%ff", "no text"),
        ("/inside", "a"),
        ("/absolute-inside", "a"),
        ("/empty", ""),
        ("http://x/a.txt", "a"),
    ] {
        let answer = world.server.get(target);
        assert_eq!((answer.status, answer.text()), (200, content), "{target}");
    }
}

#[test]
fn nothing_else_is_found() {
    let world = world();
    for (target, status) in [
        ("/nothing", 404),
        ("/a.txt/", 404),
        ("/a.txt/b", 404),
        ("/folder/nothing", 404),
        ("/.git/config", 404),
        ("/.env", 404),
        ("/%2eenv", 404),
        ("/.well-known/../.env", 400),
        ("/folder/.well-known", 404),
        ("/outside", 404),
        ("/absolute", 404),
        ("/up/secret", 404),
        ("/up/root/a.txt", 200),
        ("/../secret", 400),
        ("/%2e%2e/secret", 400),
        ("/..%2fsecret", 400),
        ("/%2e%2e%2fsecret", 400),
        ("/..%5csecret", 404),
        ("/..%5c..%5csecret", 404),
        ("/%252e%252e/secret", 404),
        ("/%252e%252e%252fsecret", 404),
        ("/folder/../../secret", 400),
        ("/folder/..%2f..%2fsecret", 400),
        ("/folder/%2e%2e/%2e%2e/secret", 400),
        ("/.%2e/secret", 400),
        ("/..;/secret", 404),
        ("/%c0%ae%c0%ae/secret", 404),
        ("/%c0%ae%c0%ae%c0%afsecret", 404),
        ("/%uff0e%uff0e/secret", 400),
        ("/a.txt%00", 400),
        ("/%00", 400),
        ("/a.txt%00.html", 400),
        ("/%", 400),
        ("/%4", 400),
        ("/%zz", 400),
        ("/./a.txt", 400),
        ("/proc/self/environ", 404),
        ("//etc/passwd", 404),
        ("/~root", 404),
    ] {
        let answer = world.server.get(target);
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(!answer.text().contains("secret"), "{target}");
    }
    let long = world.server.get(&format!("/{}", "x".repeat(300)));
    assert_eq!(long.status, 404);
    let deep = world.server.get(&"/x".repeat(3_000));
    assert_eq!(deep.status, 404);
}

#[test]
fn other_methods_are_told_which_there_are() {
    let world = world();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = world.server.request(method, "/a.txt", "");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
    }
    for method in ["PURGE", "get", "PROPFIND", "M"] {
        let answer = world.server.request(method, "/a.txt", "");
        assert_eq!(answer.status, 501, "{method}");
    }
    for target in ["*", "/a.txt", "/missing", "/", "http://x"] {
        let answer = world.server.request("OPTIONS", target, "");
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(answer.field("content-length"), Some("0"));
    }
    assert_eq!(world.server.request("OPTIONS", "/../a", "").status, 400);
}

#[test]
fn a_slash_behind_a_file_is_no_file_however_often_it_is_asked_for() {
    let world = world();
    let path = world.root.join("old.txt");
    fs::write(&path, "old").unwrap();
    // Changed long enough ago to be kept.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    for _ in 0..3 {
        assert_eq!(world.server.get("/old.txt/").status, 404);
        assert_eq!(world.server.get("/old.txt").status, 200);
    }
}

#[test]
fn a_file_that_is_not_as_wanted_is_412() {
    let world = world();
    let tag = world.server.get("/a.txt");
    let tag = tag.field("etag").unwrap();
    for (lines, status) in [
        ("If-Match: *\r\n".to_owned(), 200),
        ("If-Match: \"other\"\r\n".to_owned(), 412),
        (
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned(),
            412,
        ),
        (
            format!("If-Match: \"other\"\r\nIf-None-Match: {tag}\r\n"),
            412,
        ),
        (format!("If-None-Match: {tag}\r\n"), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = world.server.request(method, "/a.txt", &lines);
            assert_eq!(answer.status, status, "{method} {lines}");
        }
    }
    let missing = world
        .server
        .request("GET", "/missing", "If-Match: \"other\"\r\n");
    assert_eq!(missing.status, 404);
}

#[test]
fn a_folder_without_its_slash_redirects_within_this_host() {
    let world = world();
    fs::create_dir_all(world.root.join("evil.example")).unwrap();
    fs::create_dir_all(world.root.join("b\\evil")).unwrap();
    fs::create_dir_all(world.root.join("a:b\r\nX: y")).unwrap();
    for (target, location) in [
        ("/folder", "/folder/"),
        ("/folder?a=b&c", "/folder/?a=b&c"),
        ("/folder?", "/folder/?"),
        ("/folder/inner", "/folder/inner/"),
        ("/with%20index", "/with%20index/"),
        ("//evil.example", "/evil.example/"),
        ("///evil.example", "/evil.example/"),
        ("/b%5Cevil", "/b%5Cevil/"),
        ("/a%3Ab%0d%0aX:%20y", "/a%3Ab%0D%0AX%3A%20y/"),
    ] {
        let answer = world.server.get(target);
        assert_eq!(answer.status, 301, "{target}");
        assert_eq!(answer.field("location"), Some(location), "{target}");
        assert_eq!(answer.field("x"), None);
    }
}

#[test]
fn a_folder_is_listed_unless_it_must_not_be() {
    let world = world();
    let answer = world.server.get("/folder/");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.field("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(answer.field("content-security-policy").is_some());
    let text = answer.text();
    assert!(text.contains("<a href=\"inner/\">inner/</a>"), "{text}");
    assert!(
        text.contains("<a href=\"b.css\">b.css</a><td>1 B"),
        "{text}"
    );
    fs::remove_file(world.root.join("index.html")).unwrap();
    let answer = world.server.get("/");
    let text = answer.text();
    assert!(text.contains("href=\"%FF\"") && text.contains("href=\"back%5Cslash\""));
    assert!(
        text.contains("\"inside\"") && !text.contains("\"up/\""),
        "{text}"
    );
    for hidden in [".git", ".env", ".well-known", "outside\"", "absolute\""] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let head = world.server.request("HEAD", "/folder/", "");
    assert_eq!(head.status, 200);

    let closed = world_with(|site| site.listing(false));
    assert_eq!(closed.server.get("/folder/").status, 404);
    assert_eq!(closed.server.get("/").text(), "<p>root</p>");
}

#[test]
fn a_site_can_have_a_path_of_its_own() {
    let world = world_with(|site| site.at("/static/"));
    assert_eq!(world.server.get("/static/a.txt").text(), "a");
    assert_eq!(world.server.get("/static/").text(), "<p>root</p>");
    for target in ["/static", "/static?q", "/static/folder", "/static//folder"] {
        let answer = world.server.get(target);
        let location = answer.field("location").unwrap();
        assert!(location.starts_with("/static/"), "{target}: {location}");
    }
    for target in [
        "/",
        "/a.txt",
        "/staticx/a.txt",
        "/%73tatic/a.txt",
        "/static/../a.txt",
    ] {
        assert_ne!(world.server.get(target).status, 200, "{target}");
    }
    let listing = world.server.get("/static/folder/");
    assert!(
        listing
            .text()
            .contains("<a href=\"/static/folder/\">folder</a>")
    );
}

#[test]
fn what_is_no_file_is_not_there() {
    let world = world();
    let root = fs::File::open(&world.root).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(&root, c"fifo", mode).unwrap();
    rustix::fs::mkfifoat(&root, c"folder/index.html", mode).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.root.join("socket")).unwrap();
    for target in ["/fifo", "/socket", "/fifo/"] {
        assert_eq!(world.server.get(target).status, 404, "{target}");
    }
    // An index that is no file is none.
    assert_eq!(world.server.get("/folder/").status, 200);
}

#[test]
fn what_may_not_be_read_is_forbidden() {
    let world = world();
    fs::set_permissions(world.root.join("a.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    let readable = fs::File::open(world.root.join("a.txt")).is_ok();
    // Root may read everything.
    let wanted = if readable { 200 } else { 403 };
    assert_eq!(world.server.get("/a.txt").status, wanted);
}

/// The entity tag of a file that may have been changed just now: weak until it can't change unseen.
fn mark(answer: &Answer) -> &str {
    answer.field("etag").unwrap().trim_start_matches("W/")
}

#[test]
fn heads_tell_what_a_cache_needs() {
    let world = world();
    let get = world.server.get("/a.txt");
    assert_eq!(get.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(get.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(get.field("content-length"), Some("1"));
    assert_eq!(get.field("cache-control"), Some("no-cache"));
    assert_eq!(get.field("accept-ranges"), Some("bytes"));
    assert_eq!(get.field("vary"), Some("Accept-Encoding"));
    assert!(get.field("last-modified").is_some() && get.field("etag").is_some());
    let head = world.server.request("HEAD", "/a.txt", "");
    assert_eq!(mark(&head), mark(&get));
    assert_eq!(head.field("content-length"), Some("1"));
    assert_eq!(
        world.server.get("/").field("cache-control"),
        Some("no-cache")
    );
}

#[test]
fn who_has_it_already_gets_304() {
    let world = world();
    let get = world.server.get("/a.txt");
    let etag = get.field("etag").unwrap();
    let date = get.field("last-modified").unwrap();
    for lines in [
        format!("If-None-Match: {etag}\r\n"),
        format!("If-None-Match: \"other\", {etag}\r\n"),
        "If-None-Match: *\r\n".into(),
        format!("If-Modified-Since: {date}\r\n"),
        format!("If-None-Match: {etag}\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = world.server.request(method, "/a.txt", &lines);
            assert_eq!(answer.status, 304, "{lines}");
            assert_eq!(mark(&answer), mark(&get));
            assert_eq!(answer.field("content-length"), None);
            assert_eq!(answer.field("content-type"), None);
        }
    }
    for lines in [
        "If-None-Match: \"other\"\r\n".to_owned(),
        format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {date}\r\n"),
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".into(),
        "If-Modified-Since: yesterday\r\n".into(),
    ] {
        let answer = world.server.request("GET", "/a.txt", &lines);
        assert_eq!((answer.status, answer.text()), (200, "a"), "{lines}");
    }
}

#[test]
fn a_changed_file_is_seen_by_the_next_request() {
    let world = world();
    let mut stream = world.server.connect();
    let mut ask = |target: &str| {
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        read_answers(&mut stream, 1).remove(0)
    };
    // Long enough ago for the file to be kept.
    assert_eq!(ask("/a.txt").text(), "a");
    thread::sleep(Duration::from_millis(2_100));
    let kept = ask("/a.txt");
    assert!(kept.field("etag").unwrap().starts_with('"'), "{kept:?}");
    assert_eq!(ask("/a.txt"), kept_with_date_of(&kept, &ask("/a.txt")));
    for content in ["b", "longer", "c"] {
        fs::write(world.root.join("a.txt"), content).unwrap();
        assert_eq!(ask("/a.txt").text(), content);
        fs::write(world.root.join("new"), "replaced").unwrap();
        fs::rename(world.root.join("new"), world.root.join("a.txt")).unwrap();
        assert_eq!(ask("/a.txt").text(), "replaced");
    }
    fs::remove_file(world.root.join("a.txt")).unwrap();
    assert_eq!(ask("/a.txt").status, 404);
    fs::rename(world.root.join("folder"), world.root.join("moved")).unwrap();
    assert_eq!(ask("/folder/b.css").status, 404);
    assert_eq!(ask("/moved/b.css").text(), "b");
}

/// The same answer, a second later perhaps.
fn kept_with_date_of(kept: &Answer, other: &Answer) -> Answer {
    let (old, new) = (kept.field("date").unwrap(), other.field("date").unwrap());
    Answer {
        head: kept.head.replace(old, new),
        ..kept.clone()
    }
}

#[test]
fn a_root_put_in_the_place_of_another_is_served_soon() {
    let world = world();
    assert_eq!(world.server.get("/a.txt").text(), "a");
    let old = world.root.with_file_name("old");
    fs::rename(&world.root, old).unwrap();
    // While there is none, the old one is served.
    assert_eq!(world.server.get("/a.txt").text(), "a");
    fs::create_dir(&world.root).unwrap();
    fs::write(world.root.join("a.txt"), "new root").unwrap();
    loop {
        // The watchdog is the test runner's.
        if world.server.get("/a.txt").text() == "new root" {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_root_that_was_removed_is_not_there_until_it_is_made_again() {
    let world = world();
    fs::remove_file(world.root.join("index.html")).unwrap();
    assert_eq!(world.server.get("/").status, 200);
    fs::remove_dir_all(&world.root).unwrap();
    for path in ["/", "/a.txt", "/folder/", "/"] {
        assert_eq!(world.server.get(path).status, 404, "{path}");
    }
    fs::create_dir(&world.root).unwrap();
    // The watchdog is the test runner's.
    while world.server.get("/").status != 200 {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(world.server.get("/").text().contains("empty"));
    fs::write(world.root.join("a.txt"), "again").unwrap();
    assert_eq!(world.server.get("/a.txt").text(), "again");
}

#[test]
fn large_files_are_sent_whole() {
    let world = world();
    let sizes = [
        SMALL_FILE - 1,
        SMALL_FILE,
        SMALL_FILE + 1,
        300_000,
        20_000_000,
    ];
    for size in sizes {
        let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        fs::write(world.root.join("large"), &content).unwrap();
        let answer = world.server.get("/large");
        assert!(answer.body == content, "{size}");
        let head = world.server.request("HEAD", "/large", "");
        assert_eq!(head.field("content-length"), Some(&*size.to_string()));
    }
    // Pipelined, with others between, to a client that reads late.
    let mut stream = world.server.connect();
    let three = "GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(three.repeat(3).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(200));
    let answers = read_answers(&mut stream, 6);
    for pair in answers.chunks(2) {
        assert_eq!(pair[0].body.len(), 20_000_000);
        assert_eq!(pair[1].text(), "a");
    }
}

#[test]
fn what_is_not_in_memory_is_sent_whole_too() {
    let world = world();
    let path = world.root.join("cold");
    let content: Vec<u8> = (0..20_000_000).map(|n| (n % 251) as u8).collect();
    for size in [1_000, 100_000, 20_000_000] {
        fs::write(&path, &content[..size]).unwrap();
        let file = fs::File::open(&path).unwrap();
        let forget = || {
            // As far as the file system can: what is not written yet stays.
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        };
        for keep in [true, false] {
            if keep {
                forget();
            }
            let answer = world.server.get("/cold");
            assert!(answer.body == content[..size], "{size}");
            let lines = format!("Range: bytes=10-19,{}-\r\n", size / 2);
            forget();
            let answer = world.server.request("GET", "/cold", &lines);
            assert_eq!(answer.status, 206);
            let half = answer.body.len() - size / 2;
            assert!(half < 1_000 && answer.body.ends_with(b"--\r\n"), "{half}");
        }
        // Pipelined, with others behind.
        forget();
        let mut stream = world.server.connect();
        let two = "GET /cold HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(two.as_bytes()).unwrap();
        let answers = read_answers(&mut stream, 2);
        assert!(answers[0].body == content[..size] && answers[1].text() == "a");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_cuts_the_answer() {
    let world = world();
    let path = world.root.join("shrinks");
    fs::write(&path, vec![b'x'; 50_000_000]).unwrap();
    let mut stream = world.server.connect();
    stream
        .write_all(b"GET /shrinks HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut start = [0; 1000];
    stream.read_exact(&mut start).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1_000)
        .unwrap();
    let mut rest = Vec::new();
    // An end before what was promised; nothing is made up, and nobody waits for ever.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 49_000_000);
    assert_eq!(world.server.get("/shrinks").body.len(), 1_000);
}

#[test]
fn a_file_that_grows_while_it_is_sent_is_sent_as_it_was() {
    let world = world();
    let path = world.root.join("grows");
    fs::write(&path, vec![b'x'; 5_000_000]).unwrap();
    let mut stream = world.server.connect();
    stream
        .write_all(b"GET /grows HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut start = vec![0; 1000];
    stream.read_exact(&mut start).unwrap();
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(&[b'y'; 1_000_000]).unwrap();
    start.extend_from_slice(&read_to_end(&mut stream));
    let answers = Answer::all(&start);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].body == vec![b'x'; 5_000_000]);
}
