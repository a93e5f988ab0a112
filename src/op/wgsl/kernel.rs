//! The source of a kernel, assembled from the files in `kernels/`.

use super::layout::Layout;
use crate::math::{MAX_ALPHA, Output, Real, Solver};
use crate::op::request::GradientMask;
use crate::op::step::{FOURTH_ORDER_STEP, SMALL_TERM, THIRD_ORDER_STEP};
use burn_cubecl::cubecl::CubeDim;
use burn_cubecl::cubecl::prelude::KernelId;
use burn_wgpu::{KernelSource, SourceTemplate};

/// The text of a file in `kernels/`.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../kernels/", $name))
    };
}

/// The pass that a kernel computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    Forward,
    Backward(GradientMask),
}

/// The kinds of a [`ReferenceTensor`](crate::op::ReferenceTensor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReferenceKind {
    Uniform,
    Ones,
    Vector,
    Rows,
}

/// A kernel.
///
/// Everything that changes the text is a field, because the id in the kernel cache consists of the fields. A scalar
/// alpha is not a field. It is passed in the metadata, so that a new alpha needs no compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RowKernel {
    pub pass: Pass,
    pub output: Output,
    pub reference_kind: ReferenceKind,
    pub alpha_rows: bool,
    pub half: bool,
    pub layout: Layout,
    pub workgroup: u32,
}

impl RowKernel {
    /// Whether the kernel writes a number for each entry: an output, or the gradient in the logits.
    pub fn writes_entries(&self) -> bool {
        match self.pass {
            Pass::Forward => self.output.is_per_entry(),
            Pass::Backward(wanted) => wanted.logits,
        }
    }

    /// Whether the kernel writes a number for each row: an output, or the gradient in alpha.
    pub fn writes_rows(&self) -> bool {
        match self.pass {
            Pass::Forward => !self.output.is_per_entry(),
            Pass::Backward(wanted) => wanted.alpha,
        }
    }

    /// Whether the kernel writes the gradient in the reference.
    pub fn writes_reference(&self) -> bool {
        matches!(self.pass, Pass::Backward(wanted) if wanted.reference)
    }

    /// Whether there is a cotangent for each entry.
    fn reads_cotangents(&self) -> bool {
        self.pass != Pass::Forward && self.output.is_per_entry()
    }

    /// Whether the reference is given.
    fn reads_reference(&self) -> bool {
        matches!(
            self.reference_kind,
            ReferenceKind::Vector | ReferenceKind::Rows
        )
    }

