//! Files of `torch.save`, whose pickles are programs.

use convgru_model::Result;
use convgru_model::import::{NamedTensors, named_tensors};

use crate::memory::within_the_rule;

/// A file in the form before PyTorch 1.6 around a pickle, with a list of storages and these.
fn legacy(pickle: &[u8], keys: &[u8], storages: &[u8]) -> Vec<u8> {
    let begin = &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}."[..];
    [begin, pickle, b".", keys, b".", storages].concat()
}

/// A zip archive of stored entries.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let little = |numbers: &[(usize, usize)]| -> Vec<u8> {
        numbers.iter().flat_map(|&(number, width)| number.to_le_bytes()[..width].to_vec()).collect()
    };
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let at = bytes.len();
        let common = [(0, 2), (0, 4), (0, 4), (data.len(), 4), (data.len(), 4), (name.len(), 2), (0, 2)];
        bytes.extend(little(&[(0x0403_4b50, 4), (10, 2), (0, 2)]));
        bytes.extend(little(&common));
        bytes.extend(name.bytes().chain(data.iter().copied()));
        directory.extend(little(&[(0x0201_4b50, 4), (10, 2), (10, 2), (0, 2)]));
        directory.extend(little(&common));
        directory.extend(little(&[(0, 2), (0, 2), (0, 2), (0, 4), (at, 4)]));
        directory.extend(name.bytes());
    }
    let (at, count) = (bytes.len(), entries.len().min(0xffff));
    bytes.extend(&directory);
    bytes.extend(little(&[
        (0x0605_4b50, 4),
        (0, 2),
        (0, 2),
        (count, 2),
        (count, 2),
        (directory.len(), 4),
        (at, 4),
        (0, 2),
    ]));
    bytes
}

/// Reads a pickle in both forms, each within the rule.
#[track_caller]
fn read(pickle: &[u8]) -> Result<NamedTensors> {
    let zipped = zip(&[("a/data.pkl".into(), [pickle, b"."].concat())]);
    let in_zip = within_the_rule(&zipped, named_tensors);
    let in_legacy = within_the_rule(&legacy(pickle, b"]", &[]), named_tensors);
    assert_eq!(in_zip.is_ok(), in_legacy.is_ok());
    in_legacy
}

#[track_caller]
fn refused(pickle: &[u8]) -> String {
    read(pickle).unwrap_err().to_string()
}

/// A text, put on the stack and kept.
fn text(text: &str, key: u32) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes(), b"r", &key.to_le_bytes()].concat()
}

/// A tensor of storage `s` with some elements over and over.
fn tensor(elements: u32) -> Vec<u8> {
    let size = [b"J", &elements.to_le_bytes()[..]].concat();
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01sU\x03cpuK\x01tQK\x00",
        &size[..],
        b"\x85K\x00\x85\x89NtR",
    ]
    .concat()
}

#[test]
fn names_of_functions_are_not_joined() {
    // 10 MB that name a function by two texts of 250 bytes, 1.7 million times.
    let long = "m".repeat(250);
    let begin = [text(&long, 0), text(&long, 1), b"0".repeat(2)].concat();
    let pickle = [&begin[..], &b"h\x00h\x01\x930".repeat(1_700_000), b"N"].concat();
    assert!(refused(&pickle).contains("its values take more than 36 MiB"));
    let pickle = [&begin[..], &b"h\x00h\x01\x930".repeat(400_000), b"N"].concat();
    read(&pickle).unwrap();
}

#[test]
fn dictionaries_in_each_other_are_read_in_the_time_of_their_length() {
    // Calls of OrderedDict with long lists of no pairs, each of which is in the next many times.
    for length in [20_000, 150_000] {
        let list = [b"](".to_vec(), b"N".repeat(length), b"e".to_vec()].concat();
        let dictionary = [b"ccollections\nOrderedDict\nq\x01", &list[..], b"q\x02\x85Rq\x03"].concat();
        let shared = [b"]q\x04(".to_vec(), b"h\x03".repeat(length), b"e".to_vec()].concat();
        let error = refused(&[dictionary, b"0".to_vec(), shared].concat());
        assert!(error.contains("shared so often"), "{error}");
    }
    // 300 kB and 2.2 MB of dictionaries within each other as keys and values.
    for levels in [10_000, 70_000] {
        let mut pickle = b"ccollections\nOrderedDict\nq\x00)R".to_vec();
        for _ in 0..levels {
            pickle.extend(b"q\x01h\x00](h\x01h\x01\x86h\x01h\x01\x86e\x85R");
        }
        refused(&pickle);
    }
}

#[test]
fn shared_values_do_not_multiply() {
    for level in
        [&b"2\x86"[..], b"q\x000]h\x00ah\x00ah\x00a", b"q\x000}(K\x00h\x00K\x01h\x00u", b"2\x862\x862\x86"]
    {
        let pickle = [&b"]"[..], &level.repeat(60)].concat();
        let error = refused(&pickle);
        assert!(error.contains("shared so often"), "{error}");
    }
    // One list, filled with itself and again.
    let pickle = [&b"]q\x00"[..], &b"h\x00a".repeat(1_000_000)].concat();
    read(&pickle).unwrap();
    let objects = [&b"cm\nC\n)\x81q\x00}"[..], &b"h\x00h\x00s".repeat(300_000), b"b"].concat();
    read(&objects).unwrap();
    // Objects whose state is one long dictionary.
    let state = [&b"}q\x00("[..], &b"NN".repeat(100_000), b"u0"].concat();
    let pickle = [&state[..], b"](", &b"cm\nC\n)\x81h\x00b".repeat(60_000), b"e"].concat();
    assert!(refused(&pickle).contains("shared so often"));
}

