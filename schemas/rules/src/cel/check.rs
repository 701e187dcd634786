//! The check of an expression before it is admitted: names, types, and a bound on the steps of its
//! evaluation for inputs of a given size. Nothing is evaluated; the walk is as long as the text.

use super::bounds::{copy, scan, sum};
use super::calls;
use super::operators::{flag, operate};
use super::shape::{CLUSTER, Shape, Sizes, Ty};
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr,
    SelectExpr, operators as op,
};
use std::sync::Arc;

/// The variable that stands for the cluster.
pub(super) const ROOT: &str = "managedCluster";

/// A bound on a value and on the steps to make it.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) shape: Shape,
    pub(super) cost: u64,
}

impl Bound {
    const fn new(shape: Shape, cost: u64) -> Self {
        Self { shape, cost }
    }
}

type Checked = Result<Bound, String>;

/// The bound on an expression over inputs of these sizes; patterns cost what they are listed with.
///
/// # Errors
/// What is wrong with a name or a type, in words.
pub(super) fn check(expr: &IdedExpr, sizes: &Sizes, patterns: &[u64]) -> Checked {
    let literal_maps = any(expr, &|expr| matches!(expr, Expr::Map(_)));
    Checker { sizes, patterns, literal_maps, scopes: Vec::new() }.visit(expr)
}

struct Checker<'a> {
    sizes: &'a Sizes,
    patterns: &'a [u64],
    /// Whether a map is written out: its keys come in no order, so it is not gone through.
    literal_maps: bool,
    scopes: Vec<(&'a str, Shape)>,
}

impl<'a> Checker<'a> {
    fn visit(&mut self, expr: &'a IdedExpr) -> Checked {
        match &expr.expr {
            Expr::Literal(literal) => Ok(Bound::new(of_literal(literal), 1)),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(object) => Err(format!("undeclared type \"{}\"", object.type_name)),
            Expr::Unspecified => Err("an expression is missing".to_owned()),
        }
    }

    /// What a lookup of a name costs: it is looked for in every scope, of which four take a step.
    fn lookup(&self) -> u64 {
        calls_len(self.scopes.len()) / 4 + 1
    }

    fn name(&mut self, name: &str) -> Checked {
        let cost = self.lookup();
        if let Some((_, shape)) = self.scopes.iter().rev().find(|(bound, _)| *bound == name) {
            return Ok(Bound::new(shape.clone(), cost));
        }
        if let Some(pattern) = super::pattern::index(name) {
            let len = self.patterns.get(pattern).copied().unwrap_or(u64::MAX);
            return Ok(Bound::new(Shape { len, ..Shape::scalar(Ty::Pattern) }, cost));
        }
        match name {
            ROOT => Ok(Bound::new(Shape::given(CLUSTER.clone(), self.sizes), cost)),
            "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map"
            | "null_type" | "type" => Ok(Bound::new(Shape::scalar(Ty::Type), cost)),
            _ => Err(format!("undeclared reference to \"{name}\"")),
        }
    }

    fn select(&mut self, select: &'a SelectExpr) -> Checked {
        let of = self.visit(&select.operand)?;
        let cost = of.cost.saturating_add(self.lookup());
        let ty = of.shape.ty.field(&select.field).map_err(|()| match &of.shape.ty {
            Ty::Object(_) => format!("undefined field \"{}\"", select.field),
            other => format!("type {other} has no field \"{}\"", select.field),
        })?;
        if select.test {
            return Ok(Bound::new(Shape::scalar(Ty::Bool), cost));
        }
        let inside = of.shape.inside(ty);
        let copied = if is_lent(&select.operand, &of.shape) { 0 } else { copy(&inside) };
        Ok(Bound::new(inside, cost.saturating_add(copied)))
    }

    fn list(&mut self, list: &'a ListExpr) -> Checked {
        let mut cost = 1_u64;
        let mut all: Option<Shape> = None;
        let mut weight = 1_u64;
        for (at, item) in list.elements.iter().enumerate() {
            let item = self.visit(item)?;
            cost = cost.saturating_add(item.cost).saturating_add(copy(&item.shape));
            let shape = if list.optional_indices.contains(&at) {
                unwrapped(item.shape)?
            } else {
                item.shape
            };
            weight = weight.saturating_add(shape.weight);
            all = Some(all.map_or(shape.clone(), |all| all.join(&shape)));
        }
        let all = all.unwrap_or(Shape::scalar(Ty::Dyn));
        let shape = Shape { weight, ..all.repeated(calls_len(list.elements.len())) };
        Ok(Bound::new(shape, cost))
    }

