use jiff::Timestamp;
use lookups::{AddressState, Admission, Claim, Content, Entry, Offer, Origin, Probe, admit};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared_protocol::{Allowed, Sha256, SourceUrl};

use super::*;

fn right() -> SourceVerdict {
    SourceVerdict { status: CheckStatus::Ok, is_proved: false, detail: None }
}

fn hash(byte: u8) -> Blake3 {
    Blake3::from_bytes([byte; 32])
}

fn url(text: &str) -> SourceUrl {
    SourceUrl::parse(text, Allowed::PublicOnly).unwrap()
}

fn file(urls: &Value) -> SourcesFile {
    let whole = json!({
        "version": 1, "made_by": "x",
        "models": { hash(7).to_string(): { "size_bytes": 3, "names": ["a"], "mood": [1], "urls": urls }, "odd": 5 },
    });
    SourcesFile::parse(whole.to_string().as_bytes()).unwrap()
}

fn json_of(file: &SourcesFile) -> Value {
    serde_json::from_slice(&file.to_bytes().unwrap()).unwrap()
}

fn texts(record: &Record) -> Vec<String> {
    record.addresses(Allowed::PublicOnly).into_iter().map(|address| address.url.as_str().to_owned()).collect()
}

#[test]
fn usable_addresses_are_found_and_the_rest_is_told() {
    let urls = json!([
        { "url": "https://a.example/x", "origin": "hf", "added_at": "2026-01-01T00:00:00Z",
          "checked_at": "2026-02-01T00:00:00Z", "status": "ok", "mood": "good" },
        { "url": "https://b.example/x" }, { "address": 1 }, 7, { "url": 9 },
        { "url": "https://A.example:443/x" },
        { "url": "https://me:secret@c.example/x?token=abc" },
        { "url": "https://c.example/x?token=abc" },
        { "url": "http://192.168.1.5/x" },
    ]);
    let whole = file(&urls);
    let record = whole.record(&hash(7)).unwrap().unwrap();
    assert_eq!(texts(record), ["https://a.example/x", "https://b.example/x"]);
    let first = &record.addresses(Allowed::PublicOnly)[0];
    assert_eq!((first.origin.as_str(), first.status.as_deref()), ("hf", Some("ok")));
    assert_eq!((record.size_bytes(), record.names()), (Some(3), vec!["a".to_owned()]));
    let unusable: Vec<String> = record.unusable(Allowed::PublicOnly).into_iter().map(|one| one.url).collect();
    assert_eq!(unusable, ["c.example/x", "https://c.example/x", "http://192.168.1.5/x"]);
    assert_eq!(record.unusable(Allowed::PrivateToo).len(), 2, "a setting opens the private one");
    assert!(file(&urls).record(&hash(8)).unwrap().is_none());
}

#[test]
fn a_mark_in_front_is_read_and_not_kept() {
    let marked = [b"\xef\xbb\xbf".as_slice(), &file(&json!([])).to_bytes().unwrap()].concat();
    assert_eq!(SourcesFile::parse(&marked).unwrap().to_bytes().unwrap(), marked[3..]);
}

