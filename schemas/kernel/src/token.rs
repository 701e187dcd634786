//! Subject tokens: any text as one token of a NATS subject, and back.
//! A `.` is written `_`; every byte outside `A-Z a-z 0-9 : -` is written `=XX` in upper-case hex;
//! the empty text is a lone `=`.

use std::fmt;

/// Why a token is not one that [`encode_token`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError(String);

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a subject token", self.0)
    }
}

impl std::error::Error for TokenError {}

/// Writes any text as one subject token.
#[must_use]
pub fn encode_token(text: &str) -> String {
    use fmt::Write as _;
    if text.is_empty() {
        return "=".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'.' => token.push('_'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b':' | b'-' => token.push(char::from(byte)),
            other => {
                let _ = write!(token, "={other:02X}");
            }
        }
    }
    token
}

/// Reads a token back.
///
/// # Errors
/// When the token is not exactly what [`encode_token`] writes for some text.
pub fn decode_token(token: &str) -> Result<String, TokenError> {
    let bad = || TokenError(token.to_owned());
    if token == "=" {
        return Ok(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b'.',
            b'=' => {
                let hex = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
                let hex = std::str::from_utf8(&hex).map_err(|_| bad())?.to_owned();
                u8::from_str_radix(&hex, 16).map_err(|_| bad())?
            }
            other => other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    if encode_token(&text) == token { Ok(text) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_round_trips_as_one_plain_token(text in any::<String>()) {
            let token = encode_token(&text);
            prop_assert!(!token.is_empty());
            prop_assert!(!token.contains(['.', '*', '>', ' ']));
            prop_assert_eq!(decode_token(&token).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(token in any::<String>()) {
            if let Ok(text) = decode_token(&token) {
                prop_assert_eq!(encode_token(&text), token);
            }
        }
    }

    #[test]
    fn the_written_forms_are_contracts() {
        assert_eq!(encode_token("a.b_c"), "a_b=5Fc");
        assert_eq!(encode_token(""), "=");
        assert!(decode_token("a.b").is_err());
        assert!(decode_token("=2e").is_err());
    }
}
