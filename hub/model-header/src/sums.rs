//! Tensors summed up by where they stand, for people who look into a model. Only the largest sums are
//! told, whatever the order in which the header lists them.

use hashbrown::HashMap;

use crate::description::TensorSum;
use crate::dtype::Dtype;
use crate::table::Table;
use crate::tally::split_last;

/// Sums that are told, and bytes of what their names have in common.
const MAX_SUMS: usize = 200;
const MAX_PREFIX: usize = 200;

/// Parts of a name that are told.
const MAX_PARTS: usize = 3;

/// Where tensors stand and of which type they are; how many there are and their bytes.
type Place<'t> = (&'t [u8], Dtype);
type Sum = (u64, u64);
type Sums<'t> = HashMap<Place<'t>, Sum>;

/// The largest sums, and how many are left out.
pub(crate) fn of(table: &Table) -> (Vec<TensorSum>, u64) {
    let mut sums: Sums<'_> = HashMap::new();
    // Tensors of one place mostly stand together: they are added up before they are looked up.
    let mut run: Option<(Place<'_>, Sum)> = None;
    for (name, row) in table.iter() {
        let place = match &run {
            Some(((last, _), _)) if is_same(last, name) => last,
            _ => place(name),
        };
        let key = (place, row.dtype);
        match &mut run {
            Some((last, (n, bytes))) if *last == key => {
                *n += 1;
                *bytes = bytes.saturating_add(row.bytes);
            }
            _ => {
                if let Some((key, sum)) = run.replace((key, (1, row.bytes))) {
                    add(&mut sums, key, sum);
                }
            }
        }
    }
    if let Some((key, sum)) = run {
        add(&mut sums, key, sum);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by(|(a, (_, a_bytes)), (b, (_, b_bytes))| b_bytes.cmp(a_bytes).then_with(|| a.cmp(b)));
    let n_left_out = sums.len().saturating_sub(MAX_SUMS) as u64;
    let told = sums.into_iter().take(MAX_SUMS).map(|((prefix, dtype), (n, bytes))| TensorSum {
        prefix: String::from_utf8_lossy(prefix.get(..MAX_PREFIX).unwrap_or(prefix)).into_owned(),
        dtype: table.dtype_name(dtype).to_owned(),
        n,
        bytes,
    });
    (told.collect(), n_left_out)
}

fn add<'t>(sums: &mut Sums<'t>, key: Place<'t>, (n, bytes): Sum) {
    let sum = sums.entry(key).or_default();
    sum.0 += n;
    sum.1 = sum.1.saturating_add(bytes);
}

/// Whether a name stands in this place, told by the number behind it.
fn is_same(place: &[u8], name: &[u8]) -> bool {
    let behind = name.strip_prefix(place).unwrap_or_default();
    !place.is_empty() && matches!(behind, [b'.' | b'_', b'0'..=b'9', rest @ ..] if rest.contains(&b'.'))
}

/// The first parts of a name, up to a number, without the last part. Adapters have `_` where others have
/// dots.
fn place(name: &[u8]) -> &[u8] {
    let (stem, _) = split_last(name);
    let mut n_parts = 0;
    let mut before = b'.';
    for (at, byte) in stem.iter().enumerate() {
        if byte.is_ascii_digit() && (before == b'.' || before == b'_') {
            return stem.get(..at.saturating_sub(1)).unwrap_or_default();
        }
        n_parts += usize::from(*byte == b'.');
        if n_parts == MAX_PARTS {
            return stem.get(..at).unwrap_or_default();
        }
        before = *byte;
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_ends_before_a_number() {
        assert_eq!(
            place(b"model.diffusion_model.double_blocks.0.img_attn.qkv.weight"),
            b"model.diffusion_model.double_blocks"
        );
        assert_eq!(place(b"double_blocks.0.x"), b"double_blocks");
        assert_eq!(place(b"a.b.c.d.e"), b"a.b.c");
        assert_eq!(place(b"lora_unet_down_blocks_0_attn2_to_k.alpha"), b"lora_unet_down_blocks");
        assert_eq!(place(b"conv1.x2.weight"), b"conv1.x2");
        assert_eq!(place(b"1.weight"), b"");
        assert_eq!(place(b"weight"), b"");
    }
}
