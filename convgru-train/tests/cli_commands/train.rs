//! `convgru train`: the files and figures it leaves, resuming, signals.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{array, command, convgru, folder};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn json_holds_what_was_promised() {
    let folder = folder();
    let ran = convgru(folder.path(), "train --config tiny.toml --seed 3 --threads 2 --json").succeeded();
    let value = ran.json();
    for key in ["mse", "mae", "ssim", "psnr", "mse_copy_last", "mse_mean", "seconds", "data_wait", "steps"] {
        assert!(value[key].is_number(), "{key}: {value}");
    }
    assert_eq!(value["steps"], 6);
    assert_eq!(value["run"], "runs/tiny");
    for key in ["report", "checkpoint"] {
        let path = folder.path().join(value[key].as_str().unwrap());
        assert!(path.is_file(), "{key}: {value}");
    }
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("step 6/6"), "{}", ran.stderr);
    let config = fs::read_to_string(folder.path().join("runs/tiny/config.toml")).unwrap();
    assert!(config.contains("seed = 3"), "{config}");
}

#[test]
fn a_source_that_a_file_of_the_configuration_chooses_goes_before_what_the_data_look_like() {
    let folder = folder();
    fs::create_dir(folder.path().join("mixed")).unwrap();
    for name in ["a", "b", "c"] {
        array(&folder.path().join(format!("mixed/{name}.npy")), &[5, 16, 16], |i| (i % 16) as f32 / 16.0);
    }
    // By its name this is MNIST.
    fs::write(folder.path().join("mixed/train-images-idx3-ubyte"), "no images").unwrap();
    let data = "[data]\ninput_frames = 3\noutput_frames = 2\n";
    let rest =
        "[model]\npatch = 2\nhidden_channels = [4]\n[training]\nsteps = 2\nbatch_size = 1\nthreads = 1\n";
    for (file, source) in
        [("none", ""), ("frames", "[data.frames]\nstride = 1\n"), ("strokes", "source = \"strokes\"\n")]
    {
        fs::write(
            folder.path().join(format!("{file}.toml")),
            format!("name = \"{file}\"\n{data}{source}{rest}"),
        )
        .unwrap();
    }
    for (arguments, run) in [
        ("--config frames.toml", "frames"),
        // An assignment goes before both.
        ("--config none.toml --set data.source=frames", "none"),
    ] {
        convgru(folder.path(), &format!("train {arguments} --data mixed")).succeeded();
        let config = fs::read_to_string(folder.path().join(format!("runs/{run}/config.toml"))).unwrap();
        assert!(config.contains("source = \"frames\""), "{config}");
    }
    // Digits that are drawn need no data: with --data they are not what is meant.
    for file in ["none.toml", "strokes.toml"] {
        let ran = convgru(folder.path(), &format!("train --config {file} --data mixed"));
        assert!(ran.code == Some(1) && ran.stderr.contains("train-images-idx3-ubyte"), "{file}: {ran:?}");
    }
}

