//! Names for the tensors of a pickle: the paths through what was saved.

use std::collections::HashSet;

use convgru_kernels::Scalar;

use super::archive::Archive;
use super::pickle::{Id, Object, PickleValue};
use super::storage::StorageRef;
use super::tensors::{self, Rebuilt};
use crate::error::{Error, Result};
use crate::import::NamedTensors;
use crate::tensor::Tensor;

/// How deep dictionaries and modules may lie in each other.
const MAX_DEPTH: usize = 200;

/// How much there may be to do for each byte of a file, and for a file of any size: each value that is looked at costs
/// [`VISIT`], each name its bytes. Values that are shared are visited once for each path, of which a small file may have
/// very many.
const WORK: usize = 16;
const FREE_WORK: usize = 1 << 24;

/// What looking at a value adds to the work, beside the name.
const VISIT: usize = 16;

/// Elements that a file may have beyond one for every two bytes, the size of the smallest elements. Tensors may repeat elements of
/// their storage.
const FREE_ELEMENTS: usize = 1 << 21;

/// The longest name of a tensor, in bytes.
const MAX_PATH: usize = 1 << 16;

/// The most memory for names and reasons, in bytes: enough for 40,000 tensors.
const MAX_NAMES: usize = 12 << 20;

/// What a tensor takes beside its name and its numbers, in a list that may have room for as many again and moves when it
/// grows, and in the search for names that are there twice.
const ENTRY: usize = 4 * size_of::<(String, Tensor<f64>)>();

/// Finds all tensors in a file of `length` bytes.
///
/// # Errors
/// [`Error::WeightFile`] for tensors that go beyond the file, and for more than the limits allow.
pub(super) fn tensors<T: Scalar>(archive: &Archive<'_>, length: usize) -> Result<NamedTensors<T>> {
    let mut walk = Walk {
        archive,
        path: String::new(),
        active: vec![false; archive.pickle.len()],
        work: length.saturating_mul(WORK).saturating_add(FREE_WORK),
        room: length / 2 + FREE_ELEMENTS,
        names: MAX_NAMES,
        found: NamedTensors::empty(),
    };
    walk.visit(archive.pickle.root(), 0)?;
    let mut names = HashSet::new();
    if let Some((name, _)) = walk.found.tensors.iter().find(|(name, _)| !names.insert(name)) {
        return Err(refuse(format!("two tensors are named `{name}`")));
    }
    Ok(walk.found)
}

struct Walk<'f, T> {
    archive: &'f Archive<'f>,
    /// The name of what is visited.
    path: String,
    /// What is being visited, by its place among the values: values may contain themselves.
    active: Vec<bool>,
    /// What remains to be spent.
    work: usize,
    /// How many more elements tensors may have.
    room: usize,
    /// The bytes that names may still take.
    names: usize,
    found: NamedTensors<T>,
}

