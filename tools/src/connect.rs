//! Reaching a node: over gRPC with a client certificate, and over HTTP for the public log.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use huren_node::{
    config::Config,
    tls::{self, ClientTls, Identity, load_certificates},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

/// The largest HTTP answer that is read: a bundle of 256 leaves of the largest size.
const MAX_BODY: usize = 256 * 65_537 + 1024;

/// 连接哪个节点 / which node to call, and as whom.
#[derive(Args, Clone, Debug, Default)]
pub struct NodeArgs {
    /// 节点文件夹（含 config.toml）：由其中读取地址与证书 / a node's folder: its address and its issuer's certificate are taken from there
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// gRPC 地址 / gRPC address, such as https://127.0.0.1:4433
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// 节点证书的签发机构（PEM） / authority of the node's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// 本人证书（PEM） / own certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// 本人私钥（PEM，权限 0600） / own private key (PEM, mode 0600)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// 以令牌代替证书：存放令牌的文件（权限 0600） / instead of a certificate: a file with a token, mode 0600
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
}

/// Calls to a node, with a token if there is one.
pub type Calls = InterceptedService<Channel, Bearer>;

/// Adds a token to every call.
#[derive(Clone, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// That token.
    ///
    /// # Errors
    /// If it cannot stand in a header.
    pub fn new(token: &str) -> Result<Self> {
        let value = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
        let mut value = value.context("不是令牌 / not a token")?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        if let Some(value) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl NodeArgs {
    /// Calls as the holder of a token, if one is named, and otherwise of a certificate. It
    /// connects with the first call.
    pub fn caller(&self) -> Result<Calls> {
        let Some(file) = &self.token else {
            return Ok(Calls::new(self.channel()?, Bearer::default()));
        };
        let token = std::fs::read_to_string(file)
            .with_context(|| format!("无法读取 / cannot read {}", file.display()))?;
        let (mut node, mut ca) = (self.node.clone(), self.ca.clone());
        if let Some(dir) = &self.dir {
            let config = Config::load(&dir.join("config.toml"))?;
            node =
                node.or_else(|| Some(format!("https://{}", on_this_machine(config.grpc_listen))));
            ca = ca.or(Some(config.tls.ca));
        }
        let (Some(node), Some(ca)) = (node, ca) else {
            bail!(
                "令牌之外还须给出 --node 与 --ca，或 --dir / \
                 beside a token give --node and --ca, or --dir"
            );
        };
        let tls = ClientTls::without_certificate(&load_certificates(&ca)?)?;
        let channel = tls::channel(&node, Arc::new(tls))?;
        Ok(Calls::new(channel, Bearer::new(token.trim())?))
    }

    /// Opens a channel with a certificate; it connects with the first call.
    pub fn channel(&self) -> Result<Channel> {
        let (mut node, mut ca, mut cert, mut key) = (
            self.node.clone(),
            self.ca.clone(),
            self.cert.clone(),
            self.key.clone(),
        );
        if let Some(dir) = &self.dir {
            let config = Config::load(&dir.join("config.toml"))?;
            node =
                node.or_else(|| Some(format!("https://{}", on_this_machine(config.grpc_listen))));
            ca = ca.or(Some(config.tls.ca));
            cert = cert.or_else(|| Some(dir.join("clients/issuer.crt")));
            key = key.or_else(|| Some(dir.join("clients/issuer.key")));
        }
        let (Some(node), Some(ca), Some(cert), Some(key)) = (node, ca, cert, key) else {
            bail!(
                "请用 --dir 指明节点文件夹，或同时给出 --node --ca --cert --key / \
                 name the node's folder with --dir, or give --node, --ca, --cert and --key"
            );
        };
        let identity = Identity::load(&cert, &key)?;
        let tls = ClientTls::new(&identity, &load_certificates(&ca)?, None)?;
        Ok(tls::channel(&node, Arc::new(tls))?)
    }
}

/// Where a node is reached from its own machine: one that listens on every address has no
/// certificate for "every address", but always one for this.
pub(crate) fn on_this_machine(listens: SocketAddr) -> SocketAddr {
    if listens.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, listens.port()))
    } else {
        listens
    }
}

/// Fetches a public resource of a log. `None` if there is no such resource.
pub async fn get(url: &str, ca: Option<&PathBuf>) -> Result<Option<Bytes>> {
    match fetch(url, ca).await? {
        (http::StatusCode::NOT_FOUND, _) => Ok(None),
        (http::StatusCode::OK, body) => Ok(Some(body)),
        (status, _) => bail!("节点答复 / the node answered {status}"),
    }
}

/// Fetches whatever a node answers, with its status.
pub(crate) async fn fetch(url: &str, ca: Option<&PathBuf>) -> Result<(http::StatusCode, Bytes)> {
    let uri: http::Uri = url
        .parse()
        .with_context(|| format!("不是网址 / not a URL: {url}"))?;
    let host = uri
        .host()
        .context("网址缺主机名 / the URL has no host")?
        .to_owned();
    let is_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .with_context(|| format!("无法连接 / cannot connect to {host}:{port}"))?;
    let request = http::Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(
            http::header::HOST,
            uri.authority().map_or("", |a| a.as_str()),
        )
        .body(Empty::<Bytes>::new())?;
    if is_tls {
        let mut roots = rustls::RootCertStore::empty();
        let ca = ca.context("https 需要 --ca / https needs --ca")?;
        for certificate in load_certificates(ca)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect(ServerName::try_from(host)?, stream)
            .await?;
        exchange(stream, request).await
    } else {
        exchange(stream, request).await
    }
}

/// Sends one request and reads the whole answer while the connection is driven beside it.
async fn exchange<S>(
    stream: S,
    request: http::Request<Empty<Bytes>>,
) -> Result<(http::StatusCode, Bytes)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok((status, body.to_bytes()))
    };
    let driving = async {
        // When the connection ends first, the answer fails by itself.
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = driving => bail!("连接中断 / the connection ended early"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_reached_here() {
        for (listens, reached) in [
            ("0.0.0.0:4433", "127.0.0.1:4433"),
            ("[::]:4433", "127.0.0.1:4433"),
            ("10.0.0.3:4433", "10.0.0.3:4433"),
            ("[::1]:4433", "[::1]:4433"),
        ] {
            let found = on_this_machine(listens.parse().unwrap());
            assert_eq!(found.to_string(), reached);
        }
    }
}
