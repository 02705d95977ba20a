//! Puts all faults of a file into its text, each behind a question whether it is on.
//!
//! Where `a + b` may become `a - b`, the text becomes `(if on(7) { a - b } else { a + b })`. One fault is on at a
//! time, so that the faulty branch has the text as it was, and the other branch has the faults inside of `a` and `b`.
//! Comments mark where each fault and each changed place begin and end: errors of the compiler are found by them.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Context;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::list::{Genre, Mutant};

/// A fault and its number.
pub(crate) type Numbered<'a> = (u32, &'a Mutant);

/// A place of the text that is written in another way.
struct Edit {
    range: Range<usize>,
    /// The faults of the place.
    numbers: Vec<u32>,
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    /// The text as it was.
    Source(Range<usize>),
    /// The text with the faults inside of it.
    Woven(Range<usize>),
}

use Piece::{Source, Text, Woven};

/// The text of a file with its faults.
pub(crate) struct Fabric {
    pub(crate) text: String,
    /// Bytes of the new text that belong to one fault alone, and the fault.
    pub(crate) faults: Vec<(Range<usize>, u32)>,
    /// Bytes of the new text of a changed place, and its faults.
    pub(crate) places: Vec<(Range<usize>, Vec<u32>)>,
    /// Faults that were not found in the text.
    pub(crate) lost: Vec<u32>,
}

/// Puts `mutants`, all of one file, into its `text`.
pub(crate) fn weave(text: &str, mutants: &[Numbered<'_>]) -> anyhow::Result<Fabric> {
    let file = syn::parse_file(text).context("not Rust")?;
    let mut finder = Finder { text, mutants: BTreeMap::new(), edits: Vec::new() };
    let mut bodies: BTreeMap<(usize, usize), Vec<Numbered<'_>>> = BTreeMap::new();
    for &(number, mutant) in mutants {
        let span = mutant.span.bytes(text).context("a place outside of the file")?;
        if mutant.genre == Genre::FnValue {
            bodies.entry(span).or_default().push((number, mutant));
        } else {
            finder.mutants.entry(span).or_default().push((number, mutant));
        }
    }
    for ((start, end), faults) in bodies {
        let mut pieces = Vec::new();
        for &(number, mutant) in &faults {
            let value = &mutant.replacement;
            pieces.push(Text(fault(number, &format!("if {} {{ return {value}; }}", on(number)))));
        }
        pieces.push(Woven(start..end));
        let numbers = faults.iter().map(|(number, _)| *number).collect();
        finder.edits.push(Edit { range: start..end, numbers, pieces });
    }
    finder.visit_file(&file);
    let lost = finder.mutants.values().flatten().map(|(number, _)| *number).collect();
    let mut edits = finder.edits;
    // A place comes after the one it is in; of two with the same range, the one found first is outside.
    edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
    let mut woven = Fabric { text: String::new(), faults: Vec::new(), places: Vec::new(), lost };
    render(text, 0..text.len(), &edits, &mut woven.text);
    woven.locate(&edits);
    Ok(woven)
}

/// Writes the text of a range; `edits` are sorted, those outside of the range are passed over.
fn render(text: &str, range: Range<usize>, edits: &[Edit], into: &mut String) {
    let mut at = range.start;
    let mut next = 0;
    while let Some(edit) = edits.get(next) {
        next += 1;
        if edit.range.start < at || edit.range.end > range.end {
            continue;
        }
        into.push_str(&text[at..edit.range.start]);
        let name = edit.numbers.first().copied().unwrap_or_default();
        into.push_str(&format!("/*place {name}*/"));
        for piece in &edit.pieces {
            match piece {
                Text(words) => into.push_str(words),
                Source(part) => into.push_str(&text[part.clone()]),
                Woven(part) => render(text, part.clone(), &edits[next..], into),
            }
        }
        into.push_str(&format!("/*placed {name}*/"));
        at = edit.range.end;
    }
    into.push_str(&text[at..range.end]);
}

impl Fabric {
    /// Finds the marks in the text.
    fn locate(&mut self, edits: &[Edit]) {
        let find = |mark: &str| self.text.find(mark);
        for edit in edits {
            let name = edit.numbers.first().copied().unwrap_or_default();
            if let (Some(start), Some(end)) =
                (find(&format!("/*place {name}*/")), find(&format!("/*placed {name}*/")))
            {
                self.places.push((start..end, edit.numbers.clone()));
            }
            for &number in &edit.numbers {
                let (first, last) = (format!("/*fault {number}*/"), format!("/*end {number}*/"));
                if let (Some(start), Some(end)) = (find(&first), find(&last)) {
                    self.faults.push((start..end, number));
                }
            }
        }
    }
}

fn on(number: u32) -> String {
    format!("crate::mutant_switch::on({number})")
}

/// Text of one fault between its marks.
fn fault(number: u32, words: &str) -> String {
    format!("/*fault {number}*/{words}/*end {number}*/")
}

/// Walks through a file and writes down an edit for each fault it meets.
struct Finder<'a, 'm> {
    text: &'a str,
    /// Faults not met yet, by the bytes they change.
    mutants: BTreeMap<(usize, usize), Vec<Numbered<'m>>>,
    edits: Vec<Edit>,
}

impl<'m> Finder<'_, 'm> {
    fn take(&mut self, range: &Range<usize>) -> Vec<Numbered<'m>> {
        self.mutants.remove(&(range.start, range.end)).unwrap_or_default()
    }

    /// An expression that each fault writes in its own way, `faulty`, beside the one with the faults inside, `pieces`.
    fn choice(
        &mut self,
        range: Range<usize>,
        faults: &[Numbered<'_>],
        faulty: impl Fn(&Mutant) -> Vec<Piece>,
        pieces: Vec<Piece>,
    ) {
        let mut all = vec![Text("(".into())];
        for &(number, mutant) in faults {
            all.push(Text(format!("/*fault {number}*/if {} {{ ", on(number))));
            all.extend(faulty(mutant));
            all.push(Text(format!(" }}/*end {number}*/ else ")));
        }
        all.push(Text("{ ".into()));
        all.extend(pieces);
        all.push(Text(" })".into()));
        let numbers = faults.iter().map(|(number, _)| *number).collect();
        self.edits.push(Edit { range, numbers, pieces: all });
    }
}

