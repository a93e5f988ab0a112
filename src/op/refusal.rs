//! The kernels that a device refuses.
//!
//! CubeCL compiles a kernel at its first launch. If the compiler or the driver refuses it, CubeCL marks the tensors that
//! the kernel would have written, and every later read of them fails. The launches of this crate ask at the first launch
//! of each kernel, and use another kernel instead.

use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::server::{LaunchError, ServerError};
use burn_cubecl::tensor::CubeTensor;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// For each device and kernel that was launched, whether the device refused it.
pub(super) struct Refusals<K>(LazyLock<Mutex<HashMap<(CubeDevice, K), bool>>>);

impl<K: Copy + Eq + Hash> Refusals<K> {
    pub const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    /// Launches a kernel, and returns `false` if the device refuses it. The first launch of a kernel waits for its
    /// compilation.
    pub fn launch(
        &self,
        kernel: K,
        client: &Client,
        device: &CubeDevice,
        [read, written]: [&[&CubeTensor]; 2],
        launch: impl FnOnce(),
    ) -> bool {
        let key = (device.clone(), kernel);
        let known = self.lock().get(&key).copied();
        if known == Some(true) {
            return false;
        }
        let check = |tensors: &[&CubeTensor]| client.check(tensors.iter().map(|x| &x.handle));
        // An output is marked if an input is, too. The kernel is not the cause then.
        let is_conclusive = known.is_none() && check(read).is_ok();
        launch();
        if !is_conclusive {
            return true;
        }
        let is_refused = match check(written) {
            Ok(()) => false,
            Err(error) if is_refusal(&error) => true,
            // The next read reports the failure, and the next launch asks again.
            Err(_) => return true,
        };
        self.lock().insert(key, is_refused);
        !is_refused
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(CubeDevice, K), bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the device refuses the kernel itself. It may also lack memory, or have failed before.
fn is_refusal(error: &ServerError) -> bool {
    match error {
        ServerError::Unwritten { root, .. } => is_refusal(root),
        ServerError::Several { errors, .. } => errors.iter().any(is_refusal),
        ServerError::Launch(error) => matches!(
            error,
            LaunchError::CompilationError(_)
                | LaunchError::TooManyResources(_)
                | LaunchError::Unknown { .. }
        ),
        _ => false,
    }
}
