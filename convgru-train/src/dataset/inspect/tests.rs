//! Data of many kinds, looked at, and opened with the configuration that is proposed.

use std::path::PathBuf;

use convgru_model::Tensor;

use super::*;
use crate::config::RunConfig;
use crate::dataset::{FramesConfig, RainScale, Splits, detect};
use crate::media::write_frames;

fn data(settings: &[&str], path: &Path) -> DataConfig {
    let mut config = RunConfig::default();
    config.data.source = config.data.source.of_kind(detect(path).unwrap());
    config.with_all(settings).unwrap().data
}

fn looked_at(path: &Path, settings: &[&str]) -> Inspection {
    inspect(path, &data(settings, path)).unwrap_or_else(|error| panic!("{error}"))
}

/// Opens all splits with the lines that are proposed.
fn opened(found: &Inspection) -> Splits {
    let config = RunConfig::from_toml(&found.configuration).unwrap();
    config.data.validate().unwrap();
    let opened = Splits::open(&config.data, config.data_folder(), 0);
    opened.unwrap_or_else(|error| panic!("{error}\n{}", found.configuration))
}

/// Rain that moves, 0 to 50, with steps of 0.25.
fn rain(shape: &[usize]) -> Tensor<f32> {
    let [.., height, width] = shape else { unreachable!("frames have rows and columns") };
    Tensor::from_fn(shape, |at| {
        let (frame, row, column) = (at / (height * width), at / width % height, at % width);
        ((row * 3 + column * 5 + frame * 7) % 201) as f32 / 4.0
    })
}

fn array(name: &str, values: &Tensor<f32>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write_frames(&path, values).unwrap();
    (folder, path)
}

/// A `.npy` file of bytes.
fn bytes(path: &Path, shape: &str, bytes: &[u8]) {
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&(text.len() as u16).to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    file.extend_from_slice(bytes);
    std::fs::write(path, file).unwrap();
}

#[test]
fn an_array_is_described_and_its_lines_open_it() {
    let (_folder, path) = array("rain.npy", &rain(&[90, 1, 12, 16]));
    let found = looked_at(&path, &[]);
    let frames = found.frames.as_ref().unwrap();
    assert_eq!((frames.axes.as_deref(), frames.steps, frames.shape), (Some("thw"), [90, 90], [1, 12, 16]));
    let numbers = found.numbers.as_ref().unwrap();
    let [low, mean, high] = numbers.measured.unwrap();
    assert_eq!((low, high, numbers.looked_at, numbers.missing_share), (0.0, 50.0, 90, 0.0));
    let exact = rain(&[90, 1, 12, 16]).as_slice().iter().map(|&v| f64::from(v)).sum::<f64>() / (90.0 * 192.0);
    assert!((mean - exact).abs() < 1e-9);
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    assert!(found.configuration.contains("range = [0.0, 50.0]"), "{}", found.configuration);
    // The shape tells the axes, in other files, too.
    assert!(!found.configuration.contains("axes"), "{}", found.configuration);
    // 90 frames in shares of 72, 9 and 9.
    assert_eq!(found.window, [5, 4]);
    let windows: Vec<usize> = found.splits.iter().map(|split| split.windows).collect();
    let splits = opened(&found);
    let sets = [&splits.train, &splits.validation, &splits.test];
    assert_eq!(windows, [64, 1, 1]);
    assert_eq!(sets.map(|set| set.len()).to_vec(), windows);
    assert_eq!(splits.train.quantity().transform.to_units(1.0), 50.0);
    let preview = found.preview.unwrap();
    assert_eq!((preview.frames(), preview.size(), preview.range), (9, [12, 16], [0.0, 50.0]));
}

#[test]
fn marks_are_missing_in_the_lines_and_never_part_of_the_range() {
    for (mark, kept) in
        [(-9999.0, "-9999.0"), (-1.0, "-1.0"), (9.969_21e36, "9.96921e36"), (-999.0, "-999.0")]
    {
        let mut values = rain(&[30, 1, 12, 16]);
        values.as_mut_slice().iter_mut().step_by(9).for_each(|value| *value = mark);
        let (_folder, path) = array("marked.npy", &values);
        let found = looked_at(&path, &[]);
        let lines = &found.configuration;
        assert!(
            lines.contains("range = [0.0, 50.0]") && lines.contains(&format!("missing = [{kept}")),
            "{lines}"
        );
        let share = found.numbers.as_ref().unwrap().missing_share;
        assert!((share - 1.0 / 9.0).abs() < 1e-3, "{share}");
        assert!(found.warnings[0].contains("not measured"), "{:?}", found.warnings);
        assert!(opened(&found).train.has_missing());
        // A mark that is configured is told no more than once.
        let again = looked_at(&path, &[&format!("data.frames.missing={mark:?}")]);
        assert_eq!(again.configuration.matches(kept).count(), 1, "{}", again.configuration);
    }
}

