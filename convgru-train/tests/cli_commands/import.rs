//! Weights of other programs.

use std::fs;
use std::path::Path;

use convgru_model::import::NamedTensors;
use convgru_model::{Network, Tensor, export, import};
use safetensors::tensor::{Dtype, TensorView};

use crate::program::{array, convgru, folder, zip_of};

/// Writes tensors of 64 bits.
fn write(path: &Path, tensors: &[(String, Tensor<f64>)]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| tensor.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        (name.as_str(), TensorView::new(Dtype::F64, tensor.shape().to_vec(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Two layers as the first published ConvGRU keeps them, and a tensor beside them.
fn network(scale: f64) -> Vec<(String, Tensor<f64>)> {
    let mut tensors = vec![("head.weight".to_owned(), Tensor::zeros(&[1, 4]))];
    for (cell, channels) in [("ConvGRUCell_00", 3 + 2), ("ConvGRUCell_01", 2 + 2)] {
        for gate in ["update_gate", "reset_gate", "out_gate"] {
            let weight = Tensor::from_fn(&[2, channels, 3, 3], |i| scale * (i as f64 - 40.0));
            tensors.push((format!("module.{cell}.{gate}.weight"), weight));
            tensors.push((format!("module.{cell}.{gate}.bias"), Tensor::from_fn(&[2], |i| scale * i as f64)));
        }
    }
    tensors
}

#[test]
fn cells_are_listed_and_written_for_a_network_to_read() {
    let folder = folder();
    for (scale, dtype) in [(0.25, Dtype::F32), (0.1, Dtype::F64)] {
        let tensors = network(scale);
        write(&folder.path().join("net.safetensors"), &tensors);
        let ran = convgru(folder.path(), "import --input net.safetensors --out ours.safetensors").succeeded();
        assert!(ran.stdout.contains("module.  2 cells of jacobkimmel, a ConvGru"), "{}", ran.stdout);
        assert!(ran.stdout.contains("  module.ConvGRUCell_00.  3 -> 2 channels"), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("3 -> 2 channels, kernel 3 x 3, bias, reset before the convolution"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("left out: 1 tensor (head.weight)"), "{}", ran.stdout);

        let bytes = fs::read(folder.path().join("ours.safetensors")).unwrap();
        let network = import::read::<f64>(&bytes).unwrap().into_conv_gru().unwrap();
        let cells: Vec<_> = tensors.into_iter().filter(|(name, _)| name.contains("Cell")).collect();
        assert_eq!(network.parameters().layers, import::layout::Layout::SEED.read(&cells).unwrap().layers);
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("layers.1.bias").unwrap().dtype(), dtype);
    }
}

/// The only number that 32 bits do not hold is in a bias that not every cell has.
#[test]
fn all_numbers_are_kept_whichever_tensor_they_are_in() {
    let folder = folder();
    let mut tensors: Vec<(String, Tensor<f64>)> = [("ih", [5, 3]), ("hh", [1, 3])]
        .map(|(name, kernel)| {
            (format!("weight_{name}"), Tensor::from_fn(&[6, 2, kernel[0], kernel[1]], |i| i as f64))
        })
        .into();
    tensors.push(("bias_ih".to_owned(), Tensor::zeros(&[6])));
    tensors.push(("bias_hh".to_owned(), Tensor::from_fn(&[6], |i| if i == 5 { 0.1 } else { 0.0 })));
    write(&folder.path().join("net.safetensors"), &tensors);
    let ran = convgru(folder.path(), "import --input net.safetensors --out ours.safetensors").succeeded();
    let said = "2 -> 2 channels, kernel 1 x 3 (5 x 3 over the input), bias, reset after the convolution";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let bytes = fs::read(folder.path().join("ours.safetensors")).unwrap();
    let named = import::named_tensors(&bytes).unwrap().tensors;
    let bias = named.iter().find(|(name, _)| name == "layers.0.hidden_bias").unwrap();
    assert_eq!(bias.1.as_slice(), [0.0, 0.1]);
}

#[test]
fn plain_cells_of_other_systems_are_written_for_the_fused_engine() {
    let folder = folder();
    let gates = ["convz", "convr", "convq"];
    let cell = || Tensor::from_fn(&[2, 5, 3, 3], |i| 0.25 * (i as f64 - 40.0));
    let tensors: Vec<(String, Tensor<f64>)> =
        gates.map(|gate| (format!("module.iter_mvs.gru.{gate}.weight"), cell())).into();
    write(&folder.path().join("mvs.safetensors"), &tensors);
    let ran = convgru(folder.path(), "import --input mvs.safetensors --out ours.safetensors").succeeded();
    assert!(ran.stdout.contains("module.iter_mvs.gru.  1 cell of iter_mvs, a ConvGru"), "{}", ran.stdout);
    assert!(ran.stdout.contains("3 -> 2 channels, kernel 3 x 3, dilated 2 x 2"), "{}", ran.stdout);
    let said = "not told by the file, taken as iter_mvs has them: candidate tanh, gates sigmoid, dilation 2 x 2 (2 x 2 over the input), stride 1 x 1";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    assert!(ran.stdout.contains("`import::network::read` of the library, with `Hints`"), "{}", ran.stdout);
    let bytes = fs::read(folder.path().join("ours.safetensors")).unwrap();
    let named = import::read_all::<f64>(&bytes).unwrap().remove(0);
    assert_eq!(named.origin.unwrap().system, "iter_mvs");
    assert_eq!(named.network.into_conv_gru().unwrap().config().dilation, [2, 2]);
    let ran = convgru(folder.path(), "export --weights ours.safetensors --out step.onnx --form step");
    assert!(ran.succeeded().stdout.contains("one step"));
}

#[test]
fn networks_of_other_cells_are_written_for_recurrent_to_read() {
    let folder = folder();
    let gates = ["convz1", "convr1", "convq1", "convz2", "convr2", "convq2"];
    let cell = |scale: f64| Tensor::from_fn(&[2, 5, 3, 3], |i| scale * (i as f64 - 40.0));
    let mut tensors: Vec<(String, Tensor<f64>)> =
        gates.map(|gate| (format!("module.update.gru.{gate}.weight"), cell(0.25))).into();
    write(&folder.path().join("raft.safetensors"), &tensors);
    let ran = convgru(folder.path(), "import --input raft.safetensors --out ours.safetensors").succeeded();
    assert!(ran.stdout.contains("module.update.gru.  1 cell of raft_sep, a Recurrent"), "{}", ran.stdout);
    assert!(ran.stdout.contains("3 -> 2 channels, kernel 3 x 3 then 3 x 3"), "{}", ran.stdout);
    let bytes = fs::read(folder.path().join("ours.safetensors")).unwrap();
    let network = import::read::<f64>(&bytes).unwrap().into_recurrent().unwrap();
    assert_eq!(network.config().cells().next().unwrap().second_kernel_size, Some([3, 3]));

    // Out again: as ONNX in both forms, under our names to the byte, and as it was.
    for (form, said) in
        [("step", "one step of a network with 1 cell"), ("sequence", "sequences of a network")]
    {
        let command = format!("export --weights ours.safetensors --out {form}.onnx --form {form}");
        let ran = convgru(folder.path(), &command).succeeded();
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
    }
    convgru(folder.path(), "export --weights ours.safetensors --out again.safetensors").succeeded();
    let bytes_of = |file: &str| fs::read(folder.path().join(file)).unwrap();
    assert!(bytes_of("again.safetensors") == bytes_of("ours.safetensors"));
    for layout in ["original", "raft_sep"] {
        let command =
            format!("export --weights again.safetensors --out {layout}.safetensors --layout {layout}");
        let ran = convgru(folder.path(), &command).succeeded();
        assert!(ran.stdout.contains("the weights as raft_sep keeps them"), "{}", ran.stdout);
        let mut back = import::named_tensors(&bytes_of(&format!("{layout}.safetensors"))).unwrap().tensors;
        back.sort_by_key(|(name, _)| tensors.iter().position(|(own, _)| own == name));
        assert_eq!(back, tensors);
    }
    let refused = "export --weights ours.safetensors --out no.safetensors --layout raft";
    let ran = convgru(folder.path(), refused);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--layout original writes a network back"), "{}", ran.stderr);
    assert!(!folder.path().join("no.safetensors").exists());

    // Beside a stack each has its name before its tensors.
    tensors.extend(self::network(0.25));
    write(&folder.path().join("both.safetensors"), &tensors);
    let json = convgru(folder.path(), "import --input both.safetensors --out both-ours.safetensors --json");
    let json = json.succeeded().json();
    assert_eq!(json["networks"][0]["origin"]["system"], "raft_sep");
    assert_eq!(json["networks"][1]["origin"]["system"], "jacobkimmel");
    let bytes = fs::read(folder.path().join("both-ours.safetensors")).unwrap();
    let names: Vec<String> =
        import::named_tensors(&bytes).unwrap().tensors.into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"module.update.gru.stages.0.input_weights".to_owned()), "{names:?}");
    assert!(names.contains(&"module.layers.1.bias".to_owned()), "{names:?}");
}

#[test]
fn json_tells_every_tensor_that_is_left() {
    let folder = folder();
    write(&folder.path().join("net.safetensors"), &network(1.0));
    let json = convgru(folder.path(), "import --input net.safetensors --json").succeeded().json();
    let network = &json["networks"][0];
    assert_eq!(network["origin"]["system"], "jacobkimmel");
    assert_eq!(network["network"]["conv_gru"]["hidden_channels"], serde_json::json!([2, 2]));
    assert_eq!(json["left"][0]["name"], "head.weight");
    assert!(json["out"].is_null());
}

#[test]
fn files_without_cells_are_errors_that_say_why() {
    let folder = folder();
    let mut tensors: Vec<(String, Tensor<f64>)> = ["convz", "convr", "convq", "convz_glo"]
        .map(|gate| (format!("update.gru.{gate}.weight"), Tensor::zeros(&[2, 5, 3, 3])))
        .into();
    write(&folder.path().join("slam.safetensors"), &tensors);
    tensors.clear();
    write(&folder.path().join("empty.safetensors"), &tensors);
    for (file, entry) in [("text", "nope"), ("version", r#"{"version": 99, "networks": []}"#)] {
        let theirs = NamedTensors { tensors: network(1.0), skipped: Vec::new() };
        let bytes = export::to_safetensors(&theirs, &[("convgru".to_owned(), entry.to_owned())]).unwrap();
        fs::write(folder.path().join(format!("{file}.safetensors")), bytes).unwrap();
    }
    fs::write(folder.path().join("page.pth"), "<html>").unwrap();
    fs::write(folder.path().join("nothing.pth"), "").unwrap();
    fs::write(folder.path().join("notes.txt"), "The weights are elsewhere.\n").unwrap();
    fs::write(folder.path().join("keras.h5"), b"\x89HDF\r\n\x1a\n\0\0").unwrap();
    fs::write(folder.path().join("dictionary.npy"), b"\x93NUMPY\x01\x00v\x00{'descr': '|O'").unwrap();
    fs::write(folder.path().join("arrays.npz"), zip_of(&[("convz.npy", b"\x93NUMPY")])).unwrap();
    for (file, words) in [
        ("slam.safetensors", "it looks like droid, but: the weights have no tensor `update.gru.w.weight`"),
        ("empty.safetensors", "0 tensors, and no cell of a known system"),
        ("text.safetensors", "text.safetensors: it says that this program wrote it"),
        ("text.safetensors", "the entry `convgru` of the metadata: expected ident"),
        ("version.safetensors", "it has version 99, and version"),
        ("page.pth", "page.pth: not a readable weight file: 6 bytes"),
        ("missing.pth", "cannot read missing.pth"),
        ("nothing.pth", "the file is empty"),
        ("notes.txt", "it is a text, not a file of weights"),
        ("keras.h5", "it is an HDF5 file, as Keras and h5py write"),
        ("dictionary.npy", "it is a file of NumPy (.npy)"),
        ("arrays.npz", "it is an archive of NumPy (.npz): write it by `safetensors.numpy.save_file"),
    ] {
        let ran = convgru(folder.path(), &format!("import --input {file} --out out.safetensors"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(words), "{}", ran.stderr);
        assert!(!folder.path().join("out.safetensors").exists());
    }
}

#[test]
fn a_description_that_cannot_be_read_is_named() {
    let folder = folder();
    for (file, text, words) in [
        ("text.safetensors", "nope", "the entry `convgru` of the metadata: expected"),
        ("later.safetensors", r#"{"version":2,"networks":[]}"#, "it has version 2, and version 1 is read"),
    ] {
        let entry = [("convgru".to_owned(), text.to_owned())].into();
        let views = Vec::<(&str, TensorView<'_>)>::new();
        fs::write(folder.path().join(file), safetensors::serialize(views, Some(entry)).unwrap()).unwrap();
        let ran = convgru(folder.path(), &format!("import --input {file} --out out.safetensors"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(words) && ran.stderr.contains(file), "{}", ran.stderr);
        assert!(!folder.path().join("out.safetensors").exists());
    }
}

/// A network of mlcast that diverged or has a tensor of another shape.
#[test]
fn networks_that_are_damaged_are_refused_with_their_reason() {
    let folder = folder();
    let config = convgru_model::MlcastConfig { blocks: 2, ..Default::default() };
    let network = convgru_model::Forecaster::<f64>::new(config.clone(), 3).unwrap();
    let whole = convgru_model::export::mlcast(&config, network.parameters()).unwrap().tensors;
    let mut diverged = whole.clone();
    diverged[0].1.as_mut_slice()[0] = f64::NAN;
    let name = diverged[0].0.clone();
    write(&folder.path().join("diverged.safetensors"), &diverged);
    let mut other = whole;
    other[1].1 = Tensor::zeros(&[7]);
    write(&folder.path().join("other.safetensors"), &other);
    for (file, words) in [
        (
            "diverged.safetensors",
            format!("1 tensor of its cells with numbers that are NaN or infinite (`{name}`)"),
        ),
        ("other.safetensors", format!("{}: shape [7] where", other[1].0)),
    ] {
        for more in ["", " --partial"] {
            let ran = convgru(folder.path(), &format!("import --input {file} --out out.safetensors{more}"));
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
            assert!(ran.stderr.contains(&words) && !ran.stderr.contains("0 tensors"), "{}", ran.stderr);
            assert!(!folder.path().join("out.safetensors").exists());
        }
    }
}

/// A network that diverged, and names with the modules of FSDP within.
#[test]
fn numbers_that_are_not_finite_are_refused_and_wrappers_are_not() {
    let folder = folder();
    let mut tensors = network(0.25);
    for (name, _) in &mut tensors {
        *name = name
            .replace(".weight", "._checkpoint_wrapped_module.weight")
            .replace(".bias", "._checkpoint_wrapped_module.bias");
    }
    write(&folder.path().join("wrapped.safetensors"), &tensors);
    let ran = convgru(folder.path(), "import --input wrapped.safetensors --json").succeeded();
    assert_eq!(
        ran.json()["networks"][0]["network"]["conv_gru"]["hidden_channels"],
        serde_json::json!([2, 2])
    );
    assert_eq!(ran.json()["left"][0]["name"], "head._checkpoint_wrapped_module.weight");

    let mut diverged = network(0.25);
    diverged[0].1.as_mut_slice()[1] = f64::NAN;
    write(&folder.path().join("head.safetensors"), &diverged);
    convgru(folder.path(), "import --input head.safetensors").succeeded();
    diverged[3].1.as_mut_slice()[1] = f64::NEG_INFINITY;
    write(&folder.path().join("diverged.safetensors"), &diverged);
    for more in ["", " --partial"] {
        let ran = convgru(
            folder.path(),
            &format!("import --input diverged.safetensors --out out.safetensors{more}"),
        );
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("NaN or infinite (`module.ConvGRUCell_00."), "{}", ran.stderr);
        assert!(!folder.path().join("out.safetensors").exists());
    }
}

/// Cells with other layers between them, and cells that lack a tensor.
#[test]
fn what_is_not_whole_is_refused_and_imported_cell_by_cell_where_that_is_asked_for() {
    let folder = folder();
    let mut interrupted = network(0.25);
    interrupted.push(("module.norm.weight".to_owned(), Tensor::zeros(&[2])));
    write(&folder.path().join("interrupted.safetensors"), &interrupted);
    let missing: Vec<_> =
        network(0.25).into_iter().filter(|(name, _)| !name.ends_with("Cell_01.reset_gate.weight")).collect();
    write(&folder.path().join("missing.safetensors"), &missing);
    for (file, words, cells) in [
        ("interrupted.safetensors", "`module.norm` can lie between `module.ConvGRUCell_00.`", 2),
        ("missing.safetensors", "there is no tensor `module.ConvGRUCell_01.reset_gate.weight`", 1),
    ] {
        let command = format!("import --input {file} --out out.safetensors");
        let ran = convgru(folder.path(), &command);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("--partial"), "{}", ran.stderr);
        assert!(!folder.path().join("out.safetensors").exists());
        let ran = convgru(folder.path(), &format!("{command} --partial")).succeeded();
        assert!(ran.stdout.contains("not whole: ") && ran.stdout.contains(words), "{}", ran.stdout);
        let json = convgru(folder.path(), &format!("{command} --partial --json")).succeeded().json();
        assert_eq!(json["networks"].as_array().unwrap().len(), cells);
        assert_eq!(json["incomplete"].as_array().unwrap().len(), 1);
        fs::remove_file(folder.path().join("out.safetensors")).unwrap();
    }
}

/// Weights as people have them: the folder of `CONVGRU_CASES`.
#[test]
fn weights_of_users_are_imported_or_refused_by_name() {
    let Some(cases) = crate::cases::cases() else { return };
    let folder = folder();
    let case = |name: &str| cases.join("import").join(name).display().to_string();
    let import = |name: &str, more: &str| {
        convgru(folder.path(), &format!("import --input {} --out ours.safetensors {more}", case(name)))
    };
    let ran = import("missing_one.pth", "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`ConvGRUCell_01.reset_gate.weight`") && ran.stderr.contains("--partial"),
        "{}",
        ran.stderr
    );
    assert!(!folder.path().join("ours.safetensors").exists());
    let ran = import("missing_one.pth", "--partial").succeeded();
    assert!(ran.stdout.contains("not whole: ConvGRUCell_01."), "{}", ran.stdout);

    let ran = import("weight_norm_new.pth", "").succeeded();
    assert!(
        ran.stdout.contains("2 cells of jacobkimmel") && ran.stdout.contains("3 -> 4 channels"),
        "{}",
        ran.stdout
    );
    // Each row of a kernel has the length that the file tells.
    let file = import::named_tensors(&fs::read(case("weight_norm_new.pth")).unwrap()).unwrap().tensors;
    let ours =
        import::named_tensors(&fs::read(folder.path().join("ours.safetensors")).unwrap()).unwrap().tensors;
    let find = |tensors: &[(String, Tensor<f64>)], name: &str| {
        tensors.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("{name}")).1.clone()
    };
    let lengths = find(&file, "ConvGRUCell_00.out_gate.parametrizations.weight.original0");
    let [input, hidden] = ["layers.0.input_weights", "layers.0.hidden_weights"].map(|name| find(&ours, name));
    for (row, length) in lengths.as_slice().iter().enumerate() {
        let squares =
            |tensor: &Tensor<f64>| tensor.slice(8 + row).iter().map(|value| value * value).sum::<f64>();
        let found = (squares(&input) + squares(&hidden)).sqrt();
        assert!((found - length.abs()).abs() < 1e-6 * length.abs(), "{row}: {found}, not {length}");
    }

    let ran = import("firenet_short_names.pth", "").succeeded();
    assert!(ran.stdout.contains("state_dict.  2 cells of firenet, a Recurrent"), "{}", ran.stdout);
    let bytes = fs::read(folder.path().join("ours.safetensors")).unwrap();
    let network = import::read::<f64>(&bytes).unwrap().into_recurrent().unwrap();
    let expected =
        import::named_tensors(&fs::read(case("firenet_short_names_expected.safetensors")).unwrap()).unwrap();
    let [x, y] = ["x", "y"].map(|name| find(&expected.tensors, name));
    let output = network.forward(&x).unwrap().outputs.pop().unwrap();
    assert_eq!(output.shape(), y.shape());
    let difference =
        output.as_slice().iter().zip(y.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(difference < 1e-5, "{difference}");
}

/// Weights as people have them: what was imported goes back under its names, to the bit, and can be imported again.
#[test]
fn weights_of_users_go_back_under_their_names() {
    let Some(cases) = crate::cases::cases() else { return };
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let mut written_back = 0;
    for entry in fs::read_dir(cases.join("import")).unwrap() {
        let file = entry.unwrap().path();
        let is_weights =
            file.extension().is_some_and(|own| ["pth", "pt", "ckpt"].iter().any(|known| own == *known));
        if !is_weights {
            continue;
        }
        let import = format!("import --input {} --out ours.safetensors --json", file.display());
        let ran = convgru(folder.path(), &import);
        if ran.code != Some(0) {
            continue;
        }
        let given = import::named_tensors(&fs::read(&file).unwrap()).unwrap().tensors;
        let folded = ran.json()["networks"][0]["origin"]["weight_norm"].as_array().map_or(0, Vec::len);
        let command = "export --weights ours.safetensors --out theirs.safetensors --layout original";
        let ran = convgru(folder.path(), command).succeeded();
        let back = import::named_tensors(&fs::read(path("theirs.safetensors")).unwrap()).unwrap().tensors;
        assert_eq!(ran.stdout.contains("the weight norm is multiplied out"), folded > 0, "{}", ran.stdout);
        for (name, tensor) in &back {
            let expected = given.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor);
            assert!(folded > 0 || expected == Some(tensor), "{}: {name}", file.display());
        }
        written_back += 1;
        fs::remove_file(path("theirs.safetensors")).unwrap();
        fs::remove_file(path("ours.safetensors")).unwrap();
    }
    assert!(written_back >= 2, "{written_back}");
}

#[test]
fn an_update_block_of_raft_is_imported_as_a_whole() {
    let folder = folder();
    let mut tensors = Vec::new();
    for (name, shape) in [
        ("encoder.convc1", [5, 6, 1, 1]),
        ("encoder.convf1", [4, 2, 7, 7]),
        ("encoder.convf2", [3, 4, 3, 3]),
        ("encoder.conv", [5, 8, 3, 3]),
        ("gru.convz", [4, 14, 3, 3]),
        ("gru.convr", [4, 14, 3, 3]),
        ("gru.convq", [4, 14, 3, 3]),
        ("flow_head.conv1", [6, 4, 3, 3]),
        ("flow_head.conv2", [2, 6, 3, 3]),
    ] {
        let values = |shape: &[usize]| Tensor::from_fn(shape, |i| (i % 7) as f64 / 7.0 - 0.4);
        tensors.push((format!("module.update_block.{name}.weight"), values(&shape)));
        tensors.push((format!("module.update_block.{name}.bias"), values(&shape[..1])));
    }
    write(&folder.path().join("raft.safetensors"), &tensors);
    let ran = convgru(folder.path(), "import --input raft.safetensors").succeeded();
    let listed = "module.update_block.  an update block of raft_update, a RaftUpdateBlock: state of 4 channels, context of 3 channels, \
                  6 correlations, cell of kernel 3 x 3, no mask";
    assert!(ran.stdout.contains(listed), "{}", ran.stdout);
    let json = convgru(folder.path(), "import --input raft.safetensors --out ours.safetensors --json")
        .succeeded()
        .json();
    assert_eq!(json["networks"][0]["network"]["raft_update"]["hidden_channels"], 4);
    let read =
        |name: &str| import::named_tensors(&fs::read(folder.path().join(name)).unwrap()).unwrap().tensors;
    let block: Network<f64> =
        import::read(&fs::read(folder.path().join("ours.safetensors")).unwrap()).unwrap();
    assert!(matches!(block, Network::RaftUpdate(_)), "{block:?}");
    let original = "export --weights ours.safetensors --out theirs.safetensors --layout original";
    convgru(folder.path(), original).succeeded();
    let mut sorted = tensors.clone();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    let mut theirs = read("theirs.safetensors");
    theirs.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(theirs, sorted);
    // The cell alone, in its own layout and in another.
    convgru(
        folder.path(),
        "export --weights ours.safetensors --out cell.safetensors --part cell --layout original",
    )
    .succeeded();
    assert_eq!(read("cell.safetensors").len(), 6);
    convgru(folder.path(), "export --weights ours.safetensors --out cell.onnx --part cell --form step")
        .succeeded();
    convgru(folder.path(), "export --weights ours.safetensors --out block.onnx --form step").succeeded();
    array(&folder.path().join("frames.npy"), &[3, 8, 8], |i| i as f32);
    for (command, told) in [
        ("export --weights ours.safetensors --out no.onnx", "add --form step"),
        ("export --weights ours.safetensors --out no.safetensors --part encoder", "no such part"),
        (
            "export --weights ours.safetensors --out no.safetensors --layout raft",
            "the network is a RaftUpdateBlock",
        ),
        (
            "predict --checkpoint ours.safetensors --input frames.npy --out no.npy",
            "6 correlations of two pictures",
        ),
        ("eval --checkpoint ours.safetensors --data frames.npy", "6 correlations of two pictures"),
        ("train --init-from ours.safetensors --data .", "--part cell"),
    ] {
        let ran = convgru(folder.path(), command);
        assert!(ran.code != Some(0) && ran.stderr.contains(told), "{command}: {}", ran.stderr);
    }
}
