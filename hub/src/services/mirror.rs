//! Plans to make one root, or a folder of it, like the other.
//!
//! Making a plan looks at nothing but the indexes and changes nothing but the database. Carrying it
//! out makes one batch of the queue. Every guard is asked three times: when the plan is made, when
//! it is carried out, and by the queue when each file's turn comes.

mod damaged;
mod guards;

use shared_protocol::RelPath;

use super::queue::{Queue, summary};
use super::{Comparer, ErrorKind, Event, Events, Roots, ServiceError, Tasks};
use crate::domain::ids::{BatchId, PlanId};
use crate::domain::mirror::Rules;
use crate::domain::mirror::totals::PlanTotals;
use crate::domain::root::Root;
use crate::services::roots::LiveRoot;
use crate::storage::plans::{self, NewPlan, PlanRecord};
use crate::storage::skipped::Cover;
use crate::storage::views::{Page, PageRequest, named, plan_items};
use crate::storage::{Connection, Database, StorageError};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorRequest {
    /// The root that is the model.
    pub from: Root,
    /// The root that becomes like it.
    pub to: Root,
    /// Only this folder of both.
    pub folder: Option<RelPath>,
    /// What the plan may do.
    pub rules: Rules,
}

/// What a person says when a plan is carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanConfirmation {
    /// How many files are deleted, in digits.
    pub deletes: Option<String>,
    /// That contents go of which no other copy is known.
    pub last_copies: bool,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// It can be carried out.
    Ready,
    /// An index has changed since it was made: another plan has to be made.
    Stale,
    /// A batch carries it out or has done so.
    Applied,
}

/// A plan as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanStatus {
    pub plan: PlanRecord,
    pub state: PlanState,
    /// The destination's free bytes when all is done, with all that is queued; unknown while it is
    /// away.
    pub free_bytes_after: Option<i64>,
    /// How long it will take, by the copies of late.
    pub seconds: Option<u64>,
    /// Why it can't be carried out as the configuration is now.
    pub blocked: Option<String>,
    /// Places that one side was not seen at, for people; at most [`MOST_PLACES`].
    pub unknown: Vec<Cover>,
}

/// Unknown places that a plan names at most.
pub const MOST_PLACES: u32 = 50;

/// What came of carrying a plan out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanReceipt {
    /// The batch that was made.
    pub batch: BatchId,
    pub n_transfers: u64,
    /// Bytes that have to be copied.
    pub size_bytes: u64,
}

/// Plans; clones share them.
#[derive(Clone)]
pub struct Mirror {
    database: Database,
    roots: Roots,
    queue: Queue,
    comparer: Comparer,
    events: Events,
    tasks: Tasks,
}

impl Mirror {
    pub(super) fn new(
        database: Database,
        roots: Roots,
        queue: Queue,
        comparer: Comparer,
        events: &Events,
        tasks: &Tasks,
    ) -> Self {
        Self { database, roots, queue, comparer, events: events.clone(), tasks: tasks.clone() }
    }

    /// Makes a plan from the indexes as they are now.
    pub async fn plan(&self, request: MirrorRequest) -> Result<PlanStatus, ServiceError> {
        if request.from == request.to {
            return Err(ServiceError::said(ErrorKind::Impossible, "\"from\" and \"to\" are the same root."));
        }
        self.comparer.refresh().await?;
        let this = self.clone();
        let id =
            self.tasks.blocking(move || this.plan_blocking(&request)).await.ok_or(ServiceError::ShuttingDown)??;
        self.database.write(|tx| plans::prune(tx)).await?;
        self.show(id).await
    }

    /// One plan as it is now.
    pub async fn show(&self, id: PlanId) -> Result<PlanStatus, ServiceError> {
        let this = self.clone();
        let found = self
            .database
            .read(move |connection| match plans::show(connection, id)? {
                None => Err(StorageError::Missing("plan")),
                Some(plan) => this.status(connection, plan),
            })
            .await?;
        Ok(found)
    }

