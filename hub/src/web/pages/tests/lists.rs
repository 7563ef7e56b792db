//! What all lists have in common: a link changes one thing, and a number leads to what it counts.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::{browse, filled, submit};
use crate::domain::root::Root;
use crate::web::test_hub::{PORT, TestHub};

/// List pages with everything that their address can say.
const LISTS: [&str; 11] = [
    "/library?root=lake&folder=loras&q=x&kind=model&sort=size&order=desc&view=cards&open=loras/x.safetensors&s=1",
    "/library?root=local&q=vae&kind=model&sort=modified&s=1",
    "/library?root=lake&folder=loras&q=no-such-name&sort=size",
    "/models?q=x&kind=none&where=lake&folder=loras&sort=size&order=desc&view=rows",
    "/diff?status=lake_only&folder=loras&q=x&s=1",
    "/diff?status=same&q=no-such-name",
    "/duplicates?view=both&keep=newest&action=hardlink&s=1",
    "/evict?tab=evicted&by=age&folder=loras&q=x",
    "/trash?root=local&q=x",
    "/remote?tab=done&agent=00000000-0000-4000-8000-000000000001",
    "/history?kind=scan&level=error",
];

/// What goes when a list becomes another one.
const GOES: [&str; 5] = ["s", "cursor", "open", "shown", "choose"];

fn values(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    query.split('&').filter_map(pair).collect()
}

/// The tags of links, from the `<a` to the `>`.
fn links(html: &str) -> Vec<String> {
    html.split("<a ").skip(1).map(|rest| rest.split('>').next().unwrap().to_owned()).collect()
}

