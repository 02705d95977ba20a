//! The commands of the program `convgru`. xtask reads this file too, for its own list.

/// Names, and what the help says of each in a line.
pub(crate) const COMMANDS: [(&str, &str); 12] = [
    (
        "train",
        "Train a network; without arguments on drawn moving digits, in under three minutes on two cores with the build",
    ),
    (
        "inspect",
        "Show the content of a file or folder of data, how it would be read, and a configuration for it",
    ),
    ("crops", "Draw parts of frames by their rain and list them for a training"),
    ("runs", "List and compare runs"),
    ("tune", "Try configurations drawn from ranges, each in a short run"),
    ("eval", "Measure a trained network on test sequences"),
    ("predict", "Continue your own frames with a trained network, or run an imported network over frames"),
    ("watch", "Write a forecast after each new frame in a folder"),
    ("import", "Find networks and recurrent cells in the weights of another program, and convert them"),
    ("export", "Write a network as ONNX, or its weights in the layout of another program"),
    ("completions", "Print a completion script for a shell"),
    ("man", "Write manual pages"),
];
