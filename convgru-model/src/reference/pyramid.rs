//! The pyramid, by its definition.

use convgru_kernels::reference::Number;

use super::array::{Array, NamedArrays};
use super::cell::{CellOptions, CellParameters, stack_step, zero_states};
use super::forecast::{PredictionArrays, images, measured};
use super::layer::{activation, conv2d};
use crate::config::{ConvGruConfig, OutputActivation, PyramidConfig, Residual};
use crate::error::Result;
use crate::forecaster::NEAREST_TO_ZERO;
use crate::layer::{Activation, Conv2dConfig};
use crate::motion::OpticalFlow;
use crate::tensor::Tensor;

/// Reads a sequence and continues it by `steps` frames.
///
/// Frames are continued by zeros below and to the right. At each step each scale of the encoder reads the patches of
/// the new state below, as channels, through a convolution and a leaky rectifier. The forecaster starts from its
/// last states; at each step the coarsest scale goes on alone, and each finer one reads the new state above through a
/// convolution to patches of pixels and the rectifier, and with `skip` what the encoder read of the last frame, added before
/// the rectifier. With [`Residual::Motion`] the finest scale sees there what the encoder's first convolution makes of the
/// last frame carried on to that step, which is a constant: only its value counts, not what the input depends on. With an
/// exponent `s`, `exp(s x) - 1` of its numbers is carried on.
///
/// With [`mask_channel`](PyramidConfig::mask_channel) frames that are read have a mask as their last channel, which is not added; the mask of a
/// frame that is carried on is 1. The states that the encoder starts from are zeros where none are given.
///
/// # Shapes
/// `input`: `[T, N, C, H, W]`, T at least 1.
///
/// # Errors
/// [`Error::MissingTensor`](crate::Error::MissingTensor) for a parameter that is not there; shape errors as the layers.
pub fn pyramid<N: Number>(
    config: &PyramidConfig,
    parameters: &NamedArrays<N>,
    start: Option<Vec<Vec<Array<N>>>>,
    input: &Array<N>,
    steps: usize,
) -> Result<PredictionArrays<N>> {
    let scales = config.scales.len();
    let stacks = |side: &str, of: &dyn Fn(usize) -> ConvGruConfig| {
        let stack = |scale: usize| {
            let config = of(scale);
            let cells = CellParameters::find_stack(parameters, &format!("{side}.{scale}."), config.layers());
            let with =
                |cell| CellParameters { reset: config.reset, options: CellOptions::of(&config), ..cell };
            cells.map(|cells| cells.into_iter().map(with).collect::<Vec<_>>())
        };
        (0..scales).map(stack).collect::<Result<Vec<_>>>()
    };
    let encoder = stacks("encoder", &|scale| config.encoder(scale))?;
    let forecaster = stacks("forecaster", &|scale| config.forecaster(scale))?;
    let mut links = Links { parameters, slope: config.slope, nearest_kink: f64::INFINITY };

    let (mut states, mut read): (_, Vec<Array<N>>) = (start.unwrap_or_default(), Vec::new());
    let frames = input.shape().first().copied().unwrap_or(0);
    for t in 0..frames {
        let (mut new, mut below) = (Vec::new(), extended(&input.index(t)?, config.factor())?);
        read.clear();
        for (scale, cells) in encoder.iter().enumerate() {
            let features = links.features(config, scale, &below)?;
            let image = features.extent()?;
            let zeros = zero_states(cells, image.batch, [image.height, image.width]);
            let after = stack_step(cells, Some(&features), states.get(scale).unwrap_or(&zeros))?;
            below.clone_from(&after[after.len() - 1]);
            new.push(after);
            read.push(features);
        }
        states = new;
    }

    let encoder_states = states.clone();
    let seen = images(input, config.image_channels);
    let last_frame = seen.index(frames.saturating_sub(1))?;
    let carried = carried(config, &seen, steps)?;
    let (mut logits, mut outputs) = (Vec::new(), Vec::new());
    for t in 0..steps {
        let added = carried.as_ref().map_or(&last_frame, |carried| &carried[t]);
        let mut above: Option<Array<N>> = None;
        for scale in (0..scales).rev() {
            let features = match &above {
                None => None,
                Some(above) => {
                    let name = format!("forecaster.{}.up", scale + 1);
                    let patches = links.convolve(&config.up(scale + 1), &name, above)?;
                    let mut sum = depth_to_space(&patches, config.scales[scale + 1].down)?;
                    if config.skip && scale == 0 && carried.is_some() {
                        let frame = extended(&measured(added, config.mask_channel), config.factor())?;
                        sum = plus(&sum, &links.features(config, 0, &frame)?);
                    } else if config.skip {
                        sum = plus(&sum, &read[scale]);
                    }
                    Some(links.rectified(&sum))
                }
            };
            states[scale] = stack_step(&forecaster[scale], features.as_ref(), &states[scale])?;
            above = states[scale].last().cloned();
        }
        let mut top = states[0][states[0].len() - 1].clone();
        if let Some(hidden) = config.head_hidden() {
            let sum = links.convolve(&hidden, "head.hidden", &top)?;
            top = links.rectified(&sum);
        }
        let patches = links.convolve(&config.head_output(), "head.output", &top)?;
        let added = of_members(added, config.members);
        let frame = cropped(&depth_to_space(&patches, config.scales[0].down)?, added.shape());
        let frame = match (config.residual, config.output_activation) {
            (Residual::None, _) => frame,
            (Residual::LastFrame | Residual::Motion, OutputActivation::Identity) => plus(&frame, &added),
            (Residual::LastFrame | Residual::Motion, OutputActivation::Sigmoid) => {
                plus(&frame, &links.logits(&added))
            }
        };
        outputs.push(match config.output_activation {
            OutputActivation::Identity => frame.clone(),
            OutputActivation::Sigmoid => frame.map(N::sigmoid),
        });
        logits.push(frame);
    }
    Ok(PredictionArrays {
        logits: Array::stack(&logits)?,
        output: Array::stack(&outputs)?,
        encoder_states,
        nearest_kink: links.nearest_kink,
    })
}

