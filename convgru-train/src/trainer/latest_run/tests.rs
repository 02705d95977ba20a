//! What is in the folders of runs decides which one is the latest.

use std::fs::{self, File};
use std::time::Duration;

use super::*;
use crate::checkpoint::CheckpointStore;
use crate::storage::faults::{Errno, Failing};

/// A run whose checkpoints of these steps were saved at these minutes.
fn run(out: &Path, name: &str, saved: &[(u64, Option<u64>)]) -> RunFolder {
    let folder = RunFolder::create(out, name).unwrap();
    fs::write(folder.config(), "").unwrap();
    for (step, minute) in saved {
        let checkpoint =
            Checkpoint { saved: minute.map(|m| m * 60_000), ..crate::checkpoint::tests::checkpoint(*step) };
        CheckpointStore::new(folder.checkpoints(), 9).save(&checkpoint).unwrap();
    }
    RunFolder::open(folder.path()).unwrap()
}

fn latest(out: &Path, name: Option<&str>) -> String {
    RunFolder::latest(out, name).unwrap().folder.name()
}

#[test]
fn what_is_in_a_run_decides_and_not_the_times_of_its_files() {
    let out = tempfile::tempdir().unwrap();
    let none = RunFolder::latest(out.path(), None).unwrap_err().to_string();
    assert!(none.contains("no run to resume"), "{none}");
    for (name, minute) in [("quick-wide", 9), ("quick", 3), ("other", 8), ("quick-2", 2)] {
        run(out.path(), name, &[(1, Some(minute))]);
    }
    // Copied or restored last, and yet the oldest.
    fs::write(out.path().join("quick-2/checkpoints/note"), "").unwrap();
    fs::write(out.path().join("stray file"), "").unwrap();
    assert_eq!(latest(out.path(), Some("quick")), "quick");
    assert_eq!(latest(out.path(), None), "quick-wide");
    let error = RunFolder::latest(out.path(), Some("slow")).unwrap_err().to_string();
    assert!(error.contains("`slow`"), "{error}");
}

#[test]
fn runs_that_cannot_be_resumed_are_passed_over_and_named() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), "good", &[(1, Some(3))]);
    run(out.path(), "empty", &[]);
    let damaged = run(out.path(), "damaged", &[(1, Some(9))]);
    fs::write(damaged.checkpoints().join("step_00000001.ckpt"), "CGRUCKPT").unwrap();
    let no_config = run(out.path(), "no-config", &[(1, Some(8))]);
    fs::write(no_config.config(), "steps = ").unwrap();
    fs::create_dir_all(out.path().join("half/checkpoints")).unwrap();
    let found = RunFolder::latest(out.path(), None).unwrap();
    assert_eq!(found.folder.name(), "good");
    let told = found.passed_over.join("\n");
    assert!(told.contains("damaged") && told.contains("no-config"), "{told}");
    fs::remove_dir_all(found.folder.path()).unwrap();
    let error = RunFolder::latest(out.path(), None).unwrap_err().to_string();
    assert!(error.contains("no run to resume") && error.contains("truncated"), "{error}");
}

#[test]
fn a_damaged_checkpoint_makes_no_run_newer() {
    let out = tempfile::tempdir().unwrap();
    let broken = run(out.path(), "broken", &[(1, Some(2)), (2, Some(90))]);
    run(out.path(), "intact", &[(1, Some(5))]);
    assert_eq!(latest(out.path(), None), "broken");
    let path = broken.checkpoints().join("step_00000002.ckpt");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(latest(out.path(), None), "intact");
}

#[test]
fn checkpoints_that_do_not_know_their_time_go_by_the_file() {
    let out = tempfile::tempdir().unwrap();
    for (name, minute) in [("a", 5), ("b", 4)] {
        let folder = run(out.path(), name, &[(1, None)]);
        let file = File::options().write(true).open(folder.checkpoints().join("step_00000001.ckpt")).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(60 * minute)).unwrap();
    }
    assert_eq!(latest(out.path(), None), "a");
}

#[test]
fn a_call_that_fails_makes_no_other_run_the_newest() {
    let out = tempfile::tempdir().unwrap();
    for (name, minute) in [("new", 9), ("newer", 10), ("old", 1)] {
        run(out.path(), name, &[(1, Some(minute)), (2, Some(minute + 1))]);
    }
    // Without a time of its own its file's counts, which is now.
    run(out.path(), "newest", &[(1, None)]);
    let counting = Failing::once(usize::MAX, Errno::Device);
    RunFolder::latest_on(Arc::new(counting.clone()), out.path(), None).unwrap();
    assert!(counting.calls() > 15, "only {} calls", counting.calls());
    for at in 0..counting.calls() {
        let errno = Errno::ALL[at % Errno::ALL.len()];
        match RunFolder::latest_on(Arc::new(Failing::once(at, errno)), out.path(), None) {
            Err(Error::Io { .. }) => {}
            other => panic!("{errno:?} at {at}: {other:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_run_is_in_the_way_of_none() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), "run", &[(1, Some(3))]);
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(out.path().join(target), out.path().join(name)).unwrap();
    };
    link("loop", "loop");
    link("absent", "broken");
    fs::write(out.path().join("file"), "").unwrap();
    link("file", "link");
    // A run that is linked to is one run.
    link("run", "alias");
    assert!(["run", "alias"].contains(&latest(out.path(), None).as_str()));
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_no_text_can_be_the_newest() {
    use std::os::unix::ffi::OsStrExt;
    let out = tempfile::tempdir().unwrap();
    let made = run(out.path(), "run", &[(1, Some(3))]);
    let odd = out.path().join(OsStr::from_bytes(b"odd\xff"));
    fs::rename(made.path(), &odd).unwrap();
    assert_eq!(RunFolder::latest(out.path(), None).unwrap().folder.path(), odd);
}
