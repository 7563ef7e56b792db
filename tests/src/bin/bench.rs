//! `bench [--files N] [--content-files N] [--big-mib N] [--runs N] [--folder DIR] [--memory DIR]`:
//! measures the hub that `HUB_BIN` names against other tools and prints a table.

use std::io::Write as _;

use anyhow::Result;
use stories::bench::table::Table;
use stories::bench::{BenchPlan, content, duplicates, plans, walk};

fn main() -> Result<()> {
    let plan = BenchPlan::from_arguments(std::env::args().skip(1))?;
    let mut out = std::io::stdout().lock();
    let mut table = Table::default();
    writeln!(std::io::stderr(), "generating trees in {} (kept for the next time) …", plan.folder.display())?;
    plan.walked_trees()?;
    plan.content_tree()?;
    writeln!(std::io::stderr(), "scanning, comparing, paging …")?;
    let walked = walk::measure(&plan, &mut table);
    writeln!(std::io::stderr(), "planning …")?;
    let planned = plans::measure(&plan, &mut table);
    writeln!(std::io::stderr(), "hashing and copying …")?;
    let hashed = content::measure(&plan, &mut table);
    writeln!(std::io::stderr(), "finding duplicates …")?;
    let found = duplicates::measure(&plan, &mut table);
    // What was measured is told even if something else failed.
    write!(out, "{}", table.to_markdown())?;
    walked.and(planned).and(hashed).and(found)
}
