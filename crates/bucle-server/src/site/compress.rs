//! Compressing files, in threads: what is worth it, how hard, and the compressing itself.
//!
//! What is made is kept, and a file is compressed once for each state and coding, so the levels
//! are above those of servers that compress every answer anew.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use crate::site::coding::Coding;
use crate::site::root::Facts;

/// Shorter files are sent as they are, in bytes: their head is longer than what there is to gain.
pub const COMPRESS_FROM: u64 = 512;

/// Longer files are not compressed by the server, in bytes. They are sent as they are, unless they
/// were compressed beforehand.
pub const COMPRESS_UP_TO: u64 = 8 * 1024 * 1024;

/// How many files a loop has compressed at the same time.
pub(crate) const AT_ONCE: usize = 2;

/// How many may wait for that; for more, the file is sent as it is.
pub(crate) const WAITING: usize = 64;

/// By far the fastest of those that save as much (Brotli's are 0 to 11).
const BROTLI_LEVEL: i32 = 5;

/// The window of 4 MiB, as browsers take it (RFC 7932 allows 16 MiB).
const BROTLI_WINDOW: i32 = 22;

/// Of 0 to 9.
const GZIP_LEVEL: u32 = 6;

/// Of 1 to 22. Its window is within the 8 MiB of RFC 9659.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 6;

/// How much of a file has to be saved: a twentieth.
const SAVED: usize = 20;

/// Whether the server itself can compress with a coding.
pub(crate) fn is_there(coding: Coding) -> bool {
    coding != Coding::Zstd || cfg!(feature = "zstd")
}

/// Where the bytes to be compressed are.
pub(crate) enum Source {
    Bytes(Vec<u8>),
    File(OwnedFd, Facts),
}

/// Compresses a file; `None` where that would save too little. It takes its time: not for the loop.
///
/// # Errors
/// The system's; `InvalidData` if the file has changed.
pub(crate) fn compress(source: Source, coding: Coding) -> io::Result<Option<Vec<u8>>> {
    let bytes = match source {
        Source::Bytes(bytes) => bytes,
        Source::File(file, facts) => read(file, facts)?,
    };
    let compressed = encode(&bytes, coding)?;
    let saves = compressed.len() + bytes.len() / SAVED < bytes.len();
    Ok(saves.then_some(compressed))
}

fn read(file: OwnedFd, facts: Facts) -> io::Result<Vec<u8>> {
    let file = fs::File::from(file);
    let length = usize::try_from(facts.size.min(COMPRESS_UP_TO)).unwrap_or(0);
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match bucle_sys::file::read_at(&file, &mut bytes[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    if filled as u64 != facts.size || Facts::of_open(&file)? != facts {
        let message = "the file changed while it was compressed";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bytes)
}

fn encode(bytes: &[u8], coding: Coding) -> io::Result<Vec<u8>> {
    let out = Vec::with_capacity(bytes.len() / 4 + 64);
    match coding {
        Coding::Brotli => {
            let mut out = out;
            let parameters = brotli::enc::BrotliEncoderParams {
                quality: BROTLI_LEVEL,
                lgwin: BROTLI_WINDOW,
                size_hint: bytes.len(),
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &*bytes, &mut out, &parameters)?;
            Ok(out)
        }
        Coding::Gzip => {
            let level = flate2::Compression::new(GZIP_LEVEL);
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        #[cfg(feature = "zstd")]
        Coding::Zstd => zstd::stream::encode_all(bytes, ZSTD_LEVEL),
        #[cfg(not(feature = "zstd"))]
        Coding::Zstd => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_was_compressed_can_be_read_again() {
        let text = "Nel mezzo del cammin di nostra vita\n".repeat(2_000);
        for coding in Coding::ALL.into_iter().filter(|coding| is_there(*coding)) {
            let source = Source::Bytes(text.clone().into());
            let compressed = compress(source, coding).unwrap().unwrap();
            assert!(compressed.len() * 10 < text.len(), "{coding:?}");
            let mut again = Vec::new();
            match coding {
                Coding::Gzip => {
                    let mut reader = flate2::read::GzDecoder::new(&compressed[..]);
                    reader.read_to_end(&mut again).unwrap();
                }
                Coding::Brotli => {
                    brotli::BrotliDecompress(&mut &compressed[..], &mut again).unwrap();
                }
                #[cfg(feature = "zstd")]
                Coding::Zstd => again = zstd::stream::decode_all(&compressed[..]).unwrap(),
                #[cfg(not(feature = "zstd"))]
                Coding::Zstd => unreachable!(),
            }
            assert!(again == text.as_bytes(), "{coding:?}");
            // The same bytes each time: its tag is a strong one.
            let source = Source::Bytes(text.clone().into());
            assert!(compress(source, coding).unwrap().unwrap() == compressed);
        }
    }

    #[test]
    fn what_would_not_be_shorter_is_not_compressed() {
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(5_000)
            .collect();
        for coding in Coding::ALL.into_iter().filter(|coding| is_there(*coding)) {
            assert_eq!(
                compress(Source::Bytes(noise.clone()), coding).unwrap(),
                None
            );
        }
    }

    #[test]
    fn a_file_that_changed_is_not_compressed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b'x'; 1_000]).unwrap();
        let facts = Facts::of_open(&file).unwrap();
        let same = Source::File(file.try_clone().unwrap().into(), facts);
        assert!(compress(same, Coding::Gzip).unwrap().is_some());
        file.set_len(900).unwrap();
        let shorter = Source::File(file.into(), facts);
        let error = compress(shorter, Coding::Gzip).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
