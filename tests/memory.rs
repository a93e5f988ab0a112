//! Memory counted by the allocator. The tests take turns, since it counts the allocations of all threads.
#![cfg(feature = "flex")]

use burn::tensor::{Device, Distribution, Tensor};
use burn_tsallis::nn::attention::{TsallisAttentionOptions, tsallis_attention_with};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts the live bytes and their peak.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TURN: Mutex<()> = Mutex::new(());

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// With 2048 keys and two heads, the scores alone are 32 MiB, and the backward pass of all scores needs several tensors of
/// that size. The blocks of two threads need less than half of one, including the gradients.
#[test]
fn attention_needs_no_memory_for_all_scores() {
    const LIMIT: usize = 16 << 20;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let peak = pool.expect("a pool of threads").install(|| {
        let device = Device::flex().autodiff();
        let [query, key, value] = [(); 3].map(|()| {
            Tensor::<4>::random([1, 2, 2048, 4], Distribution::Normal(0.0, 1.0), &device)
                .require_grad()
        });
        let before = LIVE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let options = TsallisAttentionOptions::new(1.5);
        let context = tsallis_attention_with(query.clone(), key, value, &options);
        let gradients = context.sum().backward();
        assert!(query.grad(&gradients).is_some());
        PEAK.load(Ordering::Relaxed) - before
    });
    assert!(peak < LIMIT, "{peak} bytes, at most {LIMIT}");
}

/// An update with gradients on the host has no backward pass, in which Burn's autodiff would forget the parameters of the
/// update before.
#[cfg(feature = "rl")]
#[test]
fn updates_of_the_learner_leave_no_memory_behind() {
    use burn_tsallis::rl::ppo::{Learner, PpoConfig};

    const UPDATES: usize = 20;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let config = PpoConfig {
        environments: 2,
        rollout_steps: 8,
        minibatches: 1,
        epochs: 1,
        ..PpoConfig::default()
    };
    let mut learner = Learner::new(config, &Device::flex()).expect("a valid configuration");
    let mut live_after = |updates: usize| {
        for _ in 0..updates {
            learner.update().expect("finite");
        }
        LIVE.load(Ordering::Relaxed)
    };
    let before = live_after(UPDATES);
    let growth = live_after(UPDATES).saturating_sub(before) / UPDATES;
    // The recent episodes are all that grows.
    assert!(growth < 1024, "{growth} bytes for each update");
}
