//! A git server that counts objects for long before it sends any, as one with a large repository does.

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, text};
use end_to_end::git_server::Counting;
use end_to_end::machine::skip;
use end_to_end::remote::{job, succeeded, wait_for_state};
use end_to_end::wait::wait_until;
use serde_json::json;

use super::{Cloning, ensure_clean};

#[test]
fn what_a_server_says_while_it_counts_is_told_and_waited_for() -> Result<()> {
    let up = Cloning::begin()?;
    up.git.count(Counting { seconds: 3, says_so: true })?;
    let id = up.order(&json!({}))?;
    wait_until("what the server says", WORK, || {
        let told = job(&up.api, &id)?;
        Ok(text(&told, "doing").contains("the server: ") && text(&told, "doing").contains("Counting objects: "))
    })?;
    let job = succeeded(&up.api, &id)?;
    ensure!(!job["log"].to_string().contains("trying again"), "{job}");
    ensure_clean(up.comfy())
}

#[test]
fn a_server_that_counts_for_75_s_is_not_dead_whether_it_says_so_or_not() -> Result<()> {
    if std::env::var_os("STORIES_FULL").is_none() {
        skip("a_server_that_counts_for_75_s_is_not_dead", "takes three minutes: --full");
        return Ok(());
    }
    for (says_so, dir) in [(true, "said"), (false, "silent")] {
        let up = Cloning::begin()?;
        up.git.count(Counting { seconds: 75, says_so })?;
        let id = up.order(&json!({ "dir": dir }))?;
        let job = wait_for_state(&up.api, &id, &["succeeded", "failed"], WORK * 3)?;
        let is_first_try = !job["log"].to_string().contains("trying again");
        ensure!(text(&job, "state") == "succeeded" && is_first_try, "{dir}: {job}");
        ensure_clean(&up.comfy().join(dir))?;
    }
    Ok(())
}
