//! The remote listener's certificate, and taking a renewed one without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

pub use super::validity::Validity;
use crate::services::Tasks;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate's file can't be read as one.
    #[error("REMOTE_TLS_CERT: no certificates can be read from {path} ({why})")]
    Certificate { path: String, why: String },
    /// The key's file can't be read as one.
    #[error("REMOTE_TLS_KEY: no private key can be read from {path} ({why})")]
    Key { path: String, why: String },
    /// They are not for each other, or not usable.
    #[error("REMOTE_TLS_CERT and REMOTE_TLS_KEY: the key does not belong to the certificate ({0})")]
    Pair(rustls::Error),
    /// It does not say when it counts.
    #[error("REMOTE_TLS_CERT: the certificate can't be used ({0})")]
    Unusable(rustls::Error),
}

/// A certificate and key that fit each other.
#[derive(Debug)]
pub struct Loaded {
    files: [PathBuf; 2],
    times: Times,
    config: Arc<ServerConfig>,
    /// The certificate itself, the first of its chain.
    certificate: CertificateDer<'static>,
}

/// Of the two files; `None` for one that can't be looked at.
type Times = [Option<(u64, SystemTime)>; 2];

/// Reads both files and checks that they belong together.
pub fn load(certificate: &Path, key: &Path) -> Result<Loaded, TlsError> {
    let files = [certificate.to_owned(), key.to_owned()];
    // Looked at before they are read: what changes in between is seen by the next look.
    let times = times(&files);
    let (config, certificate) = read(certificate, key)?;
    Ok(Loaded { files, times, config: Arc::new(config), certificate })
}

impl Loaded {
    /// From when until when it counts.
    pub fn validity(&self) -> Result<Validity, TlsError> {
        Validity::of(&self.certificate).map_err(TlsError::Unusable)
    }

    /// What the server takes, kept up to date with the files until the server is closed.
    pub(super) fn follow(self, tasks: &Tasks, closed: CancellationToken) -> RustlsConfig {
        let served = RustlsConfig::from_config(self.config);
        let (following, own) = (served.clone(), tasks.clone());
        let (files, mut seen) = (self.files, self.times);
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = closed.cancelled() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
                let (files, before) = (files.clone(), seen);
                let looked = own.blocking(move || {
                    let now = times(&files);
                    let [certificate, key] = &files;
                    (now != before).then(|| (now, read(certificate, key)))
                });
                let Some((now, read)) = looked.await.flatten() else { continue };
                seen = now;
                match read {
                    Ok((config, _)) => {
                        following.reload_from_config(Arc::new(config));
                        tracing::info!("the remote listener has a new certificate");
                    }
                    Err(error) => tracing::warn!(%error, "the old certificate stays in use"),
                }
            }
        });
        served
    }
}

fn times(files: &[PathBuf; 2]) -> Times {
    files.each_ref().map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    })
}

fn read(certificate: &Path, key: &Path) -> Result<(ServerConfig, CertificateDer<'static>), TlsError> {
    let wrong = |why: String| TlsError::Certificate { path: certificate.display().to_string(), why };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(error.to_string()))?;
    let Some(first) = chain.first().cloned() else { return Err(wrong("it holds none".to_owned())) };
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::Key { path: key.display().to_string(), why: error.to_string() })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Pair)?;
    // WebSockets need HTTP/1.1, and one stream per connection keeps uploads fair.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, first))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn made(folder: &Path, name: &str) -> [PathBuf; 2] {
        let made = rcgen::generate_simple_self_signed(vec!["hub.example".to_owned()]).unwrap();
        let files = ["crt", "key"].map(|ending| folder.join(format!("{name}.{ending}")));
        std::fs::write(&files[0], made.cert.pem()).unwrap();
        std::fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_pair_is_taken_and_what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = made(folder.path(), "a");
        let [_, other_key] = made(folder.path(), "b");
        load(&certificate, &key).unwrap();
        assert!(matches!(load(&certificate, &other_key), Err(TlsError::Pair(_))));
        assert!(matches!(load(&key, &key), Err(TlsError::Certificate { .. })));
        assert!(matches!(load(&certificate, &certificate), Err(TlsError::Key { .. })));
        assert!(matches!(load(&folder.path().join("none"), &key), Err(TlsError::Certificate { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = made(folder.path(), "a");
        let (tasks, closed) = (Tasks::new(), CancellationToken::new());
        let served = load(&certificate, &key).unwrap().follow(&tasks, closed.clone());
        let first = served.get_inner();
        std::fs::write(&certificate, "broken").unwrap();
        tokio::time::sleep(LOOK * 3).await;
        assert!(Arc::ptr_eq(&first, &served.get_inner()), "the old one stays");
        let [new_certificate, new_key] = made(folder.path(), "b");
        std::fs::rename(new_key, &key).unwrap();
        std::fs::rename(new_certificate, &certificate).unwrap();
        while Arc::ptr_eq(&first, &served.get_inner()) {
            tokio::time::sleep(LOOK).await;
        }
        closed.cancel();
        assert!(tasks.shut_down(LOOK).await, "it no longer follows");
    }
}
