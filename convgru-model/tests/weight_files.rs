//! Weights that PyTorch and MXNet saved, in every form these have, against what they read from them themselves.
//!
//! Files of three systems are part of the project, in `convgru-bench/parity/formats`; the others are in the folders that
//! `CONVGRU_PARITY` and `CONVGRU_DATA` name, where they are there.

#![expect(clippy::unwrap_used, reason = "tests fail by panics")]

use std::path::{Path, PathBuf};

use convgru_model::import::{
    Detected, NamedNetwork, NamedTensors, detect, layout::Layout, named_tensors, pytorch,
};
use convgru_model::{Network, Tensor, export, import};

#[path = "../../convgru-bench/tests/recorded_data/mod.rs"]
mod recorded_data;

/// The files that are part of the project.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../convgru-bench/parity/formats")
}

fn read(path: &Path) -> NamedTensors {
    named_tensors(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sorted(weights: NamedTensors) -> Vec<(String, Tensor<f64>)> {
    let mut tensors = weights.tensors;
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    tensors
}

#[test]
fn every_form_of_a_file_has_the_same_tensors() {
    assert_eq!(forms_with_the_same_tensors(&committed(), &["raft_sep", "rvm"]), 12);
    if let Some(whole) = recorded_data::folder("CONVGRU_PARITY", "formats") {
        assert_eq!(forms_with_the_same_tensors(&whole, &["jacobkimmel", "raft_sep", "rvm"]), 29);
    }
}

/// Compares every form of the files of some systems with what the system's own library read, and counts them.
fn forms_with_the_same_tensors(folder: &Path, systems: &[&str]) -> usize {
    let mut checked = 0;
    for system in systems {
        let expected = read(&folder.join(format!("{system}_expected.safetensors")));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_stem().unwrap().to_str().unwrap();
            let Some(form) = file.strip_prefix(system).and_then(|rest| rest.strip_prefix('_')) else {
                continue;
            };
            let prefix = match form {
                "expected" => continue,
                "dataparallel" => "module.",
                "wrapped" => "state_dict.",
                "legacy_wrapped" => "state_dict.module.",
                "lightning" => "state_dict.model.",
                _ => "",
            };
            let values = match form {
                "bf16" => "param_bf16.",
                "f16" => "param_f16.",
                _ => "param.",
            };
            let found = sorted(read(&path).under(prefix));
            assert!(!found.is_empty(), "{}: nothing under `{prefix}`", path.display());
            assert_eq!(found, sorted(expected.clone().under(values)), "{}", path.display());
            checked += 1;
        }
    }
    checked
}

/// Where a network comes from.
fn system(network: &NamedNetwork<f64>) -> &str {
    &network.origin.as_ref().unwrap().system
}

#[test]
fn parameters_of_mxnet_are_those_it_computed_with() {
    let folder = committed();
    let found = read(&folder.join("hko7_convgru_k5.params"));
    let recorded = sorted(read(&folder.join("../hko7_convgru_k5.safetensors")).under("param."));
    assert_eq!(found.tensors.len(), 4);
    for ((name, tensor), (expected_name, expected)) in sorted(found.clone()).iter().zip(&recorded) {
        assert_eq!((name, tensor.shape()), (expected_name, expected.shape()));
        // MXNet computed and saved in 32 bits.
        let pairs = tensor.as_slice().iter().zip(expected.as_slice());
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 6e-8 * b.abs()), "{name}");
    }
    let networks = detect(found.tensors.clone()).networks;
    assert_eq!((system(&networks[0]), &networks[0].name[..]), ("hko7", "ebrnn1_0_"));
    // One cell with nothing around it: the fused engine computes it.
    assert!(matches!(networks[0].network, Network::ConvGru(_)), "{:?}", networks[0].network);
}

#[test]
fn tensors_beside_the_weights_are_named_by_their_paths() {
    let folder = committed();
    let found = read(&folder.join("rvm_wrapped.pth"));
    let names: Vec<&str> = found.tensors.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"state_dict.ih.0.weight"), "{names:?}");
    assert!(names.contains(&"optimizer.state.0.exp_avg"), "{names:?}");
}

#[test]
fn damaged_files_are_read_or_refused_and_nothing_else() {
    let folder = committed();
    // A generator of numbers for which any will do.
    let mut state = 1u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for entry in std::fs::read_dir(&folder).unwrap() {
        let intact = std::fs::read(entry.unwrap().path()).unwrap();
        for _ in 0..100 {
            let mut bytes = intact.clone();
            for _ in 0..1 + draw(8) {
                // Structure is at the ends of a file, numbers are in the middle.
                let place = draw(bytes.len().min(4000));
                let place = if draw(2) == 0 { place } else { bytes.len() - 1 - place };
                bytes[place] = draw(256) as u8;
            }
            let _ = named_tensors(&bytes);
            let cut = draw(bytes.len());
            let _ = named_tensors(&bytes[..cut]);
        }
    }
}

