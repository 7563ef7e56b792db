//! What history tells of a batch, in one line: what is being done while it runs, what came of it in the end.

use super::ids::BatchId;
use super::root::Root;
use super::size::{count, counted};
use super::span::duration;

/// What a batch is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Files go to the other root, too.
    Copy,
    /// Files go to the other root instead.
    Move,
    /// Files go to the trash.
    Delete,
    /// Files come back from the trash.
    Restore,
    /// Files leave Local, as the Lake has them.
    Evict,
    /// Evicted files come back.
    BringBack,
    /// Duplicates go.
    Duplicates,
    /// Duplicates become links.
    Hardlink,
    /// Duplicates share their bytes.
    Reflink,
    /// Files get bytes of their own again.
    Separate,
    /// Files come from public addresses.
    Download,
    /// One side becomes like the other.
    Mirror,
    /// What a batch did is taken back.
    Undo(BatchId),
    /// Anything else.
    Other,
}

impl BatchKind {
    /// The kind of a batch by what is stored of it.
    pub fn of(operation: &str, told_as: Option<&str>, undo_of: Option<BatchId>) -> Self {
        match (told_as, undo_of, operation) {
            (_, Some(batch), _) => Self::Undo(batch),
            (Some("bring_back"), ..) => Self::BringBack,
            (_, _, "remove_duplicate") => Self::Duplicates,
            (_, _, "copy") => Self::Copy,
            (_, _, "move") => Self::Move,
            (_, _, "delete") => Self::Delete,
            (_, _, "restore") => Self::Restore,
            (_, _, "evict") => Self::Evict,
            (_, _, "hardlink") => Self::Hardlink,
            (_, _, "reflink") => Self::Reflink,
            (_, _, "separate") => Self::Separate,
            (_, _, "download") => Self::Download,
            (_, _, "mirror") => Self::Mirror,
            _ => Self::Other,
        }
    }
}

/// What is done with so many files, one operation of a mirror.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Other names on one root.
    pub renamed: u64,
    /// New files.
    pub copied: u64,
    /// Files in the place of others.
    pub replaced: u64,
    /// Files that went to the trash.
    pub deleted: u64,
}

/// A batch as history tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSummary {
    pub kind: BatchKind,
    /// Where the files are taken from.
    pub from: Root,
    pub to: Option<Root>,
    /// Files that were queued.
    pub n: u64,
    /// That are done.
    pub n_completed: u64,
    /// That were given up.
    pub n_failed: u64,
    /// That were dropped.
    pub n_cancelled: u64,
    /// That were asked for and not queued.
    pub n_skipped: u64,
    /// What was done, operation by operation.
    pub done: Done,
    /// From its begin to its end, where that says something.
    pub seconds: Option<u64>,
}

impl BatchSummary {
    /// While something of it has not ended: `Copying 301 files to Local (30 skipped)`.
    pub fn running(&self) -> String {
        let words = self.words();
        let so_far = if self.n_failed > 0 { Some(format!("{} failed so far", number(self.n_failed))) } else { None };
        let aside = aside([self.skipped(), so_far]);
        format!("{} {}{}{aside}", words.doing, words.counted(self.n), words.tail)
    }

    /// When all of it has ended: `Copied 301 files to Local in 23 s (30 skipped)`.
    pub fn ended(&self) -> String {
        let words = self.words();
        let time =
            self.seconds.filter(|_| self.n_completed > 0).map(|seconds| format!(" in {}", duration(seconds.max(1))));
        let time = time.unwrap_or_default();
        let part = |n: u64, what: &str| (n > 0).then(|| format!("{} {what}", number(n)));
        let aside = aside([self.skipped(), part(self.n_failed, "failed"), part(self.n_cancelled, "cancelled")]);
        if self.kind == BatchKind::Mirror && self.n_completed > 0 {
            let Done { renamed, copied, replaced, deleted } = self.done;
            let parts = [(renamed, "renamed"), (copied, "copied"), (replaced, "replaced"), (deleted, "deleted")];
            let parts: Vec<String> = parts.into_iter().filter_map(|(n, what)| part(n, what)).collect();
            return format!("Made {}{time}: {}{aside}", words.tail, parts.join(", "));
        }
        let what = match (self.n_completed, self.n) {
            (_, 0) => "nothing".to_owned(),
            (0, all) => format!("none of {}", words.counted(all)),
            (done, all) if done < all => format!("{} of {}", number(done), words.counted(all)),
            (_, all) => words.counted(all),
        };
        format!("{} {what}{}{time}{aside}", words.done, words.tail)
    }