    /// The storage type of the logits, their cotangents and gradients, and the outputs.
    fn stored(&self) -> &'static str {
        if self.half { "f16" } else { "f32" }
    }

    /// Concatenates the files, which contain placeholders.
    fn text(&self) -> String {
        let layout: &[&str] = match self.layout {
            Layout::Short { .. } => &[file!("layout/short.wgsl")],
            Layout::Registers { .. } => &[
                file!("layout/workgroup.wgsl"),
                file!("layout/registers.wgsl"),
            ],
            Layout::Streaming => &[
                file!("layout/workgroup.wgsl"),
                file!("layout/streaming.wgsl"),
            ],
        };
        let pass = match self.pass {
            Pass::Forward => file!("forward.wgsl"),
            Pass::Backward(_) => file!("backward.wgsl"),
        };
        let shared = [
            file!("elementary.wgsl"),
            file!("ratio.wgsl"),
            file!("row.wgsl"),
        ];
        [&shared, layout, &[pass]].concat().concat()
    }

    /// Declares the bindings, in the order of the launch's arguments.
    ///
    /// Every declared binding must be used, so an optional one is declared only if the tensor is present. All tensors
    /// are `read_write`: Burn's buffers are slices of shared pages, and a dispatch must not bind a page in two ways.
    fn bindings(&self) -> Vec<Replacement> {
        let stored = self.stored();
        let entries = match self.layout {
            Layout::Registers { vec4: true, .. } => format!("vec4<{stored}>"),
            _ => stored.to_owned(),
        };
        let row_number = match self.pass {
            Pass::Forward => stored,
            Pass::Backward(_) => "f32",
        };
        let optional = [
            ("alpha_rows", "f32", self.alpha_rows),
            ("reference", "f32", self.reads_reference()),
            ("state", "f32", true),
            ("cotangent", stored, self.pass != Pass::Forward),
            ("entries", &entries, self.writes_entries()),
            ("row_numbers", row_number, self.writes_rows()),
            ("reference_gradient", "f32", self.writes_reference()),
        ];
        let declarations: Vec<_> = optional
            .into_iter()
            .filter(|(_, _, declared)| *declared)
            .map(|(name, of, _)| (name, of))
            .enumerate()
            .map(|(i, (name, of))| {
                // The first binding is the logits, which the layout declares.
                let n = i + 1;
                format!("@group(0) @binding({n}) var<storage, read_write> {name}: array<{of}>;\n")
            })
            .collect();
        vec![
            ("info_binding", (declarations.len() + 1).to_string()),
            ("declarations", declarations.concat()),
        ]
    }

    fn layout_replacements(&self) -> Vec<Replacement> {
        let stored = self.stored();
        let short = matches!(self.layout, Layout::Short { .. });
        let (cotangent_at, read_cotangent) = match (self.reads_cotangents(), short) {
            (false, _) => ("0.0", ""),
            (true, true) => (
                "tile_y[tile_row + column]",
                "tile_y[at] = f32(cotangent[start + i]);",
            ),
            (true, false) => ("f32(cotangent[base + column])", ""),
        };
        let when = |writes: bool, statement: String| if writes { statement } else { String::new() };
        let write_entry = format!("entries[at] = {stored}(value);");
        let write_reference = "reference_gradient[at] = value;".to_owned();
        let mut replacements = vec![
            ("workgroup", self.workgroup.to_string()),
            ("cotangent_at", cotangent_at.to_owned()),
            ("read_cotangent", read_cotangent.to_owned()),
            ("write_entry", when(self.writes_entries(), write_entry)),
            (
                "write_reference",
                when(self.writes_reference(), write_reference),
            ),
        ];
        match self.layout {
            Layout::Short { tile } => replacements.push(("tile", tile.to_string())),
            Layout::Registers { slots, vec4 } => {
                let (lanes, group, logit_at, read_group, write_group) = if vec4 {
                    (
                        4,
                        format!("vec4<{stored}>"),
                        "logits[at / 4u][at % 4u]",
                        "let x = vec4<f32>(logits[at / 4u]);
            registers[slot] = x.x;
            registers[slot + 1u] = x.y;
            registers[slot + 2u] = x.z;
            registers[slot + 3u] = x.w;",
                        format!(
                            "entries[at / 4u] = vec4<{stored}>(vec4<f32>(
                registers[slot], registers[slot + 1u], registers[slot + 2u], registers[slot + 3u],
            ));"
                        ),
                    )
                } else {
                    (
                        1,
                        stored.to_owned(),
                        "logits[at]",
                        "registers[slot] = f32(logits[at]);",
                        format!("entries[at] = {stored}(registers[slot]);"),
                    )
                };
                replacements.extend([
                    ("slots", slots.to_string()),
                    ("lanes", lanes.to_string()),
                    ("logits_group", group),
                    ("logit_at", logit_at.to_owned()),
                    ("read_group", read_group.to_owned()),
                    ("write_group", when(self.writes_entries(), write_group)),
                ]);
            }
            Layout::Streaming => {}
        }
        replacements
    }

    fn pass_replacements(&self) -> Vec<Replacement> {
        // The constants in row.wgsl have the order of the variants.
        let output = self.output as u32;
        let wanted = match self.pass {
            Pass::Forward => GradientMask::default(),
            Pass::Backward(wanted) => wanted,
        };
        let enable = if self.half { "enable f16;" } else { "" };
        let row_cotangent = if self.output.is_per_entry() {
            "0.0"
        } else {
            "f32(cotangent[row_index])"
        };
        let write_row_number = match (self.writes_rows(), self.pass) {
            (false, _) => String::new(),
            (true, Pass::Forward) => format!("row_numbers[row_index] = {}(value);", self.stored()),
            (true, Pass::Backward(_)) => "row_numbers[row_index] = value;".to_owned(),
        };
        vec![
            ("enable", enable.to_owned()),
            ("stored", self.stored().to_owned()),
            ("output", output.to_string()),
            ("is_per_entry", self.output.is_per_entry().to_string()),
            ("wants_logits", wanted.logits.to_string()),
            ("wants_alpha", wanted.alpha.to_string()),
            ("writes_reference", self.writes_reference().to_string()),
            ("row_cotangent", row_cotangent.to_owned()),
            ("write_row_number", write_row_number),
        ]
    }

    fn reference_replacements(&self) -> Vec<Replacement> {
        let q = match self.reference_kind {
            ReferenceKind::Uniform | ReferenceKind::Ones => "row_q",
            ReferenceKind::Vector => "reference[column]",
            ReferenceKind::Rows => "reference[base + column]",
        };
        let uniform = self.reference_kind == ReferenceKind::Uniform;
        let (alpha, c) = if self.alpha_rows {
            ("alpha_rows[row_index]", "1.0 - row.alpha")
        } else {
            ("info.alpha", "info.c")
        };
        vec![
            ("given", self.reads_reference().to_string()),
            ("uniform", uniform.to_string()),
            ("q", q.to_owned()),
            ("alpha", alpha.to_owned()),
            ("c", c.to_owned()),
        ]
    }

    /// The constants of [`crate::math`].
    fn constants() -> Vec<Replacement> {
        let float = |value: f64| format!("{:?}", value as f32);
        let radius_steps = Solver::SUPPORT_RADIUS_STEPS;
        let ulps = |count: f64| float(count * f64::from(f32::EPSILON));
        vec![
            ("tolerance", ulps(Solver::TOLERANCE_ULPS)),
            ("edge_error", ulps(Solver::EDGE_ERROR_ULPS)),
            (
                "quadratic_tolerance_share",
                float(Solver::QUADRATIC_TOLERANCE_SHARE),
            ),
            ("fourth_order_step", FOURTH_ORDER_STEP.to_string()),
            ("third_order_step", THIRD_ORDER_STEP.to_string()),
            ("small_term", SMALL_TERM.to_string()),
            ("bisection_steps", f32::BISECTION_STEPS.to_string()),
            ("support_radius_steps", radius_steps.to_string()),
            ("log_space", float(f32::LOG_SPACE.into_f64())),
            ("max_alpha", float(MAX_ALPHA)),
            ("newton_max_alpha", float(Solver::NEWTON_MAX_ALPHA)),
        ]
    }
}

