//! How columns are read as the types of the domain: ids, and enums by their names, told once for all tables.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::background::WorkState;
use crate::domain::ids::{
    BackgroundJobId, BatchId, DuplicateGroupId, FileId, FolderId, ModelId, PlanId, RootRowId, TransferId,
};
use crate::domain::mirror::Compare;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::remote_job::{JobKind, JobState};
use crate::domain::root::Root;
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

numbers!(BackgroundJobId, BatchId, DuplicateGroupId, FileId, FolderId, ModelId, PlanId, RootRowId, TransferId);
numbers!(Ticks);
names!(Compare, JobKind, JobState, OnConflict, Operation, Root, TransferState, WorkState);

/// A column that holds JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(|error| FromSqlError::Other(error.into()))
    }
}

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0);
        text.map(Into::into).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}
