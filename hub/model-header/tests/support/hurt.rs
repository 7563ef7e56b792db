//! Files with holes that are changed in memory, and what has to hold whatever is in them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use model_header::{DamageCode, Description, Format, State, describe, read_thumbnail};

use crate::allocations::peak_of;

/// Bytes of a file's beginning that are kept; files with longer headers are left out.
const MAX_START: usize = 256 << 10;

/// Bytes of the end, where archives have their directory.
const TAIL: u64 = 64 << 10;

/// A good file: how it begins, a hole, how it ends.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) start: Vec<u8>,
    pub(crate) hole: u64,
    pub(crate) end: Vec<u8>,
    pub(crate) name: String,
}

impl Seed {
    pub(crate) fn new(start: Vec<u8>, name: &str) -> Self {
        Self { start, hole: 0, end: Vec::new(), name: name.to_owned() }
    }

    /// Reads as much of a real file as is not data; `None` if that is long.
    pub(crate) fn of(path: &Path, name: &str) -> Option<Self> {
        let mut file = File::open(path).unwrap();
        let size = file.metadata().unwrap().len();
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start).unwrap();
        let header = start.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let is_safetensors = name.ends_with(".safetensors");
        let length = if is_safetensors { header.saturating_add(8) } else { MAX_START as u64 };
        if length > MAX_START as u64 {
            return None;
        }
        file.by_ref().take(length.saturating_sub(8)).read_to_end(&mut start).unwrap();
        let left = size.saturating_sub(start.len() as u64);
        let tail = if is_safetensors { 0 } else { left.min(TAIL) };
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(size - tail)).unwrap();
        file.read_to_end(&mut end).unwrap();
        Some(Self { start, hole: left - tail, end, name: name.to_owned() })
    }

    /// Writes the length of the header that is there now in front of it.
    pub(crate) fn mend_length(&mut self) {
        let length = (self.start.len().saturating_sub(8) as u64).to_le_bytes();
        for (to, from) in self.start.iter_mut().zip(length) {
            *to = from;
        }
    }

    fn size(&self) -> u64 {
        self.start.len() as u64 + self.hole + self.end.len() as u64
    }
}

/// A seed as a file, with the bytes that were read of it.
struct Holed<'s> {
    seed: &'s Seed,
    at: u64,
    n_read: u64,
}

impl Read for Holed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let seed = self.seed;
        let start = seed.start.len() as u64;
        let (part, place) = match self.at {
            at if at < start => (Some(&seed.start), at),
            at if at < start + seed.hole => (None, at - start),
            at => (Some(&seed.end), at - start - seed.hole),
        };
        let n = if let Some(bytes) = part {
            let rest = bytes.get(usize::try_from(place).unwrap()..).unwrap_or_default();
            let n = rest.len().min(buffer.len());
            buffer[..n].copy_from_slice(&rest[..n]);
            n
        } else {
            let n = usize::try_from(seed.hole - place).unwrap().min(buffer.len());
            buffer[..n].fill(0);
            n
        };
        self.at += n as u64;
        self.n_read += n as u64;
        Ok(n)
    }
}

impl Seek for Holed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Start(at) = to {
            self.at = at;
        }
        Ok(self.at)
    }
}

/// Describes a changed file and holds what is told, and what it took, to their bounds.
pub(crate) fn is_told_within_bounds(seed: &Seed) -> Result<(), String> {
    let mut file = Holed { seed, at: 0, n_read: 0 };
    let began = Instant::now();
    let (told, peak) = peak_of(|| describe(&mut file, seed.size(), &seed.name).unwrap());
    let (took, n_read) = (began.elapsed(), file.n_read);
    let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {told:?}")) };
    holds(peak <= (4 << 20) + 48 * n_read, &format!("{peak} bytes held for {n_read} that were read"))?;
    holds(took <= Duration::from_secs(2 + 10 * (n_read >> 20)), &format!("{took:?} for {n_read} bytes"))?;
    holds(n_read <= 256 << 20, &format!("{n_read} bytes read"))?;
    is_consistent(&told)?;
    let again = describe(&mut Holed { seed, at: 0, n_read: 0 }, seed.size(), &seed.name).unwrap();
    holds(again == told, "told otherwise the second time")?;
    let mut file = Holed { seed, at: 0, n_read: 0 };
    let (picture, peak) = peak_of(|| read_thumbnail(&mut file, seed.size(), 10_000));
    let n_read = file.n_read;
    holds(picture.unwrap().is_none_or(|bytes| bytes.len() <= 10_000), "a picture that is too large")?;
    holds(peak <= (4 << 20) + 48 * n_read, &format!("{peak} bytes held for a picture in {n_read}"))
}

/// What is told does not contradict itself, and can be stored.
pub(crate) fn is_consistent(told: &Description) -> Result<(), String> {
    let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {told:?}")) };
    let damage = || told.damage.iter().chain(&told.more_damage);
    let state = told.damage.as_ref().map_or(State::Ok, |damage| damage.code.state());
    holds(told.state == state, "the state is not that of the damage")?;
    holds(told.damage.is_some() || told.more_damage.is_empty(), "damage without a first")?;
    holds(damage().all(|damage| !damage.detail.is_empty()), "damage without a word")?;
    holds(damage().all(|damage| damage.detail.len() <= 2_000), "damage with too many words")?;
    let has_wrong_name = damage().any(|damage| damage.code == DamageCode::WrongExtension);
    holds(told.content.is_some() == has_wrong_name, "a name that is wrong and not told")?;
    holds(told.content != Some(told.format), "a format that is its own contrary")?;
    let lets_pass = [DamageCode::DuplicateKey, DamageCode::LeadingSpace, DamageCode::HashMismatch];
    let passes = damage().all(|damage| lets_pass.contains(&damage.code) && told.format == Format::Safetensors);
    holds(!told.library_opens || passes, "a library that opens what is damaged")?;
    holds(told.n_tensors.is_some() || told.base.is_none(), "a family without tensors")?;
    holds(told.base.is_some() == told.base_how.is_some(), "a family out of nothing")?;
    holds(told.base.is_none_or(|base| !told.also_bases.contains(&base)), "a family besides itself")?;
    holds(told.n_parameters <= told.n_elements.map(|n| n.saturating_mul(2)), "more parameters than numbers")?;
    let (listed, summed) = (
        told.dtypes.values().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes)),
        told.tensors.iter().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.bytes)),
    );
    holds(told.n_tensor_sums_left_out > 0 || listed == summed, "sums of tensors that are not those of types")?;
    let texts = told.metadata.iter().map(|entry| entry.value.len());
    holds(texts.clone().all(|length| length <= 64 << 10) && texts.sum::<usize>() <= 1 << 20, "texts without end")?;
    let facts = [&told.title, &told.author, &told.license, &told.resolution];
    holds(facts.iter().all(|fact| fact.as_ref().is_none_or(|fact| fact.len() <= 2_000)), "a fact without end")?;
    let stored = serde_json::to_string(told).unwrap();
    holds(serde_json::from_str::<Description>(&stored).unwrap() == *told, "it can't be stored")
}
