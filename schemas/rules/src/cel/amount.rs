//! Quantities as values, by the functions that Kubernetes gives expressions.

use crate::quantity::Quantity;
use cel::ExecutionError;
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, add_member_overload, add_overload};
use std::any::Any;

static QUANTITY: Type = Type::new_unspecified_type("quantity");

/// A quantity.
#[derive(Clone, Copy, Debug)]
struct Amount(Quantity);

impl StaticVal for Amount {}

impl Val for Amount {
    fn get_type(&self) -> &Type {
        &QUANTITY
    }

    fn cel_type() -> &'static Type {
        &QUANTITY
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| self.0 == other.0)
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
}

/// Declares the functions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn read: (CelString) -> Result<Amount>, name = "quantity")?;
    add_overload!(env, fn is: (CelString) -> CelBool, name = "isQuantity")?;
    add_member_overload!(env, fn is_integer: (Amount) -> CelBool)?;
    add_member_overload!(env, fn as_integer: (Amount) -> Result<CelInt>)?;
    add_member_overload!(env, fn as_approximate_float: (Amount) -> CelDouble)?;
    add_member_overload!(env, fn sign: (Amount) -> CelInt)?;
    add_member_overload!(env, fn add: (Amount, Amount) -> Amount)?;
    add_member_overload!(env, fn add_whole: (Amount, CelInt) -> Amount, name = "add")?;
    add_member_overload!(env, fn sub: (Amount, Amount) -> Amount)?;
    add_member_overload!(env, fn sub_whole: (Amount, CelInt) -> Amount, name = "sub")?;
    add_member_overload!(env, fn is_greater_than: (Amount, Amount) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Amount, Amount) -> CelBool)?;
    add_member_overload!(env, fn compare_to: (Amount, Amount) -> CelInt)
}

fn read(text: &CelString<'_>) -> Result<Amount, ExecutionError> {
    let none = |error| ExecutionError::function_error("quantity", error);
    Quantity::parse(text.inner()).map(Amount).map_err(none)
}

fn is(text: &CelString<'_>) -> CelBool {
    Quantity::parse(text.inner()).is_ok().into()
}

fn is_integer(of: &Amount) -> CelBool {
    of.0.as_i64().is_some().into()
}

fn as_integer(of: &Amount) -> Result<CelInt, ExecutionError> {
    let not = || ExecutionError::function_error("asInteger", format!("\"{}\" is no integer", of.0));
    of.0.as_i64().map(CelInt::from).ok_or_else(not)
}

fn as_approximate_float(of: &Amount) -> CelDouble {
    of.0.as_f64().into()
}

fn sign(of: &Amount) -> CelInt {
    CelInt::from(of.0.cmp(&Quantity::of(0)) as i64)
}

fn add(a: &Amount, b: &Amount) -> Amount {
    Amount(a.0.plus(b.0))
}

fn add_whole(a: &Amount, b: &CelInt) -> Amount {
    Amount(a.0.plus(Quantity::of(*b.inner())))
}

fn sub(a: &Amount, b: &Amount) -> Amount {
    Amount(a.0.minus(b.0))
}

fn sub_whole(a: &Amount, b: &CelInt) -> Amount {
    Amount(a.0.minus(Quantity::of(*b.inner())))
}

fn is_greater_than(a: &Amount, b: &Amount) -> CelBool {
    (a.0 > b.0).into()
}

fn is_less_than(a: &Amount, b: &Amount) -> CelBool {
    (a.0 < b.0).into()
}

fn compare_to(a: &Amount, b: &Amount) -> CelInt {
    CelInt::from(a.0.cmp(&b.0) as i64)
}
