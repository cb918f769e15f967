//! Chance that can be repeated: every roll comes from the turn's seed, what it is for, and the entry it
//! is about, so that an entry's luck is its own, whatever stands beside it.

use sha2::{Digest, Sha256};
use tavern_domain::lore::LoreEntry;

/// 0.0 ≤ roll < 1.0.
pub(super) fn roll(seed: u64, purpose: &str, key: &str) -> f64 {
    // FNV-1a, whose weak low bits the mixing behind it makes good.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in purpose.bytes().chain([0xff]).chain(key.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let bits = mix(hash ^ mix(seed)) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    let roll = bits as f64 / (1_u64 << 53) as f64;
    roll
}

/// The finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Changes when an entry is edited; says nothing of its id, and of nothing whose order is accidental.
pub(super) fn entry_hash(entry: &LoreEntry) -> u64 {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("extensions");
        fields.remove("source");
        fields.sort_keys();
    }
    let digest = Sha256::digest(value.to_string());
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}
