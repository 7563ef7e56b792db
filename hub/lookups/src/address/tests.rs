//! What people paste, and what is refused.

use proptest::prelude::*;
use rstest::rstest;
use shared_protocol::Allowed;
use shared_protocol::source_url::UrlError;

use super::*;
use crate::ask::Ask;
use crate::finder::Finder;

fn parse(text: &str) -> Result<Address, AddressError> {
    Address::parse(text, &Sites::public())
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[rstest]
#[case("https://huggingface.co/a/b/blob/main/x.safetensors", "hf://a/b@main/x.safetensors")]
#[case("https://huggingface.co/a/b/resolve/main/d/x%20y.safetensors?download=true", "hf://a/b@main/d/x y.safetensors")]
#[case("https://hf.co/a/b/raw/v1.0/x.pt#L3", "hf://a/b@v1.0/x.pt")]
#[case("https://www.huggingface.co/a/b", "hf://a/b@main")]
#[case("https://huggingface.co/a/b/", "hf://a/b@main")]
#[case("https://huggingface.co/a/b/tree/refs%2Fpr%2F7", "hf://a/b@refs%2Fpr%2F7")]
#[case("https://huggingface.co/a/b/tree/main/folder", "hf://a/b@main")]
#[case("https://huggingface.co/a/b/blob/refs/pr/7/x.pt", "hf://a/b@refs%2Fpr%2F7/x.pt")]
#[case("https://huggingface.co/a/b?show_file_info=d%2Fx.gguf", "hf://a/b@main/d/x.gguf")]
#[case("https://huggingface.co/gpt2/resolve/main/x.bin", "hf://gpt2@main/x.bin")]
#[case("https://huggingface.co/datasets/a/b/resolve/main/x.pth", "hf://datasets/a/b@main/x.pth")]
#[case("https://huggingface.co/spaces/a/b/blob/main/x.pth", "hf://spaces/a/b@main/x.pth")]
#[case("hf://a/b/d/x.safetensors", "hf://a/b@main/d/x.safetensors")]
#[case("hf://datasets/a/b@refs%2Fpr%2F7/x.pt", "hf://datasets/a/b@refs%2Fpr%2F7/x.pt")]
#[case("https://civitai.com/models/4384/dreamshaper?modelVersionId=128713", "civitai:@128713")]
#[case("https://civitai.red/models/4384?modelVersionId=128713", "civitai:@128713")]
#[case("https://civitai.com/models/4384/dreamshaper", "civitai:4384")]
#[case("https://civitai.com/api/v1/models/4384", "civitai:4384")]
#[case("https://civitai.com/model-versions/128713", "civitai:@128713")]
#[case("https://civitai.com/api/download/models/128713", "civitai:@128713")]
#[case(
    "https://civitai.com/api/download/models/128713?format=SafeTensor&type=Model&x=1",
    "civitai:@128713;type=Model;format=SafeTensor"
)]
#[case("https://civitai.com/api/download/models/128713?fileId=9", "civitai:@128713+9")]
#[case("urn:air:sdxl:checkpoint:civitai:827184@2514310", "civitai:@2514310")]
#[case("URN:AIR:sdxl:checkpoint:civitai:827184@2514310+2402203", "civitai:@2514310+2402203")]
#[case("air:sdxl:lora:civitai:827184@2514310.safetensor", "civitai:@2514310")]
#[case("sdxl:lora:civitai:827184", "civitai:827184")]
#[case("urn:air:sd1:model:civitai:2421@43533:layer.ckpt", "civitai:@43533")]
#[case("urn:air:model:huggingface:stabilityai/sdxl-vae", "hf://stabilityai/sdxl-vae@main")]
#[case("urn:air:flux1:vae:huggingface:a/b/d/x.safetensors@v1", "hf://a/b@v1/d/x.safetensors")]
#[case("https://modelscope.cn/models/a/b", "modelscope:a/b@master")]
#[case("https://www.modelscope.ai/models/a/b/files?revision=v1", "modelscope:a/b@v1")]
#[case("https://modelscope.cn/models/a/b/resolve/master/d/x.pt", "modelscope:a/b@master/d/x.pt")]
#[case("https://modelscope.cn/models/a/b/file/view/master/x.pt?status=2", "modelscope:a/b@master/x.pt")]
#[case(
    "https://modelscope.cn/api/v1/models/a/b/repo?Revision=master&FilePath=d%2Fx.pt",
    "modelscope:a/b@master/d/x.pt"
)]
#[case("  https://a.example/f/x.safetensors?v=2#top ", "https://a.example/f/x.safetensors?v=2")]
fn is_understood(#[case] pasted: &str, #[case] canonical: &str) {
    let address = parse(pasted).unwrap();
    assert_eq!(address.to_string(), canonical);
    if canonical.starts_with("hf://") && address.file_name().is_some() && canonical.matches('/').count() > 3 {
        assert_eq!(parse(canonical).unwrap(), address, "the canonical form means the same");
    }
}

