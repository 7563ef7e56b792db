//! Which addresses are taken, and that no spelling passes a rule.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn public(text: &str) -> Result<SourceUrl, UrlError> {
    SourceUrl::parse(text, Allowed::PublicOnly)
}

fn private(text: &str) -> Result<SourceUrl, UrlError> {
    SourceUrl::parse(text, Allowed::PrivateToo)
}

#[rstest]
#[case("", UrlError::Unreadable)]
#[case("models/x.safetensors", UrlError::Unreadable)]
#[case("https://", UrlError::Unreadable)]
#[case("https://a b.example/x", UrlError::Unreadable)]
#[case("https://a.example/x\ny", UrlError::Unreadable)]
#[case("https://./x", UrlError::Unreadable)]
#[case("http://a.example/x", UrlError::NotHttps)]
#[case("ftp://a.example/x", UrlError::NotHttps)]
#[case("file:///etc/passwd", UrlError::NotHttps)]
#[case("javascript:alert(1)", UrlError::NotHttps)]
#[case("https://me:secret@a.example/x", UrlError::UserInfo)]
#[case("https://token@a.example/x", UrlError::UserInfo)]
#[case("https://localhost/x", UrlError::Private)]
#[case("https://LOCALHOST./x", UrlError::Private)]
#[case("https://a.localhost/x", UrlError::Private)]
#[case("https://127.0.0.1/x", UrlError::Private)]
#[case("https://127.1/x", UrlError::Private)]
#[case("https://0x7f000001/x", UrlError::Private)]
#[case("https://2130706433/x", UrlError::Private)]
#[case("https://017700000001/x", UrlError::Private)]
#[case("https://127.0.0.1./x", UrlError::Private)]
#[case("https://１２７.０.０.１/x", UrlError::Private)]
#[case("https://[::1]/x", UrlError::Private)]
#[case("https://[::ffff:10.0.0.1]/x", UrlError::Private)]
#[case("https://192.168.1.5:8443/x", UrlError::Private)]
#[case("https://169.254.169.254/latest/meta-data", UrlError::Never)]
#[case("https://[fe80::1]/x", UrlError::Never)]
#[case("https://s3.example/x?X-Amz-Algorithm=AWS4&X-Amz-Signature=ab", UrlError::Signed)]
#[case("https://s3.example/x?x-amz-security-token=ab", UrlError::Signed)]
#[case("https://s3.example/x?AWSAccessKeyId=a&Signature=b&Expires=1", UrlError::Signed)]
#[case("https://cdn.example/x?Policy=a&Key-Pair-Id=b", UrlError::Signed)]
#[case("https://cdn.example/x?Expires=17", UrlError::Signed)]
#[case("https://blob.example/x?sv=2022&sig=ab", UrlError::Signed)]
#[case("https://gcs.example/x?X-Goog-Credential=ab", UrlError::Signed)]
#[case("https://gcs.example/x?GoogleAccessId=ab", UrlError::Signed)]
#[case("https://civitai.com/api/download/models/1?token=ab", UrlError::Token)]
#[case("https://a.example/x?%74oken=ab", UrlError::Token)]
#[case("https://a.example/x?access_token=ab", UrlError::Token)]
#[case("https://a.example/x?API-KEY=ab", UrlError::Token)]
#[case("https://a.example/x?a=1&apikey=ab", UrlError::Token)]
#[case("https://a.example/x?t=hf_abcdefghijklmnopqrstuv", UrlError::Token)]
fn is_refused(#[case] text: &str, #[case] why: UrlError) {
    assert_eq!(public(text), Err(why));
}

#[rstest]
#[case("https://huggingface.co/a/b/resolve/0123abc/x.safetensors")]
#[case("https://huggingface.co/a/b/resolve/main/x.safetensors?download=true")]
#[case("https://civitai.com/api/download/models/128713?type=Model&format=SafeTensor&fileId=7")]
#[case("https://a.example:8443/x")]
#[case("https://1.1.1.1/x")]
fn is_kept_as_it_is(#[case] text: &str) {
    assert_eq!(public(text).unwrap().as_str(), text);
}

