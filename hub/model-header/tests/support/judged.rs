//! What is told of files made from names and shapes.

use model_header::{Base, Description, Kind, describe};

use crate::header::file;

pub(crate) type Tensors = [(&'static str, &'static [u64])];

pub(crate) fn told(tensors: &Tensors) -> Description {
    let bytes = file(tensors, "F16", None);
    let size = bytes.len() as u64;
    describe(&mut std::io::Cursor::new(bytes), size, "x.safetensors").unwrap()
}

#[track_caller]
pub(crate) fn is(tensors: &Tensors, kind: Kind, base: impl Into<Option<Base>>, variant: &str) {
    let told = told(tensors);
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    assert_eq!((told.kind, told.base, told.variant.as_deref()), (kind, base.into(), variant), "{tensors:?}");
}