#[test]
fn cells_of_a_published_optical_flow_network_are_read() {
    let Some(folder) = recorded_data::folder("CONVGRU_DATA", "weights-raft-small") else {
        return;
    };
    let found = read(&folder.join("raft-small.pth"));
    assert_eq!((found.tensors.len(), found.skipped.len()), (106, 0));
    assert_eq!(found.tensors.iter().map(|(_, tensor)| tensor.len()).sum::<usize>(), 990_162);
    let cell = found.under("module.update_block.gru.");
    let stack = Layout::of("raft").unwrap().read(&cell.tensors).unwrap();
    assert_eq!((stack.config.in_channels, &stack.config.hidden_channels[..]), (146, &[96][..]));
}

#[test]
fn a_published_checkpoint_with_the_state_of_its_optimiser_is_read() {
    let Some(folder) = recorded_data::folder("CONVGRU_DATA", "weights-itermvs") else {
        return;
    };
    let bytes = std::fs::read(folder.join("itermvs_blendedmvs_model_000015.ckpt")).unwrap();
    let found = pytorch::read(&bytes).unwrap();
    let model = found.clone().under("model.module.");
    // The counters of batch normalisation are integers.
    assert_eq!(model.tensors.len() + model.skipped.len(), 150);
    assert!(
        model.skipped.iter().all(|(name, _)| name.ends_with("num_batches_tracked")),
        "{:?}",
        model.skipped
    );
    let elements: usize = model.tensors.iter().map(|(_, tensor)| tensor.len()).sum();
    assert_eq!(elements + model.skipped.len(), 344_677);
    let kernel = model.tensors.iter().find(|(name, _)| name == "iter_mvs.update.gru.convz.weight");
    assert_eq!(kernel.unwrap().1.shape(), [32, 43, 3, 3]);
    assert!(found.tensors.iter().any(|(name, _)| name.starts_with("optimizer.state.")));
    // Its cell is that of RAFT by the names of its kernels, and is not.
    let Detected { networks, left, .. } = detect(found.tensors.clone());
    let [cell] = &networks[..] else { panic!("{} networks", networks.len()) };
    assert_eq!((system(cell), &cell.name[..]), ("iter_mvs", "model.iter_mvs.update.gru."));
    let Network::ConvGru(network) = &cell.network else { panic!("{:?}", cell.network) };
    let config = network.config();
    assert_eq!((config.in_channels, &config.hidden_channels[..], config.dilation), (11, &[32][..], [2, 2]));
    let origin = cell.origin.as_ref().unwrap();
    assert_eq!(left.len() + origin.tensors.len(), found.tensors.len());
}

/// Published weights, imported and written back: the tensors of the file, to the bit.
#[test]
fn published_weights_go_back_under_their_names() {
    for (folder, file) in [
        ("weights-raft-small", "raft-small.pth"),
        ("weights-itermvs", "itermvs_blendedmvs_model_000015.ckpt"),
    ] {
        let Some(folder) = recorded_data::folder("CONVGRU_DATA", folder) else { continue };
        let given = read(&folder.join(file)).tensors;
        let networks = detect(given.clone()).networks;
        assert!(!networks.is_empty(), "{file}");
        let read = import::read_all::<f64>(&export::networks(&networks).unwrap()).unwrap();
        for NamedNetwork { network, origin, .. } in read {
            for (name, tensor) in export::original(&network, &origin.unwrap()).unwrap().tensors {
                let (_, expected) = given.iter().find(|(own, _)| *own == name).unwrap();
                let bits =
                    |tensor: &Tensor<f64>| tensor.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(tensor.shape(), expected.shape(), "{name}");
                assert!(bits(&tensor) == bits(expected), "{name}");
            }
        }
    }
}

/// The weights that other programs were recorded with: all of their tensors are those of whole networks.
#[test]
fn recorded_weights_are_those_of_whole_networks() {
    let Some(recorded) = recorded_data::folder("CONVGRU_PARITY", "") else { return };
    for (file, system, cells) in [
        ("aserdega_l3", "metnet", 3),
        ("dgmr_convgru_spectral", "dgmr", 1),
        ("droid_convgru", "droid", 1),
        ("e2vid_firenet", "firenet", 2),
        ("hko7_convgru_no_input", "hko7", 1),
        ("hko7_trajgru", "hko7_trajgru", 1),
        ("jhhuang96_cell", "jhhuang96", 1),
        ("jhhuang96_no_input", "jhhuang96", 1),
        ("raft_sepconvgru", "raft_sep", 1),
        ("raftstereo_three_levels", "raftstereo", 3),
    ] {
        let tensors = read(&recorded.join(format!("{file}.safetensors"))).under("param.").tensors;
        let Detected { networks, left, incomplete, .. } = detect(tensors);
        assert_eq!(
            (networks.len(), left.len(), incomplete.len()),
            (1, 0, 0),
            "{file}: {incomplete:?} {left:?}"
        );
        let found = networks[0].network.description().recurrent().map_or(0, |config| config.cells().count());
        assert_eq!((system, found), (self::system(&networks[0]), cells), "{file}");
    }
}
