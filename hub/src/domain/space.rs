//! What takes space, put together: by age and by base folder, and how much of the past is kept.

use std::collections::BTreeMap;

use serde::Serialize;
use shared_protocol::rel_path::match_key;

use super::ticks::Ticks;

const DAY: i64 = 24 * 60 * 60 * 10_000_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Samples younger than this are all kept.
const RECENT_MS: i64 = 2 * DAY_MS;

/// Samples older than this go.
const OLDEST_MS: i64 = 3 * 366 * DAY_MS;

/// How long ago a file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Age {
    /// Within 30 days, or at a time to come.
    Month,
    /// Within 90 days.
    Quarter,
    /// Within 180 days.
    HalfYear,
    /// Within 365 days.
    Year,
    /// Within 730 days.
    TwoYears,
    /// Before that.
    Older,
}

impl Age {
    /// Every age, the youngest first.
    pub const ALL: [Self; 6] = [Self::Month, Self::Quarter, Self::HalfYear, Self::Year, Self::TwoYears, Self::Older];

    /// The times since which files have each age, the youngest first; the last age has none.
    pub fn bounds(now: Ticks) -> [Ticks; 5] {
        [30, 90, 180, 365, 730].map(|days| Ticks(now.0.saturating_sub(days * DAY)))
    }

    /// In words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Month => "Up to a month",
            Self::Quarter => "1 to 3 months",
            Self::HalfYear => "3 to 6 months",
            Self::Year => "6 to 12 months",
            Self::TwoYears => "1 to 2 years",
            Self::Older => "Over 2 years",
        }
    }
}

/// How long back the trend of the free space is looked at, and what that needs at least.
const TREND_MS: i64 = 28 * DAY_MS;
const LEAST_SPAN_MS: i64 = 3 * DAY_MS;

/// What is further away than this is no news.
const FAR_WEEKS: f64 = 52.0;

/// In how many weeks a disk is full if its free space goes on as in the last four: by a straight line through what was
/// noted, the times in milliseconds and the bytes that were free, the oldest first. None where it does not shrink, where
/// that is more than a year away, or where too little was noted.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
pub fn weeks_until_full(noted: &[(i64, u64)]) -> Option<u64> {
    let (now, free) = *noted.last()?;
    let recent: Vec<(f64, f64)> = noted
        .iter()
        .filter(|(at, _)| now - at <= TREND_MS)
        .map(|(at, free)| ((at - now) as f64 / (7 * DAY_MS) as f64, *free as f64))
        .collect();
    let (first, _) = noted.iter().find(|(at, _)| now - at <= TREND_MS)?;
    if now - first < LEAST_SPAN_MS {
        return None;
    }
    let n = recent.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| recent.iter().map(of).sum::<f64>() / n;
    let (mean_at, mean_free) = (mean(|one| one.0), mean(|one| one.1));
    let covariance: f64 = recent.iter().map(|(at, free)| (at - mean_at) * (free - mean_free)).sum();
    let variance: f64 = recent.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
    let weeks = free as f64 / -(covariance / variance);
    (0.0..=FAR_WEEKS).contains(&weeks).then(|| weeks.round() as u64)
}

/// A folder with everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderTotals {
    /// Its path, `type/base`.
    pub path: String,
    pub n_files: u64,
    pub size_bytes: u64,
}

/// All folders of one name inside the folders of types: `sdxl` of `checkpoints` and of `loras`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Base {
    /// The name, as the largest of them is spelled.
    pub name: String,
    /// The folders, the largest first.
    pub folders: Vec<String>,
    pub n_files: u64,
    pub size_bytes: u64,
}

/// Puts folders of the same name together, in any case, the largest first.
pub fn bases(mut folders: Vec<FolderTotals>) -> Vec<Base> {
    folders.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.path.cmp(&b.path)));
    let mut found: BTreeMap<String, Base> = BTreeMap::new();
    for folder in folders {
        let name = folder.path.rsplit('/').next().unwrap_or_default();
        let base = found.entry(match_key(name)).or_insert_with(|| Base {
            name: name.to_owned(),
            folders: Vec::new(),
            n_files: 0,
            size_bytes: 0,
        });
        base.n_files += folder.n_files;
        base.size_bytes += folder.size_bytes;
        base.folders.push(folder.path);
    }
    let mut bases: Vec<Base> = found.into_values().collect();
    bases.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.name.cmp(&b.name)));
    bases
}

