//! Which addresses a `jwks_url` may lead to.
//!
//! keyrota fetches it with the rights of its host's network, and a schedule is often changed by people
//! who have no such rights. A metadata service gives credentials to whoever asks, and an internal
//! server may believe who comes from this host. keyrota shows no answer to anybody, but a request can
//! be enough. The table is that of IANA's special-purpose registries, and what clouds added to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// On the internet.
    Public,
    /// On this host or a private network.
    Private,
    /// Link-local, a cloud's metadata service, or no host at all.
    Never,
}

/// How far away an address is. An IPv6 address that carries an IPv4 address is judged as both.
pub fn of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => v4_reach(v4),
        IpAddr::V6(v6) => {
            let own = look_up(&V6, u128::from(v6), 128);
            carried(v6).map_or(own, |v4| own.max(v4_reach(v4)))
        }
    }
}

/// How far away a URL leads, as far as it says so itself.
pub fn of_url(url: &str) -> Option<Reach> {
    // Reads an address in every form that a client does: 0x7f.1, 2130706433.
    let url = reqwest::Url::parse(url).ok()?;
    of_host(url.host_str()?)
}

/// How far away a host of a URL is; `None` where only the DNS knows.
pub fn of_host(host: &str) -> Option<Reach> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().map(of).or_else(|| of_name(host))
}

/// How far away a name is that never means a host of the internet; `None`: ask the DNS.
fn of_name(host: &str) -> Option<Reach> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is = |name: &str| host == *name || host.ends_with(&format!(".{name}"));
    if METADATA.iter().any(|name| is(name)) {
        Some(Reach::Never)
    } else if is("localhost") {
        Some(Reach::Private)
    } else {
        None
    }
}

fn v4_reach(v4: Ipv4Addr) -> Reach {
    let widened = V4.map(|(net, bits, reach)| (u128::from(net), bits, reach));
    look_up(&widened, u128::from(u32::from(v4)), 32)
}

/// What the narrowest net says that an address is in.
fn look_up(table: &[(u128, u32, Reach)], address: u128, width: u32) -> Reach {
    let shifted = |number: u128, bits: u32| number.checked_shr(width - bits).unwrap_or(0);
    table
        .iter()
        .filter(|(net, bits, _)| shifted(*net, *bits) == shifted(address, *bits))
        .max_by_key(|(_, bits, _)| *bits)
        .map_or(Reach::Public, |(_, _, reach)| *reach)
}

/// The IPv4 address within an IPv6 address: mapped, compatible, translated, 6to4 or Teredo.
fn carried(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match [a, b, c, d, e, f] {
        // ::1 and :: carry nothing.
        [0, 0, 0, 0, 0, 0] if high == 0 && low <= 1 => None,
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some(v4(high, low)),
        [0x64, 0xff9b, 0 | 1, ..] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, ..] => Some(v4(!high, !low)),
        // ISATAP.
        [_, _, _, _, 0 | 0x200, 0x5efe] => Some(v4(high, low)),
        _ => None,
    }
}

/// Names of metadata services.
const METADATA: [&str; 4] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
];

