//! Folders of files, whole, late, twice, damaged, and with gaps.

use std::path::Path;
use std::sync::mpsc;

use convgru_model::{Forecaster, Tensor};
use tempfile::TempDir;

use super::*;
use crate::config::RunConfig;
use crate::dataset::{Axes, FramesConfig, Quantity, RadarConfig, Source};
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
        WatchEvent::Note(text) | WatchEvent::Warning(text) | WatchEvent::Trouble(text) => Some(text.clone()),
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
    assert_eq!(
        watched,
        Watched { written: 6, troubles: 0, frames: 8, longest_run: 8, signal: None },
        "{}",
        notes(&events)
    );
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

#[test]
fn frames_of_another_place_or_unit_are_left_out_and_counted() {
    let data = |name: &str| {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5").join(name)).unwrap()
    };
    let replaced = |mut bytes: Vec<u8>, from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|own| own == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let north = data("upside_down/north.nc");
    let elsewhere = replaced(north.clone(), &50f32.to_be_bytes(), &70f32.to_be_bytes());
    let (rain, cold) = (data("units.nc"), replaced(data("units.nc"), b"mm/h", b"K   "));
    let south = data("upside_down/south.nc");
    for (usual, other, words) in
        [(&north, &south, "same way round"), (&north, &elsewhere, "from 70 to 49"), (&rain, &cold, "\"K")]
    {
        let folders = Folders::new();
        let files = [("a", usual), ("b", usual), ("c", usual), ("d", other), ("e", usual)];
        for (name, bytes) in files {
            std::fs::write(folders.input().join(name).with_extension("nc"), bytes).unwrap();
        }
        let mut trained = model();
        if let Source::Frames(frames) = &mut trained.config.data.source {
            frames.unit.clear();
        }
        let mut events = Vec::new();
        let mut tell = |event| {
            events.push(event);
            Ok(())
        };
        let config = folders.config();
        let watched =
            Watch::new(&config, &trained, "00", &mut tell).unwrap().run(&Interrupt::manual()).unwrap();
        let told = notes(&events);
        assert_eq!(watched.troubles, 1, "{told}");
        assert!(told.contains(words) && told.contains("d.nc") && told.contains("c.nc"), "{told}");
        assert!(watched.frames.is_multiple_of(4) && watched.written > 0, "{watched:?}");
    }
}

#[test]
fn a_frame_without_a_measured_pixel_is_a_gap_to_watch_and_to_predict() {
    let folders = Folders::new();
    for at in 0..6 {
        let numbers = if at == 2 { vec![f32::NAN; 8 * 12] } else { values(at) };
        let frame = Tensor::from_vec(&[1, 1, 1, 8, 12], numbers).unwrap();
        write_array(folders.input().join(format!("p{at}.npy")), &frame, &Axes::default()).unwrap();
    }
    let (watched, events) = folders.once(&folders.config());
    let told = notes(&events);
    assert_eq!((watched.written, watched.troubles, watched.longest_run), (1, 1, 3), "{told}");
    assert!(told.contains("p3.npy comes after a frame without a measured pixel"), "{told}");
    assert!(folders.forecast("forecast_p5.npy") == predicted(&[3, 4, 5]));
    let budget = ReadBudget::new(64, "m");
    let input = model().read_input(&folders.input(), &InputOptions::default(), &budget).unwrap();
    assert_eq!((input.frames.shape()[0], input.valid.is_none()), (3, true));
    let words = "frame 2 of 6 (from 0) has no measured pixel and counts as missing; the 3 frames up to it are left out";
    assert!(input.warnings.iter().any(|warning| warning.contains(words)), "{:?}", input.warnings);
}

/// A stream, and what becomes of frames.
struct Fed<'a> {
    stream: FrameStream<'a>,
}

