//! CEL for placements: expressions over `managedCluster` that are checked once and asked often.
//! The text, its depth and the steps of its evaluation are bounded before it is admitted; the bound
//! is computed from the text alone, so the same expression is admitted or refused everywhere. Left
//! out: durations and timestamps, because a pure answer has no clock; Kubernetes' named formats.

mod address;
mod amount;
mod bounds;
mod calls;
mod check;
mod depth;
mod env;
mod operators;
mod pattern;
mod shape;
#[cfg(test)]
mod tests;
mod url;
mod value;
mod version;

pub use value::Subject;

use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::parser::PrattParser;
use cel::{Context, IdedExpr, Value};
use pattern::Pattern;
use shape::Sizes;
use std::fmt;

/// How long an expression may be, in bytes.
pub const MAX_TEXT: usize = 4_096;
/// How deep the parts of an expression may lie in each other.
pub const MAX_DEPTH: usize = 32;
/// How many steps the evaluation of one expression may take, at most: an operator, a call and a
/// lookup are one, and so is what a function reads or copies of so many bytes.
pub const BUDGET: u64 = 200_000;

/// How many steps all expressions of one placement may take together for one cluster.
pub const BUDGET_TOGETHER: u64 = 1_000_000;

/// The input that an expression is admitted for. On larger ones the bound is computed again.
const USUAL: Sizes = Sizes { items: 64, text: 1_024, weight: 16_384 };

/// Why an expression is refused, or has no answer for a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It cannot be read, or names and types do not fit: it is refused.
    #[error("compilation failed: {0}")]
    Unfit(String),
    /// It is too long, too deep, or may take too many steps: it is refused.
    #[error("compilation failed: the expression {0}")]
    TooCostly(String),
    /// A cluster is so large that the answer may take too many steps: it does not match.
    #[error(
        "the cluster is too large for the expression: up to {cost} steps, {BUDGET} are allowed"
    )]
    TooLarge {
        /// The bound on the steps.
        cost: u64,
    },
    /// There is no answer, because of a field that is missing, say: the cluster does not match.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is neither true nor false: the cluster does not match.
    #[error("the answer is neither true nor false")]
    NotBoolean,
}

/// A checked expression.
#[derive(Clone)]
pub struct Program {
    expr: IdedExpr,
    patterns: Vec<Pattern>,
    cost: u64,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Reads and checks an expression.
///
/// # Errors
/// [`Problem::Unfit`] and [`Problem::TooCostly`], with a sentence for its author.
pub fn compile(text: &str) -> Result<Program, Problem> {
    if text.len() > MAX_TEXT {
        let costly = format!("has {} bytes, {MAX_TEXT} are allowed", text.len());
        return Err(Problem::TooCostly(costly));
    }
    let mut expr = parse(text)?;
    let mut patterns = Vec::new();
    pattern::prepare(&mut expr, &mut patterns).map_err(Problem::Unfit)?;
    let mut program = Program { expr, patterns, cost: 0 };
    program.cost = program.bound(&USUAL).map_err(Problem::Unfit)?;
    if program.cost > BUDGET {
        let costly = format!("may take {} steps, {BUDGET} are allowed", program.cost);
        return Err(Problem::TooCostly(costly));
    }
    Ok(program)
}

/// Checks that the expressions of one placement do not take too many steps together.
///
/// # Errors
/// [`Problem::TooCostly`].
pub fn together<'a>(programs: impl IntoIterator<Item = &'a Program>) -> Result<(), Problem> {
    let cost = programs.into_iter().map(Program::cost).fold(0, u64::saturating_add);
    if cost > BUDGET_TOGETHER {
        let costly = format!("and the others may take {cost} steps, {BUDGET_TOGETHER} are allowed");
        return Err(Problem::TooCostly(costly));
    }
    Ok(())
}

fn parse(text: &str) -> Result<IdedExpr, Problem> {
    let depth = depth::depth(text);
    if depth > MAX_DEPTH {
        let costly = format!("is up to {depth} levels deep, {MAX_DEPTH} are allowed");
        return Err(Problem::TooCostly(costly));
    }
    let parser = PrattParser::new().enable_optional_syntax(true);
    parser.parse(text).map_err(|errors| {
        let first = errors.errors.first().map(ToString::to_string).unwrap_or_default();
        Problem::Unfit(first)
    })
}

impl Program {
    /// The bound on the steps of an evaluation, for a cluster of a usual size.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether a cluster is as the expression says.
    ///
    /// # Errors
    /// That there is no answer. For a placement this is no match.
    pub fn matches(&self, subject: &Subject) -> Result<bool, Problem> {
        if !subject.sizes.within(&USUAL) {
            let cost = self.bound(&subject.sizes.at_least(&USUAL)).map_err(Problem::Unfit)?;
            if cost > BUDGET {
                return Err(Problem::TooLarge { cost });
            }
        }
        let scope = Scope { subject, patterns: &self.patterns };
        let mut context = Context::with_env(env::ENV.0.clone());
        context.set_variable_resolver(&scope);
        let answer = Value::resolve_val(&self.expr, &context);
        let answer = answer.map_err(|error| Problem::NoAnswer(error.to_string()))?;
        answer.downcast_ref::<CelBool>().map(|answer| *answer.inner()).ok_or(Problem::NotBoolean)
    }

    fn bound(&self, sizes: &Sizes) -> Result<u64, String> {
        let patterns: Vec<u64> = self.patterns.iter().map(|pattern| pattern.cost).collect();
        Ok(check::check(&self.expr, sizes, &patterns)?.cost)
    }
}

struct Scope<'a> {
    subject: &'a Subject,
    patterns: &'a [Pattern],
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if name == check::ROOT {
            return Some(CowVal::Borrowed(&self.subject.cluster));
        }
        let pattern = self.patterns.get(pattern::index(name)?)?;
        Some(CowVal::Borrowed(pattern))
    }
}
