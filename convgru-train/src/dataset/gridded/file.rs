//! A file and the tree in it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, FileStorage, Hdf5File, OpenOptions};

use super::inflate::Limit;
use super::netcdf3::{self, Netcdf3};
use super::number::kind;
use super::signature::Signature;
use super::zarr::Zarr;
use super::{Attributes, Variable, VariableInfo, dimensions, is_store, names, variable};
use crate::dataset::caught::caught;
use crate::{Error, ReadBudget, Result, input};

/// How deep groups may lie in groups.
const DEEPEST: usize = 16;
/// Groups and datasets of a file that are looked at.
const MOST_DATASETS: usize = 10_000;
/// Texts of a dataset that are read.
const MOST_TEXTS: usize = 1 << 16;
/// Bytes of such a text.
const LONGEST_TEXT: usize = 64;
/// Bytes of the header of an object: its attributes, shape and type. Headers of real files have a few KiB.
const LONGEST_HEADER: usize = 1 << 22;

/// A file of HDF5 or netCDF, or a store of Zarr.
pub(in crate::dataset) struct GriddedFile {
    path: PathBuf,
    budget: ReadBudget,
    content: Content,
}

/// A file as its library opened it.
enum Content {
    /// With what the filters of its chunks may make of them.
    Hdf5(Hdf5File, Limit),
    /// One group, whose path is empty.
    Netcdf3(Arc<Netcdf3>),
    Zarr(Zarr),
}

