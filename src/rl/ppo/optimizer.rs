#[cfg(any(feature = "flex", feature = "ndarray"))]
use super::adam::HostAdam;
use super::{ConfigError, PpoConfig};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use crate::rl::transfer::is_host;
use burn::Tensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{Adam, AdamConfig, AdamState, AdaptiveMomentumState, Optimizer};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use burn::tensor::{DType, TensorData};
use burn::tensor::{Device, Gradients};

/// Decay of the mean of the gradients.
pub(super) const BETA_1: f32 = 0.9;

/// Decay of the mean of the squared gradients.
pub(super) const BETA_2: f32 = 0.999;

/// Burn's Adam on all parameters of a module as one vector, with the gradient clipped by its norm.
///
/// Burn's own module optimizer steps each parameter separately, which costs some fifteen operations per
/// parameter, and clips each gradient separately.
#[derive(Clone)]
pub struct ClippedAdam {
    adam: Adam,
    max_grad_norm: f64,
    /// The parameters, one after another in the order of the module's visitors.
    parameters: Tensor<1>,
    state: Option<AdamState<1>>,
}

/// Adam's moments of all parameters, as a module so that they are saved and loaded together.
#[derive(Module, Debug)]
pub struct Moments {
    /// Decaying mean of the gradients.
    first: Param<Tensor<1>>,
    /// Decaying mean of the squared gradients.
    second: Param<Tensor<1>>,
}

impl Moments {
    /// Creates moments of zero, into which a record can be loaded.
    pub fn new(parameters: usize, device: &Device) -> Self {
        let zeros = || Param::from_tensor(Tensor::zeros([parameters], device));
        Self {
            first: zeros(),
            second: zeros(),
        }
    }
}

impl ClippedAdam {
    /// Creates the optimizer of a module. [`step`](Self::step) continues from its own copy of the parameters,
    /// so a module whose parameters change elsewhere needs a new optimizer.
    pub fn new<M: Module>(module: &M, config: &PpoConfig) -> Self {
        Self {
            adam: AdamConfig::new()
                .with_beta_1(BETA_1)
                .with_beta_2(BETA_2)
                .with_epsilon(config.adam_epsilon as f32)
                .build(),
            max_grad_norm: config.max_grad_norm,
            parameters: flat_parameters(module),
            state: None,
        }
    }

