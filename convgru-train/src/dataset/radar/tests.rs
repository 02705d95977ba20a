//! Whole data sets of radar files, made up and real.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use super::*;
use crate::dataset::config::OnCorrupt;
use crate::dataset::fixtures::radar_config;
use crate::dataset::{SequenceMut, Source, batch};
use crate::fixtures::data_folder;

/// Images of 24 x 20 pixels, one every five minutes, whose rain depends on time and place.
fn write_event(folder: &Path, first_minute: usize, minutes: impl IntoIterator<Item = usize>) {
    std::fs::create_dir_all(folder).unwrap();
    for minute in minutes {
        let time = first_minute + minute;
        let name = format!("20160928{:02}{:02}_test.pgm.gz", time / 60, time % 60);
        let mut bytes =
            format!("P5\n# obstime 20160928{:02}{:02}\n20 24\n255\n", time / 60, time % 60).into_bytes();
        for pixel in 0..24 * 20 {
            bytes.push(if pixel % 20 >= 18 { 255 } else { 80 + ((time + pixel) % 90) as u8 });
        }
        let file = std::fs::File::create(folder.join(name)).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
    }
}

fn steps(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(|i| 5 * i)
}

/// Two events; the second has a gap.
fn two_events() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_event(&folder.path().join("a"), 0, steps(16));
    write_event(&folder.path().join("b"), 600, steps(14).filter(|&minute| minute != 35));
    folder
}

fn small() -> DataConfig {
    DataConfig {
        source: Source::Radar(RadarConfig { downsample: 2, crop: [8, 8], ..RadarConfig::default() }),
        input_frames: 2,
        output_frames: 2,
        train_sequences: 50,
        validation_sequences: 40,
        test_sequences: 40,
        ..DataConfig::default()
    }
}

fn settings(data: &DataConfig) -> &RadarConfig {
    match &data.source {
        Source::Radar(radar) => radar,
        other => panic!("{other:?}"),
    }
}

fn open_split(data: &DataConfig, folder: &Path, split: Split, seed: u64) -> Result<WindowDataset> {
    open(data, settings(data), folder, split, seed)
}

fn open_all(data: &DataConfig, folder: &Path) -> Result<WindowDataset> {
    open_whole(data, settings(data), folder)
}

#[test]
fn events_become_splits_of_their_own() {
    let folder = two_events();
    let open = |split| open_split(&small(), folder.path(), split, 3).unwrap();
    let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(open);
    let frames = |data: &WindowDataset| -> Vec<usize> { data.source.clips.iter().map(Clip::len).collect() };
    assert_eq!((frames(&train), frames(&validation), frames(&test)), (vec![12], vec![4], vec![7, 6]));
    assert_eq!((train.len(), train.frame_shape(), train.steps()), (50, [1, 8, 8], 4));
    // One place of 8 x 8 in 12 x 10 pixels, four and three windows.
    assert_eq!((validation.len(), test.len()), (1, 7));
    assert_eq!(test.label(0), "2016-09-28 10:00, row 2, column 1");
    assert_eq!(test.label(4), "2016-09-28 10:40, row 2, column 1");
    assert!(test.name().contains("test: b") && test.name().contains("13 frames"), "{}", test.name());
    assert_eq!(test.quantity().minutes_per_step, Some(5.0));
}

#[test]
fn the_same_epoch_and_index_are_the_same_bits_in_any_batch() {
    let folder = two_events();
    let train = open_split(&small(), folder.path(), Split::Train, 3).unwrap();
    let again = open_split(&small(), folder.path(), Split::Train, 3).unwrap();
    let whole = batch(&train, 1, &[4, 0, 9]).unwrap();
    let alone = batch(&again, 1, &[9]).unwrap();
    for step in 0..4 {
        assert_eq!(whole.frames.slice(step)[128..], *alone.frames.slice(step));
        assert_eq!(
            whole.valid.as_ref().unwrap().slice(step)[128..],
            *alone.valid.as_ref().unwrap().slice(step)
        );
    }
    assert_ne!(batch(&train, 2, &[9]).unwrap(), alone);
    let other_seed = open_split(&small(), folder.path(), Split::Train, 4).unwrap();
    assert_ne!(batch(&other_seed, 1, &[9]).unwrap(), alone);
    let samples: HashSet<_> = (0..50).map(|index| whole_sequence(&train, index)).collect();
    assert!(samples.len() > 40, "{} different sequences of 50", samples.len());
}

