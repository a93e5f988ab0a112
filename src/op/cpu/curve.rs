//! The ratio `u = p / q` as a function of the gap, in vectors of `f32`: [`crate::math::RatioCurve`].
//!
//! The parameters of a row are vectors too. All lanes hold the same number, or each lane holds that of another row.

use super::elementary::{coarse_exp, coarse_log1p, exp, expm1_over, ln, log1p};
use super::layout::{Layout, of_strip};
use super::solve::Found;
use super::summary::Group;
use super::vector::{M, V, splat};
use macerator::Simd;
use std::mem::MaybeUninit;

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

// Not derived: that would ask for `S: Copy`.
impl<S: Simd> Clone for Root<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd> Copy for Root<S> {}

impl<S: Simd> Root<S> {
    /// The root `l = offset + remainder` for any two numbers.
    #[inline(always)]
    pub fn new(c: V<S>, offset: V<S>, remainder: V<S>) -> Self {
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

    /// The root `l` with the accuracy of [`coarse_exp`], for [`General::coarse_exponent_and_slope`].
    #[inline(always)]
    pub fn coarse(c: V<S>, l: V<S>) -> Self {
        let zero = splat::<S>(0.0);
        Self {
            c,
            offset: l,
            remainder: zero,
            power: coarse_exp::<S>(c * l),
            b: zero,
        }
    }

    /// The root of the rows of a strip.
    #[inline(always)]
    pub fn of_strip<L: Layout>(&self, strip: usize) -> Self {
        Self {
            c: of_strip::<S, L>(self.c, strip),
            offset: of_strip::<S, L>(self.offset, strip),
            remainder: of_strip::<S, L>(self.remainder, strip),
            power: of_strip::<S, L>(self.power, strip),
            b: of_strip::<S, L>(self.b, strip),
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
        expm1_over::<S>(splat::<S>(0.0) - self.c, self.offset + self.remainder)
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

    /// Finds the roots of a group, and writes the probabilities if they are wanted. Each scratch is as long as the rows.
    fn solve<L: Layout>(
        group: &Group<'_, S, L>,
        scratch: [&mut [f32]; 2],
        probabilities: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S>;

    /// `u`, and `u (u / u_max)^c`.
    fn at(&self, gap: V<S>) -> (V<S>, V<S>);

    /// Whether `u` is computed in two parts, in separate loops. In one loop, the latency of a logarithm and an exponential
    /// would bound the speed.
    const IS_SPLIT: bool = false;

    /// The first part of `u`: its logarithm, up to a constant, if it is split.
    #[inline(always)]
    fn exponent(&self, gap: V<S>) -> V<S> {
        self.at(gap).0
    }

    /// `u` from its first part.
    #[inline(always)]
    fn ratio(&self, exponent: V<S>) -> V<S> {
        exponent
    }

    /// Whether the magnitude of alpha may be below [`super::MASS_FORM_MIN_ALPHA`].
    const HAS_SMALL_ALPHA: bool = false;

    /// `u^(1 + c)`.
    fn weight(&self, gap: V<S>) -> V<S>;

    /// `ln u`.
    fn log_u(&self, gap: V<S>) -> V<S>;

    /// `u^c`.
    fn log_slope(&self, gap: V<S>) -> V<S>;
}

/// A curve in `B = b + c g`, `b = u_max^-c`, without a transcendental function. The unknown of its root finder is `b`.
pub(super) trait PowerCurve<S: Simd>: RatioCurve<S> {
    /// The number of [`PowerCurve::moments`] that the root finder uses.
    const MOMENTS: usize;

    fn with_b(c: V<S>, b: V<S>) -> Self;

    /// `u`, `u r`, `u r^2` and `u r^3`, `r = (u / u_max)^c`, divided by `1`, `b`, `b^2` and `b^3`. The third is used for
    /// `c >= -1/2` only, and the last for `c > 0`.
    fn moments(&self, gap: V<S>) -> [V<S>; 4];

    /// `((1 + e)^c - 1) / c`, a multiple of `e`, as a numerator and a denominator.
    fn deformed_log1p(e: V<S>) -> [V<S>; 2];
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
    fn solve<L: Layout>(
        group: &Group<'_, S, L>,
        scratch: [&mut [f32]; 2],
        probabilities: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        group.solve_softmax(scratch, probabilities)
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let u = self.scale * exp::<S>(self.offset - gap);
        (u, u)
    }

    #[inline(always)]
    fn weight(&self, gap: V<S>) -> V<S> {
        self.at(gap).0
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

    /// `u`, and `(u / u_max)^c`.
    #[inline(always)]
    fn ratio_and_slope(&self, gap: V<S>) -> (V<S>, V<S>) {
        let r = self.base(gap).recip();
        (Self::power(r), self.b * r)
    }

    /// `r^N`.
    #[inline(always)]
    fn power(r: V<S>) -> V<S> {
        match N {
            1 => r,
            2 => r * r,
            3 => r * r * r,
            _ => (r * r) * (r * r),
        }
    }
}

impl<S: Simd, const N: usize> RatioCurve<S> for Reciprocal<S, N> {
    #[inline(always)]
    fn new(root: &Root<S>) -> Self {
        Self::with_b(root.c, root.b)
    }

    #[inline(always)]
    fn solve<L: Layout>(
        group: &Group<'_, S, L>,
        _scratch: [&mut [f32]; 2],
        probabilities: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        group.solve_power::<Self>(probabilities)
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let (u, slope) = self.ratio_and_slope(gap);
        (u, u * slope)
    }

    const HAS_SMALL_ALPHA: bool = N == 1;

    #[inline(always)]
    fn weight(&self, gap: V<S>) -> V<S> {
        let r = self.base(gap).recip();
        Self::power(r) * r
    }

    #[inline(always)]
    fn log_u(&self, gap: V<S>) -> V<S> {
        let log_u = ln::<S>(self.base(gap)) * splat::<S>(-(N as f32));
        select_finite::<S>(gap, log_u, splat::<S>(f32::NEG_INFINITY))
    }

    #[inline(always)]
    fn log_slope(&self, gap: V<S>) -> V<S> {
        self.base(gap).recip()
    }
}

impl<S: Simd, const N: usize> PowerCurve<S> for Reciprocal<S, N> {
    const MOMENTS: usize = 4;

    #[inline(always)]
    fn with_b(c: V<S>, b: V<S>) -> Self {
        Self { b, c }
    }

    #[inline(always)]
    fn moments(&self, gap: V<S>) -> [V<S>; 4] {
        let r = self.base(gap).recip();
        let u = Self::power(r);
        let v = u * r;
        let x = v * r;
        [u, v, x, x * r]
    }

    #[inline(always)]
    fn deformed_log1p(e: V<S>) -> [V<S>; 2] {
        let one = splat::<S>(1.0);
        let root = (one + e).sqrt();
        match N {
            1 => [e, one],
            2 => [e + e, one + root],
            3 => {
                let log = log1p::<S>(e).0;
                [expm1_over::<S>(splat::<S>(1.0 / 3.0), log), one]
            }
            _ => [splat::<S>(4.0) * e, (one + root) * (one + root.sqrt())],
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
    fn solve<L: Layout>(
        group: &Group<'_, S, L>,
        _scratch: [&mut [f32]; 2],
        probabilities: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        group.solve_power::<Self>(probabilities)
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
    fn weight(&self, gap: V<S>) -> V<S> {
        let (zero, base) = (splat::<S>(0.0), self.base(gap));
        match N {
            1 => base.gt(zero).select(splat::<S>(1.0), zero),
            _ => base,
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
        base.gt(zero).select(base.recip(), zero)
    }
}

impl<S: Simd, const N: usize> PowerCurve<S> for Power<S, N> {
    const MOMENTS: usize = N + 1;

    #[inline(always)]
    fn with_b(c: V<S>, b: V<S>) -> Self {
        Self { b, c }
    }

    #[inline(always)]
    fn moments(&self, gap: V<S>) -> [V<S>; 4] {
        let (zero, base) = (splat::<S>(0.0), self.base(gap));
        let support = base.gt(zero).select(splat::<S>(1.0), zero);
        match N {
            1 => [base, support, zero, zero],
            _ => [base * base, base, support, zero],
        }
    }

    #[inline(always)]
    fn deformed_log1p(e: V<S>) -> [V<S>; 2] {
        let s = splat::<S>(1.0) + e;
        match N {
            1 => [e, s],
            _ => [e + e, s + s.sqrt()],
        }
    }
}

/// Any alpha: `ln u = l - ln(1 + z) / c`, `z = c g e^(c l)`.
pub(super) struct General<S: Simd> {
    /// `1 - alpha`, or [`SMALLEST_DEFORMATION`] if its magnitude is smaller.
    c: V<S>,
    /// `e^(c l)`.
    power: V<S>,
    c_power: V<S>,
    /// `1 / c`.
    inverse_c: V<S>,
    scale: V<S>,
    offset: V<S>,
    remainder: V<S>,
}

/// At this `c`, `ln(1 + z) / c` is the gap of every entry with a positive `u`, up to a few roundings.
const SMALLEST_DEFORMATION: f32 = 1e-18;

impl<S: Simd> General<S> {
    /// The rows with `c = 0`. The largest gaps need its own formulas.
    #[inline(always)]
    fn is_softmax(&self) -> M<S> {
        self.c.abs().le(splat::<S>(SMALLEST_DEFORMATION))
    }

    /// `z`, and whether `u` is positive.
    #[inline(always)]
    fn z(&self, gap: V<S>) -> (V<S>, M<S>) {
        let z = self.c_power * gap;
        let positive = z.gt(splat::<S>(-1.0)) & gap.lt(splat::<S>(f32::INFINITY));
        (z, positive)
    }

    /// `ln u - ln u_max` with the accuracy of `coarse_log1p`, and `r = (u / u_max)^c`, which is zero off the support.
    #[inline(always)]
    pub fn coarse_exponent_and_slope(&self, gap: V<S>) -> (V<S>, V<S>) {
        let zero = splat::<S>(0.0);
        let (z, positive) = self.z(gap);
        let r = (splat::<S>(1.0) + z).recip();
        let log_u = coarse_log1p::<S>(z) * (zero - self.inverse_c);
        (
            positive.select(log_u, splat::<S>(f32::MIN)),
            positive.select(r, zero),
        )
    }

    /// `(S^c - 1) / c` from `ln S`, with a relative error of at most `1e-3`.
    #[inline(always)]
    pub fn coarse_deformed(&self, log: V<S>) -> V<S> {
        let one = splat::<S>(1.0);
        let t = (self.c * log).min(splat::<S>(88.0));
        let series = t.mul_add(splat::<S>(1.0 / 24.0), splat::<S>(1.0 / 6.0));
        let series = t.mul_add(series, splat::<S>(0.5));
        let series = log * t.mul_add(series, one);
        let direct = (coarse_exp::<S>(t) - one) * self.inverse_c;
        t.abs().lt(splat::<S>(0.5)).select(series, direct)
    }

    /// The change of `-l` if `b` becomes `b (1 + c d)`, with a relative error of at most `1e-4`.
    #[inline(always)]
    pub fn coarse_step(&self, d: V<S>) -> V<S> {
        coarse_log1p::<S>(self.c * d) * self.inverse_c
    }

    /// The logarithm of `u` without the remainder of the root, and `r = (u / u_max)^c`, which is zero off the support.
    #[inline(always)]
    pub fn exponent_and_slope(&self, gap: V<S>) -> (V<S>, V<S>) {
        let (z, positive) = self.z(gap);
        let (log, r) = log1p::<S>(z);
        let exponent = log.mul_add(splat::<S>(0.0) - self.inverse_c, self.offset);
        let lowest = splat::<S>(f32::MIN);
        (
            positive.select(exponent, lowest),
            positive.select(r, splat::<S>(0.0)),
        )
    }

    /// `u`, and `r = (u / u_max)^c`, which is zero off the support.
    #[inline(always)]
    fn ratio_and_slope(&self, gap: V<S>) -> (V<S>, V<S>) {
        let (exponent, r) = self.exponent_and_slope(gap);
        (self.ratio(exponent), r)
    }
}

impl<S: Simd> RatioCurve<S> for General<S> {
    #[inline(always)]
    fn new(root: &Root<S>) -> Self {
        let smallest = splat::<S>(SMALLEST_DEFORMATION);
        let c = root.c.abs().lt(smallest).select(smallest, root.c);
        Self {
            c,
            power: root.power,
            c_power: c * root.power,
            inverse_c: splat::<S>(1.0) / c,
            scale: root.scale(),
            offset: root.offset,
            remainder: root.remainder,
        }
    }

    #[inline(always)]
    fn solve<L: Layout>(
        group: &Group<'_, S, L>,
        scratch: [&mut [f32]; 2],
        probabilities: Option<&mut [MaybeUninit<f32>]>,
    ) -> Found<S> {
        group.solve_general(scratch, probabilities)
    }

    #[inline(always)]
    fn at(&self, gap: V<S>) -> (V<S>, V<S>) {
        let (u, r) = self.ratio_and_slope(gap);
        (u, u * r)
    }

    const IS_SPLIT: bool = true;

    const HAS_SMALL_ALPHA: bool = true;

    #[inline(always)]
    fn exponent(&self, gap: V<S>) -> V<S> {
        self.exponent_and_slope(gap).0
    }

    #[inline(always)]
    fn ratio(&self, exponent: V<S>) -> V<S> {
        self.scale * exp::<S>(exponent)
    }

    #[inline(always)]
    fn weight(&self, gap: V<S>) -> V<S> {
        self.ratio(self.exponent(gap)) * self.log_slope(gap)
    }

    #[inline(always)]
    fn log_u(&self, gap: V<S>) -> V<S> {
        let (z, positive) = self.z(gap);
        let log = log1p::<S>(z).0;
        let log_u = log.mul_add(splat::<S>(0.0) - self.inverse_c, self.offset);
        let log_u = self.is_softmax().select(self.offset - gap, log_u) + self.remainder;
        positive.select(log_u, splat::<S>(f32::NEG_INFINITY))
    }

    #[inline(always)]
    fn log_slope(&self, gap: V<S>) -> V<S> {
        let (z, positive) = self.z(gap);
        let r = (splat::<S>(1.0) + z).recip();
        let r = self.is_softmax().select(splat::<S>(1.0), r);
        positive.select(r * self.power, splat::<S>(0.0))
    }
}

#[inline(always)]
fn select_finite<S: Simd>(gap: V<S>, value: V<S>, otherwise: V<S>) -> V<S> {
    gap.lt(splat::<S>(f32::INFINITY)).select(value, otherwise)
}
