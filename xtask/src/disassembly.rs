//! Innermost loops in the machine code of 64-bit ARM, as GNU objdump prints it.

/// A loop: the instructions from the target of a jump back to that jump, without another such loop inside.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Loop {
    /// The function it lies in.
    pub function: String,
    /// Its instructions.
    pub instructions: usize,
    /// Of these, vectors multiplied and added.
    pub multiplications: usize,
    /// Of these, vectors stored on the stack or loaded from it.
    pub spills: usize,
}

/// One instruction: address, name and operands.
struct Instruction<'a> {
    address: u64,
    name: &'a str,
    operands: &'a str,
}

/// All innermost loops of all functions.
pub(crate) fn loops(disassembly: &str) -> Vec<Loop> {
    let (mut found, mut function, mut body) = (Vec::new(), "", Vec::new());
    for line in disassembly.lines() {
        if let Some(name) = function_of(line) {
            found.extend(loops_of(function, &body));
            body.clear();
            function = name;
        } else {
            body.extend(instruction(line));
        }
    }
    found.extend(loops_of(function, &body));
    found
}

/// The name in a line such as `0000000000000000 <name>:`.
fn function_of(line: &str) -> Option<&str> {
    let (address, rest) = line.split_once(" <")?;
    let is_address = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit());
    rest.strip_suffix(">:").filter(|_| is_address)
}

/// The instruction in a line such as `  1c: fmla v0.4s, v1.4s, v2.s[0]`, with tabs between its parts.
fn instruction(line: &str) -> Option<Instruction<'_>> {
    let (address, rest) = line.trim_start().split_once(':')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let rest = rest.trim();
    let (name, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    (!name.is_empty()).then_some(Instruction { address, name, operands: operands.trim() })
}

impl Instruction<'_> {
    /// Where a jump goes.
    fn jumps_to(&self) -> Option<u64> {
        let jumps = self.name == "b"
            || self.name.starts_with("b.")
            || ["cbz", "cbnz", "tbz", "tbnz"].contains(&self.name);
        let (before, _) = self.operands.split_once('<')?;
        let address = before.trim().rsplit([' ', ',', '\t']).next()?;
        u64::from_str_radix(address.trim_start_matches("0x"), 16).ok().filter(|_| jumps)
    }

    fn is_multiplication(&self) -> bool {
        self.name == "fmla"
    }

    /// Whether it stores a whole vector on the stack or loads one.
    fn is_spill(&self) -> bool {
        let moves = ["str", "stp", "stur", "ldr", "ldp", "ldur"].contains(&self.name);
        moves && self.operands.starts_with('q') && self.operands.contains("[sp")
    }
}

fn loops_of(function: &str, body: &[Instruction<'_>]) -> Vec<Loop> {
    let at = |address| body.binary_search_by_key(&address, |instruction| instruction.address).ok();
    let jumps = body.iter().enumerate().filter_map(|(end, instruction)| {
        let start = at(instruction.jumps_to()?)?;
        (start <= end).then_some((start, end))
    });
    let jumps: Vec<(usize, usize)> = jumps.collect();
    let is_innermost = |&(start, end): &(usize, usize)| {
        !jumps.iter().any(|&other| other != (start, end) && start <= other.0 && other.1 <= end)
    };
    let innermost = jumps.iter().copied().filter(is_innermost);
    innermost
        .map(|(start, end)| {
            let inside = &body[start..=end];
            Loop {
                function: function.to_owned(),
                instructions: inside.len(),
                multiplications: inside.iter().filter(|one| one.is_multiplication()).count(),
                spills: inside.iter().filter(|one| one.is_spill()).count(),
            }
        })
        .collect()
}

impl Loop {
    pub(crate) fn text(&self, count: usize) -> String {
        let Self { function, instructions, multiplications, spills } = self;
        format!(
            "{count:>4} x {multiplications:>3} fmla of {instructions:>3} instructions, {spills} on the stack: {function}"
        )
    }

    pub(crate) fn json(&self, count: usize) -> String {
        let Self { function, instructions, multiplications, spills } = self;
        serde_json::json!({
            "function": function,
            "loops": count,
            "instructions": instructions,
            "fmla": multiplications,
            "stack": spills,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
lib.rlib(a.o):     file format elf64-littleaarch64

Disassembly of section .text:

0000000000000000 <outer>:
   0:\tsub\tsp, sp, #0x40
   4:\tstr\tq8, [sp, #16]
   8:\tldr\tq0, [x1], #16
   c:\tfmla\tv1.4s, v0.4s, v2.s[0]
  10:\tfmla\tv3.4s, v0.4s, v2.s[1]
  14:\tsubs\tx0, x0, #0x1
  18:\tb.ne\t8 <outer+0x8>  // b.any
  1c:\tstr\tq9, [sp, #32]
  20:\tldp\tq8, q9, [sp, #16]
  24:\tfmla\tv1.4s, v0.4s, v2.4s
  28:\tcbnz\tx2, 1c <outer+0x1c>
  2c:\tcbnz\tx3, 4 <outer+0x4>
  30:\tret
";

    #[test]
    fn innermost_loops_are_found_with_what_they_do() {
        let expected = [(5, 2, 0), (4, 1, 2)];
        let found = loops(TEXT);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (one, (instructions, multiplications, spills)) in found.iter().zip(expected) {
            let function = "outer".to_owned();
            assert_eq!(*one, Loop { function, instructions, multiplications, spills });
        }
    }
}
