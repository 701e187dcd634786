//! How large results are and how much work it is to make them, at most, from what is known of the
//! arguments. The table of the functions is made of these.

use super::shape::{SCORES, Shape, Sizes, Ty};
use std::sync::Arc;

/// Bytes of a text that are read in a step.
const SCANNED: u64 = 64;
/// Bytes of two texts that are compared in a step.
const COMPARED: u64 = 256;
/// Bytes and values that are copied or compared in a step.
const COPIED: u64 = 16;
/// Bytes at which a search or a pattern is tried in a step.
const TRIED: u64 = 10;

/// Reading a text once.
pub(super) const fn scan(shape: &Shape) -> u64 {
    shape.len / SCANNED + 1
}

/// Making a copy of a value. What has the fields of a schema is of the input, and shared.
pub(super) fn copy(shape: &Shape) -> u64 {
    match &shape.ty {
        Ty::Object(_) => 1,
        Ty::List(item) if matches!(**item, Ty::Object(_)) => shape.len.saturating_add(1),
        _ => shape.weight / COPIED + 1,
    }
}

/// Comparing two values.
pub(super) fn equality(a: &Shape, b: &Shape) -> u64 {
    match (&a.ty, &b.ty) {
        (Ty::Text, _) | (_, Ty::Text) => a.weight.min(b.weight) / COMPARED + 1,
        _ => a.weight.min(b.weight) / COPIED + 1,
    }
}

/// The sum, as far as numbers go.
pub(super) fn sum(all: &[u64]) -> u64 {
    all.iter().copied().fold(0, u64::saturating_add)
}

pub(super) const fn one(_: &[Shape]) -> u64 {
    1
}

pub(super) const fn scans(args: &[Shape]) -> u64 {
    let mut work = 0_u64;
    let mut at = 0;
    while at < args.len() {
        work = work.saturating_add(scan(&args[at]));
        at += 1;
    }
    work
}

/// Looking for one text in another at every place.
pub(super) fn search(args: &[Shape]) -> u64 {
    (args[0].len / TRIED + 1).saturating_mul(args[1].len / TRIED + 1)
}

/// A pattern's `len` is its steps over a short text.
pub(super) fn matching(args: &[Shape]) -> u64 {
    (args[0].len / TRIED + 1).saturating_mul(args[1].len.max(1))
}

pub(super) fn matching_all(args: &[Shape]) -> u64 {
    matching(args).saturating_mul(args[0].len / TRIED + 1)
}

pub(super) fn joined_len(args: &[Shape]) -> u64 {
    let between = args.get(1).map_or(0, |by| by.len);
    args[0].weight.saturating_add(args[0].len.saturating_mul(between))
}

pub(super) fn replaced_len(args: &[Shape]) -> u64 {
    let found = args[0].len.saturating_add(1);
    args[0].len.saturating_add(found.saturating_mul(args[2].len))
}

/// The most that a value of the weight is written with is a double in all its digits.
pub(super) fn formatted_len(args: &[Shape]) -> u64 {
    let each = match &args[1].ty {
        Ty::List(item) if **item == Ty::Text => 2,
        _ => 400,
    };
    args[0].len.saturating_add(args[1].weight.saturating_mul(each))
}

pub(super) fn join_work(args: &[Shape]) -> u64 {
    sum(&[joined_len(args) / COPIED, args[0].len, 1])
}

pub(super) fn replace_work(args: &[Shape]) -> u64 {
    sum(&[replaced_len(args) / COPIED, scans(args)])
}

pub(super) fn format_work(args: &[Shape]) -> u64 {
    sum(&[formatted_len(args) / COPIED, scans(args)])
}

pub(super) fn split_work(args: &[Shape]) -> u64 {
    sum(&[args[0].len, scans(args)])
}

pub(super) fn parts(text: &Shape) -> Shape {
    let len = text.len.saturating_add(1);
    let weight = text.len.saturating_mul(2).saturating_add(2);
    Shape { ty: Ty::List(Arc::new(Ty::Text)), len, items: 0, text: text.len, weight }
}

pub(super) fn boolean(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Bool)
}

pub(super) fn int(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Int)
}

pub(super) fn uint(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Uint)
}

