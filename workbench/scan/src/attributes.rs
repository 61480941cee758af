//! What a flow says of its two connections, as Envoy's attributes: what `capture/attributes.py` makes, or None for Python to make it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::cursor::{Cursor, Span};
use crate::flow::number;
use crate::pack::Pairs;

/// What is known of a connection: peername, sockname, certificate_list, sni, tls and tls_version, each with its type byte.
type Known<'a> = [(Span<'a>, u8); 6];

pub fn push(pairs: &mut Pairs, client: Span, server: Span, connection: u32, version: Span, dotted: bool) -> Option<()> {
    let [peer, sock, certificates, sni, tls, tls_version] = known(client)?;
    let [upstream, upstream_local, _, _, _, upstream_tls_version] = known(server)?;
    let server_name = if tls.0 == b"true" { sni.0 } else { b"" };
    for text in [server_name, tls_version.0, upstream_tls_version.0] {
        std::str::from_utf8(text).ok()?;
    }
    address(pairs, b"source\0address", b"source\0port", peer, dotted)?;
    address(pairs, b"destination\0address", b"destination\0port", sock, dotted)?;
    address(pairs, b"upstream\0address", b"upstream\0port", upstream, dotted)?;
    address(pairs, b"upstream\0local_address", b"", upstream_local, dotted)?;
    pairs.push(b"connection\0mtls", &[u8::from(!certificates.0.is_empty())]);
    pairs.push(b"connection\0requested_server_name", server_name);
    tls_protocol(pairs, b"connection\0tls_version", tls_version.0);
    tls_protocol(pairs, b"upstream\0tls_version", upstream_tls_version.0);
    pairs.push(b"connection\0id", &u64::from(connection).to_le_bytes());
    let protocol: Span = match version { b"HTTP/2.0" => b"HTTP/2", b"HTTP/3.0" => b"HTTP/3", other => other };
    pairs.push(b"request\0protocol", protocol);
    Some(())
}

/// Of a key that comes twice the last counts.
fn known(connection: Span) -> Option<Known> {
    let mut found = [None; 6];
    let mut at = Cursor::new(connection);
    while !at.is_over() {
        let (key, value, kind) = at.entry()?;
        let place = match key {
            b"peername" => 0,
            b"sockname" => 1,
            b"certificate_list" => 2,
            b"sni" => 3,
            b"tls" => 4,
            b"tls_version" => 5,
            _ => continue,
        };
        found[place] = Some((value, kind));
    }
    let [a, b, c, d, e, f] = found;
    Some([a?, b?, c?, d?, e?, f?])
}

/// Adds an address as ip:port and, where that has a name, its port; nothing for what is none, as a name is.
fn address(pairs: &mut Pairs, name: Span, port_name: Span, (value, kind): (Span, u8), dotted: bool) -> Option<()> {
    if kind != b']' {
        return (kind == b'~').then_some(());
    }
    let mut at = Cursor::new(value);
    let host = std::str::from_utf8(at.value(12, b';')?).ok()?;
    let digits = at.value(12, b'#')?;
    let port = number(digits).filter(|_| digits.len() == 1 || digits[0] != b'0')?;
    let is_ip4 = host.parse::<Ipv4Addr>().is_ok();
    let mut ip = String::new();
    if !is_ip4 && host.contains(':') {
        // without a zone, which Python keeps
        let parsed: Ipv6Addr = host.parse().ok()?;
        let [.., high, low] = parsed.segments();
        // Python before 3.13 writes IPv4 in IPv6 in hexadecimal
        let hexadecimal = !dotted && parsed.to_ipv4_mapped().is_some();
        ip = if hexadecimal { format!("[::ffff:{high:x}:{low:x}]") } else { format!("[{parsed}]") };
    }
    if (is_ip4 || !ip.is_empty()) && (1..1 << 16).contains(&port) {
        pairs.push_parts(name, &[if is_ip4 { host } else { &ip }.as_bytes(), b":", digits]);
        if !port_name.is_empty() {
            pairs.push(port_name, &u64::from(port).to_le_bytes());
        }
    }
    Some(())
}

/// QUIC is TLS 1.3 (RFC 9001).
fn tls_protocol(pairs: &mut Pairs, name: Span, version: Span) {
    if !version.is_empty() {
        pairs.push(name, if version == b"QUICv1" { b"TLSv1.3" } else { version });
    }
}