    /// Steps the module along the gradients of its parameters. Returns the module and the norm of all
    /// gradients together before clipping, `[1]`. Nothing is read back from the device.
    pub fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        module: M,
        mut gradients: Gradients,
    ) -> (M, Tensor<1>) {
        let mut collector = GradientCollector(&mut gradients, Vec::new());
        module.visit(&mut collector);
        let gradient = Tensor::cat(collector.1, 0);
        let norm = gradient.clone().square().sum().sqrt();
        let factor = (norm.clone() + 1e-6)
            .recip()
            .mul_scalar(self.max_grad_norm)
            .clamp_max(1.0);
        let (parameters, state) = self.adam.step(
            learning_rate,
            self.parameters.clone(),
            gradient * factor,
            self.state.take(),
        );
        self.state = state;
        self.parameters = parameters;
        (self.write_to(module), norm)
    }

    /// Replaces the parameters of the module by those of the optimizer.
    fn write_to<M: Module>(&self, module: M) -> M {
        module.map(&mut Unflatten {
            parameters: self.parameters.clone(),
            offset: 0,
        })
    }

    /// Returns whether the parameters are `f32` in the memory of the host.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(super) fn is_on_host(&self) -> bool {
        is_host(&self.parameters.device()) && self.parameters.dtype() == DType::F32
    }

    /// Returns the parameters and their moments on the host. [`set_host`](Self::set_host) writes them back.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(super) fn to_host(&self, config: &PpoConfig) -> HostAdam {
        let values = |tensor: &Tensor<1>| tensor.to_data().iter().collect::<Vec<f32>>();
        let zeros = || vec![0.0; self.parameters.dims()[0]];
        let momentum = self.state.as_ref().map(|state| &state.momentum);
        HostAdam {
            parameters: values(&self.parameters),
            first: momentum.map_or_else(zeros, |m| values(&m.moment_1)),
            second: momentum.map_or_else(zeros, |m| values(&m.moment_2)),
            steps: self.steps(),
            epsilon: config.adam_epsilon as f32,
            max_grad_norm: config.max_grad_norm as f32,
        }
    }

    /// Continues from the parameters and moments of the host. Returns the module with these parameters.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(super) fn set_host<M: Module>(&mut self, host: HostAdam, module: M) -> M {
        let device = self.parameters.device();
        let count = host.parameters.len();
        let tensor = |values| Tensor::from_data(TensorData::new(values, [count]), &device);
        self.parameters = tensor(host.parameters);
        let (first, second) = (tensor(host.first), tensor(host.second));
        let momentum = AdaptiveMomentumState::new(host.steps, first, second);
        self.state = Some(AdamState::new(momentum));
        self.write_to(module)
    }

    /// Returns half the mean of the absolute values of all parameters, `[1]`, which is finite if and only if
    /// every parameter is. Their sum can overflow although each is finite.
    pub(super) fn half_mean_magnitude(&self) -> Tensor<1> {
        let count = self.parameters.dims()[0] as f64;
        self.parameters.clone().abs().mul_scalar(0.5 / count).sum()
    }

    /// Returns the number of steps made.
    pub fn steps(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.momentum.time)
    }

    /// Returns the moments, or `None` before the first step.
    pub fn moments(&self) -> Option<Moments> {
        // Fixed ids, so that equal moments give equal bytes.
        self.state.as_ref().map(|state| Moments {
            first: Param::initialized(ParamId::from(1), state.momentum.moment_1.clone()),
            second: Param::initialized(ParamId::from(2), state.momentum.moment_2.clone()),
        })
    }

    /// Continues after `steps` steps with the given moments.
    ///
    /// # Errors
    ///
    /// If the moments do not have one entry for each parameter, or if they are missing after the first step.
    pub fn restore(&mut self, steps: usize, moments: Option<Moments>) -> Result<(), ConfigError> {
        let count = self.parameters.dims()[0];
        self.state = match moments {
            None if steps > 0 => {
                let wanted = format!("{count} after {steps} steps, one for each parameter");
                return Err(ConfigError::new("the number of moments", 0, &wanted));
            }
            None => None,
            Some(Moments { first, second }) => {
                let moment = |moment: Param<Tensor<1>>| {
                    let tensor = moment.val().to_device(&self.parameters.device());
                    let [given] = tensor.dims();
                    if given == count {
                        Ok(tensor)
                    } else {
                        let wanted = format!("{count}, one for each parameter");
                        Err(ConfigError::new("the number of moments", given, &wanted))
                    }
                };
                let momentum = AdaptiveMomentumState::new(steps, moment(first)?, moment(second)?);
                Some(AdamState::new(momentum))
            }
        };
        Ok(())
    }
}

/// Returns the parameters of a module as one vector, in the order of the module's visitors.
pub(super) fn flat_parameters<M: Module>(module: &M) -> Tensor<1> {
    let mut parameters = ParameterCollector(Vec::new());
    module.visit(&mut parameters);
    Tensor::cat(parameters.0, 0)
}

/// Collects the parameters of a module as vectors.
struct ParameterCollector(Vec<Tensor<1>>);

impl ModuleVisitor for ParameterCollector {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0.push(parameter.val().inner().reshape([-1]));
    }
}

/// Collects the gradients of the parameters, and removes them from the result of a backward pass.
struct GradientCollector<'a>(&'a mut Gradients, Vec<Tensor<1>>);

