//! What a site is told to do: routes of an application, caching, listings, links.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use bucle_server::{LISTED_NAMES, Options, Site};

use crate::support::{Running, serve};

fn served(root: &Path, change: fn(Site) -> Site) -> Running {
    let site = change(Site::open(root).unwrap());
    serve(Options::default(), move || site.handler())
}

#[test]
fn routes_of_an_application_lead_to_its_page_and_missing_files_to_404() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("index.html"), "<p>app").unwrap();
    fs::create_dir_all(root.join("assets")).unwrap();
    fs::write(root.join("assets/app.js"), "app").unwrap();
    fs::create_dir_all(root.join("docs")).unwrap();
    fs::write(root.join("docs/index.html"), "<p>docs").unwrap();
    let server = served(root, |site| site.spa(true));
    let page = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    for (target, accept, status, text) in [
        ("/", page, 200, "<p>app"),
        ("/", "", 200, "<p>app"),
        ("/users/42", page, 200, "<p>app"),
        ("/users/42/", page, 200, "<p>app"),
        ("/users/42?tab=1", page, 200, "<p>app"),
        ("/users", "Accept: application/xhtml+xml\r\n", 200, "<p>app"),
        ("/v1.2/users", page, 200, "<p>app"),
        ("/assets/", page, 200, "<p>app"),
        ("/docs/", page, 200, "<p>docs"),
        ("/assets/app.js", page, 200, "app"),
        // No page is asked for.
        ("/users/42", "", 404, ""),
        ("/users/42", "Accept: */*\r\n", 404, ""),
        ("/users/42", "Accept: application/json\r\n", 404, ""),
        ("/users/42", "Accept: text/html;q=0, */*\r\n", 404, ""),
        ("/users/42", "Accept: text/html;q=0.000\r\n", 404, ""),
        ("/assets/", "Accept: */*\r\n", 404, ""),
        // A file is.
        ("/assets/old-BfG3kQ0x.js", page, 404, ""),
        ("/missing.css", page, 404, ""),
        ("/users/john.doe", page, 404, ""),
        // Never there.
        ("/.env", page, 404, ""),
        ("/.git/", page, 404, ""),
        ("/a/../b", page, 400, ""),
    ] {
        let answer = server.request("GET", target, accept);
        assert_eq!(answer.status, status, "{target} {accept}");
        if status == 200 {
            assert_eq!(answer.text(), text, "{target} {accept}");
        }
        assert_eq!(server.request("HEAD", target, accept).status, status);
    }
    let answer = server.request("GET", "/users/42", page);
    assert_eq!(answer.field("cache-control"), Some("no-cache"));
    assert!(
        answer.head.contains("\r\nVary: Accept\r\n"),
        "{}",
        answer.head
    );
    let etag = answer.field("etag").unwrap();
    let again = server.request(
        "GET",
        "/users/43",
        &format!("{page}If-None-Match: {etag}\r\n"),
    );
    assert_eq!(again.status, 304);
    let missing = server.request("GET", "/users/42", "");
    assert_eq!(missing.field("vary"), Some("Accept"));
    assert_eq!(server.request("POST", "/users/42", page).status, 405);
    // Without being told so, nothing stands in for what is missing.
    let server = served(root, |site| site);
    assert_eq!(server.request("GET", "/users/42", page).status, 404);
}

#[test]
fn names_that_change_with_their_content_are_immutable() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in [
        "app-5LWNQJ3V.js",
        "main.4e1243bd.css",
        "app.js",
        "page-5LWNQJ3V.html",
    ] {
        fs::write(root.join(name), "x").unwrap();
    }
    let value =
        |server: &Running, path: &str| server.get(path).field("cache-control").map(str::to_owned);
    let immutable = Some("public, max-age=31536000, immutable".to_owned());
    let no_cache = Some("no-cache".to_owned());
    let server = served(root, |site| site);
    assert_eq!(value(&server, "/app-5LWNQJ3V.js"), immutable);
    assert_eq!(value(&server, "/main.4e1243bd.css"), immutable);
    assert_eq!(value(&server, "/app.js"), no_cache);
    assert_eq!(value(&server, "/page-5LWNQJ3V.html"), no_cache);
    let server = served(root, |site| {
        site.immutable(false).cache_control("max-age=60").unwrap()
    });
    assert_eq!(
        value(&server, "/app-5LWNQJ3V.js").as_deref(),
        Some("max-age=60")
    );
    assert_eq!(value(&server, "/page-5LWNQJ3V.html"), no_cache);
    let server = served(root, |site| site.cache_control("").unwrap());
    assert_eq!(value(&server, "/app.js"), None);
    let refused = Site::open(root)
        .unwrap()
        .cache_control("a\r\nSet-Cookie: b");
    assert!(refused.is_err());
}

