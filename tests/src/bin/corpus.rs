//! `corpus FOLDER [FILES] [BIG_MIB] [SEED]`: generates a model folder to try things on.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use end_to_end::corpus::{CorpusPlan, generate};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("usage: corpus FOLDER [FILES=20000] [BIG_MIB=500] [SEED=7]")?;
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (n_files, big_mib, seed) = (number(20_000)?, number(500)?, number(7)?);
    let plan = CorpusPlan { n_files: usize::try_from(n_files)?, big_bytes: big_mib << 20, seed, contents: true };
    let size_bytes = generate(&PathBuf::from(folder), &plan)?;
    writeln!(std::io::stdout(), "{n_files} files, {size_bytes} bytes")?;
    Ok(())
}
