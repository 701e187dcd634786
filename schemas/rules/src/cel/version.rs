//! Semantic versions as values, by the functions that Kubernetes gives expressions.

use cel::ExecutionError;
use cel::common::traits::Comparer;
use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, add_member_overload, add_overload};
use std::any::Any;
use std::cmp::Ordering;

static SEMVER: Type = Type::new_unspecified_type("semver");

/// A version.
#[derive(Clone, Debug)]
struct Semver(semver::Version);

impl StaticVal for Semver {}

impl Val for Semver {
    fn get_type(&self) -> &Type {
        &SEMVER
    }

    fn cel_type() -> &'static Type {
        &SEMVER
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        None
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| order(self, other).is_eq())
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Declares the functions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn read: (CelString) -> Result<Semver>, name = "semver")?;
    add_overload!(env, fn read_as: (CelString, CelBool) -> Result<Semver>, name = "semver")?;
    add_overload!(env, fn is: (CelString) -> CelBool, name = "isSemver")?;
    add_overload!(env, fn is_as: (CelString, CelBool) -> CelBool, name = "isSemver")?;
    add_member_overload!(env, fn major: (Semver) -> Result<CelInt>)?;
    add_member_overload!(env, fn minor: (Semver) -> Result<CelInt>)?;
    add_member_overload!(env, fn patch: (Semver) -> Result<CelInt>)?;
    add_member_overload!(env, fn is_greater_than: (Semver, Semver) -> CelBool)?;
    add_member_overload!(env, fn is_less_than: (Semver, Semver) -> CelBool)?;
    add_member_overload!(env, fn compare_to: (Semver, Semver) -> CelInt)
}

fn parse(text: &str, normalize: bool) -> Option<Semver> {
    let found = match normalize {
        true => semver::Version::parse(&normalized(text)).ok()?,
        false => semver::Version::parse(text).ok()?,
    };
    Some(Semver(found))
}

/// Without `v` and leading zeros, with the parts that are missing.
fn normalized(text: &str) -> String {
    let text = text.trim_start_matches('v');
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let whole = |part: &str| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    let mut parts: Vec<String> = numbers.split('.').map(whole).collect();
    while parts.len() < 3 {
        parts.push("0".to_owned());
    }
    format!("{}{rest}", parts.join("."))
}

fn read(text: &CelString<'_>) -> Result<Semver, ExecutionError> {
    read_as(text, &CelBool::from(false))
}

fn read_as(text: &CelString<'_>, normalize: &CelBool) -> Result<Semver, ExecutionError> {
    let none = || ExecutionError::function_error("semver", format!("\"{}\" is none", text.inner()));
    parse(text.inner(), *normalize.inner()).ok_or_else(none)
}

fn is(text: &CelString<'_>) -> CelBool {
    parse(text.inner(), false).is_some().into()
}

fn is_as(text: &CelString<'_>, normalize: &CelBool) -> CelBool {
    parse(text.inner(), *normalize.inner()).is_some().into()
}

fn number(part: u64) -> Result<CelInt, ExecutionError> {
    let large = |_| ExecutionError::function_error("semver", "the number is too large");
    i64::try_from(part).map(CelInt::from).map_err(large)
}

fn major(of: &Semver) -> Result<CelInt, ExecutionError> {
    number(of.0.major)
}

fn minor(of: &Semver) -> Result<CelInt, ExecutionError> {
    number(of.0.minor)
}

fn patch(of: &Semver) -> Result<CelInt, ExecutionError> {
    number(of.0.patch)
}

/// What stands behind a plus does not count.
fn order(a: &Semver, b: &Semver) -> Ordering {
    a.0.cmp_precedence(&b.0)
}

fn is_greater_than(a: &Semver, b: &Semver) -> CelBool {
    order(a, b).is_gt().into()
}

fn is_less_than(a: &Semver, b: &Semver) -> CelBool {
    order(a, b).is_lt().into()
}

fn compare_to(a: &Semver, b: &Semver) -> CelInt {
    CelInt::from(order(a, b) as i64)
}
