//! Which options go together.

use convgru_model::import::layout::Layout;
use convgru_model::import::network::SYSTEMS;

use convgru_train::printable::printable;

use super::{Export, Form, MLCAST, ORIGINAL, Part};

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// A network as ONNX.
    Onnx(OnnxChoice),
    /// Weights as safetensors.
    Weights(WeightsChoice),
}

/// A network as ONNX.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OnnxChoice {
    /// A stack of cells.
    Stack(Form),
    /// One step of a trained model, or of a part of it.
    Step(Option<Part>),
    /// The forecast of a trained model, of so many frames if it is told.
    Forecast(Option<usize>),
}

/// Weights as safetensors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WeightsChoice {
    /// Of a trained model one part, or all.
    pub(super) part: Option<Part>,
    /// The names of another program.
    pub(super) names: Option<Names>,
    /// What names of cells begin with.
    pub(super) cells: Option<String>,
}

/// The names of the written weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Names {
    /// The names that the network had in its own program: any system, or the system of this name.
    Original(&'static str),
    /// The names of cells of another program.
    Layout(&'static Layout),
    /// The names of a whole network of mlcast.
    Mlcast,
}

impl Choice {
    /// What the options ask for; an error where one has no meaning beside the others.
    pub(super) fn of(export: &Export) -> anyhow::Result<Self> {
        let trained = export.checkpoint.is_some();
        match export.part {
            Some(Part::Cell) => anyhow::ensure!(
                !trained,
                "--part cell: it is of an update block of RAFT in --weights, and a trained model has none"
            ),
            Some(part) => anyhow::ensure!(
                trained,
                "--part {}: --weights hold networks without a training, which have no such part",
                part.name()
            ),
            None => {}
        }
        let extension = export.out.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("onnx") => Self::onnx(export, trained).map(Self::Onnx),
            Some("safetensors") => Self::weights(export).map(Self::Weights),
            other => {
                let found = other.map_or("no extension".to_owned(), |extension| format!(".{extension}"));
                anyhow::bail!(
                    "--out {}: {found}, where .onnx or .safetensors tells what is written",
                    printable(&export.out)
                )
            }
        }
    }

    fn onnx(export: &Export, trained: bool) -> anyhow::Result<OnnxChoice> {
        anyhow::ensure!(
            export.layout.is_none(),
            "--layout is for .safetensors; an .onnx file has one form of cells"
        );
        let form = export.form.unwrap_or(Form::Sequence);
        let frames = export.frames;
        if !trained {
            anyhow::ensure!(
                frames.is_none(),
                "--frames: a stack of cells predicts no frames; the length of a sequence is free"
            );
            return Ok(OnnxChoice::Stack(form));
        }
        match (form, export.part) {
            (Form::Sequence, None) => Ok(OnnxChoice::Forecast(frames)),
            (Form::Sequence, Some(part)) => anyhow::bail!(
                "--part {}: the sequence of a trained model is its whole forecast; a part has --form step",
                part.name()
            ),
            (Form::Step, _) if frames.is_some() => {
                anyhow::bail!("--frames: a step predicts one frame; the whole forecast has --form sequence")
            }
            (Form::Step, part) => Ok(OnnxChoice::Step(part)),
        }
    }

    fn weights(export: &Export) -> anyhow::Result<WeightsChoice> {
        anyhow::ensure!(export.form.is_none(), "--form is for .onnx; weights have none");
        anyhow::ensure!(export.frames.is_none(), "--frames is for .onnx; weights predict none");
        let names = match export.layout.as_deref() {
            Some(MLCAST) => Some(Names::Mlcast),
            Some(ORIGINAL) => Some(Names::Original(ORIGINAL)),
            Some(name) => Layout::of(name).map(Names::Layout).or_else(|| {
                SYSTEMS.iter().find(|system| **system == name).map(|system| Names::Original(system))
            }),
            None => None,
        };
        anyhow::ensure!(
            export.cells.is_none() || !matches!(names, Some(Names::Original(_))),
            "--cells: the names are those that the network had where it was imported from"
        );
        anyhow::ensure!(
            !(names == Some(Names::Mlcast) && export.part.is_some()),
            "--part: a network of mlcast is written as a whole"
        );
        Ok(WeightsChoice { part: export.part, names, cells: export.cells.clone() })
    }
}
