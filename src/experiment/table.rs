use super::error::FileError;
use super::file::{lock, write_atomically};
use super::renamed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A CSV file to which whole rows `R` are appended. [`reopen`](Self::reopen) removes an incomplete last row
/// that a killed process left.
#[derive(Debug)]
pub struct CsvTable<R> {
    path: PathBuf,
    file: File,
    rows: PhantomData<fn(R)>,
}

impl<R: Serialize> CsvTable<R> {
    /// Creates the file.
    ///
    /// # Errors
    ///
    /// If the file exists, cannot be written, or is being written by another process.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let file = File::create_new(&path).map_err(FileError::io("create", &path))?;
        lock(&file, path.parent().unwrap_or(&path))?;
        Ok(Self::from_locked(path, file))
    }

    fn from_locked(path: PathBuf, file: File) -> Self {
        Self {
            path,
            file,
            rows: PhantomData,
        }
    }

    /// Appends a row completely or not at all.
    ///
    /// # Errors
    ///
    /// If the row cannot be written, or if the file has been moved or removed.
    pub fn append(&mut self, row: &R) -> Result<(), FileError> {
        let mut write = || {
            // An open file can be written even if it is no longer there.
            std::fs::metadata(&self.path)?;
            let end = self.file.stream_position()?;
            let mut line = csv::WriterBuilder::new()
                .has_headers(end == 0)
                .from_writer(Vec::new());
            line.serialize(row)?;
            let line = line.into_inner().map_err(csv::IntoInnerError::into_error)?;
            let written = self.file.write_all(&line);
            if written.is_err() {
                // Report the error of the write, not that of the cleanup.
                let _ = self.file.set_len(end);
                let _ = self.file.seek(SeekFrom::Start(end));
            }
            written
        };
        write().map_err(FileError::io("write", &self.path))
    }

    /// Flushes the appended rows to disk.
    ///
    /// # Errors
    ///
    /// If the rows cannot be flushed.
    pub fn sync(&self) -> Result<(), FileError> {
        let synced = self.file.sync_data();
        synced.map_err(FileError::io("write", &self.path))
    }
}

impl<R: Serialize + DeserializeOwned> CsvTable<R> {
    /// Opens the file to append rows, or creates it if it does not exist. Keeps the leading rows that are
    /// whole and for which `keep` returns true, and removes the rest. Returns the rows that were kept.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, is being written by another process, or has a whole line that
    /// is not a valid row.
    pub fn reopen(
        path: impl Into<PathBuf>,
        keep: impl Fn(&R) -> bool,
    ) -> Result<(Self, Vec<R>), FileError> {
        OpenTable::open(path, keep)?.cut()
    }
}

/// A table that is open and locked, but from which nothing has been removed yet.
pub(crate) struct OpenTable<R> {
    path: PathBuf,
    file: File,
    rows: Vec<R>,
    /// The length of the rows to keep, with their header.
    length: u64,
    /// Whether the header differs from that of a row, because another version wrote the table.
    is_outdated: bool,
}

impl<R: Serialize + DeserializeOwned> OpenTable<R> {
    /// Does everything that [`CsvTable::reopen`] does before it removes rows.
    pub(crate) fn open(
        path: impl Into<PathBuf>,
        keep: impl Fn(&R) -> bool,
    ) -> Result<Self, FileError> {
        let path = path.into();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(FileError::io("open", &path))?;
        lock(&file, path.parent().unwrap_or(&path))?;
        let (mut rows, mut length): (Vec<R>, _) = (Vec::new(), 0);
        for row in whole_rows(&path)? {
            let (row, end) = row?;
            let Some(row) = row else {
                length = end;
                continue;
            };
            if !keep(&row) {
                break;
            }
            rows.push(row);
            length = end;
        }
        let is_outdated = match rows.first() {
            Some(row) => {
                let text = lines([row]).map_err(FileError::io("write", &path))?;
                let header = text.split_inclusive(|&b| b == b'\n').next();
                !std::fs::read(&path)
                    .map_err(FileError::io("read", &path))?
                    .starts_with(header.unwrap_or_default())
            }
            None => {
                // The next row writes the present header.
                length = 0;
                false
            }
        };
        Ok(Self {
            path,
            file,
            rows,
            length,
            is_outdated,
        })
    }

    /// Removes the rows after those to keep. Rewrites a table of another version with the present columns.
    pub(crate) fn cut(mut self) -> Result<(CsvTable<R>, Vec<R>), FileError> {
        if self.is_outdated {
            write_table(&self.path, &self.rows)?;
            return Self::open(self.path, |_| true)?.cut();
        }
        let mut cut = || {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::End(0))
        };
        cut().map_err(FileError::io("write", &self.path))?;
        let table = CsvTable::from_locked(self.path, self.file);
        Ok((table, self.rows))
    }
}

/// Returns the whole rows of a table, or no rows if the file does not exist.
///
/// # Errors
///
/// If the file cannot be read, or if a whole line is not a valid row.
pub fn read_table<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>, FileError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let rows = whole_rows(path)?;
    rows.filter_map(|row| row.map(|(row, _)| row).transpose())
        .collect()
}

/// Writes a table with these rows atomically.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_table<R: Serialize>(path: &Path, rows: &[R]) -> Result<(), FileError> {
    let text = lines(rows).map_err(FileError::io("write", path))?;
    write_atomically(path, &text)
}

