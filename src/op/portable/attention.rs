//! Attention by blocks of queries in Burn's own operations, with the backend's own row operator.

use super::generator::Generator;
use super::values::{Mask, Values, max_finite};
use crate::math::Output;
use crate::op::attention::{
    AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
    AttentionShape,
};
use crate::op::backend::TsallisBackend;
use crate::op::request::{
    AlphaTensor, GradientMask, OptionalTensor, ReferenceTensor, arithmetic_dtype,
};
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{TensorMetadata, get_device_settings};
use burn::tensor::{DType, FloatDType, Shape, Slice, TensorData};
use std::ops::Range;

/// The size of a block of scores. Launches dominate on a GPU if it is much smaller. Tests have several blocks.
const BLOCK_BYTES: usize = if cfg!(test) { 2 << 10 } else { 64 << 20 };

/// The inputs of a call, in the arithmetic dtype.
struct Call<B: TsallisBackend> {
    shape: AttentionShape,
    dtype: DType,
    /// The dtype of the caller's tensors.
    storage: DType,
    query: Values<B>,
    key: Values<B>,
    value: Values<B>,
    /// `NaN` for a key whose value is not finite, and zero for the others: `[batch, key heads, 1, keys]`.
    invalid_values: Values<B>,
    alpha: AlphaTensor<B>,
    bias: Option<Values<B>>,
    masks: Vec<BoolTensor<B>>,
    block_mask: Option<BoolTensor<B>>,
    parameters: AttentionParameters,
}

/// A block of queries and the keys that they may attend to.
struct Block {
    queries: Range<usize>,
    keys: Range<usize>,
}

/// The scores of a block, `[batch, heads, queries, keys]`, with a column for the null score if there is one.
struct Scores<B: TsallisBackend> {
    scores: Values<B>,
    /// The derivative of the soft cap.
    slope: Option<Values<B>>,
}

/// Returns the slices of a range along a dimension.
fn slices<const N: usize>(shape: &Shape, ranges: [(usize, &Range<usize>); N]) -> Vec<Slice> {
    (0..shape.num_dims())
        .map(|dim| {
            let range = ranges.iter().find(|(along, _)| *along == dim);
            Slice::from(range.map_or(0..shape[dim], |(_, range)| (*range).clone()))
        })
        .collect()
}

fn slice<B: TsallisBackend>(values: &Values<B>, dim: usize, range: &Range<usize>) -> Values<B> {
    let shape = values.shape();
    if *range == (0..shape[dim]) {
        return values.clone();
    }
    Values(B::float_slice(
        values.0.clone(),
        &slices(&shape, [(dim, range)]),
    ))
}

/// Adds `values` to a range along a dimension of `sum`.
fn add_slice<B: TsallisBackend, const N: usize>(
    sum: Values<B>,
    ranges: [(usize, &Range<usize>); N],
    values: Values<B>,
) -> Values<B> {
    let slices = slices(&sum.shape(), ranges);
    let before = Values::<B>(B::float_slice(sum.0.clone(), &slices));
    Values(B::float_slice_assign(sum.0, &slices, (before + values).0))
}

fn product<B: TsallisBackend>(a: Values<B>, b: Values<B>) -> Values<B> {
    Values(B::float_matmul(a.0, b.0))
}

fn transposed<B: TsallisBackend>(a: &Values<B>) -> Values<B> {
    Values(B::float_swap_dims(a.0.clone(), 2, 3))
}

fn reshaped<B: TsallisBackend>(a: Values<B>, shape: [usize; 4]) -> Values<B> {
    Values(B::float_reshape(a.0, Shape::new(shape)))
}

fn joined<B: TsallisBackend>(parts: Vec<Values<B>>) -> Values<B> {
    let mut parts: Vec<_> = parts.into_iter().map(|part| part.0).collect();
    Values(if parts.len() == 1 {
        parts.remove(0)
    } else {
        B::float_cat(parts, 2)
    })
}

