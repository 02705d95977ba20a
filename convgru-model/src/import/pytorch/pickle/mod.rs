//! Pickles, protocols 0 to 5, as a table of plain values.
//!
//! A pickle is a program for a small stack machine that calls functions and builds objects. Here nothing
//! is called or built: a call is written down as an [`Object`] with the name of its function and its
//! arguments, and what it means is decided by whoever reads the table.
//!
//! Values lie in one table and refer to each other by their place in it. Shared values are read once, a value
//! may contain itself, and neither reading nor dropping goes deeper into the call stack for deeper values.

mod cursor;
mod machine;

use std::borrow::Cow;

use crate::error::{Error, Result};

/// The most memory that the values of a pickle may take: half a million of them. Checkpoints of large models have some
/// hundred thousand.
const MAX_MEMORY: usize = 36 << 20;

/// The most values on the stack, and the most marks among them.
const MAX_STACK: usize = 1 << 20;
const MAX_MARKS: usize = 1 << 16;

/// Values of a part of the table. A table in parts never takes memory twice, as one that moves when it grows does.
const PART: usize = 1 << 12;

/// The longest name of a function or class, in bytes.
const MAX_NAME: usize = 512;

/// The place of a value in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

impl Id {
    /// Its number, for tables beside the table of the values.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value of a pickle.
#[derive(Debug, PartialEq)]
pub(super) enum PickleValue<'a> {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer of up to 16 bytes.
    Int(i128),
    /// An integer of more bytes than anything read here needs.
    LargeInt,
    /// A floating point number.
    Float(f64),
    /// A text.
    Str(Cow<'a, str>),
    /// Bytes, or a text of Python 2 that is no UTF-8.
    Bytes(Cow<'a, [u8]>),
    /// A list or a set.
    List(Vec<Id>),
    /// A tuple or a frozen set.
    Tuple(Vec<Id>),
    /// A dictionary: keys with their values, in the order they were set.
    Dict(Vec<(Id, Id)>),
    /// Something kept outside the pickle, under this identifier.
    Persistent(Id),
    /// The name of a function or class: two texts, of its module and within it.
    Global(Id, Id),
    /// A call that was not made.
    Object(Box<Object>),
}

/// A call that was not made, and what would have been done with its result.
#[derive(Debug, PartialEq)]
pub(super) struct Object {
    /// What would have been called: mostly a [`PickleValue::Global`].
    pub(super) callee: Id,
    /// Its arguments: mostly a [`PickleValue::Tuple`].
    pub(super) arguments: Id,
    /// What would have become its attributes.
    pub(super) state: Option<Id>,
    /// What would have been appended to it.
    pub(super) elements: Vec<Id>,
    /// What would have been set in it by key.
    pub(super) entries: Vec<(Id, Id)>,
}

/// The values of a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Table<'a>,
    root: Id,
}

/// Values by their places.
#[derive(Debug, Default)]
struct Table<'a> {
    /// All but the last have [`PART`] values.
    parts: Vec<Vec<PickleValue<'a>>>,
}

impl<'a> Table<'a> {
    fn len(&self) -> usize {
        self.parts.last().map_or(0, |last| (self.parts.len() - 1) * PART + last.len())
    }

    fn push(&mut self, value: PickleValue<'a>) -> Id {
        let id = Id(self.len() as u32);
        match self.parts.last_mut() {
            Some(last) if last.len() < PART => last.push(value),
            _ => {
                let mut part = Vec::with_capacity(PART);
                part.push(value);
                self.parts.push(part);
            }
        }
        id
    }

    fn get(&self, id: Id) -> &PickleValue<'a> {
        &self.parts[id.index() / PART][id.index() % PART]
    }

    fn get_mut(&mut self, id: Id) -> &mut PickleValue<'a> {
        &mut self.parts[id.index() / PART][id.index() % PART]
    }
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that begins at byte `start`, and says where it ends.
    ///
    /// # Errors
    /// [`Error::WeightFile`] with the offset of the first byte that makes no sense.
    pub(super) fn read(bytes: &'a [u8], start: usize) -> Result<(Self, usize)> {
        machine::run(bytes, start)
    }

    /// The value that the pickle stands for.
    pub(super) fn root(&self) -> Id {
        self.root
    }

    /// The value at a place of the table.
    pub(super) fn get(&self, id: Id) -> &PickleValue<'a> {
        self.values.get(id)
    }

    /// All values, in the order in which they appear.
    pub(super) fn values(&self) -> impl Iterator<Item = &PickleValue<'a>> {
        self.values.parts.iter().flatten()
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The elements of a list or tuple.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            PickleValue::List(elements) | PickleValue::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// A text.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            PickleValue::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The module and the name of a function or class, which have at most [`MAX_NAME`] bytes.
    pub(super) fn global(&self, id: Id) -> Option<[&str; 2]> {
        match self.get(id) {
            PickleValue::Global(module, name) => Some([self.text(*module)?, self.text(*name)?]),
            _ => None,
        }
    }

    /// The identifier of something that is kept outside the pickle.
    pub(super) fn persistent(&self, id: Id) -> Option<Id> {
        match self.get(id) {
            PickleValue::Persistent(id) => Some(*id),
            _ => None,
        }
    }

    /// An integer that counts or measures something in memory.
    pub(super) fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            PickleValue::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// What is wrong at a byte of the file.
fn refuse(at: usize, what: impl std::fmt::Display) -> Error {
    Error::WeightFile { reason: format!("pickle, byte {at}: {what}") }
}

#[cfg(test)]
mod tests;
