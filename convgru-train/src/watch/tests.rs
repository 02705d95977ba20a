//! Folders of files, whole, late, twice, damaged, and with gaps.

use std::path::Path;
use std::sync::mpsc;

use convgru_model::{Forecaster, Tensor};
use tempfile::TempDir;

use super::*;
use crate::config::RunConfig;
use crate::dataset::{Axes, FramesConfig, Quantity};
use crate::media::write_array;

const TINY: &str = r#"
[data]
source = "frames"
input_frames = 3
output_frames = 2
[data.frames]
range = [0.0, 50.0]
unit = "mm/h"
[model]
patch = 2
hidden_channels = [4]
output_activation = "sigmoid"
"#;

fn model() -> TrainedModel {
    let config = RunConfig::from_toml(TINY).unwrap();
    TrainedModel { model: Forecaster::new(config.model.clone(), 3).unwrap(), config, step: 0 }
}

/// A frame whose numbers depend on its minute.
fn values(minute: usize) -> Vec<f32> {
    (0..8 * 12).map(|at| ((at * 7 + minute * 13) % 50) as f32).collect()
}

fn write(folder: &Path, minute: usize) -> PathBuf {
    let path = folder.join(format!("rain_20160928{:02}{:02}.npy", 12 + minute / 60, minute % 60));
    write_array(&path, &Tensor::from_vec(&[1, 1, 1, 8, 12], values(minute)).unwrap(), &Axes::default())
        .unwrap();
    path
}

struct Folders {
    whole: TempDir,
}

impl Folders {
    fn new() -> Self {
        let whole = tempfile::tempdir().unwrap();
        std::fs::create_dir(whole.path().join("in")).unwrap();
        Self { whole }
    }

    fn input(&self) -> PathBuf {
        self.whole.path().join("in")
    }

    fn config(&self) -> WatchConfig {
        WatchConfig {
            input: self.input(),
            out: self.whole.path().join("out"),
            extension: "npy".into(),
            frames: 2,
            warm_up: 3,
            is_window: false,
            members: Members::Mean,
            options: InputOptions::default(),
            memory_mib: 64,
            poll: Duration::from_millis(10),
            once: true,
            command: "watch".into(),
        }
    }

    /// What happens when all that is there is worked off.
    fn once(&self, config: &WatchConfig) -> (Watched, Vec<WatchEvent>) {
        let trained = model();
        let mut events = Vec::new();
        let mut tell = |event| {
            events.push(event);
            Ok(())
        };
        let watched =
            Watch::new(config, &trained, "00", &mut tell).unwrap().run(&Interrupt::manual()).unwrap();
        (watched, events)
    }

    fn forecast(&self, name: &str) -> Vec<f32> {
        npy(&self.whole.path().join("out").join(name))
    }
}

