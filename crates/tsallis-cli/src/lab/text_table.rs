/// A table for standard output. Each column is as wide as its widest entry.
pub(super) struct TextTable {
    /// The number of leading columns that hold text and are left-aligned.
    left_aligned: usize,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// Creates a table with these column names, separated by `, `. The first `left_aligned` columns hold text.
    pub(super) fn new(left_aligned: usize, names: &str) -> Self {
        let names = names.split(", ").map(str::to_owned).collect();
        Self {
            left_aligned,
            rows: vec![names],
        }
    }

    pub(super) fn row(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    pub(super) fn print(&self) {
        for line in self.lines() {
            println!("{line}");
        }
    }

    fn lines(&self) -> Vec<String> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let entries = self.rows.iter().filter_map(|row| row.get(column));
            entries
                .map(|entry| entry.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..count).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (entry, &width))| {
                if column < self.left_aligned {
                    format!("{entry:<width$}")
                } else {
                    format!("{entry:>width$}")
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let mut columns = TextTable::new(1, "process, value");
        columns.row(["deepsea-stochastic:20".to_owned(), "1".to_owned()]);
        columns.row(["λ".to_owned(), "-10.5".to_owned()]);
        assert_eq!(
            columns.lines(),
            [
                "process                value",
                "deepsea-stochastic:20      1",
                "λ                      -10.5",
            ]
        );
    }
}
