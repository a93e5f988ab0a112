//! The two protocol-buffer messages of a scalar: `Event` with its `wall_time` (1), `step` (2),
//! `file_version` (3) and `summary` (5), and `Summary` with a `value` (1) of `tag` (1) and `simple_value` (2)
//! for each scalar (`tensorflow/core/util/event.proto`, `framework/summary.proto`).

/// The wire types of protocol buffers.
#[derive(Clone, Copy)]
enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// An encoded `Event`.
pub(super) struct Event(Vec<u8>);

impl Event {
    /// Returns the first event of a file.
    pub(super) fn version(wall_time: f64) -> Self {
        let mut event = Self::at(wall_time, 0);
        bytes(&mut event.0, 3, b"brain.Event:2");
        event
    }

    /// Returns the event with the scalars of a step.
    pub(super) fn scalars<'a>(
        wall_time: f64,
        step: u64,
        scalars: impl Iterator<Item = (&'a str, f64)>,
    ) -> Self {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut scalar = Vec::new();
            bytes(&mut scalar, 1, tag.as_bytes());
            key(&mut scalar, 2, WireType::Fixed32);
            scalar.extend((value as f32).to_le_bytes());
            bytes(&mut summary, 1, &scalar);
        }
        let mut event = Self::at(wall_time, step);
        bytes(&mut event.0, 5, &summary);
        event
    }

    fn at(wall_time: f64, step: u64) -> Self {
        let mut event = Vec::new();
        key(&mut event, 1, WireType::Fixed64);
        event.extend(wall_time.to_le_bytes());
        key(&mut event, 2, WireType::Varint);
        varint(&mut event, step);
        Self(event)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Returns the step of an event that [`Event`] encoded, or `None` for other bytes.
pub(super) fn step(event: &[u8]) -> Option<u64> {
    let mut keys = Vec::new();
    key(&mut keys, 1, WireType::Fixed64);
    let rest = event.strip_prefix(&keys[..])?.get(8..)?;
    keys.clear();
    key(&mut keys, 2, WireType::Varint);
    let rest = rest.strip_prefix(&keys[..])?;
    let mut step = 0;
    for (i, byte) in rest.iter().take(10).enumerate() {
        step |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(step);
        }
    }
    None
}

fn key(message: &mut Vec<u8>, field: u64, wire: WireType) {
    varint(message, field << 3 | wire as u64);
}

fn bytes(message: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(message, field, WireType::Bytes);
    varint(message, value.len() as u64);
    message.extend(value);
}

/// Writes seven bits per byte, the lowest first, with the eighth bit set on all but the last byte.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_as_protocol_buffers_encode_it() {
        let event = Event::scalars(1.5, 300, [("a/b", 0.25)].into_iter());
        let expected: &[u8] = &[
            0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, // wall_time
            0x10, 0xac, 0x02, // step
            0x2a, 12, // summary
            0x0a, 10, // value
            0x0a, 3, b'a', b'/', b'b', // tag
            0x15, 0, 0, 0x80, 0x3e, // simple_value
        ];
        assert_eq!(event.bytes(), expected);
    }

    #[test]
    fn steps_are_read_back() {
        for n in [0, 1, 127, 128, 300, 1 << 40, u64::MAX] {
            let event = Event::scalars(0.0, n, std::iter::empty());
            assert_eq!(step(event.bytes()), Some(n));
        }
        assert_eq!(step(b"foreign"), None);
        assert_eq!(step(&[]), None);
    }
}
