//! Files that people have, with right results: the folder of `CONVGRU_CASES`, by default `../shared/cases` beside the project.
//!
//! An untrained network repeats the last frame, so that its error on the test data depends on the numbers that were read alone.

use std::path::{Path, PathBuf};

use crate::program::{Ran, convgru};

#[allow(dead_code, reason = "the folders that can be required are not asked for here")]
#[path = "../../../convgru-bench/tests/recorded_data/mod.rs"]
pub(crate) mod recorded_data;

/// The folder of the cases; `None` after saying `SKIPPED`.
pub(crate) fn cases() -> Option<PathBuf> {
    let named = std::env::var_os("CONVGRU_CASES").unwrap_or_else(|| "../shared/cases".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(named);
    recorded_data::found(&folder, "CONVGRU_CASES", false)
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// Trains a step on a case: a folder, or a file as all three splits.
fn train(cases: &Path, name: &str, settings: &str) -> (tempfile::TempDir, Ran) {
    let folder = tempfile::tempdir().unwrap();
    let (data, case) = (folder.path().join("data"), cases.join(name));
    if case.is_dir() {
        copy(&case, &data);
    } else {
        for split in ["train", "validation", "test"] {
            let split = data.join(split);
            std::fs::create_dir_all(&split).unwrap();
            std::fs::copy(&case, split.join(case.file_name().unwrap())).unwrap();
        }
    }
    copy(&cases.join("one-step.toml"), &folder.path().join("one-step.toml"));
    let ran = convgru(folder.path(), &format!("train --config one-step.toml --data data --json {settings}"));
    (folder, ran)
}

fn measured(folder: &Path, arguments: &str) -> f64 {
    let result = convgru(folder, &format!("eval --checkpoint runs/t --json {arguments}")).succeeded().json();
    result["mse_copy_last"].as_f64().unwrap()
}

#[test]
fn numbers_are_read_as_other_programs_read_them() {
    let Some(cases) = cases() else { return };
    for (name, settings, expected) in [
        ("hdf5_other/a.h5", "--set data.frames.variable=rain", 31.4518),
        ("axes/sevir_nhwt.h5", "--set data.frames.axes=\"nhwt\"", 34.43),
        ("axes/tnhw_4x30.npy", "--set data.frames.axes=\"tnhw\"", 34.40),
        ("netcdf/nc_valid_range.nc", "", 30.25045),
        ("netcdf/nc_valid_range.nc", "--set data.frames.range=[0,255]", 4.652),
        ("netcdf/nc_default_fill_f4.nc", "", 18.151878),
    ] {
        let (folder, ran) = train(&cases, name, settings);
        ran.succeeded();
        let error = measured(folder.path(), "");
        assert!((error / expected - 1.0).abs() < 3e-4, "{name} {settings}: {error}, not {expected}");
    }
}

#[test]
fn files_of_every_kind_are_read() {
    let Some(cases) = cases() else { return };
    for (name, settings) in [
        ("hdf5_other/float16.h5", ""),
        ("axes/nthwc.h5", ""),
        ("frames/minus9999.npy", "--set data.frames.missing=-9999"),
        ("frames/mac", ""),
        ("frames/capital", ""),
        ("frames/nc_file_per_time", ""),
        ("frames/npy_bool.npy", "--set data.frames.range=[0,1]"),
        ("frames/npy_f2.npy", ""),
        ("frames/npy_i8.npy", ""),
        (
            "media/apng/a.png",
            "--set data.input_frames=1 --set data.frames.range=[0,1] --set model.image_channels=1",
        ),
        (
            "axes/thwc_video.npy",
            "--set data.frames.axes=\"thwc\" --set data.frames.range=[0,255] --set model.image_channels=3",
        ),
    ] {
        let (folder, ran) = train(&cases, name, settings);
        ran.succeeded();
        assert!(measured(folder.path(), "") > 0.0, "{name}");
    }
}

#[test]
fn what_would_be_misread_is_refused_with_what_to_set() {
    let Some(cases) = cases() else { return };
    for (name, words) in [
        ("hdf5_index/farray_maxW.h5", &["[9, 9, 20]", "h5repack"][..]),
        ("axes/thwc_video.npy", &["[40, 32, 32, 3]", "data.frames.axes", "\"thwc\""]),
        ("axes/sevir_nhwt.h5", &["[4, 12, 16, 4]", "data.frames.axes", "\"nhwt\""]),
        ("frames/minus9999.npy", &["-9999", "data.frames.missing"]),
        ("frames/testsize", &["[1, 40, 24]", "[1, 32, 32]"]),
        ("hdf5_other/a.h5", &["data.frames.variable"]),
        // Its three frames are read, and a window has four.
        ("media/apng/a.png", &["has 3 frames"]),
    ] {
        let (folder, ran) = train(&cases, name, "");
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.stdout);
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{name}: {}", ran.stderr);
        assert!(!folder.path().join("runs").exists(), "{name}: nothing is written");
    }
}

#[test]
fn every_sequence_of_a_folder_is_measured() {
    let Some(cases) = cases() else { return };
    let (folder, ran) = train(&cases, "frames/npy_f2.npy", "");
    ran.succeeded();
    copy(&cases.join("frames/eval_folder10"), &folder.path().join("ten"));
    let result = convgru(folder.path(), "eval --checkpoint runs/t --data ten --json").succeeded().json();
    assert_eq!(result["sequences"], 10);
}

#[test]
fn forecasts_have_the_numbers_of_the_data() {
    let Some(cases) = cases() else { return };
    let (folder, ran) = train(&cases, "predict_range/u2_0to1000.npy", "--set data.frames.range=[0,1000]");
    ran.succeeded();
    let input = folder.path().join("data/test/u2_0to1000.npy");
    let predict = "predict --checkpoint runs/t --input data/test/u2_0to1000.npy --frames 2 --out next.npy";
    convgru(folder.path(), predict).succeeded();
    let numbers = |path: &Path| npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    let last: Vec<u16> = numbers(&input).into_vec().unwrap().split_off(5 * 16 * 20);
    let next: Vec<f32> = numbers(&folder.path().join("next.npy")).into_vec().unwrap();
    assert_eq!(next.len(), 2 * last.len());
    for (got, &expected) in next.iter().zip(last.iter().chain(&last)) {
        assert!((got - f32::from(expected)).abs() < 1e-3, "{got}, not {expected}");
    }
}
