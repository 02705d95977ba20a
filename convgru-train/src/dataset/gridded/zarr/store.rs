//! The keys of a Zarr store and the bytes behind them: files of a folder, or members of a zip archive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, FileReader, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder};

use crate::dataset::gzip::read_at_most;
use crate::dataset::source::is_hidden;
use crate::printable::escaped;
use crate::read_budget::{Kept, ReadBudget};
use crate::{Error, Result, input};

/// Bytes that are kept for a member of an archive, besides its name.
const MEMBER_BYTES: usize = 192;
/// Names in a folder that are looked at.
const MOST_NAMES: usize = 100_000;

/// A store that was found.
pub(super) struct Store {
    path: PathBuf,
    content: Content,
}

enum Content {
    Folder,
    Archive {
        archive: ZipArchive<FileReader>,
        members: BTreeMap<String, Member>,
        /// The names of the members.
        _names: Kept,
    },
}

struct Member {
    method: CompressionMethod,
    place: ZipArchiveEntryWayfinder,
}

/// Which of the bytes of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// All, of which there may be so many.
    All(u64),
    /// The first ones.
    First(u64),
    /// The last ones.
    Last(u64),
    /// Some, from a place on.
    At(u64, u64),
}

impl Part {
    /// Where the part begins and how many bytes it has, of `length`; what is wrong where there is no such part.
    fn within(self, length: u64) -> std::result::Result<(u64, u64), String> {
        let (start, count) = match self {
            Self::All(most) if length > most => {
                return Err(format!("has {length} bytes, but at most {most} are possible"));
            }
            Self::All(_) => (0, length),
            Self::First(count) => (0, count),
            Self::Last(count) => (length.saturating_sub(count), count),
            Self::At(start, count) => (start, count),
        };
        match start.checked_add(count) {
            Some(end) if end <= length => Ok((start, count)),
            _ => Err(format!(
                "has {length} bytes, but {count} from byte {start} on are needed; fetch it again"
            )),
        }
    }
}

impl Store {
    /// Opens a folder, or an archive and its list of members.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is no archive, [`Error::Memory`] if its list takes too much.
    pub(super) fn open(path: &Path, budget: &ReadBudget) -> Result<Self> {
        let content = if input::is_folder(path)? { Content::Folder } else { archive(path, budget)? };
        Ok(Self { path: path.into(), content })
    }

    /// The path of the store.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of a key, whose parts are names in a folder; `None` where there is no such key.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be read, [`Error::Format`] if there are not as many as are asked for.
    pub(super) fn get(&self, key: &str, part: Part) -> Result<Option<Vec<u8>>> {
        let refuse = |reason: String| {
            let reason = format!("{} {reason}", escaped(key));
            Error::Format { path: self.path.clone(), reason }
        };
        match &self.content {
            Content::Folder => {
                let path = key.split('/').fold(self.path.clone(), |path, name| path.join(name));
                self.bytes_of_file(&path, part, &refuse)
            }
            Content::Archive { archive, members, .. } => match members.get(key) {
                Some(member) => self.bytes_of_member(archive, member, part, &refuse).map(Some),
                None => Ok(None),
            },
        }
    }

    fn bytes_of_file(
        &self,
        path: &Path,
        part: Part,
        refuse: &dyn Fn(String) -> Error,
    ) -> Result<Option<Vec<u8>>> {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        if found.is_dir() {
            return Ok(None);
        }
        let mut file = input::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let (start, count) = part.within(length).map_err(refuse)?;
        file.seek(SeekFrom::Start(start)).map_err(Error::io("read", path))?;
        let mut bytes = input::zeros(count as usize).map_err(Error::io("read", path))?;
        file.read_exact(&mut bytes)
            .map_err(|error| input::failed(path, &error, || input::is_damaged(&error)))?;
        Ok(Some(bytes))
    }

