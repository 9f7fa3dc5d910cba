//! Passing submissions on to the process in charge of the logs, where that is another one of this
//! province's over the same database.

use std::sync::{Arc, Mutex, PoisonError};

use huren_proto::v1::issuance_service_client::IssuanceServiceClient;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use super::traced::Traced;
use crate::tls::{self, ClientTls, Identity, SpkiSha256, TlsError};

/// Where submissions are passed on to. They go under the certificate of the node, which the
/// processes of a node share, and whose holder may write whatever the node may.
pub struct Forward {
    elsewhere: watch::Receiver<Option<String>>,
    tls: Arc<ClientTls>,
    /// The process that was reached last, with its address.
    reached: Mutex<Option<(String, Traced)>>,
}

impl Forward {
    /// To the process at the address that `elsewhere` has, if it has one.
    ///
    /// # Errors
    /// If the identity is of no use for TLS.
    pub fn new(
        elsewhere: watch::Receiver<Option<String>>,
        identity: &Identity,
        roots: &[CertificateDer<'static>],
    ) -> Result<Self, TlsError> {
        let pins = Some(vec![identity.spki_sha256()]);
        Ok(Self {
            elsewhere,
            tls: Arc::new(ClientTls::new(identity, roots, pins)?),
            reached: Mutex::default(),
        })
    }

    /// Presents another certificate from now on, and expects its key.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn replace(
        &self,
        identity: &Identity,
        roots: &[CertificateDer<'static>],
    ) -> Result<(), TlsError> {
        let pins: Option<Vec<SpkiSha256>> = Some(vec![identity.spki_sha256()]);
        self.tls.replace(identity, roots, pins)
    }

    /// Where the process in charge is, if it is another one.
    pub fn elsewhere(&self) -> watch::Receiver<Option<String>> {
        self.elsewhere.clone()
    }

    /// The process in charge; `None` if that is this one.
    pub(super) fn holder(&self) -> Option<Holder> {
        let mut elsewhere = self.elsewhere.clone();
        let address = elsewhere.borrow_and_update().clone()?;
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.as_ref().is_none_or(|(known, _)| *known != address) {
            // An empty one is of a process that has just given the lease up.
            let channel = tls::channel(&address, Arc::clone(&self.tls)).ok();
            let channel = channel.map(|channel| Traced::new(channel, &address));
            *reached = channel.map(|channel| (address, channel));
        }
        let channel = reached.as_ref().map(|(_, channel)| channel.clone());
        Some(Holder {
            client: channel.map(IssuanceServiceClient::new),
            elsewhere,
        })
    }
}

/// The process in charge, for as long as it is.
pub(super) struct Holder {
    /// How it is reached; `None` if nobody is in charge just now.
    pub(super) client: Option<IssuanceServiceClient<Traced>>,
    elsewhere: watch::Receiver<Option<String>>,
}

impl Holder {
    /// Waits until another one is in charge. One that stands still would answer no more, and
    /// the connection to it does not end for long.
    pub(super) async fn until_past(mut self) {
        // Without a sender nothing changes any more.
        if self.elsewhere.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
