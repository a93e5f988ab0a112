//! Attention by blocks of queries: the arguments and results of
//! [`TsallisBackend::tsallis_attention`](super::TsallisBackend::tsallis_attention).
//!
//! The scores of a block of queries are computed, turned into weights and multiplied by the values before the next
//! block begins. The memory therefore grows with the number of keys and not with its product with the number of
//! queries. The backward pass computes the scores again and takes the root of each row from the forward pass.
//!
//! | file | contents |
//! |---|---|
//! | `../portable/attention` | the blocks in Burn's own operations |
//! | `../cpu/attention` | the blocks on the CPU, in parallel |
//! | `autodiff` | the backward step |
//! | `flex`, `ndarray` | the tensors of the CPU backends as slices |

pub(super) mod autodiff;
#[cfg(feature = "flex")]
pub(super) mod flex;
#[cfg(feature = "ndarray")]
pub(super) mod ndarray;

use super::request::{AlphaTensor, OptionalTensor, RowParameters};
#[cfg(feature = "cube")]
use super::request::{STATE_LEN, arithmetic_dtype};
use crate::math::{EmptyRow, Output, Solver};
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, ExtensionType, TensorMetadata};
use std::ops::Range;

/// An optional mask. Burn's fusion does not support `Option<BoolTensor>`.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum OptionalMask<B: Backend> {
    /// No mask.
    None,
    /// A mask, `true` where a key is masked.
    Some(BoolTensor<B>),
}

impl<B: Backend> OptionalMask<B> {
    /// Converts into an `Option`.
    pub fn into_option(self) -> Option<BoolTensor<B>> {
        match self {
            Self::None => None,
            Self::Some(mask) => Some(mask),
        }
    }
}

/// The tensors of an attention call.
///
/// The number of heads of the keys divides the number of heads of the queries. Consecutive heads of the queries share a
/// head of the keys. No dimension is zero. The masks and the bias have four dimensions that are one or those of the
/// scores, `[batch, heads, queries, keys]`.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct AttentionInputs<B: Backend> {
    /// The queries, `[batch, heads, queries, size]`.
    pub query: FloatTensor<B>,
    /// The keys, `[batch, key heads, keys, size]`, in the dtype of the queries.
    pub key: FloatTensor<B>,
    /// The values, `[batch, key heads, keys, value size]`, in the dtype of the queries.
    pub value: FloatTensor<B>,
    /// Alpha; `Rows` has the shape `[batch, heads, queries, 1]`.
    #[extension_type]
    pub alpha: AlphaTensor<B>,
    /// The bias, in the arithmetic dtype of the queries.
    #[extension_type]
    pub bias: OptionalTensor<B>,
    /// The mask of the scores.
    #[extension_type]
    pub mask: OptionalMask<B>,
    /// A second mask, such as the padding of each sequence. Two masks of different shapes are not combined, since the
    /// result may be much larger than either.
    #[extension_type]
    pub padding: OptionalMask<B>,
    /// A mask of blocks of scores of the size [`AttentionParameters::block_size`],
    /// `[batch or 1, heads or 1, query blocks, key blocks]`.
    #[extension_type]
    pub block_mask: OptionalMask<B>,
}

/// The host values of an attention call.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionParameters {
    /// Alpha, if it is not a tensor.
    pub alpha: f64,
    /// The factor of the scores.
    pub scale: f64,
    /// The soft cap of the scores before the bias.
    pub softcap: Option<f64>,
    /// Whether a query attends only to keys at its position and before. The last query is at the last key.
    pub is_causal: bool,
    /// The largest distance of a key from its query, plus one.
    pub window: Option<usize>,
    /// The number of keys of each sequence. The keys after them are masked.
    pub key_lengths: Option<Vec<usize>>,
    /// The number of queries and of keys in a block of the block mask. Not used if there is none.
    pub block_size: [usize; 2],
    /// The score of an additional key whose value is zero.
    pub null_score: Option<f64>,
    /// Whether the root and the size of the support of each row are computed.
    pub with_statistics: bool,
}

impl AttentionParameters {
    /// Returns the parameters of the rows of scores for an output.
    pub(super) fn rows(&self, output: Output) -> RowParameters {
        RowParameters {
            alpha: self.alpha,
            solver: Solver::Newton,
            empty_row: EmptyRow::Zero,
            output,
        }
    }

    /// Returns the keys that a query may attend to by the causal edge, the window and the length of the sequence.
    pub(super) fn keys_of_query(
        &self,
        batch: usize,
        query: usize,
        shape: &AttentionShape,
    ) -> Range<usize> {
        let (mut begin, mut end) = (0, shape.keys);
        // The position of the query is `query + keys - queries`.
        let (shifted, queries) = (query + shape.keys, shape.queries);
        if self.is_causal {
            end = end.min((shifted + 1).saturating_sub(queries));
        }
        if let Some(window) = self.window {
            begin = (shifted + 1).saturating_sub(queries.saturating_add(window));
            end = end.min(shifted.saturating_add(window).saturating_sub(queries));
        }
        if let Some(lengths) = &self.key_lengths {
            end = end.min(lengths[batch]);
        }
        begin.min(end)..end
    }

