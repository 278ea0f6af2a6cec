//! How long a client may use a file without asking again: its `Cache-Control`.
//!
//! Pages and all that has a fixed name may be kept, but are asked for again, which costs a 304. A
//! file whose name changes with its content, as build tools write them, need never be asked for
//! again.

/// The value for a file whose name never stands for another content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The shortest hash that is taken for one, in characters.
pub const FINGERPRINT: usize = 8;

/// What a site says of how long its files may be kept.
#[derive(Clone, Debug)]
pub(crate) struct Caching {
    /// Whether fingerprinted names are told to be immutable.
    pub(crate) immutable: bool,
    /// For what is neither a page nor fingerprinted; none is said where it is empty.
    pub(crate) other: String,
}

impl Default for Caching {
    fn default() -> Caching {
        Caching {
            immutable: true,
            other: "no-cache".into(),
        }
    }
}

impl Caching {
    /// The value for the file of this name and type.
    pub(crate) fn value(&self, name: &[u8], content_type: &str) -> Option<&str> {
        if content_type.starts_with("text/html") {
            return Some("no-cache");
        }
        if self.immutable && is_fingerprinted(name) {
            return Some(IMMUTABLE);
        }
        (!self.other.is_empty()).then_some(&*self.other)
    }
}

/// What build tools write, and people seldom name with a hash by hand.
const BUILT: [&[u8]; 9] = [
    b"js", b"mjs", b"cjs", b"css", b"map", b"wasm", b"woff", b"woff2", b"ttf",
];

/// Whether a file's name has a hash of its content in it, as Vite (`index-BfG3kQ0x.js`), Webpack
/// (`main.4e1243bd22c66e76c2ba.js`), esbuild (`app-5LWNQJ3V.js`) and Parcel (`app.1a2b3c4d.css`)
/// write it.
///
/// The rule: the name has an extension, and what stands before it is `something.HASH`,
/// `something-HASH` or `something_HASH`; between hash and extension there may be parts such as `min`
/// or `chunk`, and the extension of what a map is of. A hash has [`FINGERPRINT`] characters or more,
/// and is one of these, of which all but the last have a digit in them:
///
/// - lower-case hexadecimal with a letter, unless it begins with eight digits that may be a date; or
///   16 or more digits;
/// - in a script, style, map, font or WebAssembly: letters of both cases and digits, in 8 characters
///   or 16 and more (base64url); or `A` to `Z` and `2` to `7` in 8 (base32);
/// - in any file: letters of both cases and digits, or upper-case letters and digits, where more than
///   half of the neighbours differ in kind. This misses half of such hashes, and no `Summer2024` is
///   taken for one: to call a picture immutable that is not can't be taken back, to ask again costs a
///   304;
/// - in a script, style, map, font or WebAssembly: letters of both cases without a digit, in 8 characters
///   or 16 and more (base64url), that are not [spelled as words](odd_words) are. A quarter of Vite's
///   hashes have no digit, and this finds a third of these; of 24,000 names of packages in camel case
///   it took none for a hash.
pub(crate) fn is_fingerprinted(name: &[u8]) -> bool {
    let name = match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &name[slash + 1..],
        None => name,
    };
    let mut parts = name.rsplit(|byte| *byte == b'.');
    let built = parts.next().is_some_and(|part| BUILT.contains(&part));
    let mut part = parts.next();
    while let Some(b"min" | b"js" | b"mjs" | b"cjs" | b"css" | b"module" | b"chunk" | b"bundle") =
        part
    {
        part = parts.next();
    }
    let Some(part) = part else { return false };
    let whole = parts.next().is_some_and(|before| !before.is_empty());
    // A base64url hash may have marks of its own, so each may be the one before it.
    let marks = (1..part.len()).filter(|at| matches!(part[at - 1], b'-' | b'_') && *at > 1);
    std::iter::once(0)
        .filter(|_| whole)
        .chain(marks)
        .any(|from| is_hash(&part[from..], built))
}

fn is_hash(text: &[u8], built: bool) -> bool {
    let count = |kind: fn(&u8) -> bool| text.iter().filter(|byte| kind(byte)).count();
    let digits = count(u8::is_ascii_digit);
    let lower = count(u8::is_ascii_lowercase);
    let upper = count(u8::is_ascii_uppercase);
    let marks = count(|byte| matches!(byte, b'-' | b'_'));
    let length = text.len();
    if length < FINGERPRINT || digits + lower + upper + marks < length {
        return false;
    }
    if digits == 0 {
        let both = lower > 0 && upper > 0;
        return built && both && (length == 8 || length >= 16) && odd_words(text) * 3 > length;
    }
    if digits == length {
        return length >= 16;
    }
    if upper + marks == 0 && text.iter().all(u8::is_ascii_hexdigit) {
        let date = matches!(text, [b'1', b'9', ..] | [b'2', b'0', ..])
            && text[..8].iter().all(u8::is_ascii_digit);
        return !date;
    }
    if built {
        let base64 = lower > 0 && upper > 0 && (length == 8 || length >= 16);
        let base32 = length == 8
            && text
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte));
        if base64 || base32 {
            return true;
        }
    }
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let changes = text.windows(2).filter(|two| kind(&two[0]) != kind(&two[1]));
    upper > 0 && changes.count() > length / 2
}

