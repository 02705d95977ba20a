//! The parameters of a pyramid.

use convgru_kernels::Scalar;

use crate::config::{ConvGruConfig, PyramidConfig, Residual};
use crate::error::{Error, Result, expect_count};
use crate::fused::cell::expect_layers;
use crate::fused::conv_gru::{ConvGru, ConvGruParameters};
use crate::layer::{Conv2dConfig, Conv2dParameters, draw_conv2d, take_conv2d};
use crate::parameters::{Parameters, Take};
use crate::random::Random;
use crate::tensor::Tensor;

/// The parameters of a [`Pyramid`](super::Pyramid), or their gradients; scales from the finest on.
///
/// Their names are `encoder.0.down.weight`, `encoder.0.layers.0.input_weights`, `forecaster.1.up.weight`,
/// `forecaster.1.layers.0.hidden_weights`, `head.output.weight` and so on.
#[derive(Debug, Clone, PartialEq)]
pub struct PyramidParameters<T> {
    /// The encoder at each scale.
    pub encoder: Vec<EncoderScaleParameters<T>>,
    /// The forecaster at each scale.
    pub forecaster: Vec<ForecasterScaleParameters<T>>,
    /// From the forecaster's finest states to pixels.
    pub head: HeadParameters<T>,
}

/// The encoder at one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderScaleParameters<T> {
    /// The convolution of the patches of the scale below: `[features, below down^2, k, k]`.
    pub down: Conv2dParameters<T>,
    /// The cells.
    pub cells: ConvGruParameters<T>,
}

/// The forecaster at one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecasterScaleParameters<T> {
    /// The convolution to patches of the scale below, `[down^2 features, channels, k, k]`; none at the finest scale.
    pub up: Option<Conv2dParameters<T>>,
    /// The cells.
    pub cells: ConvGruParameters<T>,
}

/// The convolutions of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadParameters<T> {
    /// The first of two.
    pub hidden: Option<Conv2dParameters<T>>,
    /// The last, to the patches of a frame of every member: `[down^2 members image_channels, channels, k, k]`.
    pub output: Conv2dParameters<T>,
}

impl<T: Scalar> PyramidParameters<T> {
    /// Weights drawn as a configuration says.
    ///
    /// All pixels of a patch begin with the same weights, so that what is up-sampled shows no pattern of patches
    /// (Aitken et al. 2017, arXiv 1707.02937). What is added to a frame begins with zeros; of several members, which would
    /// then learn the same for ever, with small numbers.
    pub(super) fn draw(config: &PyramidConfig, seed: u64) -> Result<Self> {
        let mut parts = 0;
        let mut next = || {
            parts += 1;
            seed.wrapping_mul(64).wrapping_add(parts)
        };
        let link = |config: Conv2dConfig, seed| draw_conv2d(&config, &mut Random::new(seed, 0));
        let encoder = (0..config.scales.len()).map(|scale| {
            Ok(EncoderScaleParameters {
                down: link(config.down(scale), next()),
                cells: ConvGru::new(config.encoder(scale), next())?.into_parameters(),
            })
        });
        let encoder = encoder.collect::<Result<_>>()?;
        let forecaster = (0..config.scales.len()).map(|scale| {
            let taps = config.scales[scale].down.pow(2);
            Ok(ForecasterScaleParameters {
                up: (scale > 0).then(|| draw_alike(config.up(scale), taps, next())),
                cells: ConvGru::new(config.forecaster(scale), next())?.into_parameters(),
            })
        });
        let forecaster = forecaster.collect::<Result<_>>()?;
        let taps = config.scales[0].down.pow(2);
        let mut head = HeadParameters {
            hidden: config.head_hidden().map(|config| link(config, next())),
            output: draw_alike(config.head_output(), taps, next()),
        };
        if config.residual != Residual::None {
            match config.members {
                1 => head.output.zero(),
                _ => head.output.weight.as_mut_slice().iter_mut().for_each(|w| *w *= T::from_f64(SMALL)),
            }
        }
        Ok(Self { encoder, forecaster, head })
    }

    /// Weights that are given one by one.
    pub(super) fn take(config: &PyramidConfig, take: &mut Take<'_, T>) -> Result<Self> {
        let link = |part: &str, config: Conv2dConfig, take: &mut Take<'_, T>| {
            take_conv2d(&config, &mut |name, shape| take(&format!("{part}.{name}"), shape))
        };
        let cells = |part: &str, config: ConvGruConfig, take: &mut Take<'_, T>| {
            let cells =
                ConvGru::from_tensors(config, &mut |name, shape| take(&format!("{part}.{name}"), shape))?;
            Ok::<_, Error>(cells.into_parameters())
        };
        let (mut encoder, mut forecaster) = (Vec::new(), Vec::new());
        for scale in 0..config.scales.len() {
            let part = format!("encoder.{scale}");
            encoder.push(EncoderScaleParameters {
                down: link(&format!("{part}.down"), config.down(scale), take)?,
                cells: cells(&part, config.encoder(scale), take)?,
            });
        }
        for scale in 0..config.scales.len() {
            let part = format!("forecaster.{scale}");
            let up = match scale {
                0 => None,
                _ => Some(link(&format!("{part}.up"), config.up(scale), take)?),
            };
            forecaster
                .push(ForecasterScaleParameters { up, cells: cells(&part, config.forecaster(scale), take)? });
        }
        let head = HeadParameters {
            hidden: config.head_hidden().map(|config| link("head.hidden", config, take)).transpose()?,
            output: link("head.output", config.head_output(), take)?,
        };
        Ok(Self { encoder, forecaster, head })
    }
}

