use clap::ValueEnum;
use tsallis_lab::Divergence;

/// A named grid. Options replace its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// A grid that takes seconds: NChain 10; alphas 0.1, 0.5, 0.9 and 1; step sizes 0.1 and 1; temperatures 0.01 and
    /// 0.1.
    #[default]
    Quick,
    /// The grid of the authors of arXiv 2601.12604: NChain 10, 15, 20 and DeepSea 10, 15; alphas 0.1, 0.3, 0.5, 0.7,
    /// 0.9 and 1; step sizes 0.01, 0.1 and 1; temperatures 0.0001 to 1 by factors of ten.
    Paper,
    /// Larger MDPs: NChain 15, 20 and DeepSea 20, 25, 30; alphas 0.1, 0.3, 0.5, 0.7 and 0.9; step
    /// sizes 0.01, 0.1 and 1; temperatures 0.01, 0.1 and 1.
    Large,
}

/// The values of a preset.
pub(super) struct PresetValues {
    pub(super) processes: Vec<String>,
    pub(super) alphas: Vec<Divergence>,
    pub(super) step_sizes: Vec<f64>,
    pub(super) temperatures: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) horizon: usize,
    pub(super) batch: usize,
    pub(super) seeds: u64,
    pub(super) every: usize,
}

impl Preset {
    pub(super) fn values(self) -> PresetValues {
        let of = |kind: &str, sizes: &[usize]| -> Vec<String> {
            sizes.iter().map(|size| format!("{kind}:{size}")).collect()
        };
        let tsallis = Divergence::Tsallis;
        let paper = PresetValues {
            processes: [of("nchain", &[10, 15, 20]), of("deepsea", &[10, 15])].concat(),
            alphas: [0.1, 0.3, 0.5, 0.7, 0.9, 1.0].map(tsallis).to_vec(),
            step_sizes: vec![0.01, 0.1, 1.0],
            temperatures: vec![1e-4, 1e-3, 0.01, 0.1, 1.0],
            iterations: 20_000,
            horizon: 25,
            batch: 2,
            seeds: 16,
            every: 300,
        };
        match self {
            Self::Paper => paper,
            Self::Quick => PresetValues {
                processes: of("nchain", &[10]),
                alphas: [0.1, 0.5, 0.9, 1.0].map(tsallis).to_vec(),
                step_sizes: vec![0.1, 1.0],
                temperatures: vec![0.01, 0.1],
                seeds: 4,
                ..paper
            },
            Self::Large => PresetValues {
                processes: [of("nchain", &[15, 20]), of("deepsea", &[20, 25, 30])].concat(),
                alphas: [0.1, 0.3, 0.5, 0.7, 0.9].map(tsallis).to_vec(),
                temperatures: vec![0.01, 0.1, 1.0],
                horizon: 30,
                ..paper
            },
        }
    }
}
