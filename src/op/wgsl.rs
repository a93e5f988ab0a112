//! The launches of the WGSL kernels in `kernels/`.
//!
//! A kernel is put together from files: the elementary functions, the ratio, what a row is, the layout of
//! rows over invocations, and the pass. Rows of up to 32 entries take an invocation each; longer ones a
//! workgroup, which holds the row in registers while it fits and streams it beyond.

use super::backend::{STATE, row_shape};
use super::{AlphaTensor, Output, ReferenceTensor, RowParameters, Wrt};
use crate::math::{EmptyRow, Solver};
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Device, Shape, Tensor};
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::ir::attributes::BufferIOAttr;
use burn_cubecl::cubecl::prelude::KernelId;
use burn_cubecl::cubecl::server::{BufferBinding, KernelArguments, MetadataBindingInfo};
use burn_cubecl::cubecl::{CubeCount, CubeDim};
use burn_wgpu::{
    CubeBackend, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous,
};

/// Longest row that one invocation works on.
const SHORT: usize = 32;

/// Rows of a workgroup of such invocations, and of rows beyond half that length: two tiles of them stay below
/// the 16 KiB of workgroup memory that WebGPU grants.
const SHORT_WORKGROUP: u32 = 64;
const LONG_SHORT_WORKGROUP: u32 = 32;

/// Entries that an invocation of a longer row starts from, and the workgroups that follow from it: more
/// invocations than the largest leave too few registers to each.
const ENTRIES: usize = 8;
const SMALLEST_WORKGROUP: u32 = 32;
const LARGEST_WORKGROUP: u32 = 512;

/// Most entries that an invocation holds.
const MOST_SLOTS: u32 = 32;

/// Whether Burn's wgpu compiles WGSL text for this device. Starts the device.
pub(super) fn compiles_on(device: &Device) -> bool {
    use burn::backend::fusion::Fusion;
    Tensor::<1>::zeros([1], device)
        .try_into_primitive::<Fusion<CubeBackend>>()
        .is_ok_and(|x| runs_on(&x.client.clone().resolve_tensor_float::<CubeBackend>(x)))
}

/// Whether the tensor's runtime takes WGSL text and the kernels take its dtype.
pub(super) fn runs_on(tensor: &CubeTensor) -> bool {
    // Other runtimes of wgpu compile to SPIR-V or MSL and refuse text.
    tensor.client.name() == "wgpu<wgsl>"
        && match tensor.dtype {
            DType::F32 | DType::Flex32 => true,
            DType::F16 => {
                let f16 = burn::backend::cubecl::dtype_to_storage_type(DType::F16);
                tensor.client.properties().supports_type(f16)
            }
            _ => false,
        }
}

pub(super) fn forward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    parameters: RowParameters,
) -> (CubeTensor, CubeTensor) {
    let call = Call::new(logits, alpha, reference, parameters, Pass::Forward);
    let shape = call.logits.shape();
    let output = if parameters.output.is_by_entry() {
        call.empty(shape.clone(), call.logits.dtype)
    } else {
        call.empty(row_shape(&shape, 1), call.logits.dtype)
    };
    let state = call.empty(row_shape(&shape, STATE), DType::F32);
    call.launch(&[&state], &output);
    (output, state)
}

