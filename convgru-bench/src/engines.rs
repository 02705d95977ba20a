//! Which engines there are and how each is started.

use std::ffi::OsString;
use std::path::PathBuf;

use convgru_bench::Kind;

use crate::{peers, python};

/// The name of our own engine.
pub(crate) const OURS: &str = "convgru";

/// The name of our own engine with a memory budget.
const OURS_WITHIN: &str = "convgru-memory-budget";

/// A program that speaks the protocol.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    /// Its name in tables.
    pub(crate) name: String,
    /// What is started.
    pub(crate) program: PathBuf,
    /// With these arguments.
    pub(crate) arguments: Vec<OsString>,
    /// With this added to the environment.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// Whether it computes gradients.
    pub(crate) trains: bool,
    /// Whether it computes states without them.
    pub(crate) infers: bool,
    /// Whether it computes stacks of cells.
    pub(crate) cells: bool,
    /// Whether it computes networks that continue frames.
    pub(crate) forecasts: bool,
    /// Whether it reads the ONNX files.
    pub(crate) reads_onnx: bool,
    /// Whether its program, and the packages it loads, are there.
    pub(crate) is_installed: bool,
    /// Whether nothing is measured without it.
    pub(crate) is_required: bool,
}

impl Engine {
    /// Ours: this program.
    pub(crate) fn ours() -> anyhow::Result<Self> {
        let engine = Self::other(OURS, std::env::current_exe()?, vec!["engine".into()]);
        Ok(Self { is_required: true, ..engine })
    }

    /// Ours, training with at most so many bytes kept for the backward pass.
    pub(crate) fn ours_within(bytes: usize) -> anyhow::Result<Self> {
        let arguments = ["engine", "--memory-budget", &bytes.to_string()].map(OsString::from);
        let engine = Self::other(OURS_WITHIN, std::env::current_exe()?, arguments.to_vec());
        Ok(Self { infers: false, ..engine })
    }

    /// One that does everything.
    pub(crate) fn other(name: &str, program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            is_installed: program.exists(),
            program,
            arguments,
            environment: Vec::new(),
            trains: true,
            infers: true,
            cells: true,
            forecasts: true,
            reads_onnx: false,
            is_required: false,
        }
    }

    /// Whether it takes part in a workload.
    pub(crate) fn takes(&self, kind: Kind) -> bool {
        let network = if kind.forecasts() { self.forecasts } else { self.cells };
        network && if kind.trains() { self.trains } else { self.infers }
    }
}

/// glibc gives memory back to the system and takes it again at every large tensor; a third
/// of PyTorch's time, and half of candle's, goes into the page faults. Any of these switches
/// its own adaptation off.
const KEEP_MEMORY: [(&str, &str); 3] =
    [("MALLOC_TOP_PAD_", "268435456"), ("MALLOC_TRIM_THRESHOLD_", "17179869184"), ("MALLOC_MMAP_MAX_", "0")];

/// A Rust peer: its name and what it takes part in.
pub(crate) struct RustPeer {
    pub(crate) name: &'static str,
    pub(crate) trains: bool,
    pub(crate) reads_onnx: bool,
    /// Whether it allocates memory for every tensor, with the system's allocator.
    pub(crate) allocates: bool,
}

/// The packages of `peers/rust`.
pub(crate) const RUST_PEERS: &[RustPeer] = &[
    RustPeer { name: "burn", trains: true, reads_onnx: false, allocates: true },
    RustPeer { name: "candle", trains: true, reads_onnx: false, allocates: true },
    RustPeer { name: "rten", trains: false, reads_onnx: true, allocates: false },
    RustPeer { name: "tract", trains: false, reads_onnx: true, allocates: false },
];

/// Every other engine, installed or not.
pub(crate) fn peers() -> Vec<Engine> {
    let installed = peers::installed_at();
    let python_is_installed = python::is_installed(python::ENGINES);
    let script = |name: &str, file: &str, arguments: &[&str]| {
        let script = peers::sources().join("python").join(file);
        let arguments = [vec![script.into()], arguments.iter().map(OsString::from).collect()].concat();
        let engine = Engine::other(name, python::program(), arguments);
        Engine { is_installed: python_is_installed, forecasts: false, ..engine }
    };
    let mlcast_is_installed = python_is_installed && python::is_installed(python::MLCAST);
    let mlcast = |name: &str, variant: &str| Engine {
        is_installed: mlcast_is_installed,
        cells: false,
        forecasts: true,
        ..script(name, "mlcast_engine.py", &[variant])
    };
    let inference = |engine: Engine, reads_onnx: bool| Engine { trains: false, reads_onnx, ..engine };
    let keeping = |engine: Engine| Engine { environment: KEEP_MEMORY.to_vec(), ..engine };
    let mut engines = vec![
        script("pytorch-eager", "pytorch.py", &["eager"]),
        keeping(script("pytorch-by-hand", "pytorch.py", &["by-hand"])),
        keeping(script("pytorch-compile", "pytorch.py", &["compile"])),
        inference(script("onnxruntime", "onnxruntime_engine.py", &[]), true),
        inference(script("openvino", "openvino_engine.py", &[]), true),
        inference(script("ncnn", "ncnn_engine.py", &[]), true),
        inference(script("mnn", "mnn_engine.py", &[]), true),
        inference(script("jax", "jax_engine.py", &[]), false),
        mlcast("mlcast-eager", "eager"),
        keeping(mlcast("mlcast-compile", "compile")),
    ];
    for peer in RUST_PEERS {
        let program = peers::rust_programs(&installed).join(format!("peer-{}", peer.name));
        let engine = Engine::other(peer.name, program, Vec::new());
        let engine = if peer.allocates { keeping(engine) } else { engine };
        engines.push(Engine { trains: peer.trains, forecasts: false, reads_onnx: peer.reads_onnx, ..engine });
    }
    engines
}
