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

/// Folders of JPEG images. Most are small: a header of a hundred bytes can declare an image that takes a
/// millisecond to decode. One in 256, by the sum of its bytes, keeps the size in its header.
pub fn jpeg(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if bytes.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte)) != 0 {
        limit_jpeg_size(&mut bytes);
    }
    read(Source::Frames(FramesConfig::default()), &["a/0.jpg", "a/1.jpg"], &bytes);
}

/// Clears the high bytes of height and width, and the highest two bits of their low bytes, in the headers of
/// JPEG frames: at most 63 x 63 pixels.
fn limit_jpeg_size(bytes: &mut [u8]) {
    // A frame header: FF, C0 to CF, its length in two bytes, the precision, height and width in two bytes each.
    for start in 0..bytes.len().saturating_sub(8) {
        if bytes[start] == 0xff
            && bytes[start + 1] & 0xf0 == 0xc0
            && !matches!(bytes[start + 1], 0xc4 | 0xc8 | 0xcc)
        {
            for high in [start + 5, start + 7] {
                bytes[high] = 0;
                bytes[high + 1] &= 0x3f;
            }
        }
    }
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
    read(
        Source::Frames(FramesConfig { range: [-1000.0, 1000.0], ..FramesConfig::default() }),
        &["a.grib2"],
        bytes,
    );
}

/// Archives of stores of Zarr.
pub fn zarr(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.zarr.zip"], bytes);
}

/// NetCDF: frames of one's own.
pub fn netcdf(bytes: &[u8]) {
    read(Source::Frames(FramesConfig::default()), &["a.nc"], bytes);
}
