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

#[test]
fn reading_data_and_configurations_ends() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    endless(&folder.path().join("data/frames.npy"));
    endless(&folder.path().join("endless.toml"));
    for (arguments, words) in [
        ("train --preset quick --data data", "no run was begun"),
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
    endless(&folder.path().join("weights"));
    for arguments in [
        "eval --checkpoint weights",
        "predict --checkpoint weights --input a.npy --frames 2 --out b.npy",
        "import --input weights --output c.safetensors",
        "export --checkpoint weights --output d.onnx",
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
        format!("eval --checkpoint {weights} --data many.npy"),
        format!("eval --checkpoint {weights} --data many.npy --baselines --json"),
        format!("predict --checkpoint {weights} --input large.npy --frames 300 --out out"),
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
