use super::weave;
use crate::list::Mutant;

/// A mutant of the only line of a text.
fn mutant(genre: &str, columns: [usize; 2], replacement: &str) -> Mutant {
    let [start, end] = columns.map(|column| serde_json::json!({ "line": 1, "column": column }));
    let fields = serde_json::json!({
        "name": "", "package": "", "file": "", "genre": genre, "replacement": replacement,
        "span": { "start": start, "end": end },
    });
    serde_json::from_value(fields).unwrap()
}

/// The text with its mutants, without the marks.
fn woven(text: &str, mutants: &[Mutant]) -> String {
    let numbered: Vec<_> = (1..).zip(mutants).collect();
    let fabric = weave(text, &numbered).unwrap();
    assert_eq!(fabric.lost, Vec::<u32>::new());
    assert_eq!(fabric.faults.len(), mutants.len());
    let parts = fabric.text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest));
    parts.collect::<String>().replace("crate::mutant_switch::", "")
}

#[test]
fn the_faulty_branch_has_the_text_as_it_was_and_the_other_one_the_faults_inside() {
    let faults = [mutant("BinaryOperator", [33, 34], "-"), mutant("BinaryOperator", [37, 38], "/")];
    assert_eq!(
        woven("fn f(a: i32, b: i32) -> i32 { a + b * 2 }", &faults).replace("  ", " "),
        "fn f(a: i32, b: i32) -> i32 { (if on(1) { a - b * 2 } else { a + (if on(2) { b / 2 } else { b * 2 }) }) }"
    );
}

#[test]
fn a_body_returns_the_value_before_anything_else() {
    let faults = [mutant("FnValue", [16, 20], "true"), mutant("UnaryOperator", [16, 17], "")];
    assert_eq!(
        woven("fn f()->bool { !a() }", &faults),
        "fn f()->bool { if on(1) { return true; }(if on(2) { a() } else { !a() }) }"
    );
}

#[test]
fn an_arm_asks_whether_it_was_deleted_and_a_guard_what_it_became() {
    let faults = [mutant("MatchArm", [20, 33], ""), mutant("MatchArmGuard", [25, 26], "false")];
    assert_eq!(
        woven("fn f() { match x { 1 if g => b(), _ => c() } }", &faults[1..]),
        "fn f() { match x { 1 if (if on(1) { false } else { g }) => b(), _ => c() } }"
    );
    assert_eq!(
        woven("fn f() { match x { 1 if g => b(), _ => c() } }", &faults[..1]),
        "fn f() { match x { 1 if !on(1) && (g) => b(), _ => c() } }"
    );
}

#[test]
fn a_chain_of_conditions_with_a_pattern_stands_apart() {
    let faults = [mutant("BinaryOperator", [15, 17], "||")];
    let numbered: Vec<_> = (1..).zip(&faults).collect();
    let fabric = weave("fn f() { if a && let Some(_) = b {} }", &numbered).unwrap();
    assert_eq!(fabric.lost, [1]);
    assert_eq!(fabric.text, "fn f() { if a && let Some(_) = b {} }");
}