fn npy(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// The forecast of the network from some minutes, as `predict` makes it.
fn predicted(minutes: &[usize]) -> Vec<f32> {
    let trained = model();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.npy");
    let all: Vec<f32> = minutes.iter().flat_map(|&minute| values(minute)).collect();
    write_array(&path, &Tensor::from_vec(&[1, minutes.len(), 1, 8, 12], all).unwrap(), &Axes::default())
        .unwrap();
    let input = trained.read_input(&path, &InputOptions::default(), &ReadBudget::new(64, "m")).unwrap();
    let forecast = Forecast::of_input(&trained, &input, 2, Members::Mean, Provenance::default()).unwrap();
    forecast.values.as_slice().to_vec()
}

fn notes(events: &[WatchEvent]) -> String {
    let text = |event: &WatchEvent| match event {
        WatchEvent::Note(text) | WatchEvent::Trouble(text) => Some(text.clone()),
        WatchEvent::Written(_) => None,
    };
    events.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_frame_has_the_forecast_of_all_frames_so_far_to_the_bit() {
    let folders = Folders::new();
    let minutes: Vec<usize> = (0..8).map(|at| 5 * at).collect();
    for &minute in &minutes {
        write(&folders.input(), minute);
    }
    let (watched, events) = folders.once(&folders.config());
    assert_eq!(watched, Watched { written: 6, troubles: 0, signal: None }, "{}", notes(&events));
    for end in 3..=8 {
        let name = format!("forecast_20160928T12{:02}00Z.npy", minutes[end - 1]);
        assert!(folders.forecast(&name) == predicted(&minutes[..end]), "{name}");
    }
    let WatchEvent::Written(last) = events.last().unwrap() else { panic!("{events:?}") };
    assert_eq!((last.state_frames, last.reference_time.as_deref()), (8, Some("2016-09-28T12:35:00Z")));
    assert!(last.latency >= last.reading + last.network && last.since_change >= last.latency - 0.1);
    // From the newest frames alone.
    let (_, events) = folders.once(&WatchConfig { is_window: true, ..folders.config() });
    assert_eq!(notes(&events), "");
    assert!(folders.forecast("forecast_20160928T123500Z.npy") == predicted(&minutes[5..]));
}

#[test]
fn a_gap_begins_anew_and_is_told() {
    let folders = Folders::new();
    for minute in [0, 5, 10, 20, 25, 30, 35] {
        write(&folders.input(), minute);
    }
    let (watched, events) = folders.once(&folders.config());
    assert_eq!((watched.written, watched.troubles), (3, 0));
    let told = notes(&events);
    assert!(told.contains("10 minutes after the frame before, not 5") && told.contains("3 frames"), "{told}");
    assert!(folders.forecast("forecast_20160928T123500Z.npy") == predicted(&[20, 25, 30, 35]));
    assert!(!folders.whole.path().join("out/forecast_20160928T122500Z.npy").exists());
}

#[test]
fn damaged_files_are_named_and_the_others_go_on() {
    let folders = Folders::new();
    for minute in [0, 5, 10, 15] {
        write(&folders.input(), minute);
    }
    let damaged = folders.input().join("rain_201609281220.npy");
    std::fs::write(&damaged, &std::fs::read(write(&folders.input(), 25)).unwrap()[..300]).unwrap();
    std::fs::write(folders.input().join("notes.txt"), "x").unwrap();
    let (watched, events) = folders.once(&folders.config());
    // After the gap that it leaves one frame is not enough.
    assert_eq!((watched.written, watched.troubles), (2, 1));
    let told = notes(&events);
    assert!(told.contains("rain_201609281220.npy") && told.contains("until it changes"), "{told}");
    assert!(told.contains("10 minutes after"), "{told}");
}

#[test]
fn frames_without_times_come_in_the_order_of_their_names() {
    let folders = Folders::new();
    for (name, minute) in [("frame_9.npy", 0), ("frame_10.npy", 5), ("frame_11.npy", 10)] {
        std::fs::rename(write(&folders.input(), minute), folders.input().join(name)).unwrap();
    }
    let (watched, events) = folders.once(&folders.config());
    assert_eq!((watched.written, notes(&events).as_str()), (1, ""));
    assert!(folders.forecast("forecast_frame_11.npy") == predicted(&[0, 5, 10]));
    let WatchEvent::Written(written) = &events[0] else { panic!("{events:?}") };
    assert_eq!(written.reference_time, None);
}

#[test]
fn pictures_are_frames() {
    let folders = Folders::new();
    for minute in [0, 1, 2, 3] {
        let grey: Vec<u8> = values(minute).iter().map(|value| *value as u8 * 5).collect();
        let bytes = crate::media::encode_png(12, 8, 1, &grey).unwrap();
        std::fs::write(folders.input().join(format!("p{minute}.png")), bytes).unwrap();
    }
    let (watched, events) = folders.once(&folders.config());
    assert_eq!((watched.written, notes(&events).as_str()), (2, ""));
    assert_eq!(folders.forecast("forecast_p3.npy").len(), 2 * 8 * 12);
}

/// A stream, and what becomes of frames.
struct Fed<'a> {
    stream: FrameStream<'a>,
}

impl Fed<'_> {
    fn take(&mut self, minute: usize, shift: usize, file: &str) -> Taken {
        let values = values(minute + shift).iter().map(|value| value / 50.0).collect();
        let last = LastFrame {
            valid: None,
            quantity: Quantity { minutes_per_step: None, ..FramesConfig::default().meaning() },
            description: Default::default(),
            axes: Axes::default(),
            time: Some(60.0 * minute as f64),
        };
        let values = Tensor::from_vec(&[1, 1, 8, 12], values).unwrap();
        self.stream.take(Arrived { file: file.into(), values, last }).unwrap()
    }
}