    /// Returns the keys that any of the queries may attend to, and at least one key.
    pub(super) fn keys_of_block(
        &self,
        batches: Range<usize>,
        queries: Range<usize>,
        shape: &AttentionShape,
    ) -> Range<usize> {
        let ranges = || {
            batches.clone().flat_map(|batch| {
                [queries.start, queries.end - 1]
                    .map(|query| self.keys_of_query(batch, query, shape))
            })
        };
        let begin = ranges().map(|keys| keys.start).min().unwrap_or(0);
        let end = ranges().map(|keys| keys.end).max().unwrap_or(0);
        let begin = begin.min(shape.keys - 1);
        begin..end.max(begin + 1)
    }
}

/// The sizes of an attention call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttentionShape {
    pub batch: usize,
    pub heads: usize,
    pub key_heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub size: usize,
    pub value_size: usize,
}

impl AttentionShape {
    pub fn new<B: Backend>(inputs: &AttentionInputs<B>) -> Self {
        let (query, key, value) = (
            inputs.query.shape(),
            inputs.key.shape(),
            inputs.value.shape(),
        );
        Self {
            batch: query[0],
            heads: query[1],
            key_heads: key[1],
            queries: query[2],
            keys: key[2],
            size: query[3],
            value_size: value[3],
        }
    }

    /// The number of heads of the queries that share a head of the keys.
    pub fn group(&self) -> usize {
        self.heads / self.key_heads
    }
}

/// The inputs whose gradients [`TsallisBackend::tsallis_attention_backward`](super::TsallisBackend::tsallis_attention_backward)
/// returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttentionMask {
    /// The queries.
    pub query: bool,
    /// The keys.
    pub key: bool,
    /// The values.
    pub value: bool,
    /// The bias.
    pub bias: bool,
    /// Alpha, one gradient for each row.
    pub alpha: bool,
}

impl AttentionMask {
    /// Whether a gradient needs the gradient in the scores.
    pub(super) fn scores(self) -> bool {
        self.query || self.key || self.bias || self.alpha
    }
}

/// The result of an attention call.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct AttentionOutput<B: Backend> {
    /// The context, `[batch, heads, queries, value size]`, in the dtype of the queries.
    pub context: FloatTensor<B>,
    /// The [`RowState`](crate::math::RowState) of each row of scores, `[batch, heads, queries, 2]`, in the arithmetic
    /// dtype of the queries.
    pub state: FloatTensor<B>,
    /// The root `mu` and the number of keys with a positive weight, `[batch, heads, queries, 2]`, in the arithmetic
    /// dtype of the queries, if [`AttentionParameters::with_statistics`] is set.
    #[extension_type]
    pub statistics: OptionalTensor<B>,
}

/// The gradients of an attention call, for the inputs of its [`AttentionMask`].
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct AttentionGradients<B: Backend> {
    /// The gradient in the queries, with their shape and dtype.
    #[extension_type]
    pub query: OptionalTensor<B>,
    /// The gradient in the keys, with their shape and dtype.
    #[extension_type]
    pub key: OptionalTensor<B>,
    /// The gradient in the values, with their shape and dtype.
    #[extension_type]
    pub value: OptionalTensor<B>,
    /// The gradient in the bias, with its shape and dtype.
    #[extension_type]
    pub bias: OptionalTensor<B>,
    /// The gradient in alpha, `[batch, heads, queries, 1]`, in the arithmetic dtype of the queries.
    #[extension_type]
    pub alpha: OptionalTensor<B>,
}

#[cfg(feature = "cube")]
impl<B: Backend> AttentionOutput<B> {
    /// Returns the shapes and dtypes of the results, which fusion needs before they are computed.
    pub(super) fn metadata(
        inputs: &AttentionInputsMetadata,
        parameters: &AttentionParameters,
    ) -> AttentionOutputMetadata {
        use super::request::OptionalTensorMetadata;
        let mut context = inputs.query.clone();
        context.shape[3] = inputs.value.shape[3];
        let mut state = inputs.query.clone();
        state.shape[3] = STATE_LEN;
        state.dtype = arithmetic_dtype(state.dtype);
        let statistics = if parameters.with_statistics {
            OptionalTensorMetadata::Some(state.clone())
        } else {
            OptionalTensorMetadata::None
        };
        AttentionOutputMetadata {
            context,
            state,
            statistics,
        }
    }
}

#[cfg(feature = "cube")]
impl<B: Backend> AttentionGradients<B> {
    /// Returns the shapes and dtypes of the gradients, which fusion needs before they are computed.
    pub(super) fn metadata(
        inputs: &AttentionInputsMetadata,
        wanted: AttentionMask,
    ) -> AttentionGradientsMetadata {
        use super::request::OptionalTensorMetadata;
        let when = |wanted: bool, spec: &burn::backend::fusion::custom::TensorSpec| {
            if wanted {
                OptionalTensorMetadata::Some(spec.clone())
            } else {
                OptionalTensorMetadata::None
            }
        };
        let mut rows = inputs.query.clone();
        rows.shape[3] = 1;
        rows.dtype = arithmetic_dtype(rows.dtype);
        AttentionGradientsMetadata {
            query: when(wanted.query, &inputs.query),
            key: when(wanted.key, &inputs.key),
            value: when(wanted.value, &inputs.value),
            bias: match &inputs.bias {
                OptionalTensorMetadata::Some(bias) => when(wanted.bias, bias),
                OptionalTensorMetadata::None => OptionalTensorMetadata::None,
            },
            alpha: when(wanted.alpha, &rows),
        }
    }
}
