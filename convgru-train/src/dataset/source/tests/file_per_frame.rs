//! Folders of arrays of one frame each.

use super::*;

#[test]
fn files_of_a_frame_each_are_a_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let frame = |name: &str, shape: &str, first: u8| {
        let description = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let pixels: Vec<u8> = (first..first + 10).collect();
        std::fs::write(folder.path().join(name), npy_bytes(&description, &pixels)).unwrap();
    };
    for (at, name) in ["t1.npy", "t2.npy", "t10.npy"].into_iter().enumerate() {
        frame(name, if at == 1 { "(2, 5)" } else { "(1, 2, 5)" }, 10 * at as u8);
    }
    std::fs::write(folder.path().join("._t1.npy"), "a note of a system").unwrap();
    let config = FramesConfig::default();
    assert_eq!(sequences_in(folder.path(), &config, &budget()).unwrap(), Some(1));
    let read = read(folder.path()).unwrap();
    assert_eq!(read.shape(), [3, 1, 2, 5]);
    assert!(read.as_slice().iter().copied().eq((0..30).map(|number| number as f32 / 255.0)));
    // One that is larger, or holds several frames, is named.
    frame("t11.npy", "(1, 5, 2)", 0);
    let source = open(folder.path(), &config, &budget()).unwrap();
    let refused = |steps| message(source.visit(0..1, steps, &mut |_| Ok(())));
    assert!(refused(0..4).contains("t11.npy") && refused(0..4).contains("5 x 2 uint8"), "{}", refused(0..4));
    frame("t11.npy", "(5, 1, 2)", 0);
    assert!(refused(3..4).contains("1 sequence of 5 frames"), "{}", refused(3..4));
    source.visit(0..1, 0..3, &mut |_| Ok(())).unwrap();
}

/// A file of bytes in each folder: a frame of 2 x 5 pixels whose numbers begin with `first`.
fn frame(folder: &Path, name: &str, first: u8) {
    let description = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 5), }";
    std::fs::write(folder.join(name), npy_bytes(description, &(first..first + 10).collect::<Vec<u8>>()))
        .unwrap();
}

#[test]
fn a_damaged_frame_is_a_gap_where_damage_is_left_out() {
    use crate::dataset::{DataConfig, OnCorrupt, Source, Split};
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "validation", "test"] {
        let own = folder.path().join(split);
        std::fs::create_dir(&own).unwrap();
        (0..9).for_each(|at| frame(&own, &format!("t{at}.npy"), 10 * at));
    }
    let train = folder.path().join("train");
    // A header that is none, and a file that ends early.
    std::fs::write(train.join("t3.npy"), "no array").unwrap();
    let whole = std::fs::read(train.join("t8.npy")).unwrap();
    std::fs::write(train.join("t8.npy"), &whole[..whole.len() - 1]).unwrap();
    let config = |on_corrupt| DataConfig {
        source: Source::Frames(FramesConfig::default()),
        input_frames: 1,
        output_frames: 1,
        on_corrupt,
        ..DataConfig::default()
    };
    let open = |on_corrupt| crate::dataset::open(&config(on_corrupt), Some(folder.path()), Split::Train, 0);
    assert!(message(open(OnCorrupt::Stop).map(|set| set.len())).contains("t3.npy"));
    let set = open(OnCorrupt::Skip).unwrap();
    // 0 1 2, and 4 5 6 7.
    assert_eq!(set.len(), 2 + 3);
    let warnings = set.warnings().join("\n");
    assert!(warnings.contains("t3.npy") && warnings.contains("t8.npy"), "{warnings}");
    let mut frames = vec![0.0; 20];
    for (index, first) in [(0, 0), (1, 10), (2, 40), (4, 60)] {
        let mut into = crate::dataset::SequenceMut { frames: &mut frames, valid: None };
        set.sequence(0, index, &mut into).unwrap();
        assert_eq!((frames[0] * 255.0).round() as i32, first, "window {index}");
        assert_eq!((frames[10] * 255.0).round() as i32, first + 10, "window {index}");
    }
}

