//! The operators: what each takes, what it gives, and how much work it is at most.

use super::bounds::{copy, equality, scan, sum};
use super::shape::{Shape, Ty};
use cel::common::ast::operators as op;
use std::sync::Arc;

/// An operator: `None` when the name is none, `Some(None)` when it does not take these.
pub(super) fn operate(name: &str, args: &[Shape]) -> Option<Option<(Shape, u64)>> {
    let boolean = Shape::scalar(Ty::Bool);
    let flags = |of: &[Shape]| of.iter().all(|shape| flag(shape).is_ok());
    Some(match (name, args) {
        (op::LOGICAL_AND | op::LOGICAL_OR, [_, _]) | (op::LOGICAL_NOT, [_]) => {
            flags(args).then_some((boolean, 1))
        }
        (op::NOT_STRICTLY_FALSE, [_]) => Some((boolean, 1)),
        (op::CONDITIONAL, [condition, a, b]) => {
            flags(std::slice::from_ref(condition)).then(|| (a.join(b), 1))
        }
        (op::EQUALS | op::NOT_EQUALS, [a, b]) => {
            a.ty.compares(&b.ty).then(|| (boolean, equality(a, b)))
        }
        (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [a, b]) => {
            ordered(a, b).then_some((boolean, sum(&[scan(a), scan(b), told(args)])))
        }
        (op::IN, [a, b]) => within(a, b).map(|work| (boolean, work)),
        (op::INDEX | op::OPT_INDEX, [of, at]) => indexed(of, at, name == op::OPT_INDEX),
        (op::OPT_SELECT, [of, at]) => indexed(of, at, true),
        (op::ADD, [a, b]) => added(a, b).map(|shape| (shape, sum(&[copy(a), copy(b), told(args)]))),
        (op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [a, b]) => {
            let whole = name == op::MODULO;
            let fits =
                |ty: &Ty| *ty == Ty::Dyn || (ty.is_number() && !(whole && *ty == Ty::Double));
            let same = a.ty == b.ty || a.ty == Ty::Dyn || b.ty == Ty::Dyn;
            (same && fits(&a.ty) && fits(&b.ty))
                .then(|| (Shape::scalar(known(a, b)), sum(&[1, told(args)])))
        }
        (op::NEGATE, [a]) => matches!(a.ty, Ty::Dyn | Ty::Int | Ty::Double)
            .then(|| (Shape::scalar(a.ty.clone()), sum(&[1, told(args)]))),
        _ => return None,
    })
}

/// The type of two operands of which one may be known only later.
fn known(a: &Shape, b: &Shape) -> Ty {
    if a.ty == Ty::Dyn { b.ty.clone() } else { a.ty.clone() }
}

/// Values that turn out to be of the wrong type are told in the error: that is a copy.
fn told(args: &[Shape]) -> u64 {
    let later = args.iter().any(|arg| arg.ty == Ty::Dyn);
    if later { args.iter().map(copy).fold(0, u64::saturating_add) } else { 0 }
}

fn ordered(a: &Shape, b: &Shape) -> bool {
    let orders =
        |ty: &Ty| matches!(ty, Ty::Dyn | Ty::Bool | Ty::Text | Ty::Bytes) || ty.is_number();
    orders(&a.ty) && orders(&b.ty) && a.ty.compares(&b.ty)
}

fn within(a: &Shape, b: &Shape) -> Option<u64> {
    let fits = match &b.ty {
        Ty::Dyn => true,
        Ty::List(item) => a.ty.compares(item),
        Ty::Map(_) | Ty::Object(_) => matches!(a.ty, Ty::Text | Ty::Dyn),
        _ => false,
    };
    let entry = b.entry().unwrap_or_else(|| b.clone());
    let each = b.len.saturating_mul(equality(a, &entry));
    let through = if b.ty.is_map() { 0 } else { each };
    fits.then(|| sum(&[scan(a), told(std::slice::from_ref(a)), through]))
}

fn indexed(of: &Shape, at: &Shape, optional: bool) -> Option<(Shape, u64)> {
    let (of, chained) = match &of.ty {
        Ty::Optional(inner) => (Shape { ty: (**inner).clone(), ..of.clone() }, true),
        _ => (of.clone(), false),
    };
    let ty = match (&of.ty, &at.ty) {
        (Ty::Dyn, _) => Ty::Dyn,
        (Ty::List(item), at) if at.is_number() || *at == Ty::Dyn => (**item).clone(),
        (Ty::Map(value), Ty::Text | Ty::Dyn) => (**value).clone(),
        (Ty::Object(_), Ty::Text | Ty::Dyn) => Ty::Dyn,
        _ => return None,
    };
    let inside = of.inside(ty);
    let work = scan(at).saturating_add(copy(&inside));
    let ty = match optional || chained {
        true => Ty::Optional(Arc::new(inside.ty.clone())),
        false => inside.ty.clone(),
    };
    Some((Shape { ty, ..inside }, work))
}

fn added(a: &Shape, b: &Shape) -> Option<Shape> {
    let ty = match (&a.ty, &b.ty) {
        (Ty::Dyn, other) | (other, Ty::Dyn) => other.clone(),
        (a, b) if a == b && (a.is_number() || matches!(a, Ty::Text | Ty::Bytes)) => a.clone(),
        (Ty::List(_), Ty::List(_)) => a.ty.join(&b.ty),
        _ => return None,
    };
    let adds = matches!(ty, Ty::Dyn | Ty::Text | Ty::Bytes | Ty::List(_));
    if !adds {
        return ty.is_number().then(|| Shape::scalar(ty));
    }
    Some(Shape {
        ty,
        len: a.len.saturating_add(b.len),
        items: a.items.max(b.items),
        text: a.text.max(b.text),
        weight: a.weight.saturating_add(b.weight),
    })
}

/// Whether it may be a flag.
pub(super) fn flag(shape: &Shape) -> Result<(), String> {
    match &shape.ty {
        Ty::Bool | Ty::Dyn => Ok(()),
        other => Err(format!("expected type bool, found {other}")),
    }
}