    fn bytes_of_member(
        &self,
        archive: &ZipArchive<FileReader>,
        member: &Member,
        part: Part,
        refuse: &dyn Fn(String) -> Error,
    ) -> Result<Vec<u8>> {
        let entry = archive.get_entry(member.place);
        let entry = entry.map_err(|error| {
            input::failed(&self.path, &error, || {
                escaped(&format!("has a member that cannot be found ({error})")).into()
            })
        })?;
        match member.method {
            CompressionMethod::STORE => {
                let (begin, end) = entry.compressed_data_range();
                let (start, count) = part.within(end.saturating_sub(begin)).map_err(refuse)?;
                let mut bytes = input::zeros(count as usize).map_err(Error::io("read", &self.path))?;
                let read = archive.get_ref().read_exact_at(&mut bytes, begin.saturating_add(start));
                read.map_err(|error| input::failed(&self.path, &error, || input::is_damaged(&error)))?;
                Ok(bytes)
            }
            CompressionMethod::DEFLATE => {
                let length = member.place.uncompressed_size_hint();
                let (start, count) = part.within(length).map_err(refuse)?;
                let most = usize::try_from(start.saturating_add(count)).unwrap_or(usize::MAX);
                let mut bytes = read_at_most(DeflateDecoder::new(entry.reader()), most)
                    .map_err(|error| input::failed(&self.path, &error, || input::is_damaged(&error)))?;
                if bytes.len() < most {
                    return Err(refuse(format!(
                        "unpacks to {} bytes, but {length} are announced; fetch it again",
                        bytes.len()
                    )));
                }
                Ok(bytes.split_off(start as usize))
            }
            other => {
                Err(refuse(format!("is compressed by {other:?}, but stored or deflated members are read")))
            }
        }
    }

    /// The names of the folders in a folder of the store, whose path is empty for the outermost. Hidden ones are left out.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if there are too many.
    pub(super) fn folders(&self, within: &str) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let mut add = |name: &str| {
            names.insert(name.to_owned());
            match names.len() > MOST_NAMES {
                true => Err(Error::Format {
                    path: self.path.clone(),
                    reason: format!("holds more than {MOST_NAMES} folders in {}", escaped(within)),
                }),
                false => Ok(()),
            }
        };
        match &self.content {
            Content::Folder => {
                let folder = self.path.join(within);
                for entry in std::fs::read_dir(&folder).map_err(Error::io("open", &folder))? {
                    let path = entry.map_err(Error::io("read", &folder))?.path();
                    // A name that is no text belongs to no node.
                    let name = path.file_name().and_then(|name| name.to_str());
                    if let Some(name) = name.filter(|_| !is_hidden(&path) && path.is_dir()) {
                        add(name)?;
                    }
                }
            }
            Content::Archive { members, .. } => {
                let prefix = if within.is_empty() { String::new() } else { format!("{within}/") };
                let inside = members.range(prefix.clone()..).map_while(|(key, _)| key.strip_prefix(&prefix));
                for (name, _) in inside.filter_map(|key| key.split_once('/')) {
                    if !name.starts_with('.') && !name.is_empty() {
                        add(name)?;
                    }
                }
            }
        }
        Ok(names)
    }
}

/// An archive and its list of members. Of several members of one name the last counts, as for every reader of zip archives.
fn archive(path: &Path, budget: &ReadBudget) -> Result<Content> {
    let file = input::open(path).map_err(Error::io("open", path))?;
    let damaged = |error: rawzip::Error| {
        input::failed(path, &error, || escaped(&format!("is no intact zip archive ({error})")).into())
    };
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(damaged)?;
    let mut names = budget.keep(path, 0)?;
    let mut members = BTreeMap::new();
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let Ok(name) = std::str::from_utf8(entry.file_path().as_ref()).map(str::to_owned) else { continue };
        names.more(path, (MEMBER_BYTES + name.len()) as u64)?;
        members.insert(name, Member { method: entry.compression_method(), place: entry.wayfinder() });
    }
    Ok(Content::Archive { archive, members, _names: names })
}
