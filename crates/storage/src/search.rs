//! Full-text search of characters: FTS5 over SQLite, a tsvector over PostgreSQL.
//!
//! Both see the same words. Texts and queries are folded here (case, width, accents), words are runs
//! of letters and digits, and each character of a script that is written without spaces is a word.
//! A query is never passed on as it is: quotes, operators and stars are only what separates words.

use sea_orm::{DbBackend, Statement};
use tavern_domain::character::Character;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// Bytes of a field that are indexed; PostgreSQL refuses a tsvector of more than a mebibyte.
const INDEXED: usize = 64 * 1024;
/// Letters of a word that count.
const WORD: usize = 64;
/// The last word of a query also finds words that begin with it, if it has this many letters.
const PREFIX: usize = 3;

/// An index over name, tags, description and creator's notes, in falling weight.
pub(crate) trait SearchIndex: Send + Sync {
    /// Indexes a character that is stored, anew if need be.
    fn put(&self, character: &Character) -> Statement;
    /// Takes a character out of the index; it must still be stored.
    fn remove(&self, id: Uuid) -> Statement;
    /// The text to bind for a query; `None` if it holds no word, and so finds nothing.
    fn expression(&self, query: &str) -> Option<String>;
    /// Selects `key` and `rank` (more is better) of what the expression in `parameter` finds.
    fn hits(&self, parameter: usize) -> String;
    /// The column of `characters` that `key` refers to.
    fn key(&self) -> &'static str;
}

/// The index of a backend.
pub(crate) fn index(backend: DbBackend) -> &'static dyn SearchIndex {
    if backend == DbBackend::Sqlite { &Fts5 } else { &TsVector }
}

struct Fts5;

impl SearchIndex for Fts5 {
    fn put(&self, character: &Character) -> Statement {
        let [name, tags, description, notes] = fields(character);
        Statement::from_sql_and_values(
            DbBackend::Sqlite,
            "INSERT OR REPLACE INTO character_search (rowid, name, tags, description, creator_notes) SELECT number, $2, $3, $4, $5 FROM characters WHERE id = $1",
            [
                character.summary.id.uuid().into(),
                name.into(),
                tags.into(),
                description.into(),
                notes.into(),
            ],
        )
    }

    fn remove(&self, id: Uuid) -> Statement {
        Statement::from_sql_and_values(
            DbBackend::Sqlite,
            "DELETE FROM character_search WHERE rowid = (SELECT number FROM characters WHERE id = $1)",
            [id.into()],
        )
    }

    fn expression(&self, query: &str) -> Option<String> {
        expression(query, " AND ", |words| format!("\"{}\"", words.join(" ")), "*")
    }

    fn hits(&self, parameter: usize) -> String {
        format!(
            "SELECT rowid AS key, -bm25(character_search, 8.0, 4.0, 2.0, 1.0) AS rank FROM character_search WHERE character_search MATCH ${parameter}"
        )
    }

    fn key(&self) -> &'static str {
        "number"
    }
}

struct TsVector;

impl SearchIndex for TsVector {
    fn put(&self, character: &Character) -> Statement {
        let [name, tags, description, notes] = fields(character);
        Statement::from_sql_and_values(
            DbBackend::Postgres,
            "INSERT INTO character_search (character_id, words) VALUES ($1, \
             setweight(to_tsvector('simple', $2), 'A') || setweight(to_tsvector('simple', $3), 'B') || \
             setweight(to_tsvector('simple', $4), 'C') || setweight(to_tsvector('simple', $5), 'D')) \
             ON CONFLICT (character_id) DO UPDATE SET words = excluded.words",
            [
                character.summary.id.uuid().into(),
                name.into(),
                tags.into(),
                description.into(),
                notes.into(),
            ],
        )
    }

    fn remove(&self, id: Uuid) -> Statement {
        Statement::from_sql_and_values(
            DbBackend::Postgres,
            "DELETE FROM character_search WHERE character_id = $1",
            [id.into()],
        )
    }