#[test]
fn one_address_has_one_text() {
    assert_eq!(public(" HTTPS://A.Example:443/x#part ").unwrap(), public("https://a.example/x").unwrap());
    assert_eq!(public(&format!("https://a.example/{}", "x".repeat(MAX_LENGTH))), Err(UrlError::TooLong));
}

#[test]
fn a_setting_opens_private_networks_and_plain_http_there_only() {
    for text in ["http://127.0.0.1:8000/x", "https://192.168.1.5/x", "http://nas.local/x", "http://[fd00::1]/x"] {
        assert!(private(text).is_ok(), "{text}");
    }
    assert_eq!(private("http://1.1.1.1/x"), Err(UrlError::PlainToPublic));
    assert_eq!(private("http://169.254.169.254/x"), Err(UrlError::Never));
    assert!(!private("http://nas.local/x").unwrap().web().is_encrypted());
    assert_eq!(check_address([192, 168, 1, 5].into(), Allowed::PrivateToo, false), Ok(()));
    assert_eq!(check_address([1, 1, 1, 1].into(), Allowed::PrivateToo, false), Err(UrlError::PlainToPublic));
}

#[test]
fn a_name_is_judged_by_what_it_resolves_to() {
    assert!(public("https://rebound.example/x").unwrap().web().is_encrypted());
    assert_eq!(check_address([1, 1, 1, 1].into(), Allowed::PublicOnly, true), Ok(()));
    assert_eq!(check_address([127, 0, 0, 1].into(), Allowed::PublicOnly, true), Err(UrlError::Private));
    assert_eq!(check_address([169, 254, 169, 254].into(), Allowed::PrivateToo, true), Err(UrlError::Never));
}

#[test]
fn a_redirect_may_be_signed_but_passes_no_other_rule() {
    let from = public("https://civitai.com/api/download/models/1").unwrap();
    let to = |location| from.web().join(location, Allowed::PublicOnly);
    let signed = to("https://s3.example/x?X-Amz-Signature=secret").unwrap();
    assert_eq!(format!("{signed} {signed:?}"), "https://s3.example/x WebUrl(https://s3.example/x)");
    assert!(signed.as_str().ends_with("secret"), "the one who connects needs it");
    assert_eq!(to("/login").unwrap().as_str(), "https://civitai.com/login");
    assert_eq!(to("//127.0.0.1/x"), Err(UrlError::Private));
    assert_eq!(to("http://s3.example/x"), Err(UrlError::NotHttps));
    assert_eq!(to("https://me:secret@s3.example/x"), Err(UrlError::UserInfo));
    assert_eq!(to("data:text/plain,x"), Err(UrlError::NotHttps));
}

#[rstest]
#[case("https://huggingface.co/x", Some(Gate::HuggingFace))]
#[case("https://HuggingFace.co:443/x", Some(Gate::HuggingFace))]
#[case("https://civitai.com/x", Some(Gate::Civitai))]
#[case("https://huggingface.co:8443/x", None)]
#[case("https://cdn-lfs.huggingface.co/x", None)]
#[case("https://huggingface.co.evil.example/x", None)]
#[case("https://evil-civitai.com/x", None)]
fn a_token_goes_to_exactly_its_host(#[case] text: &str, #[case] gate: Option<Gate>) {
    assert_eq!(public(text).unwrap().web().gate(), gate);
}

proptest! {
    #[test]
    fn nothing_outside_panics_and_what_is_taken_is_stable(text in "\\PC{0,60}", tail in "[a-z0-9./:?=&%@\\[\\]]{0,40}") {
        for text in [text, format!("https://{tail}")] {
            if let Ok(url) = public(&text) {
                prop_assert_eq!(public(url.as_str()), Ok(url.clone()));
                prop_assert!(url.as_str().starts_with("https://"));
                prop_assert!(!url.to_string().contains('?'));
            }
        }
    }

    #[test]
    fn no_spelling_of_a_private_ipv4_address_is_taken(last: u8) {
        let bits = 0x7f00_0000_u32 | u32::from(last);
        for host in [format!("{bits}"), format!("0x{bits:x}"), format!("127.{last}"), format!("[::ffff:7f00:{last:x}]")] {
            prop_assert_eq!(public(&format!("https://{host}/x")), Err(UrlError::Private));
        }
    }
}