/// Returns the tensor with zero for what is not finite, and the mask of what was replaced.
fn finite<B: TsallisBackend>(values: &Values<B>) -> (Values<B>, Mask<B>) {
    // NaN fails the comparison.
    let replaced = !values.abs().at_or_below(max_finite(values.dtype()));
    (values.mask_fill(&replaced, 0.0), replaced)
}

impl<B: TsallisBackend> Call<B> {
    fn new(inputs: AttentionInputs<B>, parameters: AttentionParameters) -> Self {
        let shape = AttentionShape::new(&inputs);
        let storage = inputs.query.dtype();
        let dtype = arithmetic_dtype(storage);
        let [query, key, value] =
            [inputs.query, inputs.key, inputs.value].map(|x| Values::<B>(x).cast(dtype));
        // A product multiplies every value, also those with a weight of zero. A query that attends to a value that is
        // not finite gets it through its score.
        let (value, invalid) = finite(&value);
        let invalid_values = value.filled(0.0).mask_fill(&invalid, f64::NAN).sum();
        Self {
            shape,
            dtype,
            storage,
            query,
            key,
            value,
            invalid_values: transposed(&invalid_values),
            alpha: inputs.alpha,
            bias: inputs.bias.into_option().map(Values),
            masks: [inputs.mask, inputs.padding]
                .into_iter()
                .filter_map(super::super::attention::OptionalMask::into_option)
                .collect(),
            block_mask: inputs.block_mask.into_option(),
            parameters,
        }
    }

