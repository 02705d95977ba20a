//! Arrays: axes, types, orders and ranges of numbers.

use super::*;

#[test]
fn the_number_of_axes_of_an_array_has_one_meaning() {
    let data: Vec<u8> = (0..=255).collect();
    for (shape, expected) in [
        ("(4, 8, 8)", [1, 4, 1, 8, 8]),
        ("(4, 4, 2, 8)", [4, 4, 1, 2, 8]),
        ("(2, 8, 2, 8)", [2, 8, 1, 2, 8]),
        ("(2, 2, 2, 4, 8)", [2, 2, 2, 4, 8]),
        ("(2, 4, 2, 16, 1)", [2, 4, 1, 2, 16]),
    ] {
        let (_folder, path) = npy_of("|u1", false, shape, &data);
        let (found, source) = opened(&path, "auto");
        assert_eq!(found, expected, "{shape}");
        assert_eq!(source.info().unwrap().number_type, NumberType::Unsigned(1));
        let read = visited(source.as_ref(), 0..found[0], 0..found[1]);
        let values = read.iter().flat_map(|(_, values)| values);
        assert!(values.zip(&data).all(|(&value, &byte)| value == f32::from(byte) / 255.0));
    }
    let (_folder, path) = npy_of("|u1", false, "(20, 3, 64, 64)", &vec![0; 20 * 3 * 64 * 64]);
    assert_eq!(opened(&path, "auto").0, [3, 20, 1, 64, 64]);
    assert_eq!(opened(&path, "nthw").0, [20, 3, 1, 64, 64]);
    // One sequence is read where one is needed.
    let (_folder, path) = npy_of("|u1", false, "(4, 1, 8, 8)", &data);
    let error = message(read(&path));
    assert!(error.contains("[4, 1, 8, 8]") && error.contains("\"tchw\" (a sequence of 4 frames"), "{error}");
    let named = FramesConfig { axes: "nthw".parse().unwrap(), ..FramesConfig::default() };
    let error = message(crate::dataset::read_frames(&path, &named, &budget()));
    assert!(error.contains("holds 4 sequences of 1 frame ") && error.contains("tchw"), "{error}");
    let named = FramesConfig { axes: "tchw".parse().unwrap(), ..FramesConfig::default() };
    assert_eq!(crate::dataset::read_frames(&path, &named, &budget()).unwrap().shape(), [4, 1, 8, 8]);
}

#[test]
fn channels_before_other_axes_come_to_their_frames() {
    // The number at [n, c, t, h, w] is its place.
    let (_folder, path) = npy_of("|u1", false, "(2, 2, 3, 2, 2)", &(0..48).collect::<Vec<u8>>());
    for (axes, found) in [("ncthw", [2, 3, 2, 2, 2]), ("tcnhw", [3, 2, 2, 2, 2])] {
        let (shape, source) = opened(&path, axes);
        assert_eq!(shape, found);
        let mut read = visited(source.as_ref(), 0..found[0], 0..found[1]);
        read.sort_by_key(|(place, _)| *place);
        assert_eq!(read.len(), 6);
        for ([sequence, step], values) in read {
            let [first, third] = if axes == "ncthw" { [sequence, step] } else { [step, sequence] };
            let place = |channel, pixel| ((first * 2 + channel) * 3 + third) * 4 + pixel;
            let expected = (0..2).flat_map(|channel| (0..4).map(move |pixel| place(channel, pixel)));
            assert!(
                values.iter().copied().eq(expected.map(|place| place as f32 / 255.0)),
                "{axes}: {values:?}"
            );
        }
    }
}