    fn map(&mut self, map: &'a MapExpr) -> Checked {
        let mut cost = 1_u64;
        let mut all: Option<Shape> = None;
        let (mut weight, mut longest) = (1_u64, 0);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return Err("a map has keys".to_owned());
            };
            let key = self.visit(&entry.key)?;
            if !matches!(key.shape.ty, Ty::Text | Ty::Dyn) {
                return Err(format!("a key is a string, not {}", key.shape.ty));
            }
            let value = self.visit(&entry.value)?;
            let copies = [copy(&key.shape), copy(&value.shape)];
            cost = sum(&[cost, key.cost, value.cost, sum(&copies)]);
            let shape = if entry.optional { unwrapped(value.shape)? } else { value.shape };
            weight = weight.saturating_add(shape.weight).saturating_add(key.shape.weight);
            longest = longest.max(key.shape.len);
            all = Some(all.map_or(shape.clone(), |all| all.join(&shape)));
        }
        let all = all.unwrap_or(Shape::scalar(Ty::Dyn));
        let values = all.repeated(calls_len(map.entries.len()));
        let (ty, text) = (Ty::Map(Arc::new(all.ty)), values.text.max(longest));
        let shape = Shape { ty, text, weight, ..values };
        Ok(Bound::new(shape, cost))
    }

    fn all(&mut self, exprs: &'a [IdedExpr]) -> Result<(Vec<Shape>, u64), String> {
        let mut shapes = Vec::with_capacity(exprs.len());
        let mut cost = 1_u64;
        for expr in exprs {
            let bound = self.visit(expr)?;
            cost = cost.saturating_add(bound.cost);
            shapes.push(bound.shape);
        }
        Ok((shapes, cost))
    }

    fn call(&mut self, call: &'a CallExpr) -> Checked {
        let (mut args, mut cost) = self.all(&call.args)?;
        let Some(target) = &call.target else {
            if let Some(operated) = operate(&call.func_name, &args) {
                let (shape, work) = operated.ok_or_else(|| no_overload(&call.func_name, &args))?;
                let lent = call.func_name == op::INDEX && is_lent(&call.args[0], &args[0]);
                let work = if lent { scan(&args[1]) } else { work };
                return Ok(Bound::new(shape, cost.saturating_add(work)));
            }
            return self.function(&call.func_name, false, &args, cost);
        };
        if let Some(name) = qualified(target, &call.func_name) {
            return self.function(&name, false, &args, cost);
        }
        let target = self.visit(target)?;
        cost = cost.saturating_add(target.cost);
        args.insert(0, target.shape);
        self.function(&call.func_name, true, &args, cost)
    }

    fn function(&self, name: &str, member: bool, args: &[Shape], cost: u64) -> Checked {
        match calls::call(name, member, args, self.sizes) {
            Some((shape, work)) => Ok(Bound::new(shape, cost.saturating_add(work))),
            None if !calls::is_known(name) => Err(format!("undeclared reference to \"{name}\"")),
            None => Err(no_overload(name, args)),
        }
    }

    /// What the macros (`all`, `exists`, `exists_one`, `map`, `filter`) become. The accumulator is
    /// a flag, a number, or the list that is made.
    fn comprehension(&mut self, of: &'a ComprehensionExpr) -> Checked {
        let range = self.visit(&of.iter_range)?;
        let unfit = || format!("type {} has no entries to go through", range.shape.ty);
        let entry = range.shape.entry().ok_or_else(unfit)?;
        if self.literal_maps && !matches!(range.shape.ty, Ty::List(_)) {
            return Err("beside a map that is written out only lists are gone through".to_owned());
        }
        let init = self.visit(&of.accu_init)?;
        self.scopes.push((&of.iter_var, entry));
        self.scopes.push((&of.accu_var, init.shape.clone()));
        let each = self.each(of, &range.shape);
        let ends = self.visit(&of.loop_cond);
        self.scopes.pop();
        self.scopes.pop();
        let ((each, made), ends) = (each?, ends?);
        let result = match made {
            Some(list) => Bound::new(list, 1),
            None => {
                self.scopes.push((&of.accu_var, init.shape));
                let result = self.visit(&of.result);
                self.scopes.pop();
                result?
            }
        };
        let times = range.shape.len;
        let each = each.saturating_add(ends.cost).saturating_add(2);
        let loops = times.saturating_mul(each).saturating_add(copy(&range.shape));
        let cost = sum(&[2, range.cost, init.cost, ends.cost, result.cost, loops]);
        Ok(Bound::new(result.shape, cost))
    }

    /// The steps of one round, and the list that is made, if it is one.
    fn each(
        &mut self,
        of: &'a ComprehensionExpr,
        range: &Shape,
    ) -> Result<(u64, Option<Shape>), String> {
        if !matches!(&of.accu_init.expr, Expr::List(_)) {
            return Ok((self.visit(&of.loop_step)?.cost, None));
        }
        let (guard, items) = appended(of).ok_or("this is no list to be made")?;
        let guard = match guard {
            Some(guard) => {
                let guard = self.visit(guard)?;
                flag(&guard.shape)?;
                guard.cost
            }
            None => 0,
        };
        let kept = matches!(items.elements.as_slice(), [IdedExpr { expr: Expr::Ident(name), .. }]
            if *name == of.iter_var);
        let items = self.list(items)?;
        let one = items.shape.entry().unwrap_or(items.shape.clone());
        let mut made = one.repeated(range.len);
        if kept {
            made.weight = range.weight;
        }
        Ok((sum(&[guard, items.cost, copy(&one), 4]), Some(made)))
    }
}