fn address(tag: &str) -> String {
    tag.split("href=\"").nth(1).unwrap_or_default().split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn a_control_of_a_list_changes_one_thing_and_keeps_the_rest() {
    let hub = filled().await;
    let mut n_controls = 0;
    for page in LISTS {
        let (status, html) = browse(&hub, page).await;
        assert_eq!(status, StatusCode::OK, "{page}: {html}");
        let (path, query) = page.split_once('?').unwrap();
        let mut wanted = values(query);
        wanted.retain(|(name, _)| !GOES.contains(&name.as_str()));
        for tag in links(&html) {
            // Rows open something of the list, Clear is there to clear, the bar on top leads to other pages.
            let is_exempt = ["data-details", "data-clears", "data-go", "data-elsewhere", "data-action"];
            let link = address(&tag);
            let (to, query) = link.split_once('?').unwrap_or((&link, ""));
            let is_drawer = tag.contains("class=\"path\"");
            if to != path || is_drawer || is_exempt.iter().any(|mark| tag.contains(mark)) {
                continue;
            }
            n_controls += 1;
            let got = values(query);
            for name in GOES {
                assert!(!got.iter().any(|(of, _)| of == name), "{page}: {link} keeps {name}");
            }
            let lost = wanted.iter().filter(|pair| !got.contains(pair)).count();
            let gained = got.iter().filter(|pair| !wanted.contains(pair)).count();
            // The two that sort change the column and its direction.
            let is_sort = tag.contains("class=\"sort\"");
            let most = if is_sort { 2 } else { 1 };
            assert!(lost <= most && gained <= most, "{page}: {link} changes more than one thing");
        }
    }
    assert!(n_controls > 40, "{n_controls}");
}

#[tokio::test]
async fn a_folder_that_is_unfolded_keeps_what_the_list_shows() {
    let hub = filled().await;
    hub.put(Root::Lake, "loras/deep/y.safetensors", b"deep");
    hub.scan().await;
    let (_, page) = browse(&hub, "/library?root=lake&q=x&sort=size&view=cards").await;
    let toggle =
        page.split("hx-get=\"/ui/library/tree").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let (status, tree) = browse(&hub, &format!("/ui/library/tree{toggle}")).await;
    assert_eq!(status, StatusCode::OK, "{tree}");
    assert!(tree.contains("/library?root=lake&amp;q=x&amp;sort=size&amp;view=cards&amp;folder=loras/deep"), "{tree}");
}

#[tokio::test]
async fn what_is_not_here_is_shown_where_it_is() {
    let hub = filled().await;
    let (_, local) = browse(&hub, "/ui/library/results?root=local&q=x.safetensors&sort=size").await;
    assert!(local.contains("No match") && local.contains("On the Lake:") && local.contains("1 file – show"), "{local}");
    assert!(local.contains("href=\"/library?root=lake&amp;q=x.safetensors&amp;sort=size\""), "{local}");
    let (_, folder) = browse(&hub, "/library?root=lake&folder=loras&q=vae").await;
    assert!(folder.contains("On Local as a whole:") && !folder.contains("On the Lake as a whole"), "{folder}");
    let (_, nowhere) = browse(&hub, "/library?root=local&q=nowhere-at-all").await;
    assert!(nowhere.contains("No match") && !nowhere.contains("– show"), "{nowhere}");
}

#[tokio::test]
async fn the_tabs_of_the_differences_count_what_is_searched_for() {
    let hub = filled().await;
    let count = |html: &str, status: &str| {
        let tab = html.split(&format!("/diff?status={status}")).nth(1).unwrap().to_owned();
        let n = tab.split("class=\"tabular\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let bytes = tab.split("tabular\">").nth(2).unwrap().split('<').next().unwrap().to_owned();
        (n, bytes)
    };
    let (_, all) = browse(&hub, "/diff?status=same").await;
    assert_eq!((count(&all, "lake_only").0, count(&all, "local_only").0), ("3".to_owned(), "2".to_owned()));
    let (_, found) = browse(&hub, "/diff?status=same&q=x.safe").await;
    assert_eq!(count(&found, "lake_only"), ("1".to_owned(), "4 B".to_owned()));
    assert_eq!(count(&found, "local_only").0, "0");
    let (_, typed) = browse(&hub, "/ui/diff/results?status=same&folder=vae&q=b").await;
    assert_eq!((count(&typed, "local_only").0, count(&typed, "lake_only").0), ("1".to_owned(), "0".to_owned()));
    let (_, first) = browse(&hub, "/diff?q=b.safetensors").await;
    assert!(first.contains("name=\"status\" value=\"local_only\""), "the tab that has something is shown: {first}");
}

fn ticked(html: &str) -> usize {
    html.split("<input ").filter(|tag| tag.split('>').next().unwrap().ends_with(" checked")).count()
}

#[tokio::test]
async fn files_are_ticked_for_the_one_who_asked_and_never_by_an_address() {
    let hub = filled().await;
    let (_, chosen) = browse(&hub, "/ui/evict/results?free=0.000000001&by=size&choose=1").await;
    assert_eq!(ticked(&chosen), 1, "{chosen}");
    // What a list that fetches itself again sends lies beside it: no answer on its way brings it back.
    let (list, asked) = chosen.split_once("<hx-partial hx-target=\"#asked\"").unwrap();
    assert!(asked.contains("name=\"free\" value=\"0.000000001\""), "{asked}");
    let from = list.split("id=\"from\"").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(!from.contains("name=\"free\"") && !from.contains("name=\"choose\""), "{from}");
    for again in ["/ui/evict/results?free=0.000000001&by=size", "/evict?free=1&by=size", "/evict?free=1&choose=1"] {
        let (status, html) = browse(&hub, again).await;
        assert_eq!((status, ticked(&html)), (StatusCode::OK, 0), "{again}: {html}");
    }
    // What was confirmed is done with, whatever the list is asked for next.
    let confirmed = [("paths", r#"["vae/b.safetensors"]"#), ("size_bytes", "5"), ("typed", "EVICT 1")];
    let (status, answer) = submit(&hub, "/ui/evict", &confirmed).await;
    assert!(status == StatusCode::OK && answer.contains("hx-target=\"#asked\""), "{answer}");
    assert!(answer.contains("name=\"free\" value=\"\""), "{answer}");
}

#[tokio::test]
async fn the_bar_on_top_leads_to_what_it_counts() {
    let hub = filled().await;
    let (_, idle) = browse(&hub, "/").await;
    assert!(idle.contains("<span class=\"unseen-on-phone\">Queue empty</span>"), "a name on a phone, too: {idle}");
    let body =
        serde_json::json!({ "operation": "copy", "from": "lake", "to": "local", "paths": ["loras/x.safetensors"] });
    hub.ask("POST", "/api/queue/pause", None).await;
    hub.ask("POST", "/api/transfers", Some(body)).await;
    std::fs::write(hub.folders.lake.path().join("loras/x.safetensors"), b"another content by now").unwrap();
    hub.ask("POST", "/api/queue/resume", None).await;
    // What belongs to the model ends with it.
    let is_over = |queue: &serde_json::Value| queue["failed"] != 0 && queue["running"] == 0 && queue["queued"] == 0;
    let queue = hub.wait_for("/api/queue", is_over).await;
    let (_, page) = browse(&hub, "/").await;
    let strip = page.split("class=\"queue-strip").nth(1).unwrap().split("</a>").next().unwrap();
    let failed = format!("{} failed", queue["failed"]);
    assert!(strip.contains(&failed) && strip.contains("href=\"/queue?tab=failed\""), "{strip}");
}

async fn drawer(hub: &TestHub, current: &str) -> axum::http::HeaderMap {
    let request = Request::get("/ui/library/drawer?root=lake&path=loras/x.safetensors")
        .header("host", format!("127.0.0.1:{PORT}"))
        .header("hx-current-url", format!("http://127.0.0.1:{PORT}{current}"))
        .body(Body::empty())
        .unwrap();
    hub.send(request).await.headers
}

#[tokio::test]
async fn details_are_a_step_that_back_takes_back() {
    let hub = filled().await;
    let first = drawer(&hub, "/library?root=lake&q=x").await;
    assert_eq!(first["hx-push-url"], "/library?root=lake&q=x&open=loras/x.safetensors");
    let next = drawer(&hub, "/library?root=lake&open=loras/y.safetensors&q=x").await;
    assert_eq!(next["hx-replace-url"], "/library?root=lake&q=x&open=loras/x.safetensors");
    assert!(!next.contains_key("hx-push-url"));
}

#[tokio::test]
async fn history_names_the_settings_that_changed_and_the_file_keeps_the_others() {
    let hub = TestHub::with(&[("QUEUE_CONCURRENCY", "2")]).await;
    let form = |port: &'static str| {
        let local = hub.folders.local.path().display().to_string();
        let lake = hub.folders.lake.path().display().to_string();
        let fields =
            [("HUB_PORT", port), ("QUEUE_CONCURRENCY", "2"), ("HASH_SHA256", "true"), ("SCAN_INTERVAL_MINUTES", "")];
        let mut fields: Vec<(String, String)> = fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        fields.extend([("LOCAL_MODELS_ROOT".to_owned(), local), ("LAKE_MODELS_ROOT".to_owned(), lake)]);
        fields
    };
    let save = async |port: &'static str| {
        let fields = form(port);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let (status, answer) = submit(&hub, "/ui/settings", &fields).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    };
    let lines = async || {
        let told = hub.get("/api/history?kind=settings").await;
        let items = told["items"].as_array().unwrap();
        items.iter().map(|line| line["summary"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = lines().await.len();
    assert!(save("").await.contains("Nothing was changed."));
    assert_eq!(lines().await.len(), before, "nothing was changed, so there is nothing to tell");
    assert!(save("9000").await.contains("Settings saved."));
    assert_eq!(lines().await.first().unwrap(), "Changed HUB_PORT");
    let file = hub.state.services.settings.current().app_data_dir.join(crate::config::file::NAME);
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().count(), 4, "the two folders, the concurrency, the port: {text}");
}

#[tokio::test]
async fn the_list_of_history_refreshes_with_what_its_form_says() {
    let hub = filled().await;
    let (_, page) = browse(&hub, "/history?kind=scan&level=warning").await;
    let list = page.split("<div id=\"list\"").nth(1).unwrap();
    assert!(list.contains("hx-include=\"#from\""), "each value once: {list}");
    assert!(
        list.contains("name=\"kind\" value=\"scan\"") && list.contains("name=\"level\" value=\"warning\""),
        "{list}"
    );
}
