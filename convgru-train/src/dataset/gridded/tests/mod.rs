//! Files that the libraries of the HDF Group, Unidata and SciPy wrote, whole and damaged.

mod netcdf3;
#[cfg(feature = "zarr")]
pub(in crate::dataset) mod zarr;

use crate::dataset::fixtures::budget;
use std::path::PathBuf;

use super::*;

/// A file or folder of those that `make.py` wrote.
pub(in crate::dataset) fn written(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5").join(name)
}

/// A file cut and changed, each time given to `read`: cut at every eighth, and every `step`th byte changed in some of its bits.
pub(in crate::dataset) fn damage(name: &str, step: usize, mut read: impl FnMut(&Path)) {
    let bytes = std::fs::read(written(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A new file each time: some systems wait for the disk when a file is overwritten.
    let mut count = 0;
    let mut given = |bytes: &[u8]| {
        count += 1;
        let path = folder.path().join(format!("{count}_{}", name.replace('/', "_").replace("..", "")));
        std::fs::write(&path, bytes).unwrap();
        read(&path);
        std::fs::remove_file(path).unwrap();
    };
    for eighth in 0..8 {
        given(&bytes[..bytes.len() * eighth / 8]);
    }
    for at in (0..bytes.len()).step_by(step) {
        for flip in [0xff, 0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            given(&changed);
        }
    }
}

/// The numbers 0, 1, ..., 24, 0, ... of the types.
fn expected(sign: f64) -> Vec<f64> {
    (0..24).map(|i| sign * f64::from(i % 25)).collect()
}

#[test]
fn every_type_of_number_is_read_in_both_orders_of_bytes() {
    for (file, count) in [("types_old.h5", 16), ("types_new.h5", 16), ("types_cdf5.nc", 10)] {
        let file = GriddedFile::open(&written(file), &budget()).unwrap();
        let mut listed = file.datasets().unwrap();
        listed.retain(|dataset| dataset.kind.is_some());
        assert_eq!(listed.len(), count, "{}", shown(&listed));
        for VariableInfo { path, shape, kind, .. } in listed {
            assert_eq!(shape, [4, 2, 3], "{path}");
            let variable = file.variable(&path).unwrap();
            assert_eq!(kind, Some(variable.kind()));
            let (sign, name) = match variable.kind() {
                NumberType::Unsigned(bytes) => (1.0, format!("u{bytes}")),
                NumberType::Signed(bytes) => (-1.0, format!("i{bytes}")),
                NumberType::Float(bytes) => (1.0, format!("f{bytes}")),
                NumberType::Bool => panic!("{path}: none is stored so"),
            };
            assert!(path.starts_with(&name), "{path}: {name}");
            assert_eq!(variable.numbers().unwrap(), expected(sign), "{path}");
            // Of one outer axis and of two, with and without neighbours.
            for (leading, size, wanted) in [(1, 6, vec![0, 1, 3]), (2, 3, vec![1, 2, 3, 6, 7])] {
                let mut frames: Vec<Vec<f64>> = Vec::new();
                let visit = &mut |numbers: &mut dyn Iterator<Item = f64>| {
                    frames.push(numbers.collect());
                    Ok(())
                };
                variable.frames(leading, wanted.iter().copied(), visit).unwrap();
                let all = expected(sign);
                let right: Vec<Vec<f64>> =
                    wanted.iter().map(|&at: &usize| all[at * size..][..size].to_vec()).collect();
                assert_eq!(frames, right, "{path}");
            }
        }
    }
}

#[test]
fn trees_are_walked_once_and_links_to_nowhere_are_left_out() {
    for file in ["frames_old.h5", "frames_new.h5"] {
        let file = GriddedFile::open(&written(file), &budget()).unwrap();
        let listed = file.datasets().unwrap();
        assert_eq!(
            shown(&listed),
            "group/rain [4, 3, 5, 6] uint8, mask [5, 6] uint8, names [2] without numbers"
        );
        let rain = file.variable("group/rain").unwrap();
        let numbers: Vec<f64> = (0..360).map(|i| f64::from(i % 251)).collect();
        assert_eq!(rain.numbers().unwrap(), numbers);
        assert_eq!(rain.attributes().text("units").unwrap().as_deref(), Some("mm/h"));
        assert!(file.attributes("nowhere").unwrap().is_none());
        let error = file.variable("names").err().expect("no numbers").to_string();
        assert!(error.contains("names"), "{error}");
        assert!(file.variable("nowhere").is_err());
    }
}

#[test]
fn attributes_are_texts_and_numbers() {
    for file in ["odim/composite01.h5", "odim/composite02.h5", "odim/composite06.h5"] {
        let file = GriddedFile::open(&written(file), &budget()).unwrap();
        let what = file.attributes("what").unwrap().unwrap();
        assert_eq!(what.text("object").unwrap().as_deref(), Some("COMP"));
        assert_eq!(what.text("nothing").unwrap(), None);
        let error = what.number("object").unwrap_err().to_string();
        assert!(error.contains("object of /what"), "{error}");
        let data = file.attributes("dataset1/data1/what").unwrap().unwrap();
        assert_eq!((data.number("gain").unwrap(), data.number("offset").unwrap()), (Some(0.5), Some(-32.0)));
        assert!(data.text("gain").is_err());
    }
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    let message = |path: &Path| GriddedFile::open(path, &budget()).err().expect("refused").to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    for (bytes, words) in [
        (&b""[..], "neither HDF5 nor netCDF"),
        (b"CDF\x03 of the future", "neither HDF5 nor netCDF"),
        (b"CDF\x01 and no more", "nccopy"),
        (b"\x0e\x03\x13\x01....", "HDF4"),
        (b"\x89HDF\r\n\x1a\nand no more", "h5repack"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert!(message(&path).contains(words) && message(&path).contains("a.h5"), "{}", message(&path));
    }
    assert!(message(&folder.path().join("nowhere.h5")).contains("nowhere.h5"));
}

#[test]
fn no_damage_is_a_panic() {
    for name in ["types_new.h5", "types_old.h5", "frames_new.h5", "frames_old.h5", "packed.nc"] {
        damage(name, 61, read_all);
    }
    for name in ["packed_cdf1.nc", "packed_cdf2.nc", "packed_cdf5.nc", "types_cdf5.nc", "one_record.nc"] {
        damage(name, 7, read_all);
    }
}

/// Reads what can be read of a file.
fn read_all(path: &Path) {
    let Ok(file) = GriddedFile::open(path, &budget()) else { return };
    for dataset in file.datasets().unwrap_or_default() {
        // Damage may announce a larger array, which readers refuse by its shape.
        let Ok(variable) = file.variable(&dataset.path) else { continue };
        if variable.shape().iter().product::<usize>() < 1 << 16 {
            let _ = variable.numbers();
            let _ = Packing::of(&variable.attributes(), variable.kind(), true);
        }
    }
}