    fn blocks(&self) -> impl Iterator<Item = Block> + use<'_, B> {
        let AttentionShape {
            batch,
            heads,
            queries,
            keys,
            ..
        } = self.shape;
        let row_bytes = batch * heads * keys * self.dtype.size();
        let rows = (BLOCK_BYTES / row_bytes).max(1);
        (0..queries).step_by(rows).map(move |begin| {
            let queries = begin..(begin + rows).min(queries);
            let keys = self
                .parameters
                .keys_of_block(0..batch, queries.clone(), &self.shape);
            Block { queries, keys }
        })
    }

    /// Returns the rows of a block, with the heads that share a head of the keys one after the other:
    /// `[batch, key heads, heads of a key head x queries, ..]`.
    fn grouped(&self, rows: Values<B>) -> Values<B> {
        let shape = rows.shape();
        let AttentionShape {
            batch, key_heads, ..
        } = self.shape;
        reshaped(
            rows,
            [batch, key_heads, self.shape.group() * shape[2], shape[3]],
        )
    }

    fn ungrouped(&self, rows: Values<B>) -> Values<B> {
        let shape = rows.shape();
        let AttentionShape { batch, heads, .. } = self.shape;
        reshaped(
            rows,
            [batch, heads, shape[2] / self.shape.group(), shape[3]],
        )
    }

    fn alpha(&self, block: &Block) -> AlphaTensor<B> {
        match &self.alpha {
            AlphaTensor::Number => AlphaTensor::Number,
            AlphaTensor::Rows(alpha) => {
                AlphaTensor::Rows(slice(&Values::<B>(alpha.clone()), 2, &block.queries).0)
            }
        }
    }

    fn scores(&self, block: &Block) -> Scores<B> {
        let query = self.grouped(slice(&self.query, 2, &block.queries) * self.parameters.scale);
        let keys = slice(&self.key, 2, &block.keys);
        let scores =
            product(query, transposed(&keys)) + slice(&self.invalid_values, 3, &block.keys);
        let mut scores = self.ungrouped(scores);
        let mut slope = None;
        if let Some(cap) = self.parameters.softcap {
            let tanh = Values::<B>(B::float_tanh((scores / cap).0));
            slope = Some(-(&tanh * &tanh) + 1.0);
            scores = tanh * cap;
        }
        if let Some(bias) = &self.bias {
            scores = scores + bias_block(bias, block);
        }
        for mask in self.edges(block) {
            scores = scores.mask_fill(&mask, f64::NEG_INFINITY);
        }
        for mask in &self.masks {
            let shape = mask.shape();
            let ranges = [&(0..shape[0]), &(0..shape[1]), &block.queries, &block.keys];
            let ranges: Vec<_> = (0..4)
                .map(|dim| {
                    if shape[dim] == 1 {
                        0..1
                    } else {
                        ranges[dim].clone()
                    }
                })
                .map(Slice::from)
                .collect();
            let mask = Mask::new(B::bool_slice(mask.clone(), &ranges));
            scores = scores.mask_fill(&mask, f64::NEG_INFINITY);
        }
        if let Some(mask) = &self.block_mask {
            let [query_size, key_size] = self.parameters.block_size;
            let select = |mask, dim, range: &Range<usize>, size: usize| {
                let blocks: Vec<_> = range.clone().map(|i| (i / size) as i64).collect();
                let count = blocks.len();
                B::bool_select(mask, dim, self.ints(blocks, [count]))
            };
            let rows = select(mask.clone(), 2, &block.queries, query_size);
            let mask = Mask::new(select(rows, 3, &block.keys, key_size));
            scores = scores.mask_fill(&mask, f64::NEG_INFINITY);
        }
        if let Some(null_score) = self.parameters.null_score {
            let mut shape = scores.shape();
            shape[3] = 1;
            let dtype = FloatDType::from(self.dtype);
            let null = B::float_full(shape, null_score.into(), &scores.0.device(), dtype);
            scores = Values(B::float_cat(vec![scores.0, null], 3));
        }
        Scores { scores, slope }
    }

    /// Returns integers on the device of the inputs.
    fn ints<const D: usize>(&self, values: Vec<i64>, shape: [usize; D]) -> IntTensor<B> {
        let device = self.query.0.device();
        let dtype = get_device_settings::<B>(&device).int_dtype;
        let data = TensorData::new(values, shape).convert_dtype(dtype.into());
        B::int_from_data(data, &device)
    }

    /// Returns the masks of the causal edge, the window and the lengths.
    fn edges(&self, block: &Block) -> Vec<Mask<B>> {
        let AttentionShape { queries, keys, .. } = self.shape;
        let settings = get_device_settings::<B>(&self.query.0.device());
        let ints = |values, shape: [usize; 4]| self.ints(values, shape);
        let (rows, columns) = (block.queries.len(), block.keys.len());
        let key = ints(
            block.keys.clone().map(|key| key as i64).collect(),
            [1, 1, 1, columns],
        );
        // Whether the key is after or before a limit.
        let beyond = |limit: IntTensor<B>, after: bool| {
            let limits = limit.shape();
            let shape = Shape::new([limits[0], 1, limits[2], columns]);
            let key = B::int_expand(key.clone(), shape.clone());
            let limit = B::int_expand(limit, shape);
            Mask::new(if after {
                B::int_greater(key, limit, settings.bool_dtype)
            } else {
                B::int_lower(key, limit, settings.bool_dtype)
            })
        };
        let positions = |shift: i64| {
            let position = |query| query as i64 + keys as i64 - queries as i64 + shift;
            ints(
                block.queries.clone().map(position).collect(),
                [1, 1, rows, 1],
            )
        };
        let mut masks = Vec::new();
        if self.parameters.is_causal {
            masks.push(beyond(positions(0), true));
        }
        if let Some(window) = self.parameters.window {
            let distance = i64::try_from(window.min(keys + queries)).unwrap_or(i64::MAX) - 1;
            masks.push(beyond(positions(-distance), false));
            if !self.parameters.is_causal {
                masks.push(beyond(positions(distance), true));
            }
        }
        if let Some(lengths) = &self.parameters.key_lengths {
            let last = lengths.iter().map(|&length| length as i64 - 1).collect();
            masks.push(beyond(ints(last, [lengths.len(), 1, 1, 1]), true));
        }
        masks
    }

    /// Computes the root `mu` and the number of keys with a positive weight.
    fn statistics(&self, block: &Block, scores: &Values<B>, p: &Values<B>) -> Values<B> {
        let generator = Generator::new(self.alpha(block), self.parameters.alpha, p);
        let (max_score, max_p) = (scores.max(), p.max());
        let mu = max_score - generator.derivative_at_log(&max_p.ln());
        let mu = mu.mask_fill(&max_p.equals(0.0), f64::NEG_INFINITY);
        let keys = slice(p, 3, &(0..block.keys.len()));
        let count = keys.filled(0.0).mask_fill(&keys.above(0.0), 1.0).sum();
        Values(B::float_cat(vec![mu.0, count.0], 3))
    }
}