#[test]
fn people_get_a_table_the_paths_and_what_to_run_next() {
    let folder = folder();
    let ran =
        convgru(folder.path(), "train --config tiny.toml --set training.steps=2 --out here").succeeded();
    for words in [
        "model",
        "copy last frame",
        "predict the mean",
        "times the MSE of copying the last frame",
        "% of their time waiting for data",
        "here/tiny/report.html",
        "here/tiny/prediction.gif",
        "convgru eval --checkpoint here/tiny/model.safetensors",
        "convgru predict --checkpoint here/tiny/model.safetensors",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    for file in ["config.toml", "metrics.jsonl", "model.safetensors", "report.html", "prediction.gif"] {
        assert!(folder.path().join("here/tiny").join(file).is_file(), "{file}");
    }
    // What is proposed runs as it stands.
    let (_, proposed) = ran.stdout.split_once("next:\n").unwrap();
    assert_eq!(proposed.lines().count(), 2, "{proposed}");
    for line in proposed.lines() {
        convgru(folder.path(), line.trim().strip_prefix("convgru ").unwrap()).succeeded();
    }
    assert!(folder.path().join("here/tiny/continued.gif").is_file());
}

#[cfg(feature = "hdf5")]
#[test]
fn composites_of_radars_are_seen_and_trained_on() {
    let folder = folder();
    for data in ["odim", "frames_new.h5"] {
        let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5").join(data);
        let sizes = match data {
            "odim" => "--set data.radar.downsample=1 --set data.radar.crop=[12,10] --set model.patch=2",
            _ => "--set model.patch=1 --set data.frames.variable=group/rain --set data.frames.axes=\"nthw\"",
        };
        let ran = convgru(
            folder.path(),
            &format!(
                "train --preset quick --config tiny.toml --data {} --set data.input_frames=2 --set data.output_frames=1 {sizes} \
                 --set training.steps=2 --set name={} --json",
                written.display(),
                data.trim_end_matches(".h5")
            ),
        );
        let value = ran.succeeded().json();
        assert_eq!(value["steps"], 2, "{value}");
        assert!(value["mse"].as_f64().is_some_and(f64::is_finite), "{value}");
    }
}

#[test]
fn an_existing_run_gets_a_neighbour() {
    let folder = folder();
    convgru(folder.path(), "train --config tiny.toml --set training.steps=1").succeeded();
    let first = fs::read(folder.path().join("runs/tiny/model.safetensors")).unwrap();
    let ran = convgru(folder.path(), "train --config tiny.toml --set training.steps=2 --json").succeeded();
    assert_eq!(ran.json()["run"], "runs/tiny-2");
    assert!(ran.stderr.contains("runs/tiny exists"), "{}", ran.stderr);
    assert!(fs::read(folder.path().join("runs/tiny/model.safetensors")).unwrap() == first);
}

#[test]
fn a_damaged_checkpoint_is_said_aloud_and_costs_nothing() {
    let folder = folder();
    let whole = convgru(folder.path(), "train --config tiny.toml --json").succeeded().json();
    let newest = folder.path().join("runs/tiny/checkpoints/step_00000006.ckpt");
    let mut bytes = fs::read(&newest).unwrap();
    bytes[100] ^= 4;
    fs::write(&newest, bytes).unwrap();
    let ran = convgru(folder.path(), "train --resume --json").succeeded();
    assert!(ran.stderr.contains("warning:") && ran.stderr.contains("blake3"), "{}", ran.stderr);
    assert!(ran.stderr.contains("goes on from step 5"), "{}", ran.stderr);
    assert_eq!(ran.json()["mse"], whole["mse"]);
}

#[test]
fn signals_save_and_resuming_leads_to_the_same_bits() {
    let folder = folder();
    let long = "train --config tiny.toml --set training.steps=400 --set training.checkpoint_every=0";
    let expected = convgru(folder.path(), &format!("{long} --out whole --json")).succeeded().json();

    let begin = format!("{long} --out parts");
    let (status, stderr) = interrupted(folder.path(), &begin, "-TERM", 3);
    assert_eq!(status.code(), Some(143), "{stderr}");
    assert!(stderr.contains("saved step") && stderr.contains("train --out parts --resume=tiny"), "{stderr}");

    let again = "train --out parts --resume=tiny --threads 2";
    let (status, stderr) = interrupted(folder.path(), again, "-INT", lines(folder.path()) + 3);
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("going on with"), "{stderr}");

    let resumed = convgru(folder.path(), "train --out parts --resume --json").succeeded().json();
    for key in ["mse", "mae", "ssim", "psnr", "steps"] {
        assert_eq!(resumed[key], expected[key], "{key}");
    }
    assert_eq!(log(&folder.path().join("parts")), log(&folder.path().join("whole")));
    let newest = |out: &str| fs::read(folder.path().join(out).join("tiny/model.safetensors")).unwrap();
    // Threads are part of the configuration in the metadata; the numbers follow it.
    let numbers = |bytes: Vec<u8>| {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        bytes[8 + usize::try_from(header).unwrap()..].to_vec()
    };
    assert!(numbers(newest("parts")) == numbers(newest("whole")), "the weights differ");
}

