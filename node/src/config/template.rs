//! The commented file: one text for `config example` and for `init`.

use std::net::SocketAddr;

use huren_core::{checkpoint::Origin, codes::Region};

use crate::tls::SpkiSha256;

const TEMPLATE: &str = include_str!("template.toml");

/// What differs from node to node.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    /// The province.
    pub region: Region,
    /// Its name; without quotes and control characters, which would end the TOML string.
    pub name: &'a str,
    /// The log's origin.
    pub origin: &'a Origin,
    /// Where database and high-water file lie, without quotes and backslashes; the configuration's
    /// own folder if empty.
    pub state: &'a str,
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Key of the first caller, which may write and ask for the whole province.
    pub issuer: SpkiSha256,
}

/// The commented configuration of a node.
pub fn render(values: &Values<'_>) -> String {
    let Values {
        region,
        name,
        origin,
        state,
        grpc,
        http,
        issuer,
    } = values;
    let state = match *state {
        "" => String::new(),
        folder => format!("{}/", folder.trim_end_matches('/')),
    };
    fill([
        ("{{region}}", region.to_string()),
        ("{{name}}", (*name).to_owned()),
        ("{{origin}}", origin.as_str().to_owned()),
        ("{{state}}", state),
        ("{{grpc}}", grpc.to_string()),
        ("{{http}}", http.to_string()),
        (
            "{{caller}}",
            caller(&region.to_string(), &issuer.to_string()),
        ),
    ])
}

/// A commented configuration to start from.
pub fn example() -> String {
    let no_key = "0".repeat(64);
    fill([
        ("{{region}}", "33".to_owned()),
        ("{{name}}", "浙江省".to_owned()),
        ("{{origin}}", "huren.zj.example/log/33".to_owned()),
        ("{{state}}", String::new()),
        ("{{grpc}}", "0.0.0.0:4433".to_owned()),
        ("{{http}}", "0.0.0.0:8443".to_owned()),
        ("{{caller}}", caller("33", &no_key)),
    ])
}

fn caller(region: &str, tls_key: &str) -> String {
    format!(
        "[[callers]]\n\
         name = \"issuer\"\n\
         tls_key = \"{tls_key}\"\n\
         roles = [\"issuer\", \"verifier\", \"operator\"]\n\
         kinds = [\"*\"]\n\
         regions = [\"{region}\"]"
    )
}

fn fill(values: [(&str, String); 7]) -> String {
    values
        .into_iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| {
            text.replace(name, &value)
        })
}
