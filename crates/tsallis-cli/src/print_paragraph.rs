use terminal_size::{Width, terminal_size_of};

/// Prints a paragraph. On a terminal, lines are wrapped between words at its width, from 20 to 100 columns.
pub(super) fn print_paragraph(text: &str) {
    match terminal_size_of(std::io::stdout()) {
        Some((Width(width), _)) => println!("{}", wrap(text, usize::from(width).clamp(20, 100))),
        None => println!("{text}"),
    }
}

fn wrap(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two three", 8), "one two\nthree");
        assert_eq!(wrap("one", 2), "one");
        assert_eq!(wrap("", 8), "");
    }
}
