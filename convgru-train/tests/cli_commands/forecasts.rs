//! `convgru predict` and `convgru watch`: forecasts in files.

use std::fs;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::{Child, Stdio};
use std::sync::OnceLock;
#[cfg(unix)]
use std::sync::mpsc::{Receiver, channel};
#[cfg(unix)]
use std::time::Duration;

use convgru_model::Tensor;
use convgru_train::ReadBudget;
use convgru_train::dataset::{FramesConfig, RadarConfig, Source, read_frames};
use convgru_train::media::write_frames;
use convgru_train::trainer::TrainedModel;
use serde_json::{Value, json};

#[cfg(unix)]
use crate::program::command;
use crate::program::{convgru, folder, weights};

/// A composite of the Finnish institute: a shower that moves.
pub(crate) fn composite(folder: &Path, minute: usize) {
    let (width, height) = (64, 48);
    let header = format!(
        "P5\n# projection radar {{\n# type stereographic\n# centrallongitude 25\n# centrallatitude 90\n# truelatitude 60\n\
         # bottomleft 18.6 57.93\n# topright 34.903 69.005\n# }}\n{width} {height}\n255\n"
    );
    let level = |at: usize| match (at / width, at % width) {
        (_, 0..8) => 255,
        (row, column) if (row + column + minute).is_multiple_of(9) => 0,
        (row, column) => 80 + ((row + column + minute) % 60) as u8,
    };
    let bytes = [header.into_bytes(), (0..width * height).map(level).collect()].concat();
    // As a service does: whole files under their names.
    let at = |name: &str| folder.join(name);
    fs::write(at(".incoming"), bytes).unwrap();
    fs::rename(at(".incoming"), at(&format!("2016092814{minute:02}_fmi.pgm"))).unwrap();
}

/// A network with the configuration of one that learned from radar images.
pub(crate) fn radar_weights() -> &'static Path {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut trained = TrainedModel::read(&weights()).unwrap();
        trained.config.data.source = Source::Radar(RadarConfig::default());
        trained.write(&path).unwrap();
        (folder, path)
    });
    path
}

fn numbers(path: &Path, high: f64) -> Tensor<f32> {
    let config = FramesConfig { range: [0.0, high], ..FramesConfig::default() };
    read_frames(path, &config, &ReadBudget::new(64, "a test")).unwrap()
}

#[test]
fn the_forms_of_a_forecast_have_the_same_numbers() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    write_frames(path("in.npy"), &Tensor::from_fn(&[4, 1, 12, 20], |i| (i % 7) as f32 / 6.0)).unwrap();
    let predict = |input: &str, out: &str| {
        let arguments = format!(
            "predict --checkpoint {} --input {input} --frames 3 --out {out} --json",
            weights().display()
        );
        convgru(folder.path(), &arguments).succeeded().json()
    };
    let value = predict("in.npy", "out.nc");
    assert_eq!(
        (&value["shape"], &value["unit"], &value["reference_time"]),
        (&json!([3, 1, 12, 20]), &json!("1"), &Value::Null)
    );
    predict("in.npy", "out.npy");
    assert_eq!(numbers(&path("out.nc"), 1.0), numbers(&path("out.npy"), 1.0));
    // What was written can be continued.
    assert_eq!(predict("out.nc", "next.nc")["input_shape"], json!([3, 1, 12, 20]));
    predict("out.npy", "next.npy");
    assert_eq!(numbers(&path("next.nc"), 1.0), numbers(&path("next.npy"), 1.0));
    assert!(
        fs::read_dir(folder.path()).unwrap().all(|entry| !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".tmp"))
    );
}

#[test]
fn a_forecast_replaces_no_data() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    write_frames(path("in.npy"), &Tensor::from_fn(&[4, 1, 12, 20], |i| (i % 7) as f32 / 6.0)).unwrap();
    fs::write(path("notes.nc"), "of others").unwrap();
    let predict = |input: &str, out: &str| {
        let weights = weights();
        let arguments =
            format!("predict --checkpoint {} --input {input} --frames 3 --out {out}", weights.display());
        convgru(folder.path(), &arguments)
    };
    let refused = |input: &str, out: &str| {
        let before = fs::read(path(out)).unwrap();
        let ran = predict(input, out);
        assert!(ran.code != Some(0) && ran.stderr.contains("give another path"), "{}", ran.stderr);
        assert_eq!(fs::read(path(out)).unwrap(), before, "{out}");
    };
    refused("in.npy", "in.npy");
    refused("in.npy", "./in.npy");
    refused("in.npy", "notes.nc");
    predict("in.npy", "next.nc").succeeded();
    predict("in.npy", "next.nc").succeeded();
    refused("next.nc", "next.nc");
}