impl GriddedFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is neither HDF5 nor netCDF, or damaged.
    pub(in crate::dataset) fn open(path: &Path, budget: &ReadBudget) -> Result<Self> {
        if is_store(path) {
            let content = Content::Zarr(Zarr::open(path, budget)?);
            return Ok(Self { path: path.into(), budget: budget.clone(), content });
        }
        if let Signature::Netcdf3(format) = Signature::of(path)? {
            let content = Content::Netcdf3(Arc::new(Netcdf3::open(path, format)?));
            return Ok(Self { path: path.into(), budget: budget.clone(), content });
        }
        let limit = Limit::default();
        let most = usize::try_from(budget.most_working()).unwrap_or(usize::MAX);
        let options = OpenOptions::default()
            .with_max_read_bytes(most)
            .with_max_chunk_bytes(most)
            .with_max_object_header_bytes(LONGEST_HEADER)
            .with_filter_registry(limit.filters())
            .with_chunk_cache_bytes(variable::kept_chunks(budget));
        let file = input::open(path).map_err(Error::io("open", path))?;
        let file = caught(path, || {
            FileStorage::from_file(file)
                .and_then(|storage| Hdf5File::from_storage_with_options(Arc::new(storage), options))
                .map_err(|error| damaged(path, "", error))
        })?;
        Ok(Self { path: path.into(), budget: budget.clone(), content: Content::Hdf5(file, limit) })
    }

    /// The path of the file.
    pub(in crate::dataset) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether netCDF wrote the file: its variables are filled with default values then.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(in crate::dataset) fn is_netcdf(&self) -> Result<bool> {
        Ok(match &self.content {
            Content::Netcdf3(_) => true,
            Content::Zarr(_) => false,
            Content::Hdf5(..) => {
                let named = self.path.extension().is_some_and(|own| own.eq_ignore_ascii_case("nc"));
                named || self.attributes("")?.is_some_and(|own| own.has("_NCProperties"))
            }
        })
    }

    /// The attributes of a group; `None` where there is no such group.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(in crate::dataset) fn attributes(&self, group: &str) -> Result<Option<Attributes>> {
        let found = match &self.content {
            Content::Hdf5(file, _) => caught(&self.path, || self.group(file, group))?,
            Content::Zarr(zarr) => return zarr.attributes(group),
            Content::Netcdf3(classic) => {
                let own = || Attributes::new(&self.path, group, classic.attributes().iter().cloned());
                return Ok(group.is_empty().then(own));
            }
        };
        let Some(found) = found else { return Ok(None) };
        let attributes =
            caught(&self.path, || found.attributes().map_err(|error| damaged(&self.path, group, error)))?;
        Ok(Some(Attributes::new(&self.path, group, attributes)))
    }

    /// The names of the groups in a group, in natural order; none where there is no such group.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(in crate::dataset) fn groups(&self, group: &str) -> Result<Vec<String>> {
        let mut names = match &self.content {
            Content::Hdf5(file, _) => {
                let names = || {
                    let Some(found) = self.group(file, group)? else { return Ok(Vec::new()) };
                    Ok(found.member_names().map_err(|error| damaged(&self.path, group, error))?.0)
                };
                caught(&self.path, names)?
            }
            Content::Netcdf3(_) => return Ok(Vec::new()),
            Content::Zarr(zarr) => zarr.groups(group)?,
        };
        names.sort_by(|a, b| crate::dataset::source::natural_order::compare(a, b));
        Ok(names)
    }

    /// Whether there is a dataset at a path. Nothing else in the file is looked at.
    ///
    /// # Errors
    /// [`Error::Format`] if it cannot be read.
    pub(in crate::dataset) fn has(&self, path: &str) -> Result<bool> {
        match &self.content {
            Content::Hdf5(file, _) => caught(&self.path, || match file.dataset(path) {
                Ok(_) => Ok(true),
                Err(error) if is_absence(&error) => Ok(false),
                Err(error) => Err(damaged(&self.path, path, error)),
            }),
            Content::Netcdf3(classic) => Ok(classic.variable(path).is_ok()),
            Content::Zarr(zarr) => zarr.has(path),
        }
    }

    /// All datasets of the file, in the order of their paths.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged, or has more than can be looked at.
    pub(in crate::dataset) fn datasets(&self) -> Result<Vec<VariableInfo>> {
        self.listing(false)
    }

    /// All datasets of the file, those among them that cannot be read at all with the reason.
    ///
    /// # Errors
    /// [`Error::Format`] if a group cannot be read, or the file has more than can be looked at.
    pub(in crate::dataset) fn readable_and_other_datasets(&self) -> Result<Vec<VariableInfo>> {
        self.listing(true)
    }

    fn listing(&self, takes_unreadable: bool) -> Result<Vec<VariableInfo>> {
        let mut listed = match &self.content {
            Content::Hdf5(file, _) => caught(&self.path, || self.walked(file, takes_unreadable))?,
            Content::Netcdf3(classic) => classic.variables().collect(),
            Content::Zarr(zarr) => zarr.variables()?,
        };
        listed.sort_by(|a, b| crate::dataset::source::natural_order::compare(&a.path, &b.path));
        Ok(listed)
    }

    /// The datasets of a tree of groups, in any order.
    fn walked(&self, file: &Hdf5File, takes_unreadable: bool) -> Result<Vec<VariableInfo>> {
        let root = file.root_group().map_err(|error| damaged(&self.path, "", error))?;
        let mut listed = Vec::new();
        let mut seen = HashSet::from([root.address()]);
        let mut groups = vec![(String::new(), root, 0)];
        while let Some((prefix, group, depth)) = groups.pop() {
            let names = match group.member_names() {
                Err(_) if takes_unreadable => self.members(file, &prefix, &group)?,
                names => names.map_err(|error| match damaged(&self.path, &prefix, error) {
                    Error::Format { path, reason } => Error::Format {
                        path,
                        reason: format!(
                            "{reason}; a dataset that is named (data.frames.variable) is read without the others"
                        ),
                    },
                    other => other,
                })?,
            };
            self.expect_few(listed.len() + names.0.len() + names.1.len())?;
            let found: Vec<(String, hdf5_reader::error::Result<Dataset>)> = match group.datasets() {
                Ok(datasets) => datasets.into_iter().map(|own| (own.name().to_owned(), Ok(own))).collect(),
                // One of them cannot be read: which, and are the others?
                Err(_) => names.1.into_iter().map(|name| (name.clone(), group.dataset(&name))).collect(),
            };
            for (name, dataset) in found {
                listed.extend(self.listed(format!("{prefix}{}", last(&name)), dataset)?);
            }
            for name in names.0 {
                let inner = group.group(&name).map_err(|error| damaged(&self.path, &prefix, error))?;
                // A group may be linked into itself.
                if depth < DEEPEST && seen.insert(inner.address()) {
                    groups.push((format!("{prefix}{}/", last(&name)), inner, depth + 1));
                }
            }
            self.expect_few(groups.len() + listed.len())?;
        }
        Ok(listed)
    }

    /// The names of the groups in a group, and of everything else there.
    fn members(&self, file: &Hdf5File, prefix: &str, group: &Group) -> Result<(Vec<String>, Vec<String>)> {
        let names = names::names(file, group).map_err(|error| damaged(&self.path, prefix, error))?;
        self.expect_few(names.len())?;
        Ok(names.into_iter().partition(|name| group.group(name).is_ok()))
    }

    /// What is known of a dataset. One that cannot be read is listed with the reason, so that it does not keep the others from being
    /// read; a failing disk does.
    fn listed(
        &self,
        path: String,
        dataset: hdf5_reader::error::Result<Dataset>,
    ) -> Result<Option<VariableInfo>> {
        let dataset = match dataset {
            Ok(dataset) => dataset,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => {
                let reason = error.to_string();
                return match damaged(&self.path, &path, error) {
                    Error::Format { .. } => {
                        let unreadable = Some(reason);
                        Ok(Some(VariableInfo { path, shape: Vec::new(), kind: None, unreadable }))
                    }
                    other => Err(other),
                };
            }
        };
        if dimensions::is_without_variable(&dataset) {
            return Ok(None);
        }
        let shape = dataset.shape().iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<_>>();
        let kind = kind(dataset.dtype());
        Ok(shape.map(|shape| VariableInfo { path, shape, kind, unreadable: None }))
    }

    /// Refuses a file with more groups and datasets than are looked at.
    fn expect_few(&self, count: usize) -> Result<()> {
        if count <= MOST_DATASETS {
            return Ok(());
        }
        let reason = format!("holds more than {MOST_DATASETS} groups and datasets; give a file with fewer");
        Err(Error::Format { path: self.path.clone(), reason })
    }

    /// A dataset of numbers by its path.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none, or it holds no numbers.
    pub(in crate::dataset) fn variable(&self, path: &str) -> Result<Variable> {
        match &self.content {
            Content::Hdf5(file, limit) => caught(&self.path, || {
                let dataset = file.dataset(path).map_err(|error| damaged(&self.path, path, error))?;
                Variable::of_hdf5(&self.path, path, (file, dataset), (&self.budget, limit))
            }),
            Content::Netcdf3(classic) => Variable::of_classic(&self.path, path, classic.clone()),
            Content::Zarr(zarr) => Variable::of_zarr(&self.path, path, zarr.variable(path)?),
        }
    }

    /// The attributes of a dataset of any kind, such as a grid mapping; `None` where there is none that can be read.
    pub(in crate::dataset) fn variable_attributes(&self, path: &str) -> Option<Attributes> {
        Some(match &self.content {
            Content::Hdf5(file, _) => {
                let dataset = || file.dataset(path).map_err(|error| damaged(&self.path, path, error));
                caught(&self.path, || Ok(Attributes::new(&self.path, path, dataset()?.attributes()))).ok()?
            }
            Content::Netcdf3(classic) => {
                Attributes::new(&self.path, path, classic.variable(path).ok()?.attributes.iter().cloned())
            }
            Content::Zarr(zarr) => zarr.attributes(path).ok()??,
        })
    }

    /// The short texts of a dataset with one axis of a length, or of characters with a second axis along each text; `None` where it holds none
    /// that can be read.
    pub(in crate::dataset) fn texts(&self, path: &str, length: usize) -> Option<Vec<String>> {
        if !(1..=MOST_TEXTS).contains(&length) {
            return None;
        }
        let file = match &self.content {
            Content::Hdf5(file, _) => file,
            Content::Zarr(zarr) => return zarr.texts(path, length, LONGEST_TEXT),
            Content::Netcdf3(classic) => return classic.texts(path, length, LONGEST_TEXT),
        };
        caught(&self.path, || Ok(texts_of(file, path, length))).ok()?
    }

    fn group(&self, file: &Hdf5File, path: &str) -> Result<Option<Group>> {
        match file.group(path) {
            Ok(group) => Ok(Some(group)),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(damaged(&self.path, path, error)),
        }
    }
}