/// Which samples no longer have to be kept, given the times of all, in milliseconds: of the past one
/// a day stays, the last; of the last two days all stay; what is older than three years goes.
pub fn outdated(times: &[i64], now: i64) -> Vec<i64> {
    let mut last_of_day: BTreeMap<i64, i64> = BTreeMap::new();
    for time in times {
        let last = last_of_day.entry(time.div_euclid(DAY_MS)).or_insert(*time);
        *last = (*last).max(*time);
    }
    let stays = |time: &i64| {
        let age = now.saturating_sub(*time);
        age < RECENT_MS || (age < OLDEST_MS && last_of_day.get(&time.div_euclid(DAY_MS)) == Some(time))
    };
    times.iter().copied().filter(|time| !stays(time)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_disk_that_fills_is_told_in_weeks() {
        let gib = 1_u64 << 30;
        let daily = |days: i64, per_day: i64| -> Vec<(i64, u64)> {
            (0..=days).map(|day| (day * DAY_MS, (700 - day * per_day).cast_unsigned() * gib)).collect()
        };
        for (days, per_day, weeks) in [
            // 680 GiB are left, 70 go each week.
            (2, 10, None),
            (4, 10, Some(9)),
            (28, 10, Some(6)),
            (28, 0, None),
            (28, -5, None),
            // 1.3 years.
            (28, 1, None),
            (28, 25, Some(0)),
        ] {
            assert_eq!(weeks_until_full(&daily(days, per_day)), weeks, "{days} days, {per_day} a day");
        }
        assert_eq!(weeks_until_full(&[]), None);
        // What was long ago counts for nothing.
        let old = (-100 * DAY_MS, 10_000 * gib);
        assert_eq!(weeks_until_full(&[vec![old], daily(28, 0)].concat()), None);
    }

    fn age(modified: i64, now: i64) -> Age {
        let place = Age::bounds(Ticks(now)).iter().position(|bound| modified >= bound.0);
        Age::ALL.get(place.unwrap_or(Age::ALL.len() - 1)).copied().unwrap()
    }

    proptest! {
        #[test]
        fn older_files_have_no_younger_age(a in 0_i64..2_000, b in 0_i64..2_000) {
            let now = 10_000 * DAY;
            let (young, old) = (a.min(b), a.max(b));
            prop_assert!(age(now - young * DAY, now) <= age(now - old * DAY, now));
        }

        #[test]
        fn putting_folders_together_loses_nothing(
            folders in proptest::collection::vec(("[ab]", "[xXyY]", 0_u64..100, 0_u64..1_000), 0..20),
        ) {
            let folders: Vec<FolderTotals> = folders
                .into_iter()
                .map(|(kind, base, n_files, size_bytes)| FolderTotals { path: format!("{kind}/{base}"), n_files, size_bytes })
                .collect();
            let all: u64 = folders.iter().map(|folder| folder.size_bytes).sum();
            let n_folders = folders.len();
            let bases = bases(folders);
            prop_assert_eq!(bases.iter().map(|base| base.size_bytes).sum::<u64>(), all);
            prop_assert_eq!(bases.iter().map(|base| base.folders.len()).sum::<usize>(), n_folders);
            prop_assert!(bases.len() <= 2, "x and X are one");
            prop_assert!(bases.is_sorted_by(|a, b| a.size_bytes >= b.size_bytes));
        }

        #[test]
        fn the_past_is_bounded_and_the_latest_stays(
            ages in proptest::collection::vec(0_i64..1_500 * 24, 1..400),
        ) {
            let now = 5_000 * DAY_MS;
            let times: Vec<i64> = ages.iter().map(|hours| now - hours * 60 * 60 * 1000).collect();
            let gone = outdated(&times, now);
            let kept: Vec<i64> = times.iter().copied().filter(|time| !gone.contains(time)).collect();
            let latest = times.iter().max().unwrap();
            prop_assert!(kept.contains(latest) || now - latest >= OLDEST_MS);
            for time in &times {
                prop_assert!(now - time >= RECENT_MS || kept.contains(time), "all of the last days");
            }
            let mut days: Vec<i64> = kept.iter().filter(|time| now - **time >= RECENT_MS).copied().collect();
            days.sort_unstable();
            days.dedup();
            prop_assert!(days.is_sorted_by_key(|time| time.div_euclid(DAY_MS)));
            let n_days = days.iter().map(|time| time.div_euclid(DAY_MS)).collect::<std::collections::BTreeSet<_>>().len();
            prop_assert_eq!(n_days, days.len(), "one a day");
            prop_assert!(days.iter().all(|time| now - time < OLDEST_MS));
            prop_assert_eq!(outdated(&kept, now), Vec::<i64>::new(), "once is enough");
        }
    }

    #[test]
    fn ages_have_their_bounds() {
        let now = 10_000 * DAY;
        for (days, expected) in [
            (-5, Age::Month),
            (0, Age::Month),
            (30, Age::Month),
            (31, Age::Quarter),
            (91, Age::HalfYear),
            (181, Age::Year),
            (366, Age::TwoYears),
            (730, Age::TwoYears),
            (731, Age::Older),
            (9_000, Age::Older),
        ] {
            assert_eq!(age(now - days * DAY, now), expected, "{days} days");
        }
    }
}
