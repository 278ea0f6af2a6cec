//! What is asked for, and what the answer has to be.

use std::path::Path;

use bucle::net::ConnectOptions;
use bucle::net::tls::ClientContext;

use super::Verb;

/// A URL, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As it was given.
    pub(crate) text: String,
    pub(crate) tls: bool,
    /// `HOST:PORT`, to connect to.
    pub(crate) address: String,
    /// What the `Host` field says.
    host: String,
    /// Path and query.
    path: String,
}

/// What every answer has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: Option<u16>,
    pub(crate) length: Option<u64>,
}

/// Takes a URL apart.
pub(crate) fn parse(text: &str) -> Result<Target, String> {
    let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err("a URL begins with http:// or https://, as http://127.0.0.1:8080/".into()),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if host.is_empty() {
        return Err("there is no host in it, as in http://127.0.0.1:8080/".into());
    }
    if host.contains('@') {
        return Err("a user in a URL is not sent; use --header 'Authorization: ...'".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("what is not printable ASCII has to be percent-encoded (%20)".into());
    }
    let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !before.is_empty()
            // The colons of an IPv6 address lie in brackets.
            && (!before.contains(':') || before.ends_with(']'))
    });
    let address = match (has_port, tls) {
        (true, _) => host.to_owned(),
        (false, false) => format!("{host}:80"),
        (false, true) => format!("{host}:443"),
    };
    if let Err(error) = bucle::net::ToAddresses::to_targets(&address) {
        return Err(error.to_string());
    }
    Ok(Target {
        text: text.to_owned(),
        tls,
        address,
        host: host.to_owned(),
        path: if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        },
    })
}

/// A header field, as `--header` takes it.
pub(crate) fn header(text: &str) -> Result<String, String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err("it must be a name and a value, such as 'Accept: text/html'".into());
    };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("`{name}` is no name of a header"));
    }
    if !value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
    {
        return Err("the value must be printable ASCII".into());
    }
    let own = ["host", "content-length", "connection", "transfer-encoding"];
    if own.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("`{name}` is for the generator to say"));
    }
    Ok(format!("{name}: {}", value.trim()))
}

impl Target {
    /// One request, as bytes.
    pub(crate) fn request(&self, method: Verb, headers: &[String], body: &str) -> Vec<u8> {
        let method = format!("{method:?}").to_uppercase();
        let mut text = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.host);
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        text.into_bytes()
    }

    /// How to connect.
    pub(crate) fn options(&self, trust: Option<&ClientContext>) -> ConnectOptions {
        match trust {
            Some(trust) if self.tls => ConnectOptions::default().tls(trust.clone()),
            _ => ConnectOptions::default(),
        }
    }
}

/// Believes whom the system believes.
pub(crate) fn system_trust() -> Result<ClientContext, String> {
    ClientContext::with_system_roots()
        .map_err(|error| format!("the system's certificates: {error}; give some with --ca FILE"))
}

/// Believes whom the certificates in `file` vouch for.
pub(crate) fn trusting(file: &Path) -> Result<ClientContext, String> {
    let shown = file.display();
    let pem = std::fs::read(file).map_err(|error| format!("--ca {shown}: {error}"))?;
    ClientContext::from_roots_pem(&pem).map_err(|error| format!("--ca {shown}: {error}"))
}

/// Believes anybody: `--insecure`.
pub(crate) fn no_trust() -> Result<ClientContext, String> {
    ClientContext::builder()
        .dangerously_trust_anybody()
        .build()
        .map_err(|error| format!("--insecure: {error}"))
}

/// What can be done about a certificate that was refused; nothing for other errors.
///
/// The words are those of rustls, whose names of what is wrong say too little by themselves.
pub(crate) fn way_out(error: &str) -> Option<&'static str> {
    if !error.contains("invalid peer certificate") {
        return None;
    }
    Some(if error.contains("CaUsedAsEndEntity") {
        "the server shows the certificate of an authority, as `openssl req -x509` makes it, which \
         no server may have: give --insecure, or make one that is none \
         (-addext basicConstraints=critical,CA:FALSE)"
    } else if error.contains("UnknownIssuer") {
        "nobody who is trusted has signed the server's certificate: name who has by --ca FILE \
         (for a self-signed one, the certificate itself), or give --insecure"
    } else {
        "give --insecure to measure all the same"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, address, path) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "/"),
            ("http://localhost/a/b?c=d#e", "localhost:80", "/a/b?c=d"),
            ("https://[::1]/x", "[::1]:443", "/x"),
            ("https://[::1]:8443?q", "[::1]:8443", "/?q"),
        ] {
            let target = parse(text).unwrap();
            assert_eq!((&*target.address, &*target.path), (address, path), "{text}");
            assert_eq!(target.tls, text.starts_with("https"));
        }
        for (text, word) in [
            ("127.0.0.1:8080", "http://"),
            ("ftp://x/", "http://"),
            ("http:///x", "host"),
            ("http://a:b@c/", "Authorization"),
            ("http://127.0.0.1:99999/", "port"),
            ("http://x/a b", "percent-encoded"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_request_is_what_was_asked_for() {
        let target = parse("http://a.example:8080/x?y").unwrap();
        let headers = [header("Accept:text/html ").unwrap()];
        let text = String::from_utf8(target.request(Verb::Post, &headers, "hello")).unwrap();
        assert_eq!(
            text,
            "POST /x?y HTTP/1.1\r\nHost: a.example:8080\r\nAccept: text/html\r\n\
             Content-Length: 5\r\n\r\nhello"
        );
        for bad in [
            "x",
            ": y",
            "a b: c",
            "a: b\r\nc: d",
            "Host: x",
            "content-length: 3",
        ] {
            assert!(header(bad).is_err(), "{bad:?}");
        }
    }
}