#[rstest]
#[case("", AddressError::Empty)]
#[case(" \t", AddressError::Empty)]
#[case("model.safetensors", AddressError::Unreadable)]
#[case("https:huggingface.co/a/b", AddressError::Unreadable)]
#[case("https:///huggingface.co/a/b", AddressError::Unreadable)]
#[case("javascript:alert(1)", AddressError::Unreadable)]
#[case("file:///etc/passwd", AddressError::Unreadable)]
#[case("http://huggingface.co/a/b", AddressError::Url(UrlError::NotHttps))]
#[case("https://me:pw@huggingface.co/a/b", AddressError::Url(UrlError::UserInfo))]
#[case("https://huggingface.co@evil.example/a/b", AddressError::Url(UrlError::UserInfo))]
#[case("https://civitai.com/api/download/models/1?token=abc", AddressError::Url(UrlError::Token))]
#[case("https://b2.example/x?X-Amz-Signature=ab", AddressError::Url(UrlError::Signed))]
#[case("https://127.0.0.1/x", AddressError::Url(UrlError::Private))]
#[case("https://0x7f.1/x", AddressError::Url(UrlError::Private))]
#[case("https://169.254.169.254/latest", AddressError::Url(UrlError::Never))]
#[case("https://huggingface.co/a/b/\u{202e}x", AddressError::Invisible)]
#[case("https://hugging\u{200b}face.co/a/b", AddressError::Invisible)]
#[case("https://huggingface.co/a/b\nx", AddressError::Invisible)]
#[case("https://huggingface.co/a/b/resolve/main/%E2%80%AEx", AddressError::Invisible)]
#[case("https://huggingface.co/a/b/resolve/main/%00", AddressError::Invisible)]
#[case("https://hugg\u{456}ngface.co/a/b", AddressError::Host)]
#[case("https://ｈuggingface.co/a/b", AddressError::Host)]
#[case("https://huggingface.co/a/b/resolve/main/../../../x", AddressError::Path)]
#[case("https://huggingface.co/a/b/resolve/main/%2e%2e/x", AddressError::Path)]
#[case("https://huggingface.co/a/b/resolve/main/..%2Fx", AddressError::Path)]
#[case("https://huggingface.co/a/b/resolve/main\\x", AddressError::Path)]
#[case("https://huggingface.co/a/b/resolve/main/x%5Cy", AddressError::Path)]
#[case("https://huggingface.co/a/b/resolve/main/%ff", AddressError::Path)]
#[case("https://huggingface.co/a/b?show_file_info=../x", AddressError::Path)]
#[case("https://huggingface.co/", AddressError::NotAModel("Hugging Face"))]
#[case("https://huggingface.co/docs/hub", AddressError::NotAModel("Hugging Face"))]
#[case("https://huggingface.co/a/b/discussions/1", AddressError::NotAModel("Hugging Face"))]
#[case("https://huggingface.co/a/b/resolve/main", AddressError::NotAModel("Hugging Face"))]
#[case("https://civitai.com/images/5", AddressError::NotAModel("Civitai"))]
#[case("https://civitai.com/models/abc", AddressError::NotAModel("Civitai"))]
#[case("https://civitai.com/models/-1", AddressError::NotAModel("Civitai"))]
#[case("https://civitai.com/models/1?modelVersionId=x", AddressError::NotAModel("Civitai"))]
#[case("https://modelscope.cn/datasets/a/b", AddressError::NotAModel("ModelScope"))]
#[case("https://modelscope.cn/api/v1/models/a/b/repo?FilePath=../x", AddressError::Path)]
#[case("urn:air:", AddressError::Air)]
#[case("urn:isbn:123", AddressError::Air)]
#[case("urn:air:sdxl:lora:civitai:", AddressError::Air)]
#[case("urn:air:sdxl:lora:civitai:x@2", AddressError::Air)]
#[case("urn:air:sdxl:lora:civitai:1+2", AddressError::Air)]
#[case("urn:air:gpt:model:openai:gpt@4", AddressError::AirSource("openai".into()))]
#[case("hf://a", AddressError::Hf)]
#[case("hf://a/b/../c", AddressError::Path)]
#[case("hf://a/b/x?y", AddressError::Hf)]
fn is_refused(#[case] pasted: &str, #[case] why: AddressError) {
    assert_eq!(parse(pasted), Err(why));
}

