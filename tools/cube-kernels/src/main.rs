//! Writes the text of the CubeCL kernels: see README.md.

#[cfg(feature = "ptx")]
mod ptx;

use burn_tsallis::op::cube::definitions::{NamedKernel, every_kernel};
use cubecl_core::Compiler;
use cubecl_cpp::shared::{CompilationOptions, CppCompiler};
use cubecl_cpp::target::{Cuda, Hip, Metal};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// The command line: a folder, and parts of the names of kernels.
struct Arguments {
    out: PathBuf,
    parts: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let usage = "usage: cube-kernels --out FOLDER [PART OF A NAME]...";
        let mut arguments = std::env::args().skip(1);
        let (mut out, mut parts) = (None, Vec::new());
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--out" => out = arguments.next().map(PathBuf::from),
                option if option.starts_with('-') => return Err(usage.to_owned()),
                _ => parts.push(argument),
            }
        }
        let out = out.ok_or(usage)?;
        Ok(Self { out, parts })
    }

    fn selects(&self, kernel: &NamedKernel) -> bool {
        self.parts.iter().all(|part| kernel.name.contains(part))
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    std::fs::create_dir_all(&arguments.out)?;
    let kernels: Vec<_> = every_kernel()
        .into_iter()
        .filter(|kernel| arguments.selects(kernel))
        .collect();
    if kernels.is_empty() {
        return Err("no kernel has such a name".into());
    }
    let started = Instant::now();
    for kernel in &kernels {
        let folder = &arguments.out;
        write(kernel, folder, "cu", cpp::<Cuda>)?;
        write(kernel, folder, "hip", cpp::<Hip>)?;
        write(kernel, folder, "metal", cpp::<Metal>)?;
        #[cfg(feature = "ptx")]
        ptx::write(kernel, folder)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{} kernels in {seconds:.1} s", kernels.len());
    Ok(())
}

/// Writes a text of the kernel to a file.
fn write(
    kernel: &NamedKernel,
    folder: &Path,
    extension: &str,
    text: fn(&NamedKernel) -> Result<String, String>,
) -> Result<PathBuf, Box<dyn Error>> {
    let text = text(kernel).map_err(|error| format!("{} as {extension}: {error}", kernel.name))?;
    let path = folder.join(format!("{}.{extension}", kernel.name));
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Returns the kernel in the C++ of a target.
macro_rules! cpp_of {
    ($($target:ty),*) => {
        trait Target {
            fn compile(kernel: &NamedKernel) -> Result<String, String>;
        }
        $(impl Target for $target {
            fn compile(kernel: &NamedKernel) -> Result<String, String> {
                let kernel = CppCompiler::<$target>::default()
                    .compile(kernel.define(), &CompilationOptions::default())
                    .map_err(|error| error.to_string())?;
                Ok(kernel.to_string())
            }
        })*
    };
}

cpp_of!(Cuda, Hip, Metal);

fn cpp<T: Target>(kernel: &NamedKernel) -> Result<String, String> {
    T::compile(kernel)
}
