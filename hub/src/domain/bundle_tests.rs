//! What belongs to which weights.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Of the chosen names: each bundle's weights, and its sidecars with what becomes of them.
fn told(names: &[&str], chosen: &[&str]) -> Vec<String> {
    let found = split(names, |at| chosen.contains(&names[at]));
    let of = |bundle: &Bundle| {
        let weights: Vec<&str> = bundle.weights.iter().map(|at| names[*at]).collect();
        let goes = |owner: usize| chosen.contains(&names[owner]);
        let sidecars = bundle.sidecars.iter().map(|s| format!("{} {:?}", names[s.at], s.fate(goes)).to_lowercase());
        format!("{}: {}", weights.join(" + "), sidecars.collect::<Vec<_>>().join(", "))
    };
    let alone = found.alone.iter().map(|at| format!("alone: {}", names[*at]));
    found.bundles.iter().map(of).chain(alone).collect()
}

#[test]
fn whatever_tools_put_beside_a_model_belongs_to_it() {
    let endings = [
        "yaml",
        "json",
        "txt",
        "mp4",
        "preview.mp4",
        "jpeg",
        "gif",
        "webm",
        "sha256",
        "swarm.json",
        "dl-meta",
        "rgthree-info.json",
        "Preview.PNG",
        "civitai.info",
        "safetensors.json",
        "safetensors.sha256",
    ];
    let names: Vec<String> = endings.iter().map(|ending| format!("m.{ending}")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.push("M.safetensors");
    all.extend(["mm.png", "m", "m-2.png", "other.txt", "n.m.png"]);
    let found = split(&all, |at| all[at] == "M.safetensors");
    let [bundle] = found.bundles.as_slice() else { panic!("{found:?}") };
    let sidecars: Vec<&str> = bundle.sidecars.iter().map(|sidecar| all[sidecar.at]).collect();
    assert_eq!(sidecars, names);
}

#[rstest]
#[case::a_stem_of_two(&["m.gguf", "m.gguf.json", "m.preview.png", "m.safetensors"], &["m.gguf"],
    &["m.gguf: m.gguf.json goes, m.preview.png shared"])]
#[case::both_of_them(&["m.gguf", "m.gguf.json", "m.preview.png", "m.safetensors"], &["m.gguf", "m.safetensors"],
    &["m.gguf + m.safetensors: m.gguf.json goes, m.preview.png goes"])]
#[case::named_itself(&["m.gguf", "m.preview.png", "m.safetensors"], &["m.gguf", "m.preview.png"],
    &["m.gguf: m.preview.png goes"])]
#[case::only_a_sidecar(&["m.preview.png", "m.safetensors", "m.txt"], &["m.preview.png"], &["alone: m.preview.png"])]
#[case::the_longer_name(&["x.png", "x.safetensors", "x.v2.png", "x.v2.safetensors"], &["x.safetensors"],
    &["x.safetensors: x.png goes"])]
#[case::the_longer_name_itself(&["x.png", "x.safetensors", "x.v2.png", "x.v2.safetensors"], &["x.v2.safetensors"],
    &["x.v2.safetensors: x.v2.png goes"])]
#[case::one_part(&["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json"],
    &["m-00001-of-00002.safetensors"], &["m-00001-of-00002.safetensors: m.safetensors.index.json shared"])]
#[case::all_parts(&["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json"],
    &["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
    &["m-00001-of-00002.safetensors + m-00002-of-00002.safetensors: m.safetensors.index.json goes"])]
#[case::accents(&["cafe\u{301}.png", "caf\u{e9}.safetensors"], &["caf\u{e9}.safetensors"],
    &["caf\u{e9}.safetensors: cafe\u{301}.png goes"])]
#[case::nothing_but_an_ending(&[".png", ".safetensors", "a.png"], &[".safetensors"], &[".safetensors: "])]
fn belongs(#[case] names: &[&str], #[case] chosen: &[&str], #[case] expected: &[&str]) {
    assert_eq!(told(names, chosen), expected);
}

#[rstest]
#[case(&["x.safetensors", "X.Preview.PNG", "x.safetensors.json"],
    &["x (2).safetensors", "x (2).Preview.PNG", "x (2).safetensors.json"])]
#[case(&["a.b.ckpt", "a.b.yaml"], &["a.b (2).ckpt", "a.b (2).yaml"])]
#[case(&["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json"],
    &["m (2)-00001-of-00002.safetensors", "m (2)-00002-of-00002.safetensors", "m (2).safetensors.index.json"])]
#[case(&["LICENSE"], &["LICENSE (2)"])]
#[case(&[".hidden"], &[".hidden (2)"])]
fn one_number_serves_a_bundle(#[case] names: &[&str], #[case] expected: &[&str]) {
    assert_eq!(numbered(names, 2), expected);
}

