//! Radar images and arrays of rain rates mean the same to a model.

use std::fs;
use std::path::Path;

use convgru_model::Tensor;
use convgru_train::media::write_frames;

use crate::netcdf::NetCdf;
use crate::program::{LAST_FRAME, convgru};

const SIZE: [usize; 2] = [16, 20];
const RADAR: &str = "[data.radar]\nscale = \"log-rate\"\ndownsample = 2\ncrop = [0, 0]\nminimum_rain = 0.0\nminimum_measured = 0.0\n";

/// The level of a pixel, `dBZ = (level - 64) / 2`; 255 where nothing is measured.
fn level(image: usize, pixel: usize) -> u8 {
    if pixel % 20 >= 18 { 255 } else { 90 + ((image * 3 + pixel) % 70) as u8 }
}

/// The rain rate of a level in mm/h.
fn rate(level: u8) -> f32 {
    match level {
        255 => f32::NAN,
        level => (10f64.powf((f64::from(level) - 64.0) / 20.0) / 223.0).powf(1.0 / 1.53) as f32,
    }
}

/// Images of some minutes, in a folder.
fn write_images(folder: &Path, minutes: impl Iterator<Item = usize>) {
    fs::create_dir_all(folder).unwrap();
    for (image, minute) in minutes.enumerate() {
        let mut bytes = b"P5\n20 16\n255\n".to_vec();
        bytes.extend((0..SIZE[0] * SIZE[1]).map(|pixel| level(image, pixel)));
        let name = format!("20160928{:02}{:02}_fmi.pgm", minute / 60, minute % 60);
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// The rates of images from one on, as netCDF.
fn write_rates(path: &Path, first: usize, steps: usize, unit: &str) {
    let numbers = |at: usize| rate(level(first + at / 320, at % 320));
    let shape = [steps, SIZE[0], SIZE[1]];
    NetCdf { shape, unit: Some(unit), standard_name: Some("rainfall_rate"), minutes: 5.0, numbers: &numbers }
        .write(path);
}

/// The forecast of an input: its shape and its numbers.
fn predicted(folder: &Path, arguments: &str) -> (Vec<u64>, Vec<f32>) {
    convgru(folder, &format!("predict --checkpoint runs/t --frames 1 --out next.npy {arguments}"))
        .succeeded();
    let file = npyz::NpyFile::new(fs::File::open(folder.join("next.npy")).unwrap()).unwrap();
    (file.shape().to_vec(), file.into_vec().unwrap())
}

#[test]
fn a_model_of_radar_images_reads_the_newest_of_them_and_arrays_of_rain_rates() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_images(&path("radar"), (0..24).map(|image| 5 * image));
    fs::write(path("step.toml"), format!("{LAST_FRAME}{RADAR}")).unwrap();
    let ran = convgru(folder.path(), "train --preset quick --config step.toml --data radar").succeeded();
    let proposed = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("convgru predict ")).unwrap();
    convgru(folder.path(), &format!("predict {proposed}")).succeeded();
    assert!(path("runs/t/continued.gif").exists());
    let config = fs::read_to_string(path("runs/t/config.toml")).unwrap();
    assert!(config.contains("numbers = \"rain rates\"") && config.contains("unit = \"mm/h\""), "{config}");

    let (shape, numbers) = predicted(folder.path(), "--input radar");
    assert_eq!(shape, [1, 8, 10]);
    // The mean of the rates of four pixels of the newest image; nothing was measured in the last column.
    for (at, &number) in numbers.iter().enumerate() {
        let (row, column) = (at / 10, at % 10);
        let four = [0, 1, 20, 21].map(|offset| rate(level(23, row * 40 + column * 2 + offset)));
        let right = four.iter().sum::<f32>() / 4.0;
        assert_eq!(number.is_nan(), column == 9, "{row} {column}: {number}");
        assert!(
            number.is_nan() || (number - right).abs() < 2e-3 * right.max(1.0),
            "{row} {column}: {number}, not {right}"
        );
    }
    // The same frames as netCDF in the same unit, however that is written.
    write_rates(&path("rates.nc"), 22, 2, "mm h-1");
    let (shape, same) = predicted(folder.path(), "--input rates.nc");
    assert_eq!(shape, [1, 8, 10]);
    assert!(
        same.iter().zip(&numbers).all(|(a, b)| a.is_nan() && b.is_nan() || (a - b).abs() < 1e-3 * b.max(1.0))
    );
    // Fewer frames, and frames after a gap.
    let (_, one) = predicted(folder.path(), "--input radar --newest 1");
    assert!(
        one.iter().zip(&numbers).all(|(a, b)| a.is_nan() && b.is_nan() || (a - b).abs() < 1e-3 * b.max(1.0))
    );
    write_images(&path("gap"), (0..6).map(|image| 5 * image).chain([120]));
    let ran = convgru(folder.path(), "predict --checkpoint runs/t --input gap --frames 1 --out gap.npy");
    assert!(ran.code == Some(0) && ran.stderr.contains("1 frame in a row"), "{}", ran.stderr);

    let gif = Tensor::from_fn(&[4, 1, 16, 20], |at| (at % 7) as f32 / 7.0);
    write_frames(path("a.gif"), &gif).unwrap();
    write_rates(&path("dbz.nc"), 0, 4, "dBZ");
    write_images(&path("slow"), (0..24).map(|image| 10 * image));
    for (input, words) in [
        ("a.gif", &["a.gif", "pictures", "mm/h"][..]),
        ("dbz.nc", &["dbz.nc", "\"dBZ\"", "\"mm/h\""]),
        ("slow", &["every 10 minutes", "every 5"]),
        ("radar --unit mm/h", &["--unit", "\"radar\""]),
        ("radar --minutes-per-step 2.5", &["--minutes-per-step", "2.5", "whole"]),
        ("radar --minutes-per-step 0.3", &["--minutes-per-step", "0.3", "whole"]),
        ("radar --minutes-per-step 4.6", &["--minutes-per-step", "4.6", "whole"]),
    ] {
        for command in ["predict --frames 1 --out no.npy --input", "eval --data"] {
            let ran = convgru(folder.path(), &format!("{command} {input} --checkpoint runs/t"));
            assert!(
                ran.code == Some(1) && words.iter().all(|word| ran.stderr.contains(word)),
                "{input}: {}",
                ran.stderr
            );
        }
    }
    assert!(!path("no.npy").exists());

    // All images as files of either kind have the same errors.
    write_rates(&path("all.nc"), 0, 24, "mm/h");
    let measured = |data: &str| {
        let ran = convgru(folder.path(), &format!("eval --checkpoint runs/t --data {data} --json"));
        let result = ran.succeeded().json();
        (result["sequences"].clone(), result["mse_copy_last"].as_f64().unwrap())
    };
    write_images(&path("copy"), (0..24).map(|image| 5 * image));
    let (images, arrays) = (measured("copy"), measured("all.nc"));
    assert_eq!((&images.0, &arrays.0), (&21.into(), &21.into()));
    assert!((images.1 / arrays.1 - 1.0).abs() < 1e-3, "{images:?} {arrays:?}");
}

