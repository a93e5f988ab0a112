//! Tensor primitives of any backend, written as arithmetic.

use crate::math::Real;
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::{BoolDType, DType, FloatDType, Shape};
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

/// `ln u` below this is treated as `-inf`. Logits within `1e30` of each other do not lead to it.
const OFF_SUPPORT: f64 = -1e30;

/// A float tensor. Operations broadcast.
pub(super) struct Values<B: Backend>(pub FloatTensor<B>);

/// A mask. Operations broadcast.
pub(super) struct Mask<B: Backend>(BoolTensor<B>);

impl<B: Backend> Clone for Values<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Clone for Mask<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Values<B> {
    /// Creates a tensor of one number that broadcasts to `like`, on its device.
    pub fn number(value: f64, like: &Self) -> Self {
        let mut shape = like.shape();
        for dim in 0..shape.num_dims() {
            shape[dim] = 1;
        }
        let dtype = FloatDType::from(like.0.dtype());
        Self(B::float_full(shape, value.into(), &like.0.device(), dtype))
    }

    /// Creates a tensor of the shape of `self` filled with this number.
    pub fn filled(&self, value: f64) -> Self {
        let (device, dtype) = (self.0.device(), FloatDType::from(self.0.dtype()));
        Self(B::float_full(self.shape(), value.into(), &device, dtype))
    }

    pub fn cast(self, dtype: DType) -> Self {
        if self.0.dtype() == dtype {
            self
        } else {
            Self(B::float_cast(self.0, FloatDType::from(dtype)))
        }
    }

    pub fn shape(&self) -> Shape {
        self.0.shape()
    }

    pub fn dtype(&self) -> DType {
        self.0.dtype()
    }

    pub fn last(&self) -> usize {
        self.shape().num_dims() - 1
    }

    pub fn expand(&self, shape: &Shape) -> Self {
        if self.shape() == *shape {
            self.clone()
        } else {
            Self(B::float_expand(self.0.clone(), shape.clone()))
        }
    }

    pub fn exp(&self) -> Self {
        Self(B::float_exp(self.0.clone()))
    }

    pub fn ln(&self) -> Self {
        Self(B::float_log(self.0.clone()))
    }

    pub fn log1p(&self) -> Self {
        Self(B::float_log1p(self.0.clone()))
    }

    pub fn abs(&self) -> Self {
        Self(B::float_abs(self.0.clone()))
    }

    pub fn clamp_max(&self, value: f64) -> Self {
        Self(B::float_clamp_max(self.0.clone(), value.into()))
    }

    pub fn clamp_min(&self, value: f64) -> Self {
        Self(B::float_clamp_min(self.0.clone(), value.into()))
    }

    /// Sums each row.
    pub fn sum(&self) -> Self {
        Self(B::float_sum_dim(self.0.clone(), self.last()))
    }

    /// Returns the largest value of each row.
    pub fn max(&self) -> Self {
        Self(B::float_max_dim(self.0.clone(), self.last()))
    }

    /// Returns the larger of two values.
    pub fn max_pair(&self, other: &Self) -> Self {
        self.gt(other).select(self, other)
    }

    /// Returns the smaller of two values.
    pub fn min_pair(&self, other: &Self) -> Self {
        self.lt(other).select(self, other)
    }

    pub fn gt(&self, other: &Self) -> Mask<B> {
        self.compare(|x, dtype| B::float_greater(x, other.0.clone(), dtype))
    }

    pub fn lt(&self, other: &Self) -> Mask<B> {
        self.compare(|x, dtype| B::float_lower(x, other.0.clone(), dtype))
    }

    pub fn above(&self, value: f64) -> Mask<B> {
        self.compare(|x, dtype| B::float_greater_elem(x, value.into(), dtype))
    }

    pub fn at_or_above(&self, value: f64) -> Mask<B> {
        self.compare(|x, dtype| B::float_greater_equal_elem(x, value.into(), dtype))
    }

    pub fn below(&self, value: f64) -> Mask<B> {
        self.compare(|x, dtype| B::float_lower_elem(x, value.into(), dtype))
    }

    pub fn at_or_below(&self, value: f64) -> Mask<B> {
        self.compare(|x, dtype| B::float_lower_equal_elem(x, value.into(), dtype))
    }

    pub fn equals(&self, value: f64) -> Mask<B> {
        self.compare(|x, dtype| B::float_equal_elem(x, value.into(), dtype))
    }

    /// Replaces the values at which the mask is set by this number.
    pub fn mask_fill(&self, mask: &Mask<B>, value: f64) -> Self {
        let mask = mask.expand(&self.shape());
        Self(B::float_mask_fill(self.0.clone(), mask, value.into()))
    }

