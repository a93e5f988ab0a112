//! Burn's records, read from files that may be damaged.

use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use burn_pack::Reader;

/// Reads a record of float tensors. Burn panics if it loads another tensor into a float parameter.
///
/// # Errors
///
/// If the bytes are not a record, or if a tensor is not a float tensor.
pub(crate) fn float_record(bytes: Bytes) -> Result<ModuleRecord, RecordError> {
    let tensors = Reader::from_bytes(bytes.clone())?.into_tensors()?;
    match tensors.iter().find(|tensor| !tensor.dtype.is_float()) {
        None => ModuleRecord::from_bytes(bytes),
        Some(tensor) => Err(RecordError::Io(format!(
            "`{}` is a tensor of {:?}, not of a float dtype",
            tensor.name, tensor.dtype
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Shape};
    use burn_pack::{Tensor, Writer};

    #[test]
    fn a_tensor_of_integers_is_refused_by_name() {
        let record = |dtype| {
            let bytes = Bytes::from_bytes_vec(vec![0; 4]);
            let tensor = Tensor::new(
                "actor.weight".to_owned(),
                dtype,
                Shape::new([1]),
                None,
                bytes,
            );
            float_record(Writer::new(vec![tensor]).into_bytes().expect("bytes"))
        };
        assert_eq!(record(DType::F32).expect("a record").len(), 1);
        let error = record(DType::U32).expect_err("integers").to_string();
        assert!(
            error.contains("`actor.weight` is a tensor of U32"),
            "{error}"
        );
    }
}