#[test]
fn a_name_that_leaves_no_room_for_a_number_is_cut_between_characters() {
    for letter in ["x", "é", "日", "🙂"] {
        let stem = letter.repeat((255 - ".safetensors".len()) / letter.len());
        let names = [format!("{stem}.safetensors"), format!("{stem}.txt")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = numbered(&names, 12);
        let kept = found[0].strip_suffix(" (12).safetensors").unwrap();
        assert!(stem.starts_with(kept) && found[0].len() <= 255 && found[0].len() > 250, "{}", found[0].len());
        assert_eq!(found[1], format!("{kept} (12).txt"));
    }
}

fn name() -> impl Strategy<Value = String> {
    let stem = prop_oneof!["[ab]", "[ab]\\.[ab]", "[aB]-0000[12]-of-00002", "é", "e\u{301}"];
    let ending = prop_oneof!["safetensors", "gguf", "PNG", "preview\\.png", "safetensors\\.json", "txt"];
    (stem, ending).prop_map(|(stem, ending)| format!("{stem}.{ending}"))
}

proptest! {
    #[test]
    fn everything_chosen_is_in_one_place_and_nothing_leaves_what_needs_it(
        names in prop::collection::btree_set(name(), 0..14), picks in prop::collection::vec(any::<bool>(), 14),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = split(&names, |at| picks[at]);
        let mut seen: Vec<usize> = found.alone.clone();
        for bundle in &found.bundles {
            prop_assert!(!bundle.weights.is_empty());
            seen.extend(&bundle.weights);
            seen.extend(bundle.sidecars.iter().map(|sidecar| sidecar.at));
            for sidecar in &bundle.sidecars {
                let key = match_key(names[sidecar.at]);
                let mut chosen = 0;
                for owner in &sidecar.owners {
                    let owner_key = match_key(names[*owner]);
                    let base = WholeBundle::of(&owner_key).map_or_else(|| stem(&owner_key).unwrap().to_owned(), |w| w.stem);
                    prop_assert!(key.starts_with(&base), "{key} of {owner_key}");
                    prop_assert!(!picks[*owner] || bundle.weights.contains(owner), "all chosen owners are in its bundle");
                    chosen += usize::from(picks[*owner]);
                }
                let fate = sidecar.fate(|owner| picks[owner]);
                prop_assert!(chosen > 0);
                prop_assert_eq!(fate == Fate::Goes, chosen == sidecar.owners.len() || picks[sidecar.at]);
            }
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), seen.len(), "nothing twice");
        for at in 0..names.len() {
            prop_assert!(!picks[at] || once.contains(&at), "{} was chosen", names[at]);
            let is_sidecar = FileKind::of(names[at]) != FileKind::Model;
            prop_assert!(picks[at] || is_sidecar || !once.contains(&at), "{} was not", names[at]);
        }
    }

    #[test]
    fn a_numbered_bundle_is_one_again(
        names in prop::collection::btree_set(name(), 1..10), number in 2_u32..300, longer in 0_usize..130,
    ) {
        let names: Vec<String> = names.iter().map(|name| format!("{}{name}", "é".repeat(longer))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.len() <= MAX_PART).collect();
        let Some(bundle) = split(&names, |_| true).bundles.into_iter().next() else { return Ok(()) };
        let members: Vec<&str> =
            bundle.weights.iter().copied().chain(bundle.sidecars.iter().map(|s| s.at)).map(|at| names[at]).collect();
        let keys: std::collections::BTreeSet<_> = members.iter().map(|name| match_key(name)).collect();
        prop_assume!(keys.len() == members.len());
        let found = numbered(&members, number);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        let mark = format!(" ({number})");
        prop_assert!(found.iter().all(|name| name.len() <= MAX_PART && name.contains(&mark)));
        let again = split(&found, |_| true);
        prop_assert_eq!((again.bundles.len(), again.alone.len()), (1, 0), "{:?}", found);
    }

    #[test]
    fn all_that_matters_lies_in_the_surroundings(names in prop::collection::btree_set(name(), 1..14)) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for weights in names.iter().filter(|name| FileKind::of(name) == FileKind::Model) {
            let (from, to) = surroundings(weights);
            let near: Vec<&str> = names.iter().copied().filter(|name| {
                let key = match_key(name);
                key >= from && key < to
            }).collect();
            prop_assert!(near.contains(weights));
            let told = |names: &[&str]| -> Vec<(String, Fate)> {
                let found = split(names, |at| names[at] == *weights);
                let sidecars = found.bundles.iter().flat_map(|bundle| &bundle.sidecars);
                sidecars.map(|s| (names[s.at].to_owned(), s.fate(|owner| names[owner] == *weights))).collect()
            };
            prop_assert_eq!(told(&near), told(&names));
        }
    }
}

#[rstest]
#[case::alone(&["m.safetensors", "m.png"], &["m.png"])]
#[case::in_any_case_where_it_is_alone(&["m.safetensors", "M.PNG"], &["M.PNG"])]
#[case::spelled_as_it_is(&["Foo.safetensors", "Foo.png", "foo.png", "foo.safetensors"], &["Foo.png"])]
#[case::spelled_as_none(&["Foo.safetensors", "FOO.png", "foo.safetensors"], &[])]
#[case::of_another_ending(&["Foo.safetensors", "Foo.gguf", "Foo.png"], &[])]
#[case::accents(&["caf\u{e9}.pt", "cafe\u{301}.pt", "caf\u{e9}.txt", "cafe\u{301}.txt"], &["caf\u{e9}.txt"])]
fn a_sidecar_is_renamed_with_the_weights_that_are_spelled_like_it(#[case] names: &[&str], #[case] follow: &[&str]) {
    let found = split(names, |at| at == 0);
    let sidecars = found.bundles.iter().flat_map(|bundle| &bundle.sidecars);
    let follows: Vec<&str> = sidecars.filter(|one| one.follows(names, 0)).map(|one| names[one.at]).collect();
    assert_eq!(follows, follow);
}
