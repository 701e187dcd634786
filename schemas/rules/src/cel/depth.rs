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
