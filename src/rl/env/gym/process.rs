//! The Python process: its pipes, its end and its last words.

use super::GymnasiumError;
use super::protocol::ReplyError;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The number of last lines of standard error in a message.
const LAST_LINES: usize = 20;

/// The most bytes of a line that are kept in one piece.
const LONGEST_LINE: u64 = 4096;

/// The time that a process has to end after its pipe is closed, and its last lines have to arrive after its end.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the watchdog looks during the time that an answer may take.
const LOOKS: u32 = 10;

/// The longest request and reply that are buffered.
const BUFFER: usize = 1 << 16;

/// A Python process that answers requests.
///
/// It ends with this value. If this process is killed, `server.py` ends the other one.
pub(super) struct Process {
    shared: Arc<Shared>,
    /// `None` while the process is being ended.
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    /// Disconnected once standard error is closed.
    stderr_closed: Receiver<()>,
    timeout: Duration,
    /// Ends the watchdog when it is dropped.
    _watchdog: Sender<()>,
}

/// What the watchdog and the reader of standard error share with [`Process`].
struct Shared {
    process: Mutex<Child>,
    last_lines: Mutex<VecDeque<String>>,
    /// How often the watchdog will still look before the present exchange is late. A clock would also count the time for
    /// which this process and the other one are suspended.
    looks_left: Mutex<Option<u32>>,
    is_late: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Starts `python` with a script.
    pub(super) fn start(python: &str, script: &str, timeout: Duration) -> io::Result<Self> {
        let mut command = Command::new(python);
        command
            .args(["-u", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The environments are stepped one after another, and several runs share the cores.
        if std::env::var_os("OMP_NUM_THREADS").is_none() {
            command.env("OMP_NUM_THREADS", "1");
        }
        // A Ctrl-C in the terminal must not reach the process, since the run is saved first.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let (started, starting) = mpsc::channel();
        let (closed, stderr_closed) = mpsc::channel();
        // The thread that starts the process lives as long as the process does: on Linux, the end of that thread
        // counts as the death of the parent (PR_SET_PDEATHSIG in server.py).
        thread::spawn(move || {
            let _closed: Sender<()> = closed;
            let child = command.spawn().map(|mut child| {
                let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
                let shared = Arc::new(Shared {
                    process: Mutex::new(child),
                    last_lines: Mutex::default(),
                    looks_left: Mutex::default(),
                    is_late: AtomicBool::new(false),
                });
                (shared, pipes)
            });
            let (shared, (stdin, stdout, stderr)) = match child {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            let sent = started.send(Ok((shared.clone(), stdin, stdout)));
            if let (Ok(()), Some(stderr)) = (sent, stderr) {
                show_lines(stderr, &shared.last_lines);
            }
        });
        let ended = || io::Error::other("the thread that starts it has ended");
        let (shared, stdin, stdout) = starting.recv().map_err(|_| ended())??;
        let stdout = stdout.ok_or_else(ended)?;
        let (watchdog, stop) = mpsc::channel();
        let watched = shared.clone();
        let interval = (timeout / LOOKS).max(Duration::from_millis(1));
        thread::spawn(move || {
            while stop.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                watched.kill_if_late();
            }
        });
        Ok(Self {
            shared,
            requests: stdin,
            replies: BufReader::with_capacity(BUFFER, stdout),
            stderr_closed,
            timeout,
            _watchdog: watchdog,
        })
    }

    /// Writes a request and reads its reply. After an error, the process has ended.
    pub(super) fn exchange<T>(
        &mut self,
        write: impl FnOnce(&mut ChildStdin) -> io::Result<()>,
        read: impl FnOnce(&mut BufReader<ChildStdout>) -> Result<T, ReplyError>,
    ) -> Result<T, GymnasiumError> {
        let Some(requests) = &mut self.requests else {
            return Err(GymnasiumError::Ended);
        };
        *lock(&self.shared.looks_left) = Some(LOOKS);
        // If the process has ended, its reply tells why.
        let written = write(requests);
        let read = read(&mut self.replies);
        *lock(&self.shared.looks_left) = None;
        read.map_err(|error| self.failure(error, written.err()))
    }

    /// Ends the process and returns the error with its last words.
    fn failure(&mut self, error: ReplyError, written: Option<io::Error>) -> GymnasiumError {
        let status = self.end();
        let _ = self.stderr_closed.recv_timeout(PATIENCE);
        let words = LastWords(lock(&self.shared.last_lines).iter().cloned().collect());
        match error {
            _ if self.shared.is_late.load(Ordering::Relaxed) => GymnasiumError::Timeout {
                seconds: self.timeout.as_secs_f64(),
                words,
            },
            ReplyError::Failure(failure) => match failure.traceback {
                None => GymnasiumError::Refused(failure.message),
                Some(traceback) => GymnasiumError::Exception {
                    message: failure.message,
                    traceback,
                },
            },
            ReplyError::Closed => GymnasiumError::Died {
                status: status.map_or("for an unknown reason".to_owned(), |s| s.to_string()),
                words,
            },
            ReplyError::Io(error) => GymnasiumError::Pipe(written.unwrap_or(error).to_string()),
            ReplyError::Malformed(reason) => GymnasiumError::Malformed { reason, words },
        }
    }

    /// Closes the pipe, waits a moment, and kills the process if it is still there.
    fn end(&mut self) -> Option<ExitStatus> {
        self.requests = None;
        let given_up = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            let mut process = lock(&self.shared.process);
            match process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < given_up => {}
                _ => {
                    kill(&mut process);
                    return process.wait().ok();
                }
            }
            drop(process);
            thread::sleep(pause);
            pause *= 2;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.requests.is_some() {
            self.end();
        }
    }
}

impl Shared {
    /// Kills the process at the look after the last one that it has.
    fn kill_if_late(&self) {
        let mut looks_left = lock(&self.looks_left);
        let Some(left) = looks_left.as_mut() else {
            return;
        };
        if let Some(fewer) = left.checked_sub(1) {
            *left = fewer;
            return;
        }
        drop(looks_left);
        self.is_late.store(true, Ordering::Relaxed);
        kill(&mut lock(&self.process));
    }
}

/// Kills a process and those that it has started: `python3` may be a script that starts Python.
fn kill(process: &mut Child) {
    // The id of a process that has been waited for may be that of another one.
    #[cfg(unix)]
    if matches!(process.try_wait(), Ok(None)) {
        let group = process.id().to_string();
        let mut kill = Command::new("sh");
        let _ = kill.args(["-c", "kill -s KILL -- -$0", &group]).status();
    }
    let _ = process.kill();
}

/// Prints the lines of standard error, in which also the output of the environments arrives, and keeps the last ones.
fn show_lines(stderr: ChildStderr, last_lines: &Mutex<VecDeque<String>>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut read = |line: &mut Vec<u8>| stderr.by_ref().take(LONGEST_LINE).read_until(b'\n', line);
    while read(&mut line).is_ok_and(|length| length > 0) {
        // The run goes on if nobody reads its standard error.
        let _ = io::stderr().write_all(&line);
        let mut last_lines = lock(last_lines);
        if last_lines.len() == LAST_LINES {
            last_lines.pop_front();
        }
        last_lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}

/// The last lines of standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords(Vec<String>);

impl std::fmt::Display for LastWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it printed nothing");
        }
        f.write_str("its last lines:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
