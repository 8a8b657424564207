//! Requests of one application. Its texts differ from those of other set-ups.

use anyhow::Result;

use crate::library::Session;
use crate::setup::Setup;

pub struct Work {
    page: String,
    item: String,
    sold: String,
    add: String,
}

impl Work {
    pub fn new(setup: &Setup) -> Self {
        let number = setup.fields.id.bytes().fold(7_u32, |hash, byte| (hash * 31 + u32::from(byte)) % 10_007);
        let columns = ["id, name", "name, stock", "id, stock", "id, name, stock"][number as usize % 4];
        let limit = 3 + number % 29;
        Self {
            page: format!("SELECT {columns} FROM items WHERE stock > $1 ORDER BY name LIMIT {limit}"),
            item: format!("SELECT {columns} FROM items WHERE id = $1 /* {limit} */"),
            sold: format!("SELECT max(at) FROM orders WHERE item = $1 AND quantity <> {limit}"),
            add: format!("INSERT INTO orders (item, quantity) VALUES ($1, {limit}) RETURNING id"),
        }
    }

    /// Runs one to three statements, and a transaction in one of four requests.
    pub async fn request(&self, setup: &Setup, session: &mut dyn Session) -> Result<()> {
        match setup.draw(4) {
            0 => {
                session.begin().await?;
                self.order(setup, session).await?;
                session.commit().await
            }
            1 => session.run(&self.page, &[setup.draw(60)]).await,
            2 => {
                session.run(&self.item, &[1 + setup.draw(1000)]).await?;
                session.run(&self.sold, &[1 + setup.draw(1000)]).await
            }
            _ => session.run(&self.item, &[1 + setup.draw(1000)]).await,
        }
    }

    /// Reads a list, as a report does.
    pub async fn report(&self, session: &mut dyn Session) -> Result<()> {
        session.run(&self.page, &[20]).await
    }

    /// Writes within the caller's transaction.
    pub async fn order(&self, setup: &Setup, session: &mut dyn Session) -> Result<()> {
        let item = 1 + setup.draw(1000);
        session.run(&self.add, &[item]).await?;
        session.run(&self.item, &[item]).await
    }
}