impl Fed<'_> {
    fn take(&mut self, minute: usize, shift: usize, file: &str) -> Taken {
        self.take_at(Some(60.0 * minute as f64), minute + shift, file)
    }

    /// Takes the frame of a minute, as one that was seen at some second.
    fn take_at(&mut self, time: Option<f64>, minute: usize, file: &str) -> Taken {
        let values = values(minute).iter().map(|value| value / 50.0).collect();
        let last = LastFrame {
            valid: None,
            quantity: Quantity { minutes_per_step: None, ..FramesConfig::default().meaning() },
            description: Default::default(),
            axes: Axes::default(),
            time,
        };
        let values = Tensor::from_vec(&[1, 1, 8, 12], values).unwrap();
        self.stream
            .take(Arrived { file: file.into(), place: (0, 1), values, measured: 1.0, last, content: None })
            .unwrap()
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
    assert!(!taken.is_ready && taken.warnings[0].contains("starts again"), "{taken:?}");
    let taken = fed.take(20, 0, "20");
    assert!(taken.is_ready && taken.notes[0].contains("comes late"), "{taken:?}");
    let expected = {
        let mut other = Fed { stream: FrameStream::new(&trained, &folders.config()).unwrap() };
        for minute in [15, 20, 25] {
            other.take(minute, 0, "x");
        }
        other.stream.forecast(2).unwrap()
    };
    assert!(taken.notes[0].contains("from the newest 3 frames"), "as many as the warm-up: {taken:?}");
    assert_eq!(fed.stream.state_frames(), 3);
    assert_eq!(fed.stream.forecast(2).unwrap(), expected);
    assert_eq!(fed.stream.last_frame().unwrap().time, Some(1500.0));
    let taken = fed.take(25, 1, "other");
    assert!(!taken.is_ready && taken.warnings[0].contains("has the time of 25"), "{taken:?}");
    let taken = fed.take(0, 0, "0");
    assert!(!taken.is_ready && taken.warnings[0].contains("is older"), "{taken:?}");
    assert_eq!(fed.stream.forecast(2).unwrap(), expected, "nothing changed");
    // The same file with the same numbers is nothing new, with others it is.
    assert!(!fed.take(25, 0, "25").is_ready);
    let taken = fed.take(25, 1, "25");
    assert!(taken.is_ready && taken.notes[0].contains("changed after it was read"), "{taken:?}");
    assert_ne!(fed.stream.forecast(2).unwrap(), expected);
    // A frame of another size changes nothing.
    let last = fed.stream.last_frame().unwrap();
    let values = Tensor::zeros(&[1, 1, 4, 12]);
    let odd = Arrived { file: "odd".into(), place: (0, 1), values, measured: 1.0, last, content: None };
    let error = fed.stream.take(odd).unwrap_err().to_string();
    assert!(
        error.starts_with("odd: has a frame") && error.contains("[1, 4, 12]") && error.contains("[1, 8, 12]"),
        "{error}"
    );
}

#[test]
fn a_file_without_a_time_that_changes_is_the_same_frame() {
    let trained = model();
    let folders = Folders::new();
    let mut fed = Fed { stream: FrameStream::new(&trained, &folders.config()).unwrap() };
    for (minute, file) in [(0, "a_1"), (5, "a_2"), (10, "a_3"), (15, "a_4")] {
        fed.take_at(None, minute, file);
    }
    let taken = fed.take_at(None, 20, "a_4");
    assert!(taken.is_ready && taken.notes[0].contains("a_4 changed after it was read"), "{taken:?}");
    assert_eq!(fed.stream.state_frames(), 3, "no frame entered twice");
    let mut other = Fed { stream: FrameStream::new(&trained, &folders.config()).unwrap() };
    for (minute, file) in [(5, "a_2"), (10, "a_3"), (20, "a_4")] {
        other.take_at(None, minute, file);
    }
    assert_eq!(fed.stream.forecast(2).unwrap(), other.stream.forecast(2).unwrap());
    assert!(!fed.take_at(None, 20, "a_4").is_ready, "the same numbers");
    let taken = fed.take_at(None, 0, "a_1");
    assert!(!taken.is_ready && taken.warnings[0].contains("comes after a_4"), "{taken:?}");
}

/// A network that learned from a frame every five minutes.
fn every_five() -> TrainedModel {
    let found =
        "[data.found]\nnumbers = \"float32\"\nrange = [0.0, 50.0]\nunit = \"mm/h\"\nminutes_per_step = 5.0\n";
    let config = RunConfig::from_toml(&format!("{TINY}{found}")).unwrap();
    TrainedModel { config, ..model() }
}

/// The same network, as one that learned from radar images, and a folder of such images.
fn of_radar(minutes: &[usize]) -> (TrainedModel, TempDir) {
    let radar = RadarConfig { downsample: 1, ..RadarConfig::default() };
    let Quantity { unit, transform, .. } = radar.quantity(None);
    let mut trained = every_five();
    let found = trained.config.data.found.as_mut().unwrap();
    (found.numbers, found.range) = ("rain rates".into(), [0.0, transform.to_units(1.0)]);
    (found.unit, found.unit_in_files) = (unit.clone(), unit);
    trained.config.data.source = Source::Radar(radar);
    let folder = tempfile::tempdir().unwrap();
    for minute in minutes {
        let image = [&b"P5\n12 8\n255\n"[..], &[80; 96]].concat();
        std::fs::write(folder.path().join(format!("2016092812{minute:02}.pgm")), image).unwrap();
    }
    (trained, folder)
}

