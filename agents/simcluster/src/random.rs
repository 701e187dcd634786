//! Seeded randomness (splitmix64): the only source of chance here, so that a seed tells the whole
//! run. Not for secrets.

/// A generator that a seed determines.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A uid in the form of a version 4 UUID.
    pub(crate) fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 50),
            low & 0xffff_ffff_ffff
        )
    }

    /// The five letters that follow a `generateName`, from the alphabet Kubernetes uses.
    pub(crate) fn suffix(&mut self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..5)
            .map(|_| {
                let at = usize::try_from(self.next() % ALPHABET.len() as u64).unwrap_or(0);
                char::from(ALPHABET[at])
            })
            .collect()
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number that depends on the seed and the parts alone, not on what was drawn before: delays
/// stay the same however requests interleave.
pub(crate) fn scatter(seed: u64, parts: &[&str], number: u64) -> u64 {
    let mut hash = mix(seed ^ 0x51_7C_C1_B7_27_22_0A_95);
    for byte in parts.iter().flat_map(|p| p.bytes().chain([0xff])) {
        hash = mix(hash ^ u64::from(byte));
    }
    mix(hash ^ number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_the_form_of_a_version_4_uuid() {
        let mut random = Random::new(7);
        for _ in 0..1_000 {
            let uid = random.uid();
            let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uid}");
            assert!("89ab".contains(&uid[19..20]), "{uid}");
        }
    }

    #[test]
    fn scatter_depends_on_every_part() {
        let base = scatter(1, &["a", "b"], 1);
        assert_eq!(base, scatter(1, &["a", "b"], 1));
        for other in [scatter(2, &["a", "b"], 1), scatter(1, &["ab", ""], 1)] {
            assert_ne!(base, other);
        }
        assert_ne!(base, scatter(1, &["a", "b"], 2));
    }
}
