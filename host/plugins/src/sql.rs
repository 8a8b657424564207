//! The strict SQL mode: which statements a component may send that nobody has approved.
//!
//! [`admit`] lets through one `SELECT` over an allow-list of statistics in `pg_catalog`, and refuses whatever it
//! does not understand. Four steps, each of which alone closes a kind of trick:
//!
//! 1. `lexer` cuts the text as PostgreSQL would and refuses every spot where lexers are known to disagree: comments,
//!    backslashes, dollar quotes, adjoining strings, long operators, keywords that a `SELECT` of ours never needs.
//! 2. `sqlparser` makes a tree of it.
//! 3. `walk` goes through the tree with every field named, so that a field that a later parser adds does not compile
//!    until somebody has judged it, and holds every name against the lists in `names`.
//! 4. The tree, printed and cut again, must be the text, piece by piece but for the optional words that change nothing:
//!    a clause that the parser read and forgot would be missing.
//!
//! **The component's own text is sent, not the print.** After step 4 both say the same; the text keeps the digest
//! under which it is on record and the comment by which an administrator knows it, and PostgreSQL never depends on the
//! printer of another project.
//!
//! The walk also adds up what a statement makes the server do (`estimate`): nested subqueries multiply, texts and numbers
//! grow, and a backend never forgets some of the values that it is given; and what it makes it hold (`memory`): sorts,
//! and tables of rows that never spill. What it takes to decide is bounded by counts of the lexer's, of
//! bytes, operators, keywords and parentheses, before the parser reads anything.
//!
//! Operators and the names of types cannot well be qualified: they find PostgreSQL's own because the session's
//! `search_path` is `pg_catalog`, whatever the role's is. Functions and relations are qualified all the same.

mod cast;
mod estimate;
mod expression;
mod from;
mod function;
mod lexer;
mod memory;
mod names;
mod part;
mod refused;
mod scope;
mod statement;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;
use std::fmt;

use archon_pool_core::statement_checker::StatementChecker;
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

pub use self::refused::Refused;

use self::estimate::PARAMETER_BYTES;

/// How deep the parser may nest. A tree is read, walked, printed and dropped by recursion, so depth is stack.
const DEPTH: usize = 40;
/// Stack for that, bytes: several times what the deepest text within the bounds takes. The caller's may be the small
/// one of a component, and running out of it would end the host.
const STACK: usize = 16 << 20;

/// A statement that may be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    canonical: String,
    relations: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Admitted {
    /// The relations of `pg_catalog` that it reads.
    pub fn relations(&self) -> &BTreeSet<String> {
        &self.relations
    }

    /// The functions of `pg_catalog` that it calls by name, and the ones of the grammar such as `coalesce`.
    pub fn functions(&self) -> &BTreeSet<String> {
        &self.functions
    }
}

/// The statement as it was understood: one line, without its comment. Admitted again, it prints the same.
impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

/// The checker of the strict SQL mode, for a host.
#[derive(Debug, Clone, Copy, Default)]
pub struct StrictChecker;

impl StatementChecker for StrictChecker {
    fn admit(&self, text: &str) -> Result<(), String> {
        admit(text).map(drop).map_err(|refused| refused.to_string())
    }

    fn parameter_bytes(&self) -> usize {
        PARAMETER_BYTES
    }
}

/// Decides whether a text is one `SELECT` that only reads what the allow-lists name.
///
/// Fails for everything else, the harmless included that it does not understand.
pub fn admit(text: &str) -> Result<Admitted, Refused> {
    let (body, tokens) = lexer::cut(text)?;
    std::thread::scope(|scope| {
        let judge = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || judge(body, &tokens));
        let judge = judge.map_err(|error| Refused::new(format!("no thread to read the text in: {error}")))?;
        // The parser is not ours: should it panic, that is a refusal, too.
        judge.join().unwrap_or_else(|_| Err(Refused::new("the text is not readable")))
    })
}

fn judge(body: &str, tokens: &[lexer::Token<'_>]) -> Result<Admitted, Refused> {
    // The parser's message quotes the text, which can be long and anything.
    let unreadable = |_| Refused::new("the text is not readable as one statement");
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(DEPTH);
    let statements = parser.try_with_sql(body).and_then(|mut parser| parser.parse_statements()).map_err(unreadable)?;
    let [statement] = &statements[..] else {
        return Err(Refused::new("a text of other than one statement is not admitted"));
    };
    let Statement::Query(query) = statement else {
        return Err(Refused::new("a statement other than SELECT is not admitted"));
    };
    let (relations, functions) = walk::query(query)?;
    let canonical = query.to_string();
    let (_, printed) = lexer::cut(&canonical)?;
    if !lexer::same(tokens, &printed) {
        return Err(Refused::new("a part of the text was not understood: write the statement in its plain form"));
    }
    Ok(Admitted { canonical, relations, functions })
}
