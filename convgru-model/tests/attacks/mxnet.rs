//! Lists of arrays of MXNet.

use convgru_model::import::named_tensors;

use crate::memory::within_the_rule;

/// A list that announces so many arrays, with what follows.
fn list(count: u64, rest: &[u8]) -> Vec<u8> {
    [&0x112u64.to_le_bytes()[..], &[0; 8], &count.to_le_bytes(), rest].concat()
}

/// A dense array of the first version.
fn array(shape: &[u64], kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = 0xF993_FAC8u32.to_le_bytes().to_vec();
    bytes.extend((shape.len() as u32).to_le_bytes());
    shape.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
    bytes.extend([0; 8]);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn counts_and_sizes_are_those_of_the_bytes() {
    for (bytes, said) in [
        (list(u64::MAX, &[]), "arrays in 0 bytes"),
        (list(1 << 40, &[0; 100]), "arrays in 100 bytes"),
        (list(1, &array(&[1 << 40], 0, &[0; 64])), "bytes are needed"),
        (list(1, &array(&[1 << 40, 1 << 40], 0, &[])), "an array of shape"),
        (list(1, &array(&[0; 33], 0, &[])), "33 dimensions"),
        (list(1, &array(&[1], 99, &[])), "numbers of type 99"),
    ] {
        let error = within_the_rule(&bytes, named_tensors).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn many_small_arrays_and_names_take_no_more_than_their_bytes() {
    for kind in [2, 3] {
        for count in [60_000u64, 400_000] {
            let mut rest: Vec<u8> =
                (0..count).flat_map(|_| array(&[], kind, &[0; 2][..(4 - kind as usize)])).collect();
            rest.extend(count.to_le_bytes());
            (0..count).for_each(|_| rest.extend(0u64.to_le_bytes()));
            let read = within_the_rule(&list(count, &rest), |file| named_tensors(file).map(drop));
            assert_eq!(read.is_ok(), count == 60_000, "{read:?}");
        }
    }
    // Names as long as they like.
    let mut rest = array(&[0], 0, &[]);
    rest.extend(1u64.to_le_bytes());
    rest.extend((10u64 << 20).to_le_bytes());
    rest.extend(vec![b'n'; 10 << 20]);
    within_the_rule(&list(1, &rest), |file| named_tensors(file).map(drop)).unwrap();
}

#[test]
fn numbers_of_sixteen_bits_take_four_times_their_bytes() {
    let data = vec![0; 40 << 20];
    let mut rest = array(&[20 << 20], 2, &data);
    rest.extend(1u64.to_le_bytes());
    rest.extend(0u64.to_le_bytes());
    within_the_rule(&list(1, &rest), |file| named_tensors(file).map(drop)).unwrap();
}