#[cfg(feature = "zarr")]
#[test]
fn a_part_of_the_frames_is_read_without_the_rest_where_time_is_the_last_axis() {
    // The array [h, w, t] in two chunks along t, of which the second one is damaged.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.zarr");
    std::fs::create_dir(&path).unwrap();
    let metadata = r#"{"zarr_format": 2, "shape": [2, 3, 4], "chunks": [2, 3, 2], "dtype": "|u1", "compressor": null,
        "fill_value": 0, "order": "C", "filters": null, "dimension_separator": "."}"#;
    std::fs::write(path.join(".zarray"), metadata).unwrap();
    std::fs::write(path.join("0.0.0"), (0..12).collect::<Vec<u8>>()).unwrap();
    std::fs::write(path.join("0.0.1"), "damaged").unwrap();
    let (found, source) = opened(&path, "hwt");
    assert!(found == [1, 4, 1, 2, 3] && source.is_scattered(), "{found:?}");
    let read = visited(source.as_ref(), 0..1, 1..2);
    let expected = [1, 3, 5, 7, 9, 11].map(|number| number as f32 / 255.0);
    assert_eq!(read, [([0, 1], expected.to_vec())]);
    assert!(source.visit(0..1, 1..3, &mut |_| Ok(())).is_err());
}