/// Returns the header and the lines of rows.
fn lines<'a, R: Serialize + 'a>(rows: impl IntoIterator<Item = &'a R>) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// Yields the header (as `None`) and the rows of a file up to its last line end, each with the byte offset of
/// its end.
fn whole_rows<R: DeserializeOwned>(
    path: &Path,
) -> Result<impl Iterator<Item = Result<(Option<R>, u64), FileError>>, FileError> {
    let mut bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    bytes.truncate(whole);
    let path = path.to_owned();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(std::io::Cursor::new(bytes));
    let mut header = None;
    let mut record = csv::StringRecord::new();
    Ok(std::iter::from_fn(move || {
        match reader.read_record(&mut record) {
            Err(error) => Some(Err(FileError::malformed(&path, error))),
            Ok(false) => None,
            Ok(true) => {
                let end = reader.position().byte();
                let Some(header) = &header else {
                    // A column with a former name would be read as empty if it is optional.
                    if let Some(reason) = record.iter().find_map(renamed) {
                        return Some(Err(FileError::malformed(&path, reason)));
                    }
                    header = Some(record.clone());
                    return Some(Ok((None, end)));
                };
                let row = record.deserialize(Some(header));
                Some(match row {
                    Ok(row) => Ok((Some(row), end)),
                    Err(error) => Err(FileError::malformed(&path, error)),
                })
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::fs;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        step: usize,
        value: Option<f64>,
    }

    fn row(step: usize) -> Row {
        Row {
            step,
            value: (!step.is_multiple_of(2)).then_some(step as f64 / 3.0),
        }
    }

    fn path(test: &str) -> PathBuf {
        let name = format!("tsallis-table-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        path
    }

    /// A table that is cut at any byte and then continued equals the uninterrupted one.
    #[test]
    fn a_table_torn_anywhere_goes_on() {
        let path = path("torn");
        let mut table = CsvTable::create(&path).expect("made");
        for step in 1..=6 {
            table.append(&row(step)).expect("appended");
        }
        drop(table);
        let whole = fs::read(&path).expect("the table");
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).expect("torn");
            let (mut table, rows) =
                CsvTable::reopen(&path, |row: &Row| row.step <= 4).expect("opened");
            assert!(rows.len() <= 4);
            assert_eq!(rows, (1..=rows.len()).map(row).collect::<Vec<_>>());
            for step in rows.len() + 1..=6 {
                table.append(&row(step)).expect("appended");
            }
            drop(table);
            assert_eq!(
                fs::read(&path).expect("the table"),
                whole,
                "cut at {length}"
            );
        }
        let rows = read_table::<Row>(&path).expect("rows");
        assert_eq!(rows.len(), 6);
        // A table that is written at once has the same bytes.
        write_table(&path, &rows).expect("written");
        assert_eq!(fs::read(&path).expect("the table"), whole);
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_table_of_another_version_gets_the_present_columns() {
        let path = path("columns");
        for text in ["step,former\n1,0.5\n2,\n", "step,former\n"] {
            fs::write(&path, text).expect("written");
            let (mut table, rows) = CsvTable::<Row>::reopen(&path, |_| true).expect("opened");
            table.append(&row(9)).expect("appended");
            drop(table);
            let read = read_table::<Row>(&path).expect("rows");
            assert_eq!(read, [&rows[..], &[row(9)]].concat());
            let text = fs::read_to_string(&path).expect("the table");
            assert!(text.starts_with("step,value\n"), "{text}");
        }
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_foreign_file_is_an_error_and_unchanged() {
        let path = path("foreign");
        fs::write(&path, "step,value\n1,2.0\nthesis,3.0\n").expect("a file");
        let error = CsvTable::reopen(&path, |_: &Row| true).expect_err("refused");
        let error = error.to_string();
        assert!(error.contains("cannot be read"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert_eq!(fs::read(&path).expect("kept").len(), 28);
        fs::remove_file(&path).expect("removed");
        assert!(read_table::<Row>(&path).expect("none").is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_column() {
        let path = path("mark");
        fs::write(&path, "\u{feff}step,value\n1,2.0\n2,").expect("a file");
        let (mut table, rows) = CsvTable::reopen(&path, |_: &Row| true).expect("opened");
        assert_eq!((rows.len(), rows[0].value), (1, Some(2.0)));
        table.append(&row(2)).expect("appended");
        drop(table);
        assert_eq!(read_table::<Row>(&path).expect("rows").len(), 2);
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_row_is_not_written_to_a_table_that_is_gone() {
        let (path, moved) = (path("gone"), path("moved"));
        let mut table = CsvTable::create(&path).expect("made");
        table.append(&row(1)).expect("appended");
        fs::rename(&path, &moved).expect("moved");
        let error = table.append(&row(2)).expect_err("refused");
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert_eq!(read_table::<Row>(&moved).expect("rows").len(), 1);
        fs::rename(&moved, &path).expect("moved back");
        table.append(&row(2)).expect("appended");
        assert_eq!(read_table::<Row>(&path).expect("rows").len(), 2);
        fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_table_has_one_writer() {
        let path = path("locked");
        let table: CsvTable<Row> = CsvTable::create(&path).expect("made");
        assert!(matches!(
            CsvTable::reopen(&path, |_: &Row| true),
            Err(FileError::InUse(_))
        ));
        drop(table);
        assert!(CsvTable::reopen(&path, |_: &Row| true).is_ok());
        fs::remove_file(&path).expect("removed");
    }
}