#[test]
fn a_run_that_is_killed_without_warning_leads_to_the_same_bits() {
    let folder = folder();
    let long = "train --config tiny.toml --set training.steps=60";
    convgru(folder.path(), &format!("{long} --out whole")).succeeded();
    // Every step is saved, so that the kill hits a save as well as anything else.
    let mut command = format!("{long} --out parts");
    for after in [4, 30, 50] {
        let (status, stderr) = interrupted(folder.path(), &command, "-KILL", after);
        assert_eq!(status.code(), None, "{stderr}");
        command = "train --out parts --resume".to_owned();
    }
    convgru(folder.path(), &command).succeeded();
    assert_eq!(log(&folder.path().join("parts")), log(&folder.path().join("whole")));
    let weights = |out: &str| fs::read(folder.path().join(out).join("tiny/model.safetensors")).unwrap();
    assert!(weights("parts") == weights("whole"), "the weights differ");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_written_says_how_to_go_on_and_loses_nothing() {
    let folder = folder();
    let whole = convgru(folder.path(), "train --config tiny.toml --json").succeeded().json();
    // The last step again, where no file may be longer than 4 KiB.
    let checkpoints = folder.path().join("runs/tiny/checkpoints");
    fs::remove_file(checkpoints.join("step_00000006.ckpt")).unwrap();
    fs::remove_file(folder.path().join("runs/tiny/events.out.tfevents.convgru")).unwrap();
    let limited = format!("trap '' XFSZ; ulimit -f 8; exec {} train --resume", env!("CARGO_BIN_EXE_convgru"));
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &limited]).current_dir(folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let told: Vec<&str> = stderr.lines().rev().take(2).collect();
    assert!(told[0].starts_with("error: ") && told[0].matches("File too large").count() == 1, "{told:?}");
    let (_, again) = told[1].split_once("continue with: convgru ").unwrap();
    assert_eq!(convgru(folder.path(), &format!("{again} --json")).succeeded().json()["mse"], whole["mse"]);
    let left = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| !name.to_string_lossy().ends_with(".ckpt")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    let mut child = command(folder.path(), "train --config tiny.toml --set training.steps=2")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("error:"), "{stderr}");
}

/// Starts a run, sends the signal once the log has as many lines, and waits.
pub(crate) fn interrupted(
    folder: &Path,
    arguments: &str,
    signal: &str,
    after: usize,
) -> (ExitStatus, String) {
    let mut child = command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until(&mut child, |child| child.try_wait().unwrap().is_some() || lines(folder) >= after);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    until(&mut child, |child| child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

/// Waits for a condition, but not for ever.
pub(crate) fn until(child: &mut Child, mut condition: impl FnMut(&mut Child) -> bool) {
    let began = Instant::now();
    while !condition(child) {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("nothing happened for {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn lines(folder: &Path) -> usize {
    fs::read_to_string(folder.join("parts/tiny/metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// The log without what depends on the clock.
pub(crate) fn log(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("tiny/metrics.jsonl")).unwrap();
    let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let timeless = parsed.map(|mut value| {
        let fields = value.as_object_mut().unwrap();
        fields.remove("seconds").unwrap();
        assert_eq!(fields.remove("data_wait").is_some(), fields["kind"] == "step");
        value
    });
    timeless.collect()
}

#[test]
fn a_configuration_is_printed_with_what_the_command_line_changes() {
    let folder = folder();
    let arguments = "train --config tiny.toml --steps 3 --batch-size 1 --lr 0.25 --name mine --print-config";
    let printed = convgru(folder.path(), arguments).succeeded().stdout;
    for line in
        ["name = \"mine\"", "steps = 3", "batch_size = 1", "learning_rate = 0.25", "hidden_channels = [4]"]
    {
        assert!(printed.lines().any(|own| own == line), "{line}: {printed}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing is trained");
    // What is printed is a configuration.
    fs::write(folder.path().join("printed.toml"), &printed).unwrap();
    let again = convgru(folder.path(), "train --config printed.toml --print-config").succeeded();
    assert_eq!(again.stdout, printed);
    for (arguments, words) in [
        ("train --steps 0 --print-config", "--steps"),
        ("train --batch-size x", "--batch-size"),
        ("train --lr -1 --print-config", "--lr"),
        ("train --name a/b --print-config", "name"),
    ] {
        let ran = convgru(folder.path(), arguments);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
}
