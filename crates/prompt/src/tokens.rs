//! How many tokens a text has for a model.
//!
//! Exact for the vocabularies of OpenAI's models, `cl100k_base` and `o200k_base`; an estimate for
//! all others, whose vocabularies are not here. The estimate is that of [`estimate_tokens`], which
//! follows `o200k_base`, times a factor for the family of the model. The factors are set by the size
//! of the vocabularies and lean to the high side, since a prompt that is too long is refused and one
//! that is a little short is not; they are no measurements.
//!
//! A vocabulary is loaded when it is first counted with: 45 ms and 31 MiB for `cl100k_base`, 70 ms
//! and 63 MiB for `o200k_base`, measured on two cores of a server. Counts are remembered by a 128-bit
//! hash of the content, for the whole process.

mod estimate;

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use bpe_openai::{cl100k_base, o200k_base};
use moka::sync::Cache;

pub use estimate::estimate_tokens;

/// Bytes of the longest text that is counted whole: longer ones are counted in samples.
const MAX_EXACT: usize = 256 << 10;
/// Of a longer text: how many samples, in equal distances.
const SAMPLES: usize = 32;
/// And the bytes of each.
const SAMPLE_BYTES: usize = 8 << 10;
/// Bytes of a text that is counted faster than it is looked up.
const MIN_CACHED: usize = 24;
/// Counts remembered, all vocabularies together: some twenty megabytes.
const MAX_CACHED: u64 = 1 << 17;

/// Counts tokens as one vocabulary has them, and remembers counts by content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter(Tokenizer);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Tokenizer {
    Cl100k,
    O200k,
    #[default]
    Estimate,
    Claude,
    Gemini,
    Llama2,
    Llama3,
    Mistral,
    DeepSeek,
    Qwen,
}

impl Tokenizer {
    const ALL: [Self; 10] = [
        Self::Cl100k,
        Self::O200k,
        Self::Estimate,
        Self::Claude,
        Self::Gemini,
        Self::Llama2,
        Self::Llama3,
        Self::Mistral,
        Self::DeepSeek,
        Self::Qwen,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Cl100k => "cl100k_base",
            Self::O200k => "o200k_base",
            Self::Estimate => "estimate",
            Self::Claude => "estimate_claude",
            Self::Gemini => "estimate_gemini",
            Self::Llama2 => "estimate_llama2",
            Self::Llama3 => "estimate_llama3",
            Self::Mistral => "estimate_mistral",
            Self::DeepSeek => "estimate_deepseek",
            Self::Qwen => "estimate_qwen",
        }
    }

    /// Percent of the estimate.
    const fn percent(self) -> u64 {
        match self {
            // 32,000 pieces.
            Self::Llama2 => 130,
            // About 65,000.
            Self::Claude => 120,
            // 32,000 in the older ones, 131,000 in the newer ones.
            Self::Mistral => 115,
            // About 128,000.
            Self::DeepSeek => 110,
            // 128,000 and 152,000; both are made like `cl100k_base`.
            Self::Llama3 | Self::Qwen => 105,
            // 256,000.
            Self::Gemini => 105,
            Self::Estimate | Self::Cl100k | Self::O200k => 100,
        }
    }
}

