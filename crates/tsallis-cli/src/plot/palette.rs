use plotters::style::RGBColor;
use tsallis_lab::Divergence;

/// For thresholds and what else is only a reference.
pub(crate) const GRAY: RGBColor = RGBColor(130, 130, 130);

/// Colors of things without an order among them, apart for color-blind eyes too (Okabe and Ito).
pub(crate) const CATEGORIES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
];

/// From the heavy tail over the softmax, which is black, to the sparse side.
const ALPHA_STOPS: [(f64, RGBColor); 9] = [
    (0.0, RGBColor(120, 15, 75)),
    (0.1, RGBColor(165, 30, 60)),
    (0.3, RGBColor(228, 115, 30)),
    (0.5, RGBColor(205, 170, 0)),
    (0.7, RGBColor(70, 155, 60)),
    (0.9, RGBColor(45, 125, 190)),
    (1.0, RGBColor(30, 30, 30)),
    (1.5, RGBColor(115, 85, 175)),
    (2.0, RGBColor(60, 45, 130)),
];

/// The color of an order `alpha`, the same in every figure.
pub(crate) fn alpha_color(alpha: f64) -> RGBColor {
    interpolate(&ALPHA_STOPS, alpha)
}

/// The color of a divergence, the same in every figure.
pub(crate) fn divergence_color(divergence: Divergence) -> RGBColor {
    match divergence {
        Divergence::Tsallis(alpha) => alpha_color(alpha),
        Divergence::Hellinger => RGBColor(150, 120, 0),
        Divergence::JensenShannon => RGBColor(200, 110, 170),
        Divergence::LeCam => RGBColor(0, 150, 160),
    }
}

/// Dark blue over green to yellow, of even lightness steps, for `0..=1`.
pub(super) fn surface_color(share: f64) -> RGBColor {
    const STOPS: [(f64, RGBColor); 9] = [
        (0.0, RGBColor(68, 1, 84)),
        (0.125, RGBColor(71, 45, 123)),
        (0.25, RGBColor(59, 82, 139)),
        (0.375, RGBColor(44, 114, 142)),
        (0.5, RGBColor(33, 145, 140)),
        (0.625, RGBColor(40, 174, 128)),
        (0.75, RGBColor(94, 201, 98)),
        (0.875, RGBColor(173, 220, 48)),
        (1.0, RGBColor(253, 231, 37)),
    ];
    interpolate(&STOPS, share)
}

fn interpolate(stops: &[(f64, RGBColor)], at: f64) -> RGBColor {
    let above = stops.partition_point(|&(stop, _)| stop < at);
    let (Some(&(lo, from)), Some(&(hi, to))) = (stops.get(above.wrapping_sub(1)), stops.get(above))
    else {
        return stops[above.min(stops.len() - 1)].1;
    };
    let share = (at - lo) / (hi - lo);
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_interpolate_between_stops_and_clamp() {
        assert_eq!(alpha_color(1.0), RGBColor(30, 30, 30));
        assert_eq!(alpha_color(-3.0), ALPHA_STOPS[0].1);
        assert_eq!(alpha_color(9.0), ALPHA_STOPS[8].1);
        assert_eq!(surface_color(0.25), RGBColor(59, 82, 139));
        // No number is drawn as the largest.
        assert_eq!(surface_color(f64::NAN), RGBColor(68, 1, 84));
    }
}
