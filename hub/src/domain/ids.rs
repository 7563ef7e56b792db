//! Ids of things the hub keeps in its database. They only ever grow and are never given twice.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// An adopted model folder: a row, not one of the two names.
    RootRowId
);
id!(
    /// A file of the index.
    FileId
);
id!(
    /// A folder of the index.
    FolderId
);
id!(
    /// A background job: a scan, a hash job, a search for duplicates, a reading of headers.
    BackgroundJobId
);
id!(
    /// Files that hold the same.
    DuplicateGroupId
);
id!(
    /// A model: a content with its copies.
    ModelId
);
id!(
    /// One file's copy, move or delete.
    TransferId
);
id!(
    /// What one request put into the queue.
    BatchId
);
id!(
    /// A plan to make one root like the other.
    PlanId
);
