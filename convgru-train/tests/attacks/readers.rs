//! What each reader takes of such files.

use std::path::Path;

use convgru_train::ReadBudget;
use convgru_train::config::RunConfig;
use convgru_train::dataset::{
    DataConfig, DigitsConfig, FramesConfig, OnCorrupt, RadarConfig, Source, SourceKind, Split, detect, open,
    open_whole, read_frames,
};
use convgru_train::tune::SearchConfig;
use tempfile::{TempDir, tempdir};

use crate::counting::{MIB, allowed, bounded};
use crate::files::*;

/// A folder with files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn frames(mebibytes: usize) -> DataConfig {
    frames_of(mebibytes, FramesConfig::default())
}

fn frames_of(mebibytes: usize, frames: FramesConfig) -> DataConfig {
    let source = Source::Frames(frames);
    DataConfig { source, memory_mib: mebibytes, input_frames: 1, output_frames: 1, ..DataConfig::default() }
}

fn radar(mebibytes: usize) -> DataConfig {
    radar_of(mebibytes, whole_images())
}

fn radar_of(mebibytes: usize, radar: RadarConfig) -> DataConfig {
    DataConfig { source: Source::Radar(radar), ..frames(mebibytes) }
}

fn whole_images() -> RadarConfig {
    RadarConfig {
        downsample: 1,
        crop: [0, 0],
        minimum_rain: 0.0,
        minimum_measured: 0.0,
        ..RadarConfig::default()
    }
}

/// Opens all splits within what is allowed, whether they can be used or not; the errors.
fn errors(what: &str, config: &DataConfig, path: &Path) -> Vec<String> {
    let most = allowed(size(path), config.memory_mib);
    let open = |split| {
        let open = || open(config, Some(path), split, 0).map(drop).map_err(|error| error.to_string());
        bounded(&format!("{what}, {split}"), most, open).err()
    };
    [Split::Train, Split::Validation, Split::Test].into_iter().filter_map(open).collect()
}

/// Whether an error names what raises the limit.
fn is_of_memory(error: &str) -> bool {
    error.contains("raise data.memory_mib") && error.contains("bytes of memory")
}

/// At least one split is refused for its memory.
fn refused(what: &str, config: &DataConfig, path: &Path) {
    let errors = errors(what, config, path);
    assert!(errors.iter().any(|error| is_of_memory(error)), "{what}: {errors:?}");
}

/// No split is refused for its memory, and one can be used.
fn fits(what: &str, config: &DataConfig, path: &Path) {
    let errors = errors(what, config, path);
    assert!(errors.len() < 3 && !errors.iter().any(|error| is_of_memory(error)), "{what}: {errors:?}");
}

/// Every split is damaged.
fn damaged(what: &str, config: &DataConfig, path: &Path) {
    assert_eq!(errors(what, config, path).len(), 3, "{what}");
}

#[test]
fn arrays_of_many_frames_or_sequences() {
    let header = |shape: &str| npy_header("|u1", shape);
    let folder = folder(&[
        ("frames.npz", &npz("a.npy", &header("(536870912, 1, 2)"), 0)),
        ("sequences.npz", &npz("a.npy", &header("(8388608, 2, 1, 2)"), 1 << 25)),
        ("large.npz", &npz("a.npy", &header("(2, 4, 4096, 4096)"), 8 << 24)),
        ("fits.npz", &npz("a.npy", &header("(64, 64, 16, 16)"), 1 << 20)),
        ("many.npz", &npz("a.npy", &header("(4096, 2, 1, 2)"), 1 << 14)),
        ("long.npz", &npz("a.npy", &header("(1048576, 1, 2)"), 1 << 21)),
        ("nothing.npz", &npz("a.npy", &header("(1099511627776, 0, 4)"), 0)),
        ("none.npz", &npz("a.npy", &header("(0, 1099511627776, 4)"), 0)),
    ]);
    let path = |name: &str| folder.path().join(name);
    assert!(size(&path("frames.npz")) < 512 && size(&path("sequences.npz")) < 1 << 16);
    for mebibytes in [16, 256] {
        // Its bytes cannot unpack to so many.
        let errors = errors("2^29 frames", &frames(mebibytes), &path("frames.npz"));
        assert!(errors.len() == 3 && errors[0].contains("unpack to at most"), "{errors:?}");
        refused("2^23 sequences", &frames(mebibytes), &path("sequences.npz"));
        refused("frames of 2^24 pixels", &frames(mebibytes), &path("large.npz"));
    }
    // The default allows what it says and no more.
    let default = DataConfig::default().memory_mib;
    let read = bounded("2^29 frames by default", allowed(512, default), || {
        open(&frames(default), Some(&path("frames.npz")), Split::Test, 0).map(|_| ())
    });
    assert!(read.is_err());
    fits("64 sequences", &frames(16), &path("fits.npz"));
    fits("4096 sequences", &frames(16), &path("many.npz"));
    fits("2^20 frames", &frames(32), &path("long.npz"));
    for name in ["nothing.npz", "none.npz"] {
        damaged(name, &frames(1), &path(name));
    }
    std::fs::write(path("empty.npy"), header("(1099511627776, 0, 4)")).unwrap();
    damaged("frames of nothing", &frames(1), &path("empty.npy"));
    let budget = ReadBudget::new(1, "--memory-mib");
    assert!(
        bounded("frames of nothing", MIB, || read_frames(
            path("empty.npy"),
            &FramesConfig::default(),
            &budget
        ))
        .is_err()
    );
}

