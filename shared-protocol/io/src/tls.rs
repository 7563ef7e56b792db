//! Who is believed to be who they say: one configuration for all its connections.
//!
//! The system's certificates where there are any, else those built in: the images of rented machines are
//! often without. A file of one's own adds to them, for a hub behind a certificate of one's own. The
//! cryptography is ring's, always: a second one would only make the program larger.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates can't be read.
    #[error("cannot read certificates from {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file without one.
    #[error("{} holds no certificate: a PEM file with \"BEGIN CERTIFICATE\" is expected", .0.display())]
    Empty(PathBuf),
    /// The file's certificate is none that others could be judged by.
    #[error("{} holds a certificate that cannot be used: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The versions of TLS don't fit the cryptography.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// Makes the configuration. `ca_file` is a PEM file of certificates to believe besides the usual ones.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    // What of it can't be read is left out: one broken file must not cut the machine off.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let wrong = |source| TlsError::File { path: path.to_owned(), source };
    let mut n_found = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(wrong)? {
        let certificate = certificate.map_err(wrong)?;
        roots.add(certificate).map_err(|source| TlsError::Certificate { path: path.to_owned(), source })?;
        n_found += 1;
    }
    if n_found == 0 { Err(TlsError::Empty(path.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_there_is_always_someone_to_believe() {
        assert!(client_config(None).is_ok());
    }

    #[test]
    fn a_file_that_is_of_no_use_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(client_config(Some(&path)), Err(TlsError::File { .. })));
        std::fs::write(&path, "a text").unwrap();
        assert!(matches!(client_config(Some(&path)), Err(TlsError::Empty(_))));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(client_config(Some(&path)), Err(TlsError::Certificate { .. })));
    }
}