impl<T: Scalar> PyramidParameters<T> {
    /// Fails unless they are those of a configuration.
    pub(super) fn expect(&self, config: &PyramidConfig) -> Result<()> {
        let scales = config.scales.len();
        expect_count("encoder", scales, self.encoder.len())?;
        expect_count("forecaster", scales, self.forecaster.len())?;
        for (scale, EncoderScaleParameters { down, cells }) in self.encoder.iter().enumerate() {
            down.expect(&format!("encoder.{scale}.down"), &config.down(scale))?;
            expect_layers(&format!("encoder.{scale}."), &config.encoder(scale), &cells.layers)?;
        }
        for (scale, ForecasterScaleParameters { up, cells }) in self.forecaster.iter().enumerate() {
            let expected = (scale > 0).then(|| config.up(scale));
            expect_link(&format!("forecaster.{scale}.up"), up.as_ref(), expected)?;
            expect_layers(&format!("forecaster.{scale}."), &config.forecaster(scale), &cells.layers)?;
        }
        expect_link("head.hidden", self.head.hidden.as_ref(), config.head_hidden())?;
        self.head.output.expect("head.output", &config.head_output())
    }
}

/// Fails unless there is a convolution exactly where there should be one, and it is that.
fn expect_link<T: Scalar>(
    name: &str,
    link: Option<&Conv2dParameters<T>>,
    expected: Option<Conv2dConfig>,
) -> Result<()> {
    match (link, expected) {
        (Some(link), Some(config)) => link.expect(name, &config),
        (link, expected) => expect_count(name, usize::from(expected.is_some()), usize::from(link.is_some())),
    }
}

/// The share of drawn weights with which members begin that are added to a frame.
const SMALL: f64 = 0.1;

/// Weights of a convolution to patches, the same for each of `taps` pixels.
fn draw_alike<T: Scalar>(config: Conv2dConfig, taps: usize, seed: u64) -> Conv2dParameters<T> {
    let one = Conv2dConfig { out_channels: config.out_channels / taps, ..config };
    let Conv2dParameters { weight, .. } = draw_conv2d::<T>(&one, &mut Random::new(seed, 0));
    let [kh, kw] = config.kernel_size;
    let all = weight.as_slice().repeat(taps);
    Conv2dParameters {
        weight: Tensor::from_vec(&[config.out_channels, config.in_channels, kh, kw], all)
            .expect("weights were drawn for one pixel of a patch and repeated for each"),
        bias: config.bias.then(|| Tensor::zeros(&[config.out_channels])),
    }
}

impl<T: Scalar> Parameters<T> for PyramidParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        let mut under = |prefix: String, part: &dyn Parameters<T>| {
            part.for_each(&mut |name, tensor| visit(&format!("{prefix}.{name}"), tensor));
        };
        for (scale, EncoderScaleParameters { down, cells }) in self.encoder.iter().enumerate() {
            under(format!("encoder.{scale}.down"), down);
            under(format!("encoder.{scale}"), cells);
        }
        for (scale, ForecasterScaleParameters { up, cells }) in self.forecaster.iter().enumerate() {
            if let Some(up) = up {
                under(format!("forecaster.{scale}.up"), up);
            }
            under(format!("forecaster.{scale}"), cells);
        }
        if let Some(hidden) = &self.head.hidden {
            under("head.hidden".to_owned(), hidden);
        }
        under("head.output".to_owned(), &self.head.output);
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        let mut under = |prefix: String, part: &mut dyn Parameters<T>| {
            part.for_each_mut(&mut |name, tensor| visit(&format!("{prefix}.{name}"), tensor));
        };
        for (scale, EncoderScaleParameters { down, cells }) in self.encoder.iter_mut().enumerate() {
            under(format!("encoder.{scale}.down"), down);
            under(format!("encoder.{scale}"), cells);
        }
        for (scale, ForecasterScaleParameters { up, cells }) in self.forecaster.iter_mut().enumerate() {
            if let Some(up) = up {
                under(format!("forecaster.{scale}.up"), up);
            }
            under(format!("forecaster.{scale}"), cells);
        }
        if let Some(hidden) = &mut self.head.hidden {
            under("head.hidden".to_owned(), hidden);
        }
        under("head.output".to_owned(), &mut self.head.output);
    }
}
