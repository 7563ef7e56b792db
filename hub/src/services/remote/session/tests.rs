use std::collections::BTreeMap;

use super::*;
use crate::services::Services;

const BASE: &str = "https://models.example.org";

async fn services(tasks: &Tasks) -> Services {
    let services = Services::for_tests(tasks).await;
    let change = BTreeMap::from([("remote_base_url".to_owned(), Some(BASE.to_owned()))]);
    services.save_settings(change, tasks).await.unwrap();
    services
}

/// The services of the next run over the same data folder.
async fn again(services: &Services, tasks: &Tasks) -> Services {
    let path = services.settings.current().app_data_dir.join("hub.db");
    let database = Database::open(&path).unwrap().0;
    Services::start(services.settings.clone(), database, crate::services::Logs::new(), tasks, false).await.unwrap()
}

#[tokio::test]
async fn without_a_public_address_it_says_what_to_do() {
    let services = Services::for_tests(&Tasks::new()).await;
    let error = services.remote.sessions.create(None).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("REMOTE_BASE_URL"), "{error}");
}

#[tokio::test]
async fn a_key_opens_its_session_and_only_its_digest_is_kept() {
    let tasks = Tasks::new();
    let services = services(&tasks).await;
    let sessions = services.remote.sessions.clone();
    let started = sessions.create(Some(60)).await.unwrap();
    assert_eq!(started.install_command, format!("curl -fsSL {BASE}/remote/install.sh | bash"));
    assert!(sessions.authorize(Some(&started.key)).is_ok());
    for wrong in [None, Some(""), Some("chk_"), Some(&*format!("chk_{}", "0".repeat(64)))] {
        assert_eq!(sessions.authorize(wrong).unwrap_err().code, RefusalCode::Unauthorized);
    }
    let folder = services.settings.current().app_data_dir.clone();
    let secret = started.key.strip_prefix("chk_").unwrap().as_bytes();
    for name in ["hub.db", "hub.db-wal"] {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the key lies in {name}");
    }
    assert!(!serde_json::to_string(&sessions.view()).unwrap().contains(&started.key));
}

#[tokio::test]
async fn it_survives_a_restart_and_an_old_key_is_told_why() {
    let tasks = Tasks::new();
    let first = services(&tasks).await;
    let old = first.remote.sessions.create(None).await.unwrap().key;
    let key = first.remote.sessions.create(None).await.unwrap().key;
    let second = again(&first, &tasks).await.remote.sessions;
    assert!(second.authorize(Some(&key)).is_ok());
    assert_eq!(second.authorize(Some(&old)).unwrap_err().code, RefusalCode::Revoked);
    second.revoke().await.unwrap();
    let refusal = again(&first, &tasks).await.remote.sessions.authorize(Some(&key)).unwrap_err();
    assert_eq!((refusal.code, refusal.retry), (RefusalCode::Revoked, false));
}

#[tokio::test]
async fn the_end_cancels_what_serves_under_it() {
    let tasks = Tasks::new();
    let sessions = services(&tasks).await.remote.sessions;
    let key = sessions.create(Some(1)).await.unwrap().key;
    let live = sessions.authorize(Some(&key)).unwrap();
    assert_eq!(live.is_over(), None);
    let mut watch = sessions.watch();
    watch.mark_unchanged();
    // The clock reaches its end.
    live.inner.expires_at_ms.store(now_ms() - 1, Ordering::Release);
    assert_eq!(live.is_over(), Some(RefusalCode::Expired), "without waiting for anybody to look");
    assert_eq!(sessions.authorize(Some(&key)).unwrap_err().code, RefusalCode::Expired);
    live.token().cancelled().await;
    watch.wait_for(Option::is_none).await.unwrap();
    assert_eq!(sessions.authorize(Some(&key)).unwrap_err().code, RefusalCode::Expired);
}

#[tokio::test]
async fn a_new_session_revokes_the_one_before() {
    let tasks = Tasks::new();
    let sessions = services(&tasks).await.remote.sessions;
    let old = sessions.create(None).await.unwrap().key;
    let live = sessions.authorize(Some(&old)).unwrap();
    let new = sessions.create(None).await.unwrap().key;
    live.token().cancelled().await;
    assert_eq!(live.is_over(), Some(RefusalCode::Revoked));
    assert_eq!(sessions.authorize(Some(&old)).unwrap_err().code, RefusalCode::Revoked);
    assert!(sessions.authorize(Some(&new)).is_ok());
}

#[tokio::test]
async fn more_time_is_added_and_bounded() {
    let tasks = Tasks::new();
    let sessions = services(&tasks).await.remote.sessions;
    assert_eq!(sessions.extend(None).await.unwrap_err().kind(), ErrorKind::NotFound);
    let before = sessions.create(Some(10)).await.unwrap().expires_at;
    let after = sessions.extend(Some(20)).await.unwrap().expires_at.unwrap();
    assert_eq!(after.as_millisecond() - before.as_millisecond(), 20 * 60_000);
    for wrong in [0, MOST_MINUTES + 1] {
        assert_eq!(sessions.extend(Some(wrong)).await.unwrap_err().kind(), ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn guessing_never_locks_out_the_right_key() {
    let tasks = Tasks::new();
    let sessions = services(&tasks).await.remote.sessions;
    let key = sessions.create(None).await.unwrap().key;
    let codes: Vec<_> = (0..200).map(|_| sessions.authorize(Some("chk_x")).unwrap_err().code).collect();
    assert_eq!(codes.last(), Some(&RefusalCode::Busy));
    assert!(sessions.authorize(Some(&key)).is_ok());
}

#[tokio::test]
async fn a_session_is_answered_once_its_listener_is_open() {
    let tasks = Tasks::new();
    let sessions = services(&tasks).await.remote.sessions;
    let address = |port| Listening::At(([127, 0, 0, 1], port).into());
    sessions.set_listening(Listening::Closed);
    // What follows the sessions, slowly.
    let (follower, mut begun) = (sessions.clone(), sessions.watch());
    tasks.spawn(async move {
        for port in 1.. {
            while begun.borrow_and_update().is_none() {
                begun.changed().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            follower.set_listening(address(port));
            begun.changed().await.unwrap();
        }
    });
    for port in 1..=3 {
        sessions.create(None).await.unwrap();
        assert_eq!(*sessions.listening().borrow(), address(port));
    }
}