#[test]
fn frames_that_are_as_coarse_as_the_model_are_made_no_coarser() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_images(&path("radar"), (0..24).map(|image| 5 * image));
    // The same images with an unknown place, and ones that lie on the earth.
    write_images(&path("placed"), (0..24).map(|image| 5 * image));
    let georeference = "# projection radar {\n# type stereographic\n# centrallongitude 25\n# centrallatitude 90\n# truelatitude 60\n# \
                        bottomleft 18.600000 57.930000\n# topright 34.903000 69.005000\n# }\n";
    for file in fs::read_dir(path("placed")).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = b"P5\n".to_vec();
        bytes.extend(georeference.bytes());
        bytes.extend(&fs::read(&file).unwrap()[3..]);
        fs::write(file, bytes).unwrap();
    }
    fs::write(path("step.toml"), format!("{LAST_FRAME}{RADAR}")).unwrap();
    for data in ["radar", "placed"] {
        let run = |arguments: &str| convgru(folder.path(), arguments);
        run(&format!("train --preset quick --config step.toml --data {data} --name {data}")).succeeded();
        let config = fs::read_to_string(path(&format!("runs/{data}/config.toml"))).unwrap();
        assert_eq!(config.contains("spacing_unit = \"m\""), data == "placed", "{config}");
        assert!(config.contains("whole = [8, 10]"), "{config}");
        for out in ["next.nc", "next.npy"] {
            let predict = |input: &str, out: &str| {
                run(&format!(
                    "predict --checkpoint runs/{data} --input {input} --frames 4 --out {out} --json"
                ))
            };
            predict(data, out).succeeded();
            let size = |own: &str| {
                predict(own, "again.npy").succeeded();
                let file = npyz::NpyFile::new(fs::File::open(path("again.npy")).unwrap()).unwrap();
                file.shape().to_vec()
            };
            assert_eq!(size(out), [4, 8, 10], "{out} of {data}");
            let ran = run(&format!("eval --checkpoint runs/{data} --data {out}")).succeeded();
            assert!(!ran.stderr.contains("error"), "{}", ran.stderr);
            // Whatever the coordinates tell, the user may say it.
            assert_eq!(size(&format!("{out} --downsample 2")), [4, 4, 5], "{out} of {data}");
        }
        let numbers = |at: usize| (at % 9) as f32;
        NetCdf {
            shape: [4, 12, 14],
            unit: Some("mm/h"),
            standard_name: None,
            minutes: 5.0,
            numbers: &numbers,
        }
        .write(&path("cut.nc"));
        let ran = run(&format!("predict --checkpoint runs/{data} --input cut.nc --frames 1 --out no.npy"));
        for words in ["12 x 14", "2 x 2", "8 x 10", "--downsample 1", "--downsample 2"] {
            assert!(ran.code == Some(1) && ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
        run(&format!(
            "predict --checkpoint runs/{data} --input cut.nc --downsample 1 --frames 1 --out yes.npy"
        ))
        .succeeded();
        let ran = run(&format!(
            "predict --checkpoint runs/{data} --input {data} --downsample 1 --frames 1 --out no.npy"
        ));
        assert!(ran.code == Some(1) && ran.stderr.contains("--downsample"), "{}", ran.stderr);
    }
}

#[test]
fn a_model_of_rain_rates_reads_radar_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for split in ["train", "validation", "test"] {
        fs::create_dir_all(path("data").join(split)).unwrap();
        write_rates(&path("data").join(split).join("a.nc"), 0, 24, "mm h-1");
    }
    fs::write(path("step.toml"), LAST_FRAME).unwrap();
    convgru(folder.path(), "train --config step.toml --data data --set data.frames.range=[0,200]")
        .succeeded();
    write_images(&path("radar"), (0..24).map(|image| 5 * image));
    let (shape, numbers) = predicted(folder.path(), "--input radar");
    assert_eq!(shape, [1, 16, 20]);
    for (pixel, &number) in numbers.iter().enumerate() {
        let right = rate(level(23, pixel));
        assert!(
            number.is_nan() && right.is_nan() || (number - right).abs() < 4e-3,
            "{pixel}: {number}, not {right}"
        );
    }
    let own = convgru(folder.path(), "eval --checkpoint runs/t --json").succeeded().json();
    let images = convgru(folder.path(), "eval --checkpoint runs/t --data radar --json").succeeded().json();
    assert_eq!(own["sequences"], images["sequences"]);
    let [own, images] = [own, images].map(|result| result["mse_copy_last"].as_f64().unwrap());
    assert!((own / images - 1.0).abs() < 1e-3, "{own} {images}");
    convgru(
        folder.path(),
        "train --config step.toml --data data --set data.frames.range=[-1,200] --set name=u",
    )
    .succeeded();
    let ran = convgru(folder.path(), "eval --checkpoint runs/u --data radar");
    assert!(
        ran.code == Some(1) && ran.stderr.contains("-1 to 200") && ran.stderr.contains("radar images"),
        "{}",
        ran.stderr
    );
}

