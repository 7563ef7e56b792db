//! What has to hold before a plan is made, and before it is carried out.

use super::PlanConfirmation;
use crate::domain::exclusion::{self, NameKind};
use crate::domain::mirror::totals::PlanTotals;
use crate::services::{ErrorKind, ServiceError};
use crate::storage::plans::{self, ApplyRefused, NewPlan};
use crate::storage::{Connection, StorageError, roots};

/// Refuses a plan that the indexes are not good enough for.
pub(super) fn check_index(connection: &Connection, new: &NewPlan) -> Result<Result<(), ServiceError>, StorageError> {
    for (root, row) in [new.from, new.to] {
        if !roots::active(connection, root)?.is_some_and(|now| now.id == row && now.last_scan.is_some()) {
            let text = format!("{} has not been scanned yet. Scan it, then make the plan.", root.label());
            return Ok(Err(ServiceError::said(ErrorKind::Conflict, text)));
        }
    }
    if let Some(folder) = &new.folder {
        if let Some(found) = exclusion::of_path(folder, NameKind::Folder) {
            return Ok(Err(ServiceError::said(ErrorKind::Impossible, format!("{found}."))));
        }
        let source = plans::holds(connection, new.from.1, Some(folder))?;
        if source.is_none() && plans::holds(connection, new.to.1, Some(folder))?.is_none() {
            let text = format!("Neither root has a folder {folder}.");
            return Ok(Err(ServiceError::said(ErrorKind::Impossible, text)));
        }
    }
    if !new.rules.deletes {
        return Ok(Ok(()));
    }
    if let Some(root) = plans::unverified(connection, new)? {
        return Ok(Err(refused(ApplyRefused::Inconclusive(root))));
    }
    let n_files = plans::holds(connection, new.from.1, None)?.map_or(0, |(n, _)| n);
    if n_files == 0 {
        let text = format!(
            "{} has no files at all, so nothing is deleted on the strength of it. Is its disk mounted?",
            new.from.0.label()
        );
        return Ok(Err(ServiceError::said(ErrorKind::Impossible, text)));
    }
    Ok(Ok(()))
}

/// Why a plan is not carried out, in words.
pub(super) fn refused(why: ApplyRefused) -> ServiceError {
    let text = match why {
        ApplyRefused::Applied(batch) => format!("This plan was carried out already, by batch {batch}."),
        ApplyRefused::Stale => {
            "The folders have changed since this plan was made, so it was not carried out. Make the plan again and \
             look at it."
                .to_owned()
        }
        ApplyRefused::Inconclusive(root) => format!(
            "The last scan of {} was stopped or failed, so nothing can be deleted on the strength of it. Scan it \
             again.",
            root.label()
        ),
        ApplyRefused::Busy => {
            "Transfers that have not ended work on some of these files. Wait for them or cancel them, then make the \
             plan again."
                .to_owned()
        }
    };
    ServiceError::said(ErrorKind::Conflict, text)
}

/// Refuses a plan for which something has to be said that was not said.
pub(super) fn check_confirmed(totals: &PlanTotals, said: &PlanConfirmation) -> Result<(), ServiceError> {
    let impossible = |text: String| Err(ServiceError::said(ErrorKind::Impossible, text));
    if totals.n_transfers() == 0 {
        return impossible("This plan has nothing to do.".to_owned());
    }
    let n = totals.deletes.n.to_string();
    let is_right = said.deletes.as_deref().map_or(!totals.needs_confirmation(), |said| said.trim() == n);
    if !is_right {
        return impossible(format!(
            "This plan deletes {n} files, {:.0} % of the destination: confirm it with \"confirm\": \"{n}\".",
            totals.delete_share() * 100.0
        ));
    }
    if totals.last_copies.n > 0 && !said.last_copies {
        return impossible(format!(
            "Of {} of the files to be deleted no other copy is known: confirm that with \"confirm_last_copies\": true.",
            totals.last_copies.n
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::mirror::totals::Count;

    fn said(deletes: Option<&str>, last_copies: bool) -> PlanConfirmation {
        PlanConfirmation { deletes: deletes.map(str::to_owned), last_copies }
    }

    #[test]
    fn what_has_to_be_said_is_said_or_nothing_happens() {
        let dest = Count { n: 100, bytes: 100 };
        let few = PlanTotals { deletes: Count { n: 3, bytes: 3 }, dest, ..PlanTotals::default() };
        assert!(check_confirmed(&few, &said(None, false)).is_ok());
        assert!(check_confirmed(&few, &said(Some("4"), false)).is_err(), "another number than the plan's");
        let many = PlanTotals { deletes: Count { n: 30, bytes: 3 }, ..few };
        assert!(check_confirmed(&many, &said(None, true)).is_err());
        assert!(check_confirmed(&many, &said(Some("DELETE"), true)).is_err());
        assert!(check_confirmed(&many, &said(Some(" 30"), false)).is_ok());
        let last = PlanTotals { last_copies: Count { n: 1, bytes: 1 }, ..few };
        assert!(check_confirmed(&last, &said(Some("3"), false)).is_err());
        assert!(check_confirmed(&last, &said(None, true)).is_ok());
        assert!(check_confirmed(&PlanTotals::default(), &said(None, true)).is_err(), "nothing to do");
    }
}