fn whole_sequence(data: &WindowDataset, index: usize) -> Vec<u32> {
    let mut frames = vec![f32::NAN; 4 * 64];
    let mut valid = vec![f32::NAN; 4 * 64];
    data.sequence(0, index, &mut SequenceMut { frames: &mut frames, valid: Some(&mut valid) }).unwrap();
    for (value, valid) in frames.iter().zip(&valid) {
        assert!((0.0..=1.0).contains(value) && (*valid == 1.0 || *valid == 0.0 && *value == 0.0));
    }
    frames.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn damaged_frames_end_it_or_are_gaps() {
    let folder = two_events();
    std::fs::write(folder.path().join("b/201609281030_test.pgm.gz"), b"P5 broken").unwrap();
    let stop = open_split(&small(), folder.path(), Split::Test, 0);
    let error = stop.err().expect("a damaged frame ends it").to_string();
    assert!(error.contains("201609281030_test.pgm.gz"), "{error}");
    let config = DataConfig { on_corrupt: OnCorrupt::Skip, ..small() };
    let test = open_split(&config, folder.path(), Split::Test, 0).unwrap();
    let frames: Vec<usize> = test.source.clips.iter().map(Clip::len).collect();
    assert_eq!((frames, test.warnings().len()), (vec![6, 6], 1));
    assert!(test.warnings()[0].contains("201609281030_test.pgm.gz"));
}

#[test]
fn files_that_say_no_time_end_it_or_are_left_out() {
    let folder = two_events();
    std::fs::write(folder.path().join("b/nameless.pgm"), b"P5 broken").unwrap();
    let skip = DataConfig { on_corrupt: OnCorrupt::Skip, ..small() };
    let error = open_split(&small(), folder.path(), Split::Test, 0).err().expect("refused").to_string();
    assert!(error.contains("nameless.pgm"), "{error}");
    for split in [Split::Train, Split::Validation, Split::Test] {
        let part = open_split(&skip, folder.path(), split, 0).unwrap();
        let [warning] = part.warnings() else { panic!("{:?}", part.warnings()) };
        assert!(warning.contains("nameless.pgm"), "{warning}");
    }
    let alone = folder.path().join("b/nameless.pgm");
    let error = open_split(&skip, &alone, Split::Test, 0).err().expect("refused").to_string();
    assert!(error.contains("nameless.pgm"), "{error}");
}

#[cfg(feature = "hdf5")]
#[test]
fn composites_with_a_damaged_header_end_it_or_are_left_out() {
    use crate::dataset::gridded::tests::written;
    let folder = tempfile::tempdir().unwrap();
    for time in 0..16 {
        let name = format!("composite{time:02}.h5");
        let mut bytes = std::fs::read(written("odim").join(&name)).unwrap();
        if time == 3 {
            bytes[8..64].fill(0xff);
        }
        std::fs::write(folder.path().join(&name), bytes).unwrap();
    }
    assert_eq!(crate::dataset::detect(folder.path()).unwrap(), crate::dataset::SourceKind::Radar);
    let mut config = small();
    radar_config(&mut config).downsample = 1;
    let error = open_all(&config, folder.path()).err().expect("refused").to_string();
    assert!(error.contains("composite03.h5") && error.contains("h5repack"), "{error}");
    config.on_corrupt = OnCorrupt::Skip;
    let whole = open_all(&config, folder.path()).unwrap();
    let lengths: Vec<usize> = whole.source.clips.iter().map(Clip::len).collect();
    // Three frames before the gap are fewer than a sequence.
    assert_eq!(lengths, [4, 8]);
    let [warning] = whole.warnings() else { panic!("{:?}", whole.warnings()) };
    assert!(warning.contains("composite03.h5"), "{warning}");
    let error = open_all(&config, &folder.path().join("composite03.h5")).err().expect("refused");
    assert!(error.to_string().contains("composite03.h5"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let folder = two_events();
    let message = |change: &dyn Fn(&mut DataConfig)| {
        let mut config = small();
        change(&mut config);
        open_split(&config, folder.path(), Split::Test, 0).err().expect("refused").to_string()
    };
    assert!(message(&|c| radar_config(c).crop = [64, 64]).contains("12 x 10"));
    assert!(message(&|c| c.input_frames = 30).contains("longest run"));
    assert!(message(&|c| radar_config(c).no_rain_below = 99.0).contains("minimum_rain"));
    assert!(message(&|c| radar_config(c).test_events = vec!["c".into()]).contains("a (16 frames in a row)"));
    assert!(message(&|c| c.memory_mib = 0).contains("memory_mib"));
    let empty = tempfile::tempdir().unwrap();
    let error = open_split(&small(), empty.path(), Split::Test, 0).err().expect("refused").to_string();
    assert!(error.contains("*.pgm.gz"), "{error}");
}

#[test]
fn whole_frames_are_shown_without_a_crop() {
    let folder = two_events();
    let mut config = small();
    radar_config(&mut config).crop = [0, 0];
    let test = open_split(&config, folder.path(), Split::Test, 0).unwrap();
    assert_eq!((test.frame_shape(), test.len()), ([1, 12, 10], 7));
    assert_eq!(test.label(0), "2016-09-28 10:00");
    let valid = batch(&test, 0, &[0]).unwrap().valid.unwrap();
    // The last of ten columns of squares was never measured.
    assert!(valid.as_slice().iter().enumerate().all(|(at, &v)| (v == 0.0) == (at % 10 == 9)));
}

#[test]
fn the_real_composites_have_the_published_rain() {
    let Some(folder) = data_folder("radar-fmi") else { return };
    let mut config = DataConfig {
        source: Source::Radar(RadarConfig::default()),
        input_frames: 6,
        output_frames: 6,
        ..DataConfig::default()
    };
    radar_config(&mut config).crop = [0, 0];
    radar_config(&mut config).downsample = 1;
    radar_config(&mut config).no_rain_below = 0.0;
    radar_config(&mut config).test_events = vec!["20160928".into()];
    let test = open_split(&config, &folder, Split::Test, 0).unwrap();
    assert_eq!((test.frame_shape(), test.len()), ([1, 1226, 760], 29));
    assert_eq!((test.label(0), test.label(28)), ("2016-09-28 14:45".into(), "2016-09-28 17:05".into()));
    let clip = &test.source.clips[0];
    assert_eq!(clip.len(), 40);
    let Batched { share_missing, share_of_5_dbz, highest } = Batched::of(&test);
    // Figures of the data's description: 24.3 % outside, 34 % of the rest at 5 dBZ or more, at most 57.5 dBZ.
    assert!((share_missing - 0.243).abs() < 0.001, "{share_missing}");
    assert!((share_of_5_dbz - 0.34).abs() < 0.01, "{share_of_5_dbz}");
    assert!((highest - 57.5 / 60.0).abs() < 1e-4, "{highest}");
}

struct Batched {
    share_missing: f64,
    share_of_5_dbz: f64,
    highest: f32,
}

impl Batched {
    /// Over all frames: the windows at 0, 12 and 24, and what the last one adds.
    fn of(test: &WindowDataset) -> Self {
        let (mut missing, mut wet, mut all, mut highest) = (0usize, 0usize, 0usize, 0.0f32);
        for index in [0, 12, 24, 28] {
            let batch = batch(test, 0, &[index]).unwrap();
            let valid = batch.valid.unwrap();
            let values = batch.frames.as_slice().iter().zip(valid.as_slice());
            for (&value, &valid) in values.skip(if index == 28 { 8 * 1226 * 760 } else { 0 }) {
                all += 1;
                missing += usize::from(valid == 0.0);
                wet += usize::from(value >= 5.0 / 60.0 - 1e-4);
                highest = highest.max(value);
            }
        }
        assert_eq!(all, 40 * 1226 * 760);
        let share_of_5_dbz = wet as f64 / (all - missing) as f64;
        Self { share_missing: missing as f64 / all as f64, share_of_5_dbz, highest }
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn composites_of_hdf5_have_their_times_and_gaps() {
    use crate::dataset::gridded::tests::written;
    let mut config = small();
    radar_config(&mut config).downsample = 1;
    assert_eq!(crate::dataset::detect(&written("odim")).unwrap(), crate::dataset::SourceKind::Radar);
    assert_eq!(crate::dataset::detect(&written("odim_rate.h5")).unwrap(), crate::dataset::SourceKind::Radar);
    assert_eq!(
        crate::dataset::detect(&written("frames_old.h5")).unwrap(),
        crate::dataset::SourceKind::Frames
    );
    assert_eq!(crate::dataset::detect(&written("packed.nc")).unwrap(), crate::dataset::SourceKind::Frames);
    // Eight times, an hour's gap between the first ones, eight times.
    let whole = open_all(&config, &written("odim")).unwrap();
    let lengths = |data: &WindowDataset| -> Vec<usize> { data.source.clips.iter().map(Clip::len).collect() };
    assert_eq!(lengths(&whole), [8, 8]);
    assert_eq!(whole.quantity().minutes_per_step, Some(5.0));
    assert_eq!(
        whole.times(0),
        ["2018-06-07 12:00", "2018-06-07 12:05", "2018-06-07 12:10", "2018-06-07 12:15"]
    );
    assert!(whole.name().contains("ODIM composites of odim"), "{}", whole.name());
    let test = open_split(&config, &written("odim"), Split::Test, 0).unwrap();
    assert!(test.label(0).starts_with("2018-06-07 13:00"), "{}", test.label(0));
    // 12:20 is missing.
    let whole = open_all(&config, &written("knmi")).unwrap();
    assert_eq!(lengths(&whole), [4]);
    assert!(whole.name().contains("KNMI composites of knmi"), "{}", whole.name());
    let message = |path: &Path| open_all(&config, path).err().expect("refused").to_string();
    let both = message(&written(""));
    assert!(both.contains("ODIM composites and") && both.contains("KNMI composites"), "{both}");
    assert!(message(&written("frames_old.h5")).contains("frames_old.h5 is HDF5, but of neither model"));
    // A damaged file is not overlooked.
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(written("odim/composite00.h5")).unwrap();
    std::fs::write(folder.path().join("cut.h5"), &bytes[..bytes.len() / 4]).unwrap();
    assert!(message(folder.path()).contains("cut.h5"));
}

#[test]
fn meteonet_has_its_gaps() {
    let Some(folder) = data_folder("radar-meteonet") else { return };
    let mut config = DataConfig {
        source: Source::Radar(RadarConfig::default()),
        input_frames: 3,
        output_frames: 3,
        ..DataConfig::default()
    };
    radar_config(&mut config).crop = [32, 32];
    radar_config(&mut config).minimum_rain = 0.001;
    let test = open_split(&config, &folder, Split::Test, 0).unwrap();
    let lengths: Vec<usize> = test.source.clips.iter().map(Clip::len).collect();
    assert_eq!(lengths, [12, 12]);
    assert!(test.label(0).starts_with("2016-08-28 13:"), "{}", test.label(0));
    let train = open_split(&config, &folder, Split::Train, 0).unwrap();
    batch(&train, 0, &[0, 1, 2, 3]).unwrap();
    config.input_frames = 10;
    config.output_frames = 10;
    let error = open_split(&config, &folder, Split::Test, 0).err().expect("refused").to_string();
    assert!(error.contains("15 frames") && error.contains("= 20"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_back_into_the_folder_count_no_frame_again() {
    use std::os::unix::fs::symlink;
    let folder = two_events();
    let whole = || open_all(&small(), folder.path()).unwrap().len();
    let count = whole();
    for (target, link) in [(".", "a/here"), ("..", "b/up"), ("a", "c"), ("../b", "a/b")] {
        symlink(target, folder.path().join(link)).unwrap();
    }
    assert_eq!(whole(), count);
    // Folders elsewhere are part of it, once.
    let other = tempfile::tempdir().unwrap();
    write_event(other.path(), 0, steps(16));
    symlink(other.path(), other.path().join("back")).unwrap();
    symlink(other.path(), folder.path().join("d")).unwrap();
    let more = whole();
    assert!(more > count);
    symlink(other.path(), folder.path().join("e")).unwrap();
    assert_eq!(whole(), more);
    symlink("loop", folder.path().join("loop")).unwrap();
    assert!(matches!(open_all(&small(), folder.path()), Err(Error::Io { .. })));
}

/// A model is measured on frames that are smaller than the parts of its training, as on other frames.
#[test]
fn frames_smaller_than_the_parts_are_measured_whole_and_train_nothing() {
    let folder = two_events();
    let of = |crop: [usize; 2], test_sequences: usize| DataConfig {
        source: Source::Radar(RadarConfig {
            crop,
            minimum_measured: 0.0,
            minimum_rain: 0.0,
            ..settings(&small()).clone()
        }),
        test_sequences,
        ..small()
    };
    for (crop, told) in [([13, 8], "smaller than the 13 x 8"), ([8, 64], "smaller than the 8 x 64")] {
        let whole = open_all(&of(crop, 1000), folder.path()).unwrap();
        assert_eq!(whole.frame_shape(), [1, 12, 10]);
        let warnings = whole.warnings().join("; ");
        assert!(
            warnings.contains("12 x 10 pixels after downsampling by 2") && warnings.contains(told),
            "{warnings}"
        );
        assert!(warnings.contains("measured on whole frames"), "{warnings}");
        // One place in each frame.
        let windows: usize = whole.source.clips.iter().map(|clip| clip.len() - 3).sum();
        assert_eq!(whole.len(), windows);
        for split in [Split::Train, Split::Test] {
            let error = open_split(&of(crop, 1000), folder.path(), split, 3).err().unwrap().to_string();
            assert!(error.contains(told) && error.contains("take smaller parts"), "{error}");
        }
    }
    let fitting = open_all(&of([12, 10], 1000), folder.path()).unwrap();
    assert!(fitting.warnings().is_empty(), "{:?}", fitting.warnings());
    // Fewer sequences than there are, and the warning has the number.
    let few = open_all(&of([12, 10], 5), folder.path()).unwrap();
    assert_eq!(few.len(), 5);
    let warnings = few.warnings().join("; ");
    assert!(
        warnings.contains("measured on 5 sequences") && warnings.contains("data.test_sequences"),
        "{warnings}"
    );
}
