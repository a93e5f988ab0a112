//! A kernel's text, put together from the files in `kernels/`.

use super::layout::Layout;
use crate::op::request::{Output, Wrt};
use burn_cubecl::cubecl::CubeDim;
use burn_cubecl::cubecl::prelude::KernelId;
use burn_wgpu::{KernelSource, SourceTemplate};

/// A file of `kernels/`.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../kernels/", $name))
    };
}

/// What a kernel computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    Forward,
    Backward(Wrt),
}

/// The kinds of a [`ReferenceTensor`](crate::op::ReferenceTensor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    Uniform,
    Ones,
    Vector,
    Rows,
}

/// A kernel: whatever changes the text is a field, since the id that kernels are cached by is
/// made of the fields. A number for the order is not among them: it travels in the metadata, so that a new
/// order compiles nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RowKernel {
    pub pass: Pass,
    pub output: Output,
    pub measure: Measure,
    pub alpha_rows: bool,
    pub half: bool,
    pub layout: Layout,
    pub workgroup: u32,
}

impl RowKernel {
    /// Whether the kernel writes a number for each entry, and not for each row.
    fn writes_entries(&self) -> bool {
        match self.pass {
            Pass::Forward => self.output.is_by_entry(),
            Pass::Backward(wrt) => wrt != Wrt::Alpha,
        }
    }

    /// Whether there is a cotangent for each entry.
    fn reads_cotangents(&self) -> bool {
        self.pass != Pass::Forward && self.output.is_by_entry()
    }

    /// Whether the reference is given.
    fn reads_reference(&self) -> bool {
        matches!(self.measure, Measure::Vector | Measure::Rows)
    }

