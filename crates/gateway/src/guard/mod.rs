//! What a document may cost, decided before anything expensive looks at it.
//!
//! [`scan`] reads the text once and bounds what the parser will see: bytes, tokens, and how deep
//! brackets nest (the parser recurses). [`check`] walks the parsed document once and bounds what it
//! stands for with fragments expanded, without expanding them: each fragment is measured once, and
//! sums saturate, so a few hundred bytes that stand for 2^50 fields cost no more than they weigh.
//! Both take time linear in the text. The executor's own checks expand fragments, some of them
//! before validation, so nothing may reach it that has not passed here.

mod document;
mod subscription;
mod text;

pub use document::check;
pub use subscription::hoist_subscription_roots;
pub use text::scan;
