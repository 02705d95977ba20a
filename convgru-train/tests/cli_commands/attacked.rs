//! Runs that somebody moved, copied, raced for, filled the disk of, or planted links in.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{Ran, TINY, command, convgru, finished_run, folder, weights};
use crate::train::{interrupted, log};

/// A run that is long enough to be ended after some of its steps, and saves each of them.
const PARTS: &str =
    "train --config tiny.toml --out parts --set training.steps=60 --set training.validate_every=20";

/// The run in `parts`, ended by SIGTERM after some steps.
fn begun(folder: &Path) -> PathBuf {
    let (status, stderr) = interrupted(folder, PARTS, "-TERM", 5);
    assert_eq!(status.code(), Some(143), "{stderr}");
    folder.join("parts/tiny")
}

/// What the run in `parts` leads to when nothing happens to it: its weights and figures.
fn expected(folder: &Path) -> [Vec<u8>; 2] {
    convgru(folder, &PARTS.replace("--out parts", "--out whole")).succeeded();
    result(&folder.join("whole/tiny"))
}

fn result(run: &Path) -> [Vec<u8>; 2] {
    ["model.safetensors", "test.json"].map(|name| fs::read(run.join(name)).unwrap())
}

/// The tensors of a run's weights, without the metadata, in which the number of threads stands.
fn tensors(run: &Path) -> Vec<u8> {
    let bytes = fs::read(run.join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    bytes[8 + header as usize..].to_vec()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Every file below a folder with its bytes; of links where they lead.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path)
                .unwrap_or_else(|_| fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
            found.insert(path, bytes);
        }
    }
    found
}

fn hidden(folder: &Path) -> Vec<PathBuf> {
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes().starts_with(b".");
    files(folder).into_keys().filter(is_hidden).collect()
}

#[test]
fn a_run_that_was_moved_copied_or_linked_goes_on_to_the_same_bits() {
    let folder = folder();
    let expected = expected(folder.path());
    let run = begun(folder.path());
    for place in ["moved here/run", "copied"] {
        fs::create_dir_all(folder.path().join(place)).unwrap();
    }
    copy(&run, &folder.path().join("copied/tiny-3"));
    fs::rename(&run, folder.path().join("moved here/run/other")).unwrap();
    fs::create_dir(folder.path().join("linked")).unwrap();
    copy(&folder.path().join("copied/tiny-3"), &folder.path().join("target"));
    symlink(folder.path().join("target"), folder.path().join("linked/tiny")).unwrap();
    for (out, name) in [("moved here/run", "other"), ("copied", "tiny-3"), ("linked", "tiny")] {
        let mut resume = command(folder.path(), "train --resume --json");
        let output = resume.arg("--out").arg(out).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(result(&folder.path().join(out).join(name)) == expected, "{out}");
    }
    assert!(folder.path().join("linked/tiny").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn of_many_that_resume_a_run_at_once_one_does() {
    let folder = folder();
    let expected = expected(folder.path());
    let run = begun(folder.path());
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut resume = command(folder.path(), "train --out parts --resume");
            resume.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut done = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => done += 1,
            code => assert!(code == Some(1) && told.contains("run.lock is held by"), "{code:?}: {told}"),
        }
    }
    assert!(done > 0);
    assert!(result(&run) == expected);
    assert_eq!(log(&folder.path().join("parts")), log(&folder.path().join("whole")));
    assert_eq!(hidden(&run), Vec::<PathBuf>::new());
}

