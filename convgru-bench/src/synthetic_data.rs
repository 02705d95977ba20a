//! Folders of data that are made up: what a run reads from files instead of drawing it.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Pixels of a side of every frame.
const SIDE: usize = 32;
/// Of every training on these data: a small network, few sequences.
const SMALL: &[&str] = &[
    "model.hidden_channels=[8]",
    "data.input_frames=2",
    "data.output_frames=2",
    "data.train_sequences=16",
    "data.validation_sequences=4",
    "data.test_sequences=4",
    "training.batch_size=2",
];

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sequences in `.npy` and in classic netCDF.
    Arrays,
    /// Radar images in PGM, as FMI publishes them: three events.
    Radar,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Arrays, Self::Radar];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arrays => "arrays",
            Self::Radar => "radar",
        }
    }

    /// Fields of a configuration that fit the data, as `field=value`.
    pub(crate) fn settings(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Self::Arrays => &["data.frames.shares=[0.5,0.25,0.25]"],
            Self::Radar => &["data.radar.downsample=1", "data.radar.crop=[32,32]"],
        };
        [SMALL, own].concat()
    }

    /// Writes the data into a new folder.
    pub(crate) fn write(self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let write = |name: &str, bytes: Vec<u8>| {
            let path = folder.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        match self {
            Self::Arrays => {
                // One file of which every byte is in a fingerprint, and one of which samples are.
                write("long.npy", npy(6, 24))?;
                write("short.npy", npy(5, 8))?;
                write("rain.nc", netcdf(12))
            }
            Self::Radar => {
                let events = [0, 300, 600].into_iter();
                let mut minutes = events.flat_map(|event| (0..10).map(move |at| event + 5 * at));
                minutes.try_for_each(|minute| write(&format!("{}_radar.pgm", time(minute)), pgm(minute)))
            }
        }
    }
}

/// Light that moves over a frame: the value of a pixel, 0 to 89.
fn light(step: usize, pixel: usize) -> u8 {
    let (y, x) = (pixel / SIDE, pixel % SIDE);
    ((7 * step + 3 * x + 5 * y + x * y % 11) % 90) as u8
}

/// Sequences `[T, N, H, W]` of bytes.
fn npy(steps: usize, sequences: usize) -> Vec<u8> {
    let shape = format!("({steps}, {sequences}, {SIDE}, {SIDE})");
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").bytes());
    let frames = (0..steps).flat_map(|step| (0..sequences).map(move |sequence| step + 31 * sequence));
    bytes.extend(frames.flat_map(|step| (0..SIDE * SIDE).map(move |pixel| light(step, pixel))));
    bytes
}

/// A recording `rain(time, y, x)` of `f32` in the classic form of netCDF.
fn netcdf(steps: usize) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_be_bytes();
    let name = |name: &str| {
        [&number(name.len())[..], name.as_bytes(), &vec![0; name.len().next_multiple_of(4) - name.len()]]
            .concat()
    };
    let mut bytes = b"CDF\x01\0\0\0\0".to_vec();
    // Dimensions, no attributes, one variable of type 5, which has no attributes either.
    bytes.extend([number(10), number(3)].concat());
    for (dimension, length) in [("time", steps), ("y", SIDE), ("x", SIDE)] {
        bytes.extend([&name(dimension)[..], &number(length)].concat());
    }
    bytes.extend([number(0), number(0), number(11), number(1)].concat());
    bytes.extend(name("rain"));
    bytes.extend([3, 0, 1, 2, 0, 0, 5, 4 * steps * SIDE * SIDE].map(number).concat());
    bytes.extend(number(bytes.len() + 4));
    let values = (0..steps).flat_map(|step| (0..SIDE * SIDE).map(move |pixel| light(step, pixel)));
    bytes.extend(values.flat_map(|value| (f32::from(value) / 90.0).to_be_bytes()));
    bytes
}

/// A time of a day as file names have it.
fn time(minute: usize) -> String {
    format!("20160928{:02}{:02}", minute / 60, minute % 60)
}

/// A radar image: rain everywhere, and a margin that was not measured.
fn pgm(minute: usize) -> Vec<u8> {
    let mut bytes = format!("P5\n# obstime {}\n{SIDE} {SIDE}\n255\n", time(minute)).into_bytes();
    let value = |pixel: usize| if pixel % SIDE >= SIDE - 2 { 255 } else { 80 + light(minute / 5, pixel) };
    bytes.extend((0..SIDE * SIDE).map(value));
    bytes
}

#[cfg(test)]
mod tests {
    use convgru_train::config::RunConfig;
    use convgru_train::dataset::{Fingerprint, SourceKind, Split, open};

    use super::*;

    #[test]
    fn the_data_are_read_and_have_fingerprints() {
        for (kind, source, files) in
            [(Kind::Arrays, SourceKind::Frames, 3), (Kind::Radar, SourceKind::Radar, 30)]
        {
            let folder = tempfile::tempdir().unwrap();
            kind.write(folder.path()).unwrap();
            let mut config = RunConfig::default();
            for setting in kind.settings() {
                config = config.with(setting).unwrap();
            }
            assert_eq!(config.data.source.kind(), source);
            for split in [Split::Train, Split::Validation, Split::Test] {
                assert!(open(&config.data, Some(folder.path()), split, 0).unwrap().len() > 1, "{kind:?}");
            }
            assert_eq!(Fingerprint::of(&config.data, Some(folder.path())).unwrap().count, files);
        }
    }
}