    /// The type of the logits and of their cotangents.
    fn stored(&self) -> &'static str {
        if self.half { "f16" } else { "f32" }
    }

    /// The type of what the kernel writes.
    fn sink(&self) -> &'static str {
        match self.pass {
            Pass::Forward | Pass::Backward(Wrt::Logits) => self.stored(),
            Pass::Backward(Wrt::Alpha | Wrt::Reference) => "f32",
        }
    }

    /// The files, with placeholders.
    fn text(&self) -> String {
        let mut files = vec![file!("elementary.wgsl"), file!("ratio.wgsl")];
        match self.layout {
            Layout::Short { .. } => files.push(file!("layout/short.wgsl")),
            Layout::Streaming => {
                files.extend([
                    file!("layout/workgroup.wgsl"),
                    file!("layout/streaming.wgsl"),
                ]);
            }
            Layout::Registers { by_four, .. } => {
                files.extend([
                    file!("layout/workgroup.wgsl"),
                    file!("layout/registers.wgsl"),
                ]);
                files.push(if by_four {
                    file!("layout/read_four.wgsl")
                } else {
                    file!("layout/read_one.wgsl")
                });
                files.push(if by_four && self.writes_entries() {
                    file!("layout/write_four.wgsl")
                } else {
                    file!("layout/write_one.wgsl")
                });
            }
        }
        let short = matches!(self.layout, Layout::Short { .. });
        files.push(if self.writes_entries() {
            file!("sink_entries.wgsl")
        } else {
            file!("sink_rows.wgsl")
        });
        files.push(file!("row.wgsl"));
        match self.pass {
            Pass::Forward if self.output.is_by_entry() => files.push(file!("output_entries.wgsl")),
            Pass::Forward => files.push(file!("output_row.wgsl")),
            Pass::Backward(_) if short => {}
            Pass::Backward(_) => files.push(file!("layout/largest.wgsl")),
        }
        files.push(match self.pass {
            Pass::Forward => file!("forward.wgsl"),
            Pass::Backward(_) => file!("backward.wgsl"),
        });
        files.push(if short {
            file!("layout/short_main.wgsl")
        } else {
            file!("layout/long_main.wgsl")
        });
        files.concat()
    }

    /// The bindings, in the order of the launch's arguments.
    ///
    /// Every declared binding must be used, so the optional ones are declared only where they are given. All
    /// tensors are `read_write`: Burn's buffers are slices of shared pages, which no dispatch may bind in two
    /// ways.
    fn bindings(&self) -> Vec<Replacement> {
        // The logits are the first.
        let mut bindings = 1_u32..;
        let mut next = |given: bool| given.then(|| bindings.next()).flatten();
        let alpha = next(self.alpha_rows);
        let reference = next(self.reads_reference());
        let numbered = [
            ("state_binding", next(true)),
            ("cotangent_binding", next(self.pass != Pass::Forward)),
            ("sink_binding", next(true)),
            ("info_binding", next(true)),
        ];
        let declaration = |binding: Option<u32>, name: &str| {
            binding.map_or(String::new(), |n| {
                format!("@group(0) @binding({n}) var<storage, read_write> {name}: array<f32>;")
            })
        };
        let numbered = numbered
            .into_iter()
            .filter_map(|(name, binding)| Some((name, binding?.to_string())));
        [
            ("alpha_declaration", declaration(alpha, "alpha_rows")),
            ("reference_declaration", declaration(reference, "reference")),
        ]
        .into_iter()
        .chain(numbered)
        .collect()
    }

    fn by_layout(&self) -> Vec<Replacement> {
        let by_four = matches!(self.layout, Layout::Registers { by_four: true, .. });
        let group = |fours: bool, element: &str| {
            if fours {
                format!("vec4<{element}>")
            } else {
                element.to_owned()
            }
        };
        let short = matches!(self.layout, Layout::Short { .. });
        let (cotangent_at, read_cotangent) = match (self.reads_cotangents(), short) {
            (false, _) => ("0.0", ""),
            (true, true) => (
                "tile_y[tile_row + column]",
                "tile_y[at] = f32(cotangent[start + i]);",
            ),
            (true, false) => ("f32(cotangent[base + column])", ""),
        };
        let mut replacements = vec![
            ("workgroup", self.workgroup.to_string()),
            ("logits_group", group(by_four, self.stored())),
            (
                "sink_group",
                group(by_four && self.writes_entries(), self.sink()),
            ),
            ("cotangent_at", cotangent_at.to_owned()),
            ("read_cotangent", read_cotangent.to_owned()),
        ];
        match self.layout {
            Layout::Short { tile } => replacements.push(("tile", tile.to_string())),
            Layout::Registers { slots, .. } => replacements.push(("slots", slots.to_string())),
            Layout::Streaming => {}
        }
        replacements
    }

    fn by_pass(&self) -> Vec<Replacement> {
        let enable = if self.half { "enable f16;" } else { "" };
        // The numbers of the constants in row.wgsl and backward.wgsl.
        let output = match self.output {
            Output::Probabilities => "0",
            Output::LogProbabilities => "1",
            Output::Value => "2",
            Output::Divergence => "3",
        };
        let wrt = match self.pass {
            Pass::Forward | Pass::Backward(Wrt::Logits) => "0",
            Pass::Backward(Wrt::Alpha) => "1",
            Pass::Backward(Wrt::Reference) => "2",
        };
        let row_cotangent = if self.output.is_by_entry() {
            "0.0"
        } else {
            "f32(cotangent[row_index])"
        };
        [
            ("enable", enable),
            ("stored", self.stored()),
            ("sink", self.sink()),
            ("output", output),
            ("wrt", wrt),
            ("row_cotangent", row_cotangent),
        ]
        .map(|(name, text)| (name, text.to_owned()))
        .to_vec()
    }

    fn by_measure(&self) -> Vec<Replacement> {
        let q = match self.measure {
            Measure::Uniform | Measure::Ones => "row_q",
            Measure::Vector => "reference[column]",
            Measure::Rows => "reference[base + column]",
        };
        let (alpha, c) = if self.alpha_rows {
            ("alpha_rows[row_index]", "1.0 - row.alpha")
        } else {
            ("bitcast<f32>(info[3])", "bitcast<f32>(info[2])")
        };
        let flag = |b: bool| if b { "true" } else { "false" };
        [
            ("given", flag(self.reads_reference())),
            ("uniform", flag(self.measure == Measure::Uniform)),
            ("q", q),
            ("alpha", alpha),
            ("c", c),
        ]
        .map(|(name, text)| (name, text.to_owned()))
        .to_vec()
    }
}

