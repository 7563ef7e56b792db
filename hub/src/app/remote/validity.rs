//! From when until when a certificate counts.
//!
//! The library that judges certificates tells the times in its refusals and nowhere else: so it is asked
//! about the beginning and the end of all time. The times are judged before anything else of a
//! certificate, so nobody has to be trusted for that.

use std::time::Duration;

use jiff::Timestamp;
use rustls::client::verify_server_cert_signed_by_trust_anchor as verify;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

/// Between these times, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first.
    pub from: Timestamp,
    /// The last.
    pub until: Timestamp,
}

impl Validity {
    /// Reads it.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let at = |time| verify(&certificate, &RootCertStore::empty(), &[], UnixTime::since_unix_epoch(time), &[]);
        let from = match at(Duration::ZERO) {
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => not_before,
            // It counted in 1970: since when exactly makes no difference.
            _ => UnixTime::since_unix_epoch(Duration::ZERO),
        };
        match at(Duration::from_secs(u64::MAX)) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Ok(Self { from: timestamp(from), until: timestamp(not_after) })
            }
            Err(error) => Err(error),
            Ok(()) => Err(CertificateError::BadEncoding.into()),
        }
    }
}

/// "For ever" is written as a time that is later than any of ours.
fn timestamp(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs()).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn made(from: i32, until: (i32, u8, u8), is_authority: bool) -> Validity {
        let mut wanted = rcgen::CertificateParams::new(vec!["hub.example".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(from, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        if is_authority {
            wanted.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        Validity::of(wanted.self_signed(&key).unwrap().der()).unwrap()
    }

    #[test]
    fn the_times_are_read_whatever_else_is_in_it() {
        let day = |text: &str| format!("{text}T00:00:00Z").parse::<Timestamp>().unwrap();
        for is_authority in [false, true] {
            let read = made(2020, (2021, 2, 3), is_authority);
            assert_eq!(read, Validity { from: day("2020-01-01"), until: day("2021-02-03") });
        }
        assert_eq!(made(2020, (9999, 12, 31), false).until, Timestamp::MAX, "for ever");
        assert!(Validity::of(&CertificateDer::from(b"none".to_vec())).is_err());
    }
}
