//! Addresses and ranges of addresses as values, by the functions that Kubernetes gives expressions.
//! An IPv4 address in IPv6's clothes, and one with a zone, is none.

use cel::ExecutionError;
use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, add_member_overload, add_overload};
use std::any::Any;
use std::net::IpAddr;

static IP: Type = Type::new_unspecified_type("net.IP");
static CIDR: Type = Type::new_unspecified_type("net.CIDR");

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ip(IpAddr);

/// A range: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cidr {
    ip: Ip,
    bits: u32,
}

macro_rules! values {
    ($($name:ident $ty:ident),*) => {
        $(impl StaticVal for $name {}

        impl Val for $name {
            fn get_type(&self) -> &Type {
                &$ty
            }

            fn cel_type() -> &'static Type {
                &$ty
            }

            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<Self>().is_some_and(|other| self == other)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
            where
                Self: 'v,
            {
                Box::new(*self)
            }

            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        })*
    };
}

values!(Ip IP, Cidr CIDR);

impl Ip {
    fn parse(text: &str) -> Option<Self> {
        let address: IpAddr = text.parse().ok()?;
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        (!mapped).then_some(Self(address))
    }

    /// The bits in front, all others zero.
    fn masked(self, bits: u32) -> Self {
        Self(match self.0 {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        })
    }
}

impl Cidr {
    fn parse(text: &str) -> Option<Self> {
        let (ip, bits) = text.split_once('/')?;
        let plain = bits == "0" || (!bits.starts_with(['0', '+']) && bits.len() <= 3);
        let (ip, bits) = (Ip::parse(ip)?, bits.parse().ok().filter(|_| plain)?);
        let most = if ip.0.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { ip, bits })
    }

    fn contains(self, ip: Ip) -> bool {
        self.ip.0.is_ipv4() == ip.0.is_ipv4() && ip.masked(self.bits) == self.ip.masked(self.bits)
    }
}

/// Declares the functions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn read_ip: (CelString) -> Result<Ip>, name = "ip")?;
    add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string")?;
    add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    add_overload!(env, fn read_cidr: (CelString) -> Result<Cidr>, name = "cidr")?;
    add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string")?;
    add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>,
        name = "containsIP")?;
    add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>,
        name = "containsCIDR")?;
    add_member_overload!(env, fn ip: (Cidr) -> Ip)?;
    add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)
}

fn none(function: &str, text: &CelString<'_>) -> ExecutionError {
    ExecutionError::function_error(function, format!("\"{}\" is none", text.inner()))
}

fn read_ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    Ip::parse(text.inner()).ok_or_else(|| none("ip", text))
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    Ip::parse(text.inner()).is_some().into()
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok((read_ip(text)?.0.to_string() == text.inner()).into())
}

fn ip_text(ip: &Ip) -> CelString<'static> {
    ip.0.to_string().into()
}

fn family(ip: &Ip) -> CelInt {
    CelInt::from(if ip.0.is_ipv4() { 4 } else { 6 })
}

fn is_unspecified(ip: &Ip) -> CelBool {
    ip.0.is_unspecified().into()
}

fn is_loopback(ip: &Ip) -> CelBool {
    ip.0.is_loopback().into()
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    let local = match ip.0 {
        IpAddr::V4(v4) => v4.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    };
    local.into()
}

fn link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    link_local(ip.0).into()
}

fn is_global_unicast(ip: &Ip) -> CelBool {
    let broadcast = matches!(ip.0, IpAddr::V4(v4) if v4.is_broadcast());
    let special = ip.0.is_unspecified() || ip.0.is_loopback() || ip.0.is_multicast();
    (!(broadcast || special || link_local(ip.0))).into()
}

fn read_cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    Cidr::parse(text.inner()).ok_or_else(|| none("cidr", text))
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    Cidr::parse(text.inner()).is_some().into()
}

fn cidr_text(of: &Cidr) -> CelString<'static> {
    format!("{}/{}", of.ip.0, of.bits).into()
}

fn contains_ip(of: &Cidr, ip: &Ip) -> CelBool {
    of.contains(*ip).into()
}

fn contains_ip_text(of: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_ip(of, &read_ip(text)?))
}

fn contains_cidr(of: &Cidr, other: &Cidr) -> CelBool {
    (of.bits <= other.bits && of.contains(other.ip)).into()
}

fn contains_cidr_text(of: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(of, &read_cidr(text)?))
}

fn ip(of: &Cidr) -> Ip {
    of.ip
}

fn masked(of: &Cidr) -> Cidr {
    Cidr { ip: of.ip.masked(of.bits), bits: of.bits }
}

fn prefix_length(of: &Cidr) -> CelInt {
    CelInt::from(i64::from(of.bits))
}
