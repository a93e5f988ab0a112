//! `u = p / q` as a function of the gap `x_max - x` for the root of a row: `math::RatioCurve`, `kernels/ratio.wgsl`.

use super::elementary::{exp, is_not_finite, ln, log1p, log1p_over};
use super::kernel::CurveKind;
use crate::math::Real;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// `math::Real::LOG_SPACE`, and the largest product whose logarithm is computed directly.
pub(super) const LOG_SPACE: f32 = <f32 as Real>::LOG_SPACE;
pub(super) const MAX_PRODUCT: f32 = 1e36;

/// The curve of a root.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Curve {
    c: f32,
    /// `ln u_max`
    pub l: f32,
    /// `e^(c l)`, and the gap above which products with it are computed in log space.
    pub power: f32,
    largest_gap: f32,
    log_space: bool,
    /// Whether the root is the support radius, and the support radius as a sum of two numbers.
    by_support_radius: bool,
    support_radius: f32,
    support_radius_low: f32,
    /// `u_max^-c` of a closed form.
    b: f32,
    #[cube(comptime)]
    kind: CurveKind,
}

#[cube]
impl Curve {
    /// The curve of the root `ln u_max`, or of the support radius `root + low`.
    pub fn new(
        c: f32,
        root: f32,
        low: f32,
        by_support_radius: bool,
        #[comptime] kind: CurveKind,
    ) -> Self {
        let mut l = root;
        if comptime!(kind.may_be_steep()) {
            if by_support_radius {
                l = ln(-c * root) / -c;
            }
        }
        let power = exp(c * l);
        let mut b = 1.0f32;
        if comptime!(kind.closed_form().is_some()) {
            b = exp(-c * l);
        }
        Curve {
            c,
            l,
            power,
            largest_gap: MAX_PRODUCT / (max(power, 1.0f32) * max(c.abs(), 1.0f32)),
            log_space: c * l > LOG_SPACE,
            by_support_radius,
            support_radius: root,
            support_radius_low: low,
            b,
            kind,
        }
    }

    /// Whether the power `e^(c l)` is not a factor of the formulas.
    pub fn is_without_power(&self) -> bool {
        if comptime!(self.kind.may_be_steep()) {
            self.by_support_radius || self.log_space
        } else {
            self.log_space
        }
    }

    /// `u` and `u (u / u_max)^c`. Both are zero off the support.
    pub fn mass_at(&self, gap: Gap) -> (f32, f32) {
        let (u, weight, _, _) = self.moments_at(gap);
        (u, weight)
    }

    /// `u`, `u r`, `u r^2` and `u r^3`, `r = (u / u_max)^c`. All are zero off the support. The third is used from `c = -1/2`
    /// on, and the last one above `c = 0`: at the edge of the support, `r` is infinite.
    pub fn moments_at(&self, gap: Gap) -> (f32, f32, f32, f32) {
        let form = comptime!(self.kind.closed_form().unwrap_or(0));
        let mut u = 0.0f32;
        let mut weight = 0.0f32;
        let mut second = 0.0f32;
        let mut third = 0.0f32;
        if comptime!(form > 0) {
            let inverse = 1.0f32 / (self.b + self.c * gap.value);
            if comptime!(form == 1) {
                u = inverse;
            } else if comptime!(form == 2) {
                u = inverse * inverse;
            } else if comptime!(form == 3) {
                u = inverse * inverse * inverse;
            } else {
                u = (inverse * inverse) * (inverse * inverse);
            }
            let r = self.b * inverse;
            weight = u * r;
            second = weight * r;
            third = second * r;
        } else if comptime!(form < 0) {
            let base = self.b + self.c * gap.value;
            if base > 0.0f32 {
                if comptime!(form == -1) {
                    u = base;
                    weight = self.b;
                } else {
                    u = base * base;
                    weight = base * self.b;
                    second = self.b * self.b;
                }
            }
        } else {
            let ratio = self.ratio_at(gap);
            if ratio.on_support {
                let r = ratio.relative_slope;
                u = exp(ratio.log_u);
                weight = u * r;
                if self.c >= -0.5f32 {
                    second = weight * r;
                }
                if self.c > 0.0f32 {
                    third = second * r;
                }
            }
        }
        (u, weight, second, third)
    }

