//! The session: a key, and the time in which it opens the remote side.
//!
//! A key is shown once, when it is made; only its SHA-256 is kept. The end is a time of the wall clock
//! and is looked at by every request and every piece of a stream, so neither a sleep of the computer nor
//! a restart of the hub makes a session longer. When it ends, [`LiveSession::token`] is cancelled: what
//! serves under it stops within a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use shared_protocol::SessionKey;
use shared_protocol::refusal::{Refusal, RefusalCode};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::watch;

use super::awake::Awake;
use super::limiter::Limiter;
use super::live::{Listening, LiveSession, over};
use super::session_view::{
    SessionStarted, SessionView, install_command, install_command_with_key, install_command_with_wget,
};
use crate::services::context::ServiceContext;
use crate::services::{ErrorKind, Event, Events, History, ServiceError, Settings, Tasks};
use crate::storage::history::{Level, NewLine};
use crate::storage::remote_sessions::{self, KeyDigest, SessionRow};
use crate::storage::{Database, now_ms, timestamp};

/// How often a session's end is looked for. Streams stop within a second of it.
const LOOK: Duration = Duration::from_millis(500);

/// How long the one who begins a session waits for the remote listener at most.
const OPENING: Duration = Duration::from_secs(5);

/// Longest time that a session may be given, from now on: a week.
const MOST_MINUTES: u32 = 7 * 24 * 60;

/// Sessions; clones share them.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<SessionInner>,
}

struct SessionInner {
    settings: Settings,
    database: Database,
    history: History,
    events: Events,
    tasks: Tasks,
    live: watch::Sender<Option<LiveSession>>,
    listening: watch::Sender<Listening>,
    /// Keys that were good once, so that their agents are told to stop for good.
    ended: RwLock<Vec<(KeyDigest, RefusalCode)>>,
    limiter: Limiter,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Sessions {
    /// Goes on with the session of the last run, if its time is not over.
    pub(in crate::services) async fn start(context: &ServiceContext) -> Result<Self, ServiceError> {
        let (live, ended) =
            context.database.read(|c| Ok((remote_sessions::live(c)?, remote_sessions::ended(c)?))).await?;
        let sessions = Self {
            inner: Arc::new(SessionInner {
                settings: context.settings.clone(),
                database: context.database.clone(),
                history: context.history.clone(),
                events: context.events.clone(),
                tasks: context.tasks.clone(),
                live: watch::Sender::new(None),
                listening: watch::Sender::new(Listening::default()),
                ended: RwLock::new(ended),
                limiter: Limiter::new(),
                changing: tokio::sync::Mutex::new(()),
            }),
        };
        if let Some(row) = live {
            sessions.enter(&row).await;
        }
        Ok(sessions)
    }

    /// The session, while there is one.
    pub fn current(&self) -> Option<LiveSession> {
        self.inner.live.borrow().clone().filter(|live| live.is_over().is_none())
    }

    /// Hears of every begin and end, and of the present first.
    pub fn watch(&self) -> watch::Receiver<Option<LiveSession>> {
        self.inner.live.subscribe()
    }

    /// What the remote listener says of itself.
    pub fn set_listening(&self, listening: Listening) {
        self.inner.listening.send_replace(listening);
        self.inner.events.send(Event::SessionChanged);
    }

    /// Hears what the remote listener does.
    pub fn listening(&self) -> watch::Receiver<Listening> {
        self.inner.listening.subscribe()
    }

    /// Judges what stands behind `Bearer `. A good key is judged before anything is counted, so no
    /// number of bad ones keeps it out.
    pub fn authorize(&self, bearer: Option<&str>) -> Result<LiveSession, Refusal> {
        let digest = bearer.and_then(|text| text.parse::<SessionKey>().ok()).map(|key| digest_of(&key));
        let live = self.inner.live.borrow().clone();
        if let (Some(digest), Some(live)) = (&digest, live)
            && bool::from(digest.ct_eq(&live.inner.key_sha256))
        {
            return match live.is_over() {
                None => Ok(live),
                Some(code) => Err(over(code)),
            };
        }
        if let Some(code) = digest.and_then(|digest| self.ended_by(&digest)) {
            return Err(over(code));
        }
        Err(match self.inner.limiter.failed() {
            None => Refusal {
                code: RefusalCode::Unauthorized,
                detail: "The key belongs to no session: copy it from the hub's Remote page.".to_owned(),
                retry: false,
                retry_after_s: None,
            },
            Some(wait) => Refusal {
                code: RefusalCode::Busy,
                detail: "Too many failed attempts: wait, then try again with the right key.".to_owned(),
                retry: true,
                retry_after_s: Some(wait.as_secs()),
            },
        })
    }

    /// Compares with every one of them, so that the time tells nothing.
    fn ended_by(&self, digest: &KeyDigest) -> Option<RefusalCode> {
        let mut found = None;
        for (ended, code) in self.inner.ended.read().iter() {
            let is_it: Choice = digest.ct_eq(ended);
            if bool::from(is_it) {
                found = Some(*code);
            }
        }
        found
    }

    /// Begins a session; the one before it is revoked. The key is in the answer and nowhere else.
    pub async fn create(&self, ttl_minutes: Option<u32>) -> Result<SessionStarted, ServiceError> {
        let _one = self.inner.changing.lock().await;
        let base_url = self.base_url()?;
        let until = now_ms() + self.ttl_ms(ttl_minutes)?;
        let mut bytes = [0_u8; shared_protocol::secret::KEY_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            ServiceError::said(ErrorKind::Internal, format!("the system gives no random numbers: {error}"))
        })?;
        let key = SessionKey::from_bytes(bytes);
        let digest = digest_of(&key);
        let row = self.inner.database.write(move |tx| remote_sessions::begin(tx, &digest, until)).await?;
        self.leave(RefusalCode::Revoked);
        self.enter(&row).await;
        self.opened().await;
        self.tell_change(format!("Began a remote session until {}", row.expires_at)).await;
        let key = key.expose();
        Ok(SessionStarted {
            id: row.session,
            install_command: install_command(&base_url),
            install_command_with_wget: install_command_with_wget(&base_url),
            install_command_with_key: install_command_with_key(&base_url, &key),
            key,
            expires_at: row.expires_at,
        })
    }