/// A placeholder and its replacement.
type Replacement = (&'static str, String);

impl KernelSource for RowKernel {
    fn source(&self) -> SourceTemplate {
        [
            self.bindings(),
            self.layout_replacements(),
            self.pass_replacements(),
            self.reference_replacements(),
            Self::constants(),
        ]
        .into_iter()
        .flatten()
        .fold(SourceTemplate::new(self.text()), |text, (name, value)| {
            text.register(name, value)
        })
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>()
            .cube_dim(CubeDim::new_1d(self.workgroup).0)
            .info(*self)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one kernel for each layout, pass, output and input, with a name.
    fn every_kernel() -> Vec<(String, RowKernel)> {
        let masks = (1..8).map(|bits| {
            Pass::Backward(GradientMask {
                logits: bits & 1 != 0,
                alpha: bits & 2 != 0,
                reference: bits & 4 != 0,
            })
        });
        let passes: Vec<_> = [Pass::Forward].into_iter().chain(masks).collect();
        let reference_kinds = [
            ReferenceKind::Uniform,
            ReferenceKind::Ones,
            ReferenceKind::Vector,
            ReferenceKind::Rows,
        ];
        let mut kernels = Vec::new();
        for columns in [7, 18, 40, 41, 20_000] {
            let (layout, workgroup) = Layout::for_rows(columns, 256);
            for &pass in &passes {
                for output in Output::ALL {
                    for reference_kind in reference_kinds {
                        for (alpha_rows, half) in
                            [(false, false), (false, true), (true, false), (true, true)]
                        {
                            let kernel = RowKernel {
                                pass,
                                output,
                                reference_kind,
                                alpha_rows,
                                half,
                                layout,
                                workgroup,
                            };
                            // The gradient in an input that is not a tensor is never wanted.
                            let wanted = match pass {
                                Pass::Forward => GradientMask::default(),
                                Pass::Backward(wanted) => wanted,
                            };
                            if (wanted.alpha && !alpha_rows)
                                || (wanted.reference && !kernel.reads_reference())
                            {
                                continue;
                            }
                            let words = format!("{columns} {kernel:?}");
                            let words = words.split(|c: char| !c.is_ascii_alphanumeric());
                            let name = words
                                .filter(|word| !word.is_empty())
                                .collect::<Vec<_>>()
                                .join("-");
                            kernels.push((name, kernel));
                        }
                    }
                }
            }
        }
        kernels
    }

    /// Returns the decimal float literals of a text.
    fn float_literals(text: &str) -> impl Iterator<Item = f64> {
        text.lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .flat_map(|line| {
                line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
            })
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .filter(|word| word.contains(['.', 'e']) && !word.starts_with("0x"))
            .map(|word| {
                word.parse()
                    .unwrap_or_else(|_| panic!("{word} is not a number"))
            })
    }

    #[test]
    fn every_placeholder_is_filled() {
        for (name, kernel) in every_kernel() {
            let text = kernel.source().complete();
            assert!(!text.contains("{{") && !text.contains("}}"), "{name}");
            assert_eq!(text.contains("f16"), kernel.half, "{name}");
            if let Pass::Backward(wanted) = kernel.pass {
                let inputs = [kernel.alpha_rows, kernel.reads_reference()];
                let bindings = text.matches("@binding").count();
                assert_eq!(bindings as u32, wanted.buffers(inputs), "{name}");
            }
        }
    }

    /// Some WGSL compilers reject literals above `f32::MAX`, even if they round to it.
    #[test]
    fn every_float_literal_is_within_range() {
        let mut largest = 0.0_f64;
        for (name, kernel) in every_kernel() {
            for literal in float_literals(&kernel.source().complete()) {
                assert!(literal <= f64::from(f32::MAX), "{name}: {literal:e}");
                largest = largest.max(literal);
            }
        }
        assert_eq!(largest as f32, f32::MAX);
    }

    /// Writes the source of every kernel to the folder `TSALLIS_KERNEL_TEXTS`. See kernels/README.md.
    #[test]
    #[ignore = "writes the kernels to files for Chrome's compiler: see kernels/README.md"]
    fn write_every_kernel() {
        let folder = std::env::var("TSALLIS_KERNEL_TEXTS").expect("TSALLIS_KERNEL_TEXTS is set");
        std::fs::create_dir_all(&folder).expect("the folder can be created");
        for (name, kernel) in every_kernel() {
            let path = format!("{folder}/{name}.wgsl");
            std::fs::write(path, kernel.source().complete()).expect("the file can be written");
        }
        // Every kernel has its own name.
        let written = std::fs::read_dir(&folder)
            .expect("the folder can be read")
            .count();
        assert_eq!(written, every_kernel().len());
    }
}
