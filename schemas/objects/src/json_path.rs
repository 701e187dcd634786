//! The part of kubectl's JSON path that printer columns use: fields, `[*]`, `[N]`, and
//! `[?(@.field=="text")]`; texts with paths in braces; and several paths of which the first that
//! finds something counts.

use serde_json::Value;

/// The values that a path finds, of several with `|` between the first that finds anything; none
/// for a path of another form.
#[must_use]
pub fn find<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let is_something = |found: &Vec<&Value>| found.iter().any(|value| !value.is_null());
    path.split('|').map(|path| walked(value, path)).find(is_something).unwrap_or_default()
}

fn walked<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    let mut rest = path.trim();
    while !rest.is_empty() {
        let Some((step, after)) = step(rest) else { return vec![] };
        found = found.into_iter().flat_map(|value| take(value, &step)).collect();
        rest = after;
    }
    found
}

/// A text with what the paths in its braces find: `{.a}/{.b}`. `None` for a path without braces.
#[must_use]
pub fn filled(value: &Value, template: &str) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    if !rest.contains('{') {
        return None;
    }
    while let Some((before, after)) = rest.split_once('{') {
        let (path, after) = after.split_once('}')?;
        filled.push_str(before);
        for found in find(value, path) {
            match found {
                Value::String(text) => filled.push_str(text),
                other => filled.push_str(&other.to_string()),
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// How many entries the list or map has that a path finds.
#[must_use]
pub fn count(value: &Value, path: &str) -> usize {
    match find(value, path).first() {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

enum Step<'a> {
    Field(&'a str),
    All,
    Index(usize),
    Where(&'a str, &'a str),
}

fn step(rest: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        return (!name.is_empty()).then_some((Step::Field(name), after));
    }
    let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
    if inside == "*" {
        return Some((Step::All, after));
    }
    if let Ok(index) = inside.parse() {
        return Some((Step::Index(index), after));
    }
    let test = inside.strip_prefix("?(@.")?.strip_suffix(')')?;
    let (field, text) = test.split_once("==")?;
    Some((Step::Where(field.trim(), text.trim().trim_matches(['"', '\''])), after))
}

fn take<'a>(value: &'a Value, step: &Step<'_>) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Field(name), value) => value.get(*name).into_iter().collect(),
        (Step::Index(index), value) => value.get(*index).into_iter().collect(),
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::All, Value::Object(map)) => map.values().collect(),
        (Step::Where(field, text), Value::Array(items)) => {
            let is = |item: &&Value| item.get(*field).and_then(Value::as_str) == Some(*text);
            items.iter().filter(is).collect()
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_filled_and_entries_counted() {
        let value = serde_json::json!({"r": {"k": "Role", "n": 3}, "d": {"a": 1, "b": 2}});
        assert_eq!(filled(&value, "{.r.k}/{.r.n}").unwrap(), "Role/3");
        assert_eq!(filled(&value, "{.x}-").unwrap(), "-");
        assert_eq!((filled(&value, ".r.k"), filled(&value, "{.r")), (None, None));
        assert_eq!((count(&value, ".d"), count(&value, ".e")), (2, 0));
        assert_eq!(find(&value, ".x|.r.k|.r.n"), ["Role"]);
    }
    use serde_json::json;

    #[test]
    fn the_paths_of_columns_find_their_values() {
        let value = json!({"spec": {"list": [{"url": "a"}, {"url": "b"}]}, "status": {"conditions":
            [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}]}});
        let one = |path| find(&value, path);
        assert_eq!(one(".spec.list[*].url"), [&json!("a"), &json!("b")]);
        assert_eq!(one(".spec.list[1].url"), [&json!("b")]);
        assert_eq!(one(".status.conditions[?(@.type==\"B\")].status"), [&json!("False")]);
        assert!(one(".status.conditions[?(@.type==\"C\")].status").is_empty());
        assert!(one(".nothing.here").is_empty());
        assert!(one("spec").is_empty());
        assert!(one(".spec[").is_empty());
    }

    #[test]
    fn every_column_of_every_kind_is_a_path_that_is_understood() {
        let columns = fleetlog_messages::KINDS.iter().flat_map(|info| info.columns);
        let object = serde_json::json!({});
        for column in columns {
            if filled(&object, column.json_path).is_some() {
                continue;
            }
            let mut rest = column.json_path;
            while !rest.is_empty() {
                let (_, after) = step(rest).unwrap_or_else(|| panic!("{}", column.json_path));
                rest = after;
            }
        }
    }
}
