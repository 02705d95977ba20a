//! `convgru train --resume`: who may, with which data, and what the last process left.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::program::{command, convgru, folder};
use crate::train::{interrupted, lines, log, until};

/// A run in `parts` that takes long enough to be met.
const LONG: &str = "train --config tiny.toml --out parts --set training.steps=100000 --set training.checkpoint_every=0 \
                    --set training.validate_every=0 --set schedule.kind=constant";

/// Starts the long run and waits until it has taken some steps.
fn started(folder: &Path, arguments: &str) -> Child {
    let mut child = command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(&mut child, |child| {
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        lines(folder) >= 3
    });
    child
}

/// Goes on with the run in `parts`, ends it by SIGTERM when it has said so, and returns what it said.
fn resumed_and_ended(folder: &Path) -> String {
    let told = folder.join("stderr");
    let stderr = fs::File::create(&told).unwrap();
    let arguments = "train --out parts --resume=tiny";
    let mut child = command(folder, arguments).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let text = || fs::read_to_string(&told).unwrap();
    until(&mut child, |child| text().contains("parameters, step") || child.try_wait().unwrap().is_some());
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{}", text());
    text()
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Names and contents of the files of a run that no step changes.
fn still_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let run = folder.join("parts/tiny");
    let mut files = Vec::new();
    for folder in [run.clone(), run.join("checkpoints")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_file() && name != "metrics.jsonl" && !name.starts_with("events") {
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_run_that_another_process_has_is_left_alone() {
    let folder = folder();
    let child = started(folder.path(), LONG);
    let before = still_files(folder.path());
    for arguments in ["train --out parts --resume", "train --out parts --resume=tiny --threads 1"] {
        let second = convgru(folder.path(), arguments);
        assert_eq!(second.code, Some(1), "{second:?}");
        let holder = format!("process {} on ", child.id());
        for words in [&holder[..], "run.lock", "since 20", "wait until it ends"] {
            assert!(second.stderr.contains(words), "{} lacks {words}", second.stderr);
        }
    }
    assert_eq!(still_files(folder.path()), before);
    // Another run beside it is no second run of it.
    convgru(folder.path(), "train --config tiny.toml --out parts").succeeded();
    assert!(folder.path().join("parts/tiny-2/model.safetensors").is_file());
    killed(child);
    // The lock of a process that was killed is taken over.
    let stderr = resumed_and_ended(folder.path());
    assert!(stderr.contains("which did not end by itself"), "{stderr}");
    // The lock of one that ended is free.
    let stderr = resumed_and_ended(folder.path());
    assert!(!stderr.contains("did not end by itself"), "{stderr}");
    let steps: Vec<_> =
        log(&folder.path().join("parts")).iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert!(steps.iter().copied().eq(1..=steps.len() as u64), "each step has one line");
}

#[test]
fn a_search_that_another_process_has_is_left_alone() {
    let folder = folder();
    let ranges = "trials = 1\n[ranges]\n\"optimizer.learning_rate\" = [0.001]";
    fs::write(folder.path().join("ranges.toml"), ranges).unwrap();
    let search = "tune --ranges ranges.toml --out search --config tiny.toml --set training.steps=100000 \
                  --set training.validate_every=0";
    let mut child =
        command(folder.path(), search).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(&mut child, |_| folder.path().join("search/tune.json").is_file());
    let record = fs::read(folder.path().join("search/tune.json")).unwrap();
    let second = convgru(folder.path(), search);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains(&format!("process {} on ", child.id())), "{}", second.stderr);
    assert!(fs::read(folder.path().join("search/tune.json")).unwrap() == record);
    killed(child);
}

#[test]
fn a_terminal_that_goes_away_saves_the_run() {
    let folder = folder();
    let (status, stderr) = interrupted(folder.path(), LONG, "-HUP", 3);
    assert_eq!(status.code(), Some(129), "{stderr}");
    assert!(stderr.contains("saved step") && stderr.contains("--resume=tiny"), "{stderr}");
    let saved = fs::read_dir(folder.path().join("parts/tiny/checkpoints")).unwrap().count();
    assert_eq!(saved, 2, "the beginning and the step of the signal");
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let folder = folder();
    let mut command = std::process::Command::new("sh");
    let run = format!("trap '' HUP; exec {} {LONG}", env!("CARGO_BIN_EXE_convgru"));
    command.args(["-c", &run]).current_dir(folder.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(&mut child, |_| lines(folder.path()) >= 3);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let later = lines(folder.path()) + 20;
    until(&mut child, |child| {
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        lines(folder.path()) >= later
    });
    killed(child);
}

#[test]
fn a_run_is_saved_by_time_where_no_step_is() {
    let folder = folder();
    let run = format!("{LONG} --set training.checkpoint_seconds=1");
    let mut child = command(folder.path(), &run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let checkpoints = folder.path().join("parts/tiny/checkpoints");
    let saved = || {
        fs::read_dir(&checkpoints).map_or(0, |entries| {
            entries
                .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "ckpt"))
                .count()
        })
    };
    until(&mut child, |_| saved() >= 2);
    killed(child);
    let stderr = resumed_and_ended(folder.path());
    assert!(stderr.contains("going on with") && !stderr.contains("step 0 "), "{stderr}");
    let newest = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().file_name()).max().unwrap();
    assert!(*newest.to_string_lossy() > *"step_00000000.ckpt", "{newest:?}");
}

#[test]
fn a_log_that_is_damaged_or_lost_comes_back() {
    let folder = folder();
    convgru(folder.path(), "train --config tiny.toml --out whole").succeeded();
    let expected = log(&folder.path().join("whole"));
    let path = folder.path().join("whole/tiny/metrics.jsonl");
    for damaged in [&b""[..], b"\xff\xfe{\n", b"{\"kind\":\"step\",\"step\":1}\n\n\n"] {
        fs::write(&path, damaged).unwrap();
        convgru(folder.path(), "train --out whole --resume").succeeded();
        assert_eq!(log(&folder.path().join("whole")), expected);
    }
    fs::remove_file(&path).unwrap();
    convgru(folder.path(), "train --out whole --resume").succeeded();
    assert_eq!(log(&folder.path().join("whole")), expected);
}

#[test]
fn changed_data_are_noticed() {
    let folder = folder();
    // Rain that moves: eight sequences of five frames of 16 x 16 pixels.
    let array = |last: u8| {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 8, 1, 16, 16), }";
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{header:<117}\n").bytes());
        bytes.extend((0..5 * 8 * 256u32).map(|at| (at / 7 % 251) as u8));
        *bytes.last_mut().unwrap() = last;
        bytes
    };
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.npy"), array(1)).unwrap();
    let train = "train --preset quick --config tiny.toml --data data --set training.steps=4";
    convgru(folder.path(), &format!("{train} --out whole --seed 3")).succeeded();
    convgru(folder.path(), train).succeeded();
    // Another place, time and neighbour are no change.
    fs::rename(&data, folder.path().join("moved")).unwrap();
    fs::write(folder.path().join("moved/a.npy"), array(1)).unwrap();
    fs::write(folder.path().join("moved/notes.txt"), "x").unwrap();
    convgru(folder.path(), "train --resume --data moved").succeeded();
    let checkpoints = || {
        let read = fs::read_dir(folder.path().join("runs/tiny/checkpoints")).unwrap();
        let mut files: Vec<_> =
            read.map(|entry| entry.unwrap().path()).map(|path| (fs::read(&path).unwrap(), path)).collect();
        files.sort();
        files
    };
    let before = checkpoints();
    fs::write(folder.path().join("moved/a.npy"), array(2)).unwrap();
    let refused = convgru(folder.path(), "train --resume --data moved");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in ["\"a.npy\" has other content of the same size", "--allow-changed-data"] {
        assert!(refused.stderr.contains(words), "{} lacks {words}", refused.stderr);
    }
    assert!(checkpoints() == before, "a run that was refused changed its checkpoints");
    let allowed = convgru(folder.path(), "train --resume --data moved --allow-changed-data").succeeded();
    assert!(allowed.stderr.contains("goes on with changed data"), "{}", allowed.stderr);
    // From now on these are the data of the run.
    let again = convgru(folder.path(), "train --resume --data moved").succeeded();
    assert!(!again.stderr.contains("changed"), "{}", again.stderr);
    fs::write(folder.path().join("moved/b.npy"), array(3)).unwrap();
    let refused = convgru(folder.path(), "train --resume --data moved");
    assert!(refused.code == Some(1) && refused.stderr.contains("\"b.npy\" is new"), "{refused:?}");
}