#[test]
fn a_number_that_may_be_measured_stays_in_the_range() {
    let mut values = rain(&[30, 1, 12, 16]);
    values.as_mut_slice().iter_mut().step_by(3).for_each(|value| *value = -32.0);
    let (_folder, path) = array("dry.npy", &values);
    let found = looked_at(&path, &[]);
    let lines = &found.configuration;
    assert!(lines.contains("range = [-32.0, 50.0]") && !lines.contains("missing"), "{lines}");
    let numbers = found.numbers.as_ref().unwrap();
    assert_eq!((&numbers.marks[..], &numbers.apart[..]), (&[][..], &[-32.0][..]));
    let told = found.warnings.iter().filter(|own| own.contains("data.frames.missing = [-32.0]")).count();
    assert_eq!(told, 1, "{:?}", found.warnings);
    opened(&found);
}

#[test]
fn frames_that_are_too_few_for_a_training_are_told() {
    for steps in [1, 2, 4] {
        let (_folder, path) = array("short.npy", &rain(&[steps, 1, 8, 16]));
        let found = looked_at(&path, &[]);
        assert_eq!(found.window, [1, 1], "{steps}");
        assert!(
            found.warnings.iter().any(|own| own.starts_with("No training is possible")),
            "{:?}",
            found.warnings
        );
        assert!(found.configuration.contains("# A training needs a window"), "{}", found.configuration);
    }
}

#[test]
fn an_ambiguous_shape_leaves_the_axes_to_choose() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("video.npy");
    bytes(&path, "(40, 16, 16, 3)", &(0..40 * 768).map(|at| (at * 7 % 251) as u8).collect::<Vec<u8>>());
    let found = looked_at(&path, &[]);
    let values: Vec<&str> = found.choices.iter().map(|choice| choice.value.as_str()).collect();
    assert_eq!(values, ["\"thwc\"", "\"nhwt\"", "\"nthw\""]);
    assert!(
        found.frames.is_none() && found.splits.is_empty() && found.open.unwrap().contains("[40, 16, 16, 3]")
    );
    let lines = &found.configuration;
    assert!(lines.contains("# axes = \"thwc\"") && !lines.contains("\naxes"), "{lines}");
    assert!(lines.contains("range = [0.0, 255.0]") && !lines.contains("[model]"), "{lines}");
    let chosen = looked_at(&path, &["data.frames.axes=thwc"]);
    assert_eq!(chosen.frames.as_ref().unwrap().shape, [3, 16, 16]);
    assert!(chosen.configuration.contains("axes = \"thwc\""), "{}", chosen.configuration);
    assert!(chosen.configuration.contains("image_channels = 3") && chosen.choices.is_empty());
    assert_eq!(opened(&chosen).train.frame_shape(), [3, 16, 16]);
}

#[test]
fn data_that_teach_nothing_are_told() {
    let (_folder, path) = array("zeros.npy", &Tensor::zeros(&[30, 1, 8, 8]));
    let found = looked_at(&path, &[]);
    assert!(
        found.warnings.iter().any(|warning| warning.contains("almost nothing to learn")),
        "{:?}",
        found.warnings
    );
    opened(&found);
    let still = Tensor::from_fn(&[30, 1, 8, 8], |at| (at % 64) as f32);
    let (_folder, path) = array("still.npy", &still);
    let found = looked_at(&path, &[]);
    assert!(found.warnings.iter().any(|warning| warning.contains("nothing moves")), "{:?}", found.warnings);
    let mut infinite = rain(&[30, 1, 8, 8]);
    infinite.as_mut_slice()[70] = f32::NEG_INFINITY;
    let (_folder, path) = array("infinite.npy", &infinite);
    let found = looked_at(&path, &[]);
    assert!(found.warnings[0].starts_with("1 numbers are infinite"), "{:?}", found.warnings);
    let gone = std::fs::read(&path).unwrap();
    let begin = gone.len() - 4 * 30 * 64;
    std::fs::write(&path, [&gone[..begin], &f32::NAN.to_le_bytes().repeat(30 * 64)].concat()).unwrap();
    let found = looked_at(&path, &[]);
    assert!(found.warnings[0].contains("No pixel was measured") && !found.configuration.contains("\nrange"));
}

