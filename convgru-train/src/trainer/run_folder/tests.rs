//! Folders of runs are new, locked and complete.

use std::fs;

use super::*;

#[test]
fn an_existing_run_is_never_overwritten() {
    let out = tempfile::tempdir().unwrap();
    let made: Vec<_> = (0..3).map(|_| RunFolder::create(out.path(), "quick").unwrap()).collect();
    assert!(made.iter().map(RunFolder::name).eq(["quick", "quick-2", "quick-3"]));
}

#[test]
fn a_run_that_never_began_is_taken_over_and_nothing_else_is() {
    let out = tempfile::tempdir().unwrap();
    let create = |name: &str| RunFolder::create(out.path(), name).unwrap().name();
    // Killed before its first checkpoint.
    let run = RunFolder::create(out.path(), "killed").unwrap();
    fs::write(run.config(), "half").unwrap();
    let temporary = [run.config(), run.checkpoints().join("step_00000000.ckpt")];
    let temporary = temporary.map(|path| run.storage().create_temporary(&path).unwrap().0);
    assert_eq!(create("killed"), "killed-2", "it is locked");
    drop(run);
    assert_eq!(create("killed"), "killed");
    assert!(temporary.iter().all(|path| !path.exists()));
    // What somebody made, or began.
    for file in
        ["config.toml", "notes.txt", "checkpoints/step_00000000.ckpt", "checkpoints/best.ckpt.damaged"]
    {
        let name = file.replace('/', "-");
        let run = RunFolder::create(out.path(), &name).unwrap();
        fs::write(run.path().join(file), "precious").unwrap();
        drop(run);
        if file == "config.toml" {
            fs::remove_file(out.path().join(&name).join(LOCK)).unwrap();
        }
        assert_eq!(create(&name), format!("{name}-2"));
        assert_eq!(fs::read(out.path().join(&name).join(file)).unwrap(), b"precious");
    }
    fs::write(out.path().join("file"), "").unwrap();
    assert_eq!(create("file"), "file-2");
    fs::create_dir(out.path().join("empty")).unwrap();
    assert_eq!(create("empty"), "empty");
}

#[test]
fn a_folder_is_locked_until_its_last_clone_is_dropped() {
    let out = tempfile::tempdir().unwrap();
    let made = RunFolder::create(out.path(), "run").unwrap();
    fs::write(made.config(), "").unwrap();
    let again = || RunFolder::open(made.path()).and_then(RunFolder::locked);
    let clone = made.clone();
    assert!(matches!(again(), Err(Error::Locked { .. })));
    let opened = RunFolder::open(made.path()).unwrap();
    drop(made);
    assert!(matches!(opened.clone().locked(), Err(Error::Locked { .. })));
    drop(clone);
    opened.locked().unwrap();
}

#[test]
fn leftovers_of_every_file_are_removed() {
    let out = tempfile::tempdir().unwrap();
    let run = RunFolder::create(out.path(), "run").unwrap();
    let files = FILES.map(|name| run.path().join(name));
    let checkpoints = ["best.ckpt", "step_00000007.ckpt"].map(|name| run.checkpoints().join(name));
    for file in files.iter().chain(&checkpoints) {
        run.storage().create_temporary(file).unwrap();
    }
    let (others, _) = run.storage().create_temporary(&run.path().join("notes.txt")).unwrap();
    run.remove_leftovers().unwrap();
    assert!(others.is_file());
    assert_eq!(fs::read_dir(run.checkpoints()).unwrap().count(), 0);
    // checkpoints/, run.lock and the file of somebody else.
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 3);
}

#[test]
fn a_model_is_found_by_its_run() {
    let out = tempfile::tempdir().unwrap();
    let run = RunFolder::create(out.path(), "radar").unwrap();
    fs::write(run.config(), "").unwrap();
    let [best, short] = [run.checkpoints().join("best.ckpt"), run.path().join("best.ckpt")];
    assert_eq!(RunFolder::model_at(run.path()), run.weights());
    assert_eq!(RunFolder::model_at(&short), short, "there is none");
    fs::write(&best, "").unwrap();
    assert_eq!(RunFolder::model_at(run.path()), best);
    assert_eq!(RunFolder::model_at(&short), best);
    assert_eq!(RunFolder::model_at(&best), best);
    fs::write(run.weights(), "").unwrap();
    assert_eq!(RunFolder::model_at(run.path()), run.weights());
    fs::write(&short, "").unwrap();
    assert_eq!(RunFolder::model_at(&short), short);
    assert_eq!(RunFolder::model_at(out.path()), out.path(), "no run");
}

#[test]
fn a_file_where_the_folder_should_be_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RunFolder::create(&file, "quick").unwrap_err().to_string();
    assert!(error.contains("cannot create the folder"), "{error}");
}
