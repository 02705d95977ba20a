use proptest::prelude::*;

use super::*;
use crate::tensor::Tensor;

/// A file in the form before PyTorch 1.6 around a pickle, with one storage `s` of two-byte patterns.
fn legacy(pickle: &[u8], elements: usize, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}.".to_vec();
    bytes.extend(pickle);
    if elements == 0 {
        bytes.extend(b"].");
        return bytes;
    }
    bytes.extend(b"]U\x01sa.");
    bytes.extend((elements as u64).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (i as f32 + 0.5).to_le_bytes()).collect()
}

/// The call that rebuilds a tensor of storage `s`.
fn tensor(class: &str, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n{class}\nU\x01sU\x03cpuK\x06tQK")
            .into_bytes();
    bytes.push(offset);
    for sizes in [shape, strides] {
        bytes.push(b'(');
        sizes.iter().for_each(|&size| bytes.extend([b'K', size]));
        bytes.push(b't');
    }
    bytes.extend(b"\x89NtR");
    bytes
}

/// A dictionary with one entry.
fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    [b"}U", &[name.len() as u8][..], name.as_bytes(), value, b"s"].concat()
}

fn finished(mut pickle: Vec<u8>) -> Vec<u8> {
    pickle.push(b'.');
    pickle
}

fn read_one(pickle: Vec<u8>) -> Result<NamedTensors> {
    read(&legacy(&finished(pickle), 6, &numbers(6)))
}

fn found(name: &str, shape: &[usize], first: &[f64]) -> Vec<(String, Tensor<f64>)> {
    vec![(name.into(), Tensor::from_vec(shape, first.to_vec()).unwrap())]
}

#[test]
fn offsets_and_strides_pick_numbers_of_the_storage() {
    let plain = entry("w", &tensor("FloatStorage", 1, &[2, 2], &[2, 1]));
    assert_eq!(read_one(plain).unwrap().tensors, found("w", &[2, 2], &[1.5, 2.5, 3.5, 4.5]));
    let turned = entry("w", &tensor("FloatStorage", 0, &[2, 3], &[1, 2]));
    assert_eq!(read_one(turned).unwrap().tensors, found("w", &[2, 3], &[0.5, 2.5, 4.5, 1.5, 3.5, 5.5]));
    let repeated = entry("w", &tensor("FloatStorage", 5, &[3], &[0]));
    assert_eq!(read_one(repeated).unwrap().tensors, found("w", &[3], &[5.5, 5.5, 5.5]));
    let scalar = tensor("FloatStorage", 2, &[], &[]);
    assert_eq!(read_one(scalar).unwrap().tensors, found("", &[], &[2.5]));
    let empty = entry("w", &tensor("FloatStorage", 200, &[0, 3], &[3, 1]));
    assert!(read_one(empty).unwrap().tensors[0].1.is_empty());
}

#[test]
fn tensors_beyond_their_storage_are_refused() {
    for (offset, shape, strides) in
        [(3, &[2, 2][..], &[2, 1][..]), (6, &[], &[]), (0, &[2], &[6]), (0, &[255, 255, 255], &[0, 0, 1])]
    {
        let error =
            read_one(entry("w", &tensor("FloatStorage", offset, shape, strides))).unwrap_err().to_string();
        assert!(error.contains("tensor `w`"), "{error}");
    }
    let error = read_one(entry("w", &tensor("FloatStorage", 3, &[2, 2], &[2, 1]))).unwrap_err().to_string();
    assert!(
        error.contains("[2, 2] with strides [2, 1] from element 3 goes beyond storage `s` of 6"),
        "{error}"
    );
}

#[test]
fn a_small_file_makes_no_large_tensor() {
    let error = read_one(entry("w", &tensor("FloatStorage", 0, &[255, 255, 255], &[0, 0, 0]))).unwrap_err();
    assert!(
        error.to_string().contains("16581375 elements where the size of the file leaves room for"),
        "{error}"
    );
}