#[test]
fn a_run_in_the_folder_of_its_data_is_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let frames = convgru_model::Tensor::from_fn(&[1, 8, 1, 16, 20], |at| (at % 97) as f32 / 97.0);
    for file in ["a.npy", "b.npy", "c.npy"] {
        convgru_train::media::write_array(
            folder.path().join(file),
            &frames,
            &convgru_train::dataset::Axes::default(),
        )
        .unwrap();
    }
    std::fs::write(folder.path().join("step.toml"), crate::program::LAST_FRAME).unwrap();
    convgru(folder.path(), "train --config step.toml --data . --set schedule.kind=constant").succeeded();
    convgru(folder.path(), "train --resume=t --steps 2").succeeded();
    std::fs::copy(folder.path().join("a.npy"), folder.path().join("d.npy")).unwrap();
    let ran = convgru(folder.path(), "train --resume=t --steps 3");
    assert!(ran.code == Some(1) && ran.stderr.contains("d.npy\" is new"), "{}", ran.stderr);
}

#[test]
fn runs_that_cannot_be_resumed_are_passed_over() {
    let folder = folder();
    convgru(folder.path(), "train --config tiny.toml").succeeded();
    for name in ["empty", "half"] {
        fs::create_dir_all(folder.path().join("runs").join(name).join("checkpoints")).unwrap();
    }
    fs::write(folder.path().join("runs/empty/config.toml"), "name = \"empty\"").unwrap();
    let ran = convgru(folder.path(), "train --resume --json").succeeded();
    assert_eq!(ran.json()["run"], "runs/tiny");
}

