//! The pyramid as one kind of network.

use super::{PyramidConfig, Residual};
use crate::config::{ComponentConfig, ConvolutionStart, NetworkConfig, OutputActivation};
use crate::error::Result;
use crate::layer::Conv2dConfig;

/// The share of drawn weights with which members begin that are added to a frame: with zeros they would learn the same for ever.
const SMALL_START: f64 = 0.1;

impl NetworkConfig for PyramidConfig {
    fn image_channels(&self) -> usize {
        self.image_channels
    }

    fn read_channels(&self) -> usize {
        self.image_channels.saturating_add(usize::from(self.mask_channel))
    }

    fn members(&self) -> usize {
        self.members
    }

    fn output_activation(&self) -> OutputActivation {
        self.output_activation
    }

    fn downs(&self) -> Vec<usize> {
        self.scales.iter().map(|scale| scale.down).collect()
    }

    fn hidden_channels(&self) -> Vec<usize> {
        (0..self.scales.len()).flat_map(|scale| self.encoder(scale).hidden_channels).collect()
    }

    fn components(&self) -> Vec<(String, ComponentConfig)> {
        let patches = |of: Conv2dConfig, scale: usize| {
            let taps = self.scales.get(scale).map_or(1, |scale| scale.down.saturating_mul(scale.down));
            (of, ConvolutionStart { taps, scale: 1.0 })
        };
        let convolution = |name: String, (config, start)| (name, ComponentConfig::Convolution(config, start));
        let plain = |config| (config, ConvolutionStart::default());
        let mut components = Vec::new();
        for scale in 0..self.scales.len() {
            components.push(convolution(format!("encoder.{scale}.down"), plain(self.down(scale))));
            components.push((format!("encoder.{scale}"), ComponentConfig::Cells(self.encoder(scale))));
        }
        for scale in 0..self.scales.len() {
            if scale > 0 {
                components
                    .push(convolution(format!("forecaster.{scale}.up"), patches(self.up(scale), scale)));
            }
            components.push((format!("forecaster.{scale}"), ComponentConfig::Cells(self.forecaster(scale))));
        }
        components.extend(self.head_hidden().map(|hidden| convolution("head.hidden".into(), plain(hidden))));
        let (config, start) = patches(self.head_output(), 0);
        let scale = match (self.residual, self.members) {
            (Residual::None, _) => 1.0,
            (_, 1) => 0.0,
            _ => SMALL_START,
        };
        components.push(convolution("head.output".into(), (config, ConvolutionStart { scale, ..start })));
        components
    }

    fn seed(&self, seed: u64, component: u64) -> u64 {
        seed.wrapping_mul(64).wrapping_add(component + 1)
    }

    fn numbers_per_pixel(&self) -> [f64; 2] {
        let (mut read, mut predicted, mut pixels) = (0.0, 0.0, 1.0);
        let mut coming_up = 0.0;
        for scale in &self.scales {
            pixels *= (scale.down as f64).powi(2);
            // What is read and its gradient, gates and states of each layer, and the gradient of the topmost.
            let states = scale.channels as f64 * (4.0 * scale.layers as f64 + 1.0);
            let of_scale = (states + 2.0 * scale.features() as f64) / pixels;
            read += of_scale;
            predicted += of_scale + coming_up;
            coming_up = scale.features() as f64 / pixels;
        }
        let patches = self.patch_channels() as f64;
        let read_patches = patches * self.read_channels() as f64 / self.image_channels.max(1) as f64;
        let finest = self.scales.first().map_or(1.0, |scale| (scale.down as f64).powi(2));
        if self.residual == Residual::Motion {
            predicted += self.image_channels as f64;
        }
        if self.reads_carried() {
            predicted += (read_patches + self.scales[0].features() as f64) / finest;
        }
        [
            read + 2.0 * read_patches / finest,
            predicted + 2.0 * (patches * self.members as f64 + self.head_channels as f64) / finest,
        ]
    }

    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }
}