impl ModuleVisitor for GradientCollector<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let parameter = parameter.val();
        let gradient = parameter
            .grad_remove(self.0)
            // The loss does not depend on this parameter.
            .unwrap_or_else(|| parameter.inner().zeros_like());
        self.1.push(gradient.reshape([-1]));
    }
}

/// Replaces the parameters by the entries of a vector.
struct Unflatten {
    parameters: Tensor<1>,
    offset: usize,
}

impl ModuleMapper for Unflatten {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, old, mapper) = parameter.consume();
        let shape = old.shape();
        let end = self.offset + shape.num_elements();
        let new = self.parameters.clone().slice(self.offset..end);
        self.offset = end;
        let new = Tensor::from_inner(new.reshape(shape)).require_grad();
        Param::from_mapped_value(id, new, mapper)
    }
}

/// Returns the module with parameter ids 1, 2, .. in the order of its visitors, so that equal parameters are
/// saved as equal bytes.
pub(super) fn with_sequential_ids<M: Module>(module: M) -> M {
    module.map(&mut SequentialIds(0))
}

struct SequentialIds(u64);

impl ModuleMapper for SequentialIds {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let (_, tensor, mapper) = parameter.consume();
        Param::from_mapped_value(ParamId::from(self.0), tensor, mapper)
    }
}

