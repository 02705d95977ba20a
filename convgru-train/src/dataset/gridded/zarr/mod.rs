//! Stores of Zarr, version 2 and version 3: a folder, or a zip archive of one, with arrays in groups.
//!
//! Names of groups and arrays come from the store. None of them leads out of it.

mod array;
mod codecs;
mod json;
mod kept;
mod metadata;
mod shards;
mod store;
mod texts;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(super) use self::array::ZarrArray;
use self::codecs::Layout;
use self::metadata::ArrayMetadata;
use self::store::{Part, Store};
use super::{Attributes, Dimension, VariableInfo};
use crate::printable::escaped;
use crate::{Error, ReadBudget, Result};

/// The most bytes of metadata behind a key.
const LONGEST_METADATA: u64 = 1 << 21;
/// How deep groups may lie in groups.
const DEEPEST: usize = 16;
/// Groups and arrays of a store that are looked at.
const MOST_NODES: usize = 10_000;

/// A store whose outermost group was read.
pub(super) struct Zarr {
    store: Arc<Store>,
    budget: ReadBudget,
    version: u64,
    /// The metadata of all groups and arrays by their keys, or by their paths in version 3, where the outermost group has them.
    consolidated: Option<Map<String, Value>>,
}

/// A group or an array.
struct Node {
    attributes: Map<String, Value>,
    /// The metadata of an array.
    array: Option<Map<String, Value>>,
}

impl Zarr {
    /// Opens a store.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if there are no metadata, or they are damaged.
    pub(super) fn open(path: &Path, budget: &ReadBudget) -> Result<Self> {
        let store = Store::open(path, budget)?;
        let mut made =
            Self { store: Arc::new(store), budget: budget.clone(), version: 3, consolidated: None };
        if let Some(mut root) = made.object("zarr.json")? {
            made.consolidated =
                match root.remove("consolidated_metadata").as_mut().and_then(|own| own.get_mut("metadata")) {
                    Some(Value::Object(own)) => Some(std::mem::take(own)),
                    _ => None,
                };
            return Ok(made);
        }
        made.version = 2;
        if let Some(mut all) = made.object(".zmetadata")? {
            if let Some(Value::Object(own)) = all.get_mut("metadata") {
                made.consolidated = Some(std::mem::take(own));
            }
            return Ok(made);
        }
        if made.object(".zgroup")?.is_none() && made.object(".zarray")?.is_none() {
            let reason =
                "has none of the files of metadata of Zarr: zarr.json, .zmetadata, .zgroup and .zarray";
            return Err(Error::Format { path: path.into(), reason: reason.into() });
        }
        Ok(made)
    }

    /// The JSON object behind a key.
    fn object(&self, key: &str) -> Result<Option<Map<String, Value>>> {
        let refuse = |reason: String| {
            let reason =
                format!("has the metadata {}, which {}; fetch it again", escaped(key), escaped(&reason));
            Error::Format { path: self.store.path().into(), reason }
        };
        let Some(bytes) = self.store.get(key, Part::All(LONGEST_METADATA))? else { return Ok(None) };
        match json::value(&bytes).map_err(refuse)? {
            Value::Object(own) => Ok(Some(own)),
            _ => Err(refuse("are no object".into())),
        }
    }

    /// The group or array at a path; `None` where there is none.
    fn node(&self, path: &str) -> Result<Option<Node>> {
        let path = path.trim_matches('/');
        if !path.is_empty() && !path.split('/').all(is_name) {
            return Ok(None);
        }
        let key = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if self.version == 2 {
            let get = |name: &str| match self.consolidated.as_ref().and_then(|all| all.get(&key(name))) {
                Some(Value::Object(own)) => Ok(Some(own.clone())),
                _ => self.object(&key(name)),
            };
            let array = get(".zarray")?;
            if array.is_none() && get(".zgroup")?.is_none() {
                return Ok(None);
            }
            return Ok(Some(Node { attributes: get(".zattrs")?.unwrap_or_default(), array }));
        }
        let own = match self.consolidated.as_ref().and_then(|all| all.get(path)) {
            Some(Value::Object(own)) => Some(own.clone()),
            _ => self.object(&key("zarr.json"))?,
        };
        let Some(mut own) = own else { return Ok(None) };
        let attributes = match own.remove("attributes") {
            Some(Value::Object(attributes)) => attributes,
            _ => Map::new(),
        };
        let is_array = own.get("node_type").and_then(Value::as_str) == Some("array");
        Ok(Some(Node { attributes, array: is_array.then_some(own) }))
    }

    fn metadata(&self, own: &Map<String, Value>) -> std::result::Result<ArrayMetadata, String> {
        if self.version == 2 { ArrayMetadata::of_version_2(own) } else { ArrayMetadata::of_version_3(own) }
    }