#[test]
fn names_of_tensors_take_no_more_than_their_limits() {
    let numbers = 1.5f32.to_le_bytes();
    let storages = [&1u64.to_le_bytes()[..], &numbers].concat();
    // A text of a megabyte as the key of thousands of dictionaries.
    let long = "n".repeat(1 << 20);
    let pickle = [&text(&long, 0)[..], b"0", &b"}h\x00".repeat(100), &tensor(1), &b"s".repeat(100)].concat();
    let bytes = legacy(&pickle, b"]U\x01sa", &storages);
    let error = within_the_rule(&bytes, named_tensors).unwrap_err().to_string();
    assert!(error.contains("more than 65536 bytes"), "{error}");
    let name = "n".repeat(60_000);
    let one = [&text(&name, 0)[..], b"0", &tensor(1), b"r\x01\0\0\x000"].concat();
    let pickle = [&one[..], b"](", &b"}h\x00h\x01s".repeat(100_000), b"e"].concat();
    let bytes = legacy(&pickle, b"]U\x01sa", &storages);
    let error = within_the_rule(&bytes, named_tensors).unwrap_err().to_string();
    assert!(error.contains("names of tensors take more than 12 MiB"), "{error}");
    // What is skipped has names as well.
    let pickle =
        [&text(&name, 0)[..], b"0cnumpy\narray\n)Rq\x010](", &b"}h\x00h\x01s".repeat(100_000), b"e"].concat();
    assert!(refused(&pickle).contains("names of tensors take more than 12 MiB"));
}

#[test]
fn tensors_that_share_a_storage_take_no_more_than_the_file() {
    let storages = [&1u64.to_le_bytes()[..], &1.5f32.to_le_bytes()].concat();
    for (elements, times) in
        [(2_000_000_000, 1), (2_000_000, 2), (60_000, 100_000), (0, 400_000), (1, 400_000)]
    {
        let one = [&tensor(elements)[..], b"q\x01"].concat();
        let pickle = [b"](", &one[..], &b"h\x01".repeat(times), b"e"].concat();
        let bytes = legacy(&pickle, b"]U\x01sa", &storages);
        let error = within_the_rule(&bytes, named_tensors).unwrap_err().to_string();
        assert!(error.contains("leaves room for") || error.contains("names of tensors"), "{error}");
    }
}

#[test]
fn stacks_marks_and_kept_values_have_limits() {
    assert!(refused(&b"N".repeat(20_000_000)).contains("values on the stack"));
    assert!(refused(&b"(".repeat(20_000_000)).contains("marks"));
    assert!(refused(&b"]".repeat(20_000_000)).contains("values on the stack"));
    assert!(refused(&[&b"N"[..], &b"\x94".repeat(20_000_000)].concat()).contains("MiB"));
    assert!(refused(&b"I1\n0".repeat(5_000_000)).contains("MiB"));
    assert!(refused(&b"c\n\n0".repeat(5_000_000)).contains("MiB"));
    assert!(refused(&b"(io\ns\n0".repeat(2_000_000)).contains("MiB"));
    let kept: Vec<u8> = (0..3_000_000u32).flat_map(|i| [b"r", &i.to_le_bytes()[..]].concat()).collect();
    assert!(refused(&[b"N", &kept[..]].concat()).contains("MiB"));
    assert!(refused(&format!("S'{}'\n0", "\\\\".repeat(20)).repeat(900_000).into_bytes()).contains("MiB"));
    // Numbers of many digits.
    read(format!("L{}L\n", "7".repeat(5_000_000)).as_bytes()).unwrap();
    read(format!("F{}\n", "7".repeat(5_000_000)).as_bytes()).unwrap();
    read(&[&b"\x8b\x80\x84\x1e\x00"[..], &b"\x01".repeat(2_000_000)].concat()).unwrap();
}

#[test]
fn deep_values_do_not_go_deep_into_the_call_stack() {
    for (open, close) in [("]", "a"), ("(", "t"), ("N", "\u{1}")] {
        let depth = 60_000;
        let pickle = match open {
            "N" => [&b"N"[..], &b"\x85".repeat(depth)].concat(),
            "(" => [open.repeat(depth), "N".into(), close.repeat(depth)].concat().into_bytes(),
            _ => [open.repeat(depth), close.repeat(depth - 1)].concat().into_bytes(),
        };
        assert!(refused(&pickle).contains("levels deep"));
    }
}

#[test]
fn many_entries_and_storages_take_no_more_than_their_bytes() {
    let mut entries: Vec<(String, Vec<u8>)> = vec![("data.pkl".into(), b"N.".to_vec())];
    entries.extend((0..60_000).map(|i| (format!("data/{i:x}"), Vec::new())));
    within_the_rule(&zip(&entries), named_tensors).unwrap();
    let keys: Vec<u8> = (0..200_000).flat_map(|i| format!("V{i:x}\n").into_bytes()).collect();
    let keys = [b"](", &keys[..], b"e"].concat();
    let error = within_the_rule(&legacy(b"N", &keys, &[0; 1 << 20]), named_tensors).unwrap_err().to_string();
    assert!(error.contains("belongs to no tensor"), "{error}");
}

#[test]
fn a_storage_under_a_name_of_a_megabyte_is_none() {
    let long = "k".repeat(1 << 20);
    let storage =
        [&text(&long, 0)[..], b"0](", &b"(U\x07storagectorch\nFloatStorage\nh\x00NNtQ".repeat(40_000), b"e"];
    read(&storage.concat()).unwrap();
}
