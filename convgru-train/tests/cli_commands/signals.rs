//! Signals end every command soon, with the exit code of the signal, and leave nothing half-written.
#![cfg(unix)]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{TINY, command, folder, weights};

/// A machine may be busy; what is interrupted here would take minutes, or for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that was started.
struct Running(Child);

impl Running {
    fn start(folder: &Path, arguments: &str) -> Self {
        let mut command = command(folder, arguments);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until the program catches the signals, and then a while.
    fn settle(self) -> Self {
        let began = Instant::now();
        let status = format!("/proc/{}/status", self.0.id());
        let catches = || {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            // SIGTERM is 15, the bit below.
            caught.is_some_and(|mask| mask & 1 << 14 != 0)
        };
        while cfg!(target_os = "linux") && !catches() {
            assert!(began.elapsed() < PATIENCE, "the program does not catch signals");
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(300));
        self
    }

    /// Sends a signal; the exit code, and what was told.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "the program ended before the signal");
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status.code();
            }
            if began.elapsed() > PATIENCE {
                self.0.kill().unwrap();
                self.0.wait().unwrap();
                panic!("the program did not end at {signal}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut told = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (code, told)
    }
}

/// A file that nobody ever writes: reading it takes for ever.
fn endless(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Half of the memory of the machine, in bytes.
fn half_of_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
    total.map_or(2 << 30, |total| total.trim().parse::<u64>().unwrap() * 512)
}

#[test]
fn reading_a_configuration_ends() {
    let folder = folder();
    endless(&folder.path().join("endless.toml"));
    for (arguments, words) in [
        ("train --config endless.toml", "nothing was trained"),
        ("tune --ranges endless.toml", "no trial was begun"),
    ] {
        let (code, told) = Running::start(folder.path(), arguments).settle().end("-TERM");
        assert_eq!(code, Some(143), "{arguments}: {told}");
        assert!(told.contains("SIGTERM") && told.contains(words), "{arguments}: {told}");
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn reading_weights_ends() {
    let folder = folder();
    // Zeros that lie on no disk.
    let weights = std::fs::File::create(folder.path().join("weights")).unwrap();
    weights.set_len(half_of_memory()).unwrap();
    for arguments in [
        "eval --checkpoint weights",
        "predict --checkpoint weights --input a.npy --frames 2 --out b.npy",
        "import --input weights --out c.safetensors",
        "export --checkpoint weights --out d.onnx",
    ] {
        let (code, told) = Running::start(folder.path(), arguments).settle().end("-INT");
        assert_eq!(code, Some(130), "{arguments}: {told}");
        assert!(told.contains("Ctrl-C") && told.contains("there is no result"), "{arguments}: {told}");
    }
}

/// A file of as many sequences as take minutes; most of it lies on no disk.
fn sequences(path: &Path, [steps, count, height, width]: [u64; 4]) {
    let mut text = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({steps}, {count}, {height}, {width}), }}"
    );
    text += &" ".repeat(128 - 10 - 1 - text.len());
    text.push('\n');
    let header = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    std::fs::write(path, &header).unwrap();
    let length = header.len() as u64 + steps * count * height * width;
    std::fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn measuring_and_predicting_end() {
    let folder = folder();
    sequences(&folder.path().join("many.npy"), [5, 4_000_000, 16, 16]);
    sequences(&folder.path().join("large.npy"), [5, 1, 1024, 1024]);
    let weights = weights().display().to_string();
    for arguments in [
        format!("eval --checkpoint {weights} --data many.npy --axes tnhw"),
        format!("eval --checkpoint {weights} --data many.npy --axes tnhw --baselines --json"),
        format!("predict --checkpoint {weights} --input large.npy --axes tchw --frames 300 --out out"),
    ] {
        let (code, told) = Running::start(folder.path(), &arguments).settle().end("-TERM");
        assert_eq!(code, Some(143), "{arguments}: {told}");
        assert!(told.contains("there is no result"), "{arguments}: {told}");
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("out") || name.to_string_lossy().starts_with('.'))
    );
}

/// The exit codes of the signals that every command answers.
const SIGNALS: [(&str, i32); 3] = [("-INT", 130), ("-TERM", 143), ("-HUP", 129)];

/// A network whose orthogonal weights take minutes.
const HUGE: &str = "--set model.hidden_channels=[1024,1024] --set model.initializer=orthogonal";

