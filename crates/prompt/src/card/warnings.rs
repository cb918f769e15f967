//! What a card's owner is told, bounded: a hostile card could earn a warning for each of its bytes.

/// More than anyone reads.
const MOST: usize = 50;

#[derive(Debug, Clone, Default)]
pub(super) struct Warnings {
    told: Vec<String>,
    untold: usize,
}

impl Warnings {
    /// What was told is not told again.
    pub fn push(&mut self, warning: impl Into<String>) {
        self.push_with(|| warning.into());
    }

    /// The same, without the cost of a sentence that would not be told.
    pub fn push_with(&mut self, warning: impl FnOnce() -> String) {
        if self.told.len() >= MOST {
            self.untold = self.untold.saturating_add(1);
            return;
        }
        let warning = warning();
        if !self.told.contains(&warning) {
            self.told.push(warning);
        }
    }
}

impl From<Warnings> for Vec<String> {
    fn from(Warnings { mut told, untold }: Warnings) -> Self {
        if untold > 0 {
            told.push(format!("There are {untold} more such remarks."));
        }
        told
    }
}
