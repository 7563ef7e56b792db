//! A header's metadata as a tree: makers write whole JSON documents into one string, and names with dots.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What is shown in all, so that a page stays a page.
const MAX_NODES: usize = 5_000;
/// What is shown below one name.
const MAX_CHILDREN: usize = 200;
/// How deep it goes; what lies deeper is shown as the text that it is.
const MAX_DEPTH: usize = 8;
/// Bytes of a text that are shown.
const MAX_TEXT: usize = 4_000;

/// A name with a text, or with what lies below it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct MetadataNode {
    name: String,
    text: String,
    /// Whether the text goes on.
    is_cut: bool,
    children: Vec<MetadataNode>,
    /// Children that are not shown.
    n_more: usize,
}

/// The tree of what a maker wrote, names in their order.
pub(super) fn metadata_tree(metadata: &BTreeMap<String, String>) -> Vec<MetadataNode> {
    let mut left = MAX_NODES;
    let mut roots: Vec<MetadataNode> = Vec::new();
    for (name, text) in metadata {
        let group = name.split_once('.').filter(|(group, rest)| !group.is_empty() && !rest.is_empty());
        match group {
            Some((group, rest)) => {
                if roots.last().is_none_or(|last| last.name != group || !last.text.is_empty()) {
                    roots.push(MetadataNode { name: group.to_owned(), ..MetadataNode::default() });
                }
                if let Some(last) = roots.last_mut() {
                    add(last, &mut left, |left| node(rest.to_owned(), text, 1, left));
                }
            }
            None => roots.push(node(name.clone(), text, 0, &mut left)),
        }
    }
    roots
}

/// A text, or the document that it is.
fn node(name: String, text: &str, depth: usize, left: &mut usize) -> MetadataNode {
    let is_document = text.starts_with(['{', '[']);
    match is_document.then(|| serde_json::from_str(text)) {
        Some(Ok(document)) => branch(name, &document, depth, left),
        _ => leaf(name, text),
    }
}

fn leaf(name: String, text: &str) -> MetadataNode {
    let shown = &text[..text.floor_char_boundary(MAX_TEXT)];
    MetadataNode { name, text: shown.to_owned(), is_cut: shown.len() < text.len(), ..MetadataNode::default() }
}

fn branch(name: String, value: &Value, depth: usize, left: &mut usize) -> MetadataNode {
    let below = depth + 1;
    let mut this = MetadataNode { name, ..MetadataNode::default() };
    match value {
        Value::Object(_) | Value::Array(_) if depth == MAX_DEPTH => return leaf(this.name, &value.to_string()),
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| add(&mut this, left, |left| branch(name.clone(), value, below, left)));
        }
        // Numbers and short words read better in a line than below each other.
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            return leaf(this.name, &items.iter().map(plain).collect::<Vec<_>>().join(", "));
        }
        Value::Array(items) => {
            let numbered = items.iter().zip(1..);
            numbered.for_each(|(item, n)| add(&mut this, left, |left| branch(format!("{n}."), item, below, left)));
        }
        Value::String(text) => return node(this.name, text, depth, left),
        _ => return leaf(this.name, &plain(value)),
    }
    this
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

fn add(parent: &mut MetadataNode, left: &mut usize, child: impl FnOnce(&mut usize) -> MetadataNode) {
    if parent.children.len() == MAX_CHILDREN || *left == 0 {
        parent.n_more += 1;
        return;
    }
    *left -= 1;
    let child = child(left);
    parent.children.push(child);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(metadata: &[(&str, &str)]) -> Vec<MetadataNode> {
        let owned = metadata.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        metadata_tree(&owned.collect())
    }

    /// The names in their order with their texts, each as deep as it lies.
    fn lines(nodes: &[MetadataNode], depth: usize) -> Vec<String> {
        let line = |node: &MetadataNode| format!("{}{}={}", "  ".repeat(depth), node.name, node.text);
        nodes.iter().flat_map(|node| [vec![line(node)], lines(&node.children, depth + 1)].concat()).collect()
    }

    #[test]
    fn documents_and_dotted_names_are_branches() {
        let tags = json!({ "runs": [{ "n": 1 }], "set": { "cat": 7, "dog": 5 }, "sizes": [512, 768] }).to_string();
        let nested = json!({ "inner": "{\"a\": null}" }).to_string();
        let found = tree(&[
            ("format", "pt"),
            ("modelspec.author", "somebody"),
            ("modelspec.title", "A title"),
            ("nested", &nested),
            ("ss_tag_frequency", &tags),
            ("ss_v", "{no document"),
            (".", "dots"),
        ]);
        let expected = "\
            .=dots\nformat=pt\nmodelspec=\n  author=somebody\n  title=A title\nnested=\n  inner=\n    a=–\n\
            ss_tag_frequency=\n  runs=\n    1.=\n      n=1\n  set=\n    cat=7\n    dog=5\n  sizes=512, 768\nss_v={no document";
        assert_eq!(lines(&found, 0).join("\n"), expected);
    }

    #[test]
    fn a_page_stays_a_page() {
        let wide = serde_json::to_string(&(0..1_000).map(|n| (n.to_string(), n)).collect::<BTreeMap<_, _>>()).unwrap();
        let found = tree(&[("wide", &wide)]);
        assert_eq!((found[0].children.len(), found[0].n_more), (MAX_CHILDREN, 1_000 - MAX_CHILDREN));
        let many: Vec<_> = (0..60).map(|n| (format!("m{n}"), wide.clone())).collect();
        let found = metadata_tree(&many.into_iter().collect());
        let n_shown: usize = found.iter().map(|node| node.children.len()).sum();
        assert_eq!(n_shown, MAX_NODES);
        let text = "ä".repeat(MAX_TEXT);
        let found = tree(&[("long", &text)]);
        assert!(found[0].is_cut && found[0].text.len() <= MAX_TEXT);
        let deep = |n: usize| format!("{}1{}", "[{\"a\":".repeat(n), "}]".repeat(n));
        assert!(tree(&[("deep", &deep(5_000))])[0].children.is_empty(), "a text, as no reader goes so deep");
        assert_eq!(lines(&tree(&[("deep", &deep(50))]), 0).len(), MAX_DEPTH + 1);
    }
}
