//! [`Tls`]: the certificate of a server that speaks HTTPS, and how it is renewed while it runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bucle_loop::{ExceptionContext, get_running_loop, sleep, to_thread, try_get_running_loop};
use bucle_net::tls::ServerContext;
use httpdate::HttpDate;

use crate::metrics::Metrics;
use crate::options::Options;

/// How often the files of a certificate are looked at.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What a client is told that speaks plain HTTP where HTTPS is spoken.
fn plain_http() -> Vec<u8> {
    let text = "400 Bad Request: this port speaks HTTPS; say https:// to it\n";
    let simulated = try_get_running_loop().is_some_and(|it| it.sim_network().is_some());
    let date = match simulated {
        // The time is no part of what can be replayed.
        true => String::new(),
        false => format!("Date: {}\r\n", HttpDate::from(SystemTime::now())),
    };
    let length = text.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\n{date}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}

/// A certificate and its private key, both PEM.
///
/// Those from files are read again when the files change, which is looked after every 30 seconds,
/// and at SIGHUP: new connections get the new certificate, those that stand go on. A pair that
/// can't be used, such as a new certificate whose key is still the old one, is told of and not
/// taken.
#[derive(Clone, Debug)]
pub struct Tls {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Pem { certificates: Vec<u8>, key: Vec<u8> },
    Files { certificates: PathBuf, key: PathBuf },
}

impl Tls {
    /// A chain of certificates, the server's own first, and its key.
    pub fn from_pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Tls {
        Tls {
            source: Source::Pem {
                certificates: certificates.into(),
                key: key.into(),
            },
        }
    }

    /// The same in two files. They are read when the server [binds](crate::Builder::bind).
    pub fn from_files(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Tls {
        Tls {
            source: Source::Files {
                certificates: certificates.into(),
                key: key.into(),
            },
        }
    }

    /// Makes a server's context of it.
    ///
    /// # Errors
    /// The system's, with the file's name; `InvalidInput` for what is no certificate or key, or
    /// doesn't belong together.
    pub(crate) fn open(self, options: &Options, metrics: &Metrics) -> io::Result<Certificate> {
        let metrics = metrics.clone();
        let stamp = self.source.stamp();
        let (certificates, key) = self.source.read()?;
        let context = ServerContext::builder()
            .certificate_pem(&certificates, &key)
            .and_then(|builder| {
                builder
                    .alpn_protocols(["http/1.1"])
                    .handshake_timeout(options.tls_handshake_timeout)
                    .shutdown_timeout(options.linger_timeout)
                    .plain_text_answer_with(plain_http)
                    .on_handshake_error(move |_, _| metrics.count_tls_error())
                    .build()
            })
            .map_err(|error| self.source.explain(&error))?;
        Ok(Certificate {
            context,
            source: self.source,
            stamp: Mutex::new(stamp),
        })
    }
}

/// What tells one version of the files from another.
type Stamp = Option<[(SystemTime, u64); 2]>;

impl Source {
    fn stamp(&self) -> Stamp {
        let stamp = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        match self {
            Source::Pem { .. } => None,
            Source::Files { certificates, key } => Some([stamp(certificates)?, stamp(key)?]),
        }
    }

    fn read(&self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let read = |what: &str, path: &Path| {
            fs::read(path).map_err(|error| {
                let path = path.display();
                io::Error::new(
                    error.kind(),
                    format!("can't read the {what} in `{path}`: {error}"),
                )
            })
        };
        match self {
            Source::Pem { certificates, key } => Ok((certificates.clone(), key.clone())),
            Source::Files { certificates, key } => {
                Ok((read("certificate", certificates)?, read("key", key)?))
            }
        }
    }

    fn explain(&self, error: &io::Error) -> io::Error {
        let text = match self {
            Source::Pem { .. } => format!("the TLS certificate is of no use: {error}"),
            Source::Files { certificates, key } => format!(
                "`{}` and `{}` are of no use for TLS: {error}; a PEM chain of certificates, the \
                 server's own first, and the key of that one are expected",
                certificates.display(),
                key.display()
            ),
        };
        io::Error::new(error.kind(), text)
    }
}

/// A certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) context: ServerContext,
    source: Source,
    stamp: Mutex<Stamp>,
}

impl Certificate {
    /// Reads the files again; all the same if they didn't change, unless `only_if_changed`.
    /// Returns whether there is a new certificate.
    fn reload(&self, only_if_changed: bool) -> io::Result<bool> {
        let stamp = self.source.stamp();
        let before = {
            let mut seen = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, stamp)
        };
        if only_if_changed && before == stamp {
            return Ok(false);
        }
        let (certificates, key) = self.source.read()?;
        self.context
            .replace_certificate_pem(&certificates, &key)
            .map_err(|error| self.source.explain(&error))?;
        Ok(true)
    }

    /// Reads the files again, off the loop, and tells what came of it if there is something to tell.
    pub(crate) async fn renew(self: Arc<Certificate>, only_if_changed: bool) {
        let renewed = to_thread(move || self.reload(only_if_changed)).await;
        if let Ok(Err(error)) = renewed {
            let message = format!("{error}; the certificate from before stays in use");
            get_running_loop().call_exception_handler(ExceptionContext::new("tls", message));
        }
    }

    /// Looks after the files for ever.
    pub(crate) async fn watch(self: Arc<Certificate>) {
        if matches!(self.source, Source::Pem { .. }) {
            return;
        }
        loop {
            sleep(LOOK_AGAIN).await;
            self.clone().renew(true).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_plain_text_is_well_formed() {
        let answer = String::from_utf8(plain_http()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        let date = head.lines().find_map(|line| line.strip_prefix("Date: "));
        assert!(httpdate::parse_http_date(date.unwrap()).is_ok());
    }
}
