//! A little of what the example `mutate_server` does at length.

#[path = "../../examples/mutate_server/drive.rs"]
mod drive;

#[test]
fn mutations_and_random_bytes_harm_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<p>").unwrap();
    let totals = drive::mutations(5_000, 1, folder.path()).unwrap();
    assert!(totals.accepted * 100 >= totals.sent * 30, "{totals:?}");
    let totals = drive::random_bytes(200_000, 1, folder.path()).unwrap();
    assert!(totals.sent >= 50);
}