#[test]
fn gifs_of_many_large_frames() {
    let folder = tempdir().unwrap();
    for at in 0..24 {
        std::fs::write(folder.path().join(format!("{at:02}.gif")), gif(4096, 4096, 4)).unwrap();
    }
    assert!(size(folder.path()) < 8000);
    refused("24 GIFs of 4096 x 4096", &frames(256), folder.path());
    refused(
        "24 GIFs, damaged ones left out",
        &DataConfig { on_corrupt: OnCorrupt::Skip, ..frames(256) },
        folder.path(),
    );
    for at in 0..24 {
        std::fs::write(folder.path().join(format!("{at:02}.gif")), gif(512, 512, 4)).unwrap();
    }
    refused("24 GIFs of 512 x 512", &frames(16), folder.path());
    fits("24 GIFs of 512 x 512 that fit", &frames(96), folder.path());
    let small = frames_of(8, FramesConfig { resize: [16, 16], ..FramesConfig::default() });
    fits("24 GIFs that fit once they are small", &small, folder.path());
}

#[test]
fn images_for_predictions() {
    let folder = folder(&[
        ("a.gif", &gif(4096, 4096, 1)),
        ("b.gif", &gif(1024, 1024, 80)),
        ("c.gif", &gif(65535, 65535, 1)),
    ]);
    let path = |name: &str| folder.path().join(name);
    let read = |name: &str, mebibytes: usize| {
        let budget = ReadBudget::new(mebibytes, "--memory-mib");
        bounded(name, allowed(size(&path(name)), mebibytes), || {
            read_frames(path(name), &FramesConfig::default(), &budget)
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
    };
    read("a.gif", 512).unwrap();
    // Frames are decoded one at a time, and those that are grey have one channel.
    read("b.gif", 512).unwrap();
    for (name, mebibytes) in [("a.gif", 64), ("b.gif", 256)] {
        let error = read(name, mebibytes).unwrap_err();
        assert!(error.contains("--memory-mib"), "{error}");
    }
    assert!(read("c.gif", 512).is_err());
    std::fs::create_dir(path("images")).unwrap();
    let image = png(2048);
    for at in 0..16 {
        std::fs::write(path("images").join(format!("{at}.png")), &image).unwrap();
    }
    assert!(size(&path("images")) < 1 << 20);
    assert!(read("images", 64).unwrap_err().contains("--memory-mib"));
    refused("16 PNGs of 2048 x 2048", &frames(64), &path("images"));
}

/// The library that reads PNG panics at a palette whose last colour is cut off.
#[test]
fn images_whose_palette_ends_within_a_colour() {
    let read = |palette: usize| {
        let image = png_with_palette(palette);
        let folder = folder(&[("a.png", &image), ("b.png", &image)]);
        let budget = ReadBudget::new(16, "--memory-mib");
        read_frames(folder.path(), &FramesConfig::default(), &budget)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    read(18).unwrap();
    for palette in [4, 5, 16, 17] {
        let error = read(palette).unwrap_err();
        assert!(
            error.contains("its palette has") && error.contains("no multiple of 3"),
            "{palette}: {error}"
        );
    }
}

#[test]
fn radar_images_that_unpack_to_much() {
    let folder = tempdir().unwrap();
    let write = |count: usize, side: usize| {
        let image = pgm_gz(side, side);
        for at in 0..count {
            let name = format!("20160928{:02}{:02}.pgm.gz", at / 12, at % 12 * 5);
            std::fs::write(folder.path().join(name), &image).unwrap();
        }
    };
    write(60, 8192);
    assert!(size(folder.path()) < 4_000_000);
    refused("60 images of 8192 x 8192", &radar(256), folder.path());
    write(60, 1024);
    refused("60 images of 1024 x 1024", &radar(16), folder.path());
    let coarse = radar_of(16, RadarConfig { downsample: 16, ..whole_images() });
    fits("60 images that fit once they are coarse", &coarse, folder.path());
    // A million places in each frame.
    let mut parts = radar_of(160, RadarConfig { crop: [1, 1], minimum_measured: 0.5, ..whole_images() });
    fits("parts of one pixel", &parts, folder.path());
    parts.test_sequences = 10_000_000;
    refused("many parts of one pixel", &parts, folder.path());
}

#[test]
fn times_without_frames() {
    let times: String = (0..200_000u64)
        .map(|at| {
            format!(
                "20{:02}{:02}{:02}{:02}{:02}\n",
                at / 535_680,
                at / 44_640 % 12 + 1,
                at / 1440 % 28 + 1,
                at / 60 % 24,
                at % 60
            )
        })
        .collect();
    let rain = npz("data.npy", &npy_header("<i2", "(200000, 1, 1)"), 400_000);
    let folder = folder(&[("rainfall_a.npz", &rain), ("rainfall_a_dates.txt", times.as_bytes())]);
    refused("200,000 times", &radar(4), folder.path());
    errors("200,000 times that fit", &radar(256), folder.path());
}

#[test]
fn images_of_digits() {
    let folder = folder(&[
        ("train-images-idx3-ubyte.gz", &idx_gz(1 << 10, 1024, 1 << 28)),
        ("t10k-images-idx3-ubyte.gz", &idx_gz(1 << 16, 28, (28 * 28) << 16)),
    ]);
    let config = |mebibytes| DataConfig {
        source: Source::Mnist(DigitsConfig::default()),
        memory_mib: mebibytes,
        ..DataConfig::default()
    };
    for mebibytes in [16, 256] {
        let most = allowed(size(folder.path()), mebibytes);
        let read = bounded("1024 images of 1024 x 1024", most, || {
            open(&config(mebibytes), Some(folder.path()), Split::Train, 0).map(|_| ())
        });
        assert!(read.unwrap_err().to_string().contains("data.memory_mib"));
    }
    bounded("65536 images", allowed(size(folder.path()), 50), || {
        open(&config(50), Some(folder.path()), Split::Test, 0).map(|_| ()).unwrap();
    });
}

#[test]
fn classic_netcdf_of_many_records() {
    let folder = folder(&[
        ("records.nc", &netcdf(u32::MAX - 1, &[0, 1, 1], 1)),
        ("axes.nc", &netcdf(4, &[0, 1 << 30, 1 << 30], 1)),
        ("empty.nc", &netcdf(1 << 30, &[0, 0, 4], 1)),
        ("wide.nc", &netcdf(1, &vec![1; 1000], 200)),
    ]);
    for name in ["records.nc", "axes.nc", "empty.nc", "wide.nc"] {
        damaged(name, &frames(1), &folder.path().join(name));
    }
}

/// A file that the library of the HDF Group wrote, with the lengths of its axes changed.
#[cfg(feature = "hdf5")]
fn hdf5(from: &[u64], to: &[u64]) -> (usize, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5/frames_old.h5");
    let mut bytes = std::fs::read(path).unwrap();
    let raw = |axes: &[u64]| axes.iter().flat_map(|axis| axis.to_le_bytes()).collect::<Vec<u8>>();
    let (from, to) = (raw(from), raw(to));
    let mut changed = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(&from) {
            bytes[at..at + to.len()].copy_from_slice(&to);
            changed += 1;
        }
    }
    (changed, bytes)
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_of_large_axes() {
    let listed = hdf5_shapes();
    assert!(!listed.is_empty());
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.h5");
    for (name, shape) in listed {
        for factor in [1u64 << 8, 1 << 16, 1 << 24] {
            for axis in 0..shape.len() {
                let mut larger = shape.clone();
                larger[axis] *= factor;
                let (changed, bytes) = hdf5(&shape, &larger);
                assert!(changed > 0, "{name} {shape:?}");
                std::fs::write(&path, bytes).unwrap();
                let named =
                    FramesConfig { variable: name.clone(), range: [-1e9, 1e9], ..FramesConfig::default() };
                let config = frames_of(16, named);
                errors(&format!("{name} of {larger:?}"), &config, &path);
            }
        }
    }
}

/// Names and shapes of the datasets of frames in the file, from the refusal that lists them.
#[cfg(feature = "hdf5")]
fn hdf5_shapes() -> Vec<(String, Vec<u64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5/frames_old.h5");
    let config = frames_of(16, FramesConfig { variable: "none such".into(), ..FramesConfig::default() });
    let error = open(&config, Some(&path), Split::Test, 0).err().unwrap().to_string();
    let listed = error.split("holds ").nth(1).unwrap().split(';').next().unwrap();
    let one = |part: &str| -> Option<(String, Vec<u64>)> {
        let (name, rest) = part.split_once(" [")?;
        let axes = rest
            .split_once(']')?
            .0
            .split(", ")
            .map(|axis| axis.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        (axes.len() >= 3).then(|| (name.trim_start_matches(", ").to_owned(), axes))
    };
    listed
        .split_inclusive(" float32")
        .flat_map(|part| part.split_inclusive(" uint8"))
        .filter_map(one)
        .collect()
}

/// A layout of version 1, whose size is the product of its axes: the library that reads HDF5 multiplies them without a check of
/// overflow, and a build with such checks panics there.
#[cfg(feature = "hdf5")]
#[test]
fn hdf5_of_axes_whose_product_overflows() {
    let mut file = std::fs::read("tests/data/hdf5/types_old.h5").unwrap();
    // A message of a chunked layout: its kind, its 32 bytes, flags; version 3, class 2 and four axes.
    let is_layout =
        |at: &usize| file[*at..].starts_with(&[8, 0, 32, 0]) && file[at + 8..].starts_with(&[3, 2, 4]);
    let found = (0..file.len() - 40).find(is_layout).expect("a chunked dataset");
    // Version 1, four axes, class 1 (contiguous), reserved bytes; an address; the axes.
    let layout = [&[1u8, 4, 1, 0, 0, 0, 0, 0], &[0u8; 8][..], &[0xff; 16]].concat();
    file[found + 8..found + 40].copy_from_slice(&layout);
    let folder = folder(&[("a.h5", &file)]);
    for error in errors("axes whose product overflows", &frames(16), folder.path()) {
        assert!(error.contains("a.h5"), "{error}");
    }
}

#[test]
fn folders_of_many_files() {
    let folder = tempdir().unwrap();
    for at in 0..4000 {
        std::fs::write(folder.path().join(format!("{at}.gif")), b"GIF89a").unwrap();
    }
    let skip = |mebibytes| DataConfig { on_corrupt: OnCorrupt::Skip, ..frames(mebibytes) };
    refused("4000 files", &skip(1), folder.path());
    damaged("4000 damaged files", &skip(8), folder.path());
    let most = allowed(size(folder.path()), 0);
    assert_eq!(bounded("what 4000 files are", most, || detect(folder.path())).unwrap(), SourceKind::Frames);
    assert!(
        bounded("no radar images", most, || open_whole(&radar(1), folder.path(), 0).map(|_| ())).is_err()
    );
}

#[test]
fn configurations_of_many_keys() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let read = |text: &str, words: &str| {
        std::fs::write(&path, text).unwrap();
        let most = allowed(text.len() as u64, 0);
        let error =
            bounded("a configuration", most, || RunConfig::default().overlaid_by_file(&path)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(bounded("ranges", most, || SearchConfig::read(&path)).is_err());
    };
    read(&"a".repeat(200_000), "131072 bytes");
    read(&format!("name = \"{}\"", "x".repeat(10_000_000)), "131072 bytes");
    let keys: String = (0..12_000).map(|at| format!("k{at}=1\n")).collect();
    read(&keys, "k0");
    read(&(0..12_000).map(|at| format!("[k{at}]\n")).collect::<String>(), "k0");
    read(&format!("a = {}1{}", "[".repeat(60_000), "]".repeat(60_000)), "line 1");
    read(&format!("{}a = 1", "a.".repeat(60_000)), "");
    read(&format!("[{}a]", "a.".repeat(60_000)), "");
    read(&format!("a = {}1{}", "{a=".repeat(30_000), "}".repeat(30_000)), "line 1");
    read(&format!("[data]\nsize = [{}]", "1,".repeat(60_000)), "");
}

/// The program with some data and a limit on its virtual memory in KiB.
#[cfg(target_os = "linux")]
fn limited(kibibytes: usize, data: &Path, more: &[&str]) -> std::process::Output {
    let line = format!("ulimit -v {kibibytes}; exec \"$0\" \"$@\"");
    let out = tempdir().unwrap();
    std::process::Command::new("sh")
        .args(["-c", &line, env!("CARGO_BIN_EXE_convgru"), "train", "--threads", "1", "--data"])
        .arg(data)
        .args(["--set", "data.input_frames=1", "--set", "data.output_frames=1", "--set", "training.steps=1"])
        .args(more)
        .arg("--out")
        .arg(out.path())
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_the_system_refuses_is_an_error_and_no_abort() {
    let header = |shape: &str| npy_header("|u1", shape);
    let folder = folder(&[
        ("lie.npz", &npz("a.npy", &header("(64, 8192, 8192)"), 0)),
        ("true.npz", &npz("a.npy", &header("(20, 4096, 4096)"), 20 << 24)),
        ("large.gif", &gif(4096, 4096, 5)),
    ]);
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let image = png(2048);
    for at in 0..20 {
        std::fs::write(folder.path().join(format!("images/{at}.png")), &image).unwrap();
    }
    std::fs::create_dir(folder.path().join("gif")).unwrap();
    std::fs::rename(folder.path().join("large.gif"), folder.path().join("gif/large.gif")).unwrap();
    for name in ["lie.npz", "true.npz", "gif", "images"] {
        // Pictures are decoded one at a time.
        let limit = if name.ends_with(".npz") { 1 << 20 } else { 1 << 18 };
        let output = limited(limit, &folder.path().join(name), &["--set", "data.memory_mib=65536"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        let reason = if name == "lie.npz" { "unpack to at most" } else { "bytes of memory" };
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn arrays_that_their_members_cannot_unpack_to() {
    // Deflate makes at most 1032 bytes of one.
    let folder = folder(&[("a.npz", &npz("a.npy", &npy_header("|u1", "(2, 512, 512)"), 0))]);
    let path = folder.path().join("a.npz");
    let most = allowed(size(&path), 0);
    let error =
        bounded("a member that is too short", most, || open(&frames(512), Some(&path), Split::Train, 0));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("takes 524416 bytes") && error.contains("unpack to at most"), "{error}");
    let held = npz("a.npy", &npy_header("|u1", "(8, 512, 512)"), 1 << 21);
    std::fs::write(&path, held).unwrap();
    fits("zeros, packed as tight as can be", &frames(64), &path);
    // An image of 64 MiB in some bytes.
    let mut image = png(4096);
    image.truncate(100);
    std::fs::create_dir(folder.path().join("images")).unwrap();
    std::fs::write(folder.path().join("images/a.png"), image).unwrap();
    let error = read_frames(
        folder.path().join("images"),
        &FramesConfig::default(),
        &ReadBudget::new(1024, "--memory-mib"),
    )
    .unwrap_err();
    assert!(error.to_string().contains("unpack to at most"), "{error}");
}

/// A pipe under the name of a data file of each kind: nothing waits for its writer, and it is no damaged file.
#[cfg(unix)]
#[test]
fn pipes_in_place_of_files_are_errors() {
    for name in ["a.npy", "a.npz", "a.gif", "a.h5", "a.nc", "images/a.png", "a.pgm.gz"] {
        let folder = tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut config = if name == "a.pgm.gz" { radar(16) } else { frames(16) };
        config.on_corrupt = OnCorrupt::Skip;
        for split in [Split::Train, Split::Test] {
            let error = open(&config, Some(folder.path()), split, 0).err().unwrap().to_string();
            assert!(
                error.starts_with("cannot ") && error.contains("an ordinary file is needed"),
                "{name}: {error}"
            );
        }
    }
}

/// A file that the system does not let be read is not damaged: the rest would be a smaller data set without a word.
#[cfg(target_os = "linux")]
#[test]
fn files_that_cannot_be_opened_now_are_not_left_out() {
    let array = [npy_header("|u1", "(4, 2, 2)"), vec![0; 16]].concat();
    let folder = folder(&[("a.npy", &array), ("b.npy", &array), ("c.npy", b"damaged")]);
    let config = DataConfig { on_corrupt: OnCorrupt::Skip, ..frames(16) };
    open(&config, Some(folder.path()), Split::Train, 0).unwrap();
    let unreadable = folder.path().join("d.npy");
    // A link into a folder that holds no such name is ENOENT; one through a file is ENOTDIR.
    for target in ["nowhere/d.npy", "a.npy/d.npy", "d.npy"] {
        let _ = std::fs::remove_file(&unreadable);
        std::os::unix::fs::symlink(target, &unreadable).unwrap();
        let error = open(&config, Some(folder.path()), Split::Train, 0).err().unwrap().to_string();
        assert!(error.starts_with("cannot ") && error.contains("d.npy"), "{target}: {error}");
    }
}

/// A Zarr store with an array of bytes of a shape in chunks, of which the first is there.
#[cfg(feature = "zarr")]
fn store(shape: &str, chunk: &str, codecs: &str, first: &[u8]) -> TempDir {
    let folder = tempdir().unwrap();
    let metadata = format!(
        r#"{{"zarr_format": 3, "node_type": "array", "shape": {shape}, "data_type": "uint8", "fill_value": 0,
            "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {chunk}}}}}, "codecs": {codecs},
            "dimension_names": ["time", "y", "x"]}}"#
    );
    std::fs::write(folder.path().join("zarr.json"), metadata).unwrap();
    std::fs::create_dir_all(folder.path().join("c/0/0")).unwrap();
    std::fs::write(folder.path().join("c/0/0/0"), first).unwrap();
    folder
}

/// A frame of zstd with blocks of one byte that is repeated.
#[cfg(feature = "zarr")]
fn zstd_of_zeros(blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
    for block in 1..=blocks {
        let is_last = u32::from(block == blocks);
        frame.extend_from_slice(&(((128u32 << 10) << 3) | 1 << 1 | is_last).to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[cfg(feature = "zarr")]
#[test]
fn chunks_of_stores_that_unpack_to_much() {
    const ZSTD: &str = r#"["bytes", "zstd"]"#;
    // Chunks that are larger than the memory.
    let large = store("[64, 8192, 8192]", "[64, 8192, 8192]", ZSTD, &zstd_of_zeros(1 << 10));
    refused("chunks of 4 GiB", &frames(16), large.path());
    let small = store("[64, 64, 64]", "[64, 64, 64]", ZSTD, &zstd_of_zeros(1 << 13));
    damaged("1 GiB of zeros where a chunk has 256 KiB", &frames(16), small.path());
    let fits = store("[64, 64, 64]", "[64, 64, 64]", ZSTD, &zstd_of_zeros(2));
    self::fits("256 KiB of zeros", &frames(16), fits.path());
    // An index that is longer than the file, and one of more entries than there can be.
    let shards = |chunk: &str| {
        format!(
            r#"[{{"name": "sharding_indexed", "configuration": {{"chunk_shape": {chunk}, "codecs": ["bytes"],
                "index_codecs": ["bytes", "crc32c"], "index_location": "end"}}}}]"#
        )
    };
    for chunk in ["[8, 8, 8]", "[1, 1, 1]"] {
        let store = store("[512, 512, 512]", "[512, 512, 512]", &shards(chunk), &[0xff; 1000]);
        damaged("an index that is not there", &frames(16), store.path());
    }
    let json = tempdir().unwrap();
    std::fs::write(json.path().join("zarr.json"), format!("[{}0]", "0,".repeat(1 << 20))).unwrap();
    damaged("metadata of a million numbers", &frames(1), json.path());
}