#[test]
fn parts_of_axes_are_those_of_the_whole_for_every_order() {
    let data: Vec<u8> = (0..2 * 3 * 4 * 5).map(|at| (at * 7 % 251) as u8).collect();
    for axes in ["hwt", "htw", "wht", "wth", "thw"] {
        let (_folder, path) = npy_of("|u1", false, "(4, 5, 6)", &data);
        let (found, source) = opened(&path, axes);
        let whole = visited(source.as_ref(), 0..1, 0..found[1]);
        for steps in [0..1, 1..3, 2..found[1]] {
            assert_eq!(visited(source.as_ref(), 0..1, steps.clone()), whole[steps], "{axes}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn any_order_of_axes_gives_the_same_frames(
        order in Just("ntchw".chars().collect::<Vec<_>>()).prop_shuffle(), lengths in prop::array::uniform5(1usize..5), left in 3usize..6,
        fortran: bool, from in prop::array::uniform2(0usize..4), count in prop::array::uniform2(1usize..5),
    ) {
        let mut order = order;
        // Without sequences, without channels, or with both.
        order.retain(|letter| "thw".contains(*letter) || left == 5 || left == 4 && *letter == 'n');
        let length = |letter: char| match order.contains(&letter) {
            true => lengths["ntchw".find(letter).unwrap()],
            false => 1,
        };
        let [n, t, c, h, w] = ['n', 't', 'c', 'h', 'w'].map(length);
        let shape: Vec<usize> = order.iter().map(|&letter| length(letter)).collect();
        // The number at [n, t, c, h, w] is its place there.
        let number = |at: [usize; 5]| (((at[0] * t + at[1]) * c + at[2]) * h + at[3]) * w + at[4];
        let stored: Vec<char> = if fortran { order.iter().rev().copied().collect() } else { order.clone() };
        let data: Vec<u8> = (0..shape.iter().product::<usize>())
            .flat_map(|place| {
                let mut rest = place;
                let mut at = [0; 5];
                for &letter in stored.iter().rev() {
                    at["ntchw".find(letter).unwrap()] = rest % length(letter);
                    rest /= length(letter);
                }
                (number(at) as u16).to_le_bytes()
            })
            .collect();
        let text: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let (_folder, path) = npy_of("<u2", fortran, &format!("({},)", text.join(", ")), &data);
        let (found, source) = opened(&path, &order.iter().collect::<String>());
        prop_assert_eq!(found, [n, t, c, h, w]);
        let [first, begin] = [from[0] % n, from[1] % t];
        let (sequences, steps) = (first..(first + count[0]).min(n), begin..(begin + count[1]).min(t));
        let mut read = visited(source.as_ref(), sequences.clone(), steps.clone());
        read.sort_by_key(|(place, _)| *place);
        let places: Vec<[usize; 2]> = sequences.flat_map(|n| steps.clone().map(move |t| [n, t])).collect();
        prop_assert!(read.iter().map(|(place, _)| *place).eq(places));
        for ([sequence, step], values) in &read {
            prop_assert_eq!(values.len(), c * h * w);
            for (at, &value) in values.iter().enumerate() {
                let expected = number([*sequence, *step, 0, 0, 0]) + at;
                prop_assert_eq!(value, (expected as f64 / 65535.0) as f32);
            }
        }
    }
}

#[test]
fn numbers_are_values_up_to_rounding() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (_folder, path) = npy_of("|u1", false, "(1, 16, 16)", &bytes);
    let expected = bytes.iter().map(|&byte| f32::from(byte) / 255.0);
    assert!(read(&path).unwrap().as_slice().iter().copied().eq(expected));
    let single = |number: f64| {
        let (_folder, path) =
            npy_of("<f8", false, "(1, 1, 2)", &[number, 0.0].map(f64::to_le_bytes).concat());
        read(&path).map(|frames| frames.as_slice()[0])
    };
    for (number, expected) in [(0.25, 0.25), (1.0 + 1e-7, 1.0), (-1e-7, 0.0)] {
        assert_eq!(single(number).unwrap(), expected);
    }
    for number in [1.1, -0.1, f64::INFINITY] {
        assert!(single(number).is_err(), "{number}");
    }
    assert!(single(f64::NAN).unwrap().is_nan());
}

#[test]
fn number_types_byte_orders_and_memory_orders_are_read() {
    let values = [0.0f64, 0.25, 0.5, 0.75, 1.0, 0.125];
    let expected = Tensor::from_vec(&[1, 1, 3, 2], values.map(|v| v as f32).to_vec()).unwrap();
    let encodings: [(&str, Vec<u8>); 4] = [
        ("<f4", values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()),
        (">f4", values.iter().flat_map(|&v| (v as f32).to_be_bytes()).collect()),
        ("<f8", values.iter().flat_map(|&v| v.to_le_bytes()).collect()),
        (">f8", values.iter().flat_map(|&v| v.to_be_bytes()).collect()),
    ];
    for (descr, data) in encodings {
        let (_folder, path) = npy_of(descr, false, "(1, 3, 2)", &data);
        assert_eq!(read(&path).unwrap(), expected, "{descr}");
    }
    // The first dimension of (3, 1, 2) runs fastest: element [t, 0, x] is at t + 3 x.
    let (_folder, path) = npy_of("|u1", true, "(3, 1, 2)", &[0, 51, 102, 153, 204, 255]);
    assert_eq!(read(&path).unwrap().as_slice(), [0.0, 0.6, 0.2, 0.8, 0.4, 1.0]);
}

#[test]
fn arrays_that_cannot_be_frames_say_why() {
    let float = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for (descr, shape, data, needle) in [
        ("|u1", "(4,)", vec![0; 4], "[T, H, W]"),
        ("|u1", "()", vec![0; 1], "[T, H, W]"),
        ("|u1", "(0, 4, 4)", vec![], "hold nothing"),
        ("|u1", "(2, 4, 4)", vec![0; 31], "truncated"),
        ("|u1", "(2, 4, 4)", vec![0; 33], "followed by other data"),
        ("<c8", "(1, 1, 2)", vec![0; 16], "uint8"),
        ("|O", "(1, 1, 2)", vec![0; 8], "'|O'"),
        ("|u1", "(4, 4, 3)", vec![0; 48], "which may be \"thw\""),
        ("<f4", "(1, 1, 2)", float(&[0.5, 255.0]), "data.frames.missing = [255.0]"),
        // What data.frames.missing does not take is no advice.
        (
            "<f4",
            "(1, 1, 2)",
            float(&[0.5, f32::INFINITY]),
            "the number inf in frame 0 of sequence 0 (from 0), and infinite numbers are not read; save NaN",
        ),
        ("<f4", "(1, 1, 2)", float(&[0.5, f32::NEG_INFINITY]), "the number -inf"),
        ("|u1", "(100000, 100, 100)", vec![0; 9], "truncated"),
        ("|u1", "(100000, 1000, 100)", vec![0; 9], "truncated"),
        ("|u1", "(18446744073709551615, 18446744073709551615, 2)", vec![0; 9], "more values than any file"),
        ("|u1", "[1, 2, 2]", vec![0; 4], "damaged header"),
    ] {
        let (_folder, path) = npy_of(descr, false, shape, &data);
        let error = message(read(&path));
        assert!(error.contains(needle) && error.contains("frames.npy"), "{descr} {shape}: {error}");
    }
}
