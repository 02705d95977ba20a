//! What `convgru watch` says, and how soon a forecast follows a file.

use std::fs;

use crate::forecasts::{composite, numbers_or_missing, radar_weights};
use crate::program::{Ran, convgru, folder};

fn watch(folder: &std::path::Path, rest: &str) -> Ran {
    let weights = radar_weights().display();
    convgru(
        folder,
        &format!("watch --checkpoint {weights} --input radar --out out --once --poll 0.05 {rest}"),
    )
}

#[test]
fn a_rough_clock_is_read_as_predict_reads_it() {
    let folder = folder();
    let radar = folder.path().join("radar");
    fs::create_dir(&radar).unwrap();
    for minute in [0, 5, 11, 15, 19] {
        composite(&radar, minute);
    }
    let options = "--minutes-per-step 5";
    watch(folder.path(), options).succeeded();
    let predict = |rest: &str| {
        let weights = radar_weights().display();
        let arguments =
            format!("predict --checkpoint {weights} --input radar --newest 5 --frames 2 --out {rest} --json");
        convgru(folder.path(), &arguments).succeeded().json()
    };
    let value = predict(&format!("predicted.nc {options}"));
    assert_eq!(
        (&value["input_shape"][0], &value["reference_time"]),
        (&5.into(), &"2016-09-28T14:19:00Z".into())
    );
    let watched = folder.path().join("out/forecast_20160928T141900Z.nc");
    assert_eq!(numbers_or_missing(&watched), numbers_or_missing(&folder.path().join("predicted.nc")));
    // Both see gaps where a frame every ten minutes is meant.
    assert_eq!(predict("predicted.nc --minutes-per-step 10")["input_shape"][0], 1);
    let ran = watch(folder.path(), "--minutes-per-step 10 -q");
    assert!(
        ran.code == Some(1) && ran.stderr.contains("5 minutes after the frame before, not 10"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_last_sentence_says_what_was_done() {
    let folder = folder();
    let radar = folder.path().join("radar");
    fs::create_dir(&radar).unwrap();
    let told = |words: &[&str]| {
        let ran = watch(folder.path(), "-q");
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let last = ran.stderr.lines().last().unwrap();
        assert!(words.iter().all(|word| last.contains(word)), "{last} lacks one of {words:?}");
        ran.stderr
    };
    told(&["no forecast was written", "no frame could be read in radar"]);
    composite(&radar, 0);
    composite(&radar, 5);
    told(&["no forecast was written", "needs 3 frames in a row", "of the 2 frames in radar", "at most 2"]);
    fs::write(radar.join("201609281410_fmi.pgm"), "P5\n64 48\n255\nshort").unwrap();
    told(&["no forecast was written", "needs 3 frames", "1 problem with files or forecasts"]);
    for minute in [15, 20, 25] {
        composite(&radar, minute);
    }
    let all = told(&["1 forecast written of 5 frames in radar", "1 problem"]);
    assert!(all.contains("starts again"), "a warning is said under -q: {all}");
    fs::remove_file(radar.join("201609281410_fmi.pgm")).unwrap();
    assert_eq!(watch(folder.path(), "-q").succeeded().stderr.lines().count(), 1, "the gap");
}

#[test]
fn the_help_names_forecasts_as_they_are_called() {
    let help = convgru(folder().path(), "watch --help").succeeded().stdout;
    assert!(help.contains("forecast_TIME.nc") && !help.contains("FORECAST_TIME"), "{help}");
}

/// An hour of radar images of Finland, four in a second: prints how soon forecasts follow. No time decides it.
#[cfg(unix)]
#[test]
fn an_hour_of_files_in_three_seconds_is_forecast() {
    use std::time::Duration;

    use convgru_train::dataset::{RadarConfig, Source};
    use convgru_train::trainer::TrainedModel;

    use crate::cases::recorded_data;
    use crate::forecasts::Watching;

    /// Frames before the first forecast, and those of an hour.
    const FIRST: usize = 3;
    const HOUR: usize = 12;
    let Some(data) = recorded_data::folder("CONVGRU_DATA", "radar-fmi/20160928") else { return };
    let mut files: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".pgm.gz"));
    files.sort();
    let folder = folder();
    let (radar, weights) = (folder.path().join("radar"), folder.path().join("model.safetensors"));
    fs::create_dir(&radar).unwrap();
    // Images of 1226 x 760 pixels become 246 x 152, which the network can take.
    let mut trained = TrainedModel::read(&crate::program::weights()).unwrap();
    trained.config.data.source = Source::Radar(RadarConfig { downsample: 5, ..RadarConfig::default() });
    trained.write(&weights).unwrap();
    let arrive = |file: &std::path::PathBuf| {
        fs::copy(file, radar.join(file.file_name().unwrap())).unwrap();
    };
    files[..FIRST].iter().for_each(arrive);
    let watching = Watching::start(folder.path(), &weights);
    watching.next_line();
    for file in &files[FIRST..FIRST + HOUR] {
        arrive(file);
        std::thread::sleep(Duration::from_millis(250));
    }
    let lines: Vec<_> = (0..HOUR).map(|_| watching.next_line()).collect();
    let (code, told) = watching.end("-TERM");
    assert_eq!(code, Some(143), "{told}");
    assert_eq!(lines[HOUR - 1]["reference_time"], "2016-09-28T15:55:00Z");
    assert_eq!(lines[HOUR - 1]["state_frames"], FIRST + HOUR);
    for name in ["since_change_ms", "latency_ms", "reading_ms", "network_ms"] {
        let mut all: Vec<f64> = lines.iter().map(|line| line[name].as_f64().unwrap()).collect();
        all.sort_by(f64::total_cmp);
        assert!(all[0] > 0.0, "{name}");
        eprintln!(
            "{name} of {HOUR} forecasts: min {:.0}, median {:.0}, max {:.0}",
            all[0],
            0.5 * (all[HOUR / 2 - 1] + all[HOUR / 2]),
            all[HOUR - 1]
        );
    }
}
