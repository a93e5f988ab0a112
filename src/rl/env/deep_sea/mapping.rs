//! The draws of NumPy's `RandomState`, which bsuite uses for its action mappings.

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// Returns `RandomState(seed).binomial(1, 0.5, count)` as Booleans.
///
/// NumPy inverts the distribution function of the binomial: an entry is 1 if a uniform draw of 53 bits
/// exceeds one half.
pub(super) fn numpy_bernoulli(seed: u32, count: usize) -> Vec<bool> {
    let mut generator = MersenneTwister::new(seed);
    let mut uniform = || {
        let high = generator.next() >> 5;
        let low = generator.next() >> 6;
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    };
    (0..count).map(|_| uniform() > 0.5).collect()
}

/// MT19937 (Matsumoto and Nishimura 1998).
struct MersenneTwister {
    words: [u32; WORDS],
    next: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for i in 1..WORDS {
            let last = words[i - 1];
            words[i] = (last ^ last >> 30)
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i as u32);
        }
        Self { words, next: WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let joined = self.words[i] & 0x8000_0000 | self.words[(i + 1) % WORDS] & 0x7fff_ffff;
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[i] = self.words[(i + MIDDLE) % WORDS] ^ joined >> 1 ^ odd;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ten thousandth output for the generator's default seed, from the C++ standard.
    #[test]
    fn the_reference_output() {
        let mut generator = MersenneTwister::new(5489);
        let last = (0..10_000).map(|_| generator.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }
}
