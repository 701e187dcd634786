//! The functions that an expression may call: what each takes, what it gives, and how much work it
//! is at most for arguments of these sizes. The environment declares the same ones.

use super::bounds::*;
use super::shape::{Shape, Sizes, Ty};

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    List,
    Map,
    Semver,
    Quantity,
    Ip,
    Cidr,
    Url,
    Pattern,
    Optional,
}

impl Takes {
    fn accepts(self, ty: &Ty) -> bool {
        match (self, ty) {
            (Self::Pattern, ty) => *ty == Ty::Pattern,
            (Self::Any, _)
            | (_, Ty::Dyn)
            | (Self::Bool, Ty::Bool)
            | (Self::Int, Ty::Int)
            | (Self::Uint, Ty::Uint)
            | (Self::Double, Ty::Double)
            | (Self::Text, Ty::Text)
            | (Self::Bytes, Ty::Bytes)
            | (Self::List, Ty::List(_))
            | (Self::Semver, Ty::Semver)
            | (Self::Quantity, Ty::Quantity)
            | (Self::Ip, Ty::Ip)
            | (Self::Cidr, Ty::Cidr)
            | (Self::Url, Ty::Url)
            | (Self::Optional, Ty::Optional(_)) => true,
            (Self::Map, ty) => ty.is_map(),
            _ => false,
        }
    }
}

/// One function of one signature.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) member: bool,
    pub(super) takes: &'static [Takes],
    gives: fn(&[Shape], &Sizes) -> Shape,
    work: fn(&[Shape]) -> u64,
}

/// Whether there is a function of the name that is called without a receiver.
pub(super) fn is_global(name: &str) -> bool {
    ROWS.iter().any(|row| !row.member && row.name == name)
}

/// Whether there is a function of the name at all.
pub(super) fn is_known(name: &str) -> bool {
    ROWS.iter().any(|row| row.name == name)
}

/// What a call gives and how much work it is; `None` when nothing takes these arguments. Arguments
/// known only later may reach any function of the name: the bound covers all of them.
pub(super) fn call(
    name: &str,
    member: bool,
    args: &[Shape],
    sizes: &Sizes,
) -> Option<(Shape, u64)> {
    let takes = |row: &&Row| {
        row.name == name
            && row.member == member
            && row.takes.len() == args.len()
            && row.takes.iter().zip(args).all(|(takes, arg)| takes.accepts(&arg.ty))
    };
    let bounds = ROWS.iter().filter(takes).map(|row| ((row.gives)(args, sizes), (row.work)(args)));
    bounds.reduce(|(a, work), (b, more)| (a.join(&b), work.max(more)))
}

const fn global(
    name: &'static str,
    takes: &'static [Takes],
    gives: fn(&[Shape], &Sizes) -> Shape,
    work: fn(&[Shape]) -> u64,
) -> Row {
    Row { name, member: false, takes, gives, work }
}

const fn member(
    name: &'static str,
    takes: &'static [Takes],
    gives: fn(&[Shape], &Sizes) -> Shape,
    work: fn(&[Shape]) -> u64,
) -> Row {
    Row { name, member: true, takes, gives, work }
}

use Takes::{
    Any, Bool, Bytes, Cidr, Double, Int, Ip, List, Map, Optional, Pattern, Quantity, Semver, Text,
    Url,
};

