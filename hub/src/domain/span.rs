//! How long something takes, in words.

/// In two units at most: `1 h 5 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => format!("{} min {} s", seconds / 60, seconds % 60),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 if seconds % 3600 >= 60 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ if seconds % 86_400 >= 3600 => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
