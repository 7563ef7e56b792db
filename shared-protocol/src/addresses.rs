//! Which network an IP address belongs to, and so whether a source may be fetched from it.
//!
//! Whoever can write an address for us to fetch, or answer with a redirect, could otherwise reach
//! what only this machine reaches: a router, a neighbour, a cloud's metadata service. The judgement
//! is on the resolved address, never on a name, and is made again after every redirect. The lists are
//! IANA's registries of special-purpose addresses for IPv4 and IPv6.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of network an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Reachable from everywhere.
    Public,
    /// This machine, a home, an office, a VPN: loopback, private, shared (CGNAT) and unique local.
    Private,
    /// Nothing a source could be at, under any setting: link-local (where clouds answer with
    /// credentials), multicast, reserved, documentation, tunnels to hidden addresses.
    Never,
}

/// Which networks may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Public ones over `https`.
    PublicOnly,
    /// Private ones too, and plain `http` there.
    PrivateToo,
}

impl Allowed {
    /// From the setting that opens private networks.
    pub const fn with_private(private: bool) -> Self {
        if private { Self::PrivateToo } else { Self::PublicOnly }
    }
}

/// Whether an address is reachable from everywhere.
pub fn is_public(address: IpAddr) -> bool {
    network_of(address) == Network::Public
}

/// What kind of network an address belongs to. An IPv4 address inside an IPv6 one counts as itself.
pub fn network_of(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_of_v4(address),
        IpAddr::V6(address) => network_of_v6(address),
    }
}

const fn network_of_v4(address: Ipv4Addr) -> Network {
    match address.octets() {
        // 100.64.0.0/10 is shared by providers (CGNAT), and by VPNs such as Tailscale.
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Network::Private,
        // This network; link-local; protocol assignments; documentation; 6to4 relays; measurements;
        // multicast, reserved, broadcast.
        [0 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Network::Never,
        _ => Network::Public,
    }
}

fn network_of_v6(address: Ipv6Addr) -> Network {
    if address.is_loopback() {
        return Network::Private;
    }
    match address.segments() {
        // Mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96) addresses reach an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => network_of_v4(v4(high, low)),
        // 6to4 carries an IPv4 address too, and only a public one makes sense there.
        [0x2002, high, low, ..] if network_of_v4(v4(high, low)) == Network::Public => Network::Public,
        [0xfc00..=0xfdff, ..] => Network::Private,
        // Protocol assignments with Teredo and ORCHID (2001::/23); documentation; 6to4 to elsewhere.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2002, ..] => Network::Never,
        [0x2000..=0x3fff, ..] => Network::Public,
        _ => Network::Never,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.1.1.1", Network::Public)]
    #[case("100.63.255.255", Network::Public)]
    #[case("100.128.0.0", Network::Public)]
    #[case("172.15.0.1", Network::Public)]
    #[case("172.32.0.1", Network::Public)]
    #[case("192.0.1.1", Network::Public)]
    #[case("223.255.255.255", Network::Public)]
    #[case("2606:4700::1111", Network::Public)]
    #[case("2001:200::1", Network::Public)]
    #[case("64:ff9b::1.1.1.1", Network::Public)]
    #[case("::ffff:1.1.1.1", Network::Public)]
    #[case("2002:101:101::1", Network::Public)]
    #[case("127.0.0.1", Network::Private)]
    #[case("127.255.255.254", Network::Private)]
    #[case("10.1.2.3", Network::Private)]
    #[case("172.16.0.1", Network::Private)]
    #[case("172.31.255.255", Network::Private)]
    #[case("192.168.1.1", Network::Private)]
    #[case("100.64.0.1", Network::Private)]
    #[case("100.127.255.255", Network::Private)]
    #[case("::1", Network::Private)]
    #[case("fd00::1", Network::Private)]
    #[case("fc00::1", Network::Private)]
    #[case("::ffff:127.0.0.1", Network::Private)]
    #[case("::ffff:192.168.0.1", Network::Private)]
    #[case("64:ff9b::10.0.0.1", Network::Private)]
    #[case("0.0.0.0", Network::Never)]
    #[case("0.1.2.3", Network::Never)]
    #[case("169.254.169.254", Network::Never)]
    #[case("192.0.0.1", Network::Never)]
    #[case("192.0.2.1", Network::Never)]
    #[case("198.18.0.1", Network::Never)]
    #[case("198.19.255.255", Network::Never)]
    #[case("198.51.100.1", Network::Never)]
    #[case("203.0.113.9", Network::Never)]
    #[case("224.0.0.1", Network::Never)]
    #[case("240.0.0.1", Network::Never)]
    #[case("255.255.255.255", Network::Never)]
    #[case("::", Network::Never)]
    #[case("::7f00:1", Network::Never)]
    #[case("::ffff:169.254.169.254", Network::Never)]
    #[case("64:ff9b::169.254.169.254", Network::Never)]
    #[case("64:ff9b:1::1", Network::Never)]
    #[case("100::1", Network::Never)]
    #[case("fe80::1", Network::Never)]
    #[case("fec0::1", Network::Never)]
    #[case("ff02::1", Network::Never)]
    #[case("2001::1", Network::Never)]
    #[case("2001:20::1", Network::Never)]
    #[case("2001:db8::1", Network::Never)]
    #[case("2002:7f00:1::1", Network::Never)]
    #[case("2002:a9fe:a9fe::1", Network::Never)]
    #[case("3fff::1", Network::Never)]
    #[case("5f00::1", Network::Never)]
    fn belongs_to(#[case] address: IpAddr, #[case] network: Network) {
        assert_eq!(network_of(address), network);
        assert_eq!(is_public(address), network == Network::Public);
    }

    proptest! {
        /// Whatever std knows to be special is never public.
        #[test]
        fn no_special_ipv4_address_is_public(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_loopback() || address.is_private() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(special && is_public(address.into())), "{address}");
        }

        #[test]
        fn no_special_ipv6_address_is_public(bits: u128) {
            let address = Ipv6Addr::from(bits);
            let special = address.is_loopback() || address.is_unspecified() || address.is_multicast()
                || address.is_unique_local() || address.is_unicast_link_local();
            prop_assert!(!(special && is_public(address.into())), "{address}");
        }

        /// Wrapping an IPv4 address into IPv6 never opens what was closed.
        #[test]
        fn a_wrapped_ipv4_address_counts_as_itself(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let mapped = address.to_ipv6_mapped();
            prop_assert_eq!(network_of(mapped.into()), network_of(address.into()));
            let nat64 = Ipv6Addr::from(0x64_ff9b_u128 << 96 | u128::from(bits));
            prop_assert_eq!(network_of(nat64.into()), network_of(address.into()));
            let tunnel = Ipv6Addr::from(0x2002_u128 << 112 | u128::from(bits) << 80 | 1);
            prop_assert_eq!(is_public(tunnel.into()), is_public(address.into()));
            let compatible = Ipv6Addr::from(u128::from(bits));
            prop_assert!(!is_public(compatible.into()));
        }

        /// A bit inside the private ranges makes no difference.
        #[test]
        fn private_ranges_are_private_throughout(bits: u32) {
            for (network, length) in [("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16), ("127.0.0.0", 8),
                ("100.64.0.0", 10)] {
                let network: Ipv4Addr = network.parse().unwrap();
                let address = Ipv4Addr::from(u32::from(network) | bits & (u32::MAX >> length));
                prop_assert_eq!(network_of(address.into()), Network::Private);
            }
        }
    }
}
