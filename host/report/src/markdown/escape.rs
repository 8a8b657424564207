//! Escapes of untrusted text.

use crate::sanitize;

/// Invisible character that separates `@` and `#` from what follows: a ticket system then finds no mention and no
/// reference. It looks for them in the rendered text, where a backslash is gone.
const WORD_JOINER: char = '\u{2060}';

/// Makes text one line of plain text.
pub(super) fn inline(text: &str) -> String {
    let text = sanitize::line(text);
    let text = text.trim();
    let mut safe = String::with_capacity(text.len() + 8);
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    for (at, letter) in text.char_indices() {
        let (before, rest) = (&text[..at], &text[at + letter.len_utf8()..]);
        let follows_word = before.ends_with(char::is_alphanumeric);
        let is_markup = match letter {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '^' | '&' | '#' => true,
            // Within a word it is a letter.
            '_' => !(follows_word && rest.starts_with(char::is_alphanumeric)),
            // A definition, and links without brackets: `https://…` and `www.…`.
            ':' => at == 0 || rest.starts_with("//"),
            '.' => before.to_ascii_lowercase().ends_with("www"),
            // At the beginning: an item of a list, or a line under a heading.
            '-' | '+' | '=' => at == 0,
            _ => false,
        };
        let ends_number = number > 0 && at == number && matches!(letter, '.' | ')');
        let is_list_item = ends_number && (rest.is_empty() || rest.starts_with(' '));
        if is_markup || is_list_item {
            safe.push('\\');
        }
        safe.push(letter);
        let is_mention = letter == '@' && !follows_word && rest.starts_with(char::is_alphanumeric);
        let is_reference = letter == '#' && rest.starts_with(|next: char| next.is_ascii_digit());
        if is_mention || is_reference {
            safe.push(WORD_JOINER);
        }
    }
    safe
}

/// Makes a block of code: its fence is longer than any in the text.
pub(super) fn code(language: &str, text: &str) -> String {
    let text = sanitize::lines(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_markup_links_and_mentions() {
        for (text, expected) in [
            ("order-service", "order-service"),
            ("10.0.3.17 took 1.5 s", "10.0.3.17 took 1.5 s"),
            ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
            ("a|b *c* _d_e `f` [g](h)", "a\\|b \\*c\\* \\_d_e \\`f\\` \\[g\\](h)"),
            ("see https://x.y or WWW.x.y", "see https\\://x.y or WWW\\.x.y"),
            ("@team 7@db #12 # @", "@\u{2060}team 7@db \\#\u{2060}12 \\# @"),
            ("- a", "\\- a"),
            ("12. a", "12\\. a"),
            ("127.0.0.1", "127.0.0.1"),
            ("  a\nb\u{1b}[0m\u{202e}", "a b�\\[0m�"),
        ] {
            assert_eq!(inline(text), expected);
        }
    }

    #[test]
    fn a_fence_is_longer_than_those_in_the_text() {
        assert_eq!(code("sql", "SELECT 1;\n"), "```sql\nSELECT 1;\n```");
        assert_eq!(code("sql", "a ```` b"), "`````sql\na ```` b\n`````");
    }
}
