//! Removal of literals from statement texts, by the plugin's own function for its reports.

use archon_pool_contract::value::Value;
use archon_pool_contract::{catalogue, statement_text};
use serde_json::Value as Json;

use super::answer::Answer;
use super::exchange::Exchange;
use super::import::RowSet;

/// The column that holds a session's or a statement's text, in the catalogue and by custom.
const COLUMN: &str = "query";

/// Words of texts that may contain a secret: their literals are always removed.
const TELLING: [&str; 4] = ["password", "secret", "token", "://"];

/// Texts whose literals are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Literals {
    /// Only those of a text that may contain a secret.
    #[default]
    OfSecrets,
    /// Those of all texts.
    OfAll,
}

impl Literals {
    /// Removes a text's literals if required. Reports do not change: they contain no literals.
    fn removed(self, text: &mut String) {
        let lowercase = text.to_ascii_lowercase();
        if self == Self::OfAll || TELLING.iter().any(|word| lowercase.contains(word)) {
            *text = statement_text::normalise(text);
        }
    }

    /// Removes literals from an answer.
    pub(super) fn remove(self, exchange: &mut Exchange) {
        let Exchange::Query(asked) = exchange else { return };
        let Answer::Ok(answers) = &mut asked.answer else { return };
        let statistics = catalogue::STATEMENTS.sha256();
        for (statement, answer) in asked.with.batch.iter().zip(answers) {
            let Answer::Ok(set) = answer else { continue };
            if statement.sql == statistics {
                texts(set.rows.iter_mut().flatten()).for_each(|text| self.removed_from_document(text));
            } else {
                texts(column(set)).for_each(|text| self.removed(text));
            }
        }
    }

    /// Removes literals from the document of the statement statistics; any other text is taken for a statement.
    fn removed_from_document(self, text: &mut String) {
        let Ok(mut document) = serde_json::from_str::<Json>(text) else { return self.removed(text) };
        for statement in document.get_mut("slow").and_then(Json::as_array_mut).into_iter().flatten() {
            if let Some(Json::String(text)) = statement.get_mut(COLUMN) {
                self.removed(text);
            }
        }
        *text = document.to_string();
    }
}

/// Iterates over the values of every column named [`COLUMN`].
fn column(set: &mut RowSet) -> impl Iterator<Item = &mut Value> {
    let is_it: Vec<bool> = set.columns.iter().map(|(name, _)| name == COLUMN).collect();
    let of_row = move |row| {
        Iterator::zip(<[Value]>::iter_mut(row), is_it.clone()).filter_map(|(value, is_it)| is_it.then_some(value))
    };
    set.rows.iter_mut().map(Vec::as_mut_slice).flat_map(of_row)
}

fn texts<'a>(values: impl Iterator<Item = &'a mut Value>) -> impl Iterator<Item = &'a mut String> {
    values.filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::exchange::Asked;
    use super::super::import::{Query, Statement};
    use super::*;

    /// Returns a statement's answer of one row in its recorded, normalised form.
    fn recorded(literals: Literals, sql: &str, columns: &[&str], row: &[&str]) -> Vec<Value> {
        let set = RowSet {
            columns: columns.iter().map(|&name| (name.to_owned(), 25)).collect(),
            rows: vec![row.iter().map(|&text| Value::Text(text.into())).collect()],
            truncated: false,
        };
        let with = Query { session: 1, batch: vec![Statement::new(sql, Vec::new(), 1)] };
        let mut exchange = Asked::exchange(with, Ok(vec![Answer::Ok(set)]));
        literals.remove(&mut exchange);
        let Exchange::Query(Asked { answer: Answer::Ok(mut answers), .. }) = exchange else { unreachable!() };
        let Some(Answer::Ok(mut set)) = answers.pop() else { unreachable!() };
        set.rows.swap_remove(0)
    }

    #[test]
    fn only_literals_are_removed_from_the_texts_of_sessions() {
        let row = recorded(
            Literals::OfAll,
            catalogue::ACTIVITY.sql,
            &["application", "query"],
            &["it's 7", "SELECT * FROM cards WHERE number = '4111 1111'"],
        );
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(row, [text("it's 7"), text("SELECT * FROM cards WHERE number = ?")]);
    }

    #[test]
    fn literals_are_removed_from_statement_statistics_and_numbers_stay() {
        let document = |query: &str| json!({"calls": 7, "execMs": 0.1, "slow": [{"query": query, "calls": 7, "meanMs": 1.5, "totalMs": 10.5}]});
        let row = recorded(
            Literals::OfAll,
            catalogue::STATEMENTS.sql,
            &["document"],
            &[&document("SELECT 'hunter2'").to_string()],
        );
        assert_eq!(row, [Value::Text(document("SELECT ?").to_string())]);
        let row = recorded(Literals::OfAll, catalogue::STATEMENTS.sql, &["document"], &["no JSON: 'hunter2'"]);
        assert_eq!(row, [Value::Text("no JSON: ?".into())]);
    }

    #[test]
    fn secrets_in_statements_are_never_recorded() {
        let kept = |query: &str| recorded(Literals::OfSecrets, catalogue::ACTIVITY.sql, &["query"], &[query]);
        for query in [
            "ALTER ROLE app Password 'hunter2'",
            "SET app.jwt_secret = 'hunter2'",
            "SELECT dblink('postgres://app:hunter2@db')",
        ] {
            assert!(!format!("{:?}", kept(query)).contains("hunter2"), "{query}");
        }
        let harmless = "SELECT * FROM cards WHERE number = '4111 1111'";
        assert_eq!(kept(harmless), [Value::Text(harmless.into())]);
        let document = json!({"calls": 1, "slow": [{"query": "ALTER ROLE app PASSWORD 'hunter2'"}]}).to_string();
        let row = recorded(Literals::OfSecrets, catalogue::STATEMENTS.sql, &["document"], &[&document]);
        assert_eq!(row, [Value::Text(document.replace("'hunter2'", "?"))]);
    }
}
