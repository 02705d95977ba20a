//! What commands write to: no input, no file of a run, nothing that others wrote.

use std::fs;
use std::path::Path;

use crate::program::{Ran, array, convgru, finished_run, folder, weights};

/// The error of a command that changes no file of a folder.
fn refused(folder: &Path, arguments: &str, unchanged: &[&str]) -> Ran {
    let before: Vec<_> = unchanged.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect();
    let ran = convgru(folder, arguments);
    assert_ne!(ran.code, Some(0), "{arguments}");
    for (name, before) in unchanged.iter().zip(before) {
        assert!(fs::read(folder.join(name)).unwrap() == before, "{arguments}: {name}");
    }
    ran
}

#[test]
fn a_picture_replaces_no_data() {
    let folder = folder();
    array(&folder.path().join("rain.npy"), &[30, 16, 16], |at| (at % 37) as f32);
    convgru(folder.path(), "inspect rain.npy --out data.gif").succeeded();
    fs::create_dir_all(folder.path().join("days/one")).unwrap();
    for number in 0..4 {
        convgru(folder.path(), &format!("inspect rain.npy --out day{number}.png")).succeeded();
        let to = folder.path().join(format!("days/one/{number}.png"));
        fs::rename(folder.path().join(format!("day{number}.png")), to).unwrap();
    }
    fs::hard_link(folder.path().join("days/one/1.png"), folder.path().join("hard.png")).unwrap();
    for (arguments, name, words) in [
        ("data.gif --out data.gif", "data.gif", "is read as the input"),
        ("data.gif --out ./days/../data.gif", "data.gif", "is read as the input"),
        ("days --out days/one/2.png", "days/one/2.png", "lies in the input days"),
        ("days --out hard.png", "hard.png", "1.png of the input"),
        ("days --out days/one/new.png", "days/one/2.png", "would be read as data"),
    ] {
        let ran = refused(folder.path(), &format!("inspect {arguments}"), &[name]);
        assert_eq!(ran.code, Some(2), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("data.gif", folder.path().join("soft.gif")).unwrap();
        let ran = refused(folder.path(), "inspect data.gif --out soft.gif", &["data.gif"]);
        assert!(folder.path().join("soft.gif").is_symlink() && ran.code == Some(2), "{}", ran.stderr);
    }
    assert!(!folder.path().join("days/one/new.png").exists());
    convgru(folder.path(), "inspect days --out look.png").succeeded();
}

#[test]
fn a_list_of_parts_is_written_outside_the_store() {
    let folder = folder();
    fs::create_dir(folder.path().join("rain.zarr")).unwrap();
    let ran = convgru(folder.path(), "crops --data rain.zarr --out rain.zarr/x.csv");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("lies in the store rain.zarr"), "{}", ran.stderr);
    assert!(!folder.path().join("rain.zarr/x.csv").exists());
}

#[test]
fn imported_cells_replace_no_weights() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    convgru(
        folder.path(),
        &format!(
            "export --checkpoint {} --out stack.safetensors --part encoder --layout raft",
            weights().display()
        ),
    )
    .succeeded();
    fs::rename(path("stack.safetensors"), path("net.safetensors")).unwrap();
    fs::copy(path("net.safetensors"), path("w.pth")).unwrap();
    fs::copy(path("net.safetensors"), path("other.safetensors")).unwrap();
    fs::hard_link(path("w.pth"), path("w.safetensors")).unwrap();
    for out in ["w.pth", "w.bmp", "w"] {
        let ran = refused(folder.path(), &format!("import --input w.pth --out {out}"), &["w.pth"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(".safetensors"), "{out}: {}", ran.stderr);
        assert_eq!(path(out).exists(), out == "w.pth");
    }
    for (input, out) in [("w.pth", "w.safetensors"), ("net.safetensors", "net.safetensors")] {
        let ran = refused(folder.path(), &format!("import --input {input} --out {out}"), &[input, out]);
        assert!(ran.code == Some(2) && ran.stderr.contains("is read as the input"), "{}", ran.stderr);
    }
    let ran = refused(folder.path(), "import --input w.pth --out other.safetensors", &["other.safetensors"]);
    assert!(ran.stderr.contains("holds something else"), "{}", ran.stderr);
    for _ in 0..2 {
        convgru(folder.path(), "import --input w.pth --out ours.safetensors").succeeded();
    }
}