#[cfg(target_os = "linux")]
#[test]
fn folders_whose_names_are_no_text_work() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let out = std::ffi::OsStr::from_bytes(b"out\xff\x1b[31m");
    let run = |arguments: &str, last: &[&std::ffi::OsStr]| {
        let output = command(folder.path(), arguments).arg("--out").arg(out).args(last).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {stderr}");
        (output.stdout, stderr)
    };
    run("train --config tiny.toml --json", &[]);
    let (stdout, _) = run("train --resume=tiny", &[]);
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let (_, proposed) = stdout.split_once("next:\n").unwrap();
    assert!(proposed.contains(r"$'out\xff\x1b[31m/tiny/model.safetensors'"), "{proposed}");
    run("train --resume --json", &[]);
    let odd = folder.path().join(out).join(std::ffi::OsStr::from_bytes(b"odd\xfe"));
    fs::rename(folder.path().join(out).join("tiny"), &odd).unwrap();
    run("train --resume --json", &[]);
    run("runs", &[]);
    run("runs --json", &[]);
    fs::write(
        folder.path().join("ranges.toml"),
        "trials = 1\n[ranges]\n\"optimizer.learning_rate\" = [0.001]",
    )
    .unwrap();
    for _ in 0..2 {
        run("tune --ranges ranges.toml --config tiny.toml --set training.steps=2 --json", &[]);
    }
}
