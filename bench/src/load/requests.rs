//! The requests, built before the clock starts: one run of bytes, cut at known places, so that a burst of requests is a
//! slice of it. They differ in path, query, headers, the order of the headers, and a cookie of random length.

use crate::random::Random;
use crate::shape::{Content, Shape};
use crate::site::Site;

/// How many requests are built. Enough that no two on the wire are alike at a time, few enough for the L2 cache.
pub(crate) const REQUESTS: usize = 2_048;
const LONGEST_COOKIE: usize = 200;

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "curl/8.14.1",
];

/// Requests and what their answers must be.
pub(crate) struct Requests {
    bytes: Vec<u8>,
    /// Where each request starts, and the end of the last.
    cuts: Vec<usize>,
    /// Which body each request must be answered with: an index into `bodies`.
    wanted: Vec<usize>,
    bodies: Vec<Vec<u8>>,
}

impl Requests {
    /// Builds the requests of a shape, the same ones for every server.
    pub(crate) fn build(shape: &Shape, site: &Site) -> Requests {
        let mut random = Random::new(20);
        let bodies: Vec<Vec<u8>> = match shape.content {
            Content::Plaintext => vec![b"Hello, World!".to_vec()],
            Content::OneKib => vec![site.one_kib.1.clone()],
            Content::Files => site
                .files
                .iter()
                .map(|(_, content)| content.clone())
                .collect(),
            Content::HundredKib => vec![site.large[0].1.clone()],
            Content::TenMib => vec![site.large[1].1.clone()],
        };
        let mut all = Requests {
            bytes: Vec::new(),
            cuts: vec![0],
            wanted: Vec::new(),
            bodies,
        };
        for _ in 0..REQUESTS {
            let body = random.below(all.bodies.len());
            let path = match shape.content {
                Content::Plaintext => format!("/plaintext/{}", word(&mut random, 1, 12)),
                Content::OneKib => site.one_kib.0.clone(),
                Content::Files => site.files[body].0.clone(),
                Content::HundredKib => site.large[0].0.clone(),
                Content::TenMib => site.large[1].0.clone(),
            };
            let request = one_request(&mut random, &path, shape.reconnect);
            all.bytes.extend_from_slice(request.as_bytes());
            all.cuts.push(all.bytes.len());
            all.wanted.push(body);
        }
        all
    }

    /// The bytes of `count` requests from number `first` on; both must be in range.
    pub(crate) fn burst(&self, first: usize, count: usize) -> &[u8] {
        &self.bytes[self.cuts[first]..self.cuts[first + count]]
    }

    /// The body that request number `at` must be answered with.
    pub(crate) fn body(&self, at: usize) -> &[u8] {
        &self.bodies[self.wanted[at]]
    }

    /// The mean length of a request in bytes.
    pub(crate) fn mean_length(&self) -> usize {
        self.bytes.len() / REQUESTS
    }
}

fn word(random: &mut Random, shortest: usize, longest: usize) -> String {
    let length = random.between(shortest, longest);
    random.word(length)
}

fn one_request(random: &mut Random, path: &str, close: bool) -> String {
    let query = match random.below(4) {
        0 => String::new(),
        1 => format!("?v={}", random.below(100_000)),
        2 => format!("?q={}&page={}", word(random, 2, 16), random.below(50)),
        _ => format!(
            "?utm_source={}&t={}&lang=es",
            word(random, 3, 8),
            random.bits() % 10_000_000_000
        ),
    };
    let mut headers = vec![
        "Host: bench.example".to_owned(),
        format!("User-Agent: {}", BROWSERS[random.below(BROWSERS.len())]),
        "Accept: text/html,application/xhtml+xml,*/*;q=0.8".to_owned(),
        format!("Cookie: id={}", word(random, 1, LONGEST_COOKIE)),
    ];
    if random.below(2) == 0 {
        headers.push("Accept-Language: es,en;q=0.7".to_owned());
    }
    if random.below(2) == 0 {
        headers.push("Accept-Encoding: gzip, deflate, br".to_owned());
    }
    if close {
        headers.push("Connection: close".to_owned());
    } else if random.below(2) == 0 {
        headers.push("Connection: keep-alive".to_owned());
    }
    if random.below(4) == 0 {
        headers.push(format!(
            "Referer: http://bench.example/{}",
            word(random, 4, 20)
        ));
    }
    random.shuffle(&mut headers);
    format!(
        "GET {path}{query} HTTP/1.1\r\n{}\r\n\r\n",
        headers.join("\r\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::SHAPES;

    #[test]
    fn requests_vary_and_a_burst_is_whole_requests() {
        let site = Site::create().expect("a site");
        for shape in SHAPES {
            let requests = Requests::build(shape, &site);
            let mut seen = std::collections::HashSet::new();
            for at in 0..REQUESTS {
                let request = requests.burst(at, 1);
                assert!(request.starts_with(b"GET /") && request.ends_with(b"\r\n\r\n"));
                seen.insert(request.to_vec());
            }
            assert!(
                seen.len() > REQUESTS * 9 / 10,
                "{}: {} different",
                shape.name,
                seen.len()
            );
            assert_eq!(
                memchr::memmem::find_iter(requests.burst(5, 16), b"\r\n\r\n").count(),
                16
            );
        }
    }
}
