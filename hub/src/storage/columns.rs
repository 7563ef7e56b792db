//! How columns are read as the types of the domain: ids, and enums by their names, told once for all tables.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Row, RowIndex, ToSql};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared_protocol::{Blake3, RelPath};

use crate::domain::background::WorkState;
use crate::domain::identity::Identity;
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

/// A column that holds a type of another crate.
struct Foreign<T>(T);

impl FromSql for Foreign<RelPath> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        RelPath::parse(value.as_str()?).map(Self).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl FromSql for Foreign<Blake3> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(Blake3::from_bytes(FromSql::column_result(value)?)))
    }
}

/// A path; only parsed paths were ever stored.
pub(super) fn path_column(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<RelPath> {
    row.get(column).map(|Foreign(path)| path)
}

/// A path, if there is one.
pub(super) fn path_column_if_any(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<RelPath>> {
    row.get::<_, Option<_>>(column).map(|found| found.map(|Foreign(path)| path))
}

/// A stored digest.
pub(super) fn digest(value: ValueRef<'_>) -> FromSqlResult<Option<Blake3>> {
    Option::column_result(value).map(|found| found.map(|Foreign(digest)| digest))
}

/// A digest, if there is one.
pub(super) fn digest_column(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Blake3>> {
    row.get::<_, Option<_>>(column).map(|found| found.map(|Foreign(digest)| digest))
}

/// The identity of a file, if one was recorded.
pub(super) fn identity_column(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Identity>> {
    row.get::<_, Option<i64>>(column).map(|number| number.map(Identity))
}

/// A text that is read as something else.
pub(super) struct Parsed<T>(pub(super) T);

impl<T: FromStr<Err: Display>> FromSql for Parsed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|error: T::Err| FromSqlError::Other(error.to_string().into()))
    }
}

/// The columns that statements select, told once: `at::ALL` is what they select, and `at::name` where the column of this
/// name stands in their rows, which costs nothing where whole tables are walked. What is no column of the table stands
/// behind its name.
macro_rules! columns {
    ($vis:vis mod $module:ident { $first:ident $(= $first_sql:literal)? $(, $column:ident $(= $sql:literal)?)* $(,)? }) => {
        #[allow(non_camel_case_types, non_upper_case_globals, dead_code, reason = "named as the columns are")]
        $vis mod $module {
            enum Position { $first $(, $column)* }
            pub(in crate::storage) const $first: usize = Position::$first as usize;
            $(pub(in crate::storage) const $column: usize = Position::$column as usize;)*
            /// How many columns these are.
            pub(in crate::storage) const N: usize = [$first $(, $column)*].len();
            pub(in crate::storage) const ALL: &str = concat!(
                $crate::storage::columns::columns!(@selected $first $($first_sql)?)
                $(, ", ", $crate::storage::columns::columns!(@selected $column $($sql)?))*
            );
        }
    };
    (@selected $column:ident) => { stringify!($column) };
    (@selected $column:ident $sql:literal) => { concat!($sql, " AS ", stringify!($column)) };
}

pub(super) use columns;
