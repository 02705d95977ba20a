//! Configurations that come with the program.

use super::RunConfig;

/// A configuration that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preset {
    /// Drawn digits, a small network, minutes: the default.
    #[default]
    Quick,
    /// Drawn digits and a network of two scales.
    Digits,
    /// Moving MNIST with the real digits.
    MovingMnist,
    /// Rain seen by radars.
    Radar,
    /// The network, the scale and the loss of the package mlcast.
    Mlcast,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 5] = [Self::Quick, Self::Digits, Self::MovingMnist, Self::Radar, Self::Mlcast];

    /// The name on the command line and of the run.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Digits => "digits",
            Self::MovingMnist => "moving-mnist",
            Self::Radar => "radar",
            Self::Mlcast => "mlcast",
        }
    }

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// The TOML text of the preset.
    pub fn text(self) -> &'static str {
        match self {
            Self::Quick => include_str!("../../config/presets/quick.toml"),
            Self::Digits => include_str!("../../config/presets/digits.toml"),
            Self::MovingMnist => include_str!("../../config/presets/moving-mnist.toml"),
            Self::Radar => include_str!("../../config/presets/radar.toml"),
            Self::Mlcast => include_str!("../../config/presets/mlcast.toml"),
        }
    }
}

impl RunConfig {
    /// The configuration of a preset.
    pub fn preset(preset: Preset) -> Self {
        Self::default().overlaid_by(preset.text()).expect("a test reads every preset")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_named_after_itself() {
        for preset in Preset::ALL {
            let config = RunConfig::preset(preset);
            config.validate().unwrap();
            assert_eq!(config.name, preset.name());
        }
    }

    #[test]
    fn every_preset_is_found_by_its_name() {
        for preset in Preset::ALL {
            assert_eq!(Preset::named(preset.name()), Some(preset));
        }
        assert_eq!(Preset::named("small"), None);
    }
}
