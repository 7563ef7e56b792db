//! How the description of the API writes the texts that have a form: paths, hashes, ids.
//!
//! The types themselves belong to the protocol and know nothing of descriptions; each has a stand-in
//! here, with the pattern that its parser accepts.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Parts without what some system can't store, none ending in a dot or a space, none a device of Windows.
const REL_PATH: &str = concat!(
    r#"^(?!(?:.*/)?(?:[Cc][Oo][Nn]|[Pp][Rr][Nn]|[Aa][Uu][Xx]|[Nn][Uu][Ll]|[Cc][Oo][Nn](?:[Ii][Nn]|[Oo][Uu][Tt])\$"#,
    r#"|(?:[Cc][Oo][Mm]|[Ll][Pp][Tt])[1-9¹²³]) *(?:\.|/|$))"#,
    r#"[^/\\:<>"|?*\x00-\x1f\x7f-\x9f]{0,254}[^/\\:<>"|?*\x00-\x1f\x7f-\x9f. ]"#,
    r#"(?:/[^/\\:<>"|?*\x00-\x1f\x7f-\x9f]{0,254}[^/\\:<>"|?*\x00-\x1f\x7f-\x9f. ])*$"#
);

/// A part that is none of these, or `.`.
macro_rules! typed_part {
    () => {
        r#"(?:\.|[^/\\:<>"|?*\x00-\x1f\x7f-\x9f]{0,254}[^/\\:<>"|?*\x00-\x1f\x7f-\x9f. ])"#
    };
}

/// What [`crate::domain::typed_path`] understands: such parts with any slashes between, in front and behind, and
/// blanks around it. That a root on Windows is known by its drive, too, no pattern says.
const TYPED_FOLDER: &str = concat!(
    r#"^(?!(?:.*[/\\])?(?:[Cc][Oo][Nn]|[Pp][Rr][Nn]|[Aa][Uu][Xx]|[Nn][Uu][Ll]"#,
    r#"|[Cc][Oo][Nn](?:[Ii][Nn]|[Oo][Uu][Tt])\$|(?:[Cc][Oo][Mm]|[Ll][Pp][Tt])[1-9¹²³]) *(?:\.|[/\\]|$))"#,
    r#" *[/\\]*(?:"#,
    typed_part!(),
    r#"(?:[/\\]+"#,
    typed_part!(),
    r#")*[/\\]*)? *$"#
);

/// The same with something in it.
fn typed_path() -> String {
    format!(r"^(?=.*[^ ./\\]){}", TYPED_FOLDER.trim_start_matches('^'))
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $known_as:literal, $pattern:expr, $least:expr, $description:literal, $example:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::String))
                    .pattern(Some($pattern))
                    .min_length($least)
                    .description(Some($description))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($known_as)
            }
        }
    )*};
}

texts! {
    /// Stands for [`shared_protocol::RelPath`].
    RelPathText, "RelPath", REL_PATH, Some(1), "A path below a root, with `/`", "loras/detail.safetensors";
    /// Stands for [`shared_protocol::Blake3`].
    Blake3Text, "Blake3", "^blake3:[0-9a-f]{64}$", Some(1), "A content's hash",
        "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    /// Stands for [`shared_protocol::Sha256`].
    Sha256Text, "Sha256", "^sha256:[0-9a-f]{64}$", Some(1), "A content's SHA-256",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    /// Stands for either of these two.
    ContentText, "ContentHash", "^(?:blake3|sha256):[0-9a-f]{64}$", Some(1), "A content's hash, of either kind",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    /// Stands for [`shared_protocol::AgentId`] and [`shared_protocol::JobId`].
    UuidText, "Uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", Some(1),
        "An agent's or a job's id", "67e55044-10b1-426f-9247-bb680e5fe0c8";
    /// Stands for the cursor of a list.
    CursorText, "Cursor", "^(?:[0-9a-f]{2})+$", Some(1), "`next_cursor` of the page before", "5b22736361";
    /// Stands for the words of a search.
    SearchText, "Search", r"^[\s\S]*$", None, "Words, each somewhere, in any case; none for everything", "flux dev";
    /// Stands for [`crate::domain::typed_path::TypedFolder`].
    FolderText, "Folder", TYPED_FOLDER, None,
        "A folder below a root; empty or \"/\" for the root's own. Understood in any case, with either slash, with \
         slashes in front and behind, with \"./\", and with the root's own path in front; \"..\" is not", "loras";
    /// Stands for [`crate::domain::typed_path::TypedPath`].
    TypedPathText, "TypedPath", typed_path(), Some(1),
        "A file or folder below a root. Understood in any case, with either slash, with slashes in front and behind, \
         with \"./\", and with the root's own path in front; \"..\" is not. Of names that differ only in case the one \
         that is spelled as given is meant", "loras/detail.safetensors";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_pattern() {
        for schema in [RelPathText::schema(), Blake3Text::schema(), UuidText::schema(), CursorText::schema()] {
            let text = serde_json::to_value(schema).unwrap_or_default();
            assert!(
                text.get("pattern")
                    .and_then(|pattern| pattern.as_str())
                    .is_some_and(|pattern| pattern.starts_with('^')),
                "{text}"
            );
        }
    }
}