#[test]
fn checkpoints_that_were_deleted_or_copied_cost_no_bit() {
    let folder = folder();
    let expected = expected(folder.path());
    let run = begun(folder.path());
    let original = folder.path().join("original");
    copy(&run, &original);
    let attack = |attack: &dyn Fn(&Path, &mut Vec<PathBuf>)| {
        fs::remove_dir_all(&run).unwrap();
        copy(&original, &run);
        let checkpoints = run.join("checkpoints");
        let listed = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().path());
        let mut steps: Vec<_> = listed.filter(|path| path.to_string_lossy().contains("step_")).collect();
        steps.sort();
        attack(&checkpoints, &mut steps);
        let ran = convgru(folder.path(), "train --out parts --resume").succeeded();
        assert!(result(&run) == expected, "{}", ran.stderr);
        assert_eq!(log(&folder.path().join("parts")), log(&folder.path().join("whole")));
        ran.stderr
    };
    attack(&|_, steps| fs::remove_file(steps.pop().unwrap()).unwrap());
    attack(&|folder, steps| {
        fs::rename(steps.pop().unwrap(), folder.join("best.ckpt")).unwrap();
        steps.iter().for_each(|path| fs::remove_file(path).unwrap());
    });
    // An old one under the name of a later step would be the newest for ever.
    let told = attack(&|folder, steps| {
        fs::copy(&steps[0], folder.join("step_99999999.ckpt")).unwrap();
    });
    assert!(told.contains("has the name of step 99999999"), "{told}");
    // Names that are hardly any.
    attack(&|folder, _| {
        for name in
            ["step_.ckpt", "step_-1.ckpt", "step_18446744073709551616.ckpt", ".ckpt", "best.ckpt.damaged"]
        {
            fs::write(folder.join(name), "x").unwrap();
        }
    });
}

#[test]
fn whoever_may_write_only_short_files_is_told_so_and_loses_nothing() {
    let folder = folder();
    let expected = expected(folder.path());
    let program = env!("CARGO_BIN_EXE_convgru");
    // In blocks of 512 bytes.
    let limited = |blocks: usize, arguments: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -f {blocks}; exec {program} {arguments}")]);
        let output = shell.current_dir(folder.path()).env_remove("CONVGRU_PROGRAM").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let mut refused = 0;
    for blocks in [0, 1, 4, 8, 16, 24, 32, 40, 48, 56, 64, 80] {
        let ran = limited(blocks, PARTS);
        if ran.code != Some(0) {
            refused += 1;
            assert!(ran.code == Some(1) && ran.stderr.contains("File too large"), "{blocks}: {ran:?}");
        }
        let out = folder.path().join("parts");
        let left = if out.exists() { hidden(&out) } else { Vec::new() };
        assert_eq!(left, Vec::<PathBuf>::new(), "{blocks}");
        let resumed = convgru(folder.path(), "train --out parts --resume");
        if resumed.code != Some(0) {
            assert!(resumed.stderr.contains("no run to resume"), "{blocks}: {resumed:?}");
            convgru(folder.path(), PARTS).succeeded();
        }
        assert!(result(&out.join("tiny")) == expected, "{blocks}");
        fs::remove_dir_all(&out).unwrap();
    }
    assert!(refused >= 6, "{refused} runs met the limit");

    let weights = weights().display().to_string();
    fs::copy(finished_run().join("runs/tiny/example.gif"), folder.path().join("in.gif")).unwrap();
    let before = files(folder.path());
    for out in ["a.gif", "a.npy", "pictures"] {
        let ran =
            limited(0, &format!("predict --checkpoint {weights} --input in.gif --frames 2 --out {out}"));
        assert!(ran.code == Some(1) && ran.stderr.contains("File too large"), "{out}: {ran:?}");
        assert!(files(folder.path()) == before, "{out}");
    }
    for arguments in ["export --out a.onnx", "export --out a.safetensors --format torch"] {
        let ran = limited(1, &format!("{arguments} --checkpoint {weights}"));
        assert!(matches!(ran.code, Some(1 | 2)), "{arguments}: {ran:?}");
        assert!(files(folder.path()) == before, "{arguments}");
    }
}

