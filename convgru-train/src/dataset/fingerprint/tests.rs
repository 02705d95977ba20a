//! What changes a fingerprint.

use std::fs::{self, File};

use super::*;

fn config(kind: SourceKind) -> DataConfig {
    DataConfig { source: Source::default().of_kind(kind), ..DataConfig::default() }
}

fn frames(path: &Path) -> Fingerprint {
    Fingerprint::of(&config(SourceKind::Frames), Some(path)).unwrap()
}

/// A folder with three arrays; the content means nothing here.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::write(folder.path().join("a.npy"), [1; 100]).unwrap();
    fs::write(folder.path().join("b/c.npy"), [2; 200]).unwrap();
    fs::write(folder.path().join("long.npy"), vec![3; 1 << 20]).unwrap();
    folder
}

#[test]
fn a_folder_that_was_moved_touched_or_has_a_readme_is_the_same() {
    let folder = folder();
    let before = frames(folder.path());
    assert_eq!((before.count, before.bytes), (3, 300 + (1 << 20)));
    let names: Vec<_> = before.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a.npy", "b/c.npy", "long.npy"]);
    fs::write(folder.path().join("README.md"), "notes").unwrap();
    let long = File::options().write(true).open(folder.path().join("long.npy")).unwrap();
    long.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(77)).unwrap();
    let other = tempfile::tempdir().unwrap();
    let moved = other.path().join("elsewhere");
    fs::rename(folder.path(), &moved).unwrap();
    let after = frames(&moved);
    assert_eq!(before.changes(&after), Vec::<String>::new());
    assert_eq!(before.only_times_differ(&after), 1);
    fs::create_dir(folder.path()).unwrap();
}

#[test]
fn every_change_is_told_by_file() {
    let folder = folder();
    let before = frames(folder.path());
    let change = |name: &str, bytes: Option<&[u8]>| {
        let path = folder.path().join(name);
        let old = fs::read(&path).ok();
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let changes = before.changes(&frames(folder.path())).join("; ");
        match old {
            Some(old) => fs::write(&path, old).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        changes
    };
    assert!(change("a.npy", None).contains("\"a.npy\" is gone"));
    assert!(change("d.npy", Some(b"x")).contains("\"d.npy\" is new"));
    assert!(change("b/c.npy", Some(&[2; 201])).contains("\"b/c.npy\" had 200 bytes and has 201"));
    assert_eq!(change("a.npy", Some(&[9; 100])), "\"a.npy\" has other content of the same size");
    // The last byte of a long file, where archives have their checksums; and a part in the middle.
    let mut long = vec![3; 1 << 20];
    *long.last_mut().unwrap() = 4;
    assert!(change("long.npy", Some(&long)).contains("other content"));
    let mut long = vec![3; 1 << 20];
    long[400_000..480_000].fill(5);
    assert!(change("long.npy", Some(&long)).contains("other content"));
    assert_eq!(before.changes(&frames(folder.path())), Vec::<String>::new());
    for number in 0..9 {
        fs::write(folder.path().join(format!("new{number}.npy")), "").unwrap();
    }
    assert!(before.changes(&frames(folder.path())).join("; ").ends_with("4 more files changed"));
}

#[test]
fn one_file_is_the_same_under_another_name() {
    let folder = folder();
    let before = frames(&folder.path().join("a.npy"));
    assert_eq!(before.count, 1);
    fs::rename(folder.path().join("a.npy"), folder.path().join("z.npy")).unwrap();
    assert_eq!(before, frames(&folder.path().join("z.npy")));
    fs::write(folder.path().join("z.npy"), "y").unwrap();
    let changes = before.changes(&frames(&folder.path().join("z.npy"))).join("; ");
    assert!(changes.contains("the file had 100 bytes and has 1"), "{changes}");
}

#[test]
fn the_times_of_rain_count() {
    let folder = tempfile::tempdir().unwrap();
    let now = || Fingerprint::of(&config(SourceKind::Radar), Some(folder.path())).unwrap();
    fs::write(folder.path().join("rainfall_a.npz"), [1; 100]).unwrap();
    fs::write(folder.path().join("rainfall_a_dates.txt"), "2016-08-28 10:00").unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let before = now();
    assert_eq!(before.count, 2);
    fs::write(folder.path().join("rainfall_a_dates.txt"), "2016-08-28 10:05").unwrap();
    assert!(before.changes(&now()).join("; ").contains("\"rainfall_a_dates.txt\" has other content"));
}

#[test]
fn drawn_digits_have_one_fingerprint_and_other_sources_another() {
    let drawn = Fingerprint::of(&config(SourceKind::Strokes), None).unwrap();
    assert_eq!(drawn, Fingerprint::of(&config(SourceKind::Strokes), Some(Path::new("anywhere"))).unwrap());
    assert!(
        drawn.changes(&frames(folder().path())).join("; ").contains("the source was strokes and is frames")
    );
}

#[test]
fn samples_reach_from_the_first_byte_to_the_last() {
    assert_eq!(starts(WHOLE), [0]);
    for size in [WHOLE + 1, 1 << 20, 1 << 40, u64::MAX] {
        let starts = starts(size);
        assert_eq!((starts.len() as u64, starts[0], starts[starts.len() - 1]), (SAMPLES, 0, size - SAMPLE));
        assert!(starts.is_sorted());
    }
}
