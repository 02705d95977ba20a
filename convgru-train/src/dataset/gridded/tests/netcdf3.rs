//! Classic netCDF, whole and damaged.

use crate::dataset::fixtures::budget;
use proptest::prelude::*;

use super::super::netcdf3::Netcdf3;
use super::super::signature::Signature;
use super::*;

/// A file with some bytes, and what is said about the numbers of a variable in it.
fn outcome(bytes: &[u8], variable: &str) -> std::result::Result<Vec<f64>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nc");
    std::fs::write(&path, bytes).unwrap();
    let read = GriddedFile::open(&path, &budget()).and_then(|file| file.variable(variable)?.numbers());
    read.map_err(|error| {
        let text = error.to_string();
        assert!(text.contains("a.nc"), "{text}");
        text
    })
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(written(name)).unwrap()
}

/// The place of a name with its length before it.
fn place(bytes: &[u8], name: &str) -> usize {
    let mut text = (name.len() as u32).to_be_bytes().to_vec();
    text.extend(name.bytes());
    bytes.windows(text.len()).position(|window| window == text).unwrap()
}

#[test]
fn records_are_read_between_those_of_other_variables() {
    for name in ["packed_cdf1.nc", "packed_cdf2.nc", "packed_cdf5.nc"] {
        let file = GriddedFile::open(&written(name), &budget()).unwrap();
        let listed = file.datasets().unwrap();
        assert_eq!(shown(&listed), "air [8, 3, 4] int16, quality [8] int8, time [8] float64", "{name}");
        let numbers = |name: &str| file.variable(name).unwrap().numbers().unwrap();
        let mut air: Vec<f64> = (0..96).map(|at| f64::from(at % 41)).collect();
        (air[1], air[11]) = (-999.0, -998.0);
        assert_eq!(numbers("air"), air, "{name}");
        let times: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!((numbers("time"), numbers("quality")), (times.clone(), times), "{name}");
        let attributes = file.variable("time").unwrap().attributes();
        assert_eq!(
            attributes.text("units").unwrap().as_deref(),
            Some("minutes since 2020-01-01 00:00"),
            "{name}"
        );
        let error = attributes.number("units").unwrap_err().to_string();
        assert!(error.contains("units of /time") && error.contains(name), "{error}");
        let air = file.variable("air").unwrap().attributes();
        assert_eq!(air.numbers("_FillValue").unwrap(), [-999.0]);
        assert_eq!(air.number("scale_factor").unwrap(), Some(0.5));
        assert!(air.text("scale_factor").is_err());
    }
    // Records of the only variable follow each other without anything between them.
    let numbers: Vec<f64> = (0..120).map(f64::from).collect();
    assert_eq!(outcome(&bytes("one_record.nc"), "rain").unwrap(), numbers);
}

