use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::fmt::Display;
use std::str::FromStr;

/// The parser of a value of the library that has a name: the help lists these names, each with what it means.
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
