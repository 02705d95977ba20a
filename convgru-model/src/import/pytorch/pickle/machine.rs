//! The instructions of a pickle, of which none calls anything.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::cursor::{Cursor, decimal, old_text, quoted, signed, text};
use super::{Id, MAX_MARKS, MAX_MEMORY, MAX_NAME, MAX_STACK, Object, Pickle, PickleValue, Table, refuse};
use crate::error::{Error, Result};

/// Runs the instructions up to the one that ends the pickle.
pub(super) fn run(bytes: &[u8], start: usize) -> Result<(Pickle<'_>, usize)> {
    let mut machine = Machine {
        cursor: Cursor::new(bytes, start),
        at: start,
        values: Table::default(),
        room: MAX_MEMORY,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    for value in
        [PickleValue::None, PickleValue::Bool(false), PickleValue::Bool(true), PickleValue::Tuple(Vec::new())]
    {
        machine.values.push(value);
    }
    // Each instruction takes at least a byte, and time for the bytes and values that it takes.
    loop {
        machine.at = machine.cursor.at;
        if machine.step()? {
            let root = machine.pop()?;
            if !machine.stack.is_empty() || !machine.marks.is_empty() {
                return Err(machine.refuse("it ends with more than one value on the stack"));
            }
            return Ok((Pickle { values: machine.values, root }, machine.cursor.at));
        }
    }
}

/// Places of the values that every table begins with.
const NONE: Id = Id(0);
const FALSE: Id = Id(1);
const TRUE: Id = Id(2);
const EMPTY_TUPLE: Id = Id(3);

struct Machine<'a> {
    cursor: Cursor<'a>,
    /// Where the instruction began.
    at: usize,
    values: Table<'a>,
    /// The bytes that values may still take.
    room: usize,
    stack: Vec<Id>,
    /// Heights of the stack that instructions come back to.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
}

/// What a list takes for its first element, and for each: it may have room for as many again, and moves when it grows.
const LIST: usize = 4 * size_of::<Id>();
const ELEMENT: usize = 3 * size_of::<Id>();

/// What a value that is kept takes in the map of these.
const KEPT: usize = 32;

impl<'a> Machine<'a> {
    /// Runs one instruction and says whether it was the last.
    fn step(&mut self) -> Result<bool> {
        let instruction = self.cursor.byte()?;
        match instruction {
            b'.' => return Ok(true),
            // The protocol, and the length of what follows: neither changes what is read.
            0x80 => {
                let protocol = self.cursor.byte()?;
                if protocol > 5 {
                    return Err(self.refuse(format!("protocol {protocol}; 0 to 5 are read")));
                }
            }
            0x95 => drop(self.cursor.take(8)?),
            b'(' => self.mark()?,
            // A mark may be on top as well.
            b'0' if self.stack.len() == self.floor() && !self.marks.is_empty() => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.put(self.top()?)?,
            b'N' => self.put(NONE)?,
            0x88 => self.put(TRUE)?,
            0x89 => self.put(FALSE)?,
            b')' => self.put(EMPTY_TUPLE)?,
            b'p' | b'q' | b'r' | 0x94 => self.remember(instruction)?,
            b'g' | b'h' | b'j' => self.recall(instruction)?,
            b'P' | b'Q' => self.persistent(instruction)?,
            b'c' | 0x93 => self.global(instruction)?,
            b'R' | 0x81 | 0x92 | b'i' | b'o' => self.call(instruction)?,
            b'b' | b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(instruction)?,
            b']' | 0x8f => self.push(PickleValue::List(Vec::new()))?,
            b'}' => self.push(PickleValue::Dict(Vec::new()))?,
            b't' | b'l' | b'd' | 0x91 | 0x85..=0x87 => self.collect(instruction)?,
            _ => {
                let value = self.scalar(instruction)?;
                self.push(value)?;
            }
        }
        Ok(false)
    }

