//! The machine of a pickle, with marks in place of values (`pickletools.py` in Python has the opcodes).
//! Texts stay where they are in the pickle; objects stand in one list and refer to each other by number,
//! so that a pickle that refers to itself neither loops nor overflows. All sizes are bounded.

mod calls;

use std::collections::HashMap;

use super::globals::Global;

/// Values on the stack, objects, remembered values, and members of all objects.
const MAX_STACK: usize = 1 << 20;
const MAX_OBJECTS: usize = 1 << 20;
const MAX_MEMBERS: usize = 4 << 20;

/// Bytes of a name; one that is longer is none. A pickle can name the same text a million times.
const MAX_TEXT: usize = 4_096;

/// Dangerous names that are told.
const MAX_DANGERS: usize = 5;

/// What stands for a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Int(i64),
    /// Where a text is in the pickle.
    Text(usize, usize),
    Object(usize),
    Global(Global),
    Mark,
    /// Something that is not looked at.
    Opaque,
}

/// What stands for an object.
#[derive(Debug)]
pub(super) enum Object {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage { dtype: &'static str, numel: u64, key: Value },
    Tensor { dtype: &'static str, dims: Vec<u64> },
}

/// Where following a pickle ended.
#[derive(Debug)]
pub(super) struct Outcome<'d> {
    pub(super) machine: Machine<'d>,
    pub(super) result: Value,
    /// Names that may run code, in words.
    pub(super) danger: Option<String>,
    /// Why it could not be followed to its end.
    pub(super) fault: Option<String>,
    /// It has no end in these bytes.
    pub(super) needs_more: bool,
    /// Where the next byte stands.
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) struct Machine<'d> {
    pub(super) data: &'d [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    pub(super) objects: Vec<Object>,
    n_members: usize,
    dangers: Vec<String>,
}

enum Halt {
    Stop(Value),
    End,
    Fault(&'static str),
}

/// Follows the pickle that begins here.
pub(super) fn run(bytes: &[u8], start: usize) -> Outcome<'_> {
    let mut machine = Machine {
        data: bytes.get(start..).unwrap_or_default(),
        at: 0,
        stack: Vec::new(),
        memo: HashMap::new(),
        objects: Vec::new(),
        n_members: 0,
        dangers: Vec::new(),
    };
    let halt = loop {
        if let Err(halt) = machine.step() {
            break halt;
        }
    };
    let (result, fault, needs_more) = match halt {
        Halt::Stop(value) => (value, None, false),
        Halt::End => (Value::None, Some("Truncated: its list of tensors has no end.".to_owned()), true),
        Halt::Fault(why) => (Value::None, Some(format!("Its pickle can't be followed: {why}.")), false),
    };
    let end = start.saturating_add(machine.at);
    let danger = (!machine.dangers.is_empty())
        .then(|| format!("May run code when loaded: it calls {}.", machine.dangers.join(", ")));
    Outcome { machine, result, danger, fault, needs_more, end }
}