/// The convolutions, and how near to kinks numbers came.
struct Links<'a, N> {
    parameters: &'a NamedArrays<N>,
    slope: f64,
    nearest_kink: f64,
}

impl<N: Number> Links<'_, N> {
    fn convolve(&self, config: &Conv2dConfig, name: &str, input: &Array<N>) -> Result<Array<N>> {
        let weight = self.parameters.get(&format!("{name}.weight"))?;
        conv2d(&config.shape(), input, weight, self.parameters.find(&format!("{name}.bias")))
    }

    /// What the cells of the encoder read at a scale of the states below, or of a frame.
    fn features(&mut self, config: &PyramidConfig, scale: usize, below: &Array<N>) -> Result<Array<N>> {
        let patches = space_to_depth(below, config.scales[scale].down)?;
        let sum = self.convolve(&config.down(scale), &format!("encoder.{scale}.down"), &patches)?;
        Ok(self.rectified(&sum))
    }

    fn rectified(&mut self, sum: &Array<N>) -> Array<N> {
        if self.slope < 1.0 {
            self.meet(sum, 0.0);
        }
        sum.map(|x| activation(Activation::LeakyRelu(self.slope), x))
    }

    fn logits(&mut self, frame: &Array<N>) -> Array<N> {
        let (low, high) = (NEAREST_TO_ZERO, 1.0 - NEAREST_TO_ZERO);
        self.meet(frame, low);
        self.meet(frame, high);
        let one = N::from_f64(1.0);
        frame.map(|x| {
            let x =
                if x.value() < low || x.value() > high { N::from_f64(x.value().clamp(low, high)) } else { x };
            (x - one).ln_1p() - (-x).ln_1p()
        })
    }

    fn meet(&mut self, numbers: &Array<N>, kink: f64) {
        let distances = numbers.as_slice().iter().map(|x| (x.value() - kink).abs());
        self.nearest_kink = distances.fold(self.nearest_kink, f64::min);
    }
}