/// What the name of a model contains, and what it is counted with; the first that fits.
const MODELS: [(&str, Tokenizer); 28] = [
    ("gpt-4o", Tokenizer::O200k),
    ("gpt-4.1", Tokenizer::O200k),
    ("gpt-4.5", Tokenizer::O200k),
    ("gpt-5", Tokenizer::O200k),
    ("gpt-oss", Tokenizer::O200k),
    ("gpt-4", Tokenizer::Cl100k),
    ("gpt-3.5", Tokenizer::Cl100k),
    ("gpt-35", Tokenizer::Cl100k),
    ("text-embedding-", Tokenizer::Cl100k),
    ("claude", Tokenizer::Claude),
    ("gemini", Tokenizer::Gemini),
    ("gemma", Tokenizer::Gemini),
    ("llama-3", Tokenizer::Llama3),
    ("llama3", Tokenizer::Llama3),
    ("llama-4", Tokenizer::Llama3),
    ("llama4", Tokenizer::Llama3),
    ("llama", Tokenizer::Llama2),
    ("qwen", Tokenizer::Qwen),
    ("qwq", Tokenizer::Qwen),
    ("deepseek", Tokenizer::DeepSeek),
    ("mistral", Tokenizer::Mistral),
    ("mixtral", Tokenizer::Mistral),
    ("ministral", Tokenizer::Mistral),
    ("magistral", Tokenizer::Mistral),
    ("codestral", Tokenizer::Mistral),
    ("devstral", Tokenizer::Mistral),
    ("pixtral", Tokenizer::Mistral),
    ("chatgpt", Tokenizer::O200k),
];

impl Counter {
    /// The vocabulary that fits a model's name, or the estimate. Case, and what stands before a slash, do not matter.
    #[must_use]
    pub fn for_model(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        // o1, o3-mini, o4-mini, …
        let mut start = name.chars();
        let is_reasoner = start.next() == Some('o')
            && start.next().is_some_and(|c| c.is_ascii_digit())
            && matches!(start.next(), None | Some('-' | ':'));
        if is_reasoner {
            return Self(Tokenizer::O200k);
        }
        let found = MODELS.iter().find(|(part, _)| name.contains(part));
        Self(found.map(|(_, tokenizer)| *tokenizer).unwrap_or_default())
    }

    /// `cl100k_base`, `o200k_base`, `estimate`, or what else [`Self::tokenizer`] says.
    #[must_use]
    pub fn named(tokenizer: &str) -> Option<Self> {
        let found = Tokenizer::ALL.into_iter().find(|known| known.name() == tokenizer);
        found.map(Self)
    }

    #[must_use]
    pub const fn tokenizer(&self) -> &'static str {
        self.0.name()
    }

    /// Whether counts are those of the model, for texts of up to 256 KiB.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self.0, Tokenizer::Cl100k | Tokenizer::O200k)
    }

    /// 0 for an empty text only. A text of more than 256 KiB is counted in 32 samples of 8 KiB, so
    /// that its length does not matter.
    #[must_use]
    pub fn count(&self, text: &str) -> u32 {
        let vocabulary = match self.0 {
            Tokenizer::Cl100k => cl100k_base,
            Tokenizer::O200k => o200k_base,
            estimate => {
                let tokens = u64::from(estimate_tokens(text)) * estimate.percent();
                return narrow(tokens.div_ceil(100));
            }
        };
        let exact = |text: &str| narrow(vocabulary().count(text) as u64);
        if text.len() < MIN_CACHED {
            return exact(text);
        }
        let [first, second] = &*HASHERS;
        let key = (self.0, first.hash_one(text), second.hash_one(text));
        COUNTS.get_with(key, || {
            if text.len() <= MAX_EXACT {
                exact(text)
            } else {
                extrapolate(text, exact)
            }
        })
    }
}

/// Two keys make 128 bits that nobody outside can aim at.
static HASHERS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

static COUNTS: LazyLock<Cache<(Tokenizer, u64, u64), u32>> = LazyLock::new(|| Cache::new(MAX_CACHED));

fn extrapolate(text: &str, count: impl Fn(&str) -> u32) -> u32 {
    let (mut bytes, mut tokens) = (0, 0);
    for sample in 0..SAMPLES {
        let start = text.floor_char_boundary((text.len() - SAMPLE_BYTES) / (SAMPLES - 1) * sample);
        let end = text.floor_char_boundary(start + SAMPLE_BYTES);
        let sample = text.get(start..end).unwrap_or_default();
        bytes += sample.len() as u64;
        tokens += u64::from(count(sample));
    }
    narrow((tokens * text.len() as u64).div_ceil(bytes.max(1)))
}

fn narrow(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
