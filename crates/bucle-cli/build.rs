//! Keeps the compiler's version, which `bucle bench` prints beside its figures.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // `rustc 1.95.0 (...)`: the number is enough.
    let version = version.unwrap_or_default();
    let number = version.split(' ').nth(1).unwrap_or("unknown").trim();
    println!("cargo::rustc-env=BUCLE_RUSTC=rustc {number}");
}