#[test]
fn a_damaged_frame_is_a_gap_in_windows_that_are_read_from_the_disk_and_in_an_input() {
    use crate::dataset::{DataConfig, OnCorrupt, SequenceMut, Source, frames, open_whole};
    const SIDE: usize = 256;
    let folder = tempfile::tempdir().unwrap();
    for at in 0..9u8 {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (256, 256), }";
        let header = format!("{header:<117}\n");
        let start = b"\x93NUMPY\x01\x00\x76\x00";
        let bytes = [&start[..], header.as_bytes(), &vec![10 * at; SIDE * SIDE]].concat();
        std::fs::write(folder.path().join(format!("t{at}.npy")), bytes).unwrap();
    }
    std::fs::write(folder.path().join("t3.npy"), "no array").unwrap();
    let whole = std::fs::read(folder.path().join("t8.npy")).unwrap();
    std::fs::write(folder.path().join("t8.npy"), &whole[..whole.len() - 1]).unwrap();
    let config = |on_corrupt, memory_mib| DataConfig {
        source: Source::Frames(FramesConfig::default()),
        input_frames: 1,
        output_frames: 1,
        on_corrupt,
        memory_mib,
        ..DataConfig::default()
    };
    let open = |on_corrupt, memory| open_whole(&config(on_corrupt, memory), folder.path(), 0);
    // 0 1 2, and 4 5 6 7: 2.3 MiB as numbers.
    let [on_disk, in_memory] = [1, 64].map(|memory| open(OnCorrupt::Skip, memory).unwrap());
    assert!(on_disk.name().contains("read from the disk"), "{}", on_disk.name());
    assert_eq!((on_disk.len(), on_disk.warnings()), (2 + 3, in_memory.warnings()));
    let warnings = on_disk.warnings();
    assert!(warnings.len() == 3 && warnings[2].starts_with("2 damaged files"), "{warnings:?}");
    let read = |set: &dyn crate::dataset::SequenceDataset, index| {
        let mut frames = vec![0.0; 2 * SIDE * SIDE];
        set.sequence(0, index, &mut SequenceMut { frames: &mut frames, valid: None }).unwrap();
        frames
    };
    for index in 0..5 {
        assert_eq!(read(on_disk.as_ref(), index), read(in_memory.as_ref(), index), "window {index}");
    }
    assert_eq!((read(on_disk.as_ref(), 2)[0] * 255.0).round(), 40.0);
    // Otherwise the window with the damage is an error when it is asked for.
    let stops = open(OnCorrupt::Stop, 1).unwrap();
    let mut frames = vec![0.0; 2 * SIDE * SIDE];
    let mut into = SequenceMut { frames: &mut frames, valid: None };
    assert!(message(stops.sequence(0, 2, &mut into)).contains("t3.npy"));
    // An input goes on from the frames after the damage, however many are wanted.
    let newest = |on_corrupt, most| {
        let data = config(on_corrupt, 64);
        let Source::Frames(own) = &data.source else { panic!("frames") };
        frames::newest(folder.path(), (own, &data), most, &data.budget())
    };
    for (most, expected) in [(usize::MAX, vec![40, 50, 60, 70]), (2, vec![60, 70])] {
        let read = newest(OnCorrupt::Skip, most).unwrap();
        let firsts: Vec<i32> =
            read.frames.as_slice().iter().step_by(SIDE * SIDE).map(|v| (v * 255.0).round() as i32).collect();
        assert_eq!(firsts, expected);
        assert!(read.warnings.iter().any(|told| told.contains("t8.npy")), "{:?}", read.warnings);
    }
    assert!(newest(OnCorrupt::Stop, usize::MAX).is_err());
}

#[test]
fn a_damaged_picture_is_a_gap_where_damage_is_left_out() {
    use crate::dataset::{DataConfig, OnCorrupt, Source, Split};
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "validation", "test"] {
        let own = folder.path().join(split);
        std::fs::create_dir(&own).unwrap();
        for at in 0..8 {
            std::fs::write(own.join(format!("f{at}.png")), encode_png(4, 4, 1, &[at * 9; 16]).unwrap())
                .unwrap();
        }
    }
    std::fs::write(folder.path().join("train/f2.png"), "no picture").unwrap();
    let data = DataConfig {
        source: Source::Frames(FramesConfig::default()),
        input_frames: 1,
        output_frames: 1,
        on_corrupt: OnCorrupt::Skip,
        ..DataConfig::default()
    };
    let set = crate::dataset::open(&data, Some(folder.path()), Split::Train, 0).unwrap();
    assert_eq!((set.len(), set.warnings().len(), set.frame_shape()), (1 + 4, 1, [1, 4, 4]));
}

#[cfg(feature = "hdf5")]
#[test]
fn a_damaged_file_among_files_with_times_is_a_gap_in_time() {
    use crate::dataset::{DataConfig, OnCorrupt, Source, open_whole};
    let folder = tempfile::tempdir().unwrap();
    let written = crate::dataset::gridded::tests::written("scalar_time");
    for month in ["jan", "feb", "mar", "apr", "may"] {
        std::fs::copy(written.join(format!("{month}.nc")), folder.path().join(format!("{month}.nc")))
            .unwrap();
    }
    let config = |on_corrupt| DataConfig {
        source: Source::Frames(FramesConfig { range: [-1e6, 1e6], ..FramesConfig::default() }),
        input_frames: 1,
        output_frames: 1,
        on_corrupt,
        ..DataConfig::default()
    };
    let open = |on_corrupt| open_whole(&config(on_corrupt), folder.path(), 0);
    assert_eq!(open(OnCorrupt::Stop).unwrap().len(), 4);
    // The time, which lies before the 12 numbers of the frame, was never written.
    let mut timeless = std::fs::read(written.join("mar.nc")).unwrap();
    let at = timeless.len() - 52;
    timeless[at..at + 4].copy_from_slice(&(-2_147_483_647_i32).to_be_bytes());
    for (damaged, reason) in [(b"damaged".to_vec(), ""), (timeless, "has no time for step 0")] {
        std::fs::write(folder.path().join("mar.nc"), damaged).unwrap();
        let error = message(open(OnCorrupt::Stop).map(|set| set.len()));
        assert!(error.contains("mar.nc") && error.contains(reason), "{error}");
        // January and February, April and May.
        let set = open(OnCorrupt::Skip).unwrap();
        assert_eq!((set.len(), set.warnings().len()), (2, 1));
        assert!(set.warnings()[0].contains("mar.nc"), "{:?}", set.warnings());
    }
}