/// The last frame carried on to each step, where that is added: constants of the values of `input`.
fn carried<N: Number>(
    config: &PyramidConfig,
    input: &Array<N>,
    steps: usize,
) -> Result<Option<Vec<Array<N>>>> {
    if config.residual != Residual::Motion {
        return Ok(None);
    }
    let seen = Tensor::from_fn(input.shape(), |i| input.as_slice()[i].value());
    let exponent = config.carried_exponent;
    let mut carried = seen.clone();
    if exponent > 0.0 {
        carried.as_mut_slice().iter_mut().for_each(|x| *x = (exponent * *x).exp_m1());
    }
    let mut frames = OpticalFlow::default().extrapolate_values(&seen, &carried, None, steps)?;
    if exponent > 0.0 {
        frames.as_mut_slice().iter_mut().for_each(|y| *y = y.ln_1p() / exponent);
    }
    Ok(Some((0..steps).map(|t| Array::constant(&frames.index(t))).collect()))
}

fn plus<N: Number>(a: &Array<N>, b: &Array<N>) -> Array<N> {
    Array::from_fn(a.shape(), |i| a.as_slice()[i] + b.as_slice()[i])
}

/// The four indices of a place in memory.
pub(super) fn position(index: usize, shape: &[usize]) -> [usize; 4] {
    let (pixel, x) = (index / shape[3], index % shape[3]);
    [pixel / shape[2] / shape[1], pixel / shape[2] % shape[1], pixel % shape[2], x]
}

/// The number at four indices, zero beyond the image.
pub(super) fn at<N: Number>(array: &Array<N>, [n, c, y, x]: [usize; 4]) -> N {
    let [channels, height, width] = [1, 2, 3].map(|axis| array.shape()[axis]);
    if y >= height || x >= width {
        return N::from_f64(0.0);
    }
    array.as_slice()[((n * channels + c) * height + y) * width + x]
}

/// The images with zeros below and to the right up to a multiple of `factor`.
pub(super) fn extended<N: Number>(images: &Array<N>, factor: usize) -> Result<Array<N>> {
    let e = images.extent()?;
    let shape = [e.batch, e.channels, e.height.div_ceil(factor) * factor, e.width.div_ceil(factor) * factor];
    Ok(Array::from_fn(&shape, |index| at(images, position(index, &shape))))
}

/// The same image for each member: `y[n, k C + c] = x[n, c]`.
fn of_members<N: Number>(images: &Array<N>, members: usize) -> Array<N> {
    let [batch, channels, height, width] = [0, 1, 2, 3].map(|axis| images.shape()[axis]);
    let shape = [batch, members * channels, height, width];
    Array::from_fn(&shape, |index| {
        let [n, c, y, x] = position(index, &shape);
        at(images, [n, c % channels, y, x])
    })
}

/// The part of the images that a smaller shape has.
pub(super) fn cropped<N: Number>(images: &Array<N>, shape: &[usize]) -> Array<N> {
    Array::from_fn(shape, |index| at(images, position(index, shape)))
}

/// `y[n, (i r + j) C + c, p, q] = x[n, c, p r + i, q r + j]`
pub(super) fn space_to_depth<N: Number>(images: &Array<N>, r: usize) -> Result<Array<N>> {
    let e = images.extent()?;
    let shape = [e.batch, e.channels * r * r, e.height / r, e.width / r];
    Ok(Array::from_fn(&shape, |index| {
        let [n, depth, p, q] = position(index, &shape);
        let (tap, c) = (depth / e.channels, depth % e.channels);
        at(images, [n, c, p * r + tap / r, q * r + tap % r])
    }))
}

/// The inverse of [`space_to_depth`].
pub(super) fn depth_to_space<N: Number>(images: &Array<N>, r: usize) -> Result<Array<N>> {
    let e = images.extent()?;
    let channels = e.channels / (r * r);
    let shape = [e.batch, channels, e.height * r, e.width * r];
    Ok(Array::from_fn(&shape, |index| {
        let [n, c, y, x] = position(index, &shape);
        at(images, [n, (y % r * r + x % r) * channels + c, y / r, x / r])
    }))
}