impl<T: Scalar> Walk<'_, T> {
    fn visit(&mut self, id: Id, depth: usize) -> Result<()> {
        let value = self.archive.pickle.get(id);
        let holds_others = matches!(
            value,
            PickleValue::List(_)
                | PickleValue::Tuple(_)
                | PickleValue::Dict(_)
                | PickleValue::Object(_)
                | PickleValue::Persistent(_)
        );
        self.spend(if holds_others { VISIT } else { 1 })?;
        if !holds_others || self.active[id.index()] {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(refuse(format!("`{}` lies more than {MAX_DEPTH} levels deep", self.shown_path())));
        }
        self.active[id.index()] = true;
        match value {
            PickleValue::List(elements) | PickleValue::Tuple(elements) => self.elements(elements, depth)?,
            PickleValue::Dict(entries) => self.entries(entries.iter().copied().map(Some), depth)?,
            PickleValue::Object(object) => self.object(object, depth)?,
            PickleValue::Persistent(storage) => {
                if let Some(storage) = StorageRef::of(&self.archive.pickle, *storage) {
                    self.skip(format!("storage `{}` is used by no tensor that is known here", storage.key))?;
                }
            }
            _ => {}
        }
        self.active[id.index()] = false;
        Ok(())
    }

    /// Visits a value under a longer name.
    fn visit_below(&mut self, name: &str, id: Id, depth: usize) -> Result<()> {
        self.spend(name.len() + 1)?;
        let length = self.path.len();
        if length + name.len() >= MAX_PATH {
            let shown = self.shown_path();
            return Err(refuse(format!("a name below `{shown}` has more than {MAX_PATH} bytes")));
        }
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        self.visit(id, depth + 1)?;
        self.path.truncate(length);
        Ok(())
    }

    fn elements(&mut self, elements: &[Id], depth: usize) -> Result<()> {
        elements
            .iter()
            .enumerate()
            .try_for_each(|(index, &id)| self.visit_below(&index.to_string(), id, depth))
    }

    /// Visits values under their keys. What is no pair is looked at and left.
    fn entries(&mut self, pairs: impl Iterator<Item = Option<(Id, Id)>>, depth: usize) -> Result<()> {
        let mut index = 0;
        for pair in pairs {
            self.spend(1)?;
            let Some((key, id)) = pair else { continue };
            match self.archive.pickle.get(key) {
                PickleValue::Str(name) => self.visit_below(name, id, depth)?,
                PickleValue::Int(number) => self.visit_below(&number.to_string(), id, depth)?,
                _ => self.visit_below(&format!("#{index}"), id, depth)?,
            }
            index += 1;
        }
        Ok(())
    }

    fn object(&mut self, object: &Object, depth: usize) -> Result<()> {
        let pickle = &self.archive.pickle;
        let arguments = pickle.sequence(object.arguments).unwrap_or_default();
        match pickle.global(object.callee).unwrap_or_default() {
            ["torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"] => self.tensor(object.arguments),
            ["torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state"] => {
                arguments.first().map_or(Ok(()), |&data| self.visit(data, depth + 1))
            }
            ["collections", "OrderedDict"] => {
                // Python 2 gives pairs to the call; attributes say nothing about tensors.
                let pairs = arguments.first().and_then(|&pairs| pickle.sequence(pairs)).unwrap_or_default();
                let pair = |&pair| match pickle.sequence(pair) {
                    Some(&[key, value]) => Some((key, value)),
                    _ => None,
                };
                self.entries(pairs.iter().map(pair), depth)?;
                self.entries(object.entries.iter().copied().map(Some), depth)
            }
            [module, name]
                if module == "numpy"
                    || module.starts_with("numpy.")
                    || module == "torch._utils" && name.starts_with("_rebuild") =>
            {
                self.skip(format!(
                    "it is made by `{module}.{name}`, which is not read{}",
                    instead(module, name)
                ))
            }
            _ => self.opaque(object, arguments, depth),
        }
    }

    /// An object of a class that is not known: a module by what it trains, others by all they hold.
    fn opaque(&mut self, object: &Object, arguments: &[Id], depth: usize) -> Result<()> {
        let pickle = &self.archive.pickle;
        if let Some(state) = object.state
            && let PickleValue::Dict(entries) = pickle.get(state)
        {
            self.spend(VISIT * entries.len())?;
            let attribute = |name: &str| {
                entries
                    .iter()
                    .rev()
                    .find(|&&(key, _)| pickle.text(key) == Some(name))
                    .map(|&(_, value)| value)
            };
            let parts = ["_parameters", "_buffers", "_modules"].map(attribute);
            if parts[0].is_some() && parts[2].is_some() {
                return parts.into_iter().flatten().try_for_each(|part| self.visit(part, depth + 1));
            }
        }
        self.elements(arguments, depth)?;
        self.entries(object.entries.iter().copied().map(Some), depth)?;
        self.elements(&object.elements, depth)?;
        object.state.map_or(Ok(()), |state| self.visit(state, depth + 1))
    }

    fn tensor(&mut self, arguments: Id) -> Result<()> {
        match tensors::rebuild(self.archive, arguments, self.shown_path(), self.room)? {
            Rebuilt::Tensor(tensor) => {
                self.name(0)?;
                self.room -= tensor.len();
                self.found.tensors.push((self.path.clone(), tensor));
                Ok(())
            }
            Rebuilt::Skipped(reason) => self.skip(reason),
        }
    }

    fn skip(&mut self, reason: String) -> Result<()> {
        self.name(reason.len())?;
        self.found.skipped.push((self.path.clone(), reason));
        Ok(())
    }

    /// Takes memory for the name of what is visited, and for so many bytes of a reason.
    fn name(&mut self, reason: usize) -> Result<()> {
        match self.names.checked_sub(ENTRY + self.path.len() + reason) {
            Some(rest) => self.names = rest,
            None => {
                let most = MAX_NAMES >> 20;
                return Err(refuse(format!(
                    "names of tensors take more than {most} MiB; values may be shared"
                )));
            }
        }
        Ok(())
    }

    fn spend(&mut self, work: usize) -> Result<()> {
        match self.work.checked_sub(work) {
            Some(rest) => self.work = rest,
            None => {
                let what = format!(
                    "`{}`: values are shared so often that there is no end of names",
                    self.shown_path()
                );
                return Err(refuse(what));
            }
        }
        Ok(())
    }

    /// The name of what is visited, not longer than a line of an error.
    fn shown_path(&self) -> &str {
        let end = (0..=self.path.len().min(200)).rev().find(|&end| self.path.is_char_boundary(end));
        &self.path[..end.unwrap_or(0)]
    }
}

/// The advice what to save in place of the result of a function.
fn instead(module: &str, name: &str) -> &'static str {
    match name {
        "_rebuild_qtensor" => ": save `tensor.dequantize()` in place of the quantised tensor",
        "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" => {
            ": save `tensor.to_dense()` in place of the sparse tensor"
        }
        _ if name.starts_with("_rebuild_meta_tensor") => {
            ": a tensor of the device `meta` has no numbers; load the weights before saving them"
        }
        _ if module.starts_with("numpy") => ": save `torch.from_numpy(array)` in place of the array of NumPy",
        _ => "",
    }
}

fn refuse(what: String) -> Error {
    Error::WeightFile { reason: format!("pickle: {what}") }
}
