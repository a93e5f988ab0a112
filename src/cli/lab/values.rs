use std::fmt;

/// A number as a table shows it: short, and in powers of ten where it is far from one.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        let text = if size == 0.0 {
            "0".to_owned()
        } else if (1e-3..1e5).contains(&size) {
            let digits = (4 - size.log10().floor() as i32).min(5) as usize;
            format!("{:.digits$}", self.0)
        } else {
            format!("{:.3e}", self.0)
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.50000"),
            (0.0042, "0.00420"),
            (8.39067, "8.3907"),
            (540.24, "540.24"),
            (91964.0, "91964"),
            (1.177e17, "1.177e17"),
            (2.5e-9, "2.500e-9"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(Number(value).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Number(0.5)), " 0.50000");
    }
}