#[test]
fn an_export_replaces_exports_alone() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let checkpoint = weights();
    let export = |out: &str| format!("export --checkpoint {} --out {out}", checkpoint.display());
    for name in ["run/checkpoints", "run2/checkpoints"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    for run in ["run", "run2"] {
        fs::copy(finished_run().join("runs/tiny/config.toml"), path(&format!("{run}/config.toml"))).unwrap();
        fs::copy(&checkpoint, path(&format!("{run}/model.safetensors"))).unwrap();
    }
    fs::write(path("notes.onnx"), "of others").unwrap();
    fs::write(path("notes.safetensors"), "of others").unwrap();
    for (arguments, name, words) in [
        (export("run/model.safetensors"), "run/model.safetensors", "is a file of the run"),
        (export("notes.onnx"), "notes.onnx", "holds something else"),
        (export("notes.safetensors"), "notes.safetensors", "holds something else"),
        (
            "export --checkpoint run --out run/model.safetensors".into(),
            "run/model.safetensors",
            "is read as the input",
        ),
    ] {
        let ran = refused(folder.path(), &arguments, &[name]);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    for _ in 0..2 {
        convgru(folder.path(), &export("new.onnx")).succeeded();
        convgru(folder.path(), &export("new.safetensors")).succeeded();
    }
    let ran = refused(
        folder.path(),
        &format!("{} --part encoder", export("new.safetensors")),
        &["new.safetensors"],
    );
    assert!(ran.stderr.contains("holds something else"), "a whole model: {}", ran.stderr);
}

#[test]
fn scripts_and_pages_replace_nothing_of_others() {
    let folder = folder();
    fs::create_dir(folder.path().join("man1")).unwrap();
    for name in [".bashrc", "man1/convgru-train.1"] {
        fs::write(folder.path().join(name), "alias c=convgru\n").unwrap();
    }
    for (arguments, name) in
        [("completions bash --out .bashrc", ".bashrc"), ("man --out man1", "man1/convgru-train.1")]
    {
        let ran = refused(folder.path(), arguments, &[name]);
        assert!(ran.stderr.contains("holds something else"), "{arguments}: {}", ran.stderr);
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        for _ in 0..2 {
            convgru(folder.path(), &format!("completions {shell} --out {shell}")).succeeded();
        }
    }
    refused(folder.path(), "completions bash --out zsh", &["zsh"]);
    for _ in 0..2 {
        convgru(folder.path(), "man --out pages").succeeded();
    }
}

#[cfg(unix)]
#[test]
fn devices_are_no_files() {
    let folder = folder();
    array(&folder.path().join("in.npy"), &[4, 16, 16], |at| (at % 7) as f32 / 6.0);
    let predict = format!("predict --checkpoint {} --input in.npy --frames 1 --out ", weights().display());
    std::os::unix::fs::symlink("/dev/null", folder.path().join("void")).unwrap();
    for arguments in
        [predict.clone() + "void", predict.clone() + "/dev/full", "completions bash --out void".into()]
    {
        let ran = convgru(folder.path(), &arguments);
        assert!(
            ran.code == Some(1) && ran.stderr.contains("no file; give the path of a file"),
            "{}",
            ran.stderr
        );
        assert!(folder.path().join("void").is_symlink());
    }
    let ran = convgru(folder.path(), &(predict + "."));
    assert!(ran.code == Some(2) && ran.stderr.contains("a folder in which the input"), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error_that_names_the_output() {
    for arguments in ["help", "--help", "--version", "train --help", "completions bash"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = crate::program::command(Path::new("."), arguments);
        let output = command.stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let told = stderr.contains("cannot write the output: No space left on device");
        assert!(output.status.code() == Some(1) && told, "{arguments}: {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn errors_of_writing_name_the_path_that_was_given() {
    let folder = folder();
    array(&folder.path().join("in.npy"), &[4, 16, 16], |at| (at % 7) as f32 / 6.0);
    let long = "n".repeat(250);
    let predict =
        format!("predict --checkpoint {} --input in.npy --frames 1 --out {long}.npy", weights().display());
    let ran = convgru(folder.path(), &predict);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains(&format!("{long}.npy: ")) && !ran.stderr.contains(".tmp"), "{}", ran.stderr);
}