#[test]
fn clocks_may_be_rough_and_other_distances_are_refused() {
    let trained = every_five();
    let folders = Folders::new();
    let forecast = |minutes: &[usize], told: Option<f64>| {
        let options = InputOptions { minutes_per_step: told, ..InputOptions::default() };
        let config = WatchConfig { options: options.clone(), ..folders.config() };
        let mut fed = Fed { stream: FrameStream::new(&trained, &config).unwrap() };
        let taken = minutes.iter().map(|&minute| fed.take(minute, 0, "x")).last().unwrap();
        let watched = match taken.is_ready {
            true => fed.stream.forecast(2).map_err(|error| error.to_string()),
            false => Err(taken.warnings.concat()),
        };
        // As `predict` reads them.
        let (of_radar, folder) = of_radar(minutes);
        let options = InputOptions { newest: Some(9), ..options };
        let budget = ReadBudget::new(64, "m");
        let read = of_radar.read_input(folder.path(), &options, &budget).map_err(|error| error.to_string());
        (watched, read)
    };
    for (minutes, told, frames) in [
        (&[0, 4, 10, 15][..], None, 4),
        (&[1, 5, 11, 15], None, 4),
        (&[0, 6, 11, 15, 21], None, 5),
        (&[0, 6, 12, 18], Some(6.0), 4),
        (&[0, 5, 15, 20, 26], None, 3),
    ] {
        let (watched, read) = forecast(minutes, told);
        watched.unwrap();
        let read = read.unwrap();
        assert_eq!(read.frames.shape()[0], frames, "{minutes:?}");
        assert_eq!(read.quantity.minutes_per_step, Some(told.unwrap_or(5.0)), "{minutes:?}");
        let last = *minutes.last().unwrap() as f64;
        assert_eq!(read.times.unwrap().last().map(|time| (time / 60.0) % 60.0), Some(last));
    }
    for minutes in [&[0, 6, 12, 18][..], &[0, 4, 8, 12], &[0, 7, 13, 20, 26]] {
        let (watched, read) = forecast(minutes, None);
        for error in [watched.unwrap_err(), read.unwrap_err()] {
            assert!(error.contains("had one every 5") && error.contains("--minutes-per-step"), "{error}");
        }
    }
    // A distance that is told, and that no two frames have.
    let (_, read) = forecast(&[0, 5, 10, 15], Some(10.0));
    let mut fed = Fed {
        stream: FrameStream::new(
            &trained,
            &WatchConfig {
                warm_up: 1,
                options: InputOptions { minutes_per_step: Some(10.0), ..InputOptions::default() },
                ..folders.config()
            },
        )
        .unwrap(),
    };
    fed.take(0, 0, "x");
    fed.take(5, 0, "x");
    for error in [fed.stream.forecast(2).unwrap_err().to_string(), read.unwrap_err()] {
        assert!(
            error.contains("every 5 minutes by its times") && error.contains("10 minutes apart"),
            "{error}"
        );
    }
    // A rough clock is judged by all frames of the state, however few are kept.
    let mut fed =
        Fed { stream: FrameStream::new(&trained, &WatchConfig { warm_up: 2, ..folders.config() }).unwrap() };
    for minute in [0, 4, 10, 15, 21] {
        fed.take(minute, 0, "x");
        if minute >= 10 {
            fed.stream.forecast(2).unwrap();
        }
    }
    // Twice the distance is a gap for both.
    let (watched, read) = forecast(&[0, 10, 20, 30], None);
    assert!(watched.unwrap_err().contains("10 minutes after the frame before, not 5"));
    assert!(read.unwrap_err().contains("every 10 minutes"));
}

#[test]
fn files_of_one_name_have_forecasts_of_their_own() {
    let folders = Folders::new();
    for (folder, minutes) in [("day", [0, 5, 10]), ("night", [15, 20, 25])] {
        std::fs::create_dir(folders.input().join(folder)).unwrap();
        for (at, minute) in minutes.into_iter().enumerate() {
            let file = folders.input().join(folder).join(format!("frame_{at}.npy"));
            std::fs::rename(write(&folders.input(), minute), file).unwrap();
        }
    }
    let (watched, events) = folders.once(&folders.config());
    assert_eq!((watched.written, watched.troubles), (4, 0), "{}", notes(&events));
    assert!(folders.forecast("forecast_day_frame_2.npy") == predicted(&[0, 5, 10]));
    assert!(folders.forecast("forecast_night_frame_2.npy") == predicted(&[0, 5, 10, 15, 20, 25]));
    // Names that are the same all the same are refused with both.
    std::fs::write(folders.input().join("night_frame_3.npy"), "x").unwrap();
    std::fs::create_dir(folders.input().join("night_frame")).unwrap();
    std::fs::rename(write(&folders.input(), 30), folders.input().join("night_frame_3.npy")).unwrap();
    std::fs::rename(write(&folders.input(), 35), folders.input().join("night_frame/3.npy")).unwrap();
    let (watched, events) = folders.once(&folders.config());
    let told = notes(&events);
    assert_eq!((watched.written, watched.troubles), (5, 1), "{told}");
    assert!(told.contains("night_frame/3.npy") && told.contains("night_frame_3.npy"), "{told}");
}