const fn net(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

#[rustfmt::skip] // a table reads better in lines
const V4: [(u32, u32, Reach); 18] = [
    (net(0, 0, 0, 0), 8, Reach::Never),             // this network
    (net(10, 0, 0, 0), 8, Reach::Private),
    (net(100, 64, 0, 0), 10, Reach::Private),       // carriers, Tailscale
    (net(100, 100, 100, 200), 32, Reach::Never),    // Alibaba's metadata
    (net(127, 0, 0, 0), 8, Reach::Private),
    (net(168, 63, 129, 16), 32, Reach::Never),      // Azure's wire server
    (net(169, 254, 0, 0), 16, Reach::Never),        // link-local, and most metadata services
    (net(172, 16, 0, 0), 12, Reach::Private),
    (net(192, 0, 0, 0), 24, Reach::Never),          // protocols; Oracle's metadata is 192.0.0.192
    (net(192, 0, 2, 0), 24, Reach::Never),          // documentation
    (net(192, 88, 99, 0), 24, Reach::Never),        // 6to4 relays
    (net(192, 168, 0, 0), 16, Reach::Private),
    (net(198, 18, 0, 0), 15, Reach::Private),       // benchmarks
    (net(198, 51, 100, 0), 24, Reach::Never),       // documentation
    (net(203, 0, 113, 0), 24, Reach::Never),        // documentation
    (net(224, 0, 0, 0), 4, Reach::Never),           // multicast
    (net(240, 0, 0, 0), 4, Reach::Never),           // reserved
    (net(255, 255, 255, 255), 32, Reach::Never),    // broadcast
];

const fn net6(a: u16, b: u16, c: u16, last: u16) -> u128 {
    (a as u128) << 112 | (b as u128) << 96 | (c as u128) << 80 | last as u128
}

#[rustfmt::skip] // a table reads better in lines
const V6: [(u128, u32, Reach); 12] = [
    (net6(0, 0, 0, 0), 128, Reach::Never),          // no address
    (net6(0, 0, 0, 1), 128, Reach::Private),        // loopback
    (net6(0x64, 0xff9b, 1, 0), 48, Reach::Private), // local translation
    (net6(0x100, 0, 0, 0), 64, Reach::Never),       // discarded
    (net6(0x2001, 0xdb8, 0, 0), 32, Reach::Never),  // documentation
    (net6(0x3fff, 0, 0, 0), 20, Reach::Never),      // documentation
    (net6(0xfc00, 0, 0, 0), 7, Reach::Private),     // unique local
    (net6(0xfd00, 0xec2, 0, 0), 32, Reach::Never),  // AWS' metadata: fd00:ec2::254
    (net6(0xfd20, 0xce, 0, 0), 32, Reach::Never),   // Google's metadata: fd20:ce::254
    (net6(0xfe80, 0, 0, 0), 10, Reach::Never),      // link-local
    (net6(0xfec0, 0, 0, 0), 10, Reach::Private),    // site-local
    (net6(0xff00, 0, 0, 0), 8, Reach::Never),       // multicast
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn reach(text: &str) -> Reach {
        of(text.parse().unwrap())
    }

    /// The first and last address of every net, and their neighbours outside.
    #[test]
    fn every_net_begins_and_ends_where_it_should() {
        use Reach::{Never, Private, Public};
        for (first, last, inside, before, after) in [
            ("0.0.0.0", "0.255.255.255", Never, None, Some(Public)),
            (
                "10.0.0.0",
                "10.255.255.255",
                Private,
                Some(Public),
                Some(Public),
            ),
            (
                "100.64.0.0",
                "100.100.100.199",
                Private,
                Some(Public),
                Some(Never),
            ),
            (
                "100.100.100.201",
                "100.127.255.255",
                Private,
                Some(Never),
                Some(Public),
            ),
            (
                "127.0.0.0",
                "127.255.255.255",
                Private,
                Some(Public),
                Some(Public),
            ),
            (
                "168.63.129.16",
                "168.63.129.16",
                Never,
                Some(Public),
                Some(Public),
            ),
            (
                "169.254.0.0",
                "169.254.255.255",
                Never,
                Some(Public),
                Some(Public),
            ),
            (
                "172.16.0.0",
                "172.31.255.255",
                Private,
                Some(Public),
                Some(Public),
            ),
            (
                "192.0.0.0",
                "192.0.0.255",
                Never,
                Some(Public),
                Some(Public),
            ),
            (
                "192.168.0.0",
                "192.168.255.255",
                Private,
                Some(Public),
                Some(Public),
            ),
            (
                "198.18.0.0",
                "198.19.255.255",
                Private,
                Some(Public),
                Some(Public),
            ),
            ("224.0.0.0", "255.255.255.255", Never, Some(Public), None),
        ] {
            let number = |text: &str| u32::from(text.parse::<Ipv4Addr>().unwrap());
            let at = |number: u32| of(IpAddr::V4(Ipv4Addr::from(number)));
            let (first, last) = (number(first), number(last));
            for inner in [first, first.midpoint(last), last] {
                assert_eq!(at(inner), inside, "{}", Ipv4Addr::from(inner));
            }
            assert_eq!(
                first.checked_sub(1).map(at),
                before,
                "before {}",
                Ipv4Addr::from(first)
            );
            assert_eq!(
                last.checked_add(1).map(at),
                after,
                "after {}",
                Ipv4Addr::from(last)
            );
        }
        for (text, expected) in [
            ("::", Never),
            ("::1", Private),
            ("fe80::1", Never),
            ("febf::1", Never),
            ("fec0::1", Private),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("fd00:ec2::254", Never),
            ("fd20:ce::254", Never),
            ("ff02::1", Never),
            ("2606:4700::1111", Public),
            ("2001:db8::1", Never),
            ("fbff::1", Public),
        ] {
            assert_eq!(reach(text), expected, "{text}");
        }
    }

    /// Whatever form carries an IPv4 address, the address decides.
    #[test]
    fn an_address_within_an_address_decides() {
        for v4 in [
            "169.254.169.254",
            "100.100.100.200",
            "10.1.2.3",
            "127.0.0.1",
            "8.8.8.8",
            "0.0.0.0",
        ] {
            let bare: Ipv4Addr = v4.parse().unwrap();
            let [a, b, c, d] = bare.octets();
            let [x, y, z, w] = (!u32::from(bare)).to_be_bytes();
            let expected = of(IpAddr::V4(bare));
            for form in [
                format!("::ffff:{v4}"),
                format!("::ffff:0:{v4}"),
                format!("64:ff9b::{v4}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
                format!("2001:0:4136:e378:8000:63bf:{x:02x}{y:02x}:{z:02x}{w:02x}"),
                format!("2606:4700::5efe:{v4}"),
            ] {
                assert_eq!(reach(&form), expected, "{form}");
            }
            assert!(
                reach(&format!("64:ff9b:1::{v4}")) >= expected.max(Reach::Private),
                "{v4}"
            );
        }
        assert_eq!(reach("::169.254.169.254"), Reach::Never);
    }

    #[test]
    fn names_that_mean_no_host_of_the_internet() {
        for (name, reach) in [
            ("localhost", Some(Reach::Private)),
            ("LOCALHOST.", Some(Reach::Private)),
            ("id.localhost", Some(Reach::Private)),
            ("metadata.google.internal", Some(Reach::Never)),
            ("Metadata.Google.Internal.", Some(Reach::Never)),
            ("metadata", Some(Reach::Never)),
            ("notlocalhost", None),
            ("id.example.com", None),
        ] {
            assert_eq!(of_name(name), reach, "{name}");
        }
    }
}
