//! The ratio `u = p / q` as a function of the gap, in vectors of `f32`: [`crate::math::RatioCurve`].
//!
//! The parameters of a row are vectors too. All lanes hold the same number, or each lane holds that of another row.

use super::elementary::{exp, expm1, ln, log1p};
use super::vector::{V, splat};
use macerator::Simd;

/// The root `l = ln u_max` of a row, and the numbers that the curves are computed from.
pub(super) struct Root<S: Simd> {
    /// `c = 1 - alpha`.
    pub c: V<S>,
    /// A multiple of 1/64, which adds exactly to most numbers.
    pub offset: V<S>,
    /// `l - offset`.
    pub remainder: V<S>,
    /// `u_max^c`.
    pub power: V<S>,
    /// `u_max^-c`.
    pub b: V<S>,
}

impl<S: Simd> Root<S> {
    /// The same root in every lane.
    #[inline(always)]
    pub fn broadcast(c: f64, l: f64) -> Self {
        Self::broadcast_with_power(c, l, (c * l).exp())
    }

    /// The same root in every lane, given `power = e^(c l)`.
    #[inline(always)]
    pub fn broadcast_with_power(c: f64, l: f64, power: f64) -> Self {
        let offset = (l * 64.0).round() / 64.0;
        Self {
            c: splat::<S>(c as f32),
            offset: splat::<S>(offset as f32),
            remainder: splat::<S>((l - offset) as f32),
            power: splat::<S>(power as f32),
            b: splat::<S>(power.recip() as f32),
        }
    }

    /// A root in each lane, `l = offset + remainder` for any two numbers.
    #[inline(always)]
    pub fn from_lanes(c: V<S>, offset: V<S>, remainder: V<S>) -> Self {
        let whole = nearest_64th::<S>(offset);
        let remainder = remainder + (offset - whole);
        let left = nearest_64th::<S>(remainder);
        let (offset, remainder) = (whole + left, remainder - left);
        // c l as a sum of two numbers, since its rounding error would carry over to the power.
        let high = c * offset;
        let low = c.mul_add(offset, splat::<S>(0.0) - high) + c * remainder;
        let exponent = high + low;
        let lost = low - (exponent - high);
        let one = splat::<S>(1.0);
        Self {
            c,
            offset,
            remainder,
            power: exp::<S>(exponent) * (one + lost),
            b: exp::<S>(splat::<S>(0.0) - exponent) * (one - lost),
        }
    }

    /// `l`, rounded, and the rounding error.
    #[inline(always)]
    pub fn state(&self) -> (V<S>, V<S>) {
        let root = self.offset + self.remainder;
        (root, self.remainder - (root - self.offset))
    }

    /// `e^remainder`, to four terms of its series. The remainder is at most 1/128.
    #[inline(always)]
    fn scale(&self) -> V<S> {
        let (r, one) = (self.remainder, splat::<S>(1.0));
        let tail = r.mul_add(splat::<S>(1.0 / 6.0), splat::<S>(0.5));
        r.mul_add(r.mul_add(tail, one), one)
    }

    /// `y_max = f'(u_max)`.
    #[inline(always)]
    pub fn derivative_at_max(&self) -> V<S> {
        let l = self.offset + self.remainder;
        let zero = splat::<S>(0.0);
        let derivative = expm1::<S>(zero - self.c * l) / (zero - self.c);
        self.c.eq(zero).select(l, derivative)
    }
}

#[inline(always)]
fn nearest_64th<S: Simd>(x: V<S>) -> V<S> {
    (x * splat::<S>(64.0)).round_ties_even() * splat::<S>(1.0 / 64.0)
}

/// `u` as a function of the gap, for a given root. Off the support, and at an infinite gap, the logarithm is `-inf` and
/// the other functions are zero.
pub(super) trait RatioCurve<S: Simd>: Sized {
    fn new(root: &Root<S>) -> Self;

    /// Runs the method that finds roots on a curve of this form.
    fn find_root<F: FindRoot<S>>(finder: F) -> F::Found<Self>;

    /// `u`, and `u (u / u_max)^c`.
    fn at(&self, gap: V<S>) -> (V<S>, V<S>);

    /// `ln u`.
    fn log_u(&self, gap: V<S>) -> V<S>;

    /// `u^c`.
    fn log_slope(&self, gap: V<S>) -> V<S>;
}

/// A row, or a group of rows, with a root finder for each form of the curve.
pub(super) trait FindRoot<S: Simd> {
    type Found<C: RatioCurve<S>>;