/// All functions.
pub(super) const ROWS: &[Row] = &[
    // The language's own.
    global("bool", &[Bool], boolean, one),
    global("bool", &[Text], boolean, scans),
    global("bytes", &[Text], text_of_bytes, copies),
    global("bytes", &[Bytes], text_of_bytes, copies),
    global("double", &[Double], double, one),
    global("double", &[Int], double, one),
    global("double", &[Takes::Uint], double, one),
    global("double", &[Text], double, scans),
    global("int", &[Int], int, one),
    global("int", &[Takes::Uint], int, one),
    global("int", &[Double], int, one),
    global("int", &[Text], int, scans),
    global("uint", &[Takes::Uint], uint, one),
    global("uint", &[Int], uint, one),
    global("uint", &[Double], uint, one),
    global("uint", &[Text], uint, scans),
    global("string", &[Text], text, copies),
    global("string", &[Bool], written, one),
    global("string", &[Int], written, one),
    global("string", &[Takes::Uint], written, one),
    global("string", &[Double], written, one),
    global("string", &[Bytes], text, copies),
    global("dyn", &[Any], any, copies),
    global("type", &[Any], a_type, one),
    global("size", &[Text], int, scans),
    global("size", &[Bytes], int, one),
    global("size", &[List], int, one),
    global("size", &[Map], int, one),
    member("size", &[Text], int, scans),
    member("size", &[Bytes], int, one),
    member("size", &[List], int, one),
    member("size", &[Map], int, one),
    member("contains", &[Text, Text], boolean, scans),
    member("startsWith", &[Text, Text], boolean, scans),
    member("endsWith", &[Text, Text], boolean, scans),
    global("optional.of", &[Any], some, copies),
    global("optional.ofNonZeroValue", &[Any], some, copies),
    global("optional.none", &[], none, one),
    member("hasValue", &[Optional], boolean, one),
    member("value", &[Optional], unwrapped, copies),
    member("or", &[Optional, Optional], either, copies),
    member("orValue", &[Optional, Any], unwrapped_or, copies),
    // Texts.
    member("charAt", &[Text, Int], character, scans),
    member("indexOf", &[Text, Text], int, search),
    member("indexOf", &[Text, Text, Int], int, search),
    member("lastIndexOf", &[Text, Text], int, search),
    member("lastIndexOf", &[Text, Text, Int], int, search),
    member("join", &[List], joined, join_work),
    member("join", &[List, Text], joined, join_work),
    member("lowerAscii", &[Text], text, copies),
    member("upperAscii", &[Text], text, copies),
    member("trim", &[Text], text, copies),
    member("reverse", &[Text], text, copies),
    member("replace", &[Text, Text, Text], replaced, replace_work),
    member("replace", &[Text, Text, Text, Int], replaced, replace_work),
    member("split", &[Text, Text], split, split_work),
    member("split", &[Text, Text, Int], split, split_work),
    member("substring", &[Text, Int], text, copies),
    member("substring", &[Text, Int, Int], text, copies),
    member("format", &[Text, List], formatted, format_work),
    global("strings.quote", &[Text], quoted, copies),
    member("parseJSON", &[Text], document, |args| args[0].len.saturating_add(1)),
    // Patterns.
    member("matches", &[Text, Pattern], boolean, matching),
    global("matches", &[Text, Pattern], boolean, matching),
    member("find", &[Text, Pattern], text, matching),
    member("findAll", &[Text, Pattern], split, matching_all),
    member("findAll", &[Text, Pattern, Int], split, matching_all),
    // Lists.
    member("isSorted", &[List], boolean, over_list),
    member("sum", &[List], entry, over_list),
    member("min", &[List], entry, over_list),
    member("max", &[List], entry, over_list),
    member("indexOf", &[List, Any], int, over_list),
    member("lastIndexOf", &[List, Any], int, over_list),
    // A cluster's scores.
    member("scores", &[Map, Text], scores, |args| scans(&args[1..])),
    // Versions.
    global("semver", &[Text], semver, copies),
    global("semver", &[Text, Bool], semver, copies),
    global("isSemver", &[Text], boolean, copies),
    global("isSemver", &[Text, Bool], boolean, copies),
    member("major", &[Semver], int, one),
    member("minor", &[Semver], int, one),
    member("patch", &[Semver], int, one),
    member("isGreaterThan", &[Semver, Semver], boolean, one),
    member("isLessThan", &[Semver, Semver], boolean, one),
    member("compareTo", &[Semver, Semver], int, one),
    // Quantities.
    global("quantity", &[Text], quantity, copies),
    global("isQuantity", &[Text], boolean, copies),
    member("isInteger", &[Quantity], boolean, one),
    member("asInteger", &[Quantity], int, one),
    member("asApproximateFloat", &[Quantity], double, one),
    member("sign", &[Quantity], int, one),
    member("add", &[Quantity, Quantity], quantity, one),
    member("add", &[Quantity, Int], quantity, one),
    member("sub", &[Quantity, Quantity], quantity, one),
    member("sub", &[Quantity, Int], quantity, one),
    member("isGreaterThan", &[Quantity, Quantity], boolean, one),
    member("isLessThan", &[Quantity, Quantity], boolean, one),
    member("compareTo", &[Quantity, Quantity], int, one),
    // Addresses.
    global("ip", &[Text], address, copies),
    global("isIP", &[Text], boolean, copies),
    global("ip.isCanonical", &[Text], boolean, copies),
    global("string", &[Ip], written, one),
    member("family", &[Ip], int, one),
    member("isUnspecified", &[Ip], boolean, one),
    member("isLoopback", &[Ip], boolean, one),
    member("isLinkLocalMulticast", &[Ip], boolean, one),
    member("isLinkLocalUnicast", &[Ip], boolean, one),
    member("isGlobalUnicast", &[Ip], boolean, one),
    global("cidr", &[Text], range, copies),
    global("isCIDR", &[Text], boolean, copies),
    global("string", &[Cidr], written, one),
    member("containsIP", &[Cidr, Ip], boolean, one),
    member("containsIP", &[Cidr, Text], boolean, copies),
    member("containsCIDR", &[Cidr, Cidr], boolean, one),
    member("containsCIDR", &[Cidr, Text], boolean, copies),
    member("ip", &[Cidr], address, one),
    member("masked", &[Cidr], range, one),
    member("prefixLength", &[Cidr], int, one),
    // URLs.
    global("url", &[Text], url, copies),
    global("isURL", &[Text], boolean, copies),
    member("getScheme", &[Url], text, copies),
    member("getHost", &[Url], text, copies),
    member("getHostname", &[Url], text, copies),
    member("getPort", &[Url], text, copies),
    member("getEscapedPath", &[Url], escaped, copies),
    member("getQuery", &[Url], query, |args| args[0].len.saturating_add(1)),
];
