//! The tensors and texts in what a pickle made: dictionaries in dictionaries, whose names are joined by
//! dots as PyTorch joins those of modules.

use super::machine::{Machine, Object, Value};
use crate::dtype::Dtype;
use crate::table::{New, Pushed, Table};

/// Dictionaries in dictionaries, and texts that are kept.
const MAX_DEPTH: usize = 12;
const MAX_TEXTS: usize = 64;
const MAX_TEXT: usize = 4_096;

/// Members that are looked at, and bytes of names of tensors.
const MAX_VISITED: usize = 4 << 20;
const MAX_NAMES: usize = 64 << 20;

/// Bytes of a pickle that each tensor takes at least: the calls that make it take more. Dictionaries that
/// stand in each other can list one tensor a million times.
const TENSOR_BYTES: usize = 16;

/// Names of dictionaries that hold the whole model: what stands in them is told without them.
const WRAPPERS: [&str; 6] = ["state_dict", "params_ema", "params", "model_state_dict", "weights", "module"];

/// What a pickle tells.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) table: Table,
    /// Texts and numbers beside the tensors.
    pub(super) texts: Vec<(String, String)>,
    /// Everything was looked at.
    pub(super) is_whole: bool,
}

pub(super) fn tell_value(machine: &Machine<'_>, result: Value) -> Told {
    let mut told = Told { table: Table::default(), texts: Vec::new(), is_whole: true };
    let length = machine.data.len();
    let mut walk = Walk {
        machine,
        told: &mut told,
        visits_left: length.min(MAX_VISITED),
        tensors_left: length / TENSOR_BYTES,
        names_left: MAX_NAMES,
        name: String::new(),
    };
    walk.value(result, 0);
    told
}

struct Walk<'w> {
    machine: &'w Machine<'w>,
    told: &'w mut Told,
    visits_left: usize,
    tensors_left: usize,
    names_left: usize,
    name: String,
}

impl Walk<'_> {
    fn value(&mut self, value: Value, depth: usize) {
        if depth > MAX_DEPTH {
            self.told.is_whole = false;
            return;
        }
        match value {
            Value::Object(at) => self.object(at, depth),
            Value::Text(..) | Value::Int(_) if depth <= 2 => self.text(value),
            _ => {}
        }
    }

    fn object(&mut self, at: usize, depth: usize) {
        match self.machine.objects.get(at) {
            Some(Object::Dict(members)) => {
                for (key, value) in members {
                    if !self.may_visit() {
                        return;
                    }
                    let Some(key) = self.key(*key) else { continue };
                    let is_wrapper = depth <= 1 && WRAPPERS.contains(&key.as_str()) && self.is_dict(*value);
                    let length = self.name.len();
                    if !is_wrapper {
                        if !self.name.is_empty() {
                            self.name.push('.');
                        }
                        self.name.push_str(&key);
                    }
                    if self.name.len() <= 1 << 16 {
                        self.value(*value, depth + 1);
                    }
                    self.name.truncate(length);
                }
            }
            Some(Object::List(members) | Object::Tuple(members)) if members.len() <= 4_096 => {
                for (at, value) in members.iter().enumerate() {
                    if !self.may_visit() {
                        return;
                    }
                    let length = self.name.len();
                    if !self.name.is_empty() {
                        self.name.push('.');
                    }
                    self.name.push_str(&at.to_string());
                    self.value(*value, depth + 1);
                    self.name.truncate(length);
                }
            }
            Some(Object::Tensor { dtype, dims }) => self.tensor(dtype, dims),
            _ => {}
        }
    }

    /// Counts a member, whatever it is.
    fn may_visit(&mut self) -> bool {
        let left = self.visits_left.checked_sub(1);
        self.visits_left = left.unwrap_or(0);
        self.told.is_whole &= left.is_some();
        left.is_some()
    }

    fn key(&self, key: Value) -> Option<String> {
        match key {
            Value::Text(..) => self.machine.text(key).map(str::to_owned),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn is_dict(&self, value: Value) -> bool {
        matches!(value, Value::Object(at) if matches!(self.machine.objects.get(at), Some(Object::Dict(_))))
    }

    fn tensor(&mut self, dtype: &str, dims: &[u64]) {
        let Some(dtype) = Dtype::named(dtype.as_bytes()) else { return };
        let (tensors, names) = (self.tensors_left.checked_sub(1), self.names_left.checked_sub(self.name.len()));
        let (Some(tensors), Some(names)) = (tensors, names) else {
            self.told.is_whole = false;
            return;
        };
        (self.tensors_left, self.names_left) = (tensors, names);
        let elements = dims.iter().fold(1_u64, |product, dim| product.saturating_mul(*dim));
        let bytes = dtype.bytes(elements).unwrap_or(0);
        let new = New { name: self.name.as_bytes(), dtype, dims, elements, bytes, begin: 0 };
        if self.told.table.push(&new) == Pushed::Full {
            self.told.is_whole = false;
        }
    }

    fn text(&mut self, value: Value) {
        if self.told.texts.len() >= MAX_TEXTS || self.name.is_empty() {
            return;
        }
        let text = match value {
            Value::Int(number) => number.to_string(),
            _ => match self.machine.text(value) {
                Some(text) if text.len() <= MAX_TEXT => text.to_owned(),
                _ => return,
            },
        };
        self.told.texts.push((self.name.clone(), text));
    }
}
