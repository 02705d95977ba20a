use super::*;

fn read(bytes: &[u8]) -> Pickle<'_> {
    let (pickle, end) = Pickle::read(bytes, 0).unwrap();
    assert_eq!(end, bytes.len());
    pickle
}

fn error(bytes: &[u8]) -> String {
    Pickle::read(bytes, 0).unwrap_err().to_string()
}

/// What a value looks like in Python, for values that do not contain themselves.
fn shown(pickle: &Pickle<'_>, id: Id) -> String {
    let list = |ids: &[Id]| ids.iter().map(|&id| shown(pickle, id)).collect::<Vec<_>>().join(", ");
    let pairs = |pairs: &[(Id, Id)]| {
        let pair = |&(key, value): &(Id, Id)| format!("{}: {}", shown(pickle, key), shown(pickle, value));
        pairs.iter().map(pair).collect::<Vec<_>>().join(", ")
    };
    match pickle.get(id) {
        PickleValue::None => "None".into(),
        PickleValue::Bool(value) => format!("{value}"),
        PickleValue::Int(value) => format!("{value}"),
        PickleValue::LargeInt => "large".into(),
        PickleValue::Float(value) => format!("{value:?}"),
        PickleValue::Str(text) => format!("'{text}'"),
        PickleValue::Bytes(bytes) => format!("b{bytes:?}"),
        PickleValue::List(ids) => format!("[{}]", list(ids)),
        PickleValue::Tuple(ids) => format!("({})", list(ids)),
        PickleValue::Dict(entries) => format!("{{{}}}", pairs(entries)),
        PickleValue::Persistent(id) => format!("<{}>", shown(pickle, *id)),
        PickleValue::Global(..) => pickle.global(id).unwrap().join("."),
        PickleValue::Object(object) => {
            let call = format!("{}{}", shown(pickle, object.callee), shown(pickle, object.arguments));
            let state =
                object.state.map_or(String::new(), |state| format!(" state {}", shown(pickle, state)));
            format!("{call}[{}]{{{}}}{state}", list(&object.elements), pairs(&object.entries))
        }
    }
}

fn shown_root(bytes: &[u8]) -> String {
    let pickle = read(bytes);
    shown(&pickle, pickle.root())
}

