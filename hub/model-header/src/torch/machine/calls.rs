//! What a pickle calls: names of Python, with arguments. None is called here; of those that make tensors it
//! is noted what they would make.

use super::{Halt, MAX_DANGERS, Machine, Object, Value};
use crate::torch::globals::{Global, global};

/// Arguments of a call and dimensions of a shape that are looked at: PyTorch's have at most ten and 64.
const MAX_LOOKED_AT: usize = 64;

impl Machine<'_> {
    pub(super) fn call(&mut self, opcode: u8) -> Result<(), Halt> {
        match opcode {
            b'c' | b'i' => {
                let module = self.line()?;
                let name = self.line()?;
                let function = self.named(Value::Text(module.0, module.1), Value::Text(name.0, name.1));
                if opcode == b'c' {
                    return self.push(function);
                }
                let arguments = self.since_mark()?;
                self.apply(function, &arguments)
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                let function = self.named(module, name);
                self.push(function)
            }
            0x82..=0x84 => {
                self.take(1 << (opcode - 0x82))?;
                self.danger("something from the registry of extensions");
                self.push(Value::Opaque)
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                let arguments = self.members(arguments);
                self.apply(function, &arguments)
            }
            0x92 => {
                self.pop()?;
                let arguments = self.pop()?;
                let function = self.pop()?;
                let arguments = self.members(arguments);
                self.apply(function, &arguments)
            }
            b'o' => {
                let values = self.since_mark()?;
                let function = values.first().copied().unwrap_or(Value::None);
                self.apply(function, values.get(1..).unwrap_or_default())
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.pop()?;
                // What a class of its own holds is looked at in place of it.
                self.push(if object == Value::Opaque { state } else { object })
            }
            b'P' => {
                self.line()?;
                self.push(Value::Opaque)
            }
            _ => {
                let id = self.pop()?;
                self.storage(id)
            }
        }
    }

    fn named(&mut self, module: Value, name: Value) -> Value {
        let (Some(module), Some(name)) = (self.text(module), self.text(name)) else {
            self.danger("a name that is no text");
            return Value::Opaque;
        };
        let function = global(module, name);
        if function == Global::Dangerous {
            let shown: String = format!("{module}.{name}").chars().take(100).flat_map(char::escape_debug).collect();
            self.danger(&shown);
        }
        Value::Global(function)
    }

    fn danger(&mut self, name: &str) {
        if self.dangers.len() < MAX_DANGERS && !self.dangers.iter().any(|known| known == name) {
            self.dangers.push(name.to_owned());
        }
    }

    fn all_members(&self, value: Value) -> &[Value] {
        match value {
            Value::Object(at) => match self.objects.get(at) {
                Some(Object::Tuple(values) | Object::List(values)) => values,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// The first members of a list: one list can be handed to a million calls, so that it is not copied whole.
    fn members(&self, value: Value) -> Vec<Value> {
        self.all_members(value).iter().copied().take(MAX_LOOKED_AT).collect()
    }

    /// `('storage', type, key, place, n)`: a storage that stands elsewhere.
    fn storage(&mut self, id: Value) -> Result<(), Halt> {
        let parts = self.members(id);
        if let [_, Value::Global(Global::Storage(dtype)), key, _, Value::Int(numel), ..] = parts.as_slice() {
            let numel = u64::try_from(*numel).unwrap_or(0);
            return self.push_object(Object::Storage { dtype, numel, key: *key });
        }
        self.push(Value::Opaque)
    }

    fn apply(&mut self, function: Value, arguments: &[Value]) -> Result<(), Halt> {
        let Value::Global(function) = function else { return self.push(Value::Opaque) };
        match function {
            Global::RebuildTensor => self.tensor(arguments),
            Global::Wrap | Global::Size => self.push(arguments.first().copied().unwrap_or(Value::Opaque)),
            Global::RebuildFromType => match arguments {
                [function @ Value::Global(_), _, inner, ..] => {
                    let inner = self.members(*inner);
                    match function {
                        Value::Global(Global::RebuildFromType) => self.push(Value::Opaque),
                        _ => self.apply(*function, &inner),
                    }
                }
                _ => self.push(Value::Opaque),
            },
            Global::Dictionary => {
                let list = arguments.first().copied().unwrap_or(Value::None);
                // Counted before it is walked.
                self.count(self.all_members(list).len())?;
                let pairs = self.all_members(list).iter().filter_map(|pair| match *self.all_members(*pair) {
                    [key, value] => Some((key, value)),
                    _ => None,
                });
                let pairs: Vec<_> = pairs.collect();
                self.push_object(Object::Dict(pairs))
            }
            _ => self.push(Value::Opaque),
        }
    }

    /// `(storage, offset, size, stride, …)`, and in the third form the type behind.
    fn tensor(&mut self, arguments: &[Value]) -> Result<(), Halt> {
        let [Value::Object(storage), _, size, ..] = arguments else { return self.push(Value::Opaque) };
        let Some(Object::Storage { dtype, .. }) = self.objects.get(*storage) else { return self.push(Value::Opaque) };
        let dtype = match arguments.get(6) {
            Some(Value::Global(Global::NumberType(dtype))) => dtype,
            _ => dtype,
        };
        let dim = |value: Value| match value {
            Value::Int(dim) => u64::try_from(dim).unwrap_or(0),
            _ => 0,
        };
        let dims = self.members(*size).into_iter().map(dim).collect();
        self.push_object(Object::Tensor { dtype, dims })
    }
}