    fn expression(&self, query: &str) -> Option<String> {
        expression(
            query,
            " & ",
            |words| {
                words
                    .iter()
                    .map(|word| format!("'{word}'"))
                    .collect::<Vec<_>>()
                    .join(" <-> ")
            },
            ":*",
        )
    }

    fn hits(&self, parameter: usize) -> String {
        format!(
            "SELECT character_id AS key, ts_rank(words, to_tsquery('simple', ${parameter}))::float8 AS rank FROM character_search WHERE words @@ to_tsquery('simple', ${parameter})"
        )
    }

    fn key(&self) -> &'static str {
        "id"
    }
}

/// All terms of the query, each a phrase; the last one with the sign for prefixes behind it.
fn expression(query: &str, and: &str, phrase: impl Fn(&[String]) -> String, prefix: &str) -> Option<String> {
    let terms = terms(query);
    let last = terms.last()?.last()?;
    let prefix = if last.chars().count() >= PREFIX { prefix } else { "" };
    let phrases: Vec<String> = terms.iter().map(|words| phrase(words)).collect();
    Some(format!("{}{prefix}", phrases.join(and)))
}

/// The words of each indexed field, spaces between them.
fn fields(character: &Character) -> [String; 4] {
    let text = &character.text;
    [
        words(&character.summary.name),
        words(&character.summary.tags.join(" ")),
        words(&text.description),
        words(&text.creator_notes),
    ]
}

fn words(text: &str) -> String {
    terms(&text[..text.floor_char_boundary(INDEXED)]).concat().join(" ")
}

/// The terms of a text: runs without a separator, each of one word or, in scripts without spaces, of
/// several that follow each other.
fn terms(text: &str) -> Vec<Vec<String>> {
    let folded: String = text
        .nfkd()
        .filter(|c| !matches!(c, '\u{300}'..='\u{36f}'))
        .nfc()
        .flat_map(char::to_lowercase)
        .collect();
    folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|term| !term.is_empty())
        .map(split_term)
        .collect()
}

fn split_term(term: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut joins = false;
    for c in term.chars() {
        let alone = is_written_without_spaces(c);
        match words.last_mut().filter(|_| joins && !alone) {
            Some(word) if word.chars().count() >= WORD => {}
            Some(word) => word.push(c),
            None => words.push(c.into()),
        }
        joins = !alone;
    }
    words
}

/// Kana and Han; Korean puts spaces between its words.
const fn is_written_without_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_quotes_are_not_passed_on() {
        assert_eq!(
            Fts5.expression("a\" OR b* NEAR(c) -d ^e:f").as_deref(),
            Some(r#""a" AND "or" AND "b" AND "near" AND "c" AND "d" AND "e" AND "f""#)
        );
        assert_eq!(
            TsVector.expression("it's <-> !x | a:*").as_deref(),
            Some("'it' & 's' & 'x' & 'a'")
        );
        assert_eq!(Fts5.expression("\"*-() '"), None);
    }

    #[test]
    fn the_last_word_is_a_prefix_from_three_letters_on() {
        assert_eq!(Fts5.expression("sea dra").as_deref(), Some(r#""sea" AND "dra"*"#));
        assert_eq!(Fts5.expression("sea dr").as_deref(), Some(r#""sea" AND "dr""#));
        assert_eq!(TsVector.expression("dra").as_deref(), Some("'dra':*"));
    }

    #[test]
    fn case_width_and_accents_do_not_matter() {
        assert_eq!(words("Café ＡＢＣ Ärger"), "cafe abc arger");
    }

    #[test]
    fn scripts_without_spaces_are_found_by_any_run_of_characters() {
        assert_eq!(words("桜の木 한국어"), "桜 の 木 한국어");
        assert_eq!(Fts5.expression("の木").as_deref(), Some(r#""の 木""#));
        assert_eq!(TsVector.expression("の木").as_deref(), Some("'の' <-> '木'"));
    }

    #[test]
    fn what_is_indexed_is_bounded() {
        assert_eq!(words(&"a ".repeat(INDEXED)).len(), INDEXED - 1);
        assert_eq!(words(&"x".repeat(WORD + 1)).len(), WORD);
    }
}