#[test]
fn numbers_and_texts_of_every_protocol() {
    for (bytes, value) in [
        (&b"N."[..], "None"),
        (b"I01\n.", "true"),
        (b"\x89.", "false"),
        (b"I-12\n.", "-12"),
        (b"L123456789012345678901L\n.", "123456789012345678901"),
        (b"K\xff.", "255"),
        (b"M\x01\x02.", "513"),
        (b"J\xfe\xff\xff\xff.", "-2"),
        (b"\x8a\x02\x00\xff.", "-256"),
        (b"\x8a\x00.", "0"),
        (b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "119547037146038801333356"),
        (b"\x8b\x11\x00\x00\x0000000000000000000.", "large"),
        (b"F1.5\n.", "1.5"),
        (b"G\xbf\xf8\x00\x00\x00\x00\x00\x00.", "-1.5"),
        (b"S'it\\'s\\x21'\n.", "'it's!'"),
        (b"U\x02ab.", "'ab'"),
        (b"U\x01\xff.", "b[255]"),
        (b"T\x02\x00\x00\x00ab.", "'ab'"),
        (b"Vab\n.", "'ab'"),
        (b"X\x02\x00\x00\x00\xc3\xa4.", "'\u{e4}'"),
        (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x01a.", "'a'"),
        (b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.", "'a'"),
        (b"C\x01\x07.", "b[7]"),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00\x07.", "b[7]"),
    ] {
        assert_eq!(shown_root(bytes), value, "{}", bytes.escape_ascii());
    }
}

#[test]
fn containers_of_every_protocol() {
    for (bytes, value) in [
        (&b"(K\x01K\x02t."[..], "(1, 2)"),
        (b"(lp0\nI1\nag0\n0.", "[1]"),
        (b"(K\x01K\x02d.", "{1: 2}"),
        (b"]q\x00(K\x01NeK\x03a.", "[1, None, 3]"),
        (b"}(K\x01K\x02K\x03K\x04uK\x05K\x06s.", "{1: 2, 3: 4, 5: 6}"),
        (b"K\x01K\x02K\x03\x87.", "(1, 2, 3)"),
        (b"K\x01\x85\x940\x8f(h\x00\x90.", "[(1)]"),
        (b"(K\x01\x91.", "(1)"),
        (b"K\x01K\x02\x860K\x03.", "3"),
        (b"(K\x011K\x03.", "3"),
        (b"(0K\x03.", "3"),
        (b"K\x012\x86.", "(1, 1)"),
    ] {
        assert_eq!(shown_root(bytes), value, "{}", bytes.escape_ascii());
    }
}

#[test]
fn calls_are_written_down_and_not_made() {
    for (bytes, value) in [
        (&b"cos\nsystem\nU\x02ls\x85R."[..], "os.system('ls')[]{}"),
        (b"\x8c\x02os\x8c\x06system\x93U\x02ls\x85R.", "os.system('ls')[]{}"),
        (b"(U\x02lsios\nsystem\n.", "os.system('ls')[]{}"),
        (b"(cos\nsystem\nU\x02lso.", "os.system('ls')[]{}"),
        (b"cm\nC\n)\x81}b.", "m.C()[]{} state {}"),
        (b"cm\nC\n)}\x92.", "m.C((), {})[]{}"),
        (b"ccollections\nOrderedDict\n)RK\x01K\x02s.", "collections.OrderedDict()[]{1: 2}"),
        (b"cm\nList\n)RK\x01a.", "m.List()[1]{}"),
        (b"U\x01kQ.", "<'k'>"),
        (b"Pk\n.", "<'k'>"),
    ] {
        assert_eq!(shown_root(bytes), value, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_list_may_contain_itself() {
    let pickle = read(b"]q\x00h\x00a.");
    assert_eq!(pickle.sequence(pickle.root()), Some(&[pickle.root()][..]));
}

#[test]
fn errors_name_the_byte() {
    for (bytes, said) in [
        (&b""[..], "byte 0: 1 bytes are announced, 0 remain"),
        (b"NK", "byte 2: 1 bytes are announced, 0 remain"),
        (b"X\xff\xff\xff\xffab.", "byte 5: 4294967295 bytes are announced, 3 remain"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "18446744073709551615 bytes are announced, 1 remain"),
        (b"X\x02\x00\x00\x00a\xff.", "byte 6: a text is not UTF-8"),
        (b"N\x86.", "byte 1: an instruction needs a value"),
        (b".", "byte 0: an instruction needs a value"),
        (b"NN.", "byte 2: it ends with more than one value"),
        (b"N(N.", "byte 3: it ends with more than one value"),
        (b"N(a.", "byte 2: an instruction needs a value"),
        (b"t.", "byte 0: an instruction needs a mark"),
        (b"h\x07.", "byte 0: value 7 is recalled, but was never kept"),
        (b"\x80\x06N.", "byte 0: protocol 6; 0 to 5 are read"),
        (b"N\x97.", "byte 1: instruction 0x97"),
        (b"\x82\x01.", "byte 0: instruction 0x82"),
        (b"}(Nu.", "1 keys and values do not pair up"),
        (b"NNa.", "byte 2: values are put into one that holds no others"),
        (b"}}b.", "byte 2: values are put into one that holds no others"),
        (b"NN\x93.", "byte 2: the name of a function is no text"),
        (b"I1x\n.", "byte 1: a line is no whole number"),
        (b"Fx\n.", "byte 1: a line is no number"),
        (b"S'a\n.", "byte 1: a text has no quotes"),
        (b"Vab", "byte 1: a line does not end"),
    ] {
        let error = error(bytes);
        assert!(error.contains(said), "{}: {error}", bytes.escape_ascii());
    }
}

#[test]
fn deep_and_long_pickles_use_no_more_than_their_limits() {
    // Half a million lists in each other: neither reading nor dropping goes deeper for them.
    let mut bytes = b"]".repeat(500_000);
    bytes.extend(b"a".repeat(499_999));
    bytes.push(b'.');
    drop(read(&bytes));
    assert!(error(&b"]0".repeat(2_000_000)).contains("its values take more than 36 MiB"));
    assert!(
        error(&[b"N", &b"2".repeat(MAX_STACK)[..]].concat())
            .contains("more than 1048576 values on the stack")
    );
    assert!(error(&b"(".repeat(MAX_MARKS + 1)).contains("more than 65536 marks"));
    // Instructions that leave nothing behind may be as many as the file has bytes.
    drop(read(&[b"N", &b"20".repeat(5_000_000)[..], b"."].concat()));
    let name = "m".repeat(MAX_NAME);
    assert!(error(format!("c{name}\nC\n.").as_bytes()).contains("more than 512 bytes"));
}