#[test]
fn a_broken_file_says_why() {
    for broken in
        ["", "{", "[]", "{\"version\": 1}", "{\"version\": \"1\", \"models\": {}}", "{\"version\": 1, \"models\": []}"]
    {
        assert!(matches!(SourcesFile::parse(broken.as_bytes()), Err(SourcesError::Damaged(_))), "{broken}");
    }
    let later = SourcesFile::parse(br#"{"version": 2, "models": []}"#);
    assert_eq!(later.unwrap_err(), SourcesError::Version(2));
}

#[test]
fn a_broken_entry_is_its_own_trouble() {
    let mut broken = file(&json!({}));
    assert!(matches!(broken.record(&hash(7)), Err(SourcesError::Entry(_))));
    let mut record = Record::default();
    record.add(&url("https://a.example/x"), record::MANUAL, Timestamp::UNIX_EPOCH).unwrap();
    broken.set(&hash(8), record);
    assert_eq!(broken.records().count(), 1);
    assert_eq!(json_of(&broken)["models"][hash(7).to_string()]["urls"], json!({}), "it stays as it is");
}

#[test]
fn replacing_keeps_what_is_known_of_those_that_stay() {
    let urls = json!([
        { "url": "https://a.example/x", "origin": "hf", "added_at": "2026-01-01T00:00:00Z", "mood": "good" },
        { "url": "https://b.example/x", "origin": "hf" },
        7,
    ]);
    let mut whole = file(&urls);
    let mut record = whole.record(&hash(7)).unwrap().unwrap().clone();
    let wanted = ["https://c.example/x", "https://a.example:443/x", "https://c.example/x"].map(url);
    record.replace(&wanted, "2026-03-01T00:00:00Z".parse().unwrap()).unwrap();
    whole.set(&hash(7), record);
    let written = json_of(&whole);
    assert_eq!(written["made_by"], "x");
    assert_eq!(written["models"]["odd"], 5);
    assert_eq!(
        written["models"][hash(7).to_string()],
        json!({
            "size_bytes": 3, "names": ["a"], "mood": [1],
            "urls": [
                { "url": "https://c.example/x", "origin": "manual", "added_at": "2026-03-01T00:00:00Z" },
                { "url": "https://a.example/x", "origin": "hf", "added_at": "2026-01-01T00:00:00Z", "mood": "good" },
                7,
            ],
        })
    );
}

#[test]
fn a_look_is_noted_and_what_it_does_not_say_goes() {
    let mut record = Record::default();
    let at = Timestamp::UNIX_EPOCH;
    assert!(record.add(&url("https://a.example/x"), record::MANUAL, at).unwrap());
    assert!(!record.add(&url("https://A.example/x"), "hf", at).unwrap(), "it is the same address");
    assert!(record.note(&url("https://a.example/x"), &SourceVerdict::new(CheckStatus::NotFound, "gone"), at).unwrap());
    assert_eq!(record.addresses(Allowed::PublicOnly)[0].detail.as_deref(), Some("gone"));
    assert!(record.note(&url("https://a.example/x"), &right(), at).unwrap());
    let address = &record.addresses(Allowed::PublicOnly)[0];
    assert_eq!((address.status.as_deref(), address.detail.as_deref()), (Some("ok"), None));
    assert_eq!(address.checked_at, Some(at));
    let gone = url("https://gone.example/x");
    assert!(!record.note(&gone, &right(), at).unwrap());
    assert_eq!(texts(&record).len(), 1, "a look adds nothing");
}

/// An address that a site proved by our digest, or that only a range of the data speaks for.
fn entry(text: &str, is_proved: bool) -> Entry {
    let content = Content { blake3: None, sha256: Some(Sha256::from_bytes([7; 32])), size_bytes: 200_000 };
    let claim = Claim {
        origin: Origin::Civitai,
        url: url(text),
        file_name: None,
        sha256: is_proved.then_some(Sha256::from_bytes([7; 32])),
        blake3: None,
        size_bytes: None,
        about_bytes: None,
        offer: Offer::Open,
    };
    let probe = Probe { total_bytes: 200_000, offset: 100_000, n_bytes: 70_000, data_from: 100, is_equal: true };
    admit(&content, &claim, (!is_proved).then_some(&probe)).unwrap()
}

#[test]
fn what_is_proved_is_written_and_stays_so_until_the_file_there_is_another() {
    const PROVED: &str = "https://a.example/x";
    const LIKELY: &str = "https://b.example/x";
    let at = Timestamp::UNIX_EPOCH;
    let mut record = Record::default();
    assert!(record.admit(&entry(PROVED, true), at).unwrap() && record.admit(&entry(LIKELY, false), at).unwrap());
    assert!(!record.admit(&entry(PROVED, true), at).unwrap(), "it is there already");
    let states = |record: &Record| -> Vec<Option<AddressState>> {
        record.addresses(Allowed::PublicOnly).iter().map(Address::state).collect()
    };
    let there = |admission| Some(AddressState::There(admission));
    assert_eq!(states(&record), [there(Admission::Public), there(Admission::Likely)]);
    // A look that finds the size to be right, or nobody at home, changes nothing.
    for status in [CheckStatus::Ok, CheckStatus::Unreachable, CheckStatus::NeedsToken, CheckStatus::Ok] {
        for address in [PROVED, LIKELY] {
            record.note(&url(address), &SourceVerdict { status, ..right() }, at).unwrap();
        }
        assert_eq!(states(&record), [there(Admission::Public), there(Admission::Likely)], "{status:?}");
    }
    for status in [CheckStatus::NotFound, CheckStatus::ContentDiffers] {
        record.note(&url(PROVED), &SourceVerdict { status, ..right() }, at).unwrap();
        assert_eq!(states(&record)[0], Some(AddressState::Gone), "{status:?}");
    }
    record.note(&url(PROVED), &right(), at).unwrap();
    assert_eq!(states(&record)[0], there(Admission::Likely), "another file was there meanwhile");
    record.note(&url(PROVED), &SourceVerdict { is_proved: true, ..right() }, at).unwrap();
    assert_eq!(states(&record)[0], there(Admission::Public));
    // Of a person's address nothing is known until somebody looks, and that there is nothing says nothing then.
    let mut own = Record::default();
    own.add(&url(PROVED), record::MANUAL, at).unwrap();
    assert_eq!(states(&own), [None]);
    own.note(&url(PROVED), &SourceVerdict::new(CheckStatus::NotFound, "404"), at).unwrap();
    assert_eq!(states(&own), [None]);
    own.note(&url(PROVED), &right(), at).unwrap();
    assert_eq!(states(&own), [there(Admission::Likely)], "only its size was seen");
}

#[test]
fn an_address_is_removed_as_it_was_shown() {
    let urls = json!([
        { "url": "https://a.example/x?type=Model" }, { "url": "https://a.example/x" },
        { "url": "https://a.example/s?token=abc" }, { "url": "http://10.0.0.1/x" }, 7,
    ]);
    let mut record = file(&urls).record(&hash(7)).unwrap().unwrap().clone();
    assert!(!record.remove("https://nothing.example/x", Allowed::PublicOnly));
    assert!(record.remove("https://a.example/x", Allowed::PublicOnly));
    assert_eq!(texts(&record), ["https://a.example/x?type=Model"]);
    assert!(record.remove("https://a.example/s", Allowed::PublicOnly), "by what was shown of it");
    assert!(record.remove("http://10.0.0.1/x", Allowed::PublicOnly));
    assert!(record.unusable(Allowed::PublicOnly).is_empty());
    assert!(!record.is_empty(), "what is no address stays");
}

#[test]
fn the_form_is_the_documented_one() {
    let mut whole = SourcesFile::default();
    let mut record = Record::default();
    let sha256 = Some(Sha256::from_bytes([1; 32]));
    record.set_facts(&Facts { size_bytes: 5, names: vec!["x.safetensors".into()], sha256 }).unwrap();
    record.replace(&[url("https://a.example/x")], Timestamp::UNIX_EPOCH).unwrap();
    whole.set(&hash(7), record);
    let text = String::from_utf8(whole.to_bytes().unwrap()).unwrap();
    assert_eq!(
        text,
        format!(
            "{{\n  \"version\": 1,\n  \"models\": {{\n    \"{}\": {{\n      \"names\": [\"x.safetensors\"],\n      \"sha256\": \"{}\",\n      \
             \"size_bytes\": 5,\n      \"urls\": [\n        {{\n          \"added_at\": \"1970-01-01T00:00:00Z\",\n          \
             \"origin\": \"manual\",\n          \"url\": \"https://a.example/x\"\n        }}\n      ]\n    }}\n  }}\n}}\n",
            hash(7),
            Sha256::from_bytes([1; 32]),
        )
    );
}

/// Any JSON, with numbers that no type of ours holds.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("123456789012345678901234567890.10".to_owned()),
        Just("1e999".to_owned()),
        "\\PC{0,8}".prop_map(|text| Value::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(",\n    "))),
            inner.prop_map(|value| format!("{{\r\n  \"k\": {value}\r\n}}")),
        ]
    })
}