pub(super) fn backward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    state: CubeTensor,
    cotangent: CubeTensor,
    parameters: RowParameters,
    wrt: Wrt,
) -> CubeTensor {
    let call = Call::new(logits, alpha, reference, parameters, Pass::Backward(wrt));
    let shape = call.logits.shape();
    let gradient = match wrt {
        Wrt::Logits => call.empty(shape, call.logits.dtype),
        Wrt::Reference => call.empty(shape, DType::F32),
        Wrt::Alpha => call.empty(row_shape(&shape, 1), DType::F32),
    };
    let (state, cotangent) = (into_contiguous(state), into_contiguous(cotangent));
    call.launch(&[&state, &cotangent], &gradient);
    gradient
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pass {
    Forward,
    Backward(Wrt),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Measure {
    Uniform,
    Ones,
    Vector,
    Rows,
}

/// How rows lie over the invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Layout {
    /// A row to an invocation, in tiles of so many entries.
    Short { tile: u32 },
    /// A row to a workgroup, in so many registers of each invocation, read by fours or one by one.
    Registers { slots: u32, by_four: bool },
    /// A row to a workgroup, read again for every pass.
    Streaming,
}

/// The inputs of a launch, contiguous.
struct Call {
    logits: CubeTensor,
    alpha: Option<CubeTensor>,
    reference: Option<CubeTensor>,
    parameters: RowParameters,
    kernel: RowKernel,
}

impl Call {
    fn new(
        logits: CubeTensor,
        alpha: AlphaTensor<CubeBackend>,
        reference: ReferenceTensor<CubeBackend>,
        parameters: RowParameters,
        pass: Pass,
    ) -> Self {
        let logits = into_contiguous(logits);
        let (measure, reference) = match reference {
            ReferenceTensor::Uniform => (Measure::Uniform, None),
            ReferenceTensor::Ones => (Measure::Ones, None),
            ReferenceTensor::Vector(q) => (Measure::Vector, Some(into_contiguous(q))),
            ReferenceTensor::Rows(q) => (Measure::Rows, Some(into_contiguous(q))),
        };
        let alpha = match alpha {
            AlphaTensor::Number => None,
            AlphaTensor::Rows(alpha) => Some(into_contiguous(alpha)),
        };
        let shape = logits.shape();
        let hardware = &logits.client.properties().hardware;
        let limit = hardware.max_units_per_cube.min(hardware.max_cube_dim.0);
        let (layout, workgroup) = layout(shape[shape.num_dims() - 1], limit.max(1));
        Self {
            kernel: RowKernel {
                pass,
                output: parameters.output,
                measure,
                alpha_rows: alpha.is_some(),
                half: logits.dtype == DType::F16,
                layout,
                workgroup,
            },
            logits,
            alpha,
            reference,
            parameters,
        }
    }

    fn empty(&self, shape: Shape, dtype: DType) -> CubeTensor {
        let handle = self
            .logits
            .client
            .empty(shape.num_elements() * dtype.size());
        CubeTensor::new_contiguous(
            self.logits.client.clone(),
            self.logits.device.clone(),
            shape,
            handle,
            dtype,
        )
    }

    /// Launches the kernel; `sink` is what it writes for each entry, or for each row.
    fn launch(self, others: &[&CubeTensor], sink: &CubeTensor) {
        let shape = self.logits.shape();
        let columns = shape[shape.num_dims() - 1];
        // Without columns there is nothing to compute, and a state that nothing reads.
        if shape.num_elements() == 0 {
            return;
        }
        let rows = shape.num_elements() / columns;
        let forward = self.kernel.pass == Pass::Forward;
        let mut arguments =
            KernelArguments::new().with_buffer_io(binding(&self.logits), BufferIOAttr::ReadOnly);
        for input in [&self.alpha, &self.reference].into_iter().flatten() {
            arguments = arguments.with_buffer_io(binding(input), BufferIOAttr::ReadOnly);
        }
        for other in others {
            let io = if forward {
                BufferIOAttr::WriteOnly
            } else {
                BufferIOAttr::ReadOnly
            };
            arguments = arguments.with_buffer_io(binding(other), io);
        }
        let arguments = arguments.with_buffer_io(binding(sink), BufferIOAttr::WriteOnly);
        let RowParameters {
            alpha,
            solver,
            empty_row,
            ..
        } = self.parameters;
        let newton_steps = match solver {
            Solver::Newton => Solver::NEWTON_STEPS as u32,
            Solver::Bisection => 0,
        };
        let words = [
            rows as u32,
            columns as u32,
            ((1.0 - alpha) as f32).to_bits(),
            (alpha as f32).to_bits(),
            newton_steps,
            // WGSL has no way to write these three.
            f32::NAN.to_bits(),
            f32::NEG_INFINITY.to_bits(),
            f32::INFINITY.to_bits(),
            if self.alpha.is_some() { 0 } else { form(alpha) } as u32,
            u32::from(empty_row == EmptyRow::Zero),
        ];
        let words = words
            .chunks_exact(2)
            .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
            .collect();
        let groups = match self.kernel.layout {
            Layout::Short { .. } => rows.div_ceil(self.kernel.workgroup as usize),
            Layout::Registers { .. } | Layout::Streaming => rows,
        };
        launch(&self.logits.client, self.kernel, groups, arguments, words);
    }
}

fn launch(
    client: &Client,
    kernel: RowKernel,
    groups: usize,
    arguments: KernelArguments,
    words: Vec<u64>,
) {
    // In two dimensions: one of them holds 65 535 workgroups.
    let widest = client.properties().hardware.max_cube_count.0.max(1) as usize;
    let x = groups.min(widest);
    let grid = CubeCount::Static(x as u32, groups.div_ceil(x) as u32, 1);
    let workgroup = CubeDim::new_1d(kernel.workgroup);
    client.launch(
        Box::new(SourceKernel::new(kernel, workgroup)),
        grid,
        arguments.with_info(MetadataBindingInfo::custom(words)),
    );
}

fn binding(tensor: &CubeTensor) -> BufferBinding {
    tensor.handle.clone().binding()
}

/// The layout of rows of this length, and the size of its workgroups.
fn layout(columns: usize, limit: u32) -> (Layout, u32) {
    let limit = 1 << limit.ilog2();
    if columns <= SHORT {
        let (workgroup, longest) = if columns * 2 <= SHORT {
            (SHORT_WORKGROUP, SHORT / 2)
        } else {
            (LONG_SHORT_WORKGROUP, SHORT)
        };
        let workgroup = workgroup.min(limit);
        // A row of an even length takes one entry more.
        let tile = workgroup * (longest as u32 + 1);
        return (Layout::Short { tile }, workgroup);
    }
    let wanted = columns.div_ceil(ENTRIES).next_power_of_two();
    let workgroup = (wanted.min(LARGEST_WORKGROUP as usize) as u32)
        .max(SMALLEST_WORKGROUP)
        .min(limit);
    let by_four = columns.is_multiple_of(4);
    let lanes = if by_four { 4 } else { 1 };
    // In powers of two, so that lengths share kernels.
    let slots = (columns.div_ceil(workgroup as usize * lanes) * lanes).next_power_of_two();
    let layout = if slots <= MOST_SLOTS as usize {
        Layout::Registers {
            slots: slots as u32,
            by_four,
        }
    } else {
        Layout::Streaming
    };
    (layout, workgroup)
}

/// `N` where `u = B^-N` with `N` an integer, else zero: the orders without a transcendental function.
fn form(alpha: f64) -> i32 {
    // Exactly these orders: close to them, the error of the power would be that of the order.
    [
        (0.0, 1),
        (0.5, 2),
        (2.0 / 3.0, 3),
        (0.75, 4),
        (1.5, -2),
        (2.0, -1),
    ]
    .into_iter()
    .find_map(|(order, n)| (alpha == order).then_some(n))
    .unwrap_or(0)
}

/// A kernel's text: whatever changes the text is a field, since the id that kernels are cached by is
/// made of the fields. A number for the order is not among them: it travels in the metadata, so that a new
/// order compiles nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RowKernel {
    pass: Pass,
    output: Output,
    measure: Measure,
    alpha_rows: bool,
    half: bool,
    layout: Layout,
    workgroup: u32,
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

    fn text(&self) -> String {
        let mut parts = vec![
            include_str!("../../kernels/elementary.wgsl"),
            include_str!("../../kernels/ratio.wgsl"),
        ];
        let main = match self.layout {
            Layout::Short { .. } => {
                parts.push(include_str!("../../kernels/layout/short.wgsl"));
                include_str!("../../kernels/layout/short_main.wgsl")
            }
            Layout::Registers { .. } | Layout::Streaming => {
                parts.push(include_str!("../../kernels/layout/workgroup.wgsl"));
                if self.pass != Pass::Forward {
                    parts.push(include_str!("../../kernels/layout/largest.wgsl"));
                }
                parts.push(if self.layout == Layout::Streaming {
                    include_str!("../../kernels/layout/streaming.wgsl")
                } else {
                    include_str!("../../kernels/layout/registers.wgsl")
                });
                include_str!("../../kernels/layout/long_main.wgsl")
            }
        };
        parts.push(include_str!("../../kernels/row.wgsl"));
        parts.push(match self.pass {
            Pass::Forward => include_str!("../../kernels/forward.wgsl"),
            Pass::Backward(_) => include_str!("../../kernels/backward.wgsl"),
        });
        parts.push(main);
        parts.concat()
    }
}

