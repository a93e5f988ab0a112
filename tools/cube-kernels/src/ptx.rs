//! PTX through LLVM, and its registers by ptxas.

use burn_tsallis::op::cube::definitions::NamedKernel;
use cubecl_core::Compiler;
use cubecl_core::ir::nvidia::SmArch;
use cubecl_llvm::nvptx::ptx_version::PtxVersion;
use cubecl_llvm::{LlvmTarget, PlironArtifact, PlironCompiler, PlironOptions};
use std::error::Error;
use std::ffi::CStr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The architectures, and whether each is the one with the features of its own.
const ARCHITECTURES: [(u32, bool); 2] = [(80, false), (90, true)];

/// Writes the PTX of a kernel, and prints what ptxas says about it.
pub fn write(kernel: &NamedKernel, folder: &Path) -> Result<(), Box<dyn Error>> {
    for (number, own) in ARCHITECTURES {
        let started = Instant::now();
        let text = compile(kernel, number, own)
            .map_err(|error| format!("{} as PTX: {error}", kernel.name))?;
        let milliseconds = started.elapsed().as_millis();
        let name = format!("sm_{number}{}", if own { "a" } else { "" });
        let path = folder.join(format!("{}.{name}.ptx", kernel.name));
        std::fs::write(&path, text)?;
        let program = std::env::var_os("PTXAS").unwrap_or_else(|| "ptxas".into());
        let assembled = Command::new(program)
            .args(["-v", "-arch", &name, "-o", "/dev/null"])
            .arg(&path)
            .output();
        let Ok(assembled) = assembled else {
            println!("{} {name}: {milliseconds} ms, not assembled", kernel.name);
            continue;
        };
        let report = String::from_utf8_lossy(&assembled.stderr);
        if !assembled.status.success() {
            return Err(format!("{}: {report}", path.display()).into());
        }
        let numbers = Report::of(&report);
        println!("{} {name}: {milliseconds} ms, {numbers}", kernel.name);
    }
    Ok(())
}

fn compile(kernel: &NamedKernel, number: u32, own: bool) -> Result<String, String> {
    let mut compiler = PlironCompiler {
        target: LlvmTarget::Nvptx,
    };
    let options = PlironOptions {
        sm_arch: Some(SmArch::new(number, own)),
        ptx_version: PtxVersion::for_driver(12080),
        ..Default::default()
    };
    let artifact = compiler
        .compile(kernel.define(), &options)
        .map_err(|error| error.to_string())?;
    let PlironArtifact::NvptxCode(module) = artifact else {
        return Err("the compiler returned no PTX".to_owned());
    };
    // SAFETY: the text ends with a zero.
    let text = unsafe { CStr::from_ptr(module.ptx.as_ptr()) };
    Ok(text.to_string_lossy().into_owned())
}

/// The numbers of `ptxas -v`.
struct Report {
    registers: String,
    stack: String,
    spills: String,
}

impl Report {
    fn of(text: &str) -> Self {
        // "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" and "Used 44 registers"
        let words: Vec<_> = text.split([' ', ',', '\n']).filter(|word| !word.is_empty()).collect();
        let before = |pattern: &[&str]| {
            let found = words.windows(pattern.len()).position(|window| window == pattern);
            found.and_then(|at| at.checked_sub(1)).map_or("?", |at| words[at]).to_owned()
        };
        Self {
            registers: before(&["registers"]),
            stack: before(&["bytes", "stack", "frame"]),
            spills: before(&["bytes", "spill", "stores"]),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} registers, {} bytes of stack, {} bytes of spills",
            self.registers, self.stack, self.spills
        )
    }
}