#[test]
fn a_frame_without_a_measured_pixel_has_no_forecast() {
    let folders = Folders::new();
    for minute in [0, 5, 10, 15] {
        write(&folders.input(), minute);
    }
    let missing = |minute: usize, share: usize| {
        let path = write(&folders.input(), minute);
        let values = values(minute).into_iter().enumerate();
        let values = values.map(|(at, value)| if at % 10 < share { f32::NAN } else { value }).collect();
        write_array(&path, &Tensor::from_vec(&[1, 1, 1, 8, 12], values).unwrap(), &Axes::default()).unwrap();
        path
    };
    let last = missing(20, 10);
    let (watched, events) = folders.once(&folders.config());
    let told = notes(&events);
    assert_eq!((watched.written, watched.troubles), (2, 1), "{told}");
    assert!(
        told.contains("T1220") || told.contains("201609281220.npy") && told.contains("100 % are missing"),
        "{told}"
    );
    let budget = ReadBudget::new(64, "m");
    let read = |path: &Path| model().read_input(path, &InputOptions::default(), &budget);
    for path in [&last, &folders.input()] {
        let error = read(path).unwrap_err().to_string();
        assert!(error.contains("100 % are missing") && error.contains("leave this frame out"), "{error}");
    }
    // One that misses most is forecast, and it is said.
    missing(20, 9);
    let (watched, events) = folders.once(&folders.config());
    assert_eq!((watched.written, watched.troubles), (3, 0));
    for told in [notes(&events), read(&folders.input()).unwrap().warnings.concat()] {
        assert!(
            told.contains(
                "90.6 % of the pixels of the newest frame are missing, and 0 % of the frame before"
            ),
            "{told}"
        );
    }
}

#[test]
fn files_of_two_regions_are_refused() {
    let folders = Folders::new();
    for name in ["rainfall_NW_2016_08.3.npz", "rainfall_SE_2016_08.3.npz"] {
        std::fs::write(folders.input().join(name), "x").unwrap();
    }
    let (config, trained) = (folders.config(), model());
    let mut tell = |_| Ok(());
    let error = Watch::new(&config, &trained, "00", &mut tell).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("regions NW") || error.contains("regions SE"), "{error}");
}

#[test]
fn folders_that_go_away_are_told_once() {
    let folders = Folders::new();
    let config = WatchConfig { once: false, ..folders.config() };
    let interrupt = Interrupt::manual();
    let (sender, receiver) = mpsc::channel();
    for minute in [0, 5, 10] {
        write(&folders.input(), minute);
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
        let _end = EndAtDrop(&interrupt);
        let next = || receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(matches!(next(), WatchEvent::Written(_)));
        std::fs::remove_dir_all(&config.out).unwrap();
        let elsewhere = folders.whole.path().join("elsewhere");
        std::fs::rename(folders.input(), &elsewhere).unwrap();
        let WatchEvent::Trouble(gone) = next() else { panic!("the input has gone") };
        assert!(gone.contains("until the folder can be read"), "{gone}");
        // Many looks later.
        std::thread::sleep(Duration::from_millis(200));
        write(&elsewhere, 15);
        std::fs::rename(&elsewhere, folders.input()).unwrap();
        let WatchEvent::Warning(back) = next() else { panic!("the input is back") };
        assert!(back.contains("can be read again"), "{back}");
        let WatchEvent::Warning(made) = next() else { panic!("the output is made again") };
        assert!(made.contains("is created again"), "{made}");
        assert!(matches!(next(), WatchEvent::Written(_)));
        interrupt.raise(Signal::Terminate);
        watching.join().unwrap()
    });
    assert_eq!((watched.written, watched.troubles), (2, 1));
    assert!(folders.forecast("forecast_20160928T121500Z.npy") == predicted(&[0, 5, 10, 15]));
}

#[test]
fn a_file_in_the_place_of_the_folder_for_forecasts_is_named() {
    let folders = Folders::new();
    let trained = model();
    let file = folders.whole.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for (out, words) in [(file.clone(), "is no folder"), (file.join("below"), "file is no folder")] {
        let config = WatchConfig { out: out.clone(), ..folders.config() };
        let mut tell = |_| Ok(());
        let error = Watch::new(&config, &trained, "00", &mut tell).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("--out"), "{error}");
        assert!(error.contains(&printable(&out)), "{error}");
    }
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
        assert!(older.starts_with("skipping 2 older files"), "{older}");
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
    assert_eq!(
        watched,
        Watched { written: 3, troubles: 0, frames: 5, longest_run: 5, signal: Some(Signal::Terminate) }
    );
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