#[test]
fn folders_tell_their_splits_and_the_files_that_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("Train", 3), ("val", 1), ("test", 2)] {
        std::fs::create_dir(folder.path().join(split)).unwrap();
        for at in 0..count {
            let path = folder.path().join(split).join(format!("clip{at}.npy"));
            write_frames(&path, &rain(&[12, 1, 8, 8])).unwrap();
        }
    }
    std::fs::write(folder.path().join("Train/broken.npy"), "no array").unwrap();
    std::fs::write(folder.path().join("Train/._clip0.npy"), "a note of a system").unwrap();
    let found = looked_at(folder.path(), &[]);
    assert_eq!((found.files, found.example.as_deref()), (7, Some("Train/clip0.npy")));
    assert_eq!((found.frames.as_ref().unwrap().sequences, found.window), (6, [6, 6]));
    assert_eq!(found.splits.iter().map(|split| split.windows).collect::<Vec<_>>(), [3, 1, 2]);
    assert!(
        found.warnings.iter().any(|own| own.contains("broken.npy: is no .npy file")),
        "{:?}",
        found.warnings
    );
    let mut config = RunConfig::from_toml(&found.configuration).unwrap();
    config.data.on_corrupt = crate::dataset::OnCorrupt::Skip;
    assert_eq!(Splits::open(&config.data, config.data_folder(), 0).unwrap().train.len(), 3);
}

#[test]
fn frames_of_several_sizes_are_resized_in_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    for (at, side) in [16, 16, 16, 12].into_iter().enumerate() {
        write_frames(folder.path().join(format!("clip{at}.npy")), &rain(&[20, 1, side, side])).unwrap();
    }
    let found = looked_at(folder.path(), &[]);
    assert!(found.warnings.iter().any(|own| own.starts_with("1 of 4 files")), "{:?}", found.warnings);
    assert!(found.configuration.contains("resize = [16, 16]"), "{}", found.configuration);
    assert_eq!(opened(&found).test.frame_shape(), [1, 16, 16]);
}

#[test]
fn a_large_array_is_looked_at_in_places() {
    // 300 frames of 2^17 numbers, of which 256 may be looked at.
    let (_folder, path) = array("large.npy", &Tensor::from_fn(&[300, 1, 256, 512], |at| (at >> 17) as f32));
    let found = looked_at(&path, &[]);
    let numbers = found.numbers.as_ref().unwrap();
    assert_eq!((numbers.looked_at, numbers.of), (256, 300));
    // There is room for the numbers between.
    let lines = &found.configuration;
    assert!(lines.contains("range = [0.0, 330.0]") && lines.contains("not all frames"), "{lines}");
    assert_eq!(found.preview.unwrap().size(), [128, 256]);
}

#[test]
fn pictures_and_gifs_need_no_range() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Tensor::from_fn(&[40, 1, 16, 16], |at| (at * 7 % 256) as f32 / 255.0);
    for name in ["clip.gif", "clip"] {
        let path = folder.path().join(name);
        write_frames(&path, &frames).unwrap();
        let found = looked_at(&path, &[]);
        assert_eq!(found.frames.as_ref().unwrap().steps, [40, 40], "{name}");
        assert!(!found.configuration.contains("range"), "{}", found.configuration);
        assert_eq!(opened(&found).train.frame_shape(), [1, 16, 16]);
    }
}

#[test]
fn a_preview_is_drawn_with_missing_pixels_in_their_own_colour() {
    let mut values = rain(&[30, 1, 12, 16]);
    values.as_mut_slice().iter_mut().step_by(16).for_each(|value| *value = -9999.0);
    let (_folder, path) = array("marked.npy", &values);
    let preview = looked_at(&path, &[]).preview.unwrap();
    let colours = preview.colours(0, preview.size());
    assert!(
        colours
            .chunks_exact(16)
            .all(|row| row[0] == Preview::MISSING && !row[1..].contains(&Preview::MISSING))
    );
    assert!(preview.lights(0, preview.size()).chunks_exact(16).all(|row| row[0].is_nan() && row[1] >= 0.0));
    let png = preview.to_png().unwrap();
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    // Three frames of 16 x 12 pixels, six times as large, with 4 pixels between them.
    assert_eq!((preview.frames(), info.width, info.height), (3, 3 * 96 + 2 * 4, 72));
    assert_eq!(pixels[..3], Preview::MISSING);
    let gif = folder_with(&preview.to_gif().unwrap());
    let read = crate::dataset::read_frames(
        gif.path().join("a.gif"),
        &FramesConfig::default(),
        &data(&[], &path).budget(),
    );
    assert_eq!(read.unwrap().shape(), [3, 3, 72, 96]);
    assert!(Preview::default().to_png().is_err() && Preview::default().to_gif().is_err());
}

fn folder_with(gif: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.gif"), gif).unwrap();
    folder
}

