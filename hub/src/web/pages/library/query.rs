//! What a library page shows, as it stands in the address.

use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::storage::views::files::{FileFilter, FileOrder, FileSort};
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::{folder, optional, search};
use crate::web::pages::paging::Paging;
use crate::web::spelled;
use crate::web::state::WebState;

/// How files are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum LibraryView {
    /// As rows.
    Table,
    /// With their pictures.
    Cards,
}

/// Everything behind the `?` of a library page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct LibraryQuery {
    #[serde(deserialize_with = "optional")]
    pub root: Option<Root>,
    #[serde(deserialize_with = "folder")]
    pub folder: Option<RelPath>,
    #[serde(deserialize_with = "search")]
    pub q: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub kind: Option<FileKind>,
    #[serde(deserialize_with = "optional")]
    pub sort: Option<FileSort>,
    #[serde(deserialize_with = "optional")]
    pub order: Option<FileOrder>,
    #[serde(deserialize_with = "optional")]
    pub view: Option<LibraryView>,
    /// The file whose details are open.
    #[serde(deserialize_with = "folder")]
    pub open: Option<RelPath>,
    #[serde(flatten)]
    pub paging: Paging,
}

impl LibraryQuery {
    /// The root that is shown.
    pub(in crate::web) fn root(&self) -> Root {
        self.root.unwrap_or(Root::Local)
    }

    /// With what an address may leave out, and the folder as the disk spells it.
    pub(in crate::web) async fn resolved(self, state: &WebState) -> Answer<Self> {
        let root = self.root();
        let folder = spelled::in_address(state, root, self.folder).await?;
        Ok(Self { root: Some(root), folder, ..self })
    }

    /// The kind of files that is shown. With pictures these are models, if nothing else was chosen: their
    /// previews are in the pictures already.
    fn kind(&self) -> Option<FileKind> {
        self.kind.or((self.view == Some(LibraryView::Cards)).then_some(FileKind::Model))
    }

    /// Which files are meant.
    pub(in crate::web) fn filter(&self) -> FileFilter {
        FileFilter { root: self.root(), folder: self.folder.clone(), search: self.q.clone(), kind: self.kind() }
    }

    pub(in crate::web) fn by(&self) -> (FileSort, FileOrder) {
        (self.sort.unwrap_or_default(), self.order.unwrap_or_default())
    }

    /// Whether something other than the folder narrows the list.
    pub(in crate::web) fn is_filtered(&self) -> bool {
        self.q.is_some() || self.kind().is_some()
    }

    fn sorted(&self, sort: Option<FileSort>, order: Option<FileOrder>) -> QueryString {
        let sort = sort.filter(|sort| *sort != FileSort::Name).map(sort_name);
        let order = order.filter(|order| *order == FileOrder::Desc).map(|_| "desc");
        let view = self.view.filter(|view| *view == LibraryView::Cards).map(|_| "cards");
        QueryString::new()
            .with("root", self.root().as_str())
            .with_some("folder", self.folder.as_ref())
            .with_some("q", self.q.as_ref())
            .with_some("kind", self.kind.map(FileKind::as_str))
            .with_some("sort", sort)
            .with_some("order", order)
            .with_some("view", view)
    }

    /// What says which list it is, without selection, details and page.
    pub(in crate::web) fn list(&self) -> QueryString {
        self.sorted(self.sort, self.order)
    }

    /// The list itself: which files, in which order, how shown.
    pub(in crate::web) fn state(&self) -> String {
        self.list().into_text()
    }

    /// The list with its selection: rows add the file that they open.
    pub(in crate::web) fn base(&self) -> String {
        self.list().with_some("cursor", self.paging.cursor.as_ref()).into_text()
    }

    /// The page of the list that this is.
    pub(in crate::web) fn page(&self) -> String {
        self.list().with_some("s", self.paging.s.as_ref()).into_text()
    }
}

fn sort_name(sort: FileSort) -> &'static str {
    match sort {
        FileSort::Name => "name",
        FileSort::Size => "size",
        FileSort::Modified => "modified",
    }
}

/// The head of one column.
#[derive(Debug, Serialize)]
pub(in crate::web) struct SortLink {
    link: String,
    arrow: Option<&'static str>,
    /// For screen readers: `ascending`, `descending` or nothing.
    sorted: Option<&'static str>,
}

/// The heads of the columns.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FileSortLinks {
    name: SortLink,
    size: SortLink,
    modified: SortLink,
}

impl FileSortLinks {
    /// Links that sort by a column: first the way one looks for, the other way with the next click.
    pub(in crate::web) fn of(query: &LibraryQuery) -> Self {
        let (current, order) = query.by();
        let link = |sort: FileSort| {
            let first = if sort == FileSort::Name { FileOrder::Asc } else { FileOrder::Desc };
            let turned = if order == FileOrder::Asc { FileOrder::Desc } else { FileOrder::Asc };
            let next = if sort == current { turned } else { first };
            let here = sort == current;
            SortLink {
                link: query.sorted(Some(sort), Some(next)).into_text(),
                arrow: here.then_some(if order == FileOrder::Asc { "chevron-up" } else { "chevron-down" }),
                sorted: here.then_some(if order == FileOrder::Asc { "ascending" } else { "descending" }),
            }
        };
        Self { name: link(FileSort::Name), size: link(FileSort::Size), modified: link(FileSort::Modified) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use axum::extract::Query;

    use super::*;

    fn read(text: &str) -> LibraryQuery {
        Query::try_from_uri(&format!("/library{text}").parse().unwrap()).unwrap().0
    }

    #[test]
    fn an_address_survives_being_read() {
        let text = "?root=lake&folder=a%20b/c&q=x%26y&kind=model&sort=size&order=desc&view=cards";
        assert_eq!(read(text).state(), text);
        assert_eq!(read("?root=local&sort=name&order=asc&q=&view=table").state(), "?root=local");
    }

    #[test]
    fn a_column_turns_with_the_second_click() {
        let sizes = FileSortLinks::of(&read("?root=local"));
        assert_eq!(sizes.size.link, "?root=local&sort=size&order=desc");
        let again = FileSortLinks::of(&read("?root=local&sort=size&order=desc"));
        assert_eq!((again.size.link.as_str(), again.size.sorted), ("?root=local&sort=size", Some("descending")));
        assert_eq!(again.name.sorted, None);
    }
}