    fn skipped(&self) -> Option<String> {
        (self.n_skipped > 0).then(|| format!("{} skipped", number(self.n_skipped)))
    }

    fn words(&self) -> BatchWords {
        let (from, to) = (self.from.label(), self.to.unwrap_or(self.from).label());
        let words = |doing: &str, done: &str, noun: &'static str, tail: String| BatchWords {
            doing: doing.to_owned(),
            done: done.to_owned(),
            noun,
            tail,
        };
        match self.kind {
            BatchKind::Copy => words("Copying", "Copied", "file", format!(" to {to}")),
            BatchKind::Move if self.to == Some(self.from) => {
                words("Renaming", "Renamed", "file", format!(" on {from}"))
            }
            BatchKind::Move => words("Moving", "Moved", "file", format!(" to {to}")),
            BatchKind::Delete => words("Deleting", "Deleted", "file", format!(" from {from}")),
            BatchKind::Restore => words("Putting back", "Put back", "file", format!(" on {from}")),
            BatchKind::Evict => words("Evicting", "Evicted", "file", format!(" from {from}")),
            BatchKind::BringBack => words("Bringing back", "Brought back", "file", format!(" to {to}")),
            BatchKind::Duplicates => words("Deleting", "Deleted", "duplicate", String::new()),
            BatchKind::Hardlink => words("Replacing", "Replaced", "duplicate", " by hard links".to_owned()),
            BatchKind::Reflink => words("Letting", "Let", "duplicate", " share their bytes".to_owned()),
            BatchKind::Separate => words("Giving", "Gave", "file", " their own bytes again".to_owned()),
            BatchKind::Download => words("Downloading", "Downloaded", "file", format!(" to {to}")),
            BatchKind::Mirror if self.n_completed > 0 => words("Making", "Made", "change", format!("{to} like {from}")),
            BatchKind::Mirror => words("Making", "Made", "change", format!(" so that {to} is like {from}")),
            BatchKind::Undo(batch) => {
                words(&format!("Undoing batch {batch}:"), &format!("Undid batch {batch}:"), "file", String::new())
            }
            BatchKind::Other => words("Working on", "Worked on", "file", format!(" of {from}")),
        }
    }
}

struct BatchWords {
    doing: String,
    done: String,
    noun: &'static str,
    tail: String,
}

impl BatchWords {
    fn counted(&self, n: u64) -> String {
        counted(n, self.noun)
    }
}

fn number(n: u64) -> String {
    count(i64::try_from(n).unwrap_or(i64::MAX))
}

