//! A certificate authority of a test's own, and what it vouches for: this machine's loopback.
//!
//! rustls with ring, as the programs have it. Everything lies as PEM in a folder of its own, because
//! programs are told files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names that its certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// An authority with one certificate.
#[derive(Debug)]
pub struct TestCa {
    folder: tempfile::TempDir,
    config: Arc<ServerConfig>,
    authority_pem: String,
}

impl TestCa {
    /// Makes a fresh one, that nobody trusts yet.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Authority of a test");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;

        std::fs::write(folder.path().join("ca.pem"), authority.pem())?;
        std::fs::write(folder.path().join("cert.pem"), certificate.pem())?;
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem())?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("rustls has no protocol versions")?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .context("rustls does not take the certificate")?;
        Ok(Self { folder, config: Arc::new(config), authority_pem: authority.pem() })
    }

    /// The authority's own certificate, for those who are to trust it.
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// [`Self::authority`] as text.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The certificate for loopback.
    pub fn certificate(&self) -> PathBuf {
        self.file("cert.pem")
    }

    /// The key of [`Self::certificate`].
    pub fn key(&self) -> PathBuf {
        self.file("key.pem")
    }

    /// How a server shows the certificate. No HTTP/2 is offered, as by most tunnels' local ends.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}