pub(super) fn double(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Double)
}

pub(super) fn semver(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Semver)
}

pub(super) fn quantity(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Quantity)
}

pub(super) fn any(args: &[Shape], _: &Sizes) -> Shape {
    Shape { ty: Ty::Dyn, ..args[0].clone() }
}

pub(super) fn a_type(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Type)
}

/// A number in text; a double may have all its digits.
pub(super) fn written(_: &[Shape], _: &Sizes) -> Shape {
    Shape::text(400)
}

pub(super) fn text(args: &[Shape], _: &Sizes) -> Shape {
    Shape::text(args[0].len)
}

pub(super) fn text_of_bytes(args: &[Shape], _: &Sizes) -> Shape {
    Shape { ty: Ty::Bytes, ..Shape::text(args[0].len) }
}

pub(super) fn character(_: &[Shape], _: &Sizes) -> Shape {
    Shape::text(4)
}

pub(super) fn quoted(args: &[Shape], _: &Sizes) -> Shape {
    Shape::text(args[0].len.saturating_mul(2).saturating_add(2))
}

pub(super) fn joined(args: &[Shape], _: &Sizes) -> Shape {
    Shape::text(joined_len(args))
}

pub(super) fn replaced(args: &[Shape], _: &Sizes) -> Shape {
    Shape::text(replaced_len(args))
}

pub(super) fn formatted(args: &[Shape], _: &Sizes) -> Shape {
    Shape::text(formatted_len(args))
}

pub(super) fn split(args: &[Shape], _: &Sizes) -> Shape {
    parts(&args[0])
}

pub(super) fn document(args: &[Shape], _: &Sizes) -> Shape {
    let len = args[0].len;
    Shape { ty: Ty::Dyn, len, items: len, text: len, weight: len.saturating_add(1) }
}

pub(super) fn scores(_: &[Shape], sizes: &Sizes) -> Shape {
    Shape::given(SCORES.clone(), sizes)
}

pub(super) fn some(args: &[Shape], _: &Sizes) -> Shape {
    Shape { ty: Ty::Optional(Arc::new(args[0].ty.clone())), ..args[0].clone() }
}

pub(super) fn none(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Optional(Arc::new(Ty::Dyn)))
}

pub(super) fn unwrapped(args: &[Shape], _: &Sizes) -> Shape {
    let ty = match &args[0].ty {
        Ty::Optional(inner) => (**inner).clone(),
        _ => Ty::Dyn,
    };
    Shape { ty, ..args[0].clone() }
}

pub(super) fn either(args: &[Shape], _: &Sizes) -> Shape {
    args[0].join(&args[1])
}

pub(super) fn unwrapped_or(args: &[Shape], sizes: &Sizes) -> Shape {
    unwrapped(args, sizes).join(&args[1])
}

/// An entry of a list; for a list of numbers their sum, too.
pub(super) fn entry(args: &[Shape], _: &Sizes) -> Shape {
    args[0].entry().unwrap_or_else(|| args[0].inside(Ty::Dyn))
}

pub(super) fn copies(args: &[Shape]) -> u64 {
    args.iter().map(copy).fold(0, u64::saturating_add)
}

pub(super) fn over_list(args: &[Shape]) -> u64 {
    let list = &args[0];
    list.len.saturating_add(copies(args))
}

pub(super) fn address(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Ip)
}

pub(super) fn range(_: &[Shape], _: &Sizes) -> Shape {
    Shape::scalar(Ty::Cidr)
}

pub(super) fn url(args: &[Shape], _: &Sizes) -> Shape {
    Shape { ty: Ty::Url, ..Shape::text(args[0].len) }
}

/// Each byte may become three.
pub(super) fn escaped(args: &[Shape], _: &Sizes) -> Shape {
    Shape::text(args[0].len.saturating_mul(3))
}

/// What is no text becomes a sign of three bytes.
pub(super) fn query(args: &[Shape], _: &Sizes) -> Shape {
    let (len, text) = (args[0].len, args[0].len.saturating_mul(3));
    let ty = Ty::Map(Arc::new(Ty::List(Arc::new(Ty::Text))));
    Shape { ty, len, items: len, text, weight: text.saturating_add(len).saturating_add(1) }
}
