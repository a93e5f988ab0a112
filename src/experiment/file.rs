use super::error::FileError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Reads a file without the byte-order mark that some editors write before JSON and TOML.
///
/// # Errors
///
/// If the file cannot be read.
pub fn read_without_bom(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(path)?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

/// Writes `bytes` to a file atomically: the file holds either its previous content or all of `bytes`, even if
/// the process is killed or the power fails.
///
/// # Errors
///
/// If the file cannot be written. The partial file is then removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let partial = path.with_added_extension("partial");
    let write = || {
        write_synced(&partial, bytes)?;
        fs::rename(&partial, path)?;
        sync_folder(path.parent().unwrap_or(path))
    };
    write().map_err(|source| {
        // Report the error of the write, not that of the cleanup.
        let _ = fs::remove_file(&partial);
        FileError::io("write", path)(source)
    })
}

/// Creates a folder, which may exist, without its parents: if they were moved or removed, no new ones take their
/// place.
#[cfg(feature = "rl")]
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Writes a file and flushes it to disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Flushes the entries of a folder to disk, on systems that support it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        // The parent of a relative name is the empty path.
        let here = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        File::open(here)?.sync_all()?;
    }
    Ok(())
}

/// Locks a file against other processes until it is closed or the process ends.
pub(crate) fn lock(file: &File, folder: &Path) -> Result<(), FileError> {
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(FileError::InUse(folder.to_owned())),
        // Some file systems have no locks: continue without one.
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_the_old_one_stays() {
        let folder = std::env::temp_dir().join(format!("tsallis-file-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("config.json");
        write_atomically(&path, b"one").expect("written");
        // A folder at the path of the partial file makes the write fail.
        fs::create_dir(folder.join("config.json.partial")).expect("a folder");
        let error = write_atomically(&path, b"two").expect_err("it cannot be created");
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert!(error.to_string().contains("config.json"), "{error}");
        assert_eq!(fs::read(&path).expect("still there"), b"one");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
