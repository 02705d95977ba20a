//! The commands of the program `convgru`. xtask reads this file too, for its own list.

/// Names, and what the help says of each in a line.
pub(crate) const COMMANDS: [(&str, &str); 11] = [
    ("train", "Train a network; without arguments on moving digits that it draws, in under three minutes"),
    (
        "inspect",
        "See what a file or folder of data holds, how it would be read, and the configuration for it",
    ),
    ("runs", "List and compare runs"),
    ("tune", "Try configurations drawn from ranges, each in a short run"),
    ("eval", "Measure a trained network on test sequences"),
    ("predict", "Continue your own frames with a trained network"),
    ("watch", "Forecast after each frame that arrives in a folder"),
    ("import", "Find the cells in weights of another program, and rearrange them"),
    ("export", "Write a network as ONNX, or its weights as another program reads them"),
    ("completions", "Print what a shell completes commands and options by"),
    ("man", "Write manual pages"),
];