/// The texts of a dataset of HDF5.
fn texts_of(file: &Hdf5File, path: &str, length: usize) -> Option<Vec<String>> {
    const FIXED: u8 = 3;
    const VARIABLE: u8 = 9;
    let dataset = file.dataset(path).ok()?;
    let class = dataset.raw_datatype().ok()?.first()? & 15;
    let is_read = match *dataset.shape() {
        [own] => own == length as u64 && [FIXED, VARIABLE].contains(&class),
        [own, width] => own == length as u64 && width <= LONGEST_TEXT as u64 && class == FIXED,
        _ => false,
    };
    if !is_read {
        return None;
    }
    let raw = dataset.read_raw_bytes().ok()?;
    let each = raw.len() / length;
    let text = |bytes: &[u8]| {
        let bytes = if class == FIXED {
            bytes.to_vec()
        } else {
            dataset.resolve_vlen_reference_bytes(bytes, 1).ok()?
        };
        Some(netcdf3::text(&bytes))
    };
    // A text that lies elsewhere begins with its length.
    let bytes = |bytes: &[u8]| match class {
        FIXED => Some(bytes.len()),
        _ => Some(u32::from_le_bytes(*bytes.first_chunk()?) as usize),
    };
    let short = |own: &[u8]| if bytes(own)? <= LONGEST_TEXT { text(own) } else { None };
    if each == 0 { None } else { raw.chunks_exact(each).map(short).collect() }
}

/// Names may come with the path before them.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn is_absence(error: &hdf5_reader::error::Error) -> bool {
    use hdf5_reader::error::Error as Cause;
    match error {
        Cause::GroupNotFound(_) | Cause::DatasetNotFound(_) => true,
        Cause::Context { source, .. } => is_absence(source),
        _ => false,
    }
}

/// The error for what cannot be read at a path in a file.
pub(super) fn damaged(file: &Path, place: &str, error: hdf5_reader::error::Error) -> Error {
    let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
    // The library tells such a layout by its number alone.
    let is_virtual = error.to_string().contains("unsupported layout class 3");
    input::failed(file, &error, || {
        if is_virtual {
            return format!(
                "has a virtual dataset{place}, whose numbers lie in other datasets, and such a layout is not read: copy it with `h5repack`, or save \
                 its numbers as a dataset of their own"
            );
        }
        format!(
            "cannot be read{place} ({error}); if `h5dump` can, rewrite it with `h5repack`, otherwise fetch it again"
        )
    })
}
