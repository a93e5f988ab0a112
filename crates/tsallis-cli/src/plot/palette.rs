use plotters::style::RGBColor;
use tsallis_lab::Divergence;

/// The color of thresholds and other reference lines.
pub(crate) const GRAY: RGBColor = RGBColor(130, 130, 130);

/// Colors of unordered categories that color-blind readers can tell apart (Okabe and Ito).
pub(crate) const CATEGORIES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
];

/// The dash and the gap in pixels of the lines of categories beyond the colors.
const DASHES: [Option<(u32, u32)>; 8] = [
    None,
    Some((12, 4)),
    Some((6, 5)),
    Some((2, 4)),
    Some((18, 6)),
    Some((12, 12)),
    Some((6, 12)),
    Some((2, 9)),
];

/// Returns the color and the dashes of a category. The first 56 differ from each other.
pub(crate) fn category(index: usize) -> (RGBColor, Option<(u32, u32)>) {
    let (round, color) = (index / CATEGORIES.len(), index % CATEGORIES.len());
    (CATEGORIES[color], DASHES[round % DASHES.len()])
}

/// Colors from heavy tails (alpha below 1) over softmax (alpha = 1, black) to sparse policies. The stops are not evenly
/// spaced, so the `DerivedColorMap` of plotters cannot hold them.
const ALPHA_STOPS: [(f64, RGBColor); 13] = [
    (-50.0, RGBColor(70, 70, 30)),
    (-1.0, RGBColor(90, 20, 130)),
    (0.0, RGBColor(120, 15, 75)),
    (0.1, RGBColor(165, 30, 60)),
    (0.3, RGBColor(228, 115, 30)),
    (0.5, RGBColor(205, 170, 0)),
    (0.7, RGBColor(70, 155, 60)),
    (0.9, RGBColor(45, 125, 190)),
    (1.0, RGBColor(30, 30, 30)),
    (1.5, RGBColor(115, 85, 175)),
    (2.0, RGBColor(60, 45, 130)),
    (5.0, RGBColor(0, 130, 130)),
    (50.0, RGBColor(0, 60, 40)),
];

/// The color of `alpha`, the same in every figure.
pub(crate) fn alpha_color(alpha: f64) -> RGBColor {
    let above = ALPHA_STOPS.partition_point(|&(stop, _)| stop < alpha);
    let (Some(&(lo, from)), Some(&(hi, to))) = (
        ALPHA_STOPS.get(above.wrapping_sub(1)),
        ALPHA_STOPS.get(above),
    ) else {
        return ALPHA_STOPS[above.min(ALPHA_STOPS.len() - 1)].1;
    };
    let share = (alpha - lo) / (hi - lo);
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn colors_interpolate_between_stops_and_clamp() {
        assert_eq!(alpha_color(1.0), RGBColor(30, 30, 30));
        assert_eq!(alpha_color(-60.0), ALPHA_STOPS[0].1);
        assert_eq!(alpha_color(60.0), ALPHA_STOPS[12].1);
    }

    #[test]
    fn no_two_of_many_lines_look_alike() {
        let rgb = |RGBColor(r, g, b)| (r, g, b);
        let styles: HashSet<_> = (0..56)
            .map(category)
            .map(|(color, dashes)| (rgb(color), dashes))
            .collect();
        assert_eq!(styles.len(), 56);
        let alphas = [-3.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
        let colors: HashSet<_> = alphas.map(alpha_color).into_iter().map(rgb).collect();
        assert_eq!(colors.len(), alphas.len());
    }
}
