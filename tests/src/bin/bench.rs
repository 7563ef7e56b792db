//! `bench [--files N] [--content-files N] [--big-mib N] [--small-files N] [--runs N] [--folder DIR] [--memory DIR]
//! [--only PART,…]`: measures the hub that `HUB_BIN` names, and the
//! downloads of `DOWNLOAD_BIN`, against other tools and prints a table.

use std::io::Write as _;

use anyhow::{Result, ensure};
use end_to_end::bench::table::Table;
use end_to_end::bench::{BenchPlan, check, content, duplicates, models, names as only_names, plans, room, walk};

/// Measures some of the work and adds its rows.
type Part = fn(&BenchPlan, &mut Table) -> Result<()>;

fn names(parts: &[(&'static str, Part)]) -> Vec<&'static str> {
    parts.iter().map(|part| part.0).collect()
}

fn main() -> Result<()> {
    let plan = BenchPlan::from_arguments(std::env::args().skip(1))?;
    let mut out = std::io::stdout().lock();
    let mut table = Table::default();
    writeln!(std::io::stderr(), "trees are generated in {} and kept for the next time", plan.folder.display())?;
    let parts: Vec<(&str, Part)> = vec![
        ("walk", walk::measure),
        ("plans", plans::measure),
        ("content", content::measure),
        ("check", check::measure),
        ("duplicates", duplicates::measure),
        ("room", room::measure),
        ("names", only_names::measure),
        ("models", models::measure),
        #[cfg(unix)]
        ("download", end_to_end::bench::download::measure),
        #[cfg(unix)]
        ("serve", end_to_end::bench::serve::measure),
        #[cfg(unix)]
        ("agent", end_to_end::bench::agent::measure),
    ];
    for name in &plan.only {
        ensure!(parts.iter().any(|part| part.0 == name), "there is no part {name}: {:?}", names(&parts));
    }
    let mut ended = Ok(());
    for (name, measure) in parts {
        if plan.only.is_empty() || plan.only.iter().any(|only| only == name) {
            writeln!(std::io::stderr(), "measuring: {name} …")?;
            ended = ended.and(measure(&plan, &mut table));
        }
    }
    // What was measured is told even if something else failed.
    write!(out, "{}", table.to_markdown())?;
    ended
}