#[test]
fn what_is_not_floating_point_is_listed() {
    let bytes = legacy(&finished(entry("steps", &tensor("LongStorage", 0, &[], &[]))), 1, &[0; 8]);
    let found = read(&bytes).unwrap();
    assert!(found.tensors.is_empty());
    assert_eq!(found.skipped[0].0, "steps");
    assert!(found.skipped[0].1.contains("torch.LongStorage"));
    for (function, instead) in [
        ("numpy.core.multiarray\n_reconstruct", "torch.from_numpy(array)"),
        ("torch._utils\n_rebuild_qtensor", "tensor.dequantize()"),
        ("torch._utils\n_rebuild_sparse_tensor", "tensor.to_dense()"),
        ("torch._utils\n_rebuild_meta_tensor_no_storage", "the device `meta` has no numbers"),
    ] {
        let made = entry("mean", format!("c{function}\n)R").as_bytes());
        let found = read(&legacy(&finished(made), 0, &[])).unwrap();
        let (name, reason) = &found.skipped[0];
        assert!(name == "mean" && reason.contains(&function.replace('\n', ".")), "{reason}");
        assert!(reason.contains(instead), "{reason}");
    }
}

#[test]
fn modules_are_walked_and_not_built() {
    let parameter =
        [b"ctorch._utils\n_rebuild_parameter\n(", &tensor("FloatStorage", 0, &[2], &[1])[..], b"\x88NtR"];
    let cell = [
        b"cmine\nCell\n)\x81}(U\x0b_parametersq\x01".to_vec(),
        entry("w", &parameter.concat()),
        b"U\x08_bufferscos\nsystem\nU\x02ls\x85RU\x08_modules}ub".to_vec(),
    ];
    // The list beside the modules holds the same cell once more, and is no part of a `state_dict`.
    let network = [
        b"cmine\nNetwork\n)\x81}(U\x0b_parameters}U\x08_modules".to_vec(),
        entry("cell", &cell.concat()),
        b"U\x04list]h\x01aub".to_vec(),
    ];
    assert_eq!(read_one(network.concat()).unwrap().tensors, found("cell.w", &[2], &[0.5, 1.5]));
}

#[test]
fn values_that_contain_themselves_end() {
    let pickle =
        [b"}q\x01U\x04selfh\x01sU\x01w".to_vec(), tensor("FloatStorage", 0, &[1], &[1]), b"s".to_vec()];
    assert_eq!(read_one(pickle.concat()).unwrap().tensors, found("w", &[1], &[0.5]));
}

#[test]
fn values_that_are_shared_without_end_are_refused() {
    // Forty levels of lists, each twice in the one above.
    let mut pickle = b"]".to_vec();
    for _ in 0..40 {
        pickle.extend(b"2\x86");
    }
    let error = read(&legacy(&finished(pickle), 0, &[])).unwrap_err().to_string();
    assert!(error.contains("shared so often"), "{error}");
    let mut deep = b"]".repeat(300);
    deep.extend(b"a".repeat(299));
    let error = read(&legacy(&finished(deep), 0, &[])).unwrap_err().to_string();
    assert!(error.contains("more than 200 levels deep"), "{error}");
}

#[test]
fn storages_of_old_files_may_lie_in_others() {
    let pickle = b"ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x01sU\x03cpuK\x06(U\x01vK\x02K\x03ttQK\x01K\x02\x85K\x01\x85tR";
    assert_eq!(read_one(pickle.to_vec()).unwrap().tensors, found("", &[2], &[3.5, 4.5]));
}

#[test]
fn storages_cut_short_are_refused() {
    let pickle = finished(entry("w", &tensor("FloatStorage", 0, &[1], &[1])));
    for (elements, data) in [(6, 5), (usize::MAX, 6), (usize::MAX / 4, 6)] {
        let error = read(&legacy(&pickle, elements, &numbers(data))).unwrap_err().to_string();
        assert!(error.contains("storage `s` with elements of 4 bytes goes beyond the end"), "{error}");
    }
    let error = read(&legacy(&pickle, 0, &[])).unwrap_err().to_string();
    assert!(error.contains("tensor `w`: its storage `s` is not in the file"), "{error}");
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let value = tensor("FloatStorage", 0, &[1], &[1]);
    let pickle = [&entry("0", &value)[..], b"K\x00", &value, b"s"].concat();
    assert!(read_one(pickle).unwrap_err().to_string().contains("two tensors are named `0`"));
}

mod zip {
    use super::*;

    fn little_endian(numbers: &[(u64, usize)]) -> Vec<u8> {
        numbers.iter().flat_map(|&(number, width)| number.to_le_bytes()[..width].to_vec()).collect()
    }

