//! The table that is printed.

use std::time::Duration;

/// One line: our time against a peer's.
#[derive(Debug, Clone)]
struct Row {
    work: String,
    ours: String,
    peer: String,
    ratio: Option<f64>,
    goal: Option<Goal>,
}

/// What a ratio is to be.
#[derive(Debug, Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// Lines in the order they were measured.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// A time against a peer's, with the ratio not to be exceeded, if there is one.
    pub fn compare(&mut self, work: &str, ours: Duration, peer: &str, theirs: Duration, goal: Option<f64>) {
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9);
        self.rows.push(Row {
            work: work.to_owned(),
            ours: seconds(ours),
            peer: format!("{peer} {}", seconds(theirs)),
            ratio: Some(ratio),
            goal: goal.map(Goal::AtMost),
        });
    }

    /// The speed of moving so many bytes against a peer's, with the least ratio, if there is one.
    pub fn speed(&mut self, work: &str, bytes: u64, ours: Duration, peer: (&str, Duration), goal: Option<f64>) {
        self.rows.push(Row {
            work: work.to_owned(),
            ours: speed(bytes, ours),
            peer: format!("{} {}", peer.0, speed(bytes, peer.1)),
            ratio: Some(peer.1.as_secs_f64() / ours.as_secs_f64().max(1e-9)),
            goal: goal.map(Goal::AtLeast),
        });
    }

    /// A number against a limit, without a peer.
    pub fn limit(&mut self, work: &str, value: f64, unit: &str, limit: f64) {
        self.rows.push(Row {
            work: work.to_owned(),
            ours: format!("{value:.1} {unit}"),
            peer: format!("≤ {limit} {unit}"),
            ratio: Some(value / limit),
            goal: Some(Goal::AtMost(1.0)),
        });
    }

    /// A number that has to be as large as a peer or people want it.
    pub fn least(&mut self, work: &str, value: f64, unit: &str, least: f64) {
        self.rows.push(Row {
            work: work.to_owned(),
            ours: format!("{value:.1} {unit}"),
            peer: format!("≥ {least} {unit}"),
            ratio: Some(value / least),
            goal: Some(Goal::AtLeast(1.0)),
        });
    }

    /// Only to be told.
    pub fn tell(&mut self, work: &str, value: String) {
        self.rows.push(Row { work: work.to_owned(), ours: value, peer: String::new(), ratio: None, goal: None });
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = "| work | hub | peer or limit | ratio | goal | |\n|---|---|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let goal = row.goal.map_or_else(String::new, Goal::told);
            let reached = match (row.ratio, row.goal) {
                (Some(ratio), Some(goal)) if goal.is_reached(ratio) => "reached",
                (Some(_), Some(_)) => "missed",
                _ => "",
            };
            let cells = [&row.work[..], &row.ours, &row.peer, &ratio, &goal, reached];
            text.extend(["| ", &cells.join(" | "), " |\n"]);
        }
        text
    }
}

impl Goal {
    fn is_reached(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }

    fn told(self) -> String {
        match self {
            Self::AtMost(most) => format!("{most:.2}"),
            Self::AtLeast(least) => format!("≥ {least:.2}"),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "what is moved is far below 2^52 bytes")]
fn speed(bytes: u64, time: Duration) -> String {
    format!("{:.0} MiB/s", bytes as f64 / f64::from(1 << 20) / time.as_secs_f64().max(1e-9))
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.3} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_or_missed() {
        let mut table = Table::default();
        table.compare("a", Duration::from_millis(50), "find", Duration::from_millis(100), Some(0.6));
        table.compare("b", Duration::from_millis(70), "find", Duration::from_millis(100), Some(0.6));
        table.limit("c", 40.0, "MiB", 80.0);
        table.least("f", 299.0, "a second", 300.0);
        let second = Duration::from_secs(1);
        table.speed("d", 9 << 20, second, ("nginx", second * 3 / 4), Some(0.8));
        table.speed("e", 9 << 20, second, ("nginx", second * 9 / 10), Some(0.8));
        let text = table.to_markdown();
        assert!(text.contains("| a | 0.050 s | find 0.100 s | 0.50 | 0.60 | reached |"), "{text}");
        assert!(text.contains("| b | 0.070 s | find 0.100 s | 0.70 | 0.60 | missed |"), "{text}");
        assert!(text.contains("| c | 40.0 MiB | ≤ 80 MiB | 0.50 | 1.00 | reached |"), "{text}");
        assert!(text.contains("| f | 299.0 a second | ≥ 300 a second | 1.00 | ≥ 1.00 | missed |"), "{text}");
        assert!(text.contains("| d | 9 MiB/s | nginx 12 MiB/s | 0.75 | ≥ 0.80 | missed |"), "{text}");
        assert!(text.contains("| e | 9 MiB/s | nginx 10 MiB/s | 0.90 | ≥ 0.80 | reached |"), "{text}");
    }
}
