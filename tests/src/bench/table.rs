//! The table that is printed.

use std::time::Duration;

/// One line: our time against a peer's.
#[derive(Debug, Clone)]
struct Row {
    work: String,
    ours: String,
    peer: String,
    ratio: Option<f64>,
    goal: Option<f64>,
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
            goal,
        });
    }

    /// A number against a limit, without a peer.
    pub fn limit(&mut self, work: &str, value: f64, unit: &str, limit: f64) {
        self.rows.push(Row {
            work: work.to_owned(),
            ours: format!("{value:.1} {unit}"),
            peer: format!("≤ {limit} {unit}"),
            ratio: Some(value / limit),
            goal: Some(1.0),
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
            let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
            let reached = match (row.ratio, row.goal) {
                (Some(ratio), Some(goal)) if ratio <= goal => "reached",
                (Some(_), Some(_)) => "missed",
                _ => "",
            };
            let cells = [&row.work[..], &row.ours, &row.peer, &number(row.ratio), &number(row.goal), reached];
            text.extend(["| ", &cells.join(" | "), " |\n"]);
        }
        text
    }
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
        let text = table.to_markdown();
        assert!(text.contains("| a | 0.050 s | find 0.100 s | 0.50 | 0.60 | reached |"), "{text}");
        assert!(text.contains("| b | 0.070 s | find 0.100 s | 0.70 | 0.60 | missed |"), "{text}");
        assert!(text.contains("| c | 40.0 MiB | ≤ 80 MiB | 0.50 | 1.00 | reached |"), "{text}");
    }
}
