//! Whom a reverse proxy asks for: without it all questions come from one address, and share its
//! allowance.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::{self, Next},
};
use ipnet::IpNet;

/// The header in which a proxy appends whom it was asked by
/// (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>). Who asks may
/// begin it as they like.
const HEADER: &str = "x-forwarded-for";

/// Has handlers find as [`ConnectInfo`] the address that `proxies` were asked by.
pub fn behind(routes: Router, proxies: Vec<IpNet>) -> Router {
    let state: Arc<[IpNet]> = proxies.into();
    let told = async |State(proxies): State<Arc<[IpNet]>>,
                      ConnectInfo(peer): ConnectInfo<SocketAddr>,
                      mut request: Request,
                      next: Next| {
        let client = client(&proxies, peer.ip(), request.headers());
        if client != peer.ip() {
            let address = SocketAddr::new(client, 0);
            request.extensions_mut().insert(ConnectInfo(address));
        }
        next.run(request).await
    };
    routes.layer(middleware::from_fn_with_state(state, told))
}

/// Goes back from the last address as long as it is a proxy's, which said truly who asked it. One
/// that does not say so stands for whoever asks.
fn client(proxies: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.to_canonical();
    let lines = headers.get_all(HEADER).iter().rev();
    let said = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for said in said {
        if !proxies.iter().any(|proxy| proxy.contains(&client)) {
            break;
        }
        match str::from_utf8(said).ok().and_then(address) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

fn address(said: &str) -> Option<IpAddr> {
    let said = said.trim();
    let address: Option<IpAddr> = said.parse().ok();
    // Some write the port too, which an address of IPv6 is in brackets for.
    let address = address.or_else(|| Some(said.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(proxies: &[&str], peer: &str, lines: &[&str]) -> String {
        let proxies: Vec<IpNet> = proxies.iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, line.parse().unwrap());
        }
        client(&proxies, peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_who_is_no_proxy() {
        assert_eq!(asked(&[], "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        let one = asked(&["10.0.0.0/8"], "192.0.2.1", &["198.51.100.7"]);
        assert_eq!(one, "192.0.2.1");
    }

    #[test]
    fn a_proxy_says_who_asked_it_and_what_stands_before_is_not_believed() {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"];
        for (peer, lines, expected) in [
            ("10.0.0.5", &[][..], "10.0.0.5"),
            ("10.0.0.5", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.5", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.5", &["127.0.0.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.5", &["127.0.0.1", "198.51.100.7"], "198.51.100.7"),
            // Two proxies, one behind the other, however they write it down.
            ("10.0.0.5", &["198.51.100.7, 10.0.0.6"], "198.51.100.7"),
            ("2001:db8::1", &["198.51.100.7", "10.0.0.6"], "198.51.100.7"),
            ("10.0.0.5", &["198.51.100.7:4433"], "198.51.100.7"),
            ("10.0.0.5", &["[2001:db9::7]:4433"], "2001:db9::7"),
            ("10.0.0.5", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // What cannot be read is whoever said it.
            ("10.0.0.5", &["198.51.100.7, unknown"], "10.0.0.5"),
            ("10.0.0.5", &["198.51.100.7,"], "10.0.0.5"),
            ("10.0.0.5", &["198.51.100.7, _, 10.0.0.6"], "10.0.0.6"),
        ] {
            assert_eq!(asked(&proxies, peer, lines), expected, "{peer} {lines:?}");
        }
    }
}