#[test]
fn late_frames_find_their_place_and_twins_do_not() {
    let trained = model();
    let folders = Folders::new();
    let mut fed = Fed { stream: FrameStream::new(&trained, &folders.config()).unwrap() };
    for minute in [0, 5, 10] {
        fed.take(minute, 0, &format!("{minute}"));
    }
    assert!(fed.take(15, 0, "15").is_ready);
    // 20 is missing.
    let taken = fed.take(25, 0, "25");
    assert!(!taken.is_ready && taken.notes[0].contains("begins anew"), "{taken:?}");
    let taken = fed.take(20, 0, "20");
    assert!(taken.is_ready && taken.notes[0].contains("comes late"), "{taken:?}");
    let expected = {
        let mut other = Fed { stream: FrameStream::new(&trained, &folders.config()).unwrap() };
        for minute in [10, 15, 20, 25] {
            other.take(minute, 0, "x");
        }
        other.stream.forecast(2).unwrap()
    };
    assert_eq!(fed.stream.forecast(2).unwrap(), expected);
    assert_eq!(fed.stream.last_frame().unwrap().time, Some(1500.0));
    let taken = fed.take(25, 1, "other");
    assert!(!taken.is_ready && taken.notes[0].contains("has the time of 25"), "{taken:?}");
    let taken = fed.take(0, 0, "0");
    assert!(!taken.is_ready && taken.notes[0].contains("is older"), "{taken:?}");
    assert_eq!(fed.stream.forecast(2).unwrap(), expected, "nothing changed");
    // The same file with the same numbers is nothing new, with others it is.
    assert!(!fed.take(25, 0, "25").is_ready);
    let taken = fed.take(25, 1, "25");
    assert!(taken.is_ready && taken.notes[0].contains("changed after it was read"), "{taken:?}");
    assert_ne!(fed.stream.forecast(2).unwrap(), expected);
    // A frame of another size changes nothing.
    let last = fed.stream.last_frame().unwrap();
    let odd = Arrived { file: "odd".into(), values: Tensor::zeros(&[1, 1, 4, 12]), last };
    let error = fed.stream.take(odd).unwrap_err().to_string();
    assert!(error.contains("[1, 4, 12]") && error.contains("[1, 8, 12]"), "{error}");
}

/// Raises a flag when it is dropped.
struct EndAtDrop<'a>(&'a Interrupt);

impl Drop for EndAtDrop<'_> {
    fn drop(&mut self) {
        self.0.raise(Signal::Terminate);
    }
}

#[test]
fn watching_goes_on_until_a_signal() {
    let folders = Folders::new();
    let config = WatchConfig { once: false, ..folders.config() };
    let interrupt = Interrupt::manual();
    let (sender, receiver) = mpsc::channel();
    for minute in [0, 5, 10, 15, 20] {
        let path = write(&folders.input(), minute);
        let old = SystemTime::now() - Duration::from_secs(60);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let watched = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let trained = model();
            let mut tell = |event| {
                sender.send(event).unwrap();
                Ok(())
            };
            Watch::new(&config, &trained, "00", &mut tell).unwrap().run(&interrupt).unwrap()
        });
        // Whatever fails here, the watching ends.
        let _end = EndAtDrop(&interrupt);
        let next = || receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        let WatchEvent::Note(older) = next() else { panic!("a note of older files") };
        assert!(older.starts_with("2 older files"), "{older}");
        for minute in [20, 25, 30] {
            if minute > 20 {
                write(&folders.input(), minute);
            }
            let WatchEvent::Written(written) = next() else { panic!("a forecast of {minute}") };
            assert!(written.out.to_string_lossy().contains(&format!("T12{minute}00Z")), "{written:?}");
        }
        interrupt.raise(Signal::Terminate);
        watching.join().unwrap()
    });
    assert_eq!(watched, Watched { written: 3, troubles: 0, signal: Some(Signal::Terminate) });
    assert!(folders.forecast("forecast_20160928T123000Z.npy") == predicted(&[10, 15, 20, 25, 30]));
}

#[test]
fn forecasts_do_not_become_frames() {
    let folders = Folders::new();
    let config = WatchConfig { out: folders.input().join("out"), ..folders.config() };
    let trained = model();
    let mut tell = |_| Ok(());
    let error = Watch::new(&config, &trained, "00", &mut tell).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("outside of it"), "{error}");
    let config = WatchConfig { input: folders.whole.path().join("nowhere"), ..folders.config() };
    let error = Watch::new(&config, &trained, "00", &mut tell).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