#[test]
fn there_is_one_group_with_the_attributes_of_the_file() {
    let file = GriddedFile::open(&written("types_cdf5.nc"), &budget()).unwrap();
    let own = file.attributes("").unwrap().unwrap();
    assert_eq!(own.text("title").unwrap().as_deref(), Some("every type"));
    assert!(file.attributes("what").unwrap().is_none());
    assert!(file.groups("").unwrap().is_empty());
    for (name, words) in [("names", "no numbers"), ("nowhere", "no variable nowhere")] {
        let error = file.variable(name).err().expect("refused").to_string();
        assert!(error.contains(words) && error.contains("types_cdf5.nc"), "{error}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for (name, variable) in [("packed_cdf1.nc", "air"), ("types_cdf5.nc", "f8"), ("one_record.nc", "rain")] {
        let whole = bytes(name);
        for length in 0..whole.len() {
            assert!(outcome(&whole[..length], variable).is_err(), "{name} with {length} bytes");
        }
    }
}

#[test]
fn more_than_a_file_can_hold_is_refused() {
    let whole = bytes("packed_cdf1.nc");
    let mut changed = whole.clone();
    // Records that nobody counted are as many as there are.
    changed[4..8].fill(0xff);
    assert_eq!(outcome(&changed, "air"), outcome(&whole, "air"));
    for records in [9u32, 1 << 20, u32::MAX - 1] {
        changed[4..8].copy_from_slice(&records.to_be_bytes());
        let error = outcome(&changed, "air").unwrap_err();
        assert!(error.contains(&format!("{records} records")) && error.contains("688"), "{error}");
    }
    let whole = bytes("types_cdf5.nc");
    let x = place(&whole, "x") + 8;
    for length in [4u64, 1 << 40, u64::MAX] {
        let mut changed = whole.clone();
        changed[x..x + 8].copy_from_slice(&length.to_be_bytes());
        assert!(outcome(&changed, "f8").unwrap_err().contains("bytes"));
    }
}

#[test]
fn an_unlimited_axis_is_the_first() {
    let mut changed = bytes("packed_cdf1.nc");
    let y = place(&changed, "y") + 8;
    changed[y..y + 4].fill(0);
    let error = outcome(&changed, "air").unwrap_err();
    assert!(error.contains("unlimited axis y"), "{error}");
}

#[test]
fn headers_may_be_long_but_not_without_end() {
    // A text before the variable makes the header longer than what is read of it at first.
    let header = |name: usize, text: usize, axes: u32| {
        let mut bytes = b"CDF\x01\0\0\0\0".to_vec();
        let numbers = |bytes: &mut Vec<u8>, numbers: &[u32]| {
            bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        };
        let filled = |bytes: &mut Vec<u8>, length: usize| {
            bytes.extend((length as u32).to_be_bytes());
            bytes.resize(bytes.len() + length.next_multiple_of(4), b'x');
        };
        numbers(&mut bytes, &[10, 1]);
        filled(&mut bytes, name);
        numbers(&mut bytes, &[1, 12, 1]);
        filled(&mut bytes, 4);
        numbers(&mut bytes, &[2]);
        filled(&mut bytes, text);
        numbers(&mut bytes, &[11, 1]);
        filled(&mut bytes, 1);
        numbers(&mut bytes, &[axes]);
        bytes.resize(bytes.len() + 4 * axes as usize, 0);
        numbers(&mut bytes, &[0, 0, 4, 4]);
        let begin = bytes.len() as u32 + 4;
        numbers(&mut bytes, &[begin, 7]);
        bytes
    };
    for text in [0, 1 << 17, 1 << 21] {
        assert_eq!(outcome(&header(2, text, 1), "x"), Ok(vec![7.0]));
    }
    assert!(outcome(&header(2, 1 << 23, 1), "x").unwrap_err().contains("longer than 8388608 bytes"));
    let error = outcome(&header(1000, 0, 100_000), "x").unwrap_err();
    assert!(error.contains("so many axes"), "{error}");
    // Copies of this name would take 10 GB.
    let error = outcome(&header(100_000, 0, 100_000), "x").unwrap_err();
    assert!(error.contains("a name of 100000 bytes"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_damage_is_a_panic(
        name in prop::sample::select(vec!["packed_cdf1.nc", "packed_cdf2.nc", "packed_cdf5.nc", "types_cdf5.nc"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1usize..9), 1..6),
        length in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = bytes(name);
        for (at, byte, count) in changes {
            let at = at.index(bytes.len());
            let end = (at + count).min(bytes.len());
            bytes[at..end].fill(byte);
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        std::fs::write(&path, &bytes).unwrap();
        match GriddedFile::open(&path, &budget()) {
            Ok(_) => read_all(&path),
            Err(error) => prop_assert!(error.to_string().contains("a.nc"), "{error}"),
        }
    }
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["packed_cdf1.nc", "one_record.nc"] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes(name)).unwrap();
        let file = GriddedFile::open(&path, &budget()).unwrap();
        let variable = file.variable(if name == "one_record.nc" { "rain" } else { "air" }).unwrap();
        variable.numbers().unwrap();
        std::fs::write(&path, b"CDF").unwrap();
        let error = variable.numbers().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn parts_of_variables_are_those_of_the_whole() {
    for (name, variable) in [("packed_cdf1.nc", "air"), ("packed_cdf5.nc", "air"), ("one_record.nc", "rain")]
    {
        let classic = Netcdf3::open(
            &written(name),
            Signature::of(&written(name))
                .map(|form| match form {
                    Signature::Netcdf3(format) => format,
                    Signature::Hdf5 => unreachable!("it is classic"),
                })
                .unwrap(),
        )
        .unwrap();
        let shape = classic.variable(variable).unwrap().shape();
        let whole = classic.slice(variable, shape.iter().map(|&axis| (0, axis))).unwrap();
        let [outer, rows, columns] = shape[..] else { panic!("{shape:?}") };
        for (first, row, column) in
            [(0, 0, 0), (2, 1, 1), (outer - 1, rows - 1, columns - 1), (1, 0, 2), (0, 1, 0)]
        {
            let part = classic.slice(variable, [(first, outer), (row, rows), (column, columns)]).unwrap();
            let mut expected = Vec::new();
            for t in first..outer {
                for y in row..rows {
                    expected
                        .extend((column..columns).map(|x| whole[((t * rows + y) * columns + x) as usize]));
                }
            }
            assert_eq!(part, expected, "{name} from {first}, {row}, {column}");
        }
        assert!(classic.slice(variable, [(1, 1), (0, rows), (0, columns)]).unwrap().is_empty());
        assert!(classic.slice(variable, [(0, outer + 1), (0, rows), (0, columns)]).is_err());
    }
}
