//! What a flow says of its two connections, as Envoy's attributes: what `capture/attributes.py` makes, or None for Python to make it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cursor::{Cursor, Span};
use crate::flow::number;
use crate::pack::Pairs;

const KEYS: [&[u8]; 6] = [b"peername", b"sockname", b"certificate_list", b"sni", b"tls", b"tls_version"];

/// The values of `KEYS` with their type bytes.
type Known<'a> = [(Span<'a>, u8); 6];

pub fn push(pairs: &mut Pairs, client: Span, server: Span, connection: u32, version: Span, dotted: bool) -> Option<()> {
    let [peer, sock, certificates, sni, tls, tls_version] = known(client)?;
    let [upstream, upstream_local, _, _, _, upstream_tls_version] = known(server)?;
    let server_name = if tls.0 == b"true" { sni.0 } else { b"" };
    for text in [server_name, tls_version.0, upstream_tls_version.0] {
        std::str::from_utf8(text).ok()?;
    }
    both(pairs, b"source", address(peer, dotted)?);
    both(pairs, b"destination", address(sock, dotted)?);
    both(pairs, b"upstream", address(upstream, dotted)?);
    if let Some((text, _)) = address(upstream_local, dotted)? {
        pairs.push(b"upstream\0local_address", &text);
    }
    pairs.push(b"connection\0mtls", &[u8::from(!certificates.0.is_empty())]);
    pairs.push(b"connection\0requested_server_name", server_name);
    for (name, version) in [(&b"connection\0tls_version"[..], tls_version.0), (b"upstream\0tls_version", upstream_tls_version.0)] {
        if !version.is_empty() {
            pairs.push(name, if version == b"QUICv1" { b"TLSv1.3" } else { version });
        }
    }
    pairs.push(b"connection\0id", &u64::from(connection).to_le_bytes());
    let protocol: Span = match version {
        b"HTTP/2.0" => b"HTTP/2",
        b"HTTP/3.0" => b"HTTP/3",
        other => other,
    };
    pairs.push(b"request\0protocol", protocol);
    Some(())
}

/// What is known of a connection; of a key that comes twice the last counts.
fn known(connection: Span) -> Option<Known> {
    let mut found = [None; 6];
    let mut at = Cursor::new(connection);
    while !at.is_over() {
        let (key, value, kind) = at.entry()?;
        if let Some(place) = KEYS.iter().position(|name| *name == key) {
            found[place] = Some((value, kind));
        }
    }
    let [a, b, c, d, e, f] = found;
    Some([a?, b?, c?, d?, e?, f?])
}

/// An address as ip:port and its port; Some(None) where it is none, as a name is.
fn address((value, kind): (Span, u8), dotted: bool) -> Option<Option<(Vec<u8>, u64)>> {
    match kind {
        b']' => {}
        b'~' => return Some(None),
        _ => return None,
    }
    let mut at = Cursor::new(value);
    let host = std::str::from_utf8(at.value(12, b';')?).ok()?;
    let port = number(at.value(12, b'#')?)?;
    let ip: IpAddr = match host.parse::<Ipv4Addr>() {
        Ok(ip) => ip.into(),
        // with a zone, which Python keeps
        Err(_) if host.contains(':') => host.parse::<Ipv6Addr>().ok()?.into(),
        Err(_) => return Some(None),
    };
    if !(1..1 << 16).contains(&port) {
        return Some(None);
    }
    let mut text = Vec::with_capacity(48);
    let done = match ip {
        // Python before 3.13 writes these in hexadecimal
        IpAddr::V6(ip) if !dotted && ip.to_ipv4_mapped().is_some() => {
            let [.., high, low] = ip.segments();
            write!(text, "[::ffff:{high:x}:{low:x}]:{port}")
        }
        IpAddr::V6(ip) => write!(text, "[{ip}]:{port}"),
        IpAddr::V4(ip) => write!(text, "{ip}:{port}"),
    };
    done.ok().map(|()| Some((text, u64::from(port))))
}

/// `OWNER.address` and `OWNER.port`.
fn both(pairs: &mut Pairs, owner: &[u8], address: Option<(Vec<u8>, u64)>) {
    if let Some((text, port)) = address {
        pairs.push(&[owner, b"\0address"].concat(), &text);
        pairs.push(&[owner, b"\0port"].concat(), &port.to_le_bytes());
    }
}
