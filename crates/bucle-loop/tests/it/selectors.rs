//! Which selector a loop gets.

use std::io::ErrorKind;
use std::process::Command;

use bucle_loop::{EventLoop, SelectorKind};

/// Passes, and says which selector it got only as the child of the tests below.
#[test]
fn child_that_tells_its_selector() {
    if std::env::var_os("BUCLE_TEST_CHILD").is_some() {
        match EventLoop::new() {
            Ok(event_loop) => println!("selector: {}.", event_loop.selector_name()),
            Err(error) => println!("error: {error}."),
        }
    }
}

fn child(selector: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "selectors::child_that_tells_its_selector"])
        .arg("--nocapture")
        .env("BUCLE_TEST_CHILD", "1")
        .env("BUCLE_SELECTOR", selector)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_environment_forces_one() {
    assert!(child("poll").contains("selector: poll."));
    assert!(child("").contains("selector: "));
    let wrong = child("select");
    assert!(wrong.contains("error: BUCLE_SELECTOR is"), "{wrong}");
    assert!(wrong.contains("`poll`"), "{wrong}");
}

#[test]
#[cfg(target_os = "linux")]
fn linux_has_epoll_and_no_kqueue() {
    assert!(child("epoll").contains("selector: epoll."));
    assert!(child("").contains("selector: epoll."));
    let error = EventLoop::builder()
        .selector(SelectorKind::Kqueue)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("use `poll`"), "{error}");
}
