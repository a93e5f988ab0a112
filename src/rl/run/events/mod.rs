//! Scalars in TensorBoard's event files.

mod message;
mod record;

use super::RunError;
use crate::experiment::{create_folder, lock};
use message::Event;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The prefix by which TensorBoard recognizes an event file.
const PREFIX: &str = "events.out.tfevents.";

/// An event file that grows by one event per update.
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

/// An event file that is open and locked, but from which nothing has been removed yet.
pub(super) struct OpenEvents {
    path: PathBuf,
    file: File,
    /// The length of the events to keep.
    length: u64,
}

impl OpenEvents {
    /// Opens the event file of a folder to keep the events up to `last_step`. Creates the folder and the file
    /// if they do not exist.
    pub(super) fn open(folder: &Path, last_step: usize) -> Result<Self, RunError> {
        create_folder(folder).map_err(RunError::io("create the folder", folder))?;
        let path = match existing(folder)? {
            Some(path) => path,
            None => folder.join(format!("{PREFIX}{:010}.tsallis", now() as u64)),
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(RunError::io("open", &path))?;
        lock(&file, folder)?;
        let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
        let length = record::scan(&bytes)
            .take_while(|(payload, _)| {
                message::step(payload).is_some_and(|step| step <= last_step as u64)
            })
            .last()
            .map_or(0, |(_, end)| end as u64);
        Ok(Self { path, file, length })
    }

    /// Removes the later events and an incomplete event that a killed process left.
    pub(super) fn cut(mut self) -> Result<EventFile, RunError> {
        let mut cut = || {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::End(0))
        };
        cut().map_err(RunError::io("write", &self.path))?;
        let (path, file) = (self.path, self.file);
        let mut events = EventFile { path, file };
        if self.length == 0 {
            events.append(&Event::version(now()))?;
        }
        Ok(events)
    }
}

impl EventFile {
    /// Appends the scalars of a step.
    pub(super) fn record<'a>(
        &mut self,
        step: usize,
        scalars: impl Iterator<Item = (&'a str, f64)>,
    ) -> Result<(), RunError> {
        self.append(&Event::scalars(now(), step as u64, scalars))
    }

    fn append(&mut self, event: &Event) -> Result<(), RunError> {
        self.file
            .write_all(&record::frame(event.bytes()))
            .map_err(RunError::io("write", &self.path))
    }
}

/// Returns the newest event file of a folder.
fn existing(folder: &Path) -> Result<Option<PathBuf>, RunError> {
    let mut found = None;
    for entry in fs::read_dir(folder).map_err(RunError::io("read the folder", folder))? {
        let path = entry
            .map_err(RunError::io("read the folder", folder))?
            .path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(PREFIX)) {
            found = found.max(Some(path));
        }
    }
    Ok(found)
}

/// Returns the seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_torn_anywhere_are_cut_to_whole_ones() {
        let folder = std::env::temp_dir().join(format!("tsallis-events-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let open = |last_step| OpenEvents::open(&folder, last_step).and_then(OpenEvents::cut);
        let mut events = open(0).expect("made");
        for step in 1..=3 {
            let scalars = [("charts/SPS", step as f64), ("losses/entropy", 0.5)];
            events.record(step, scalars.into_iter()).expect("recorded");
        }
        let path = events.path.clone();
        drop(events);
        let whole = fs::read(&path).expect("the events");
        let ends: Vec<usize> = record::scan(&whole).map(|(_, end)| end).collect();
        assert_eq!(ends.len(), 1 + 3);
        assert_eq!(ends[3], whole.len());
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).expect("torn");
            drop(open(2).expect("opened"));
            let kept = fs::read(&path).expect("the events");
            let expected = ends[..3].iter().rev().find(|&&end| end <= length);
            match expected {
                Some(&end) => assert_eq!(kept, whole[..end], "torn at {length}"),
                None => assert_eq!(kept.len(), ends[0], "torn at {length}"),
            }
        }
        fs::remove_dir_all(&folder).expect("removed");
    }
}
