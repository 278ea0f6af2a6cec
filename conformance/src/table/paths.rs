//! RFC 3986 section 3.3 and 6.2, RFC 9110 section 4.2 and 17: what a path may lead to.

use crate::Case;
use crate::case::case;

pub(super) fn cases() -> Vec<Case> {
    let path = |id, source, what, path: &str| {
        case(
            id,
            source,
            what,
            format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
    };
    let mut cases = Vec::new();
    for (id, what, target) in [
        ("path-plain", "a file", "/a.txt"),
        (
            "path-encoded",
            "percent-encoded, decoded once",
            "/%61.t%78t",
        ),
        (
            "path-query",
            "a query is not part of it",
            "/a.txt?../../etc/passwd",
        ),
        ("path-slashes", "several slashes are as one", "//a.txt"),
        ("path-space", "an encoded space", "/dir/b%20c.txt"),
        ("path-folder", "a folder's index", "/dir/"),
        ("path-listing", "a folder without one", "/sub/"),
        (
            "path-well-known",
            "the one folder with a dot",
            "/.well-known/x.txt",
        ),
        ("path-link-in", "a link that stays inside", "/link-in"),
    ] {
        cases.push(path(id, "9110 4.2", what, target).answers(&[200]));
    }
    for (id, what, target) in [
        ("path-dots", "up", "/../etc/passwd"),
        (
            "path-dots-deep",
            "up and up",
            "/../../../../../../etc/passwd",
        ),
        ("path-dots-within", "down and up", "/dir/../a.txt"),
        ("path-dots-end", "up at its end", "/dir/.."),
        ("path-dot", "a dot", "/./a.txt"),
        ("path-dots-encoded", "encoded", "/%2e%2e/etc/passwd"),
        ("path-dots-encoded-upper", "encoded", "/%2E%2E/etc/passwd"),
        ("path-dots-half", "half encoded", "/.%2e/etc/passwd"),
        ("path-slash-encoded", "an encoded slash", "/..%2fetc/passwd"),
        (
            "path-slash-encoded-2",
            "an encoded slash in a name",
            "/dir%2findex.html",
        ),
        (
            "path-all-encoded",
            "all encoded",
            "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        ),
        ("path-nul", "an encoded NUL", "/a.txt%00"),
        (
            "path-nul-suffix",
            "an encoded NUL before another ending",
            "/a.txt%00.html",
        ),
        ("path-short-escape", "half an escape", "/a%2"),
        ("path-no-escape", "no escape", "/a%zz"),
        ("path-percent", "a percent sign at the end", "/a%"),
        ("path-sign-escape", "a sign for a digit", "/%+1"),
    ] {
        cases.push(
            path(id, "3986 3.3", what, target)
                .answers(&[400])
                .lacks("root:"),
        );
    }
    for (id, what, target) in [
        ("path-missing", "nothing there", "/missing"),
        ("path-hidden", "a name with a dot first", "/.hidden"),
        (
            "path-hidden-git",
            "a folder with a dot first",
            "/.git/config",
        ),
        ("path-hidden-encoded", "encoded", "/%2ehidden"),
        (
            "path-twice-encoded",
            "encoded twice: decoded once",
            "/%252e%252e/etc/passwd",
        ),
        (
            "path-backslash",
            "a backslash is no slash",
            "/..\\..\\etc\\passwd",
        ),
        ("path-backslash-encoded", "encoded", "/dir%5cindex.html"),
        (
            "path-overlong",
            "overlong UTF-8 is no dot",
            "/%c0%ae%c0%ae/etc/passwd",
        ),
        (
            "path-overlong-slash",
            "overlong UTF-8 is no slash",
            "/dir%c0%afindex.html",
        ),
        (
            "path-iis",
            "an escape of another server",
            "/dir%5c..%5ca.txt",
        ),
        ("path-link-out", "a link that leads out", "/link-out"),
        (
            "path-link-folder",
            "through a link that leads out",
            "/link-etc/passwd",
        ),
        (
            "path-link-hidden",
            "a link to a name with a dot first",
            "/link-hidden",
        ),
        (
            "path-link-git",
            "through a link to a folder with a dot first",
            "/link-git/config",
        ),
        ("path-fifo", "a FIFO is not opened", "/fifo"),
        ("path-under-file", "below a file", "/a.txt/b"),
        ("path-file-slash", "a slash behind a file", "/a.txt/"),
        ("path-case", "names are case-sensitive", "/A.TXT"),
        ("path-trailing-dot", "a dot at its end", "/a.txt."),
        ("path-trailing-space", "white space at its end", "/a.txt%20"),
        ("path-stream", "a stream of another system", "/a.txt::$DATA"),
        ("path-tilde", "somebody's home", "/~root/"),
        ("path-crlf", "encoded line breaks", "/a%0d%0aX:%20y"),
    ] {
        cases.push(
            path(id, "3986 3.3", what, target)
                .answers(&[404])
                .lacks("root:")
                .lacks("\r\nX: y"),
        );
    }
    let long = format!("/{}", "x".repeat(300));
    cases.push(
        path(
            "path-long-name",
            "3986 3.3",
            "a name that no file can have",
            &long,
        )
        .answers(&[404]),
    );
    let deep = "/x".repeat(2000);
    cases.push(path("path-deep", "3986 3.3", "deeper than any path", &deep).answers(&[404]));
    cases.extend([
        path(
            "path-redirect",
            "9110 15.4.2",
            "a folder without its slash",
            "/dir",
        )
        .answers(&[301])
        .says("Location: /dir/\r\n"),
        path(
            "path-redirect-query",
            "9110 15.4.2",
            "with its query",
            "/dir?a=b",
        )
        .answers(&[301])
        .says("Location: /dir/?a=b\r\n"),
        path(
            "path-redirect-host",
            "9110 15.4.2",
            "never to another host",
            "//dir",
        )
        .answers(&[301])
        .says("Location: /dir/\r\n"),
        path(
            "path-redirect-host-2",
            "9110 15.4.2",
            "never to another host",
            "/%5cdir",
        )
        .answers(&[404]),
    ]);
    cases
}
