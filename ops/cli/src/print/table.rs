//! Tables as kubectl prints them: upper-case headings, two or more blanks between columns.

use comfy_table::{ContentArrangement, Table, presets};

/// A table of text cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// A table with these headings, printed in upper case.
    pub fn new<H: AsRef<str>>(headings: impl IntoIterator<Item = H>) -> Self {
        let upper = |heading: H| heading.as_ref().to_uppercase();
        Self { headings: headings.into_iter().map(upper).collect(), rows: vec![] }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as text, each line ended.
    #[must_use]
    pub fn render(&self) -> String {
        self.lines(true)
    }

    /// The rows alone, each line ended.
    #[must_use]
    pub fn render_bare(&self) -> String {
        self.lines(false)
    }

    fn lines(&self, headed: bool) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if headed {
            table.set_header(self.headings.clone());
        }
        for row in &self.rows {
            table.add_row(row.clone());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let mut rows = Rows::new(["name", "age"]);
        rows.push(vec!["cluster1".into(), "5m".into()]);
        rows.push(vec!["c2".into(), String::new()]);
        assert_eq!(rows.render(), "NAME       AGE\ncluster1   5m\nc2\n");
    }
}