    /// `z (a_0 + z (a_1 + ..))`.
    pub fn polynomial(&self, coefficients: &[f64]) -> Self {
        let mut sum = self.clone() * 0.0;
        for &coefficient in coefficients.iter().rev() {
            sum = (sum + coefficient) * self.clone();
        }
        sum
    }

    fn compare(&self, compare: impl FnOnce(FloatTensor<B>, BoolDType) -> BoolTensor<B>) -> Mask<B> {
        let dtype = get_device_settings::<B>(&self.0.device()).bool_dtype;
        Mask(compare(self.0.clone(), dtype))
    }
}

impl<B: Backend> Mask<B> {
    /// Wraps a tensor of the backend.
    pub fn new(mask: BoolTensor<B>) -> Self {
        Self(mask)
    }

    /// Returns `yes` if the mask is set, otherwise `no`.
    pub fn select(&self, yes: &Values<B>, no: &Values<B>) -> Values<B> {
        let shape = broadcast(broadcast(self.0.shape(), &yes.shape()), &no.shape());
        Values(B::float_mask_where(
            no.expand(&shape).0,
            self.expand(&shape),
            yes.expand(&shape).0,
        ))
    }

    fn expand(&self, shape: &Shape) -> BoolTensor<B> {
        if self.0.shape() == *shape {
            self.0.clone()
        } else {
            B::bool_expand(self.0.clone(), shape.clone())
        }
    }

    /// Broadcasts two masks to one shape.
    fn aligned(self, other: Self) -> (BoolTensor<B>, BoolTensor<B>) {
        let shape = broadcast(self.0.shape(), &other.0.shape());
        (self.expand(&shape), other.expand(&shape))
    }
}

/// Returns the shape that tensors of these two shapes broadcast to.
fn broadcast(mut shape: Shape, other: &Shape) -> Shape {
    for dim in 0..shape.num_dims() {
        if shape[dim] == 1 {
            shape[dim] = other[dim];
        }
    }
    shape
}

impl<B: Backend> Not for Mask<B> {
    type Output = Self;
    fn not(self) -> Self {
        Self(B::bool_not(self.0))
    }
}

impl<B: Backend> BitAnd for Mask<B> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        let (a, b) = self.aligned(other);
        Self(B::bool_and(a, b))
    }
}

impl<B: Backend> BitOr for Mask<B> {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        let (a, b) = self.aligned(other);
        Self(B::bool_or(a, b))
    }
}

impl<B: Backend> Neg for Values<B> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(B::float_neg(self.0))
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $tensors:ident $scalar:ident;)*) => {$(
        impl<B: Backend> $trait for Values<B> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self(B::$tensors(self.0, other.0))
            }
        }

        impl<B: Backend> $trait<&Values<B>> for Values<B> {
            type Output = Self;
            fn $method(self, other: &Self) -> Self {
                Self(B::$tensors(self.0, other.0.clone()))
            }
        }

        impl<B: Backend> $trait<&Values<B>> for &Values<B> {
            type Output = Values<B>;
            fn $method(self, other: &Values<B>) -> Values<B> {
                Values(B::$tensors(self.0.clone(), other.0.clone()))
            }
        }

        impl<B: Backend> $trait<Values<B>> for &Values<B> {
            type Output = Values<B>;
            fn $method(self, other: Values<B>) -> Values<B> {
                Values(B::$tensors(self.0.clone(), other.0))
            }
        }

        impl<B: Backend> $trait<f64> for Values<B> {
            type Output = Self;
            fn $method(self, other: f64) -> Self {
                Self(B::$scalar(self.0, other.into()))
            }
        }

        impl<B: Backend> $trait<f64> for &Values<B> {
            type Output = Values<B>;
            fn $method(self, other: f64) -> Values<B> {
                Values(B::$scalar(self.0.clone(), other.into()))
            }
        }
    )*};
}
arithmetic! {
    Add add float_add float_add_scalar;
    Sub sub float_sub float_sub_scalar;
    Mul mul float_mul float_mul_scalar;
    Div div float_div float_div_scalar;
}

/// Returns the mask of the entries with `ln u = -inf`.
pub(super) fn off_support<B: Backend>(log_u: &Values<B>) -> Mask<B> {
    log_u.below(OFF_SUPPORT)
}

/// Returns the largest number of an arithmetic dtype.
pub(super) fn max_finite(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// Returns [`Real::LOG_SPACE`] of an arithmetic dtype.
pub(super) fn log_space(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::LOG_SPACE,
        _ => f64::from(f32::LOG_SPACE),
    }
}
