//! Valid requests, drawn at random, and mutations of them. The same seed gives the same bytes.
//!
//! The file depends on nothing, so that tests, fuzz targets and other crates can include it.

/// SplitMix64: small, fast, and good enough to choose bytes with.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which must not be 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE",
];

const TARGETS: &[&str] = &[
    "/",
    "/index.html",
    "/a/b/c?d=e&f=g",
    "/static/app.3f2c1a.css",
    "/%7Euser/%20?q=%C3%A9",
    "http://example.com/absolute?x",
    "/..;/[]{}|^",
];

const HOSTS: &[&str] = &[
    "a",
    "example.com",
    "localhost:8080",
    "[::1]:80",
    "127.0.0.1",
    "a.b-c.d.",
];

const FIELDS: &[(&str, &str)] = &[
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "es-ES,es;q=0.8,en;q=0.5"),
    ("Cookie", "session=0123456789abcdef; theme=dark"),
    ("If-None-Match", "\"5f-61a2b3\""),
    ("Range", "bytes=0-1023"),
    ("Referer", "http://example.com/some/page"),
    ("X-Empty", ""),
    ("x-tab", "a\tb"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Connection", "keep-alive"),
    ("Connection", "close, x"),
    ("TE", "trailers"),
    ("Expect", "100-continue"),
];

/// Appends a valid request.
pub(crate) fn request(random: &mut Random, out: &mut Vec<u8>) {
    let method = random.pick(METHODS);
    let http10 = random.chance(10);
    let target = if method == "OPTIONS" && random.chance(30) {
        "*"
    } else {
        random.pick(TARGETS)
    };
    let version = if http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    for part in [method, " ", target, " ", version, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    field(random, "Host", random.clone().pick(HOSTS), out);
    let mut expects = http10;
    for _ in 0..random.below(9) {
        let (name, value) = FIELDS[random.below(FIELDS.len())];
        if name == "Expect" && std::mem::replace(&mut expects, true) {
            continue;
        }
        field(random, name, value, out);
    }
    match random.below(if http10 { 4 } else { 6 }) {
        0..=2 => out.extend_from_slice(b"\r\n"),
        3 => {
            let length = random.below(200);
            field(random, "Content-Length", &length.to_string(), out);
            out.extend_from_slice(b"\r\n");
            bytes(random, length, out);
        }
        _ => {
            field(random, "Transfer-Encoding", "chunked", out);
            out.extend_from_slice(b"\r\n");
            chunks(random, out);
        }
    }
}

/// Appends a valid answer to a GET, framed by a length or by chunks.
pub(crate) fn response(random: &mut Random, out: &mut Vec<u8>) {
    let line = random.pick(&[
        "200 OK",
        "404 Not Found",
        "206 Partial Content",
        "500 ",
        "302",
    ]);
    if random.chance(10) {
        out.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
    for _ in 0..random.below(6) {
        let (name, value) = FIELDS[random.below(11)];
        field(random, name, value, out);
    }
    if random.chance(60) {
        let length = random.below(200);
        field(random, "Content-Length", &length.to_string(), out);
        out.extend_from_slice(b"\r\n");
        bytes(random, length, out);
    } else {
        field(random, "Transfer-Encoding", "chunked", out);
        out.extend_from_slice(b"\r\n");
        chunks(random, out);
    }
}

fn field(random: &mut Random, name: &str, value: &str, out: &mut Vec<u8>) {
    let case = random.below(8);
    out.extend(name.bytes().map(|byte| match case {
        0 => byte.to_ascii_lowercase(),
        1 => byte.to_ascii_uppercase(),
        _ => byte,
    }));
    out.extend_from_slice(random.pick(&[": ", ": ", ": ", ":", ":\t "]).as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(random.pick(&["\r\n", "\r\n", "\r\n", " \r\n"]).as_bytes());
}

fn chunks(random: &mut Random, out: &mut Vec<u8>) {
    for _ in 0..random.below(4) {
        let length = 1 + random.below(60);
        out.extend_from_slice(format!("{length:x}").as_bytes());
        out.extend_from_slice(
            random
                .pick(&["", "", "", ";a", ";a=b", " ; a = \"b\\\"c\""])
                .as_bytes(),
        );
        out.extend_from_slice(b"\r\n");
        bytes(random, length, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    if random.chance(20) {
        field(random, "X-Checksum", "0123abcd", out);
    }
    out.extend_from_slice(b"\r\n");
}

fn bytes(random: &mut Random, length: usize, out: &mut Vec<u8>) {
    out.extend((0..length).map(|_| random.byte()));
}

/// What attacks are made of.
const DICTIONARY: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\t",
    " ",
    ":",
    ";",
    ",",
    "\r\n\r\n",
    "\r\n ",
    "0\r\n\r\n",
    "HTTP/1.1",
    "HTTP/1.0",
    "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "Content-Length: 1\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Host: b\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "chunked",
    "ffffffffffffffff",
    "0x",
    "+",
    "-",
    "\"",
    "\\",
    "\u{85}",
    "\u{a0}",
];

/// Changes `message` in one place. Most changes are small, as those of a faulty client are.
pub(crate) fn mutate(random: &mut Random, message: &mut Vec<u8>) {
    if message.is_empty() {
        message.push(random.byte());
        return;
    }
    let at = random.below(message.len());
    match random.below(16) {
        0..=3 => message[at] ^= 1 << random.below(8),
        4..=6 => message[at] = b' ' + random.below(95) as u8,
        7 => message[at] = random.byte(),
        8 => message.insert(at, b' ' + random.below(95) as u8),
        9 => message.insert(at, random.byte()),
        10 => {
            message.remove(at);
        }
        11 => {
            // A line or a piece of one, once more.
            let end = (at + 1 + random.below(40)).min(message.len());
            let piece = message[at..end].to_vec();
            let to = random.below(message.len());
            message.splice(to..to, piece);
        }
        12 => {
            let end = (at + 1 + random.below(16)).min(message.len());
            message.drain(at..end);
        }
        13 => {
            let word = random.pick(DICTIONARY).as_bytes();
            message.splice(at..at, word.iter().copied());
        }
        14 => {
            let word = random.pick(DICTIONARY).as_bytes();
            let end = (at + word.len()).min(message.len());
            message.splice(at..end, word.iter().copied());
        }
        _ => {
            // The case of a letter.
            message[at] ^= if message[at].is_ascii_alphabetic() {
                0x20
            } else {
                0
            };
        }
    }
}