/// The composites of a model of files among the data of the tests.
#[cfg(feature = "hdf5")]
fn composites(name: &str) -> String {
    format!("{}/tests/data/hdf5/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[cfg(feature = "hdf5")]
#[test]
fn a_model_of_rain_rates_reads_radar_images_in_hdf5() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for split in ["train", "validation", "test"] {
        fs::create_dir_all(path("data").join(split)).unwrap();
        write_rates(&path("data").join(split).join("a.nc"), 0, 24, "mm h-1");
    }
    fs::write(path("step.toml"), LAST_FRAME).unwrap();
    convgru(folder.path(), "train --config step.toml --data data --set data.frames.range=[0,200]")
        .succeeded();
    // The newest image of each: levels of 0.5 dBZ from -32 on; nothing was measured in the first column, and no rain in the first row.
    for (name, newest) in [("odim", 15), ("odim/composite15.h5", 15), ("knmi", 4)] {
        let (shape, numbers) = predicted(folder.path(), &format!("--input {}", composites(name)));
        assert_eq!(shape, [1, 12, 10], "{name}");
        for (pixel, &number) in numbers.iter().enumerate() {
            let dbz = 0.5 * (104.0 + ((newest * 7 + pixel) % 50) as f64) - 32.0;
            let right = match (pixel / 10, pixel % 10) {
                (_, 0) => f32::NAN,
                (0, _) => 0.0,
                _ => (10f64.powf(dbz / 10.0) / 223.0).powf(1.0 / 1.53) as f32,
            };
            assert!(
                number.is_nan() && right.is_nan() || (number - right).abs() < 4e-3,
                "{name} {pixel}: {number}, not {right}"
            );
        }
    }
    // Stored numbers are no rain rates, whatever range they are given.
    for option in ["--range 0,300", "--unit mm/h", "--variable dataset1/data1/data"] {
        let command = format!(
            "predict --checkpoint runs/t --frames 1 --out no.npy --input {} {option}",
            composites("odim")
        );
        let ran = convgru(folder.path(), &command);
        assert!(ran.code == Some(1) && ran.stderr.contains("\"radar\""), "{option}: {}", ran.stderr);
    }
    // A forecast is frames, in its own unit.
    let forecast = format!("{}/tests/data/knmi_forecast/forecast.h5", env!("CARGO_MANIFEST_DIR"));
    let ran = convgru(
        folder.path(),
        &format!("predict --checkpoint runs/t --frames 1 --out no.npy --input {forecast}"),
    );
    assert!(ran.code == Some(1) && ran.stderr.contains("\"dBZ\""), "{}", ran.stderr);
    assert!(!path("no.npy").exists());
}

#[cfg(feature = "hdf5")]
#[test]
fn stored_numbers_of_radar_images_are_for_a_training_on_them_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // A training on numbers of 8 bits that are no radar images.
    fs::create_dir_all(path("images")).unwrap();
    let frames = Tensor::from_fn(&[60, 1, 12, 10], |at| (at % 7) as f32 / 7.0);
    write_frames(path("images/a.gif"), &frames).unwrap();
    fs::write(path("step.toml"), LAST_FRAME).unwrap();
    convgru(folder.path(), "train --config step.toml --data images").succeeded();
    for data in ["odim", "knmi"] {
        for command in ["predict --frames 1 --out no.npy --input", "eval --data"] {
            let ran = convgru(folder.path(), &format!("{command} {} --checkpoint runs/t", composites(data)));
            assert!(
                ran.code == Some(1) && ran.stderr.contains("radar images") && ran.stderr.contains("mm/h"),
                "{data}: {}",
                ran.stderr
            );
        }
    }
    assert!(!path("no.npy").exists());
    // A configuration that asks for frames reads their stored numbers, by the preset of frames, and so does its model.
    fs::write(
        path("frames.toml"),
        format!("{LAST_FRAME}[data.frames]\nvariable = \"dataset1/data1/data\"\nrange = [0.0, 255.0]\nshares = [0.4, 0.3, 0.3]\n")
            .replace("name = \"t\"", "name = \"f\"")
            .replace("put_frames = 2", "put_frames = 1"),
    )
    .unwrap();
    convgru(folder.path(), &format!("train --config frames.toml --data {}", composites("odim"))).succeeded();
    let config = fs::read_to_string(path("runs/f/config.toml")).unwrap();
    assert!(config.contains("radar_as_frames = true"), "{config}");
    let input = composites("odim/composite15.h5");
    convgru(folder.path(), &format!("predict --checkpoint runs/f --frames 1 --out f.npy --input {input}"))
        .succeeded();
    let file = npyz::NpyFile::new(fs::File::open(path("f.npy")).unwrap()).unwrap();
    let numbers: Vec<f32> = file.into_vec().unwrap();
    assert!((numbers[11] - (104 + (15 * 7 + 11) % 50) as f32).abs() < 0.01, "{numbers:?}");
}