#[cfg(all(test, feature = "flex"))]
pub(super) mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};
    use crate::rl::policy::{ActorCritic, NetworkConfig};
    use burn::optim::GradientsParams;

    /// Applies a function to each parameter and to the number of entries before it.
    struct Map<F>(F, usize);

    impl<F: FnMut(Tensor<1>, usize) -> Tensor<1>> ModuleMapper for Map<F> {
        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, old, mapper) = parameter.consume();
            let shape = old.shape();
            let new = (self.0)(old.inner().reshape([-1]), self.1);
            self.1 += shape.num_elements();
            let new = Tensor::from_inner(new.reshape(shape)).require_grad();
            Param::from_mapped_value(id, new, mapper)
        }
    }

    /// Returns the module with every parameter multiplied by `factor`.
    pub(in crate::rl::ppo) fn scaled<M: Module>(module: M, factor: f32) -> M {
        module.map(&mut Map(|p: Tensor<1>, _| p.mul_scalar(factor), 0))
    }

    /// Returns entries of a direction in the space of the parameters, from entry `begin` on.
    fn direction(begin: usize, count: usize) -> Vec<f32> {
        (begin..begin + count)
            .map(|i| (i as f32 * 0.7).sin())
            .collect()
    }

    /// Returns the module with its parameters moved by `step` along the direction.
    pub(in crate::rl::ppo) fn moved<M: Module>(module: M, step: f32) -> M {
        module.map(&mut Map(
            |p: Tensor<1>, begin| {
                let [count] = p.dims();
                let along = Tensor::<1>::from_data(&direction(begin, count)[..], &p.device());
                p + along.mul_scalar(step)
            },
            0,
        ))
    }

    /// Returns the gradients of all parameters as one vector.
    pub(in crate::rl::ppo) fn flat_gradient<M: Module>(
        module: &M,
        mut gradients: Gradients,
    ) -> Vec<f32> {
        let mut collector = GradientCollector(&mut gradients, Vec::new());
        module.visit(&mut collector);
        Tensor::cat(collector.1, 0).into_data().iter().collect()
    }

    /// Returns the derivative along the direction.
    pub(in crate::rl::ppo) fn dot_of_gradient<M: Module>(module: &M, gradients: Gradients) -> f64 {
        let gradient = flat_gradient(module, gradients);
        gradient
            .iter()
            .zip(direction(0, gradient.len()))
            .map(|(&g, d)| f64::from(g) * f64::from(d))
            .sum()
    }

    fn model(device: &Device) -> ActorCritic {
        let network = NetworkConfig {
            hidden: vec![5, 3],
            ..NetworkConfig::default()
        };
        let mut weights = stream(2, Purpose::Weights, 0);
        ActorCritic::new(4, 2, &network, 0.5, device, &mut weights)
    }

    fn gradients(model: &ActorCritic, device: &Device) -> Gradients {
        let x = Tensor::<2>::from_data([[0.3, -1.0, 0.2, 2.0], [1.0, 0.1, -0.4, 0.7]], device);
        let (logits, values) = model.forward(x);
        (logits.square().sum() + (values - 1.0).square().sum()).backward()
    }

    pub(in crate::rl::ppo) fn parameters_of<M: Module>(module: &M) -> Vec<f32> {
        flat_parameters(module).into_data().iter().collect()
    }

    /// Without clipping, a step on one vector equals Burn's own step on each parameter.
    #[test]
    fn it_is_adam_on_each_parameter() {
        let device = Device::flex().autodiff();
        let config = PpoConfig {
            max_grad_norm: 1e9,
            ..PpoConfig::default()
        };
        let mut ours = model(&device);
        let mut theirs = ours.clone();
        let mut clipped = ClippedAdam::new(&ours, &config);
        let mut burns = AdamConfig::new().with_epsilon(1e-5).init();
        for _ in 0..5 {
            let gradient = gradients(&ours, &device);
            ours = clipped.step(1e-2, ours, gradient).0;
            let gradient = gradients(&theirs, &device);
            let gradient = GradientsParams::from_grads(gradient, &theirs);
            theirs = burns.step(1e-2, theirs, gradient);
        }
        assert_eq!(clipped.steps(), 5);
        for (ours, theirs) in parameters_of(&ours).iter().zip(parameters_of(&theirs)) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
    }

    /// The sum of these parameters overflows, and an infinite one is not hidden by the others.
    #[test]
    fn finite_parameters_are_finite_at_any_size() {
        let device = Device::flex().autodiff();
        let optimizer = |value: f32, first: f32| {
            let fill = |p: Tensor<1>, begin: usize| {
                let filled = p.zeros_like().add_scalar(value);
                if begin == 0 {
                    filled.slice_assign(0..1, Tensor::from_data([first], &p.device()))
                } else {
                    filled
                }
            };
            let model = model(&device).map(&mut Map(fill, 0));
            let mean = ClippedAdam::new(&model, &PpoConfig::default()).half_mean_magnitude();
            mean.into_scalar::<f32>()
        };
        assert!(optimizer(f32::MAX, f32::MAX).is_finite());
        for first in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert!(!optimizer(1.0, first).is_finite());
        }
    }

    #[test]
    fn missing_moments_are_an_error() {
        let model = model(&Device::flex().autodiff());
        let mut optimizer = ClippedAdam::new(&model, &PpoConfig::default());
        assert!(optimizer.restore(0, None).is_ok());
        let error = optimizer.restore(3, None).expect_err("no moments");
        assert!(error.to_string().contains("after 3 steps"), "{error}");
    }

    #[test]
    fn the_norm_is_that_of_all_parameters_and_is_clipped() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let mut gradient = gradients(&model, &device);
        let mut collector = GradientCollector(&mut gradient, Vec::new());
        model.visit(&mut collector);
        let squares = Tensor::cat(collector.1, 0)
            .square()
            .sum()
            .into_scalar::<f32>();
        let limit = f64::from(squares).sqrt() / 4.0;
        let config = PpoConfig {
            max_grad_norm: limit,
            ..PpoConfig::default()
        };
        let mut optimizer = ClippedAdam::new(&model, &config);
        let gradient = gradients(&model, &device);
        let (_, norm) = optimizer.step(1e-3, model, gradient);
        assert!((f64::from(norm.into_scalar::<f32>()) - 4.0 * limit).abs() < 1e-4 * limit);
        // After one step the first moment is a tenth of the clipped gradient.
        let first = optimizer.moments().expect("a step was made").first.val();
        let norm = first.square().sum().sqrt().into_scalar::<f32>();
        assert!((10.0 * f64::from(norm) - limit).abs() < 1e-4 * limit);
    }
}
