//! Statement texts without their literals, as the plugin itself takes them out for its reports.

use archon_pool_plugin::rows::Value;
use archon_pool_plugin::{catalogue, statement_text};
use serde_json::Value as Json;

use super::{Answer, Exchange, RowSet};

/// The column that holds a session's or a statement's text, in the catalogue and by custom.
const COLUMN: &str = "query";

/// What can be rid of literals.
pub(super) trait Normalised {
    /// Takes them out.
    fn normalise(&mut self);
}

impl Normalised for Exchange {
    fn normalise(&mut self) {
        let Self::Query(asked) = self else { return };
        let Answer::Ok(answers) = &mut asked.answer else { return };
        let statistics = catalogue::STATEMENTS.sha256();
        for (statement, answer) in asked.with.batch.iter().zip(answers) {
            let Answer::Ok(set) = answer else { continue };
            let values = set.rows.iter_mut().flatten();
            if statement.sql == statistics {
                texts(values).for_each(|text| *text = document(text));
            } else {
                set.normalise();
            }
        }
    }
}

impl Normalised for RowSet {
    fn normalise(&mut self) {
        let is_text: Vec<bool> = self.columns.iter().map(|(name, _)| name == COLUMN).collect();
        let values = self.rows.iter_mut().flat_map(|row| row.iter_mut().zip(&is_text));
        let values = values.filter_map(|(value, is_text)| is_text.then_some(value));
        texts(values).for_each(|text| *text = statement_text::normalise(text));
    }
}

fn texts<'a>(values: impl Iterator<Item = &'a mut Value>) -> impl Iterator<Item = &'a mut String> {
    values.filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None })
}

/// The document of the statement statistics; whatever else came in its place is taken for a statement's text.
fn document(text: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Json>(text) else { return statement_text::normalise(text) };
    for statement in document.get_mut("slow").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(Json::String(text)) = statement.get_mut(COLUMN) {
            *text = statement_text::normalise(text);
        }
    }
    document.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Asked, Query, Statement};
    use super::*;

    /// A statement's answer of one row, as it is recorded normalised.
    fn recorded(sql: &str, columns: &[&str], row: &[&str]) -> Vec<Value> {
        let set = RowSet {
            columns: columns.iter().map(|&name| (name.to_owned(), 25)).collect(),
            rows: vec![row.iter().map(|&text| Value::Text(text.into())).collect()],
            truncated: false,
        };
        let with = Query { session: 1, batch: vec![Statement::new(sql, Vec::new(), 1)] };
        let mut exchange = Asked::exchange(with, Ok(vec![Answer::Ok(set)]));
        exchange.normalise();
        let Exchange::Query(Asked { answer: Answer::Ok(mut answers), .. }) = exchange else { unreachable!() };
        let Some(Answer::Ok(mut set)) = answers.pop() else { unreachable!() };
        set.rows.swap_remove(0)
    }

    #[test]
    fn literals_leave_the_texts_of_sessions_and_nothing_else() {
        let row = recorded(
            catalogue::ACTIVITY.sql,
            &["application", "query"],
            &["it's 7", "SELECT * FROM cards WHERE number = '4111 1111'"],
        );
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(row, [text("it's 7"), text("SELECT * FROM cards WHERE number = ?")]);
    }

    #[test]
    fn literals_leave_the_statement_statistics_and_their_numbers_stay() {
        let document = |query: &str| json!({"calls": 7, "execMs": 0.1, "slow": [{"query": query, "calls": 7, "meanMs": 1.5, "totalMs": 10.5}]});
        let row = recorded(catalogue::STATEMENTS.sql, &["document"], &[&document("SELECT 'hunter2'").to_string()]);
        assert_eq!(row, [Value::Text(document("SELECT ?").to_string())]);
        let row = recorded(catalogue::STATEMENTS.sql, &["document"], &["no JSON: 'hunter2'"]);
        assert_eq!(row, [Value::Text("no JSON: ?".into())]);
    }
}