    /// `math::RatioCurve::at`
    pub fn ratio_at(&self, gap: Gap) -> Ratio {
        let kind = comptime!(self.kind);
        let mut on_support = true;
        let mut log_u = 0.0f32;
        let mut log_drop = 0.0f32;
        let mut relative_slope = 1.0f32;
        if comptime!(kind == CurveKind::Softmax) {
            log_u = self.l - gap.value;
            log_drop = gap.value;
        } else {
            let mut is_done = false;
            if comptime!(kind.may_be_steep()) {
                if self.by_support_radius {
                    is_done = true;
                    let left = (self.support_radius - gap.value)
                        + (self.support_radius_low - gap.remainder);
                    if left <= 0.0f32 {
                        on_support = false;
                    } else {
                        log_drop = log1p_saturating(gap.value / left) / -self.c;
                        log_u = ln(-self.c * left) / -self.c;
                        relative_slope = self.support_radius / left;
                    }
                }
            }
            if !is_done {
                if self.log_space || gap.value > self.largest_gap {
                    if gap.value <= 0.0f32 {
                        log_u = self.l;
                    } else if self.c == 0.0f32 {
                        log_u = self.l - gap.value;
                        log_drop = gap.value;
                    } else {
                        let t = ln(self.c.abs()) + ln(gap.value) + self.c * self.l;
                        let mut log_base = 0.0f32;
                        if self.c > 0.0f32 {
                            log_base = max(t, 0.0f32) + log1p(exp(-t.abs()));
                        } else if t >= 0.0f32 {
                            on_support = false;
                        } else {
                            log_base = log1p(-exp(t));
                        }
                        log_drop = log_base / self.c;
                        log_u = self.l - log_drop;
                        relative_slope = exp(-log_base);
                    }
                } else {
                    let x = gap.value * self.power;
                    let z = self.c * x;
                    if z <= -1.0f32 {
                        on_support = false;
                    } else {
                        log_drop = log1p_over(self.c, x);
                        log_u = self.l - log_drop;
                        relative_slope = 1.0f32 / (1.0f32 + z);
                    }
                }
            }
        }
        Ratio {
            on_support,
            log_u,
            log_drop,
            relative_slope,
        }
    }
}

/// The ratio of an entry. Off the support, the numbers have no meaning.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Ratio {
    pub on_support: bool,
    pub log_u: f32,
    /// `ln u_max - ln u`
    pub log_drop: f32,
    /// `(u / u_max)^c`
    pub relative_slope: f32,
}

/// `x_max - x` of an allowed entry, and its rounding error: `math::Gap`.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Gap {
    pub value: f32,
    pub remainder: f32,
}

#[cube]
impl Gap {
    pub fn between(row_max: f32, x: f32) -> Self {
        let mut value = row_max - x;
        let x_seen = row_max - value;
        let max_seen = value + x_seen;
        let mut remainder = (row_max - max_seen) + (x_seen - x);
        if is_not_finite(value) {
            // The difference of finite logits may overflow.
            value = f32::MAX;
            remainder = 0.0f32;
        }
        Gap { value, remainder }
    }
}

/// `ln(1 + z)` for a `z >= 0` that may be infinite.
#[cube]
fn log1p_saturating(z: f32) -> f32 {
    if z > MAX_PRODUCT || is_not_finite(z) {
        ln(min(z, f32::MAX))
    } else {
        log1p(z)
    }
}

