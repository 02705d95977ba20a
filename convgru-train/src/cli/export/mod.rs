//! `convgru export`: a network for other programs.

mod choice;
mod onnx;
mod origin;
mod source;
mod weights;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, ValueEnum};
use convgru_model::import::layout::Layout;
use convgru_model::import::network::SYSTEMS;
use convgru_train::printable::printable;
use convgru_train::trainer::RunFolder;
use convgru_train::write_atomically;
use serde_json::json;

use super::{exit_codes, out, output};
use choice::Choice;
use source::ExportSource;
pub(super) use weights::LAYOUT_ENTRY;

/// The extension of --out chooses the format. .onnx: the network as ONNX operators, for any batch size, height
/// and width, with its recurrent states as inputs and outputs; of a trained model the whole forecast, or with
/// --form step one step of one part. .safetensors: the weights with the names of convgru, or with --layout the names
/// of another program. docs/export.md lists the names of inputs and outputs; python/convgru_torch.py
/// reads files with the names of convgru in PyTorch.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru export --checkpoint runs/quick/checkpoints/best.ckpt --out model.onnx
  convgru export --checkpoint runs/quick/model.safetensors --out step.onnx --form step --part encoder
  convgru export --weights raft.safetensors --out raft.onnx --form step
  convgru export --weights raft.safetensors --out theirs.safetensors --layout original
  convgru export --weights raft.safetensors --out cell.safetensors --part cell --layout raft --cells gru
  convgru export --checkpoint runs/rain --out theirs.safetensors --layout mlcast --cells network")]
#[command(group(ArgGroup::new("source").args(["checkpoint", "weights"]).required(true)))]
pub(crate) struct Export {
    /// A trained model: model.safetensors, a checkpoint (*.ckpt) or the folder of a run
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: Option<PathBuf>,
    /// Weights of a network without a training: a .safetensors file of `import` or of this command, or any file that `import` reads
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Where to write: .onnx or .safetensors; of files that exist, only what this command wrote before is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// ONNX: one step with states in and out, or a whole sequence [default: sequence]
    #[arg(long, value_enum)]
    form: Option<Form>,
    /// Write only this part: encoder and forecaster are stacks of a trained model, cell is the recurrent cell of an update block of RAFT in --weights
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// ONNX: number of frames that a trained model predicts without the input `steps` [default: data.output_frames of the training]
    #[arg(long, value_name = "N", value_parser = super::count)]
    frames: Option<usize>,
    /// Name of the network in --weights, if the file has several
    #[arg(long, value_name = "NAME", conflicts_with = "checkpoint")]
    stack: Option<String>,
    /// Safetensors: the names and the order of tensors in another program. `original`: the layout that an imported network had, for
    /// any cells. The other names write plain stacks of ConvGRUs; mlcast writes a whole network
    #[arg(long, value_parser = layouts())]
    layout: Option<String>,
    /// Safetensors: the prefix of cells in that layout, `{}` for the number of a layer; for mlcast the prefix of all names
    #[arg(long, value_name = "PREFIX", requires = "layout")]
    cells: Option<String>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What an ONNX file computes in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One frame
    Step,
    /// A sequence of any length; of a trained model the whole forecast
    Sequence,
}

/// A part of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The stack that reads frames
    Encoder,
    /// The stack that continues them; in ONNX with the layer that turns its state into a frame
    Forecaster,
    /// The recurrent cell of an update block of RAFT
    Cell,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Forecaster => "forecaster",
            Self::Cell => "cell",
        }
    }
}

/// The layout that an imported network had.
const ORIGINAL: &str = "original";

/// The layout of whole networks of mlcast.
const MLCAST: &str = "mlcast";

fn layouts() -> PossibleValuesParser {
    let stacks = Layout::ALL.iter().map(|layout| layout.system);
    PossibleValuesParser::new(
        [ORIGINAL].into_iter().chain(stacks).chain(SYSTEMS.iter().copied()).chain([MLCAST]),
    )
}

/// What will be written.
struct Written {
    bytes: Vec<u8>,
    /// In words.
    what: String,
    /// Further lines.
    notes: Vec<String>,
}

impl Export {
    /// Writes, and says what.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // What cannot be done is told before anything is read.
        let choice = Choice::of(&self).map_err(exit_codes::wrong_argument)?;
        let checkpoint = self.checkpoint.as_deref().map(RunFolder::model_at);
        let inputs = [checkpoint.as_deref(), self.weights.as_deref()];
        out::expect_free(&self.out, &inputs.into_iter().flatten().collect::<Vec<_>>())?;
        let source = ExportSource::read(&self)?;
        let Written { bytes, what, notes } = match choice {
            Choice::Onnx(wanted) => onnx::write(&source, &wanted)?,
            Choice::Weights(wanted) => weights::write(&source, &wanted)?,
        };
        out::expect_earlier(&self.out, &bytes)?;
        write_atomically(&self.out, &bytes)?;
        if self.json {
            let value = json!({
                "input": self.checkpoint.as_ref().or(self.weights.as_ref()).map(|path| path.to_string_lossy()),
                "out": self.out.to_string_lossy(),
                "written": what,
                "notes": notes,
                "bytes": bytes.len(),
            });
            output::json(&value)?;
        } else {
            output::result(&format!(
                "wrote {}: {what}, {}",
                printable(&self.out),
                output::counted(bytes.len(), "byte")
            ))?;
            for note in notes {
                output::result(&format!("  {note}"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