/// A placeholder and what stands in its place.
type Replacement = (&'static str, String);

impl KernelSource for RowKernel {
    fn source(&self) -> SourceTemplate {
        [
            self.bindings(),
            self.by_layout(),
            self.by_pass(),
            self.by_measure(),
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
            .info(self.clone())
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel of every layout, pass, output and input, with a name.
    fn every_kernel() -> Vec<(String, RowKernel)> {
        let outputs = [
            Output::Probabilities,
            Output::LogProbabilities,
            Output::Value,
            Output::Divergence,
        ];
        let passes = [
            Pass::Forward,
            Pass::Backward(Wrt::Logits),
            Pass::Backward(Wrt::Alpha),
            Pass::Backward(Wrt::Reference),
        ];
        let measures = [
            Measure::Uniform,
            Measure::Ones,
            Measure::Vector,
            Measure::Rows,
        ];
        let mut kernels = Vec::new();
        for columns in [7, 18, 40, 41, 20_000] {
            let (layout, workgroup) = Layout::of_rows(columns, 256);
            for pass in passes {
                for output in outputs {
                    for measure in measures {
                        for (alpha_rows, half) in
                            [(false, false), (false, true), (true, false), (true, true)]
                        {
                            let kernel = RowKernel {
                                pass,
                                output,
                                measure,
                                alpha_rows,
                                half,
                                layout,
                                workgroup,
                            };
                            // The gradient in an input that is no tensor is not asked for.
                            if (pass == Pass::Backward(Wrt::Alpha) && !alpha_rows)
                                || (pass == Pass::Backward(Wrt::Reference)
                                    && !kernel.reads_reference())
                            {
                                continue;
                            }
                            let name = format!(
                                "{columns}-{pass:?}-{output:?}-{measure:?}-{}-{}",
                                if alpha_rows { "alphas" } else { "alpha" },
                                kernel.stored(),
                            );
                            kernels.push((name.replace(['(', ')'], ""), kernel));
                        }
                    }
                }
            }
        }
        kernels
    }

    /// The decimal floats of a text.
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
                    .unwrap_or_else(|_| panic!("{word} is no number"))
            })
    }

    #[test]
    fn every_placeholder_has_a_text() {
        for (name, kernel) in every_kernel() {
            let text = kernel.source().complete();
            assert!(!text.contains("{{") && !text.contains("}}"), "{name}");
            assert_eq!(text.contains("f16"), kernel.half, "{name}");
        }
    }

    /// A literal above the largest number is none to every compiler of WGSL, whatever it would round to.
    #[test]
    fn every_float_literal_is_within_the_numbers() {
        let mut largest = 0.0_f64;
        for (name, kernel) in every_kernel() {
            for literal in float_literals(&kernel.source().complete()) {
                assert!(literal <= f64::from(f32::MAX), "{name}: {literal:e}");
                largest = largest.max(literal);
            }
        }
        assert_eq!(largest as f32, f32::MAX);
    }

    /// Writes the text of every kernel into the folder `TSALLIS_KERNEL_TEXTS`: see kernels/README.md.
    #[test]
    #[ignore = "writes the texts for Chrome's compiler, which checks them: see kernels/README.md"]
    fn write_every_text() {
        let folder = std::env::var("TSALLIS_KERNEL_TEXTS").expect("the folder to write to");
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, kernel) in every_kernel() {
            let path = format!("{folder}/{name}.wgsl");
            std::fs::write(path, kernel.source().complete()).expect("a file is written");
        }
        // Each under a name of its own.
        let written = std::fs::read_dir(&folder).expect("the folder").count();
        assert_eq!(written, every_kernel().len());
    }
}
