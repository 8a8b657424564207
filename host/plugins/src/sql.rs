//! The strict SQL mode: admission of statements that are not approved.
//!
//! [`admit`] accepts one `SELECT` over an allow-list of statistics in `pg_catalog`, and refuses everything that it does
//! not recognise. Four steps, each of which closes one class of attacks:
//!
//! 1. `lexer` splits the text as PostgreSQL would and refuses everything on which lexers are known to differ: comments,
//!    backslashes, dollar quotes, adjoining strings, long operators, keywords that such a `SELECT` never needs.
//! 2. `sqlparser` parses it.
//! 3. `walk` traverses the tree with every field named, so that a field of a later parser does not compile
//!    until it has been reviewed, and checks every name against the lists in `names`.
//! 4. The tree, printed and split again, must equal the text, token by token except for optional words:
//!    a clause that the parser read and dropped would be missing.
//!
//! **The component's own text is sent, not the printed one.** After step 4 both are equivalent; the text keeps the
//! digest under which it is audited and the comment by which an administrator recognises it, and PostgreSQL never
//! depends on the printer of another project.
//!
//! The walk also estimates a statement's cost for the server (`estimate`): nested subqueries multiply, texts and
//! numbers grow, and a backend caches some values for its lifetime; and its memory (`memory`): sorts, and hash tables
//! that never spill. The cost of the analysis itself is bounded by the lexer's limits on bytes, operators, keywords and
//! parentheses, before the parser reads anything.
//!
//! Operators and type names can hardly be qualified: they resolve to PostgreSQL's own because the session's
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

/// Maximum depth of the parser. A tree is read, walked, printed and dropped by recursion, so depth is stack.
const DEPTH: usize = 40;
/// Stack for that, bytes: several times the need of the deepest text within the bounds. The caller's may be the small
/// one of a component, and a stack overflow would end the host.
const STACK: usize = 16 << 20;

/// A statement that may be sent unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    canonical: String,
    relations: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Admitted {
    /// Returns the relations of `pg_catalog` that it reads.
    pub fn relations(&self) -> &BTreeSet<String> {
        &self.relations
    }

    /// Returns the functions of `pg_catalog` that it calls by name, and those of the grammar such as `coalesce`.
    pub fn functions(&self) -> &BTreeSet<String> {
        &self.functions
    }
}

/// Formats the parsed statement: one line, without its comment. Admitted again, it prints the same.
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

/// Checks that a text is one `SELECT` that reads only what the allow-lists contain.
///
/// Fails for everything else, including harmless texts that it does not recognise.
pub fn admit(text: &str) -> Result<Admitted, Refused> {
    let (body, tokens) = lexer::cut(text)?;
    std::thread::scope(|scope| {
        let judge = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || judge(body, &tokens));
        let judge = judge.map_err(|error| Refused::new(format!("no thread to read the text in: {error}")))?;
        // A panic of the parser, which is a dependency, is a refusal, too.
        judge.join().unwrap_or_else(|_| Err(Refused::new("the text is not readable")))
    })
}

fn judge(body: &str, tokens: &[lexer::Token<'_>]) -> Result<Admitted, Refused> {
    // The parser's message quotes the text, which can be long and is untrusted.
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
