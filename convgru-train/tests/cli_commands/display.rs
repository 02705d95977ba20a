//! How much is said and in which colours, how commands end, completions and manual pages.

use std::fs;
use std::process::Command;

use crate::program::{command, convgru, folder};
use crate::train::interrupted;

/// A training that takes longer than anybody waits.
const LONG: &str = "train --config tiny.toml --out parts --set training.steps=100000 --set training.checkpoint_every=0 \
                    --set training.validate_every=0 --set schedule.kind=constant";

/// Exit code, stdout and stderr with whatever colours they have.
fn ran(arguments: &str, environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = folder();
    let mut command = command(folder.path(), arguments);
    command.env_remove("NO_COLOR").envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_quiet_command_says_results_warnings_and_errors() {
    let folder = folder();
    let loud = convgru(folder.path(), "train --config tiny.toml --name loud").succeeded();
    assert!(
        loud.stderr.contains("step 6/6") && loud.stderr.contains("validation at step"),
        "{}",
        loud.stderr
    );
    for arguments in ["train --config tiny.toml --name a -q", "--quiet train --config tiny.toml --name b"] {
        let quiet = convgru(folder.path(), arguments).succeeded();
        assert!(quiet.stdout.contains("report.html"), "{}", quiet.stdout);
        assert_eq!(quiet.stderr, "");
    }
    let quiet = convgru(folder.path(), "train --config tiny.toml --name c -q --json").succeeded();
    assert_eq!((quiet.json()["steps"].as_u64(), quiet.stderr.as_str()), (Some(6), ""));
    let eval = convgru(folder.path(), "eval --checkpoint runs/a -q --json").succeeded();
    assert_eq!((eval.json()["sequences"].as_u64(), eval.stderr.as_str()), (Some(3), ""));
    let warned = convgru(folder.path(), "train --config tiny.toml --name d -q --set training.monitor=far@1")
        .succeeded();
    assert!(
        warned.stderr.starts_with("warning:") && !warned.stderr.contains("step 6/6"),
        "{}",
        warned.stderr
    );
    let wrong = convgru(folder.path(), "train -q --config tiny.toml --steps 0");
    assert!(wrong.code == Some(2) && wrong.stderr.starts_with("error:"), "{wrong:?}");
}

#[test]
fn a_verbose_command_says_more() {
    let folder = folder();
    let ran = convgru(folder.path(), "train --config tiny.toml -v").succeeded();
    for words in [
        concat!("convgru ", env!("CARGO_PKG_VERSION")),
        "core",
        "against the preset quick",
        "training.steps: 1000, 6",
        "saved runs/tiny/checkpoints/step_00000006.ckpt",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let both = convgru(folder.path(), "runs -q -v");
    assert!(both.code == Some(2) && both.stderr.contains("cannot be used with"), "{both:?}");
}

#[test]
fn colours_are_chosen() {
    let wrong = "eval --checkpoint nothing.ckpt";
    for (choice, environment, has_colours) in [
        ("", &[][..], false),
        ("--color auto", &[], false),
        ("--color=never", &[], false),
        ("--color always", &[], true),
        ("--color=always", &[("NO_COLOR", "1")], true),
    ] {
        let (code, _, stderr) = ran(&format!("{wrong} {choice}"), environment);
        assert_eq!((code, stderr.contains('\x1b')), (Some(1), has_colours), "{choice}: {stderr:?}");
        // Of help, and of an error about the command line itself.
        let (code, stdout, _) = ran(&format!("train -h {choice}"), environment);
        assert_eq!((code, stdout.contains('\x1b')), (Some(0), has_colours), "{choice}: {stdout:?}");
        let (code, _, stderr) = ran(&format!("train --stepz 4 {choice}"), environment);
        assert_eq!((code, stderr.contains('\x1b')), (Some(2), has_colours), "{choice}: {stderr:?}");
    }
    let (code, _, stderr) = ran("runs --color sometimes", &[]);
    assert!(code == Some(2) && stderr.contains("auto, always, never"), "{stderr}");
}

#[test]
fn every_exit_code_of_the_help_is_that_of_the_program() {
    let help = ran("--help", &[]).1;
    let (_, table) = help.split_once("Exit codes:\n").unwrap();
    let codes: Vec<i32> =
        table.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(codes, [0, 1, 2, 129, 130, 143]);
    assert_eq!(ran("--version", &[]).0, Some(0));
    assert_eq!(ran("eval --checkpoint nothing.ckpt", &[]).0, Some(1));
    assert_eq!(ran("train --config nothing.toml", &[]).0, Some(1));
    assert_eq!(ran("", &[]).0, Some(2));
    assert_eq!(ran("train --stepz 4", &[]).0, Some(2));
    assert_eq!(ran("tarin", &[]).0, Some(2));
    assert_eq!(ran("runs", &[("CONVGRU_ISA", "abacus")]).0, Some(2));
    for (signal, code) in [("-HUP", 129), ("-INT", 130), ("-TERM", 143)] {
        let folder = folder();
        let (status, stderr) = interrupted(folder.path(), &format!("{LONG} -q"), signal, 2);
        assert_eq!(status.code(), Some(code), "{signal}: {stderr}");
        // How to go on is said in any case.
        assert!(stderr.contains("--resume=tiny") && !stderr.contains("step 1/"), "{stderr}");
    }
    // A reader that goes away.
    let folder = folder();
    let program = env!("CARGO_BIN_EXE_convgru");
    let pipe = format!("{program} completions zsh | true; exit ${{PIPESTATUS[0]}}");
    let status = Command::new("bash").args(["-c", &pipe]).current_dir(folder.path()).status();
    if let Ok(status) = status {
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn every_shell_gets_its_completions() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = convgru(folder.path(), &format!("completions {shell}")).succeeded();
        for words in ["init-from", "completions", "quiet", "dry-run"] {
            assert!(script.stdout.contains(words), "{shell}: no {words}");
        }
        let out = convgru(folder.path(), &format!("completions {shell} --out new/folder/convgru.{shell}"))
            .succeeded();
        assert!(out.stdout.is_empty() && out.stderr.contains("wrote"), "{out:?}");
        let written = fs::read_to_string(folder.path().join(format!("new/folder/convgru.{shell}"))).unwrap();
        assert_eq!(written.trim_end(), script.stdout.trim_end());
        // Where there is that shell, it reads the script.
        let check = Command::new(shell)
            .arg("-n")
            .arg(folder.path().join(format!("new/folder/convgru.{shell}")))
            .output();
        if let (true, Ok(check)) = (["bash", "zsh", "fish"].contains(&shell), check) {
            assert!(check.status.success(), "{shell}: {}", String::from_utf8_lossy(&check.stderr));
        }
    }
    let unknown = convgru(folder.path(), "completions csh");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("elvish"), "{unknown:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = folder();
    convgru(folder.path(), "man --out share/man1").succeeded();
    let page = |name: &str| fs::read_to_string(folder.path().join("share/man1").join(name)).unwrap();
    let main = page("convgru.1");
    for words in
        [".TH convgru 1", ".SH \"EXIT CODES\"", ".SH \"EXAMPLE\"\n.nf\nconvgru train", "143", "\\-\\-color"]
    {
        assert!(main.contains(words), "{words}: {main}");
    }
    let help = convgru(folder.path(), "--help").succeeded().stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names: Vec<_> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in &names {
        let text = page(&format!("convgru-{name}.1"));
        assert!(text.contains(&format!(".TH convgru-{name} 1")) && text.contains("\\-\\-quiet"), "{text}");
        assert!(main.contains(&format!("convgru\\-{name}(1)")), "{name}: {main}");
        // As the help has it: what must be given, and the options in a word.
        let synopsis = format!(".SH \"SYNOPSIS\"\n.nf\nconvgru {name} ");
        assert!(text.contains(&synopsis), "{name}: {text}");
        assert!(text.contains(&format!(".nf\nconvgru {name} ")), "{name}: {text}");
    }
    let tune = page("convgru-tune.1");
    for words in [
        "convgru tune [OPTIONS] \\-\\-ranges <FILE.toml>\n",
        ".SH \"EXAMPLES\"\n.nf\nconvgru tune",
        ".SH \"A FILE OF RANGES\"\n.nf\ntrials = 20\n",
    ] {
        assert!(tune.contains(words), "{words}: {tune}");
    }
    assert!(page("convgru-import.1").contains(".SH \"NOTES\"\n.nf\nThe written file"));
    assert_eq!(fs::read_dir(folder.path().join("share/man1")).unwrap().count(), names.len() + 1);
    fs::write(folder.path().join("file"), "").unwrap();
    let refused = convgru(folder.path(), "man --out file");
    assert!(refused.code == Some(1) && refused.stderr.contains("--out file"), "{refused:?}");
}