    fn on_softmax(self) -> Self::Found<Softmax<S>>;

    fn on_powers<C: PowerCurve<S>>(self) -> Self::Found<C>;

    fn on_general(self) -> Self::Found<General<S>>;
}

/// A curve in `B = b + c g`, `b = u_max^-c`, without a transcendental function. The unknown of its root finder is `b`.
pub(super) trait PowerCurve<S: Simd>: RatioCurve<S> {
    fn with_b(c: V<S>, b: V<S>) -> Self;

    /// `s^c`.
    fn power(s: V<S>) -> V<S>;

    /// `s^c` of a number.
    fn scalar_power(s: f64) -> f64;
}

/// `u = e^(l - g)`.
pub(super) struct Softmax<S: Simd> {
    scale: V<S>,
    offset: V<S>,
    remainder: V<S>,
}

impl<S: Simd> RatioCurve<S> for Softmax<S> {
    #[inline(always)]
    fn new(root: &Root<S>) -> Self {
        Self {
            scale: root.scale(),
            offset: root.offset,
            remainder: root.remainder,
        }
    }

    #[inline(always)]
    fn find_root<F: FindRoot<S>>(finder: F) -> F::Found<Self> {
        finder.on_softmax()
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let u = self.scale * exp::<S>(self.offset - gap);
        (u, u)
    }

    #[inline(always)]
    fn log_u(&self, gap: V<S>) -> V<S> {
        (self.offset - gap) + self.remainder
    }

    #[inline(always)]
    fn log_slope(&self, gap: V<S>) -> V<S> {
        select_finite::<S>(gap, splat::<S>(1.0), splat::<S>(0.0))
    }
}

/// `alpha = 1 - 1/N`: `u = B^-N`.
pub(super) struct Reciprocal<S: Simd, const N: usize> {
    b: V<S>,
    c: V<S>,
}

impl<S: Simd, const N: usize> Reciprocal<S, N> {
    #[inline(always)]
    fn base(&self, gap: V<S>) -> V<S> {
        self.c.mul_add(gap, self.b)
    }
}

impl<S: Simd, const N: usize> RatioCurve<S> for Reciprocal<S, N> {
    #[inline(always)]
    fn new(root: &Root<S>) -> Self {
        Self::with_b(root.c, root.b)
    }

    #[inline(always)]
    fn find_root<F: FindRoot<S>>(finder: F) -> F::Found<Self> {
        finder.on_powers()
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let r = splat::<S>(1.0) / self.base(gap);
        let u = match N {
            1 => r,
            2 => r * r,
            3 => r * r * r,
            _ => (r * r) * (r * r),
        };
        (u, u * (self.b * r))
    }

    #[inline(always)]
    fn log_u(&self, gap: V<S>) -> V<S> {
        let log_u = ln::<S>(self.base(gap)) * splat::<S>(-(N as f32));
        select_finite::<S>(gap, log_u, splat::<S>(f32::NEG_INFINITY))
    }

    #[inline(always)]
    fn log_slope(&self, gap: V<S>) -> V<S> {
        splat::<S>(1.0) / self.base(gap)
    }
}

impl<S: Simd, const N: usize> PowerCurve<S> for Reciprocal<S, N> {
    #[inline(always)]
    fn with_b(c: V<S>, b: V<S>) -> Self {
        Self { b, c }
    }

    #[inline(always)]
    fn power(s: V<S>) -> V<S> {
        match N {
            1 => s,
            2 => s.sqrt(),
            3 => exp::<S>(ln::<S>(s) * splat::<S>(1.0 / 3.0)),
            _ => s.sqrt().sqrt(),
        }
    }

    #[inline(always)]
    fn scalar_power(s: f64) -> f64 {
        match N {
            1 => s,
            2 => s.sqrt(),
            3 => s.cbrt(),
            _ => s.sqrt().sqrt(),
        }
    }
}

/// `alpha = 1 + 1/N`: `u = B_+^N`.
pub(super) struct Power<S: Simd, const N: usize> {
    b: V<S>,
    c: V<S>,
}

impl<S: Simd, const N: usize> Power<S, N> {
    #[inline(always)]
    fn base(&self, gap: V<S>) -> V<S> {
        self.c.mul_add(gap, self.b).max(splat::<S>(0.0))
    }
}