#[test]
fn the_commands_after_a_training_work_whether_whole_images_fit_the_patch_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_images(&path("radar"), (0..12).chain(20..32).chain(40..52).map(|at| 5 * at));
    let radar = RADAR.replace("downsample = 2\ncrop = [0, 0]", "downsample = 1\ncrop = [8, 8]");
    let (rest, _) = LAST_FRAME.split_once("[model]").unwrap();
    // Images have 16 x 20 pixels.
    for (patch, second) in [(8, "eval"), (4, "predict")] {
        let model = format!(
            "[model]\nkind = \"encoder-forecaster\"\npatch = {patch}\nhidden_channels = [2]\n[training]\nsteps = 1\nbatch_size = 1\nthreads = 1\n"
        );
        fs::write(path("radar.toml"), format!("{rest}{model}{radar}")).unwrap();
        let trained =
            convgru(folder.path(), "train --preset quick --config radar.toml --data radar").succeeded();
        let (_, next) = trained.stdout.split_once("next:\n").unwrap();
        let commands: Vec<&str> =
            next.lines().filter_map(|line| line.trim().strip_prefix("convgru ")).collect();
        assert!(commands.last().is_some_and(|last| last.starts_with(second)), "{patch}: {next}");
        assert_eq!(trained.stderr.contains("16 x 20 pixels"), patch == 8, "{}", trained.stderr);
        for command in commands {
            convgru(folder.path(), command).succeeded();
        }
        fs::remove_dir_all(path("runs")).unwrap();
    }
}