#[test]
fn links_in_place_of_any_file_of_a_run_are_replaced_or_refused() {
    let folder = folder();
    let run = begun(folder.path());
    let names: Vec<PathBuf> = files(finished_run().join("runs/tiny").as_path())
        .into_keys()
        .map(|path| path.strip_prefix(finished_run().join("runs/tiny")).unwrap().to_path_buf())
        .filter(|name| name != Path::new("config.toml"))
        .collect();
    assert!(names.len() > 8, "{names:?}");
    let original = folder.path().join("original");
    copy(&run, &original);
    let victim = folder.path().join("victim");
    for name in names {
        fs::write(&victim, "precious").unwrap();
        fs::remove_dir_all(&run).unwrap();
        copy(&original, &run);
        let _ = fs::remove_file(run.join(&name));
        symlink(&victim, run.join(&name)).unwrap();
        let ran = convgru(folder.path(), "train --out parts --resume");
        let told = format!("{name:?}: {ran:?}");
        assert!(ran.code == Some(0) || ran.stderr.contains("ordinary file"), "{told}");
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{told}");
    }
}

#[test]
fn threads_change_no_bit_of_a_resumed_run_and_instruction_sets_are_named() {
    let folder = folder();
    expected(folder.path());
    let whole = folder.path().join("whole/tiny");
    let run = begun(folder.path());
    let original = folder.path().join("original");
    copy(&run, &original);
    let resumed = |isa: Option<&str>| {
        fs::remove_dir_all(&run).unwrap();
        copy(&original, &run);
        let mut resume = command(folder.path(), "train --out parts --resume --threads 3");
        isa.map(|isa| resume.env("CONVGRU_ISA", isa));
        let output = resume.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        told
    };
    let told = resumed(None);
    assert!(tensors(&run) == tensors(&whole) && !told.contains("CONVGRU_ISA"), "{told}");
    assert!(fs::read(run.join("test.json")).unwrap() == fs::read(whole.join("test.json")).unwrap());
    let now = convgru_model::Isa::current().name();
    for isa in convgru_model::Isa::all() {
        let told = resumed(Some(isa.name()));
        if isa.name() == now {
            assert!(tensors(&run) == tensors(&whole), "{told}");
        } else {
            assert!(
                told.contains(&format!("computed with {now} and the run goes on with {}", isa.name())),
                "{told}"
            );
        }
    }
}

#[test]
fn a_changed_configuration_is_refused_and_nothing_changes() {
    let folder = folder();
    let run = begun(folder.path());
    let before = files(&run);
    for (set, field) in [
        ("model.hidden_channels=[8]", "model.hidden_channels"),
        ("optimizer.learning_rate=0.5", "optimizer.learning_rate"),
        ("training.seed=9", "training.seed"),
        ("data.size=32", "data.size"),
    ] {
        let ran = convgru(folder.path(), &format!("train --out parts --resume --set {set}"));
        assert!(ran.code == Some(1) && ran.stderr.contains(field), "{set}: {ran:?}");
        assert!(files(&run) == before, "{set}");
    }
    // By hand, in the run itself.
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    for (text, words) in [
        (config.replace("patch = 2", "patch = 4"), "model.patch"),
        (config[..config.len() / 2].to_owned(), ""),
        ("\u{0}".to_owned(), "config.toml"),
        (String::new(), "another configuration"),
    ] {
        fs::write(run.join("config.toml"), &text).unwrap();
        let ran = convgru(folder.path(), "train --out parts --resume=tiny");
        assert!(ran.code == Some(1) && ran.stderr.contains(words), "{words}: {ran:?}");
    }
    fs::write(run.join("config.toml"), config).unwrap();
    assert!(files(&run) == before);
    convgru(folder.path(), "train --out parts --resume").succeeded();
}