    /// Waits until the remote listener is open for the session that began, or has said why it can't be: who
    /// has the key may come at once.
    async fn opened(&self) {
        let mut listening = self.listening();
        let is_settled = listening.wait_for(|now| *now != Listening::Closed);
        tokio::time::timeout(OPENING, is_settled).await.ok();
    }

    /// Gives the session more time.
    pub async fn extend(&self, ttl_minutes: Option<u32>) -> Result<SessionView, ServiceError> {
        let _one = self.inner.changing.lock().await;
        let live = self.current().ok_or_else(no_session)?;
        let most = now_ms() + i64::from(MOST_MINUTES) * 60_000;
        let until = (live.expires_at_ms() + self.ttl_ms(ttl_minutes)?).min(most);
        let row = live.row();
        self.inner.database.write(move |tx| remote_sessions::set_expiry(tx, row, until)).await?;
        live.inner.expires_at_ms.store(until, Ordering::Release);
        // Whoever watches tells its agents.
        self.inner.live.send_modify(|_| {});
        self.inner.events.send(Event::SessionChanged);
        self.tell_change(format!("Extended the remote session until {}", timestamp(until))).await;
        Ok(self.view())
    }

    /// Ends the session at once.
    pub async fn revoke(&self) -> Result<(), ServiceError> {
        let _one = self.inner.changing.lock().await;
        let live = self.current().ok_or_else(no_session)?;
        self.end(&live, RefusalCode::Revoked).await
    }