/// The guard and the list of a step that appends to the list being made.
fn appended(of: &ComprehensionExpr) -> Option<(Option<&IdedExpr>, &ListExpr)> {
    let Expr::Call(step) = &of.loop_step.expr else { return None };
    let (guard, add) = match step.args.as_slice() {
        [guard, add, _] if step.func_name == op::CONDITIONAL => (Some(guard), add),
        _ => (None, &of.loop_step),
    };
    let Expr::Call(add) = &add.expr else { return None };
    match add.args.as_slice() {
        [_, IdedExpr { expr: Expr::List(items), .. }] if add.func_name == op::ADD => {
            Some((guard, items))
        }
        _ => None,
    }
}

/// Whether a part of a value is lent by it: the value has a place, and is not optional.
fn is_lent(expr: &IdedExpr, shape: &Shape) -> bool {
    let root = place(expr);
    match shape.ty {
        Ty::Optional(_) => false,
        Ty::Dyn => root == Some(ROOT),
        _ => root.is_some(),
    }
}

/// The variable that holds the place of a value.
fn place(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Ident(name) => Some(name),
        Expr::Select(select) if !select.test => place(&select.operand),
        Expr::Call(call) if call.func_name == op::INDEX => place(call.args.first()?),
        _ => None,
    }
}

/// The name of a function with its namespace, such as `optional.of`.
fn qualified(target: &IdedExpr, function: &str) -> Option<String> {
    let Expr::Ident(namespace) = &target.expr else { return None };
    let name = format!("{namespace}.{function}");
    calls::is_global(&name).then_some(name)
}

fn calls_len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn of_literal(literal: &LiteralValue) -> Shape {
    match literal {
        LiteralValue::Boolean(_) => Shape::scalar(Ty::Bool),
        LiteralValue::Bytes(bytes) => {
            Shape { ty: Ty::Bytes, ..Shape::text(calls_len(bytes.inner().len())) }
        }
        LiteralValue::Double(_) => Shape::scalar(Ty::Double),
        LiteralValue::Int(_) => Shape::scalar(Ty::Int),
        LiteralValue::Null => Shape::scalar(Ty::Null),
        LiteralValue::String(text) => Shape::text(calls_len(text.inner().len())),
        LiteralValue::UInt(_) => Shape::scalar(Ty::Uint),
    }
}

fn unwrapped(shape: Shape) -> Result<Shape, String> {
    match &shape.ty {
        Ty::Dyn => Ok(shape),
        Ty::Optional(inner) => Ok(Shape { ty: (**inner).clone(), ..shape }),
        other => Err(format!("type {other} is not optional")),
    }
}

fn no_overload(name: &str, args: &[Shape]) -> String {
    let types: Vec<String> = args.iter().map(|arg| arg.ty.to_string()).collect();
    format!("found no matching overload for '{name}' applied to '({})'", types.join(", "))
}

/// Whether any part of an expression is as asked; the caller bounds the depth.
fn any(expr: &IdedExpr, asked: &dyn Fn(&Expr) -> bool) -> bool {
    asked(&expr.expr) || children(&expr.expr).into_iter().any(|child| any(child, asked))
}

/// The parts of an expression.
fn children(expr: &Expr) -> Vec<&IdedExpr> {
    match expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(of) => {
            let of: &ComprehensionExpr = of;
            vec![&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => entries(map.entries.iter().map(|entry| &entry.expr)),
        Expr::Struct(object) => entries(object.entries.iter().map(|entry| &entry.expr)),
        Expr::Select(select) => vec![&select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => vec![],
    }
}

fn entries<'a>(all: impl Iterator<Item = &'a EntryExpr>) -> Vec<&'a IdedExpr> {
    all.flat_map(|entry| match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    })
    .collect()
}
