use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

/// Returns the number of processor cores that this process may use.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Runs `work` on each item, at most `jobs` at once, and returns the results in the order of the items. Items are
/// started in order.
///
/// The cores are divided among the jobs: networks of the usual size gain nothing from several cores, and runs that
/// share one thread pool would wait for each other.
pub(super) fn parallel_map<T: Send, R: Send>(
    items: Vec<T>,
    jobs: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let jobs = jobs.clamp(1, items.len().max(1));
    let threads = (cores() / jobs).max(1);
    let count = items.len();
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || match queue.lock() {
        Ok(mut queue) => queue.next(),
        // Another thread panicked while it took an item: start no more work.
        Err(_) => None,
    };
    let worker = || {
        let mut answers = Vec::new();
        while let Some((index, item)) = next() {
            answers.push((index, work(item)));
        }
        answers
    };
    let mut answers: Vec<Option<R>> = (0..count).map(|_| None).collect();
    thread::scope(|scope| {
        let handles: Vec<_> = (0..jobs)
            .map(|_| {
                scope.spawn(|| {
                    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                        Ok(pool) => pool.install(worker),
                        // Without its own thread pool, the job uses the global one.
                        Err(_) => worker(),
                    }
                })
            })
            .collect();
        for handle in handles {
            match handle.join() {
                Ok(done) => {
                    for (index, answer) in done {
                        answers[index] = Some(answer);
                    }
                }
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn answers_come_in_order_and_no_more_than_allowed_at_once() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let squares = parallel_map((0..20).collect(), 3, |i: usize| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(std::time::Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
            i * i
        });
        assert_eq!(squares, (0..20).map(|i| i * i).collect::<Vec<_>>());
        assert!((1..=3).contains(&most.into_inner()));
        assert!(parallel_map(Vec::<usize>::new(), 4, |i| i).is_empty());
    }
}
