use npyz::WriterBuilder;
use proptest::prelude::*;

use super::*;

/// A file of version 1 with a text of one's own.
fn with_text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], text.as_bytes()].concat()
}

fn read(bytes: &[u8]) -> Result<NpyHeader, String> {
    NpyHeader::read(&mut &bytes[..]).map_err(|unread| unread.reason)
}

fn element(descr: &str) -> Element {
    Element::named(descr).unwrap()
}

fn written_by_npyz<T: npyz::AutoSerialize>(shape: &[u64], order: npyz::Order) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::<T>::new().default_dtype().shape(shape).order(order);
    drop(options.writer(&mut bytes).begin_nd().unwrap());
    bytes
}

#[test]
fn headers_of_an_independent_writer_are_read() {
    for shape in [&[][..], &[3], &[20, 10000, 64, 64]] {
        let expected = |element, fortran_order, bytes| NpyHeader {
            element,
            fortran_order,
            shape: shape.iter().map(|&axis| axis as usize).collect(),
            bytes,
        };
        let bytes = written_by_npyz::<u8>(shape, npyz::Order::C);
        assert_eq!(read(&bytes).unwrap(), expected(element("|u1"), false, bytes.len() as u64));
        let bytes = written_by_npyz::<f32>(shape, npyz::Order::Fortran);
        assert_eq!(read(&bytes).unwrap(), expected(element("<f4"), true, bytes.len() as u64));
        let bytes = written_by_npyz::<f64>(shape, npyz::Order::C);
        assert_eq!(read(&bytes).unwrap(), expected(element("<f8"), false, bytes.len() as u64));
    }
}

/// As `numpy.save` writes it for `numpy.zeros((2, 3), 'f4')`, version 1.26.
#[test]
fn the_header_numpy_writes_is_the_one_written_here() {
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    let mut numpy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    numpy.extend(format!("{text:<117}\n").bytes());
    assert_eq!(NpyHeader::encode_single(&[2, 3]), numpy);
    assert_eq!(numpy.len() % 64, 0);
}

#[test]
fn other_versions_spellings_and_byte_orders_are_read() {
    let text = "  { \"shape\" : ( 2L , 3L ) , \"fortran_order\":True,'descr':'>f8' }  \n";
    for (major, length) in [(2, 4), (3, 4), (1, 2)] {
        let count = &(text.len() as u32).to_le_bytes()[..length];
        let bytes = [&b"\x93NUMPY"[..], &[major, 0], count, text.as_bytes(), b"data"].concat();
        let mut rest = &bytes[..];
        let header = NpyHeader::read(&mut rest).unwrap();
        assert_eq!((header.element, header.fortran_order), (element(">f8"), true));
        assert_eq!((&header.shape[..], header.elements()), (&[2, 3][..], 6));
        assert_eq!((header.bytes, rest), (bytes.len() as u64 - 4, &b"data"[..]));
    }
}

#[test]
fn numbers_of_every_type_are_read_in_both_byte_orders() {
    for (kind, numbers, big) in [
        ("b1", [1.0, 0.0, 1.0], vec![1, 0, 7]),
        ("u1", [1.0, 0.0, 255.0], vec![1, 0, 255]),
        ("i1", [1.0, 0.0, -1.0], vec![1, 0, 255]),
        ("u2", [1.0, 256.0, 65535.0], vec![0, 1, 1, 0, 255, 255]),
        ("i2", [1.0, 256.0, -2.0], vec![0, 1, 1, 0, 255, 254]),
        ("u4", [1.0, 65536.0, 4294967295.0], [1u32, 65536, u32::MAX].map(u32::to_be_bytes).concat()),
        ("i4", [1.0, 65536.0, -3.0], [1i32, 65536, -3].map(i32::to_be_bytes).concat()),
        ("u8", [1.0, 4294967296.0, 0.0], [1u64, 1 << 32, 0].map(u64::to_be_bytes).concat()),
        ("i8", [1.0, 4294967296.0, -4.0], [1i64, 1 << 32, -4].map(i64::to_be_bytes).concat()),
        ("f2", [1.0, -2.0, 65504.0], vec![0x3c, 0, 0xc0, 0, 0x7b, 0xff]),
        ("f4", [1.0, -2.5, 1e10], [1f32, -2.5, 1e10].map(f32::to_be_bytes).concat()),
        ("f8", [1.0, -2.5, 1e100], [1f64, -2.5, 1e100].map(f64::to_be_bytes).concat()),
    ] {
        let size = element(&format!(">{kind}")).bytes();
        let little: Vec<u8> = big.chunks(size).flat_map(|number| number.iter().rev().copied()).collect();
        for (order, data) in [('>', &big), ('<', &little)] {
            let element = element(&format!("{order}{kind}"));
            assert_eq!(element.numbers(data).collect::<Vec<_>>(), numbers, "{order}{kind}");
            assert_eq!(data.len(), 3 * element.bytes());
        }
    }
    for descr in ["<c8", "<f16", "<M8[s]", "|S4", "<U2", "|O", "|V8", "f4", ""] {
        assert_eq!(Element::named(descr), None, "{descr}");
    }
}