#[test]
fn no_link_uncovers_a_dot_file() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join(".git")).unwrap();
    fs::write(root.join(".git/config"), "secret").unwrap();
    fs::write(root.join(".env"), "secret").unwrap();
    fs::create_dir(root.join("..2026_11_24")).unwrap();
    fs::write(root.join("..2026_11_24/mounted.txt"), "mounted").unwrap();
    symlink(".env", root.join("env.txt")).unwrap();
    symlink(root.join(".env"), root.join("absolute.txt")).unwrap();
    symlink(".git", root.join("git")).unwrap();
    symlink("..2026_11_24", root.join("..data")).unwrap();
    symlink("..data/mounted.txt", root.join("mounted.txt")).unwrap();
    let server = served(root, |site| site);
    for target in [
        "/env.txt",
        "/absolute.txt",
        "/git/config",
        "/git/",
        "/git",
        "/..data/mounted.txt",
    ] {
        let answer = server.get(target);
        assert_eq!(answer.status, 404, "{target}");
    }
    assert_eq!(server.get("/mounted.txt").text(), "mounted");
    let listing = server.get("/");
    assert!(!listing.text().contains("env.txt") && !listing.text().contains("git/"));
    assert!(listing.text().contains("mounted.txt"));
    // A link turned to one while it is kept.
    fs::write(root.join("plain.txt"), "plain").unwrap();
    symlink("plain.txt", root.join("turned.txt")).unwrap();
    thread::sleep(Duration::from_millis(2_100));
    assert_eq!(server.get("/turned.txt").text(), "plain");
    fs::remove_file(root.join("turned.txt")).unwrap();
    symlink(".env", root.join("turned.txt")).unwrap();
    assert_eq!(server.get("/turned.txt").status, 404);
}

#[test]
fn a_folder_of_many_names_shows_the_first_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let more = 123;
    for number in (0..LISTED_NAMES + more).rev() {
        fs::write(root.join(format!("{number:06}")), "").unwrap();
    }
    fs::create_dir(root.join("zzz")).unwrap();
    let server = served(root, |site| site);
    let page = server.get("/");
    let names: Vec<_> = page
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("<tr><td><a href=\""))
        .map(|line| &line[..line.find('"').unwrap()])
        .collect();
    assert_eq!(names.len(), LISTED_NAMES);
    assert_eq!((names[0], names[1], names[2]), ("zzz/", "000000", "000001"));
    assert!(names[1..].is_sorted());
    assert!(
        page.text()
            .contains(&format!("{} more names are not shown", more + 1))
    );
    let etag = page.field("etag").unwrap();
    let again = server.request("GET", "/", &format!("If-None-Match: {etag}\r\n"));
    // It may have become a strong one meanwhile.
    let strong = etag.trim_start_matches("W/");
    assert_eq!(again.status, 304);
    assert!(again.field("etag").unwrap().ends_with(strong));
    let head = server.request("HEAD", "/", "");
    assert_eq!(head.field("content-length"), page.field("content-length"));
    // Many at once, some of whom leave.
    thread::sleep(Duration::from_millis(2_100));
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert!(server.get("/").body == page.body));
            let mut stream = server.connect();
            use std::io::Write;
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
        }
    });
    // A new name is seen at once.
    fs::write(root.join("000000a"), "").unwrap();
    assert!(server.get("/").text().contains("\"000000a\""));
}