/// The curve as plain Rust.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{self, Tsallis, closed_form};

    /// The kind of a number, and the kind of a tensor, which computes every number.
    fn kinds(alpha: f64) -> [CurveKind; 2] {
        [CurveKind::of_number(alpha), CurveKind::Any]
    }

    #[test]
    fn every_kind_is_the_curve_of_the_scalar_layer() {
        for alpha in [
            -3.0,
            0.0,
            0.5,
            2.0 / 3.0,
            0.7,
            0.75,
            1.0,
            1.2,
            1.5,
            2.0,
            2.5,
            8.0,
        ] {
            let c = (1.0 - alpha) as f32;
            for l in [-2.0_f32, 0.0, 0.3, 2.0] {
                let exact = math::RatioCurve::new(&Tsallis::new(alpha), f64::from(l));
                for kind in kinds(alpha) {
                    let curve = Curve::new(c, l, 0.0, false, kind);
                    for gap in [0.0_f32, 1e-6, 0.1, 0.5, 3.0, 40.0] {
                        let expected = exact.at(math::Gap::between(f64::from(gap), 0.0));
                        let gap = Gap::between(gap, 0.0);
                        // A gap at the edge of the support may fall on either side.
                        let is_at_edge = expected.relative_slope > 1e4;
                        let ratio = curve.ratio_at(gap);
                        let what = format!("alpha {alpha}, l {l}, gap {}, {kind:?}", gap.value);
                        if is_at_edge {
                            continue;
                        }
                        assert_eq!(ratio.on_support, expected.is_on_support(), "{what}");
                        if !ratio.on_support {
                            assert_eq!(curve.mass_at(gap).0, 0.0, "{what}");
                            continue;
                        }
                        let error = (f64::from(ratio.log_u) - expected.log_u).abs();
                        assert!(error < 2e-6 * (1.0 + expected.log_u.abs()), "{what}");
                        let u = expected.log_u.exp();
                        let (mass, weight) = curve.mass_at(gap);
                        assert!((f64::from(mass) - u).abs() < 1e-5 * u, "{what}: {mass}");
                        let expected = u * expected.relative_slope;
                        assert!(
                            (f64::from(weight) - expected).abs() < 1e-5 * expected,
                            "{what}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_support_radius_is_the_same_curve() {
        for alpha in [2.5, 4.0, 20.0] {
            let c = (1.0 - alpha) as f32;
            let l = -0.3_f32;
            // m = u_max^(alpha - 1) / (alpha - 1)
            let m = (f64::from(-c) * f64::from(l)).exp() / f64::from(-c);
            let low = (m - f64::from(m as f32)) as f32;
            let by_root = Curve::new(c, l, 0.0, false, CurveKind::Steep);
            let by_radius = Curve::new(c, m as f32, low, true, CurveKind::Steep);
            for share in [0.0, 0.1, 0.5, 0.9] {
                let gap = Gap::between((m * share) as f32, 0.0);
                let (a, b) = (by_root.ratio_at(gap), by_radius.ratio_at(gap));
                assert!((a.log_u - b.log_u).abs() < 1e-5, "{alpha} {share}");
            }
            assert!(
                !by_radius
                    .ratio_at(Gap::between(1.1 * m as f32, 0.0))
                    .on_support
            );
        }
    }

    #[test]
    fn a_gap_keeps_its_rounding_error() {
        let gap = Gap::between(1.0, 1e-20);
        assert_eq!((gap.value, gap.remainder), (1.0, -1e-20));
        let gap = Gap::between(f32::MAX, f32::MIN);
        assert_eq!((gap.value, gap.remainder), (f32::MAX, 0.0));
    }

    #[test]
    fn every_alpha_has_a_kind() {
        for (alpha, kind) in [
            (1.0, CurveKind::Softmax),
            (0.7, CurveKind::Gentle),
            (-5.0, CurveKind::Gentle),
            (2.1, CurveKind::Steep),
            (f64::NAN, CurveKind::Gentle),
        ] {
            assert_eq!(CurveKind::of_number(alpha), kind);
        }
        assert_eq!(CurveKind::of_number(0.5), CurveKind::Closed(2));
        assert_eq!(CurveKind::of_number(2.0).closed_form(), closed_form(2.0));
    }
}
