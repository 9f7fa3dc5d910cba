//! The services of an engine, called with bytes.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Buf as _;
use futures::{StreamExt as _, stream};
use huren_core::access::{Kinds, Rights, Role};
use huren_node::{
    engine::Engine,
    rpc::{Caller, Local, RpcLimits, Services},
    tls::{Remote, SpkiSha256},
};
use serde::{Deserialize, Serialize};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_types::StatusExt as _;

use super::{
    Answer, Bytes,
    story::{HOME, READER},
};
use crate::tls_key;

/// As whom a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum As {
    /// Another member.
    Member,
    /// A program that may do everything.
    Program,
}

/// The key of the program's certificate.
const PROGRAM: SpkiSha256 = SpkiSha256([7; 32]);

/// The services of a member behind their gate.
pub struct Door {
    services: Local,
    stop: CancellationToken,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Door {
    /// Those of an engine, until it is dropped.
    pub async fn of(engine: &Arc<Engine>) -> Self {
        let program = Caller {
            name: "program".into(),
            tls_key: PROGRAM,
            rights: Rights {
                roles: vec![
                    Role::Issuer,
                    Role::Verifier,
                    Role::Statistician,
                    Role::Auditor,
                    Role::Operator,
                ],
                kinds: Kinds::All,
                regions: vec![HOME],
            },
        };
        let limits = RpcLimits {
            message_bytes: 1 << 20,
            questions: 4,
            submissions: 4,
            streams: 16,
            calls_per_second: 1000,
            unknown_calls_per_minute: 1000,
        };
        let stop = CancellationToken::new();
        let services = Services::new(
            (Arc::clone(engine), None),
            vec![program],
            limits,
            TaskTracker::new(),
            stop.clone(),
        );
        Self {
            services: services.await.local(),
            stop,
        }
    }

    /// Makes a call. Of a watch, which has no end, the first message is the answer.
    ///
    /// # Panics
    /// If a refusal gives no reason.
    pub async fn call(&self, by: As, path: &str, request: Vec<u8>) -> Answer {
        let answered = self.messages(by, path, request).await;
        answered.map_or_else(
            |refused| {
                let reason = refused.get_details_error_info().map(|info| info.reason);
                let reason = reason.unwrap_or_else(|| panic!("{path}: {refused:?}"));
                Answer::Refused(reason)
            },
            Answer::Messages,
        )
    }

    async fn messages(&self, by: As, path: &str, request: Vec<u8>) -> Result<Vec<Bytes>, Status> {
        let key = match by {
            As::Member => tls_key(READER),
            As::Program => PROGRAM,
        };
        let mut asked = tonic::Request::new(stream::once(async { request }));
        asked.extensions_mut().insert(Remote {
            key: Some(key),
            address: Ipv4Addr::LOCALHOST.into(),
        });
        let mut services = Grpc::new(self.services.clone());
        services
            .ready()
            .await
            .unwrap_or_else(|never| match never {});
        let most = if path.contains("/Watch") {
            1
        } else {
            usize::MAX
        };
        let path = path.parse().expect("a path");
        let answers = services.streaming(asked, path, Raw).await?.into_inner();
        let answers: Vec<_> = answers.take(most).collect().await;
        answers.into_iter().collect()
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let whole = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(Bytes(whole.to_vec())))
    }
}
