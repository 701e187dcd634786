//! The environment: the language's own functions and those that Kubernetes and OCM add. Each one
//! that is declared here has its row in the table of what calls cost.

use super::value::Fields;
use cel::common::traits::Iterable;
use cel::common::types::{CelBool, CelInt, CelString, DYN_TYPE, LIST_TYPE, MAP_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

type Result<T> = std::result::Result<T, ExecutionError>;

/// Made once. The bool is whether everything was declared: tests hold that it was.
pub(super) static ENV: LazyLock<(Arc<Env>, bool)> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let declared = declare(&mut env).is_ok();
    (Arc::new(env), declared)
});

/// Declares what the language itself has not.
pub(super) fn declare(env: &mut Env) -> std::result::Result<(), DeclarationError> {
    env.add_extension(cel::extensions::strings)?;
    env.add_extension(super::version::declare)?;
    env.add_extension(super::amount::declare)?;
    env.add_extension(super::address::declare)?;
    env.add_extension(super::url::declare)?;
    env.add_extension(super::pattern::declare)?;
    env.add_member_overload("scores", "cluster_scores", MAP_TYPE, vec![STRING_TYPE], scores)?;
    env.add_member_overload("parseJSON", "string_parse_json", STRING_TYPE, vec![], parse_json)?;
    let list = |env: &mut Env, name: &str, with: usize, op| {
        let args = std::iter::repeat_with(|| DYN_TYPE).take(with).collect();
        env.add_member_overload(name, &format!("list_{name}"), LIST_TYPE, args, op)
    };
    list(env, "isSorted", 0, is_sorted)?;
    list(env, "sum", 0, sum)?;
    list(env, "min", 0, min)?;
    list(env, "max", 0, max)?;
    list(env, "indexOf", 1, index_of)?;
    list(env, "lastIndexOf", 1, last_index_of)
}

fn wrong(function: &str, why: &str) -> ExecutionError {
    ExecutionError::function_error(function, why)
}

fn text<'a>(args: &'a [CowVal<'_, '_>], at: usize) -> Result<&'a str> {
    let text = args.get(at).and_then(|arg| arg.downcast_ref::<CelString>());
    text.map(|text| text.inner()).ok_or_else(ExecutionError::missing_argument_or_target)
}

fn scores<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    let name = text(&args, 1)?;
    let none = || wrong("scores", &format!("there is no AddOnPlacementScore \"{name}\""));
    match args.first() {
        Some(CowVal::Borrowed(cluster)) => {
            let cluster: Option<&Fields> = cluster.downcast_ref();
            let list = cluster.and_then(|cluster| cluster.scores(name)).ok_or_else(none)?;
            Ok(CowVal::Borrowed(list))
        }
        Some(CowVal::Owned(cluster)) => {
            let cluster: Option<&Fields> = cluster.downcast_ref();
            let list = cluster.and_then(|cluster| cluster.scores(name)).ok_or_else(none)?;
            Ok(CowVal::owned(list.clone()))
        }
        None => Err(ExecutionError::missing_argument_or_target()),
    }
}

fn parse_json<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    let parsed = super::value::of_text(text(&args, 0)?);
    parsed.map(CowVal::Owned).ok_or_else(|| wrong("parseJSON", "the text is no JSON"))
}

/// Goes through a list.
fn each<'b, 'v>(
    args: &'b [CowVal<'_, 'v>],
    mut see: impl FnMut(&'b (dyn Val + 'v)) -> Result<()>,
) -> Result<()> {
    let list = args.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let list: &dyn Iterable = list.as_iterable().ok_or_else(|| wrong("list", "it is no list"))?;
    let mut entries = list.iter();
    while let Some(entry) = entries.next() {
        see(entry)?;
    }
    Ok(())
}

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering> {
    let comparer = a.as_comparer().ok_or_else(|| wrong("list", "its entries have no order"))?;
    comparer.compare(b)
}

fn is_sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    let mut sorted = true;
    let mut last: Option<&dyn Val> = None;
    each(&args, |entry| {
        if let Some(last) = last {
            sorted &= compare(last, entry)?.is_le();
        }
        last = Some(entry);
        Ok(())
    })?;
    Ok(CowVal::owned(CelBool::from(sorted)))
}

/// An empty list sums up to 0.
fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    let mut total: Option<Box<dyn Val + 'v>> = None;
    each(&args, |entry| {
        let next = match &total {
            None => entry.clone_as_boxed(),
            Some(total) => {
                let adder = total.as_adder().ok_or_else(|| wrong("sum", "entries are numbers"))?;
                adder.add(entry)?.into_owned()
            }
        };
        total = Some(next);
        Ok(())
    })?;
    Ok(CowVal::Owned(total.unwrap_or_else(|| Box::new(CelInt::from(0)))))
}

fn outermost<'b, 'v>(args: &[CowVal<'b, 'v>], wanted: Ordering) -> Result<CowVal<'b, 'v>> {
    let mut found: Option<&dyn Val> = None;
    each(args, |entry| {
        let replaces = match found {
            Some(found) => compare(entry, found)? == wanted,
            None => true,
        };
        if replaces {
            found = Some(entry);
        }
        Ok(())
    })?;
    let found = found.ok_or_else(|| wrong("list", "it is empty"))?;
    Ok(CowVal::Owned(found.clone_as_boxed()))
}

fn min<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    outermost(&args, Ordering::Less)
}

fn max<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    outermost(&args, Ordering::Greater)
}

/// Where an entry is; -1 when nowhere.
fn position<'b, 'v>(args: &[CowVal<'b, 'v>], last: bool) -> Result<CowVal<'b, 'v>> {
    let wanted = args.get(1).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let (mut at, mut found) = (0_i64, -1_i64);
    each(args, |entry| {
        if (last || found < 0) && entry.equals(&**wanted) {
            found = at;
        }
        at += 1;
        Ok(())
    })?;
    Ok(CowVal::owned(CelInt::from(found)))
}

fn index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    position(&args, false)
}

fn last_index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>> {
    position(&args, true)
}
