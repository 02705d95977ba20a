//! Stores that the libraries zarr and xarray of Python wrote, whole and damaged.

use crate::ReadBudget;
use crate::dataset::fixtures::budget;

use super::*;

/// A store of those that `make.py` wrote.
pub(in crate::dataset) fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/zarr").join(name)
}

fn opened(name: &str) -> GriddedFile {
    GriddedFile::open(&stored(name), &budget()).unwrap()
}

/// The numbers 0, 1, ..., 100, 0, ... that an array of a shape holds.
fn counted(shape: &[usize], modulus: usize) -> Vec<f64> {
    (0..shape.iter().product()).map(|at: usize| (at % modulus) as f64).collect()
}

/// Names of arrays with codecs that are not read.
const UNREADABLE: [&str; 3] = ["bz2", "complex", "numcodecs_bz2"];

#[test]
fn every_codec_gives_the_numbers_that_were_written() {
    for (name, count) in [("codecs_v2.zarr.zip", 60), ("codecs_v3.zarr.zip", 15)] {
        let file = opened(name);
        let listed = file.datasets().unwrap();
        let is_read = |own: &&VariableInfo| !UNREADABLE.contains(&own.path.as_str());
        assert_eq!(listed.iter().filter(is_read).count(), count, "{}", shown(&listed));
        for VariableInfo { path, shape, kind, unreadable } in listed.iter().filter(is_read) {
            assert_eq!(*unreadable, None, "{path}");
            let variable = file.variable(path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(*kind, Some(variable.kind()));
            let numbers = variable.numbers().unwrap_or_else(|error| panic!("{error}"));
            match path.as_str() {
                "incompressible" => {
                    assert!(numbers.iter().all(|own| (0.0..1.0).contains(own)) && numbers[0] != numbers[1])
                }
                "truth" => assert_eq!(numbers, counted(shape, 2)),
                "part" => {
                    let right = |(at, own): (usize, f64)| if (630..1890).contains(&at) { own } else { 7.0 };
                    assert_eq!(
                        numbers,
                        counted(shape, 101).into_iter().enumerate().map(right).collect::<Vec<f64>>()
                    );
                }
                _ => assert_eq!(numbers, counted(shape, 101), "{path}"),
            }
            // Frame by frame, and of each frame rows.
            for (leading, wanted) in [(1, vec![0, 1]), (2, vec![3, 20, 21, 22])] {
                let size: usize = shape[leading..].iter().product();
                let mut frames: Vec<Vec<f64>> = Vec::new();
                let mut visit = |own: &mut dyn Iterator<Item = f64>| {
                    frames.push(own.collect());
                    Ok(())
                };
                variable.frames(leading, wanted.iter().copied(), &mut visit).unwrap();
                let right: Vec<Vec<f64>> =
                    wanted.iter().map(|at| numbers[at * size..][..size].to_vec()).collect();
                assert_eq!(frames, right, "{path}");
            }
        }
    }
}

#[test]
fn codecs_that_are_not_read_are_named_and_do_not_block_others() {
    let file = opened("codecs_v2.zarr.zip");
    let message = |path: &str| file.variable(path).err().expect("refused").to_string();
    assert!(message("bz2").contains("codec bz2") && message("bz2").contains("blosc"), "{}", message("bz2"));
    assert!(message("complex").contains("<c8"), "{}", message("complex"));
    let file = opened("codecs_v3.zarr.zip");
    let error = file.variable("numcodecs_bz2").err().expect("refused").to_string();
    assert!(error.contains("codec bz2"), "{error}");
    let listed = shown(&file.datasets().unwrap());
    assert!(listed.contains("numcodecs_bz2, which cannot be read (is packed by the codec bz2"), "{listed}");
}

#[test]
fn groups_attributes_and_coordinates_are_those_of_the_store() {
    for name in ["radar_v2.zarr", "radar_v3.zarr", "radar_v3.zarr/radar"] {
        let file = opened(name);
        let group = if name.ends_with("/radar") { "" } else { "radar" };
        let at = |own: &str| format!("{group}/{own}").trim_start_matches('/').to_owned();
        assert_eq!(
            file.groups("").unwrap(),
            if group.is_empty() { vec![] } else { vec!["radar".to_owned()] }
        );
        assert!(file.attributes("nowhere").unwrap().is_none() && file.attributes(group).unwrap().is_some());
        assert!(!file.has(&at("nowhere")).unwrap() && file.has(&at("rain")).unwrap());
        let rain = file.variable(&at("rain")).unwrap();
        assert_eq!((rain.shape(), rain.kind()), (&[7, 2, 3][..], NumberType::Signed(2)));
        let attributes = rain.attributes();
        assert_eq!(attributes.text("units").unwrap().as_deref(), Some("mm/h"));
        let error = attributes.number("units").unwrap_err().to_string();
        assert!(error.contains("units of /"), "{error}");
        let packing = Packing::of(&attributes, rain.kind(), file.is_netcdf().unwrap()).unwrap();
        assert_eq!(packing.scale, Some([0.5, 1.0]));
        let numbers: Vec<f64> =
            rain.numbers().unwrap().into_iter().map(|own| packing.unpacked(own)).collect();
        assert!(numbers[5].is_nan() && numbers[11].is_nan());
        assert_eq!((numbers[0], numbers[6], numbers[18]), (5.0, 0.0, 40.0));
        let names: Vec<&str> = rain.dimensions().iter().flatten().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["time", "y", "x"]);
        let time = rain.dimensions()[0].as_ref().unwrap();
        assert_eq!(time.variable, Some(at("time")));
        let units = time.coordinates.as_ref().unwrap().text("units").unwrap();
        assert_eq!(units.as_deref(), Some("minutes since 2020-02-29T23:00:00"));
        // A path that leads out of the store, or nowhere.
        for path in
            ["../radar_v2.zarr/radar/rain", "radar/../radar/rain", "/etc/passwd", "radar//rain", "radar"]
        {
            assert!(file.variable(path).is_err() && !file.has(path).unwrap(), "{path}");
        }
    }
}