#[test]
fn digits_are_counted_in_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let images = crate::dataset::source::idx::tests::counting(24, 4, 4);
    std::fs::write(folder.path().join("train-images-idx3-ubyte"), images).unwrap();
    std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), "damaged").unwrap();
    let found = looked_at(folder.path(), &[]);
    assert_eq!((found.source, found.objects.len()), ("mnist", 2));
    assert!(found.objects[1].unreadable.is_some());
    assert_eq!(found.objects[0].shape, [24, 4, 4]);
    assert!(found.warnings.iter().any(|own| own.contains("t10k-images")), "{:?}", found.warnings);
    assert!(found.configuration.contains("source = \"mnist\""));
    // Of both files all images are counted and looked at; the picture is of the training.
    let images = crate::dataset::source::idx::tests::counting(7, 4, 4);
    std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), images).unwrap();
    let found = looked_at(folder.path(), &[]);
    assert_eq!(found.frames.unwrap().steps, [31, 31]);
    let numbers = found.numbers.unwrap();
    assert_eq!((numbers.looked_at, numbers.of), (31, 31));
    assert_eq!(found.preview.unwrap().source, "train-images-idx3-ubyte");
}

#[cfg(feature = "hdf5")]
#[test]
fn datasets_are_listed_with_their_axes_and_units() {
    let path = crate::dataset::gridded::tests::written("named_axes.nc");
    let found = looked_at(&path, &[]);
    let read = found.objects.iter().find(|own| Some(&own.name) == found.read_object.as_ref());
    assert!(read.is_some_and(|own| !own.dimensions.is_empty()), "{found:#?}");
    // Every file of the HDF Group's library is looked at without a panic, and what is refused says why.
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|own| own == "h5" || own == "nc") {
            let looked = inspect(&path, &data(&[], &path));
            assert!(
                looked
                    .as_ref()
                    .map_or_else(|error| error.to_string().len() > 40, |found| !found.objects.is_empty())
            );
        }
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn radar_images_are_told_by_events_and_their_lines_open_them() {
    for (folder, frames) in [("odim", 16), ("knmi", 5)] {
        let path =
            crate::dataset::gridded::tests::written(&format!("{folder}/x")).parent().unwrap().to_path_buf();
        let found = looked_at(&path, &[]);
        assert_eq!((found.source, found.numbers.as_ref().unwrap().of), ("radar", frames), "{folder}");
        assert!(found.numbers.as_ref().unwrap().missing_share > 0.05);
        assert!(found.time.as_ref().unwrap().first.as_ref().unwrap().starts_with("2018-06-07 12:00"));
        if folder == "odim" {
            assert!(found.splits.iter().all(|split| split.windows > 0), "{found:#?}");
            opened(&found);
        }
    }
}

#[cfg(feature = "zarr")]
#[test]
fn stores_and_messages_of_grib_are_described() {
    let written = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let settings = ["data.input_frames=2", "data.output_frames=1"];
    let found = looked_at(&written("zarr/floats_v3.zarr.zip"), &settings);
    assert_eq!(found.format, "Zarr store");
    let rain = found.objects.iter().find(|object| object.name == "rain").unwrap();
    assert_eq!((rain.dimensions.join(" "), rain.unit.as_str()), ("time y x".into(), "mm/h"));
    let named = [&settings[..], &["data.frames.variable=rainfall_rate"]].concat();
    let found = looked_at(&written("zarr/radar_v3.zarr"), &named);
    let names: Vec<&str> = found.objects.iter().map(|object| object.name.as_str()).collect();
    assert!(names.contains(&"radar/rain") && names.contains(&"radar/quality"), "{names:?}");
    let found = looked_at(
        &written("grib/several.grib2"),
        &[&settings[..], &["data.frames.variable=REFD@1"]].concat(),
    );
    assert_eq!((found.format.as_str(), found.objects.len()), ("GRIB", 2));
    assert_eq!(found.objects[1].unit, "dBZ");
}

#[test]
fn frames_of_rain_keep_their_scale_and_parts() {
    let (_folder, path) = array("rain.npy", &rain(&[90, 1, 16, 24]));
    let settings = ["data.frames.unit=mm/h", "data.frames.rain.z_r=[200.0, 1.6]", "data.frames.crop=[8, 16]"];
    let found = looked_at(&path, &settings);
    let splits = opened(&found);
    assert_eq!(splits.train.frame_shape(), [1, 8, 16]);
    let quantity = splits.train.quantity();
    let scale = RainScale { z_r: [200.0, 1.6], ..RainScale::default() };
    assert_eq!((quantity.unit.as_str(), quantity.transform), ("mm/h", scale.quantity(None).transform));
}