/// Returns the part of the bias that broadcasts to a block.
fn bias_block<B: TsallisBackend>(bias: &Values<B>, block: &Block) -> Values<B> {
    let shape = bias.shape();
    let mut part = bias.clone();
    if shape[2] > 1 {
        part = slice(&part, 2, &block.queries);
    }
    if shape[3] > 1 {
        part = slice(&part, 3, &block.keys);
    }
    part
}

pub(in crate::op) fn forward<B: TsallisBackend>(
    inputs: AttentionInputs<B>,
    parameters: AttentionParameters,
) -> AttentionOutput<B> {
    let call = Call::new(inputs, parameters);
    let (mut contexts, mut states, mut statistics) = (Vec::new(), Vec::new(), Vec::new());
    for block in call.blocks() {
        let Scores { scores, .. } = call.scores(&block);
        let (p, state) = B::tsallis_forward(
            scores.0.clone(),
            call.alpha(&block),
            ReferenceTensor::Ones,
            call.parameters.rows(Output::Probabilities),
        );
        let p = Values::<B>(p);
        if call.parameters.with_statistics {
            statistics.push(call.statistics(&block, &scores, &p));
        }
        drop(scores);
        let weights = call.grouped(slice(&p, 3, &(0..block.keys.len())));
        let context = product(weights, slice(&call.value, 2, &block.keys));
        contexts.push(call.ungrouped(context));
        states.push(Values(state));
    }
    AttentionOutput {
        context: joined(contexts).cast(call.storage).0,
        state: joined::<B>(states).0,
        statistics: OptionalTensor::when(call.parameters.with_statistics, || joined(statistics).0),
    }
}