    /// An archive of stored entries.
    pub(super) fn archive(method: u64, entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, data) in entries {
            let (at, size, length) = (bytes.len() as u64, data.len() as u64, name.len() as u64);
            let common = [(method, 2), (0, 4), (0, 4), (size, 4), (size, 4), (length, 2), (0, 2)];
            bytes.extend(little_endian(&[(0x0403_4b50, 4), (10, 2), (0, 2)]));
            bytes.extend(little_endian(&common));
            bytes.extend(name.bytes().chain(data.iter().copied()));
            directory.extend(little_endian(&[(0x0201_4b50, 4), (10, 2), (10, 2), (0, 2)]));
            directory.extend(little_endian(&common));
            directory.extend(little_endian(&[(0, 2), (0, 2), (0, 2), (0, 4), (at, 4)]));
            directory.extend(name.bytes());
        }
        let (at, count) = (bytes.len() as u64, entries.len() as u64);
        bytes.extend(&directory);
        let size = directory.len() as u64;
        bytes.extend(little_endian(&[
            (0x0605_4b50, 4),
            (0, 2),
            (0, 2),
            (count, 2),
            (count, 2),
            (size, 4),
            (at, 4),
            (0, 2),
        ]));
        bytes
    }

    pub(super) fn pickle() -> Vec<u8> {
        finished(entry("w", &tensor("FloatStorage", 1, &[2], &[1])))
    }

    fn error(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn numbers_are_read_in_the_order_the_archive_states() {
        let big: Vec<u8> = (0..6).flat_map(|i| (i as f32 + 0.5).to_be_bytes()).collect();
        for (order, data) in [(&b"little"[..], numbers(6)), (b"big", big)] {
            let bytes = archive(0, &[("a/data.pkl", &pickle()), ("a/byteorder", order), ("a/data/s", &data)]);
            assert_eq!(read(&bytes).unwrap().tensors, found("w", &[2], &[1.5, 2.5]));
        }
        let other = archive(0, &[("a/data.pkl", &pickle()), ("a/byteorder", b"middle")]);
        assert!(error(&other).contains("the order of bytes is `middle`"));
    }

    #[test]
    fn archives_that_torch_did_not_write_are_refused() {
        let pickle = pickle();
        assert!(
            error(&archive(0, &[("a/notes.txt", b"")]))
                .contains("no `data.pkl`, so torch.save did not write it")
        );
        let two = archive(0, &[("a/data.pkl", &pickle), ("b/data.pkl", &pickle)]);
        assert!(error(&two).contains("has both"));
        assert!(error(&archive(0, &[("a/data.pkl", b"N."), ("a/data.pkl", b"N.")])).contains("two entries"));
        assert!(error(&archive(8, &[("a/data.pkl", &pickle)])).contains("compressed (8 (DEFLATE))"));
        assert!(
            error(&archive(0, &[("a/data.pkl", &pickle)])).contains("its storage `s` is not in the file")
        );
        let short = archive(0, &[("a/data.pkl", &pickle), ("a/data/s", &numbers(2))]);
        assert!(error(&short).contains("beyond storage `s` of 2 elements"));
        assert!(error(&short[..short.len() - 30]).contains("damaged or cut short"));
    }

    #[test]
    fn offsets_in_errors_are_those_of_the_file() {
        assert!(error(&archive(0, &[("a/data.pkl", b"NN")])).contains("byte 42: 1 bytes are announced"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = crate::import::named_tensors(&bytes);
        let _ = read(&legacy(&bytes, 6, &numbers(6)));
        let _ = read(&zip::archive(0, &[("a/data.pkl", &bytes), ("a/data/s", &numbers(6))]));
    }

    #[test]
    fn no_instructions_make_it_panic(
        instructions in proptest::collection::vec(proptest::sample::select(&b"N)]}(KK00112etdsubaR\x81\x85\x86\x87qqhhQQ\x93\x94\x8fcS\x01\x02\n'"[..]), 0..200)
    ) {
        let _ = read(&legacy(&finished(instructions), 6, &numbers(6)));
    }

    #[test]
    fn no_damage_makes_it_panic(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let value = [tensor("FloatStorage", 1, &[2, 1, 2], &[2, 9, 1]), tensor("HalfStorage", 1, &[3], &[2])].concat();
        let pickle = finished([&b"ccollections\nOrderedDict\n)R(U\x01a"[..], &value[..], b"\x86U\x01bK\x02u}b"].concat());
        for mut bytes in [
            legacy(&pickle, 6, &numbers(6)),
            zip::archive(0, &[("a/data.pkl", &pickle), ("a/byteorder", b"little"), ("a/data/s", &numbers(6))]),
        ] {
            for (place, byte) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = crate::import::named_tensors(&bytes);
        }
    }
}
