//! The form since PyTorch 1.6: a zip archive with `data.pkl`, `byteorder` and `data/<name of storage>`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rawzip::{CompressionMethod, ZipArchive};

use super::super::pickle::Pickle;
use super::contents::{Archive, refuse};
use crate::error::Result;

pub(super) fn open(bytes: &[u8]) -> Result<Archive<'_>> {
    let entries = entries(bytes)?;
    let folder = folder(&entries)?;
    let entry = |name: &str| {
        entries.get_key_value(&*format!("{folder}{name}")).map(|(name, &place)| stored(bytes, name, place))
    };
    let big_endian = match entry("byteorder").transpose()? {
        None | Some((_, b"little")) => false,
        Some((_, b"big")) => true,
        Some((at, other)) => {
            let found = String::from_utf8_lossy(&other[..other.len().min(16)]).into_owned();
            return Err(refuse(format!(
                "byte {at}: the order of bytes is `{found}`; little or big is needed"
            )));
        }
    };
    let (start, data) = entry("data.pkl").transpose()?.unwrap_or_default();
    // The pickle is read in place: offsets in errors count from the start of the file.
    let (pickle, _) = Pickle::read(&bytes[..start + data.len()], start)?;
    let mut storages = BTreeMap::new();
    for (name, &place) in &entries {
        if let Some(key) = name.strip_prefix(folder).and_then(|name| name.strip_prefix("data/")) {
            storages.insert(Cow::Owned(key.to_owned()), stored(bytes, name, place)?.1);
        }
    }
    Ok(Archive { pickle, storages, big_endian })
}

/// Other kinds of archives: the ending of an entry's name, and the advice for an error.
const HINTS: [(&str, &str); 2] = [
    (
        ".npy",
        "; it is an archive of NumPy (.npz): write it by `safetensors.numpy.save_file(dict(numpy.load(FILE)), \"weights.safetensors\")`",
    ),
    (
        "model.weights.h5",
        "; it is a model of Keras (.keras): write its arrays by `safetensors.numpy.save_file({v.path: v.numpy() for v in \
         keras.models.load_model(FILE).weights}, \"weights.safetensors\")`",
    ),
];

/// What the names of entries begin with.
fn folder(entries: &Entries) -> Result<&str> {
    let mut folders = entries.keys().filter_map(|name| {
        let folder = name.strip_suffix("data.pkl")?;
        (folder.is_empty() || folder.find('/') == Some(folder.len() - 1)).then_some(folder)
    });
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder),
        (Some(one), Some(other)) => Err(refuse(format!(
            "the zip archive has both `{one}data.pkl` and `{other}data.pkl`; torch.save writes one"
        ))),
        (None, _) => {
            let names: Vec<&str> = entries.keys().map(|name| &**name).take(6).collect();
            let hint = HINTS.iter().find(|(end, _)| entries.keys().any(|name| name.ends_with(end)));
            Err(refuse(format!(
                "the zip archive has no `data.pkl`, so torch.save did not write it; it begins with: {}{}",
                names.join(", "),
                hint.map_or("", |(_, hint)| hint)
            )))
        }
    }
}

/// Where the data of an entry begins and ends, and how it is compressed.
type Place = (usize, usize, CompressionMethod);

/// The places of entries by name.
type Entries = BTreeMap<Box<str>, Place>;

/// All entries by name. Names that are no UTF-8 belong to nothing that is read.
fn entries(bytes: &[u8]) -> Result<Entries> {
    let refused = |error: rawzip::Error| {
        let length = bytes.len();
        refuse(format!("the zip archive of {length} bytes is damaged or cut short ({error}); fetch it again"))
    };
    let archive = ZipArchive::from_slice(bytes).map_err(refused)?;
    let mut entries = BTreeMap::new();
    let mut directory = archive.entries();
    while let Some(record) = directory.next_entry().map_err(refused)? {
        let (start, end) = archive.get_entry(record.wayfinder()).map_err(refused)?.compressed_data_range();
        let path = record.file_path();
        let Ok(name) = std::str::from_utf8(path.as_ref()) else {
            continue;
        };
        let entry = (start as usize, end as usize, record.compression_method());
        if entries.insert(name.into(), entry).is_some() {
            return Err(refuse(format!("the zip archive has two entries `{name}`")));
        }
    }
    Ok(entries)
}

/// The bytes of an entry and where they begin. Checksums are not looked at: `torch.save` may leave them out.
fn stored<'a>(bytes: &'a [u8], name: &str, (start, end, compression): Place) -> Result<(usize, &'a [u8])> {
    if compression != CompressionMethod::STORE {
        return Err(refuse(format!(
            "entry `{name}` is compressed ({compression}); torch.save does not compress, unpack and pack it again \
             with `zip -0`"
        )));
    }
    match bytes.get(start..end) {
        Some(data) => Ok((start, data)),
        None => {
            Err(refuse(format!("entry `{name}` is said to be in bytes {start} to {end} of {}", bytes.len())))
        }
    }
}