    /// Whether there is an array at a path.
    ///
    /// # Errors
    /// [`Error::Format`] if its metadata cannot be read.
    pub(super) fn has(&self, path: &str) -> Result<bool> {
        Ok(self.node(path)?.is_some_and(|node| node.array.is_some()))
    }

    /// The attributes of a group; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Format`] if its metadata cannot be read.
    pub(super) fn attributes(&self, group: &str) -> Result<Option<Attributes>> {
        let node = self.node(group)?;
        Ok(node.map(|node| Attributes::new(self.store.path(), group, node.attributes)))
    }

    /// The names of the groups in a group.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if they cannot be read.
    pub(super) fn groups(&self, group: &str) -> Result<Vec<String>> {
        let within = group.trim_matches('/');
        let path = |name: &str| if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
        let is_group = |name: &String| matches!(self.node(&path(name)), Ok(Some(Node { array: None, .. })));
        Ok(self.children(within)?.into_iter().filter(is_group).collect())
    }

    /// The names in a group.
    fn children(&self, group: &str) -> Result<Vec<String>> {
        let Some(all) = &self.consolidated else {
            return Ok(self.store.folders(group)?.into_iter().collect());
        };
        let prefix = if group.is_empty() { String::new() } else { format!("{group}/") };
        let inside = all.keys().filter_map(|key| key.strip_prefix(&prefix));
        let names = inside.filter_map(|key| match (key.split_once('/'), self.version) {
            (Some((name, _)), _) => Some(name),
            (None, 3) => Some(key),
            (None, _) => None,
        });
        let names: std::collections::BTreeSet<&str> = names.filter(|name| is_name(name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// All arrays. One whose metadata cannot be read is listed with the reason.
    ///
    /// # Errors
    /// [`Error::Io`] if a folder cannot be read, [`Error::Format`] if there are more than can be looked at.
    pub(super) fn variables(&self) -> Result<Vec<VariableInfo>> {
        let mut listed = Vec::new();
        let mut left = vec![(String::new(), 0)];
        let mut count = 0;
        while let Some((path, depth)) = left.pop() {
            count += 1;
            if count + left.len() > MOST_NODES {
                let reason =
                    format!("holds more than {MOST_NODES} groups and arrays; give a store with fewer");
                return Err(Error::Format { path: self.store.path().into(), reason });
            }
            match self.node(&path) {
                Ok(Some(Node { array: Some(own), .. })) => listed.push(self.listed(&path, &own)),
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => listed.push(VariableInfo {
                    path,
                    shape: Vec::new(),
                    kind: None,
                    unreadable: Some(match error {
                        Error::Format { reason, .. } => reason,
                        other => other.to_string(),
                    }),
                }),
                Ok(node) => {
                    // A folder without metadata is a group of older versions, or none.
                    let is_group = node.is_some() || path.is_empty();
                    if is_group && depth < DEEPEST {
                        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
                        let inner = self
                            .children(&path)?
                            .into_iter()
                            .map(|name| (format!("{prefix}{name}"), depth + 1));
                        left.extend(inner);
                    }
                }
            }
        }
        Ok(listed)
    }

    fn listed(&self, path: &str, own: &Map<String, Value>) -> VariableInfo {
        let path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        let unreadable = |reason| VariableInfo {
            path: path.clone(),
            shape: Vec::new(),
            kind: None,
            unreadable: Some(reason),
        };
        let metadata = match self.metadata(own) {
            Ok(metadata) => metadata,
            Err(reason) => return unreadable(reason),
        };
        let shape: Option<Vec<usize>> =
            metadata.shape.iter().map(|&axis| usize::try_from(axis).ok()).collect();
        match (shape, metadata.kind, metadata.layout) {
            (None, _, _) => unreadable(format!("announces the shape {:?}", metadata.shape)),
            (Some(_), Ok(_), Err(reason)) => unreadable(reason),
            (Some(shape), kind, _) => VariableInfo { path, shape, kind: kind.ok(), unreadable: None },
        }
    }

    /// The array at a path, with its attributes and what its axes are called.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none, it holds no numbers, or a codec is not read.
    pub(super) fn variable(&self, path: &str) -> Result<(ZarrArray, Attributes, Vec<Option<Dimension>>)> {
        let path = path.trim_matches('/');
        let refuse = |reason: String| {
            let reason = escaped(&reason).into_owned();
            Error::Format { path: self.store.path().into(), reason }
        };
        let node = self.node(path)?;
        let Some(Node { attributes, array: Some(own) }) = node else {
            return Err(refuse(format!("holds no array {path}")));
        };
        let metadata = self.metadata(&own).map_err(|reason| refuse(format!("{path} {reason}")))?;
        let dimensions = self.dimensions(path, &metadata, &attributes);
        let told = self.told(path, &metadata, attributes);
        let array = ZarrArray::new(self.store.clone(), path, metadata, &self.budget)?;
        Ok((array, told, dimensions))
    }

    /// The texts of an array with one axis of a length, each of at most `longest` characters in as many bytes; `None` where it holds none that
    /// can be read.
    pub(super) fn texts(&self, path: &str, length: usize, longest: usize) -> Option<Vec<String>> {
        let own = self.node(path).ok()??.array?;
        let Some(characters) = texts::of_characters(&own, self.version) else {
            return self.texts_of_any_length(path, &own, (length, longest));
        };
        let width = match characters.shape[..] {
            [own, width] if own == length as u64 => usize::try_from(width).ok()?,
            _ => return None,
        };
        if width > longest {
            return None;
        }
        let array =
            ZarrArray::new(self.store.clone(), path.trim_matches('/'), characters, &self.budget).ok()?;
        let numbers = array.slice(&[(0, length), (0, width)]).ok()?;
        let text = |of_one: &[f64]| {
            let text =
                of_one.iter().map(|&number| char::from_u32(number as u32)).collect::<Option<String>>()?;
            Some(text.trim_matches(['\0', ' ']).to_owned())
        };
        numbers.chunks_exact(width).map(text).collect()
    }

    /// As [`texts`](Self::texts), of texts of any length.
    fn texts_of_any_length(
        &self,
        path: &str,
        own: &Map<String, Value>,
        (length, longest): (usize, usize),
    ) -> Option<Vec<String>> {
        let metadata = texts::of_any_length(own, self.version)?;
        let (&[shape], &[side], Ok(Layout::Chunk(codecs))) =
            (&metadata.shape[..], &metadata.chunk[..], &metadata.layout)
        else {
            return None;
        };
        let side = usize::try_from(side).ok().filter(|&side| side > 0 && shape == length as u64)?;
        // At the end of the array a chunk may be filled up with texts.
        let most = side.checked_mul(longest.checked_add(4)?)?.checked_add(4)?;
        let _working = self.budget.work(self.store.path(), 2 * most as u64).ok()?;
        let path = path.trim_matches('/');
        let mut found = Vec::new();
        for place in 0..length.div_ceil(side) {
            let key = metadata.keys.key(&[place as u64]);
            let key = if path.is_empty() { key } else { format!("{path}/{key}") };
            let packed = self.store.get(&key, Part::All(most as u64)).ok()??;
            let texts = texts::parsed(&codecs.bytes_unpacked(packed, most).ok()?, longest)?;
            if texts.len() < side.min(length - place * side) {
                return None;
            }
            found.extend(texts);
        }
        found.truncate(length);
        Some(found)
    }

    /// The attributes of an array, among them the numbers that stand for none and the unit of times.
    fn told(&self, path: &str, metadata: &ArrayMetadata, mut attributes: Map<String, Value>) -> Attributes {
        let missing = metadata.missing(&attributes);
        if missing.is_some() {
            attributes.remove("_FillValue");
        }
        if let Some(unit) = &metadata.unit {
            attributes.entry("units").or_insert_with(|| unit.clone().into());
        }
        Attributes::new(self.store.path(), path, attributes)
            .with_numbers("_FillValue", missing.unwrap_or_default())
    }

    /// What the axes of an array are called, and their coordinates: arrays of these names in its group or those around it.
    fn dimensions(
        &self,
        path: &str,
        metadata: &ArrayMetadata,
        attributes: &Map<String, Value>,
    ) -> Vec<Option<Dimension>> {
        let of_xarray = attributes.get("_ARRAY_DIMENSIONS").and_then(Value::as_array);
        let names: Vec<Option<String>> = match of_xarray {
            Some(list) => list.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            None => metadata.dimension_names.clone(),
        };
        if names.len() != metadata.shape.len() {
            return Vec::new();
        }
        names
            .into_iter()
            .map(|name| Some(self.dimension(path, name.filter(|name| !name.is_empty())?)))
            .collect()
    }

    fn dimension(&self, path: &str, name: String) -> Dimension {
        let mut group = path;
        while is_name(&name) && !group.is_empty() {
            group = group.rsplit_once('/').map_or("", |(outer, _)| outer);
            let coordinate = format!("{group}/{name}").trim_start_matches('/').to_owned();
            // A coordinate that cannot be read tells nothing.
            let Ok(Some(Node { attributes, array: Some(own) })) = self.node(&coordinate) else { continue };
            let Ok(metadata) = self.metadata(&own) else { continue };
            if metadata.shape.len() == 1 {
                let told = self.told(&coordinate, &metadata, attributes);
                return Dimension {
                    name,
                    other_names: Vec::new(),
                    variable: Some(coordinate),
                    coordinates: Some(told),
                };
            }
        }
        Dimension { name, other_names: Vec::new(), variable: None, coordinates: None }
    }
}

/// Whether a text is the name of a group or an array: one that leads nowhere else.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0'])
}
