//! Arguments that would have no effect, contradict each other, or name what is not there.

use std::fs;

use crate::program::{array, convgru, finished_run, folder, weights};

#[test]
fn arguments_without_an_effect_are_refused() {
    let folder = folder();
    array(&folder.path().join("x.npy"), &[6, 16, 16], |at| (at % 7) as f32 / 6.0);
    let predict = "predict --checkpoint MODEL --input x.npy --frames 1 --out y.npy";
    for (arguments, code, words) in [
        (format!("{predict} --variable nothing"), 1, "--variable"),
        (format!("{predict} --members all"), 1, "no ensemble"),
        (format!("{predict} --unit="), 2, "--unit"),
        (format!("{predict} --missing=1e999"), 2, "a finite number is needed"),
        ("inspect x.npy --set data.frames.variable=nothing".into(), 1, "names a variable"),
        (
            "eval --checkpoint MODEL --baselines --threshold 1000".into(),
            1,
            "--threshold 1000: values go from 0 to 1",
        ),
        (
            "eval --checkpoint MODEL --baselines --threshold 0".into(),
            1,
            "--threshold 0: values go from 0 to 1",
        ),
        ("train --resume=".into(), 2, "--resume alone goes on with the newest run"),
        ("train --set =5".into(), 2, "a field is missing before `=`"),
    ] {
        let arguments = arguments.replace("MODEL", &weights().display().to_string());
        let ran = convgru(folder.path(), &arguments);
        assert_eq!(ran.code, Some(code), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    assert!(!folder.path().join("y.npy").exists() && !folder.path().join("runs").exists());
}

#[test]
fn arguments_that_contradict_each_other_are_errors_of_the_command_line() {
    let folder = folder();
    array(&folder.path().join("x.npy"), &[6, 16, 16], |at| (at % 7) as f32 / 6.0);
    for (arguments, words) in [
        ("train --preset radar", "give --data DIR"),
        ("train --set data.source=mnist", "give --data DIR"),
        ("train --set training.monitor=csi@2", "values of the data go from 0 to 1"),
        ("train --resume=nope --preset quick", "--preset quick"),
        ("train --data x.npy --set data.source=strokes", "which reads no files"),
        ("train --data x.npy --set data.source=strokes --print-config", "which reads no files"),
        ("train --resume=nope --init-part encoder", "--init-part: a run that is resumed"),
    ] {
        let ran = convgru(folder.path(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
        assert!(!ran.stderr.contains("--init-from:"), "{arguments}: {}", ran.stderr);
    }
    // The same in a file is no error of the command line.
    fs::write(folder.path().join("source.toml"), "[data]\nsource = \"mnist\"\n").unwrap();
    assert_eq!(convgru(folder.path(), "train --config source.toml").code, Some(1));
    convgru(folder.path(), "train --preset radar --print-config").succeeded();
}

#[test]
fn a_run_without_a_model_is_told_with_how_to_go_on() {
    let folder = folder();
    let run = folder.path().join("runs/tiny");
    fs::create_dir_all(run.join("checkpoints")).unwrap();
    let finished = finished_run().join("runs/tiny");
    fs::copy(finished.join("config.toml"), run.join("config.toml")).unwrap();
    array(&folder.path().join("x.npy"), &[6, 16, 16], |at| (at % 7) as f32 / 6.0);
    fs::create_dir(folder.path().join("in")).unwrap();
    for has_checkpoints in [false, true] {
        if has_checkpoints {
            for entry in fs::read_dir(finished.join("checkpoints")).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name() != "best.ckpt" {
                    fs::copy(entry.path(), run.join("checkpoints").join(entry.file_name())).unwrap();
                }
            }
        }
        for command in [
            "eval --checkpoint runs/tiny",
            "predict --checkpoint runs/tiny --input x.npy --frames 1 --out y.npy",
            "export --checkpoint runs/tiny --out y.onnx",
            "train --init-from runs/tiny",
            "watch --checkpoint runs/tiny --input in --out o --once",
        ] {
            let ran = convgru(folder.path(), command);
            assert_eq!(ran.code, Some(1), "{command}");
            let told = "runs/tiny: is not finished: `convgru train --resume=tiny --out ";
            assert!(ran.stderr.contains(told), "{command}: {}", ran.stderr);
            let newest = "checkpoints/step_00000006.ckpt";
            assert_eq!(ran.stderr.contains(newest), has_checkpoints, "{command}: {}", ran.stderr);
        }
    }
    let file = run.join("checkpoints/step_00000006.ckpt");
    convgru(folder.path(), &format!("eval --checkpoint {}", file.display())).succeeded();
}

#[test]
fn runs_are_compared_by_their_paths_too() {
    let folder = finished_run();
    convgru(folder, "runs --compare runs/tiny tiny").succeeded();
    let ran = convgru(folder, "runs --compare runs/nope tiny");
    assert!(
        ran.code == Some(1) && ran.stderr.contains("error: runs/nope: there is no such run"),
        "{}",
        ran.stderr
    );
}

#[test]
fn errors_name_options_that_their_command_has() {
    let folder = folder();
    array(&folder.path().join("x.npy"), &[6, 16, 16], |at| at as f32);
    array(&folder.path().join("short.npy"), &[3, 16, 16], |at| (at % 2) as f32);
    array(&folder.path().join("video.npy"), &[40, 16, 16, 3], |at| (at * 7 % 251) as f32);
    let open = convgru(folder.path(), "inspect video.npy").succeeded().stdout;
    assert!(open.contains("Choose data.frames.axes") && !open.contains("--axes"), "{open}");
    let ran = convgru(folder.path(), "inspect x.npy --set data.frames.axes=thwc");
    assert!(
        !ran.stderr.contains("(--axes") && ran.stderr.contains("eval, predict and watch: --axes auto"),
        "{}",
        ran.stderr
    );
    let ran = convgru(folder.path(), &format!("eval --checkpoint {} --data short.npy", weights().display()));
    let told = "the longest sequence has 3 frames, but data.input_frames + data.output_frames = 5 of the training are needed";
    assert!(ran.stderr.contains(told) && !ran.stderr.contains("data.frames.axes"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("take fewer"), "{}", ran.stderr);
}

#[test]
fn a_search_tells_trials_beyond_those_asked_for_and_prints_numbers() {
    let folder = folder();
    fs::write(
        folder.path().join("tune.toml"),
        "trials = 2\n[ranges]\n\"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }\n\"optimizer.kind\" = [\"adam\"]\n",
    )
    .unwrap();
    let tune = "tune --ranges tune.toml --config tiny.toml --out t --json";
    let found = convgru(folder.path(), tune).succeeded().json();
    assert!(found[0]["settings"]["optimizer.learning_rate"].is_f64(), "{found}");
    assert_eq!(found[0]["settings"]["optimizer.kind"], "adam");
    let ran = convgru(folder.path(), &format!("{tune} --trials 1")).succeeded();
    assert!(ran.stderr.contains("t has 2 trials already, more than the 1 asked for"), "{}", ran.stderr);
    assert_eq!(ran.json().as_array().unwrap().len(), 2);
}
