use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::fmt::Display;
use std::str::FromStr;

/// Returns a parser for a named value of the library. The help lists each name with its meaning.
pub(super) fn named_values<T>(
    names: &'static [(&'static str, &'static str)],
) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    let names = names
        .iter()
        .map(|&(name, meaning)| PossibleValue::new(name).help(meaning));
    PossibleValuesParser::new(names).try_map(|name| {
        name.parse::<T>()
            .map_err(|error| std::io::Error::other(error.to_string()))
    })
}