    /// One page of plans, the newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<PlanStatus>, ServiceError> {
        let this = self.clone();
        let found = self
            .database
            .read(move |connection| {
                plan_items::plans(connection, &request)?.try_map(|plan| this.status(connection, plan))
            })
            .await?;
        Ok(found)
    }

    /// Carries a plan out, as one batch.
    pub async fn apply(&self, id: PlanId, said: PlanConfirmation) -> Result<PlanReceipt, ServiceError> {
        let this = self.clone();
        let receipt =
            self.tasks.blocking(move || this.apply_blocking(id, &said)).await.ok_or(ServiceError::ShuttingDown)??;
        self.queue.begin(receipt.batch);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }

    fn plan_blocking(&self, request: &MirrorRequest) -> Result<PlanId, ServiceError> {
        if request.rules.deletes {
            self.roots.check_delete(request.to)?;
        }
        let (from, to) = self.ends(request.from, request.to)?;
        if let Some(folder) = &request.folder {
            let asked = std::slice::from_ref(folder);
            let missing = |row| self.database.read_blocking(|c| named::not_indexed(c, row, asked));
            if missing(from.row)?.len() + missing(to.row)?.len() == 2 {
                ServiceError::refuse_if_all(asked, 1, named::NOT_INDEXED)?;
            }
        }
        let new = NewPlan {
            from: (from.root, from.row),
            to: (to.root, to.row),
            folder: request.folder.clone(),
            rules: request.rules,
        };
        self.database.read_blocking(|connection| guards::check_index(connection, &new))??;
        let damaged = damaged::find(&self.database, &from, &new)?;
        Ok(self.database.write_blocking(|tx| plans::build(tx, &new, &damaged))?)
    }

    /// Both roots, which are there and are the adopted ones; the destination can be written.
    fn ends(&self, from: Root, to: Root) -> Result<(LiveRoot, LiveRoot), ServiceError> {
        let (from, to) = (self.roots.live(from)?, self.roots.live_writable(to)?);
        for live in [&from, &to] {
            self.roots.check_blocking(live)?;
        }
        Ok((from, to))
    }

    fn apply_blocking(&self, id: PlanId, said: &PlanConfirmation) -> Result<PlanReceipt, ServiceError> {
        let plan = self.database.read_blocking(|connection| plans::show(connection, id))?;
        let plan = plan.ok_or_else(|| ServiceError::not_found("plan"))?;
        let (from, to) = (plan.asked.from.0, plan.asked.to.0);
        if plan.batch.is_none() {
            if plan.totals.takes_away() {
                self.roots.check_delete(to)?;
            }
            self.ends(from, to)?;
        }
        self.database.write_blocking(|tx| {
            // Read again: what is checked is what is carried out.
            let plan = plans::show(tx, id)?.ok_or(StorageError::Missing("plan"))?;
            if let Some(refused) = plans::refusal(tx, &plan)? {
                return Ok(Err(guards::refused(refused)));
            }
            if let Err(unsaid) = guards::check_confirmed(&plan.totals, said) {
                return Ok(Err(unsaid));
            }
            let batch = plans::enqueue(tx, &plan)?;
            let n_skipped = plan.totals.conflicts.n + plan.totals.left_out.n;
            summary::begin(tx, batch, None, plan.totals.n_transfers(), n_skipped)?;
            let (n_transfers, size_bytes) = (plan.totals.n_transfers(), plan.totals.bytes_to_copy());
            Ok(Ok(PlanReceipt { batch, n_transfers, size_bytes }))
        })?
    }

    fn status(&self, connection: &Connection, plan: PlanRecord) -> Result<PlanStatus, StorageError> {
        let state = match plan.batch {
            Some(_) => PlanState::Applied,
            None if plans::is_current(connection, &plan)? => PlanState::Ready,
            None => PlanState::Stale,
        };
        let (from, to) = (plan.asked.from.0, plan.asked.to);
        let queued = plans::queued_bytes(connection, to.1)?;
        let free = self.roots.status(to.0).free_bytes;
        // What is queued of the plan itself is not counted twice.
        let to_come = if state == PlanState::Applied { PlanTotals::default() } else { plan.totals };
        let rate = plans::measured_rate(connection, from, to.0)?.filter(|rate| *rate > 0);
        let refused = plan.totals.takes_away().then(|| self.roots.check_delete(to.0).err()).flatten();
        Ok(PlanStatus {
            state,
            free_bytes_after: free.map(|free| to_come.free_after(free, queued)),
            seconds: rate.map(|rate| plan.totals.bytes_to_copy().div_ceil(rate)),
            blocked: refused.map(|error| error.to_string()),
            unknown: plans::unknown_places(connection, &plan.asked, MOST_PLACES)?,
            plan,
        })
    }
}