#[test]
fn damaged_headers_say_what_is_wrong() {
    let shape = |shape: &str| format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    for (text, words) in [
        (shape("(4294967296, 4294967296, 4294967296, 1)"), "more values than any file"),
        (shape("(18446744073709551615, 0, 2, 2)"), "more values than any file"),
        (shape("(99999999999999999999999, 1)"), "'99999999999999999999999' is no length"),
        (shape("(0xff, 2)"), "'x' where"),
        (shape("(-1, 1)"), "'' is no length"),
        (shape("(1_0, 1)"), "'_' where"),
        (shape("[1, 1]"), "'[' where '('"),
        (shape("((1), 1)"), "'' is no length"),
        (shape("(1, 1"), "'' is no length"),
        (shape("(1 1)"), "'1' where ')'"),
        (format!("{}{}", shape("()"), shape("()")), "text after its end"),
        ("{'descr': '|u1', 'fortran_order': False, }".into(), "no entry 'shape'"),
        ("{'descr': '|u1', 'descr': '|u1', 'shape': ()}".into(), "two entries 'descr'"),
        ("{'descr': '|u1', 'fortran_order': 0, 'shape': ()}".into(), "neither True nor False"),
        ("{'descr': [('x', '<f4')], 'fortran_order': False}".into(), "records"),
        ("{'sh\\x61pe': (1, 1)}".into(), "unusual characters"),
        ("{'strides': (1, 1)}".into(), "an entry 'strides'"),
        ("{'descr: 3".into(), "without an end"),
        ("(".repeat(4000), "'(' where '{'"),
        (String::new(), "it ends where '{'"),
        (shape("(1, 1)").replace("|u1", "<c8"), "'<c8', but numbers are needed: bool, int8"),
        (shape("(1, 1)").replace("|u1", ""), "type ''"),
        (shape("(1, 1)").replace("|u1", "|O"), "'|O'"),
    ] {
        let error = read(&with_text(&text)).unwrap_err();
        assert!(error.contains(words), "{text:?}: {error}");
        assert!(!error.contains('\n') && error.len() < 300, "{error}");
    }
    assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").unwrap_err().contains("4294967295 bytes"));
    assert!(read(b"\x93NUMPY\x04\x00\x00\x00").unwrap_err().contains("version 4.0"));
    assert!(read(b"GIF89a and so on").unwrap_err().contains("no .npy file"));
    assert!(read(&with_text("\u{e9}")).is_err());
    assert!(read(b"\x93NUMPY\x01\x00\x01\x00\xff").unwrap_err().contains("no text"));
    let whole = with_text(&shape("(1, 1)"));
    for length in 0..whole.len() {
        let words = if length < 6 { "no .npy file" } else { "ends within the header" };
        assert!(read(&whole[..length]).unwrap_err().contains(words), "{length}");
    }
}

#[test]
fn a_file_has_exactly_the_length_of_its_data() {
    let bytes = NpyHeader::encode_single(&[2, 3]);
    let header = read(&bytes).unwrap();
    header.expect_file_length(bytes.len() as u64 + 24).unwrap();
    assert!(header.expect_file_length(bytes.len() as u64 + 23).unwrap_err().contains("truncated"));
    assert!(header.expect_file_length(bytes.len() as u64 + 25).unwrap_err().contains("followed by"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_here_and_elsewhere(shape in prop::collection::vec(0usize..1000, 0..6)) {
        let bytes = NpyHeader::encode_single(&shape);
        let header = read(&bytes).unwrap();
        prop_assert_eq!(&header.shape, &shape);
        prop_assert_eq!(header.bytes, bytes.len() as u64);
        let theirs = npyz::NpyHeader::from_reader(&bytes[..]).unwrap();
        let axes: Vec<usize> = theirs.shape().iter().map(|&axis| axis as usize).collect();
        prop_assert_eq!(axes, shape);
        prop_assert_eq!(theirs.dtype().descr(), "'<f4'");
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\PC\n]{0,60}", at in 0usize..80, byte: u8) {
        let _ = read(&with_text(&text));
        let mut bytes = NpyHeader::encode_single(&[20, 4, 64, 64]);
        bytes[at] = byte;
        let _ = read(&bytes);
    }
}