#[test]
fn making_a_huge_network_ends() {
    let folder = folder();
    for (signal, code) in SIGNALS {
        let (ended, told) = Running::start(folder.path(), &format!("train {HUGE}")).settle().end(signal);
        assert_eq!(ended, Some(code), "{signal}: {told}");
        assert!(told.contains("no run was begun"), "{signal}: {told}");
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn reading_many_sequences_ends() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    // Frames of which nothing lies on a disk; numbers of 32 bits in memory.
    let count = half_of_memory() / (6 * 64 * 64 * 4);
    sequences(&folder.path().join("data/many.npy"), [6, count + 100, 64, 64]);
    let train = format!(
        "train --preset quick --config tiny.toml --data data --set data.memory_mib=1000000 \
         --set data.train_sequences={count} --set data.frames.axes=tnhw"
    );
    for (signal, code) in SIGNALS {
        let (ended, told) = Running::start(folder.path(), &train).settle().end(signal);
        assert_eq!(ended, Some(code), "{signal}: {told}");
        assert!(told.contains("no run was begun"), "{signal}: {told}");
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_search_ends_in_every_part_of_it_and_goes_on() {
    let folder = folder();
    let ranges = "trials = 2\n[ranges]\n\"optimizer.learning_rate\" = [0.001, 0.002]";
    std::fs::write(folder.path().join("ranges.toml"), ranges).unwrap();
    let tune = "tune --ranges ranges.toml --config tiny.toml";
    // While a network is made, and while it is trained.
    for (extra, words) in [(HUGE, "no run was begun"), ("--set training.steps=10000000", "trials are done")] {
        for (at, (signal, code)) in SIGNALS.into_iter().enumerate() {
            let running = Running::start(folder.path(), &format!("{tune} {extra} --out {code}")).settle();
            let (ended, told) = running.end(signal);
            assert_eq!(ended, Some(code), "{at} {signal}: {told}");
            // A trial that was not begun yet says so, at any time.
            assert!(told.contains(words) || told.contains("no run was begun"), "{signal}: {told}");
            std::fs::remove_dir_all(folder.path().join(code.to_string())).unwrap();
        }
    }
    let (ended, _) =
        Running::start(folder.path(), &format!("{tune} --set training.steps=100000")).settle().end("-HUP");
    assert_eq!(ended, Some(129));
    std::fs::remove_file(folder.path().join("runs/tune/tune.json")).unwrap();
    endless(&folder.path().join("runs/tune/tune.json"));
    let refused = crate::program::convgru(folder.path(), &format!("{tune} --set training.steps=100000"));
    assert!(refused.code == Some(1) && refused.stderr.contains("ordinary file"), "{refused:?}");
}

#[test]
fn drawing_the_results_of_a_run_ends_and_a_resumed_run_draws_them() {
    let folder = folder();
    // One step, and pictures of many large frames.
    let train = "train --config tiny.toml --set data.size=128 --set data.output_frames=20 --set training.steps=1 \
                 --set model.patch=8 --set data.validation_sequences=6 --set data.test_sequences=1 \
                 --set training.batch_size=1 --set model.hidden_channels=[1]";
    let test = folder.path().join("runs/tiny/test.json");
    let mut running = Running::start(folder.path(), train);
    let began = Instant::now();
    while !test.exists() {
        assert!(running.0.try_wait().unwrap().is_none() && began.elapsed() < 4 * PATIENCE);
        std::thread::sleep(Duration::from_millis(2));
    }
    let (code, told) = running.end("-TERM");
    assert_eq!(code, Some(143), "{told}");
    assert!(told.contains("resume it for its results"), "{told}");
    let run = folder.path().join("runs/tiny");
    assert!(!run.join("report.html").exists(), "it was written before the signal");
    crate::program::convgru(folder.path(), "train --resume").succeeded();
    for file in ["report.html", "prediction.gif", "example.gif", "model.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let left = std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with('.')));
}

#[test]
fn a_training_is_saved() {
    let folder = folder();
    std::fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    let arguments =
        "train --config tiny.toml --set training.steps=10000000 --set training.checkpoint_every=0";
    let (code, told) = Running::start(folder.path(), arguments).settle().end("-TERM");
    assert_eq!(code, Some(143), "{told}");
    // Before the first step nothing was begun; after it the run says how to go on.
    assert!(told.contains("no run was begun") || told.contains("--resume"), "{told}");
}
