//! How columns are read as the types of the domain: ids, and enums by their names, told once for all tables.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::domain::hash_scope::HashKind;
use crate::domain::ids::{
    BatchId, DuplicateGroupId, DuplicateScanId, FileId, FolderId, HashJobId, PlanId, RootRowId, ScanId, TransferId,
};
use crate::domain::mirror::Compare;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::remote_job::{JobKind, JobState};
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::domain::ticks::Ticks;
use crate::domain::transfer::TransferState;

macro_rules! numbers {
    ($($name:ident),*) => {$(
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.into())
            }
        }
    )*};
}

macro_rules! names {
    ($($name:ident),*) => {$(
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let name = value.as_str()?;
                name.parse().map_err(|_| FromSqlError::Other(format!("unknown name {name:?}").into()))
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }
    )*};
}

numbers!(
    BatchId,
    DuplicateGroupId,
    DuplicateScanId,
    FileId,
    FolderId,
    HashJobId,
    PlanId,
    RootRowId,
    ScanId,
    TransferId
);
numbers!(Ticks);
names!(Compare, HashKind, JobKind, JobState, OnConflict, Operation, Root, TransferState, WorkState);
