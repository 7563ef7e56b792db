//! Words that call what an adapter has learned, from the tags it was trained with: a word that stands
//! in every caption is one, unless it is a word of quality or a plain one that all pictures share.

use std::collections::HashMap;

use super::cut;

/// Words that are told at most, and bytes of each.
const MAX_WORDS: usize = 10;
const MAX_WORD: usize = 500;

/// Most frequent tags that are told, and bytes of each.
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 120;

/// Tags that captions share, whatever the adapter has learned.
const COMMON: [&str; 32] = [
    "1girl",
    "1boy",
    "2girls",
    "2boys",
    "1other",
    "solo",
    "masterpiece",
    "best quality",
    "high quality",
    "highres",
    "absurdres",
    "amazing quality",
    "very aesthetic",
    "newest",
    "realistic",
    "photorealistic",
    "general",
    "sensitive",
    "nsfw",
    "sfw",
    "looking at viewer",
    "simple background",
    "white background",
    "no humans",
    "woman",
    "man",
    "girl",
    "boy",
    "person",
    "photo",
    "style",
    "anime",
];

fn is_common(tag: &str) -> bool {
    COMMON.contains(&tag) || ["score_", "source_", "rating_"].iter().any(|start| tag.starts_with(start))
}

/// The trigger words of kohya's `ss_tag_frequency` (folders of pictures, each with how often a tag
/// stood in its captions), and its most frequent tags. Another shape than expected tells none.
pub(super) fn of_tag_frequency(json: &str) -> (Vec<String>, Vec<(String, u64)>) {
    let folders: HashMap<String, HashMap<String, u64>> = serde_json::from_str(json).unwrap_or_default();
    let (mut words, mut all): (HashMap<&str, u64>, HashMap<&str, u64>) = (HashMap::new(), HashMap::new());
    for (tag, n) in folders.values().flatten().map(|(tag, n)| (tag.trim(), *n)).filter(|(tag, _)| !tag.is_empty()) {
        let sum = all.entry(tag).or_default();
        *sum = sum.saturating_add(n);
    }
    for tags in folders.values() {
        let telling = || tags.iter().map(|(tag, n)| (tag.trim(), *n)).filter(|(tag, n)| *n > 0 && !tag.is_empty());
        let most = telling().filter(|(tag, _)| !is_common(tag)).map(|(_, n)| n).max().unwrap_or(0);
        for (tag, n) in telling().filter(|(tag, n)| *n == most && !is_common(tag)) {
            let sum = words.entry(tag).or_default();
            *sum = sum.saturating_add(n);
        }
    }
    let words = most_frequent(words, MAX_WORDS, MAX_WORD);
    (words.into_iter().map(|(word, _)| word).collect(), most_frequent(all, MAX_TAGS, MAX_TAG))
}

fn most_frequent(tags: HashMap<&str, u64>, at_most: usize, bytes: usize) -> Vec<(String, u64)> {
    let mut tags: Vec<(&str, u64)> = tags.into_iter().collect();
    tags.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    tags.into_iter().take(at_most).map(|(tag, n)| (cut(tag, bytes).to_owned(), n)).collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::of_tag_frequency as both;

    fn of_tag_frequency(json: &str) -> Vec<String> {
        both(json).0
    }

    #[test]
    fn tags_of_all_folders_are_added_up() {
        let tags = both(r#"{"10_a": {"cat": 3, " dog": 5, "": 9}, "5_b": {"cat": 4}}"#).1;
        assert_eq!(tags, [("cat".to_owned(), 7), ("dog".to_owned(), 5)]);
        let many: Vec<_> = (0..50).map(|n| format!("\"{}{n}\": {n}", "x".repeat(200))).collect();
        let tags = both(&format!("{{\"a\": {{{}}}}}", many.join(","))).1;
        assert_eq!((tags.len(), tags[0].0.len(), tags[0].1), (20, 120, 49));
    }

    #[test]
    fn the_most_frequent_word_that_is_not_common() {
        assert_eq!(of_tag_frequency(r#"{"10_a": {"ohwx": 30, "1girl": 30, "smile": 12}}"#), ["ohwx"]);
        assert_eq!(of_tag_frequency(r#"{"10_a": {"score_9": 40, "style x": 40}}"#), ["style x"]);
        assert_eq!(of_tag_frequency(r#"{"a": {"x": 3}, "b": {"y": 5, "z": 1}, "c": {"x": 4}}"#), ["x", "y"]);
        for odd in ["", "[]", "{", r#"{"a": 3}"#, r#"{"a": {"x": -1}}"#, r#"{"a": {"solo": 4}}"#] {
            assert!(of_tag_frequency(odd).is_empty(), "{odd}");
        }
    }
}