#[test]
fn every_refusal_says_what_to_do() {
    for error in [
        AddressError::Empty,
        AddressError::Unreadable,
        AddressError::Invisible,
        AddressError::Path,
        AddressError::Host,
        AddressError::NotAModel("Civitai"),
        AddressError::AirSource("x".into()),
        AddressError::Air,
        AddressError::Hf,
    ] {
        let said = error.to_string();
        assert!(["copy", "type", "use", "expected"].iter().any(|verb| said.contains(verb)), "{said}");
    }
}

#[test]
fn downloads_are_made_anew_at_the_configured_base() {
    let download = |text: &str| parse(text).unwrap().download(&Sites::public()).map(|url| url.as_str().to_owned());
    assert_eq!(
        download("https://hf.co/a/b/blob/refs%2Fpr%2F7/d/x%20%231.pt").as_deref(),
        Some("https://huggingface.co/a/b/resolve/refs%2Fpr%2F7/d/x%20%231.pt")
    );
    assert_eq!(
        download("https://civitai.red/api/download/models/7?fileId=9&format=SafeTensor").as_deref(),
        Some("https://civitai.com/api/download/models/7?format=SafeTensor&fileId=9")
    );
    assert_eq!(
        download("https://modelscope.ai/models/a/b/file/view/master/x.pt").as_deref(),
        Some("https://modelscope.cn/models/a/b/resolve/master/x.pt")
    );
    assert_eq!(download("https://civitai.com/models/7"), None, "which version is not told");
    assert_eq!(download("https://huggingface.co/a/b"), None);
    let red = Sites::public().with_base(Site::Civitai, "https://civitai.red").unwrap();
    let address = Address::parse("urn:air:sdxl:lora:civitai:1@2", &red).unwrap();
    assert_eq!(address.download(&red).unwrap().as_str(), "https://civitai.red/api/download/models/2");
}

#[test]
fn a_mirror_may_lie_below_a_path() {
    let sites = Sites::new(Allowed::PrivateToo).with_base(Site::HuggingFace, "http://127.0.0.1:99/hf").unwrap();
    let address = Address::parse("http://127.0.0.1:99/hf/a/b/resolve/main/x.pt", &sites).unwrap();
    assert_eq!(address.to_string(), "hf://a/b@main/x.pt");
    assert_eq!(address.download(&sites).unwrap().as_str(), "http://127.0.0.1:99/hf/a/b/resolve/main/x.pt");
    let request = Ask::about(&address).unwrap().request(&sites).unwrap();
    assert_eq!(request.url.as_str(), "http://127.0.0.1:99/hf/api/models/a/b/paths-info/main");
}

#[test]
fn names_and_tokens() {
    let of = |text: &str| (parse(text).unwrap().file_name(), parse(text).unwrap().token_need());
    assert_eq!(of("https://hf.co/a/b/blob/main/d/x.gguf"), (Some("x.gguf".into()), TokenNeed::Maybe));
    assert_eq!(of("https://civitai.com/models/1"), (None, TokenNeed::Maybe));
    assert_eq!(of("https://a.example/x%3Ay.pt?z"), (Some("x_y.pt".into()), TokenNeed::No));
    assert_eq!(of("https://a.example/"), (None, TokenNeed::No));
    assert_eq!(of("https://modelscope.cn/models/a/b/resolve/master/x.pt"), (Some("x.pt".into()), TokenNeed::No));
}

#[test]
fn names_from_elsewhere_are_held_to_the_same_rules() {
    for path in ["../x", "a/./b", "a\\b", "a//b", "", "a\u{202e}b", "a\nb"] {
        assert_eq!(HuggingFaceFile::new("a/b", None, Some(path)), None, "{path:?}");
        assert_eq!(ModelScopeFile::new("a/b", None, Some(path)), None, "{path:?}");
    }
    for repo in ["", "a/b/c", "../b", "a/..", "a b/c", "é/b"] {
        assert_eq!(HuggingFaceFile::new(repo, None, Some("x")), None, "{repo:?}");
        assert_eq!(ModelScopeFile::new(repo, None, Some("x")), None, "{repo:?}");
    }
}

