//! Archives of arrays, `.npz`: a zip archive of `.npy` files, read frame by frame.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder};

use super::array::VisitBlock;
use crate::input;
use crate::npy_header::NpyHeader;
use crate::printable::escaped;
use crate::{Error, Result};

/// No archive may have more members.
const MOST_MEMBERS: usize = 4096;
/// No frame may have more numbers.
const LARGEST_FRAME: usize = 1 << 27;

/// An archive of arrays.
pub(in crate::dataset) struct Npz {
    path: PathBuf,
    archive: ZipArchive<rawzip::FileReader>,
    members: Vec<Entry>,
}

struct Entry {
    name: String,
    method: CompressionMethod,
    /// Its bytes in the archive, at most the bytes of the file.
    packed: u64,
    place: ZipArchiveEntryWayfinder,
}

impl Npz {
    /// Opens an archive and reads its list of members.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Format`] if it is no archive.
    pub(in crate::dataset) fn open(path: &Path) -> Result<Self> {
        let file = input::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let damaged = |error: rawzip::Error| {
            input::failed(path, &error, || format!("is no intact .npz archive ({error})"))
        };
        let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
        let archive = ZipArchive::from_file(file, &mut buffer).map_err(damaged)?;
        let mut members = Vec::new();
        let mut entries = archive.entries(&mut buffer);
        while let Some(entry) = entries.next_entry().map_err(damaged)? {
            if members.len() >= MOST_MEMBERS {
                let reason = format!("has more than {MOST_MEMBERS} members");
                return Err(Error::Format { path: path.into(), reason });
            }
            let name = String::from_utf8_lossy(entry.file_path().as_ref()).into_owned();
            members.push(Entry {
                name,
                method: entry.compression_method(),
                packed: entry.compressed_size_hint().min(length),
                place: entry.wayfinder(),
            });
        }
        Ok(Self { path: path.into(), archive, members })
    }

    /// The names of the members.
    pub(in crate::dataset) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The member that holds the frames: the one that is named, or the only array.
    pub(super) fn chosen(&self, named: &str) -> std::result::Result<String, String> {
        let arrays: Vec<&str> = self.names().filter(|name| name.ends_with(".npy")).collect();
        let bare = |name: &str| name.trim_end_matches(".npy").to_owned();
        let found = match (named, &arrays[..]) {
            ("", [only]) => Some(*only),
            ("", _) => None,
            _ => arrays.iter().copied().find(|name| bare(name) == bare(named)),
        };
        found.map(str::to_owned).ok_or_else(|| {
            if arrays.is_empty() {
                return "holds no arrays: the name of none of its members ends with .npy".to_owned();
            }
            let shown: Vec<String> = arrays.iter().take(20).map(|name| short(&bare(name))).collect();
            format!(
                "holds the arrays {}; set data.frames.member (--variable of eval, predict and watch) to the one with the frames (it is \"{named}\")",
                shown.join(", ")
            )
        })
    }

    fn format(&self, reason: String) -> Error {
        Error::Format { path: self.path.clone(), reason: escaped(&reason).into_owned() }
    }

    fn member(&self, name: &str) -> Result<&Entry> {
        self.members.iter().find(|member| member.name == name).ok_or_else(|| {
            let names: Vec<String> = self.names().take(20).map(short).collect();
            self.format(format!("has no member {name}; it has {}", names.join(", ")))
        })
    }

    /// Calls `work` with the unpacked bytes of a member.
    fn unpacked<R>(&self, name: &str, work: impl FnOnce(&mut dyn Read) -> Result<R>) -> Result<R> {
        let member = self.member(name)?;
        let entry = self.archive.get_entry(member.place);
        let entry =
            entry.map_err(|error| self.failed(&error, || format!("{name} cannot be found ({error})")))?;
        match member.method {
            CompressionMethod::STORE => work(&mut entry.reader()),
            CompressionMethod::DEFLATE => work(&mut DeflateDecoder::new(entry.reader())),
            other => Err(self.format(format!(
                "{name} is compressed by {other:?}, but stored or deflated members are read"
            ))),
        }
    }

    /// As [`input::failed`], of this archive.
    fn failed(&self, error: &(dyn std::error::Error + 'static), reason: impl FnOnce() -> String) -> Error {
        input::failed(&self.path, error, || escaped(&reason()).into_owned())
    }

    /// The header of a member.
    ///
    /// # Errors
    /// [`Error::Format`] if there is no such member, it is no array, or an array of more numbers than it can unpack to.
    pub(in crate::dataset) fn header(&self, name: &str) -> Result<NpyHeader> {
        let header = self.unpacked(name, |source| self.header_of(name, source))?;
        let Entry { method, packed, .. } = *self.member(name)?;
        let most =
            packed.saturating_mul(if method == CompressionMethod::STORE { 1 } else { input::MOST_OF_A_BYTE });
        let needed = header.length();
        if needed > most {
            return Err(self.format(format!(
                "{name} announces shape {:?}, which takes {needed} bytes, but its {packed} bytes in the archive unpack to at \
                 most {most}; fetch the file again",
                header.shape
            )));
        }
        Ok(header)
    }

    fn header_of(&self, name: &str, source: &mut dyn Read) -> Result<NpyHeader> {
        let header = NpyHeader::read(&mut &mut *source);
        header.map_err(|unread| {
            unread.in_file(&self.path, |reason| escaped(&format!("{name} {reason}")).into())
        })
    }

    /// Calls `visit` with the numbers of some frames of `size` numbers, in ascending order of `wanted`.
    ///
    /// # Errors
    /// [`Error::Format`] if the member ends before them or is damaged; frames before the damage have
    /// been visited.
    pub(in crate::dataset) fn frames(
        &self,
        name: &str,
        size: usize,
        wanted: impl Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        if size > LARGEST_FRAME {
            let reason = format!("{name} has frames of {size} numbers, but {LARGEST_FRAME} are possible");
            return Err(self.format(reason));
        }
        self.unpacked(name, |source| {
            let element = self.header_of(name, source)?.element;
            let mut bytes = input::zeros(size * element.bytes()).map_err(Error::io("read", &self.path))?;
            let mut at = 0;
            for index in wanted {
                while at <= index {
                    source.read_exact(&mut bytes).map_err(|error| {
                        self.failed(&error, || {
                            format!("{name} is damaged or ends within frame {at} ({error})")
                        })
                    })?;
                    at += 1;
                }
                visit(&mut element.numbers(&bytes))?;
            }
            Ok(())
        })
    }
}

/// A name in an archive as it is printed, as long as one can read it.
fn short(name: &str) -> String {
    const LONGEST: usize = 200;
    escaped(&name.chars().take(LONGEST).collect::<String>()).into_owned()
}
