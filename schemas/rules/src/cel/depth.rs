//! How deep the parts of an expression can lie in each other, from its tokens alone: nothing is
//! read by a recursive reader before it is known to be shallow.

use cel::parser::pratt_parser::{Lexer, TokenKind};

/// One pair of brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Since the last separator.
    current: usize,
    /// The deepest between separators.
    deepest: usize,
    /// How many `&&` and `||` there are: what they join becomes a balanced tree each.
    ands: usize,
    ors: usize,
}

impl Level {
    fn separate(&mut self) {
        self.deepest = self.deepest.max(self.current);
        self.current = 0;
    }

    fn depth(&self) -> usize {
        let bits = |count: usize| (usize::BITS - count.leading_zeros()) as usize;
        self.deepest.max(self.current) + bits(self.ands) + bits(self.ors)
    }
}

/// A bound on the depth. Every operator, selection and bracket is a level of what stands between
/// two separators; a conditional, one above all.
pub(super) fn depth(text: &str) -> usize {
    let mut lexer = Lexer::new(text);
    let (mut levels, mut top) = (Vec::<Level>::new(), Level::default());
    let mut above = 0;
    // An error token takes at least a byte.
    for _ in 0..=text.len() {
        match lexer.lex().kind {
            TokenKind::TokEnd => break,
            TokenKind::TokLeftBracket | TokenKind::TokLeftBrace | TokenKind::TokLeftParen => {
                top.current += 1;
                levels.push(top);
                top = Level::default();
            }
            TokenKind::TokRightBracket | TokenKind::TokRightBrace | TokenKind::TokRightParen => {
                let inside = top.depth();
                top = levels.pop().unwrap_or_default();
                top.current += inside;
            }
            TokenKind::TokComma => top.separate(),
            TokenKind::TokLogicalAnd => {
                top.ands += 1;
                top.separate();
            }
            TokenKind::TokLogicalOr => {
                top.ors += 1;
                top.separate();
            }
            TokenKind::TokQuestion => above += 1,
            TokenKind::TokWhitespace
            | TokenKind::TokComment
            | TokenKind::TokNull
            | TokenKind::TokFalse
            | TokenKind::TokTrue
            | TokenKind::TokInt
            | TokenKind::TokUint
            | TokenKind::TokFloat
            | TokenKind::TokString
            | TokenKind::TokBytes
            | TokenKind::TokIdent => {}
            _ => top.current += 1,
        }
    }
    // What is not closed lies in all that is open.
    levels.push(top);
    above + levels.iter().map(Level::depth).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_selections_and_brackets_are_levels_between_two_separators() {
        for (text, levels) in [
            ("", 0),
            ("1", 0),
            ("true", 0),
            ("a // more + b", 0),
            ("'a' + b'c' + 1u + 1.5 + null", 4),
            ("a.b", 1),
            ("a.b.c + 1", 3),
            ("[1, 2 + 3, 4]", 2),
            ("[1 + 2, 3][0]", 3),
            ("f(g(x), {'a': 1})", 3),
            ("a && b", 1),
            ("a && b && c && d", 2),
            ("a || b || c || d || e", 3),
            ("a && b || c", 2),
            ("a.b && c.d.e && f", 4),
            ("a.b.c || d.e", 3),
            ("a ? b : c", 2),
            ("(((", 3),
            ("a)))", 0),
        ] {
            assert_eq!(depth(text), levels, "{text}");
        }
    }
}
