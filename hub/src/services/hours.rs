//! Whether it is time for what may be done in some hours only.

use jiff::Zoned;

use crate::domain::hours::Hours;

/// Whether this is one of these hours; without any, each is.
pub(super) fn are_now(hours: Option<Hours>, now: &Zoned) -> bool {
    let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or(0);
    hours.is_none_or(|hours| hours.contain(minute))
}