/// A store in a folder that a test changes.
fn copied(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut left = vec![stored(name)];
    while let Some(own) = left.pop() {
        let to = folder.path().join(own.strip_prefix(stored(name)).unwrap());
        if own.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            left.extend(std::fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            std::fs::copy(&own, &to).unwrap();
        }
    }
    folder
}

#[test]
fn damage_is_refused_with_the_chunk_and_chunks_that_are_gone_are_filled() {
    let folder = copied("radar_v3.zarr");
    let chunk = folder.path().join("radar/rain/c/1/0/0");
    let numbers = || {
        let file = GriddedFile::open(folder.path(), &budget()).unwrap();
        file.variable("radar/rain").and_then(|variable| variable.numbers())
    };
    std::fs::write(&chunk, b"(\xb5/\xfd and no more").unwrap();
    let error = numbers().unwrap_err().to_string();
    assert!(error.contains("radar/rain/c/1/0/0") && error.contains("zstd"), "{error}");
    std::fs::write(&chunk, vec![0; 10_000]).unwrap();
    let error = numbers().unwrap_err().to_string();
    assert!(error.contains("has 10000 bytes, but at most 4123 are possible"), "{error}");
    std::fs::remove_file(&chunk).unwrap();
    assert_eq!(numbers().unwrap()[12..24], [0.0; 12]);
    // Other arrays do not matter, however damaged they are.
    std::fs::write(folder.path().join("radar/quality/zarr.json"), b"{").unwrap();
    std::fs::write(folder.path().join("zarr.json"), r#"{"zarr_format": 3, "node_type": "group"}"#).unwrap();
    assert!(numbers().is_ok());
    let listed = GriddedFile::open(folder.path(), &budget()).unwrap().datasets().unwrap();
    assert!(shown(&listed).contains("radar/quality, which cannot be read"), "{}", shown(&listed));
    for (text, words) in [
        (r#""chunk_shape": [0, 2, 3]"#, "a length of 1 or more"),
        (r#""chunk_shape": [2, 2]"#, "[2, 2]"),
        (r#""chunk_shape": [4000000000, 4000000000, 4000000000]"#, "4000000000"),
        (r#""chunk_shape": ["2", 2, 3]"#, "chunk_shape"),
    ] {
        let path = folder.path().join("radar/rain/zarr.json");
        let whole = std::fs::read_to_string(stored("radar_v3.zarr/radar/rain/zarr.json")).unwrap();
        let at = whole.find("\"chunk_shape\"").unwrap();
        let end = at + whole[at..].find(']').unwrap() + 1;
        std::fs::write(&path, format!("{}{text}{}", &whole[..at], &whole[end..])).unwrap();
        let error = numbers().unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("radar/rain"), "{error}");
    }
}

/// Stores of xarray have `null` for whole numbers, and no chunk where all numbers are 0, whether in frames, times or places.
#[test]
fn chunks_that_are_gone_are_0_where_the_fill_value_of_version_2_is_null() {
    let folder = copied("radar_v2.zarr");
    for (path, gone) in [("radar/rain", "1.0.0"), ("radar/time", "0")] {
        let metadata = folder.path().join(path).join(".zarray");
        let text = std::fs::read_to_string(&metadata).unwrap();
        let mut own: serde_json::Value = serde_json::from_str(&text).unwrap();
        own["fill_value"] = serde_json::Value::Null;
        std::fs::write(&metadata, own.to_string()).unwrap();
        std::fs::remove_file(folder.path().join(path).join(gone)).unwrap();
    }
    for name in [".zmetadata", "radar/.zmetadata"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    let file = GriddedFile::open(folder.path(), &budget()).unwrap();
    let rain = file.variable("radar/rain").unwrap();
    let packing = Packing::of(&rain.attributes(), rain.kind(), false).unwrap();
    let numbers = rain.numbers().unwrap();
    assert_eq!(numbers[12..24], [0.0; 12]);
    assert_eq!(packing.unpacked(0.0), 1.0);
    assert!(file.variable("radar/time").unwrap().numbers().unwrap().contains(&0.0));
    assert!(file.variable("radar/time").unwrap().numbers().unwrap().iter().all(|own| own.is_finite()));
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("empty.zarr");
    std::fs::create_dir(&store).unwrap();
    let message = |path: &Path| GriddedFile::open(path, &budget()).err().expect("refused").to_string();
    assert!(message(&store).contains("zarr.json, .zmetadata"), "{}", message(&store));
    std::fs::write(store.join("zarr.json"), "[]").unwrap();
    assert!(message(&store).contains("no object"), "{}", message(&store));
    std::fs::write(store.join("zarr.json"), vec![b' '; 3 << 20]).unwrap();
    assert!(message(&store).contains("3145728 bytes"), "{}", message(&store));
    let archive = folder.path().join("no.zarr.zip");
    std::fs::write(&archive, "no archive").unwrap();
    assert!(message(&archive).contains("zip archive"), "{}", message(&archive));
}

#[test]
fn no_damage_of_a_store_is_a_panic() {
    // Chunks of the size that damage announces are refused by the memory they take.
    let small = ReadBudget::new(1, "a test");
    let read = |path: &Path| {
        let Ok(file) = GriddedFile::open(path, &small) else { return };
        for dataset in file.datasets().unwrap_or_default() {
            let Ok(variable) = file.variable(&dataset.path) else { continue };
            let _ = Packing::of(&variable.attributes(), variable.kind(), false);
            if small.work(path, variable.working(0)).is_ok() {
                let _ = variable.numbers();
            }
        }
    };
    for (name, step) in [("floats_v2.zarr.zip", 61), ("floats_v3.zarr.zip", 61), ("codecs_v3.zarr.zip", 2999)]
    {
        damage(&format!("../zarr/{name}"), step, read);
    }
    for name in ["radar/rain/zarr.json", "radar/rain/c/0/0/0", "radar/time/zarr.json", "zarr.json"] {
        let folder = copied("radar_v3.zarr");
        let whole = std::fs::read(folder.path().join(name)).unwrap();
        for at in (0..whole.len()).step_by(23) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(folder.path().join(name), &changed).unwrap();
            read(folder.path());
        }
    }
}