/// Reads or writes four neighbours, or one.
const READ_FOUR: &str = "let x = vec4<f32>(logits[(base + column) / 4u]);
            held[slot] = x.x;
            held[slot + 1u] = x.y;
            held[slot + 2u] = x.z;
            held[slot + 3u] = x.w;";
const READ_ONE: &str = "held[slot] = f32(logits[base + column]);";
const WRITE_ONE: &str = "sink[base + column] = {{ sink }}(held[slot]);";
const WRITE_FOUR: &str = "sink[(base + column) / 4u] = vec4<{{ sink }}>(
                vec4<f32>(held[slot], held[slot + 1u], held[slot + 2u], held[slot + 3u]));";

/// Writes the answer of a row that has none, by entries or for the row.
const ANSWER_ENTRIES: &str = "for (var slot = 0u; slot < slots(columns); slot++) {
            if column_of(local, slot) < columns {
                put(base, local, slot, answer);
            }
        }";
const ANSWER_ROW: &str = "if speaks_for_the_row(local) {
            sink[row_index] = {{ sink }}(answer);
        }";

const WRITE_TILE: &str = "for (var i = local; i < entries; i += WORKGROUP) {
        sink[start + i] = {{ sink }}(tile_y[in_tile(i, columns)]);
    }";

impl KernelSource for RowKernel {
    fn source(&self) -> SourceTemplate {
        let stored = if self.half { "f16" } else { "f32" };
        let sink = match self.pass {
            Pass::Forward | Pass::Backward(Wrt::Logits) => stored,
            Pass::Backward(Wrt::Alpha | Wrt::Reference) => "f32",
        };
        let with_sink = |text: &str| text.replace("{{ sink }}", sink);
        let entries = self.writes_entries();
        let group = |by_four: bool, element: &str| {
            if by_four {
                format!("vec4<{element}>")
            } else {
                element.to_owned()
            }
        };

        // Every declared binding must be used, so the optional ones are declared only where they are given.
        // All tensors are read_write: Burn's buffers are slices of shared pages, which no dispatch may bind in
        // two ways.
        let mut bindings = 1;
        let mut next = || {
            bindings += 1;
            bindings - 1
        };
        let declaration = |binding: Option<u32>, name: &str| {
            binding.map_or(String::new(), |binding| {
                format!(
                    "@group(0) @binding({binding}) var<storage, read_write> {name}: array<f32>;"
                )
            })
        };
        let alpha = self.alpha_rows.then(&mut next);
        let given = matches!(self.measure, Measure::Vector | Measure::Rows);
        let reference = given.then(&mut next);
        let state = next();
        let cotangent = if self.pass == Pass::Forward {
            0
        } else {
            next()
        };
        let (sink_binding, info) = (next(), next());

        let number = |n: u32| n.to_string();
        let flag = |b: bool| if b { "true" } else { "false" };
        let short = matches!(self.layout, Layout::Short { .. });
        let mut text = self.text();
        // What is replaced by text that has placeholders of its own comes first.
        let output = match self.output {
            Output::Probabilities | Output::LogProbabilities => {
                include_str!("../../kernels/output_entries.wgsl")
            }
            Output::Value | Output::Divergence => include_str!("../../kernels/output_row.wgsl"),
        };
        let (read_group, write_group, by_four) = match self.layout {
            Layout::Registers { by_four: true, .. } => (READ_FOUR, WRITE_FOUR, true),
            _ => (READ_ONE, WRITE_ONE, false),
        };
        for (placeholder, part) in [
            ("write_output", output),
            (
                "write_answer",
                if entries { ANSWER_ENTRIES } else { ANSWER_ROW },
            ),
            ("write_group", if entries { write_group } else { "" }),
            ("write_tile", if entries { WRITE_TILE } else { "" }),
        ] {
            text = text.replace(&format!("{{{{ {placeholder} }}}}"), part);
        }
        SourceTemplate::new(with_sink(&text))
            .register("enable", if self.half { "enable f16;" } else { "" })
            .register("stored", stored)
            .register("logits_group", group(by_four, stored))
            .register("sink_group", group(by_four && entries, sink))
            .register("read_group", read_group)
            .register("lanes", if by_four { "4" } else { "1" })
            .register(
                "x_of",
                if by_four {
                    "f32(logits[(base + column) / 4u][(base + column) % 4u])"
                } else {
                    "f32(logits[base + column])"
                },
            )
            .register(
                "slots",
                match self.layout {
                    Layout::Registers { slots, .. } => number(slots),
                    _ => number(1),
                },
            )
            .register(
                "tile",
                match self.layout {
                    Layout::Short { tile } => number(tile),
                    _ => number(1),
                },
            )
            .register(
                "best_column_declaration",
                if self.pass == Pass::Forward {
                    ""
                } else {
                    "var<workgroup> best_column: array<u32, WORKGROUP>;"
                },
            )
            .register(
                "speaks_for_the_row",
                if short { "true" } else { "local == 0u" },
            )
            .register("alpha_declaration", declaration(alpha, "alpha_rows"))
            .register("reference_declaration", declaration(reference, "reference"))
            .register("state_binding", number(state))
            .register("cotangent_binding", number(cotangent))
            .register("sink_binding", number(sink_binding))
            .register("info_binding", number(info))
            .register("given", flag(given))
            .register("uniform", flag(self.measure == Measure::Uniform))
            .register(
                "q",
                match self.measure {
                    Measure::Uniform | Measure::Ones => "row_q",
                    Measure::Vector => "reference[column]",
                    Measure::Rows => "reference[base + column]",
                },
            )
            .register(
                "alpha",
                if self.alpha_rows {
                    "alpha_rows[row_index]"
                } else {
                    "bitcast<f32>(info[3])"
                },
            )
            .register(
                "c",
                if self.alpha_rows {
                    "1.0 - alpha_rows[row_index]"
                } else {
                    "bitcast<f32>(info[2])"
                },
            )
            .register(
                "output",
                match self.output {
                    Output::Probabilities => "0",
                    Output::LogProbabilities => "1",
                    Output::Value => "2",
                    Output::Divergence => "3",
                },
            )
            .register(
                "wrt",
                match self.pass {
                    Pass::Forward | Pass::Backward(Wrt::Logits) => "0",
                    Pass::Backward(Wrt::Alpha) => "1",
                    Pass::Backward(Wrt::Reference) => "2",
                },
            )
            .register(
                "cotangent_at",
                match (self.reads_cotangents(), short) {
                    (false, _) => "0.0",
                    (true, true) => "tile_y[tile_row + column]",
                    (true, false) => "f32(cotangent[base + column])",
                },
            )
            .register(
                "row_cotangent",
                if self.output.is_by_entry() {
                    "0.0"
                } else {
                    "f32(cotangent[row_index])"
                },
            )
            .register(
                "read_cotangent",
                if self.reads_cotangents() {
                    "tile_y[at] = f32(cotangent[start + i]);"
                } else {
                    ""
                },
            )
            .register(
                "write_order",
                if entries {
                    ""
                } else {
                    "if speaks_for_the_row(local) { sink[row_index] = value; }"
                },
            )
            .register(
                "write_row",
                if entries {
                    "write_row(local, base, columns);"
                } else {
                    ""
                },
            )
            .register("workgroup", number(self.workgroup))
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