impl<'ast> Visit<'ast> for Finder<'_, '_> {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let operator = node.op.span().byte_range();
        let operator = match operator.len() {
            // The span of an operator of several characters may be the one of its first.
            1 => operator.start..operator.start + operator_length(&self.text[operator.start..], &node.op),
            _ => operator,
        };
        // A pattern of `if let` cannot stand in an expression of its own.
        let faults = if binds(&node.left) || binds(&node.right) { Vec::new() } else { self.take(&operator) };
        if !faults.is_empty() {
            let (left, right) = (node.left.span().byte_range(), node.right.span().byte_range());
            let (before, after) = (Source(left.end..operator.start), Source(operator.end..right.start));
            let (l, r, o) = (left.clone(), right.clone(), operator.clone());
            let pieces = vec![Woven(left.clone()), before, Source(operator), after, Woven(right.clone())];
            let faulty = |mutant: &Mutant| {
                vec![
                    Source(l.clone()),
                    Source(l.end..o.start),
                    Text(mutant.replacement.clone()),
                    Source(o.end..r.start),
                    Source(r.clone()),
                ]
            };
            self.choice(left.start..right.end, &faults, faulty, pieces);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        let operator = node.op.span().byte_range();
        let faults = self.take(&operator);
        if !faults.is_empty() {
            let operand = node.expr.span().byte_range();
            let pieces = vec![Source(operator.start..operand.start), Woven(operand.clone())];
            self.choice(operator.start..operand.end, &faults, |_| vec![Source(operand.clone())], pieces);
        }
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let whole = node.span().byte_range();
        let guard = node.guard.as_ref().map(|(_, guard)| guard.span().byte_range());
        let deleted: Vec<_> = {
            let end =
                self.mutants.range((whole.start, 0)..(whole.start + 1, 0)).map(|(&span, _)| span).next();
            end.map(|(start, end)| self.take(&(start..end))).unwrap_or_default()
        };
        for (number, _) in deleted {
            let pattern = node.pat.span().byte_range();
            let (range, pieces) = match &guard {
                Some(guard) => {
                    let words = fault(number, &format!("!{} && ", on(number)));
                    (guard.clone(), vec![Text(words + "("), Woven(guard.clone()), Text(")".into())])
                }
                None => {
                    let words = fault(number, &format!(" if !{}", on(number)));
                    (pattern.clone(), vec![Woven(pattern), Text(words)])
                }
            };
            self.edits.push(Edit { range, numbers: vec![number], pieces });
        }
        if let Some(guard) = guard {
            let faults = self.take(&guard);
            if !faults.is_empty() {
                let pieces = vec![Woven(guard.clone())];
                self.choice(guard, &faults, |mutant| vec![Text(mutant.replacement.clone())], pieces);
            }
        }
        visit::visit_arm(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        for field in &node.fields {
            let start = field.span().byte_range().start;
            let Some(span) = self.mutants.range((start, 0)..(start + 1, 0)).map(|(&span, _)| span).next()
            else {
                continue;
            };
            let Some(base) = &node.rest else { continue };
            let faults = self.take(&(span.0..span.1));
            let (base, path) = (base.span().byte_range(), node.path.span().byte_range());
            let (value, member) = (field.expr.span().byte_range(), field.member.span().byte_range());
            let faulty = |_: &Mutant| {
                vec![
                    Text("let base: ".into()),
                    Source(path.clone()),
                    Text(" = ".into()),
                    Source(base.clone()),
                    Text("; base.".into()),
                    Source(member.clone()),
                ]
            };
            let pieces = vec![Woven(value.clone())];
            self.choice(value.clone(), &faults, faulty, pieces);
            if field.colon_token.is_none()
                && let Some(edit) = self.edits.last_mut()
            {
                edit.pieces.insert(0, Text(format!("{}: ", &self.text[member])));
            }
        }
        visit::visit_expr_struct(self, node);
    }
}

/// Whether a chain of conditions has a `let`.
fn binds(condition: &syn::Expr) -> bool {
    match condition {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(chain) => binds(&chain.left) || binds(&chain.right),
        _ => false,
    }
}

/// How many bytes an operator has.
fn operator_length(text: &str, operator: &syn::BinOp) -> usize {
    use syn::BinOp::{Add, BitAnd, BitOr, BitXor, Div, Gt, Lt, Mul, Rem, ShlAssign, ShrAssign, Sub};
    match operator {
        Add(_) | Sub(_) | Mul(_) | Div(_) | Rem(_) | BitXor(_) | BitAnd(_) | BitOr(_) | Lt(_) | Gt(_) => 1,
        ShlAssign(_) | ShrAssign(_) => 3,
        _ => text.len().min(2),
    }
}

#[cfg(test)]
mod tests;
