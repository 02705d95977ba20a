//! Whether a training step fits into the memory of the machine: the system would
//! end a run that outgrows it without a word.

use crate::config::RunConfig;
use crate::counted::counted;
use crate::{Error, Result};

const GIB: f64 = (1u64 << 30) as f64;

/// Fails if a step with frames `[C, H, W]` would need more memory than the machine has, as
/// far as that is known.
///
/// # Errors
/// [`Error::Config`] with both numbers.
pub(super) fn expect_enough(config: &RunConfig, frame: [usize; 3]) -> Result<()> {
    match machine() {
        Some(available) if needed(config, frame) > available => Err(Error::Config {
            field: "training.batch_size".to_owned(),
            reason: format!(
                "a step of {} needs about {:.1} GiB, but this machine has {:.1}; take a smaller \
                 batch, fewer or smaller frames or fewer hidden channels",
                counted(config.training.batch_size, "sequence"),
                needed(config, frame) / GIB,
                available / GIB
            ),
        }),
        _ => Ok(()),
    }
}

/// Bytes that training needs, about: what the forward pass keeps for the backward pass,
/// gradients, frames, and parameters with their moments.
pub(super) fn needed(config: &RunConfig, [_, height, width]: [usize; 3]) -> f64 {
    let (data, model, training) = (&config.data, &config.model, &config.training);
    let rounded_up = |size: usize| size.next_multiple_of(model.factor().max(1)) as f64;
    let pixels_of = |sequences: usize| sequences as f64 * rounded_up(height) * rounded_up(width);
    let [inputs, outputs] = [data.input_frames, data.output_frames].map(|frames| frames as f64);
    let with_gradient = if training.truncate == 0 { inputs } else { inputs.min(training.truncate as f64) };
    let [read, predicted] = model.numbers_per_pixel();
    let kept = pixels_of(training.micro_batch_size()) * (with_gradient * read + outputs * predicted);
    // Results beyond a budget are computed again, as far as the network can do that.
    let kept = match training.memory_budget {
        0 => kept,
        mebibytes => {
            let (always, budget) = (model.kept_beyond_budget(), mebibytes as f64 * f64::from(1 << 20));
            kept * always + (kept * (1.0 - always)).min(budget / size_of::<f32>() as f64)
        }
    };
    // This batch, its parts and those made ahead, each with what is known of its pixels.
    let batches = 2.0 + data.prefetch as f64;
    let channels = (model.image_channels() + model.read_channels()) as f64;
    let frames = batches * channels * (inputs + outputs);
    let numbers = kept + pixels_of(training.batch_size) * frames + 8.0 * model.parameter_count() as f64;
    size_of::<f32>() as f64 * numbers
}

/// Bytes of memory of the machine or of the group of processes this one is in,
/// where the system says.
pub(super) fn machine() -> Option<f64> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse::<f64>().ok()).unwrap_or(f64::INFINITY);
    Some(total(&memory)?.min(limit))
}

/// The most bytes of memory that this process has had, where the system says.
pub(super) fn peak() -> Option<f64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The bytes in the line `MemTotal:  24684092 kB`.
fn total(memory: &str) -> Option<f64> {
    kibibytes(memory, "MemTotal:")
}

/// The bytes in a line that begins with a name and has a number of kB.
fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn what_no_machine_has_is_refused_with_the_numbers() {
        let preset = RunConfig::preset(Preset::Quick);
        expect_enough(&preset, [1, 64, 64]).unwrap();
        if machine().is_none() {
            return crate::fixtures::say_skipped("this system does not tell how much memory it has");
        }
        let huge = preset.with("data.train_sequences=10000000").unwrap();
        let huge = huge.with("training.batch_size=10000000").unwrap();
        huge.validate().unwrap();
        let error = expect_enough(&huge, [1, 64, 64]).unwrap_err().to_string();
        assert!(error.contains("training.batch_size") && error.contains("GiB"), "{error}");
    }

    #[test]
    fn a_memory_budget_and_pieces_of_batches_need_less() {
        let preset = RunConfig::preset(Preset::Quick);
        let all = needed(&preset, [1, 64, 64]);
        for setting in ["training.memory_budget=1", "training.accumulate=4"] {
            let less = needed(&preset.with(setting).unwrap(), [1, 64, 64]);
            assert!(less < 0.75 * all, "{setting}: {less} of {all}");
        }
        let wide = needed(&preset.with("training.memory_budget=100000").unwrap(), [1, 64, 64]);
        assert_eq!(wide, all);
    }

    #[test]
    fn batches_made_ahead_count() {
        let needed = |ahead: usize| {
            let config = RunConfig::preset(Preset::Quick);
            needed(&config.with(&format!("data.prefetch={ahead}")).unwrap(), [1, 64, 64])
        };
        let config = RunConfig::preset(Preset::Quick);
        let batch = config.training.batch_size * config.data.steps() * 64 * 64 * size_of::<f32>();
        assert_eq!(needed(3) - needed(0), 2.0 * 3.0 * batch as f64);
    }

    #[test]
    fn the_size_of_memory_is_read() {
        assert_eq!(total("MemTotal:       24684092 kB\nMemFree: 1 kB\n"), Some(24_684_092.0 * 1024.0));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(total("MemTotal: many kB\n"), None);
    }
}