#[test]
fn a_radar_folder_is_forecast_in_its_unit_and_time() {
    let folder = folder();
    fs::create_dir(folder.path().join("radar")).unwrap();
    for minute in [20, 30, 35, 40, 45] {
        composite(&folder.path().join("radar"), minute);
    }
    let arguments = format!(
        "predict --checkpoint {} --input radar --frames 2 --out out.nc --json",
        radar_weights().display()
    );
    let value = convgru(folder.path(), &arguments).succeeded().json();
    assert_eq!(value["input_shape"], json!([3, 1, 12, 16]), "the newest three");
    assert_eq!((&value["unit"], &value["reference_time"]), (&json!("mm/h"), &json!("2016-09-28T14:45:00Z")));
    let read = numbers(&folder.path().join("out.nc"), 1000.0);
    // Two columns of means of four pixels lie outside of what radars reach.
    let missing: Vec<usize> = (0..read.len()).filter(|&at| read.as_slice()[at].is_nan()).collect();
    let expected: Vec<usize> = (0..read.len()).filter(|&at| at % 16 < 2).collect();
    assert_eq!(missing, expected);
}

#[test]
fn the_configuration_of_inspected_radar_images_trains_what_their_folder_does() {
    let folder = folder();
    fs::create_dir(folder.path().join("radar")).unwrap();
    (0..60).step_by(5).for_each(|minute| composite(&folder.path().join("radar"), minute));
    let ran = convgru(folder.path(), "inspect radar").succeeded();
    let (_, lines) = ran.stdout.split_once("train --preset radar --config data.toml\n").unwrap();
    fs::write(folder.path().join("data.toml"), lines).unwrap();
    let sections = |arguments: &str| {
        let printed = convgru(folder.path(), &format!("train {arguments} --print-config")).succeeded();
        let config: toml::Table = printed.stdout.parse().unwrap();
        ["name", "model", "training", "optimizer", "schedule"].map(|own| config[own].clone())
    };
    assert_eq!(sections("--preset radar --config data.toml"), sections("--data radar"));
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_read() {
    let folder = folder();
    for (out, needle) in [("a.tif", ".nc"), ("a.nc.gz", ".gz")] {
        let arguments = format!("predict --checkpoint missing --input missing --frames 2 --out {out}");
        let ran = convgru(folder.path(), &arguments);
        assert!(
            ran.code == Some(2) && ran.stderr.contains(needle) && ran.stderr.contains(out),
            "{}",
            ran.stderr
        );
    }
    write_frames(folder.path().join("in.npy"), &Tensor::<f32>::zeros(&[2, 1, 12, 20])).unwrap();
    let arguments =
        format!("predict --checkpoint {} --input in.npy --frames 2 --out no/where.nc", weights().display());
    let ran = convgru(folder.path(), &arguments);
    assert!(ran.code == Some(1) && ran.stderr.contains("no/where.nc"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("no does not exist; make this folder") && !ran.stderr.contains("tmp"),
        "{}",
        ran.stderr
    );
    let ran = convgru(folder.path(), &arguments.replace("no/where", "in.npy/where"));
    assert!(
        ran.code == Some(1) && ran.stderr.contains("in.npy is no folder; give another path"),
        "{}",
        ran.stderr
    );
    assert!(!folder.path().join("no").exists());
}

#[test]
fn an_ensemble_is_written_whole_or_as_its_mean() {
    let folder = folder();
    let train = "train --config tiny.toml --set model.feedback=unconditioned --set model.members=3 --set training.loss=crps";
    convgru(folder.path(), train).succeeded();
    write_frames(folder.path().join("in.npy"), &Tensor::from_fn(&[4, 1, 12, 20], |i| (i % 5) as f32 / 4.0))
        .unwrap();
    let predict = |rest: &str| {
        convgru(
            folder.path(),
            &format!("predict --checkpoint runs/tiny --input in.npy --frames 2 {rest} --json"),
        )
    };
    let all = predict("--members all --out all.npy").succeeded().json();
    assert_eq!(all["shape"], json!([3, 2, 1, 12, 20]));
    assert_eq!(predict("--out mean.npy").succeeded().json()["shape"], json!([2, 1, 12, 20]));
    let array = |name: &str| -> Vec<f32> {
        npyz::NpyFile::new(&fs::read(folder.path().join(name)).unwrap()[..]).unwrap().into_vec().unwrap()
    };
    let (all, mean) = (array("all.npy"), array("mean.npy"));
    for (at, value) in mean.iter().enumerate() {
        let expected = (0..3).map(|member| all[member * mean.len() + at]).sum::<f32>() / 3.0;
        assert!((value - expected).abs() < 1e-6, "{at}");
    }
    predict("--members all --out all.nc").succeeded();
    let ran = predict("--members all --out all.gif");
    assert!(ran.code == Some(1) && ran.stderr.contains("mean"), "{}", ran.stderr);
    assert!(!folder.path().join("all.gif").exists());
    // Refused before the input is read, and once.
    for rest in [
        "predict --frames 2 --out all.gif",
        "predict --frames 2 --out all",
        "watch --form gif --out w",
        "watch --form png --out w",
    ] {
        let arguments = format!("{rest} --checkpoint runs/tiny --input missing --members all");
        let ran = convgru(folder.path(), &arguments);
        assert!(
            ran.code == Some(1) && ran.stderr.contains("not 3; write the mean"),
            "{rest}: {}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_folder_is_worked_off_once() {
    let folder = folder();
    fs::create_dir(folder.path().join("radar")).unwrap();
    let watch = |rest: &str| {
        convgru(
            folder.path(),
            &format!(
                "watch --checkpoint {} --input radar --out {rest} --once --json --poll 0.05",
                radar_weights().display()
            ),
        )
    };
    let none = watch("none");
    assert!(none.code == Some(1) && none.stderr.contains("no forecast"), "{}", none.stderr);
    for minute in [0, 5, 10, 15] {
        composite(&folder.path().join("radar"), minute);
    }
    let ran = watch("out").succeeded();
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let times: Vec<&str> = lines.iter().map(|line| line["reference_time"].as_str().unwrap()).collect();
    assert_eq!(times, ["2016-09-28T14:10:00Z", "2016-09-28T14:15:00Z"]);
    assert!(lines.iter().all(|line| line["latency_ms"].as_f64().unwrap() > 0.0));
    // The same bytes as `predict` writes from the same frames, but for the history.
    let predict = format!(
        "predict --checkpoint {} --input radar --newest 4 --frames 2 --out predicted.nc",
        radar_weights().display()
    );
    convgru(folder.path(), &predict).succeeded();
    let watched = folder.path().join("out/forecast_20160928T141500Z.nc");
    assert_eq!(numbers_or_missing(&watched), numbers_or_missing(&folder.path().join("predicted.nc")));
    // A damaged file is named, the exit code tells of it, and the others are forecast.
    fs::write(folder.path().join("radar/201609281420_fmi.pgm"), "P5\n64 48\n255\nshort").unwrap();
    let ran = watch("again");
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("201609281420_fmi.pgm") && ran.stderr.contains("truncated"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout.lines().count(), 2);
    for form in ["npy", "gif", "png"] {
        let ran = watch(&format!("{form} --form {form}"));
        let out = ran
            .stdout
            .lines()
            .last()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["out"].clone())
            .unwrap();
        assert!(folder.path().join(out.as_str().unwrap()).exists(), "{form}");
    }
    let inside = watch("radar/out");
    assert!(inside.code == Some(1) && inside.stderr.contains("outside of it"), "{}", inside.stderr);
}

/// The bits of numbers, those of missing pixels too.
pub(crate) fn numbers_or_missing(path: &Path) -> Vec<u32> {
    numbers(path, 1000.0).as_slice().iter().map(|value| value.to_bits()).collect()
}

/// How long a busy machine may take for a forecast.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that watches, and the lines that it prints.
#[cfg(unix)]
pub(crate) struct Watching {
    child: Option<Child>,
    lines: Receiver<String>,
}

#[cfg(unix)]
impl Watching {
    pub(crate) fn start(folder: &Path, weights: &Path) -> Self {
        let weights = weights.display();
        let arguments = format!("watch --checkpoint {weights} --input radar --out out --json --poll 0.05");
        let mut child =
            command(folder, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut read = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, lines) = channel();
        std::thread::spawn(move || read.try_for_each(|line| sender.send(line)));
        Self { child: Some(child), lines }
    }

    /// The time of the next forecast.
    fn next(&self) -> String {
        self.next_line()["reference_time"].as_str().unwrap().to_owned()
    }

    /// What is printed of the next forecast.
    pub(crate) fn next_line(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a forecast");
        serde_json::from_str(&line).unwrap()
    }

    /// Ends it; the exit code and what was told.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let child = self.child.take().unwrap();
        let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[cfg(unix)]
impl Drop for Watching {
    fn drop(&mut self) {
        // A test failed before the end.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(unix)]
#[test]
fn files_that_arrive_are_forecast_until_a_signal() {
    let folder = folder();
    let radar = folder.path().join("radar");
    fs::create_dir(&radar).unwrap();
    for minute in [0, 5, 10] {
        composite(&radar, minute);
    }
    let watching = Watching::start(folder.path(), radar_weights());
    assert_eq!(watching.next(), "2016-09-28T14:10:00Z");
    composite(&radar, 15);
    assert_eq!(watching.next(), "2016-09-28T14:15:00Z");
    // A damaged file; one is missing and comes late.
    fs::write(radar.join("201609281417_fmi.pgm"), "P5\n64 48\n255\nshort").unwrap();
    composite(&radar, 25);
    std::thread::sleep(std::time::Duration::from_millis(500));
    composite(&radar, 20);
    assert_eq!(watching.next(), "2016-09-28T14:25:00Z");
    composite(&radar, 30);
    assert_eq!(watching.next(), "2016-09-28T14:30:00Z");
    let (code, told) = watching.end("-TERM");
    assert_eq!(code, Some(143), "{told}");
    for words in ["SIGTERM", "4 forecasts written", "201609281417_fmi.pgm", "starts again", "comes late"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let mut names: Vec<String> = fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["1410", "1415", "1425", "1430"].map(|time| format!("forecast_20160928T{time}00Z.nc"));
    assert_eq!(names, expected);
}