    /// Numbers, texts and bytes.
    fn scalar(&mut self, instruction: u8) -> Result<PickleValue<'a>> {
        let cursor = &mut self.cursor;
        let at = cursor.at;
        Ok(match instruction {
            b'I' | b'L' => decimal(cursor.text_line()?, at)?,
            b'K' => PickleValue::Int(cursor.unsigned(1)?.into()),
            b'M' => PickleValue::Int(cursor.unsigned(2)?.into()),
            b'J' => PickleValue::Int(i32::from_le_bytes(cursor.array()?).into()),
            0x8a => signed(cursor.counted(1)?),
            0x8b => signed(cursor.counted(4)?),
            b'F' => match cursor.text_line()?.parse() {
                Ok(number) => PickleValue::Float(number),
                Err(_) => return Err(refuse(at, "a line is no number")),
            },
            b'G' => PickleValue::Float(f64::from_be_bytes(cursor.array()?)),
            b'S' => quoted(cursor.line()?, at)?,
            b'U' => old_text(cursor.counted(1)?),
            b'T' => old_text(cursor.counted(4)?),
            b'V' => PickleValue::Str(Cow::Borrowed(cursor.text_line()?)),
            0x8c => PickleValue::Str(Cow::Borrowed(text(cursor.counted(1)?, at + 1)?)),
            b'X' => PickleValue::Str(Cow::Borrowed(text(cursor.counted(4)?, at + 4)?)),
            0x8d => PickleValue::Str(Cow::Borrowed(text(cursor.counted(8)?, at + 8)?)),
            b'C' => PickleValue::Bytes(Cow::Borrowed(cursor.counted(1)?)),
            b'B' => PickleValue::Bytes(Cow::Borrowed(cursor.counted(4)?)),
            0x8e | 0x96 => PickleValue::Bytes(Cow::Borrowed(cursor.counted(8)?)),
            other => {
                let what = format!("instruction {other:#04x} is none of those that files of PyTorch use");
                return Err(self.refuse(what));
            }
        })
    }

    fn remember(&mut self, instruction: u8) -> Result<()> {
        let key = match instruction {
            0x94 => self.memo.len() as u64,
            other => self.memo_key(other, b'p', b'q')?,
        };
        let top = self.top()?;
        self.charge(KEPT)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, instruction: u8) -> Result<()> {
        let key = self.memo_key(instruction, b'g', b'h')?;
        let Some(&id) = self.memo.get(&key) else {
            return Err(self.refuse(format!("value {key} is recalled, but was never kept")));
        };
        self.put(id)
    }

    /// The key of a value that is kept: a line, one byte or four.
    fn memo_key(&mut self, instruction: u8, line: u8, byte: u8) -> Result<u64> {
        if instruction == line {
            let line = self.cursor.text_line()?;
            return line.parse().map_err(|_| self.refuse("a key of a kept value is no whole number"));
        }
        self.cursor.unsigned(if instruction == byte { 1 } else { 4 })
    }

    fn persistent(&mut self, instruction: u8) -> Result<()> {
        let key = if instruction == b'P' {
            let line = self.cursor.text_line()?;
            self.add(PickleValue::Str(Cow::Borrowed(line)))?
        } else {
            self.pop()?
        };
        self.push(PickleValue::Persistent(key))
    }

    fn global(&mut self, instruction: u8) -> Result<()> {
        let global = if instruction == b'c' {
            self.global_of_lines()?
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            self.global_named(module, name)?
        };
        self.push(global)
    }

    fn global_of_lines(&mut self) -> Result<PickleValue<'a>> {
        let (module, name) = (self.cursor.text_line()?, self.cursor.text_line()?);
        let module = self.add(PickleValue::Str(Cow::Borrowed(module)))?;
        let name = self.add(PickleValue::Str(Cow::Borrowed(name)))?;
        self.global_named(module, name)
    }

    /// The name of a function by its parts, which are not joined: a file may name many functions by few texts.
    fn global_named(&self, module: Id, name: Id) -> Result<PickleValue<'a>> {
        let (PickleValue::Str(of_module), PickleValue::Str(of_function)) =
            (self.values.get(module), self.values.get(name))
        else {
            return Err(self.refuse("the name of a function is no text"));
        };
        if of_module.len() + of_function.len() > MAX_NAME {
            return Err(self.refuse(format!("the name of a function has more than {MAX_NAME} bytes")));
        }
        Ok(PickleValue::Global(module, name))
    }

    /// Writes down a call.
    fn call(&mut self, instruction: u8) -> Result<()> {
        let (callee, arguments) = match instruction {
            // The callee is named here, its arguments lie above the mark.
            b'i' => {
                let global = self.global_of_lines()?;
                let arguments = self.pop_to_mark()?;
                (self.add(global)?, self.add_tuple(arguments)?)
            }
            // Both lie above the mark.
            b'o' => {
                let mut all = self.pop_to_mark()?;
                if all.is_empty() {
                    return Err(self.refuse("an object without a class"));
                }
                let callee = all.remove(0);
                (callee, self.add_tuple(all)?)
            }
            // Arguments by position and by name.
            0x92 => {
                let (named, arguments, callee) = (self.pop()?, self.pop()?, self.pop()?);
                (callee, self.add_tuple(vec![arguments, named])?)
            }
            _ => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                (callee, arguments)
            }
        };
        self.charge(size_of::<Object>())?;
        let object = Object { callee, arguments, state: None, elements: Vec::new(), entries: Vec::new() };
        self.push(PickleValue::Object(Box::new(object)))
    }

    /// Puts values into the one below them.
    fn fill(&mut self, instruction: u8) -> Result<()> {
        let given = match instruction {
            b'b' | b'a' => vec![self.pop()?],
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.pop_to_mark()?,
        };
        let keyed = matches!(instruction, b's' | b'u');
        let pairs = if keyed { self.pairs(&given)? } else { Vec::new() };
        let target = self.top()?;
        self.charge(LIST + given.len() * ELEMENT)?;
        match self.values.get_mut(target) {
            PickleValue::Object(object) if instruction == b'b' => object.state = Some(given[0]),
            PickleValue::Object(object) if keyed => object.entries.extend(pairs),
            PickleValue::Object(object) => object.elements.extend(given),
            PickleValue::Dict(entries) if keyed => entries.extend(pairs),
            PickleValue::List(elements) if !keyed && instruction != b'b' => elements.extend(given),
            _ => return Err(self.refuse("values are put into one that holds no others")),
        }
        Ok(())
    }

    /// Makes a tuple, list or dictionary of values on the stack.
    fn collect(&mut self, instruction: u8) -> Result<()> {
        let given = match instruction {
            0x85..=0x87 => {
                let mut given = Vec::new();
                for _ in 0..=(instruction - 0x85) {
                    given.insert(0, self.pop()?);
                }
                given
            }
            _ => self.pop_to_mark()?,
        };
        self.charge(LIST + given.len() * ELEMENT)?;
        let value = match instruction {
            b'l' => PickleValue::List(given),
            b'd' => PickleValue::Dict(self.pairs(&given)?),
            _ => PickleValue::Tuple(given),
        };
        self.push(value)
    }

    fn pairs(&self, given: &[Id]) -> Result<Vec<(Id, Id)>> {
        let (pairs, rest) = given.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.refuse(format!("{} keys and values do not pair up", given.len())));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn add_tuple(&mut self, elements: Vec<Id>) -> Result<Id> {
        self.charge(LIST + elements.len() * ELEMENT)?;
        self.add(PickleValue::Tuple(elements))
    }

    fn add(&mut self, value: PickleValue<'a>) -> Result<Id> {
        let owned = match &value {
            PickleValue::Str(Cow::Owned(text)) => text.capacity(),
            PickleValue::Bytes(Cow::Owned(bytes)) => bytes.capacity(),
            _ => 0,
        };
        self.charge(size_of::<PickleValue<'_>>() + owned)?;
        Ok(self.values.push(value))
    }

    fn push(&mut self, value: PickleValue<'a>) -> Result<()> {
        let id = self.add(value)?;
        self.put(id)
    }

    /// Puts a value of the table on the stack.
    fn put(&mut self, id: Id) -> Result<()> {
        if self.stack.len() == MAX_STACK {
            return Err(self.refuse(format!("more than {MAX_STACK} values on the stack")));
        }
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() == MAX_MARKS {
            return Err(self.refuse(format!("more than {MAX_MARKS} marks on the stack")));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Takes memory for what is read.
    fn charge(&mut self, bytes: usize) -> Result<()> {
        match self.room.checked_sub(bytes) {
            Some(rest) => self.room = rest,
            None => return Err(self.refuse(format!("its values take more than {} MiB", MAX_MEMORY >> 20))),
        }
        Ok(())
    }

    /// The lowest height an instruction may take values from.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err(self.refuse("an instruction needs a value, but the stack has none")),
        }
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => Err(self.refuse("an instruction needs a mark, but there is none")),
        }
    }

    fn refuse(&self, what: impl std::fmt::Display) -> Error {
        refuse(self.at, what)
    }
}