fn aside<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: BatchSummary = BatchSummary {
        kind: BatchKind::Copy,
        from: Root::Lake,
        to: Some(Root::Local),
        n: 1_301,
        n_completed: 1_301,
        n_failed: 0,
        n_cancelled: 0,
        n_skipped: 30,
        done: Done { renamed: 0, copied: 1_301, replaced: 0, deleted: 0 },
        seconds: Some(23),
    };

    #[test]
    fn one_line_says_what_runs_and_what_came_of_it() {
        assert_eq!(COPY.running(), "Copying 1,301 files to Local (30 skipped)");
        assert_eq!(COPY.ended(), "Copied 1,301 files to Local in 23 s (30 skipped)");
        let one = BatchSummary { n: 1, n_completed: 1, n_skipped: 0, seconds: Some(0), ..COPY };
        assert_eq!(one.ended(), "Copied 1 file to Local in 1 s");
    }

    #[test]
    fn what_did_not_come_of_it_is_told_too() {
        let some = BatchSummary { n_completed: 1_297, n_failed: 3, n_cancelled: 1, ..COPY };
        assert_eq!(some.ended(), "Copied 1,297 of 1,301 files to Local in 23 s (30 skipped, 3 failed, 1 cancelled)");
        assert_eq!(some.running(), "Copying 1,301 files to Local (30 skipped, 3 failed so far)");
        let none = BatchSummary { n: 2, n_completed: 0, n_failed: 2, n_skipped: 0, ..COPY };
        assert_eq!(none.ended(), "Copied none of 2 files to Local (2 failed)");
        assert_eq!(BatchSummary { n: 0, n_completed: 0, ..COPY }.ended(), "Copied nothing to Local (30 skipped)");
    }

    #[test]
    fn every_kind_of_batch_has_its_words() {
        let two = BatchSummary { n: 2, n_completed: 2, n_skipped: 0, ..COPY };
        let back = BatchSummary { from: Root::Local, to: None, ..two };
        for (summary, running, ended) in [
            (
                BatchSummary { kind: BatchKind::Move, ..two },
                "Moving 2 files to Local",
                "Moved 2 files to Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Move, from: Root::Local, ..two },
                "Renaming 2 files on Local",
                "Renamed 2 files on Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Delete, ..back },
                "Deleting 2 files from Local",
                "Deleted 2 files from Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Restore, ..back },
                "Putting back 2 files on Local",
                "Put back 2 files on Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Evict, from: Root::Local, to: Some(Root::Lake), ..two },
                "Evicting 2 files from Local",
                "Evicted 2 files from Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::BringBack, ..two },
                "Bringing back 2 files to Local",
                "Brought back 2 files to Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Duplicates, ..back },
                "Deleting 2 duplicates",
                "Deleted 2 duplicates in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Hardlink, ..back },
                "Replacing 2 duplicates by hard links",
                "Replaced 2 duplicates by hard links in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Reflink, ..back },
                "Letting 2 duplicates share their bytes",
                "Let 2 duplicates share their bytes in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Download, from: Root::Local, ..two },
                "Downloading 2 files to Local",
                "Downloaded 2 files to Local in 23 s",
            ),
            (
                BatchSummary { kind: BatchKind::Undo(BatchId(5)), ..two },
                "Undoing batch 5: 2 files",
                "Undid batch 5: 2 files in 23 s",
            ),
        ] {
            assert_eq!((summary.running().as_str(), summary.ended().as_str()), (running, ended));
        }
    }

    #[test]
    fn a_mirror_tells_what_it_did_by_kind() {
        let done = Done { renamed: 12, copied: 300, replaced: 0, deleted: 5 };
        let mirror = BatchSummary { kind: BatchKind::Mirror, n: 320, n_completed: 317, n_failed: 3, done, ..COPY };
        assert_eq!(
            mirror.ended(),
            "Made Local like Lake in 23 s: 12 renamed, 300 copied, 5 deleted (30 skipped, 3 failed)"
        );
        let fresh = BatchSummary { n_completed: 0, n_failed: 0, ..mirror };
        assert_eq!(fresh.running(), "Making 320 changes so that Local is like Lake (30 skipped)");
    }

    #[test]
    fn what_is_stored_names_the_kind() {
        assert_eq!(BatchKind::of("copy", None, None), BatchKind::Copy);
        assert_eq!(BatchKind::of("copy", Some("bring_back"), None), BatchKind::BringBack);
        assert_eq!(BatchKind::of("remove_duplicate", None, None), BatchKind::Duplicates);
        assert_eq!(BatchKind::of("copy", None, Some(BatchId(3))), BatchKind::Undo(BatchId(3)));
        assert_eq!(BatchKind::of("something-new", None, None), BatchKind::Other);
    }
}
