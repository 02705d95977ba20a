//! The source of data that a configuration chooses: its fields are those of the configuration.

use toml::{Table, Value};

use super::RunConfig;
use crate::dataset::SourceKind;
use crate::dataset::source_config::{chosen, sources_with, strip_other_sources};

impl RunConfig {
    /// This configuration with the source that an overlay chooses: its defaults where it is another than now.
    pub(super) fn of_data_source(mut self, overlay: &Table) -> Result<Self, String> {
        if let Some(kind) = overlay.get("data").and_then(Value::as_table).map(chosen).transpose()?.flatten() {
            self.data.source = self.data.source.of_kind(kind);
        }
        Ok(self)
    }

    /// The defaults of each source of data.
    pub(super) fn of_each_source() -> impl Iterator<Item = Self> {
        let of_kind = |kind| {
            let mut config = Self::default();
            config.data.source = config.data.source.of_kind(kind);
            config
        };
        SourceKind::ALL.into_iter().map(of_kind)
    }
}

/// What to say about a field of a source that is not chosen; `None` for any other path.
pub(super) fn of_another_source(path: &str) -> Option<String> {
    // A section that is chosen has fields below; one that is not is looked for as a whole.
    let sources = sources_with(path.strip_prefix("data.")?)?;
    Some(format!(
        "the field `{path}` belongs to the data.source {sources}, and another source is chosen; leave it out, or choose its source"
    ))
}

/// Whether an overlay has the data of an earlier version, with the fields of all sources; those of the others are removed then.
pub(super) fn is_of_earlier_version(overlay: &mut Table) -> bool {
    overlay.get_mut("data").and_then(Value::as_table_mut).is_some_and(strip_other_sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_the_fields_of_its_source() {
        let base = RunConfig::default();
        let frames = base.overlaid_by("[data.frames]\nrange = [0.0, 100.0]").unwrap();
        assert_eq!(frames.data.source.kind(), SourceKind::Frames);
        // What is laid over it keeps its other fields.
        let wider =
            frames.overlaid_by("[data.frames]\nstride = 3").unwrap().with("data.frames.channels=1").unwrap();
        let crate::dataset::Source::Frames(read) = &wider.data.source else { panic!("{:?}", wider.data) };
        assert_eq!((read.range, read.stride, read.channels), ([0.0, 100.0], 3, 1));
        assert_eq!(RunConfig::from_toml(&wider.to_toml()).unwrap(), wider);
        assert_eq!(base.with("data.source=radar").unwrap().data.source.kind(), SourceKind::Radar);
        assert_eq!(base.with("data.radar.downsample=2").unwrap().data.source.kind(), SourceKind::Radar);
        let digits = base.with("data.size=32").unwrap().with("data.source=mnist").unwrap();
        assert!(digits.data.source.kind() == SourceKind::Mnist && digits.to_toml().contains("size = 32"));
        for (text, words) in [
            (
                "[data]\nsource = \"radar\"\nsize = 32",
                &["line 3, column 1", "`data.size`", "\"strokes\" and \"mnist\""][..],
            ),
            (
                "[data]\nsource = \"mnist\"\n[data.frames]\nstride = 2",
                &["line 3", "`data.frames`", "\"frames\""],
            ),
            ("[data.frames]\n[data.radar]", &["[data.radar] and [data.frames]"]),
            ("[data.radar]\ndownsampl = 2", &["line 2", "`data.radar.downsampl`", "`data.radar.downsample`"]),
            ("[data.frame]\nstride = 2", &["line 1", "`data.frame`", "`data.frames`"]),
            ("[data]\nsource = \"cifar\"", &["line 2", "cifar", "strokes", "frames"]),
        ] {
            let error = base.overlaid_by(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text:?} gave {error:?}");
        }
        for (assignment, words) in [
            ("data.radar.corp=2", ["`data.radar.corp`", "`data.radar.crop`"]),
            ("data.source=cifar", ["cifar", "strokes"]),
        ] {
            let error = base.with(assignment).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{assignment} gave {error:?}");
        }
        let error = frames.with("data.size=32").unwrap_err().to_string();
        assert!(error.contains("\"strokes\" and \"mnist\""), "{error}");
    }

    #[test]
    fn configurations_of_earlier_versions_are_read() {
        let radar = RunConfig::default().with("data.radar.downsample=2").unwrap();
        let frames = RunConfig::default().with("data.frames.stride=2").unwrap();
        // They had the fields of all sources, in any order.
        let mut text = RunConfig::table_of(&RunConfig::default());
        let data = text["data"].as_table_mut().unwrap();
        for (of, section) in [(&radar, "radar"), (&frames, "frames")] {
            data.insert(section.into(), RunConfig::table_of(of)["data"][section].clone());
        }
        for (kind, expected) in [("strokes", &RunConfig::default()), ("radar", &radar), ("frames", &frames)] {
            let mut text = text.clone();
            text["data"].as_table_mut().unwrap().insert("source".into(), kind.into());
            assert_eq!(&RunConfig::from_toml(&text.to_string()).unwrap(), expected, "{kind}");
        }
    }
}
