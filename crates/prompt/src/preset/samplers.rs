//! Samplers: how a model picks its words.

use serde_json::{Map, Value};
use tavern_domain::generation::GenerationOptions;

use super::fields::Fields;

/// What a preset says of sampling. A value that changes nothing (a penalty of 1, a seed of -1) is
/// `None`, so that no backend is told of a sampler it may not know.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samplers {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i32>,
    pub min_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub seed: Option<i64>,
    /// The samplers of text-completion servers, under the names they know them by.
    pub others: Map<String, Value>,
}

/// Names that fields are found under besides the backends' own, and the values that switch them off.
const OTHERS: [(&str, &[&str], Off); 40] = [
    ("top_a", &[], Off::At(0.0)),
    ("typical_p", &["typical"], Off::At(1.0)),
    ("tfs", &[], Off::At(1.0)),
    ("top_n_sigma", &["nsigma"], Off::At(0.0)),
    ("epsilon_cutoff", &[], Off::At(0.0)),
    ("eta_cutoff", &[], Off::At(0.0)),
    ("repetition_penalty_range", &["rep_pen_range"], Off::At(0.0)),
    ("repetition_penalty_slope", &["rep_pen_slope"], Off::At(0.0)),
    ("repetition_penalty_decay", &["rep_pen_decay"], Off::At(0.0)),
    ("no_repeat_ngram_size", &[], Off::At(0.0)),
    ("encoder_repetition_penalty", &["encoder_rep_pen"], Off::At(1.0)),
    ("penalty_alpha", &[], Off::At(0.0)),
    ("min_length", &["min_tokens"], Off::At(0.0)),
    ("temperature_last", &[], Off::No),
    ("dynatemp", &[], Off::No),
    ("min_temp", &["dynatemp_low"], Off::Never),
    ("max_temp", &["dynatemp_high"], Off::Never),
    ("dynatemp_exponent", &[], Off::At(1.0)),
    ("smoothing_factor", &[], Off::At(0.0)),
    ("smoothing_curve", &[], Off::At(1.0)),
    ("skew", &[], Off::At(0.0)),
    ("dry_multiplier", &[], Off::At(0.0)),
    ("dry_base", &[], Off::Never),
    ("dry_allowed_length", &[], Off::Never),
    ("dry_sequence_breakers", &[], Off::Empty),
    ("dry_penalty_last_n", &[], Off::At(0.0)),
    ("xtc_probability", &[], Off::At(0.0)),
    ("xtc_threshold", &[], Off::Never),
    ("mirostat_mode", &["mirostat"], Off::At(0.0)),
    ("mirostat_tau", &[], Off::Never),
    ("mirostat_eta", &[], Off::Never),
    ("guidance_scale", &[], Off::At(1.0)),
    ("negative_prompt", &[], Off::Empty),
    ("banned_tokens", &["banned_strings"], Off::Empty),
    ("logit_bias", &[], Off::Empty),
    ("grammar_string", &["grammar"], Off::Empty),
    ("json_schema", &[], Off::Empty),
    ("ban_eos_token", &[], Off::No),
    ("ignore_eos_token_aphrodite", &[], Off::No),
    ("sampler_priority", &["sampler_order"], Off::Empty),
];

/// When a field says nothing.
#[derive(Debug, Clone, Copy)]
enum Off {
    At(f64),
    No,
    Empty,
    Never,
}

impl Off {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::At(number) => value.as_f64() == Some(number),
            Self::No => value == &Value::Bool(false),
            Self::Empty => match value {
                Value::String(text) => text.trim().is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                _ => false,
            },
            Self::Never => false,
        }
    }
}

impl Samplers {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut number = |names: &[&str], off: f64| {
            names
                .iter()
                .find_map(|name| fields.number(name))
                .filter(|number| *number != off)
        };
        let temperature = number(&["temperature", "temp", "temp_openai"], f64::NAN);
        let top_p = number(&["top_p", "top_p_openai"], 1.0);
        let min_p = number(&["min_p", "min_p_openai"], 0.0);
        let frequency_penalty = number(&["frequency_penalty", "freq_pen", "freq_pen_openai"], 0.0);
        let presence_penalty = number(&["presence_penalty", "presence_pen", "pres_pen_openai"], 0.0);
        let repetition_penalty = number(&["repetition_penalty", "rep_pen", "repetition_penalty_openai"], 1.0);
        let top_k = ["top_k", "top_k_openai"]
            .iter()
            .find_map(|name| fields.integer(name))
            .and_then(|top_k| i32::try_from(top_k).ok())
            .filter(|top_k| *top_k > 0);
        let seed = fields.integer("seed").filter(|seed| *seed >= 0);
        let mut others = Map::new();
        for (name, spellings, off) in OTHERS {
            let value = [name].iter().chain(spellings).find_map(|name| fields.value(name));
            if let Some(value) = value.filter(|value| !off.is(value)) {
                others.insert(name.to_owned(), value.clone());
            }
        }
        Self {
            temperature,
            top_p,
            top_k,
            min_p,
            frequency_penalty,
            presence_penalty,
            repetition_penalty,
            seed,
            others,
        }
    }

    /// What `self` leaves open taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        let mut others = other.others;
        others.extend(self.others);
        Self {
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            top_k: self.top_k.or(other.top_k),
            min_p: self.min_p.or(other.min_p),
            frequency_penalty: self.frequency_penalty.or(other.frequency_penalty),
            presence_penalty: self.presence_penalty.or(other.presence_penalty),
            repetition_penalty: self.repetition_penalty.or(other.repetition_penalty),
            seed: self.seed.or(other.seed),
            others,
        }
    }

    /// Fills in what the turn's own options leave open. [`Self::others`] is left to the caller, who
    /// knows whether the server understands it.
    pub fn fill(&self, options: &mut GenerationOptions) {
        fn fill<T: Copy>(option: &mut Option<T>, value: Option<T>) {
            *option = option.or(value);
        }
        fill(&mut options.temperature, self.temperature);
        fill(&mut options.top_p, self.top_p);
        fill(&mut options.top_k, self.top_k);
        fill(&mut options.min_p, self.min_p);
        fill(&mut options.frequency_penalty, self.frequency_penalty);
        fill(&mut options.presence_penalty, self.presence_penalty);
        fill(&mut options.repetition_penalty, self.repetition_penalty);
        fill(&mut options.seed, self.seed);
    }
}