pub(in crate::op) fn backward<B: TsallisBackend>(
    inputs: AttentionInputs<B>,
    state: FloatTensor<B>,
    cotangent: FloatTensor<B>,
    parameters: AttentionParameters,
    wanted: AttentionMask,
) -> AttentionGradients<B> {
    let bias_dtype = match &inputs.bias {
        OptionalTensor::None => None,
        OptionalTensor::Some(bias) => Some(bias.dtype()),
    };
    let call = Call::new(inputs, parameters);
    let (state, cotangent) = (Values::<B>(state), Values::<B>(cotangent).cast(call.dtype));
    // The products multiply every key and query, also those with a gradient of zero.
    let (finite_key, finite_query) = (finite(&call.key).0, finite(&call.query).0);
    let scale = call.parameters.scale;
    let mut key_gradient = wanted.key.then(|| call.key.filled(0.0));
    let mut value_gradient = wanted.value.then(|| call.value.filled(0.0));
    let mut bias_gradient = call
        .bias
        .as_ref()
        .filter(|_| wanted.bias)
        .map(|bias| bias.filled(0.0));
    let (mut query_gradients, mut alpha_gradients) = (Vec::new(), Vec::new());
    for block in call.blocks() {
        let Scores { scores, slope } = call.scores(&block);
        let rows = |output, cotangent: Values<B>, wanted| {
            B::tsallis_backward(
                scores.0.clone(),
                call.alpha(&block),
                ReferenceTensor::Ones,
                slice(&state, 2, &block.queries).0,
                cotangent.0,
                call.parameters.rows(output),
                wanted,
            )
        };
        let g = call.grouped(slice(&cotangent, 2, &block.queries));
        let keys_only = 0..block.keys.len();
        if let Some(sum) = value_gradient.take() {
            // The derivative of the value of a row is p, which needs no root.
            let mut ones = scores.shape();
            ones[3] = 1;
            let dtype = FloatDType::from(call.dtype);
            let ones = Values(B::float_full(ones, 1.0.into(), &scores.0.device(), dtype));
            let gradients = rows(Output::Value, ones, GradientMask::LOGITS);
            if let OptionalTensor::Some(p) = gradients.logits {
                let p = call.grouped(slice(&Values::<B>(p), 3, &keys_only));
                let part = product(transposed(&p), g.clone());
                value_gradient = Some(add_slice(sum, [(2, &block.keys)], part));
            }
        }
        if !wanted.scores() {
            continue;
        }
        let values = slice(&call.value, 2, &block.keys);
        let mut c = call.ungrouped(product(g, transposed(&values)));
        if call.parameters.null_score.is_some() {
            // The value of the null score is zero.
            let mut shape = c.shape();
            shape[3] = 1;
            let dtype = FloatDType::from(call.dtype);
            let zeros = B::float_zeros(shape, &c.0.device(), dtype);
            c = Values(B::float_cat(vec![c.0, zeros], 3));
        }
        let mask = GradientMask {
            logits: wanted.query || wanted.key || wanted.bias,
            alpha: wanted.alpha,
            reference: false,
        };
        let gradients = rows(Output::Probabilities, c, mask);
        if let OptionalTensor::Some(alpha) = gradients.alpha {
            alpha_gradients.push(Values::<B>(alpha));
        }
        let OptionalTensor::Some(gradient) = gradients.logits else {
            continue;
        };
        let mut gradient = slice(&Values::<B>(gradient), 3, &keys_only);
        if let Some(sum) = bias_gradient.take() {
            bias_gradient = Some(add_bias_gradient(sum, &block, gradient.clone()));
        }
        if let Some(slope) = slope {
            gradient = gradient * slope;
        }
        let gradient = call.grouped(gradient) * scale;
        if wanted.query {
            let keys = slice(&finite_key, 2, &block.keys);
            query_gradients.push(call.ungrouped(product(gradient.clone(), keys)));
        }
        if let Some(sum) = key_gradient.take() {
            let queries = call.grouped(slice(&finite_query, 2, &block.queries));
            let part = product(transposed(&gradient), queries);
            key_gradient = Some(add_slice(sum, [(2, &block.keys)], part));
        }
    }
    let stored = |gradient: Option<Values<B>>, dtype| match gradient {
        None => OptionalTensor::None,
        Some(gradient) => OptionalTensor::Some(gradient.cast(dtype).0),
    };
    let storage = call.storage;
    AttentionGradients {
        query: stored(wanted.query.then(|| joined(query_gradients)), storage),
        key: stored(key_gradient, storage),
        value: stored(value_gradient, storage),
        bias: stored(bias_gradient, bias_dtype.unwrap_or(call.dtype)),
        alpha: OptionalTensor::when(wanted.alpha, || joined(alpha_gradients).0),
    }
}

