//! Rust source with everything that is not code blanked out.
//!
//! Comments, strings and character literals become spaces, byte for byte, so that a rule can look
//! for a word without finding it in a sentence, and lines and columns stay what they were.

/// The code of a file; see the module.
pub(crate) struct Code {
    text: String,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl Code {
    pub(crate) fn of(text: &str) -> Code {
        let text = blank(text);
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Code { text, starts }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// A line without its end, by its number from 1; empty past the last one.
    pub(crate) fn line(&self, number: usize) -> &str {
        let Some(start) = number.checked_sub(1).and_then(|at| self.starts.get(at)) else {
            return "";
        };
        self.text[*start..].lines().next().unwrap_or("")
    }

    /// Where `word` stands by itself, not inside a longer name.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.text, word)
    }

    /// The first line of the `#[cfg(test)] mod ... {` that ends many files, if there is one.
    pub(crate) fn tests_begin(&self) -> Option<usize> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        lines
            .windows(2)
            .position(|pair| {
                pair[0].starts_with("#[cfg(")
                    && pair[0].contains("test")
                    && pair[1].starts_with("mod ")
                    && pair[1].ends_with('{')
            })
            .map(|at| at + 1)
    }
}

/// Where `word` stands in `text` with no letter, digit or underscore on either side.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .filter(move |(at, _)| {
            !text[..*at].ends_with(inside) && !text[at + word.len()..].starts_with(inside)
        })
        .map(|(at, _)| at)
}

fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // Inside a name, `r`, `b` and `c` begin no literal.
        let in_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = match literal_length(rest) {
            0 if !in_name => prefixed_literal_length(rest),
            length => length,
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (skipped, after) = rest.split_at(length);
        for byte in skipped.bytes() {
            out.push(if byte == b'\n' { '\n' } else { ' ' });
        }
        rest = after;
    }
    out
}

/// The length of the comment or literal that `rest` begins with; 0 if it begins with code.
fn literal_length(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('\'') {
        return char_length(rest);
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return 1 + quoted_length(inside, '"');
    }
    0
}

/// The same for literals that begin with a letter.
fn prefixed_literal_length(rest: &str) -> usize {
    if let Some(raw) = raw_string_length(rest) {
        return raw;
    }
    for (prefix, quote) in [("b\"", '"'), ("c\"", '"'), ("b'", '\'')] {
        if let Some(inside) = rest.strip_prefix(prefix) {
            return prefix.len() + quoted_length(inside, quote);
        }
    }
    0
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match here.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => return rest.len(),
            }
        }
    }
}

/// A character literal; 0 for a lifetime or a label.
fn char_length(rest: &str) -> usize {
    let inside = &rest[1..];
    let mut chars = inside.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => 1 + quoted_length(inside, '\''),
        (Some(c), Some('\'')) => 1 + c.len_utf8() + 1,
        _ => 0,
    }
}

/// What is left of a quoted literal after its opening quote, the closing one included.
fn quoted_length(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    inside.len()
}

fn raw_string_length(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"]
        .into_iter()
        .find(|p| rest.starts_with(p))?;
    let hashes = rest[prefix.len()..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let open = prefix.len() + hashes;
    let body = rest[open..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(open + 1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Code::of(text).as_str().to_string()
    }

    #[test]
    fn comments_and_literals_become_spaces() {
        assert_eq!(code("a // unsafe\nb"), "a          \nb");
        assert_eq!(code("a /* x /* y */ z */ b"), "a                   b");
        assert_eq!(code(r#"f("un\"safe") + 1"#), "f(          ) + 1");
        assert_eq!(code("f('x', b'\\'', '\\u{41}')"), "f(   ,      ,         )");
        assert_eq!(code("r#\"a\"b\"# x"), "         x");
        assert_eq!(code("br\"\\\" x"), "      x");
    }

    #[test]
    fn code_that_looks_like_a_literal_stays() {
        let text = "fn f<'a>(x: &'a str) -> &'static str { 'l: loop { break 'l } }";
        assert_eq!(code(text), text);
        assert_eq!(code("r#type; var\"\"; x//"), "r#type; var  ; x  ");
    }

    #[test]
    fn what_never_ends_reaches_to_the_end() {
        assert_eq!(code("a \"bc"), "a    ");
        assert_eq!(code("a /* bc"), "a      ");
        assert_eq!(code("a r#\"bc\""), "a       ");
    }

    #[test]
    fn letters_beyond_ascii_keep_their_length_in_bytes() {
        let blanked = code("x // é\ny");
        assert_eq!(blanked.len(), "x // é\ny".len());
        assert!(blanked.ends_with("\ny"));
    }

    #[test]
    fn lines_and_words() {
        let code = Code::of("unsafe {\nunsafe_code; is_unsafe\n}");
        assert_eq!(code.words("unsafe").collect::<Vec<_>>(), [0]);
        assert_eq!(code.line_of(0), 1);
        assert_eq!(code.line_of(9), 2);
        assert_eq!(code.line(3), "}");
        assert_eq!(code.line(0), "");
        assert_eq!(code.line(4), "");
    }
}