    /// Everything but the key.
    pub fn view(&self) -> SessionView {
        let base_url = self.inner.settings.current().remote.base_url.clone();
        SessionView::of(self.current().as_ref(), base_url, self.inner.listening.borrow().clone())
    }

    /// The address that agents use, or what to do about it.
    pub fn base_url(&self) -> Result<String, ServiceError> {
        self.inner.settings.current().remote.base_url.clone().ok_or_else(|| {
            ServiceError::said(
                ErrorKind::Conflict,
                "REMOTE_BASE_URL is not set: agents need a fixed public https address of this computer, such as that \
                 of a tunnel. Set it in Settings, then begin the session.",
            )
        })
    }

    fn ttl_ms(&self, minutes: Option<u32>) -> Result<i64, ServiceError> {
        match minutes {
            None => {
                Ok(i64::try_from(self.inner.settings.current().remote.session_ttl.as_millis()).unwrap_or(i64::MAX / 2))
            }
            Some(minutes @ 1..=MOST_MINUTES) => Ok(i64::from(minutes) * 60_000),
            Some(_) => Err(ServiceError::said(
                ErrorKind::Malformed,
                format!("\"ttl_minutes\" has to be from 1 to {MOST_MINUTES}, a week"),
            )),
        }
    }

    async fn enter(&self, row: &SessionRow) {
        let live = LiveSession::new(row);
        if live.is_over().is_some() {
            // It ran out while the hub was off.
            self.end(&live, RefusalCode::Expired).await.inspect_err(|error| tracing::error!(%error, "session")).ok();
            return;
        }
        // What the listener said of the session before is no word about this one.
        self.inner.listening.send_if_modified(|now| {
            let is_followed = *now != Listening::Absent;
            if is_followed {
                *now = Listening::Closed;
            }
            is_followed
        });
        self.inner.live.send_replace(Some(live.clone()));
        self.inner.events.send(Event::SessionChanged);
        let sessions = self.clone();
        self.inner.tasks.spawn(async move { sessions.keep(live).await });
    }

    /// Keeps the computer awake, and ends the session when its time is over.
    async fn keep(&self, live: LiveSession) {
        let _awake = Awake::hold();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = live.token().cancelled() => break,
                () = self.inner.tasks.token().cancelled() => break,
            }
            if live.is_over().is_some() {
                let ended = self.end(&live, RefusalCode::Expired).await;
                ended.inspect_err(|error| tracing::error!(%error, "the end of a session can't be stored")).ok();
                break;
            }
        }
    }

    async fn end(&self, live: &LiveSession, why: RefusalCode) -> Result<(), ServiceError> {
        // First in memory: a database that can't be written must not keep a door open.
        live.end(why);
        self.inner.ended.write().push((live.inner.key_sha256, why));
        self.inner.live.send_if_modified(|current| {
            let is_it = current.as_ref().is_some_and(|current| current.row() == live.row());
            if is_it {
                *current = None;
            }
            is_it
        });
        self.inner.events.send(Event::SessionChanged);
        let row = live.row();
        self.inner.database.write(move |tx| remote_sessions::end(tx, row, why)).await?;
        let how = if why == RefusalCode::Expired { "The remote session ran out" } else { "Ended the remote session" };
        self.tell_change(how.to_owned()).await;
        Ok(())
    }

    /// Ends the session in memory, after the database has ended it.
    fn leave(&self, why: RefusalCode) {
        if let Some(live) = self.inner.live.send_replace(None) {
            live.end(why);
            self.inner.ended.write().push((live.inner.key_sha256, why));
        }
    }

    async fn tell_change(&self, summary: String) {
        self.inner.history.add(NewLine::new("remote", Level::Info, summary)).await;
    }
}

fn digest_of(key: &SessionKey) -> KeyDigest {
    Sha256::digest(key.expose().as_bytes()).into()
}

fn no_session() -> ServiceError {
    ServiceError::said(ErrorKind::NotFound, "There is no session.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