impl Machine<'_> {
    fn take(&mut self, length: usize) -> Result<usize, Halt> {
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.data.len()).ok_or(Halt::End)?;
        self.at = end;
        Ok(start)
    }

    /// A number of so many bytes, without a sign.
    fn number(&mut self, width: usize) -> Result<u64, Halt> {
        let start = self.take(width)?;
        let bytes = self.data.get(start..start + width).unwrap_or_default();
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, width: usize) -> Result<usize, Halt> {
        usize::try_from(self.number(width)?).map_err(|_| Halt::End)
    }

    /// A line, without its end.
    fn line(&mut self) -> Result<(usize, usize), Halt> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).ok_or(Halt::End)?;
        let start = self.at;
        self.at += length + 1;
        Ok((start, length))
    }

    pub(super) fn text(&self, value: Value) -> Option<&str> {
        let Value::Text(start, length) = value else { return None };
        if length > MAX_TEXT {
            return None;
        }
        std::str::from_utf8(self.data.get(start..start.checked_add(length)?)?).ok()
    }

    fn push(&mut self, value: Value) -> Result<(), Halt> {
        if self.stack.len() >= MAX_STACK {
            return Err(Halt::Fault("too many values"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Halt> {
        self.stack.pop().ok_or(Halt::Fault("nothing where a value should be"))
    }

    fn push_object(&mut self, object: Object) -> Result<(), Halt> {
        if self.objects.len() >= MAX_OBJECTS {
            return Err(Halt::Fault("too many objects"));
        }
        self.objects.push(object);
        self.push(Value::Object(self.objects.len() - 1))
    }

    /// All values since the last mark.
    fn since_mark(&mut self) -> Result<Vec<Value>, Halt> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark).ok_or(Halt::Fault("no mark"))?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        self.count(values.len())?;
        Ok(values)
    }

    fn count(&mut self, members: usize) -> Result<(), Halt> {
        self.n_members = self.n_members.saturating_add(members);
        if self.n_members > MAX_MEMBERS { Err(Halt::Fault("too many members")) } else { Ok(()) }
    }

    fn push_tuple(&mut self, n: usize) -> Result<(), Halt> {
        let at = self.stack.len().checked_sub(n).ok_or(Halt::Fault("too few values"))?;
        let values = self.stack.split_off(at);
        self.count(values.len())?;
        self.push_object(Object::Tuple(values))
    }

    fn remember(&mut self, at: u64) -> Result<(), Halt> {
        let value = *self.stack.last().ok_or(Halt::Fault("nothing to remember"))?;
        if self.memo.len() >= MAX_OBJECTS {
            return Err(Halt::Fault("too much to remember"));
        }
        self.memo.insert(u32::try_from(at).map_err(|_| Halt::Fault("a number that is too great"))?, value);
        Ok(())
    }

    fn recall(&mut self, at: u64) -> Result<(), Halt> {
        let value = u32::try_from(at).ok().and_then(|at| self.memo.get(&at)).copied();
        self.push(value.ok_or(Halt::Fault("nothing remembered"))?)
    }

    fn line_number(&mut self) -> Result<u64, Halt> {
        let (start, length) = self.line()?;
        let text = self.text(Value::Text(start, length)).and_then(|text| text.trim().parse().ok());
        text.ok_or(Halt::Fault("no number where one should be"))
    }

    /// One opcode.
    fn step(&mut self) -> Result<(), Halt> {
        let at = self.take(1)?;
        let opcode = self.data.get(at).copied().unwrap_or(0);
        match opcode {
            b'.' => Err(Halt::Stop(self.pop()?)),
            b'(' => self.push(Value::Mark),
            b'0' => self.pop().map(drop),
            b'1' => self.since_mark().map(drop),
            b'2' => {
                let value = *self.stack.last().ok_or(Halt::Fault("nothing to double"))?;
                self.push(value)
            }
            b'N' => self.push(Value::None),
            b'a' | b's' | b'e' | b'u' | 0x90 => self.put_in(opcode),
            b't' | b'l' | b'd' | b'}' | b']' | b')' | 0x85..=0x87 | 0x8f | 0x91 => self.make(opcode),
            b'R' | b'b' | b'o' | b'i' | b'c' | b'P' | b'Q' | 0x81..=0x84 | 0x92 | 0x93 => self.call(opcode),
            b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94 => self.memory(opcode),
            b'S' | b'T' | b'U' | b'V' | b'X' | b'B' | b'C' | 0x8c..=0x8e | 0x96 => self.text_of(opcode),
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            0x97 => self.push(Value::Opaque),
            0x98 => Ok(()),
            _ => self.number_of(opcode),
        }
    }

    fn number_of(&mut self, opcode: u8) -> Result<(), Halt> {
        let value = match opcode {
            b'J' => Value::Int(i64::from(u32::try_from(self.number(4)?).unwrap_or(0).cast_signed())),
            b'K' => Value::Int(i64::try_from(self.number(1)?).unwrap_or(0)),
            b'M' => Value::Int(i64::try_from(self.number(2)?).unwrap_or(0)),
            b'I' | b'L' => {
                let (start, length) = self.line()?;
                let text = self.text(Value::Text(start, length)).unwrap_or_default();
                text.trim_end_matches('L').parse().map_or(Value::Opaque, Value::Int)
            }
            b'F' => {
                self.line()?;
                Value::Opaque
            }
            b'G' => {
                self.take(8)?;
                Value::Opaque
            }
            0x88 | 0x89 => Value::Opaque,
            0x8a | 0x8b => {
                let length = self.length(if opcode == 0x8a { 1 } else { 4 })?;
                let start = self.take(length)?;
                let bytes = self.data.get(start..start + length).unwrap_or_default();
                long(bytes).map_or(Value::Opaque, Value::Int)
            }
            _ => return Err(Halt::Fault("an unknown instruction")),
        };
        self.push(value)
    }

    fn text_of(&mut self, opcode: u8) -> Result<(), Halt> {
        let value = match opcode {
            b'S' => {
                let (start, length) = self.line()?;
                Value::Text(start + 1, length.saturating_sub(2))
            }
            b'V' => {
                let (start, length) = self.line()?;
                Value::Text(start, length)
            }
            _ => {
                let width = match opcode {
                    b'U' | b'C' | 0x8c => 1,
                    b'T' | b'X' | b'B' => 4,
                    _ => 8,
                };
                let length = self.length(width)?;
                Value::Text(self.take(length)?, length)
            }
        };
        self.push(value)
    }

    fn memory(&mut self, opcode: u8) -> Result<(), Halt> {
        match opcode {
            b'g' => {
                let at = self.line_number()?;
                self.recall(at)
            }
            b'h' | b'j' => {
                let at = self.number(if opcode == b'h' { 1 } else { 4 })?;
                self.recall(at)
            }
            b'p' => {
                let at = self.line_number()?;
                self.remember(at)
            }
            0x94 => self.remember(self.memo.len() as u64),
            _ => {
                let at = self.number(if opcode == b'q' { 1 } else { 4 })?;
                self.remember(at)
            }
        }
    }

    fn make(&mut self, opcode: u8) -> Result<(), Halt> {
        match opcode {
            b'}' => self.push_object(Object::Dict(Vec::new())),
            b']' | 0x8f => self.push_object(Object::List(Vec::new())),
            b')' => self.push_tuple(0),
            0x85..=0x87 => self.push_tuple(usize::from(opcode - 0x84)),
            b'd' => {
                let values = self.since_mark()?;
                self.push_object(Object::Dict(pairs(&values)))
            }
            b't' => {
                let values = self.since_mark()?;
                self.push_object(Object::Tuple(values))
            }
            _ => {
                let values = self.since_mark()?;
                self.push_object(Object::List(values))
            }
        }
    }

    /// Puts values into the list or dictionary below them.
    fn put_in(&mut self, opcode: u8) -> Result<(), Halt> {
        let values = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.since_mark()?,
        };
        self.count(values.len())?;
        let Some(Value::Object(at)) = self.stack.last().copied() else { return Ok(()) };
        match self.objects.get_mut(at) {
            Some(Object::List(list)) => list.extend(values),
            Some(Object::Dict(dict)) => dict.extend(pairs(&values)),
            _ => {}
        }
        Ok(())
    }
}

fn pairs(values: &[Value]) -> Vec<(Value, Value)> {
    values.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
}

/// A number of any length, if it fits.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let fill = if is_negative { u64::MAX } else { 0 };
    let mut wide = fill.to_le_bytes();
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    Some(i64::from_le_bytes(wide))
}
