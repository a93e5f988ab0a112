//! Bandits: the gradient flow of two arms, and Tsallis-INF, whose weights are a Tsallis softargmax.

mod flow;
mod tsallis_inf;

pub use flow::{curvature_at_optimum, escape_time, escape_time_limit, probability_at};
pub use tsallis_inf::{Losses, Regret, TsallisInf, play};
