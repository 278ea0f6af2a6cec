//! The folder that the rows are about.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// When `a.txt` and `count.txt` were modified: 9 September 2001, 01:46:40 GMT.
const MODIFIED: Duration = Duration::from_secs(1_000_000_000);

/// Makes it in an empty folder.
///
/// # Errors
/// The system's.
pub fn make(folder: &Path) -> io::Result<()> {
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)
    };
    write("a.txt", b"hello\n")?;
    let count: String = (0..400).map(|n| format!("{n:04}\n")).collect();
    write("count.txt", count.as_bytes())?;
    write("empty.txt", b"")?;
    write("index.html", b"<title>home</title>\n")?;
    write("large.bin", &vec![b'l'; 100_000])?;
    write("dir/index.html", b"<title>dir</title>\n")?;
    write("dir/b c.txt", b"b c\n")?;
    write("sub/inner.txt", b"inner\n")?;
    write(".hidden", b"hidden\n")?;
    write(".git/config", b"hidden\n")?;
    write(".well-known/x.txt", b"x\n")?;
    symlink("a.txt", folder.join("link-in"))?;
    symlink("/etc/passwd", folder.join("link-out"))?;
    symlink("/etc", folder.join("link-etc"))?;
    symlink(".hidden", folder.join("link-hidden"))?;
    symlink(".git", folder.join("link-git"))?;
    let fifo = folder.join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode)?;
    let modified = SystemTime::UNIX_EPOCH + MODIFIED;
    for name in ["a.txt", "count.txt"] {
        let file = File::options().write(true).open(folder.join(name))?;
        file.set_times(FileTimes::new().set_modified(modified))?;
    }
    Ok(())
}