/// Sums the gradient in the scores of a block over the dimensions along which the bias was broadcast.
fn add_bias_gradient<B: TsallisBackend>(
    sum: Values<B>,
    block: &Block,
    mut gradient: Values<B>,
) -> Values<B> {
    let shape = sum.shape();
    for dim in 0..4 {
        if shape[dim] == 1 {
            gradient = Values(B::float_sum_dim(gradient.0, dim));
        }
    }
    let one = 0..1;
    let queries = if shape[2] == 1 { &one } else { &block.queries };
    let keys = if shape[3] == 1 { &one } else { &block.keys };
    add_slice(sum, [(2, queries), (3, keys)], gradient)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::op::attention::{OptionalMask, flex};
    use burn::backend::flex::{Flex, FlexTensor};

    const SHAPE: [usize; 4] = [2, 4, 9, 11];

    fn random(shape: [usize; 4], seed: u64) -> FlexTensor {
        let mut state = seed;
        let values: Vec<f64> = (0..shape.iter().product())
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / f64::from(1 << 23) - 1.0
            })
            .collect();
        FlexTensor::from_data(TensorData::new(values, shape))
    }

    fn inputs(alpha: AlphaTensor<Flex>) -> AttentionInputs<Flex> {
        let [batch, heads, queries, keys] = SHAPE;
        let mask: Vec<bool> = (0..queries * keys).map(|i| i % 5 == 3).collect();
        let mask = FlexTensor::from_data(TensorData::new(mask, [1, 1, queries, keys]));
        // Blocks of 4 x 3: three by four of them.
        let blocks: Vec<bool> = (0..12).map(|i| i % 4 == 1 || i == 8).collect();
        let block_mask = FlexTensor::from_data(TensorData::new(blocks, [1, 1, 3, 4]));
        let scaled = |x: FlexTensor, scale: f64| (Values::<Flex>(x) * scale).0;
        AttentionInputs {
            query: scaled(random([batch, heads, queries, 3], 1), 3.0),
            key: scaled(random([batch, 2, keys, 3], 2), 2.0),
            value: random([batch, 2, keys, 5], 3),
            alpha,
            bias: OptionalTensor::Some(random([1, heads, queries, keys], 4)),
            mask: OptionalMask::Some(mask),
            padding: OptionalMask::None,
            block_mask: OptionalMask::Some(block_mask),
        }
    }

    fn close(got: FlexTensor, want: FlexTensor) {
        assert_eq!(got.shape(), want.shape());
        let values = |x: FlexTensor| x.into_data().iter::<f64>().collect::<Vec<_>>();
        for (got, want) in values(got).into_iter().zip(values(want)) {
            assert!(
                (got - want).abs() < 1e-8 * want.abs().max(1.0),
                "{got}, expected {want}"
            );
        }
    }

    #[test]
    fn the_blocks_of_both_paths_agree() {
        let [batch, heads, queries, _] = SHAPE;
        let alphas = (Values::<Flex>(random([batch, heads, queries, 1], 5)) * 0.4 + 1.3).0;
        for (alpha, number) in [
            (AlphaTensor::Number, 1.5),
            (AlphaTensor::Number, 0.7),
            (AlphaTensor::Rows(alphas), 1.0),
        ] {
            for (is_causal, window) in [(true, None), (false, Some(3)), (true, Some(4))] {
                let parameters = AttentionParameters {
                    alpha: number,
                    scale: 0.6,
                    softcap: Some(2.0),
                    is_causal,
                    window,
                    key_lengths: Some(vec![11, 6]),
                    block_size: [4, 3],
                    null_score: Some(0.2),
                    with_statistics: true,
                };
                let inputs = || inputs(alpha.clone());
                assert!(Call::new(inputs(), parameters.clone()).blocks().count() > 2);
                let got = forward::<Flex>(inputs(), parameters.clone());
                let want = flex::forward(inputs(), parameters.clone());
                close(got.context, want.context);
                let statistics = |output: OptionalTensor<Flex>| {
                    output.into_option().expect("statistics were requested")
                };
                close(statistics(got.statistics), statistics(want.statistics));
                let wanted = AttentionMask {
                    query: true,
                    key: true,
                    value: true,
                    bias: true,
                    alpha: matches!(alpha, AlphaTensor::Rows(_)),
                };
                let cotangent = || random([batch, heads, queries, 5], 6);
                let parameters = || parameters.clone();
                let got = backward::<Flex>(inputs(), got.state, cotangent(), parameters(), wanted);
                let want = flex::backward(inputs(), want.state, cotangent(), parameters(), wanted);
                for (got, want) in [
                    (got.query, want.query),
                    (got.key, want.key),
                    (got.value, want.value),
                    (got.bias, want.bias),
                    (got.alpha, want.alpha),
                ] {
                    match (got.into_option(), want.into_option()) {
                        (Some(got), Some(want)) => close(got, want),
                        (got, want) => assert!(got.is_none() && want.is_none()),
                    }
                }
            }
        }
    }
}
