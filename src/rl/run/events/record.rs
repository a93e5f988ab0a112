//! Records in TensorFlow's framing: the length, its checksum, the payload and its checksum.

const HEADER: usize = 12;
const FOOTER: usize = 4;

/// Returns the record of a payload.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(HEADER + payload.len() + FOOTER);
    record.extend(length);
    record.extend(masked_crc(&length));
    record.extend(payload);
    record.extend(masked_crc(payload));
    record
}

/// Returns the payloads of records, each with the end of its record, up to the first incomplete or damaged
/// record.
pub(super) fn scan(bytes: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let header = bytes.get(position..position + HEADER)?;
        let (length, crc) = header.split_at(8);
        if masked_crc(length) != crc {
            return None;
        }
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let start = position + HEADER;
        let end = start.checked_add(length)?;
        let payload = bytes.get(start..end)?;
        if bytes.get(end..end + FOOTER)? != masked_crc(payload) {
            return None;
        }
        position = end + FOOTER;
        Some((payload, position))
    })
}

/// Computes CRC-32C, rotated and shifted as in TensorFlow's `crc32c::Mask`, because a checksum of data that
/// contains checksums is weak.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32c::crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_format() {
        // CRC-32C of "123456789" is 0xe3069283, the check value of the polynomial.
        let crc: u32 = 0xe306_9283;
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc(b"123456789"), masked.to_le_bytes());
    }

    #[test]
    fn a_damaged_record_ends_the_scan() {
        let mut bytes = frame(b"one");
        let end = bytes.len();
        bytes.extend(frame(b"two"));
        let payloads = |bytes: &[u8]| scan(bytes).count();
        assert_eq!(payloads(&bytes), 2);
        for byte in end..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 1;
            assert_eq!(payloads(&damaged), 1, "byte {byte}");
        }
    }
}
