//! Keeps the compiler's version, which `bucle bench` prints beside its figures, and has the executable
//! linked with packed relocations where they are known.

use std::env;
use std::process::Command;

/// The first glibc that knows packed relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=BUCLE_RUSTC=rustc {}", compiler());
    if knows_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // `rustc 1.95.0 (...)`: the number is enough.
    let version = version.unwrap_or_default();
    version.split(' ').nth(1).unwrap_or("unknown").trim().into()
}

/// Whether what is built runs on this machine, and this machine knows them (`DT_RELR`).
///
/// An executable that can be loaded anywhere lists every pointer in it: 10,000 of them, 24 bytes each,
/// which are read when it starts and stay resident. Packed they take 10 KiB. A glibc that doesn't know
/// them refuses such an executable; a linker that doesn't know the option ignores it.
fn knows_packed_relocations() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && env::var("HOST") == env::var("TARGET")
        && glibc().is_some_and(|version| version >= PACKED_SINCE)
}

/// The version of this machine's glibc.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    // `glibc 2.36`
    let (major, rest) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
