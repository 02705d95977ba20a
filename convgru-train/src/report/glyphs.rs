//! Letters for images: capitals, digits and the signs of times and rates, five by seven
//! pixels each.

/// The width of a letter.
pub(super) const GLYPH_WIDTH: usize = 5;
/// The height of a letter.
pub(super) const GLYPH_HEIGHT: usize = 7;

/// The pixels of a letter, row by row from the top, bit 4 leftmost. Letters
/// that are not drawn are blank.
fn rows(letter: char) -> [u8; GLYPH_HEIGHT] {
    match letter {
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'F' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000],
        'G' => [0b01110, 0b10001, 0b10000, 0b10111, 0b10001, 0b10001, 0b01111],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        'W' => [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b10101, 0b01010],
        'i' => [0b00100, 0b00000, 0b01100, 0b00100, 0b00100, 0b00100, 0b01110],
        'm' => [0b00000, 0b00000, 0b11010, 0b10101, 0b10101, 0b10101, 0b10101],
        'n' => [0b00000, 0b00000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001],
        '.' => [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100],
        '/' => [0b00001, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b10000],
        'C' => [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
        'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'N' => [0b10001, 0b11001, 0b11001, 0b10101, 0b10011, 0b10011, 0b10001],
        'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'P' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        't' => [0b00000, 0b01000, 0b11110, 0b01000, 0b01000, 0b01001, 0b00110],
        '+' => [0b00000, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0b00000],
        '-' => [0b00000, 0b00000, 0b00000, 0b11111, 0b00000, 0b00000, 0b00000],
        _ => [0; GLYPH_HEIGHT],
    }
}

/// The width of a line of text: one blank column between letters.
pub(super) fn text_width(text: &str) -> usize {
    (text.chars().count() * (GLYPH_WIDTH + 1)).saturating_sub(1)
}

/// The pixels `(x, y)` to set for a line of text, from its top left corner.
pub(super) fn text_pixels(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.chars().enumerate().flat_map(|(index, letter)| {
        let rows = rows(letter);
        (0..GLYPH_HEIGHT * GLYPH_WIDTH).map(|i| (i % GLYPH_WIDTH, i / GLYPH_WIDTH)).filter_map(
            move |(x, y)| {
                (rows[y] >> (GLYPH_WIDTH - 1 - x) & 1 == 1).then_some((index * (GLYPH_WIDTH + 1) + x, y))
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_in_use_is_drawn_and_no_two_alike() {
        let letters: Vec<char> = "INPUTRHEDCOABFGLMSVW0123456789timn+-./".chars().collect();
        for (i, &a) in letters.iter().enumerate() {
            assert!(rows(a).iter().any(|&row| row != 0), "{a}");
            assert!(rows(a).iter().all(|&row| row < 32), "{a}");
            assert!(letters[..i].iter().all(|&b| rows(a) != rows(b)), "{a}");
        }
    }

    #[test]
    fn text_stays_within_its_width() {
        let text = "PREDICTION t+10";
        assert!(text_pixels(text).all(|(x, y)| x < text_width(text) && y < GLYPH_HEIGHT));
        assert_eq!(text_width(""), 0);
    }
}
