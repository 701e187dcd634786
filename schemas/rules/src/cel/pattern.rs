//! Regular expressions: compiled when the expression is, with a bound on their size, so that a
//! match takes time in proportion to the text. A pattern is written out, never computed.

use super::value::Boxed;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBool, CelInt, CelList, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, add_member_overload, add_overload};
use regex::{Regex, RegexBuilder};
use std::any::Any;

/// How large a compiled pattern may be, in KiB; the first that suffices says what a match costs.
const SIZES: [usize; 4] = [4, 16, 64, 256];
const FUNCTIONS: [&str; 3] = ["matches", "find", "findAll"];
const NAME: &str = "@pattern";

static PATTERN: Type = Type::new_unspecified_type("pattern");

/// A compiled pattern, as a value.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Steps of reading ten bytes of a text.
    pub(super) cost: u64,
}

impl Pattern {
    fn compile(text: &str) -> Result<Self, String> {
        let with = |kib: usize| {
            RegexBuilder::new(text).size_limit(kib << 10).dfa_size_limit(256 << 10).build()
        };
        for kib in SIZES {
            match with(kib) {
                Ok(regex) => return Ok(Self { regex, cost: super::value::len(kib) / 4 }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(format!("the pattern '{text}': {error}")),
            }
        }
        Err(format!("the pattern '{text}' becomes too large"))
    }
}

impl StaticVal for Pattern {}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
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

/// Which pattern a name stands for.
pub(super) fn index(name: &str) -> Option<usize> {
    name.strip_prefix(NAME)?.parse().ok()
}

/// Compiles the patterns of an expression and puts names in their places; puts a map that is
/// written out on the right of an equality, where it is compared with every kind of map.
///
/// # Errors
/// A pattern that is computed, cannot be read or becomes too large.
pub(super) fn prepare(expr: &mut IdedExpr, patterns: &mut Vec<Pattern>) -> Result<(), String> {
    match &mut expr.expr {
        Expr::Call(call) => {
            let target = call.target.as_deref_mut().into_iter();
            target.chain(&mut call.args).try_for_each(|part| prepare(part, patterns))?;
            named(call, patterns)
        }
        Expr::Comprehension(of) => {
            let parts = [&mut of.iter_range, &mut of.loop_step, &mut of.result];
            parts.into_iter().try_for_each(|part| prepare(part, patterns))
        }
        Expr::List(list) => list.elements.iter_mut().try_for_each(|part| prepare(part, patterns)),
        Expr::Select(select) => prepare(&mut select.operand, patterns),
        Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
            EntryExpr::MapEntry(entry) => {
                prepare(&mut entry.key, patterns)?;
                prepare(&mut entry.value, patterns)
            }
            EntryExpr::StructField(field) => prepare(&mut field.value, patterns),
        }),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Ok(()),
    }
}

fn named(call: &mut CallExpr, patterns: &mut Vec<Pattern>) -> Result<(), String> {
    let name = &call.func_name;
    let equality = [operators::EQUALS, operators::NOT_EQUALS].contains(&name.as_str());
    if let (true, [IdedExpr { expr: Expr::Map(_), .. }, _]) = (equality, call.args.as_slice()) {
        call.args.swap(0, 1);
    }
    if !FUNCTIONS.contains(&name.as_str()) {
        return Ok(());
    }
    let at = usize::from(call.target.is_none());
    let Some(given) = call.args.get_mut(at) else { return Ok(()) };
    let Expr::Literal(LiteralValue::String(text)) = &given.expr else {
        return Err(format!("the pattern of {name} is computed: write it as a string"));
    };
    patterns.push(Pattern::compile(text.inner())?);
    given.expr = Expr::Ident(format!("{NAME}{}", patterns.len() - 1));
    Ok(())
}

/// Declares the functions that take patterns.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_member_overload!(env, fn matches: (CelString, Pattern) -> CelBool)?;
    add_overload!(env, fn matches: (CelString, Pattern) -> CelBool)?;
    add_member_overload!(env, fn find: (CelString, Pattern) -> CelString)?;
    add_member_overload!(env, fn find_all: (CelString, Pattern) -> CelList)?;
    add_member_overload!(env, fn find_some: (CelString, Pattern, CelInt) -> CelList,
        name = "findAll")
}

fn matches(text: &CelString<'_>, pattern: &Pattern) -> CelBool {
    pattern.regex.is_match(text.inner()).into()
}

fn find(text: &CelString<'_>, pattern: &Pattern) -> CelString<'static> {
    let found = pattern.regex.find(text.inner());
    CelString::from(found.map_or_else(String::new, |found| found.as_str().to_owned()))
}

fn find_all(text: &CelString<'_>, pattern: &Pattern) -> CelList<'static> {
    find_some(text, pattern, &CelInt::from(-1))
}

/// As many as asked; all when that is less than none.
fn find_some(text: &CelString<'_>, pattern: &Pattern, most: &CelInt) -> CelList<'static> {
    let most = usize::try_from(*most.inner()).unwrap_or(usize::MAX);
    let found = pattern.regex.find_iter(text.inner()).take(most);
    let owned = found.map(|found| Box::new(CelString::from(found.as_str().to_owned())) as Boxed);
    CelList::from(owned.collect::<Vec<Boxed>>())
}