#[test]
fn runs_in_every_state_are_listed_and_the_newest_that_can_goes_on() {
    let folder = folder();
    let run = begun(folder.path());
    let out = folder.path().join("parts");
    let make = |name: &str, change: &dyn Fn(&Path)| {
        copy(&run, &out.join(name));
        change(&out.join(name));
    };
    make("no-config", &|run| fs::remove_file(run.join("config.toml")).unwrap());
    make("no-text", &|run| fs::write(run.join("config.toml"), [0xff; 9]).unwrap());
    make("folder", &|run| {
        fs::remove_file(run.join("config.toml")).unwrap();
        fs::create_dir(run.join("config.toml")).unwrap();
    });
    make("no-checkpoints", &|run| fs::remove_dir_all(run.join("checkpoints")).unwrap());
    make("log-folder", &|run| {
        fs::remove_file(run.join("metrics.jsonl")).unwrap();
        fs::create_dir(run.join("metrics.jsonl")).unwrap();
    });
    make("test", &|run| fs::write(run.join("test.json"), "{\"mse\": 1e999}").unwrap());
    make("all-damaged", &|run| {
        for file in fs::read_dir(run.join("checkpoints")).unwrap() {
            let path = file.unwrap().path();
            let half = fs::read(&path).unwrap();
            fs::write(path, &half[..half.len() / 2]).unwrap();
        }
    });
    symlink("loop", out.join("loop")).unwrap();
    symlink("nowhere", out.join("broken")).unwrap();
    fs::write(out.join("file"), "").unwrap();
    let listed = convgru(folder.path(), "runs --out parts --json").succeeded();
    let names: Vec<_> = listed.json().as_array().unwrap().iter().map(|run| run["name"].to_string()).collect();
    assert_eq!(names, ["\"all-damaged\"", "\"tiny\""], "{}", listed.stderr);
    for name in ["no-config", "no-text", "folder", "log-folder", "test"] {
        assert!(listed.stderr.contains(&format!("parts/{name}")), "{name}: {}", listed.stderr);
    }
    // Of several that were saved at the same time any may go on that can; what cannot is left as it was.
    fs::remove_dir_all(out.join("log-folder")).unwrap();
    fs::remove_dir_all(out.join("test")).unwrap();
    let damaged = files(&out.join("all-damaged"));
    let ran = convgru(folder.path(), "train --out parts --resume --json").succeeded();
    assert_eq!(ran.json()["run"], "parts/tiny", "{}", ran.stderr);
    assert!(files(&out.join("all-damaged")) == damaged);
}

#[test]
fn names_of_several_lines_say_nothing_of_their_own() {
    let folder = folder();
    let out = folder.path().join("a\nerror: all is lost\u{1b}[31m");
    let text = TINY.replace("steps = 6", "steps = 2");
    fs::write(folder.path().join("tiny.toml"), text).unwrap();
    let run = |arguments: &str| {
        let output = command(folder.path(), arguments).arg("--out").arg(&out).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert!(!told.lines().any(|line| line.starts_with("error: all is lost")), "{arguments}: {told}");
        assert!(!told.contains('\u{1b}'), "{arguments}: {told}");
        (output.status.code(), told)
    };
    assert_eq!(run("runs").0, Some(1));
    for arguments in [
        "train --config tiny.toml",
        "train --config tiny.toml --json",
        "train --resume",
        "runs",
        "runs --json",
    ] {
        assert_eq!(run(arguments).0, Some(0), "{arguments}");
    }
    // Damaged, killed, held.
    let tiny = out.join("tiny");
    fs::write(tiny.join("run.lock"), "process 1 on \u{1b}[31mhost\nerror: all is lost").unwrap();
    fs::write(tiny.join("checkpoints/step_00000002.ckpt"), "half").unwrap();
    fs::write(out.join("tiny-2/config.toml"), "name = \"\u{1b}[31m").unwrap();
    for arguments in ["train --resume=tiny", "train --resume", "runs", "train --config tiny.toml"] {
        run(arguments);
    }
    let held = fs::File::options().read(true).write(true).open(tiny.join("run.lock")).unwrap();
    held.try_lock().unwrap();
    let (code, told) = run("train --resume=tiny");
    assert!(code == Some(1) && told.contains("is held by"), "{told}");
}
