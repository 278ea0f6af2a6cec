//! The files that are served: 1,000 of 0.2 to 4 KiB, and one of exactly 1 KiB, the same bytes on every machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::random::Random;

/// How many files there are, besides the one of 1 KiB.
pub(crate) const FILES: usize = 1_000;
const SMALLEST: usize = 205;
const LARGEST: usize = 4_096;
/// The path of the file of 1 KiB.
pub(crate) const ONE_KIB: &str = "/one-kib.html";
/// The large files: path and size.
pub(crate) const LARGE: [(&str, usize); 2] = [
    ("/100-kib.bin", 100 * 1024),
    ("/10-mib.bin", 10 * 1024 * 1024),
];
/// The path of a folder of [`MANY`] names, where it was asked for.
pub(crate) const NAMES: &str = "/names/";
const MANY: usize = 50_000;
const KINDS: [&str; 5] = ["html", "css", "js", "svg", "txt"];

/// A folder of files in the temporary directory, removed when dropped.
pub(crate) struct Site {
    folder: TempDir,
    /// `/`-rooted path and content of each file.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The file of 1 KiB.
    pub(crate) one_kib: (String, Vec<u8>),
    /// Those of [`LARGE`].
    pub(crate) large: Vec<(String, Vec<u8>)>,
}

impl Site {
    /// Writes the files.
    pub(crate) fn create() -> Result<Site> {
        let folder = tempfile::Builder::new()
            .prefix("bucle-bench-")
            .tempdir()
            .context("no temporary folder")?;
        let mut random = Random::new(1_000);
        let mut files = Vec::with_capacity(FILES);
        for number in 0..FILES {
            let kind = KINDS[number % KINDS.len()];
            let path = format!(
                "/{kind}/{}-{number:03}.{kind}",
                random.word(6).to_lowercase()
            );
            files.push((path, text(&mut random, SMALLEST, LARGEST)));
        }
        let one_kib = (ONE_KIB.to_owned(), text(&mut random, 1_024, 1_024));
        let large = LARGE.map(|(path, size)| (path.to_owned(), text(&mut random, size, size)));
        let site = Site {
            folder,
            files,
            one_kib,
            large: large.into(),
        };
        for kind in KINDS {
            std::fs::create_dir_all(site.root().join(kind))?;
        }
        for (path, content) in site.files.iter().chain([&site.one_kib]).chain(&site.large) {
            let file = site.root().join(&path[1..]);
            std::fs::write(&file, content)
                .with_context(|| format!("cannot write {}", file.display()))?;
            // Files of a real site are not a second old; a server may treat new ones with more care.
            File::options()
                .write(true)
                .open(&file)?
                .set_modified(SystemTime::now() - Duration::from_secs(86_400))?;
        }
        Ok(site)
    }

    /// Makes the folder of many names.
    pub(crate) fn add_names(&self) -> Result<()> {
        let folder = self.root().join(NAMES.trim_matches('/'));
        std::fs::create_dir_all(&folder)?;
        for number in 0..MANY {
            File::create(folder.join(format!("a-file-with-a-name-{number:05}.txt")))?;
        }
        Ok(())
    }

    /// The document root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root").to_path_buf()
    }

    /// Where a server may put its configuration, logs and scratch files: outside the document root.
    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }
}

fn text(random: &mut Random, smallest: usize, largest: usize) -> Vec<u8> {
    let length = random.between(smallest, largest);
    let mut content = random.word(length).into_bytes();
    for byte in content.iter_mut().skip(71).step_by(72) {
        *byte = b'\n';
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_as_promised_and_the_same_every_time() {
        let (one, two) = (
            Site::create().expect("a site"),
            Site::create().expect("a site"),
        );
        assert_eq!(one.files, two.files);
        assert_eq!(one.files.len(), FILES);
        assert!(
            one.files
                .iter()
                .all(|(_, content)| (SMALLEST..=LARGEST).contains(&content.len()))
        );
        assert_eq!(one.one_kib.1.len(), 1_024);
        let (path, content) = &one.files[7];
        assert_eq!(
            &std::fs::read(one.root().join(&path[1..])).expect("the file"),
            content
        );
    }
}
