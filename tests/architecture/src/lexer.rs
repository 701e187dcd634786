//! Rust text with comments and the insides of strings blanked out, line for line, and the strings
//! beside it. Knows just enough of the language for that; macros are text like any other.

/// A string literal of a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Where it begins, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A text taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lexed {
    /// As long as the text: blanks stand for comments and for what is inside strings.
    pub(crate) code: Vec<char>,
    pub(crate) strings: Vec<Literal>,
}

/// Takes a text apart; whatever it is, it ends.
pub(crate) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer { text: text.chars().collect(), at: 0, line: 1, out: Lexed::default() };
    while lexer.at < lexer.text.len() {
        lexer.step();
    }
    lexer.out
}

struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
    out: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Passes one character, as it is or as a blank.
    fn pass(&mut self, keep: bool) -> char {
        let c = self.peek(0);
        self.line += usize::from(c == '\n');
        self.out.code.push(if keep || c == '\n' { c } else { ' ' });
        self.at += 1;
        c
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while self.at < self.text.len() && self.peek(0) != '\n' {
                    self.pass(false);
                }
            }
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('r', '"' | '#') if !self.in_word() => self.raw_string(),
            ('b' | 'c', 'r') if !self.in_word() && matches!(self.peek(2), '"' | '#') => {
                self.pass(true);
                self.raw_string();
            }
            ('\'', _) => self.quote(),
            _ => {
                self.pass(true);
            }
        }
    }

    fn in_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        before.is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.pass(false);
                    continue;
                }
            }
            self.pass(false);
            self.pass(false);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.pass(true);
        while self.at < self.text.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                text.push(self.pass(false));
            }
            if self.at < self.text.len() {
                text.push(self.pass(false));
            }
        }
        self.pass_end();
        self.out.strings.push(Literal { line, text });
    }

    /// `r"..."`, `r#"..."#`; a raw identifier (`r#fn`) is passed as it is.
    fn raw_string(&mut self) {
        let line = self.line;
        let hashes = (1..).take_while(|ahead| self.peek(*ahead) == '#').count();
        if self.peek(1 + hashes) != '"' {
            self.pass(true);
            return;
        }
        for _ in 0..hashes + 2 {
            self.pass(true);
        }
        let mut text = String::new();
        while self.at < self.text.len() {
            let ends = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if ends {
                break;
            }
            text.push(self.pass(false));
        }
        for _ in 0..=hashes {
            self.pass_end();
        }
        self.out.strings.push(Literal { line, text });
    }

    fn pass_end(&mut self) {
        if self.at < self.text.len() {
            self.pass(true);
        }
    }

    /// A character literal is blanked, a lifetime is not.
    fn quote(&mut self) {
        self.pass(true);
        if self.peek(0) == '\\' {
            self.pass(false);
            self.pass_blank();
            while self.at < self.text.len() && !matches!(self.peek(0), '\'' | '\n') {
                self.pass(false);
            }
            self.pass_end();
        } else if self.peek(1) == '\'' {
            self.pass_blank();
            self.pass_end();
        }
    }

    fn pass_blank(&mut self) {
        if self.at < self.text.len() {
            self.pass(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        lex(text).code.into_iter().collect()
    }

    #[test]
    fn comments_and_strings_are_blanked_and_lines_kept() {
        let text = "a(\"x{\"); // {\n/* { /* { */ */ b('{', '\\'', '\\u{7f}');\n";
        let clean = code(text);
        assert!(!clean.contains('{'), "{clean}");
        assert_eq!(clean.lines().count(), 2);
        assert_eq!(clean.len(), text.len());
    }

    #[test]
    fn lifetimes_and_raw_identifiers_stay() {
        assert_eq!(code("fn r#in<'a>(x: &'a str) {}"), "fn r#in<'a>(x: &'a str) {}");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let lexed = lex("let a = r#\"fl.\"x\"#; let b = br\"y\";");
        let texts: Vec<&str> = lexed.strings.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["fl.\"x", "y"]);
    }

    #[test]
    fn what_never_ends_ends() {
        for text in ["\"abc", "r##\"abc\"#", "/* /* */", "'\\", "'", "\"\\"] {
            assert_eq!(lex(text).code.len(), text.chars().count(), "{text}");
        }
    }
}
