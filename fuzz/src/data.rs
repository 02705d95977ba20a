//! Data: files are written to a folder of the process and opened as a data set would be.

use std::path::Path;
use std::sync::OnceLock;

use convgru_train::dataset::{
    DataConfig, DigitsConfig, FramesConfig, OnCorrupt, RadarConfig, Source, Split, batch, open,
};

use crate::memory::within_the_rule;

/// What the frames of a data set may take.
const MEMORY_MIB: usize = 2;

/// A folder of this process, in `TMPDIR`.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("convgru-fuzz-").tempdir();
        folder.expect("a folder for the files of a fuzzer").keep()
    })
}

/// Opens files of some names, all of which have these bytes, and reads a sequence.
fn read(source: Source, names: &[&str], bytes: &[u8]) {
    for name in names {
        let path = folder().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder for the files of a fuzzer");
        }
        std::fs::write(&path, bytes).expect("a file for the fuzzer");
    }
    let config = DataConfig {
        source,
        input_frames: 1,
        output_frames: 1,
        memory_mib: MEMORY_MIB,
        on_corrupt: OnCorrupt::Stop,
        ..DataConfig::default()
    };
    within_the_rule(bytes, (names.len() - 1) * bytes.len() + (MEMORY_MIB << 20), || {
        if let Ok(dataset) = open(&config, Some(folder()), Split::Train, 0) {
            drop(batch(dataset.as_ref(), 0, &[0]));
        }
    });
}

/// Arrays of NumPy.
pub fn npy(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.npy"], bytes);
}

/// Archives of arrays of NumPy.
pub fn npz(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.npz"], bytes);
}

/// Images of MNIST.
pub fn idx(bytes: &[u8]) {
    read(Source::Mnist(DigitsConfig::default()), &["train-images-idx3-ubyte"], bytes);
}

/// Radar composites of the Finnish Meteorological Institute.
pub fn pgm(bytes: &[u8]) {
    let radar = RadarConfig { minutes_per_step: 5, ..RadarConfig::default() };
    read(Source::Radar(radar), &["201609281000_a.pgm", "201609281005_a.pgm", "201609281010_a.pgm"], bytes);
}

/// Folders of images.
pub fn png(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a/0.png", "a/1.png"], bytes);
}

/// Folders of JPEG images.
pub fn jpeg(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a/0.jpg", "a/1.jpg"], bytes);
}

/// Animated PNG.
pub fn apng(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.png"], bytes);
}

/// Animations.
pub fn gif(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.gif"], bytes);
}

/// HDF5: frames of one's own.
pub fn hdf5(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.h5"], bytes);
}

/// GRIB: frames of one's own.
pub fn grib(bytes: &[u8]) {
    read(Source::Frames(FramesConfig { range: [-1000.0, 1000.0], ..FramesConfig::default() }), &["a.grib2"], bytes);
}

/// Archives of stores of Zarr.
pub fn zarr(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.zarr.zip"], bytes);
}

/// NetCDF: frames of one's own.
pub fn netcdf(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.nc"], bytes);
}