impl<S: Simd, const N: usize> RatioCurve<S> for Power<S, N> {
    #[inline(always)]
    fn new(root: &Root<S>) -> Self {
        Self::with_b(root.c, root.b)
    }

    #[inline(always)]
    fn find_root<F: FindRoot<S>>(finder: F) -> F::Found<Self> {
        finder.on_powers()
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let (zero, base) = (splat::<S>(0.0), self.base(gap));
        match N {
            1 => (base, base.gt(zero).select(self.b, zero)),
            _ => (base * base, base * self.b),
        }
    }

    #[inline(always)]
    fn log_u(&self, gap: V<S>) -> V<S> {
        let base = self.base(gap);
        let log_u = ln::<S>(base) * splat::<S>(N as f32);
        base.gt(splat::<S>(0.0))
            .select(log_u, splat::<S>(f32::NEG_INFINITY))
    }

    #[inline(always)]
    fn log_slope(&self, gap: V<S>) -> V<S> {
        let (zero, base) = (splat::<S>(0.0), self.base(gap));
        base.gt(zero).select(splat::<S>(1.0) / base, zero)
    }
}

impl<S: Simd, const N: usize> PowerCurve<S> for Power<S, N> {
    #[inline(always)]
    fn with_b(c: V<S>, b: V<S>) -> Self {
        Self { b, c }
    }

    #[inline(always)]
    fn power(s: V<S>) -> V<S> {
        let root = match N {
            1 => s,
            _ => s.sqrt(),
        };
        splat::<S>(1.0) / root
    }

    #[inline(always)]
    fn scalar_power(s: f64) -> f64 {
        match N {
            1 => s.recip(),
            _ => s.sqrt().recip(),
        }
    }
}

/// Any other alpha: `ln u = l - ln(1 + z) / c`, `z = c g e^(c l)`.
pub(super) struct General<S: Simd> {
    /// `c e^(c l)`.
    c_power: V<S>,
    inverse_c: V<S>,
    power: V<S>,
    scale: V<S>,
    offset: V<S>,
    remainder: V<S>,
}

impl<S: Simd> RatioCurve<S> for General<S> {
    #[inline(always)]
    fn new(root: &Root<S>) -> Self {
        Self {
            c_power: root.c * root.power,
            inverse_c: splat::<S>(1.0) / root.c,
            power: root.power,
            scale: root.scale(),
            offset: root.offset,
            remainder: root.remainder,
        }
    }

    #[inline(always)]
    fn find_root<F: FindRoot<S>>(finder: F) -> F::Found<Self> {
        finder.on_general()
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let zero = splat::<S>(0.0);
        let z = self.c_power * gap;
        let (log, reciprocal) = log1p::<S>(z);
        let u = self.scale * exp::<S>(self.offset - log * self.inverse_c);
        let u = z.gt(splat::<S>(-1.0)).select(u, zero);
        let u = select_finite::<S>(gap, u, zero);
        let v = u.gt(zero).select(u * reciprocal, zero);
        (u, v)
    }

    #[inline(always)]
    fn log_u(&self, gap: V<S>) -> V<S> {
        let negative_infinity = splat::<S>(f32::NEG_INFINITY);
        let z = self.c_power * gap;
        let log_u = (self.offset - log1p::<S>(z).0 * self.inverse_c) + self.remainder;
        let log_u = z.gt(splat::<S>(-1.0)).select(log_u, negative_infinity);
        select_finite::<S>(gap, log_u, negative_infinity)
    }

    #[inline(always)]
    fn log_slope(&self, gap: V<S>) -> V<S> {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let z = self.c_power * gap;
        let log_slope = z.gt(splat::<S>(-1.0)).select(self.power / (one + z), zero);
        select_finite::<S>(gap, log_slope, zero)
    }
}

#[inline(always)]
fn select_finite<S: Simd>(gap: V<S>, value: V<S>, otherwise: V<S>) -> V<S> {
    gap.lt(splat::<S>(f32::INFINITY)).select(value, otherwise)
}

/// `(e^(alpha l) - 1) / alpha`: [`crate::math::Tsallis::conjugate_at_log`].
#[inline(always)]
pub(super) fn conjugate_at_log<S: Simd>(alpha: f32, log_u: V<S>) -> V<S> {
    // The limit. alpha may be subnormal here, and the quotient would not be accurate.
    if alpha.abs() < 1e-20 {
        return log_u;
    }
    let alpha = splat::<S>(alpha);
    expm1::<S>(log_u * alpha) / alpha
}