#[test]
fn what_is_asked_about_an_address() {
    let url = |text: &str| {
        let request = Ask::about(&parse(text).unwrap()).and_then(|ask| ask.request(&Sites::public()));
        request.map(|request| request.url.to_string())
    };
    let expected = [
        ("https://hf.co/a/b/blob/main/x.pt", "https://huggingface.co/api/models/a/b/paths-info/main"),
        ("hf://datasets/a/b", "https://huggingface.co/api/datasets/a/b/tree/main?recursive=true"),
        ("https://civitai.com/models/7", "https://civitai.com/api/v1/models/7"),
        ("https://civitai.com/models/7?modelVersionId=8", "https://civitai.com/api/v1/model-versions/8"),
        (
            "https://modelscope.cn/models/a/b",
            "https://modelscope.cn/api/v1/models/a/b/repo/files?Revision=master&Recursive=True",
        ),
    ];
    for (pasted, asked) in expected {
        assert_eq!(url(pasted).as_deref(), Some(asked));
    }
    assert_eq!(url("https://a.example/x.pt"), None);
    assert!(HuggingFaceFile::new("a/b", Some(COMMIT), Some("x.pt")).unwrap().is_pinned());
    assert!(!HuggingFaceFile::new("a/b", None, None).unwrap().is_pinned());
}

/// Pieces that addresses are made of, good and bad.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "https://",
        "http://",
        "huggingface.co",
        "civitai.com",
        "modelscope.cn",
        "a.example",
        "hf://",
        "urn:air:",
        "civitai:",
        "sdxl:",
        "/",
        "//",
        "\\",
        "..",
        ".",
        "%2e",
        "%2F",
        "%00",
        "@",
        ":",
        "?",
        "#",
        "&",
        "=",
        "+",
        "models",
        "api",
        "v1",
        "download",
        "resolve",
        "blob",
        "main",
        "refs",
        "pr",
        "1",
        "128713",
        "a",
        "b",
        "x.safetensors",
        "modelVersionId=",
        "fileId=",
        "FilePath=",
        "repo",
        "datasets",
        "token=",
        "é",
        "\u{202e}",
        "127.0.0.1",
        "[::1]",
        " ",
        "\t",
        "\0",
        "99999999999999999999",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let sites = Sites::public();
    let Ok(address) = Address::parse(text, &sites) else { return Ok(()) };
    if let Some(url) = address.download(&sites) {
        let parsed = Url::parse(url.as_str()).unwrap();
        prop_assert!(parsed.scheme() == "https" && parsed.username().is_empty() && parsed.password().is_none());
        prop_assert!(SourceUrl::parse(url.as_str(), Allowed::PublicOnly).is_ok());
        // A site's own address stays at the site, whatever was in it.
        if let Some(site) = address.site() {
            prop_assert_eq!(sites.site_of(&parsed), Some(site));
            prop_assert_eq!(&Address::parse(url.as_str(), &sites).unwrap().to_string(), &address.to_string());
        }
    }
    if let Some(request) = Ask::about(&address).and_then(|ask| ask.request(&sites)) {
        prop_assert_eq!(sites.site_of(&request.url), Some(request.site));
        prop_assert_eq!(Some(request.site), address.site());
    }
    if let Some(name) = address.file_name() {
        prop_assert!(shared_protocol::RelPath::parse(&name).is_ok() && !name.contains('/'));
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_pasted_stays_where_it_belongs(text in pieces()) {
        holds(&text)?;
    }

    #[test]
    fn any_text_at_all(text in "\\PC{0,80}") {
        holds(&text)?;
    }

    #[test]
    fn paths_of_hugging_face(path in "[a-zA-Z0-9 %#?&+.é\u{202e}\u{200b}\\\\_-]{1,20}(/[a-z%.]{1,8}){0,2}") {
        let file = HuggingFaceFile::new("a/b", Some("v1"), Some(&path));
        if let Some(file) = file {
            let url = Address::HuggingFace(file.clone()).download(&Sites::public()).unwrap();
            holds(url.as_str())?;
            let back = Address::parse(url.as_str(), &Sites::public());
            prop_assert_eq!(back, Ok(Address::HuggingFace(file)));
        }
    }
}