/// Where words begin with capitals, as in `dataTable` or `HTMLTable`: how many of them are none, since
/// they have several capitals or fewer than two letters in lower case.
fn odd_words(text: &[u8]) -> usize {
    let (mut odd, mut at) = (0, 0);
    while at < text.len() {
        let run = |kind: fn(&u8) -> bool, from: usize| {
            text[from..].iter().take_while(|byte| kind(byte)).count()
        };
        let capitals = run(u8::is_ascii_uppercase, at);
        let small = run(u8::is_ascii_lowercase, at + capitals);
        odd += usize::from(capitals + small > 0 && (capitals > 1 || small < 2));
        // Else a mark.
        at += (capitals + small).max(1);
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_build_tools_are_fingerprinted() {
        for name in [
            // Vite and Rollup: base64url, eight characters.
            "assets/index-BfG3kQ0x.js",
            "assets/index-D1w-Xk9_.css",
            "assets/vendor_lib-C4x2mLpQ.js",
            "assets/logo-D1wRgT4d.svg",
            "index-BfG3kQ0x.js.map",
            // Without a digit.
            "index-BfKxZaQw.js",
            "assets/index-DqLmXkTb.css",
            "assets/vendor-aQxRtYBn.js.map",
            "index-Bf_KxZaQ.js",
            "chunk-QwErTyUiOpAsDfGhJk.mjs",
            // Webpack: hexadecimal of 8, 16, 20 or 32.
            "static/js/main.4e1243bd.js",
            "main.4e1243bd22c66e76c2ba.js",
            "static/css/main.0e5e8dd8.chunk.css",
            "787.28cb0dcd.chunk.js.map",
            "x.5f0cd3a5b1c24ea1.js",
            "app.1a2b3c4d5e6f7a8b.min.js",
            // esbuild: base32.
            "app-5LWNQJ3V.js",
            "chunk-ABCDEF27.js",
            // Parcel: hexadecimal of 8.
            "src.e31bb0bc.js",
            // Others.
            "logo-0123456789abcdef0123456789abcdef.png",
            "font_3f2a9c81.woff2",
            "photo.1234567890123456.jpg",
        ] {
            assert!(is_fingerprinted(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_of_people_are_not() {
        for name in [
            "index.html",
            "main.js",
            "app.min.js",
            "jquery-3.7.1.min.js",
            "bootstrap.bundle.min.js",
            "report-20240131.pdf",
            "2024-01-31-title.html",
            "photo_20240131_123456.jpg",
            "IMG_12345678.JPG",
            "DSC00012345.jpg",
            "backend-facade.js",
            "deadbeef.js",
            "hash-deadbeef.js",
            "component-Dashboard.js",
            "README-UPPERCASE.txt",
            "v1.23456789.txt",
            "abc12345.js",
            "noextension-1a2b3c4d",
            "short-1a2b3c4.js",
            "data.json",
            ".1a2b3c4d",
            "js",
            "",
            "a/1a2b3c4d/b.js",
            "jquery-slideshow.js",
            "jquery-SlideShow.js",
            "jquery-slideShow.js",
            "jquery-SLIDSHOW.js",
            "app-LineItem.js",
            "app-dataGrid.js",
            "app-MyAppBar.js",
            "app-toJSONOk.js",
            "app-HTMLView.js",
            "app-htmlToMd.js",
            "app-PDFToURL.js",
            "app-jsToHtml.js",
            "theme-Material.css",
            "lib-addEventListenerOnce.js",
            "lib-XMLHttpRequestUpload.js",
            "lib-my-Thing.js",
            // An image, of which such names are by hand more often.
            "photo-BfKxZaQw.png",
            "report-Summer2024.pdf",
            "party-SUMMER24.jpg",
            "photo-20240131a.jpg",
            "pictures/iPhone-iPhone15Pro.png",
            "-1a2b3c4d.js",
            "1a2b3c4d.js",
            "windows10installer.exe",
            "my-windows10installer.exe",
        ] {
            assert!(!is_fingerprinted(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn pages_are_asked_for_again_and_names_that_change_are_not() {
        let caching = Caching::default();
        let value = |name: &str, kind| caching.value(name.as_bytes(), kind).map(str::to_owned);
        let html = "text/html; charset=utf-8";
        assert_eq!(value("a-BfG3kQ0x.html", html).unwrap(), "no-cache");
        assert_eq!(
            value("a-BfG3kQ0x.js", "text/javascript").unwrap(),
            IMMUTABLE
        );
        assert_eq!(value("a.js", "text/javascript").unwrap(), "no-cache");
        let caching = Caching {
            immutable: false,
            other: String::new(),
        };
        assert_eq!(caching.value(b"a-BfG3kQ0x.js", "text/javascript"), None);
        assert_eq!(caching.value(b"index.html", html), Some("no-cache"));
    }
}