proptest! {
    /// Whatever others wrote is there again after any change of ours, but for the space between.
    #[test]
    fn nothing_unknown_is_lost(top in any_json(), model in any_json(), entry in any_json(), other in any_json()) {
        let text = format!(
            "{{\"version\": 1, \"unknown\": {top}, \"models\": {{\"other\": {other}, \"{}\": {{\"unknown\": {model}, \
             \"urls\": [{{\"url\": \"https://a.example/x\", \"unknown\": {entry}}}]}}}}}}", hash(7));
        let mut whole = SourcesFile::parse(text.as_bytes()).unwrap();
        for _ in 0..2 {
            let mut record = whole.record(&hash(7)).unwrap().unwrap().clone();
            record.set_facts(&Facts { size_bytes: 1, names: vec![], sha256: None }).unwrap();
            record.add(&url("https://b.example/x"), record::MANUAL, Timestamp::UNIX_EPOCH).unwrap();
            record.note(&url("https://a.example/x"), &SourceVerdict::new(CheckStatus::Ok, "x"), Timestamp::UNIX_EPOCH).unwrap();
            record.replace(&["https://b.example/x", "https://a.example/x"].map(url), Timestamp::UNIX_EPOCH).unwrap();
            whole.set(&hash(7), record);
            whole = SourcesFile::parse(&whole.to_bytes().unwrap()).unwrap();
        }
        let squeezed = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
        let written = squeezed(&String::from_utf8(whole.to_bytes().unwrap()).unwrap());
        for kept in [format!("\"unknown\": {top}"), format!("\"unknown\": {model}"), format!("\"unknown\": {entry}"),
            format!("\"other\": {other}")] {
            prop_assert!(written.contains(&squeezed(&kept)), "{kept} is not in {written}");
        }
    }

    /// After a replacement exactly the wanted addresses are there, each once, in order; doing it again
    /// changes nothing.
    #[test]
    fn a_replacement_is_what_was_asked_for(before in prop::collection::vec(0_u8..6, 0..6), wanted in prop::collection::vec(0_u8..6, 0..6)) {
        let of = |n: &u8| url(&format!("https://h{n}.example/x"));
        let (first, then) = (Timestamp::UNIX_EPOCH, "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let mut record = Record::default();
        for n in &before {
            record.add(&of(n), "hf", first).unwrap();
        }
        let urls: Vec<_> = wanted.iter().map(of).collect();
        record.replace(&urls, then).unwrap();
        let mut expected: Vec<SourceUrl> = Vec::new();
        for url in urls.iter().cloned() {
            if !expected.contains(&url) {
                expected.push(url);
            }
        }
        let found = record.addresses(Allowed::PublicOnly);
        prop_assert_eq!(found.iter().map(|address| address.url.clone()).collect::<Vec<_>>(), expected);
        for address in &found {
            let was_there = before.iter().any(|n| of(n) == address.url);
            let wanted = if was_there { ("hf", first) } else { (record::MANUAL, then) };
            prop_assert_eq!((address.origin.as_str(), address.added_at.unwrap()), wanted);
        }
        let once = serde_json::to_string(&record).unwrap();
        record.replace(&urls, first).unwrap();
        prop_assert_eq!(serde_json::to_string(&record).unwrap(), once);
    }

    #[test]
    fn nothing_in_a_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), tail in "[{}\\[\\]\",:a-z0-9 ]{0,60}") {
        for bytes in [bytes, format!("{{\"version\":1,\"models\":{{{tail}").into_bytes()] {
            if let Ok(file) = SourcesFile::parse(&bytes) {
                prop_assert!(SourcesFile::parse(&file.to_bytes().unwrap()).is_ok());
            }
        }
    }
}
