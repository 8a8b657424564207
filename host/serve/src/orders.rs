//! Orders of the commands that act, read from their audit log. This program gives none itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_audit::Orders;
use archon_pool_core::policy::Policy;
use jiff::Timestamp;

use crate::board::Board;
use crate::order_status::OrderStatus;
use crate::remarks::Remarks;

/// Time between two readings of the log.
const PACE: Duration = Duration::from_secs(5);

/// Follows the log for as long as the program runs. The caps are those of the program's commands.
pub(crate) async fn follow(path: PathBuf, policy: Policy, board: Arc<Board>, remarks: Remarks) {
    let mut orders = Orders::follow(&path);
    let mut status = OrderStatus { is_readable: true, ..OrderStatus::default() };
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let read = orders.read(Timestamp::now());
            (orders, read)
        });
        // It is only given up when the program ends.
        let Ok((followed, read)) = read.await else { return };
        orders = followed;
        match &read {
            Err(error) if status.is_readable => {
                remarks.say(&format!("--orders {}: the orders cannot be counted: {error}", path.display()));
            }
            Ok(()) if !status.is_readable => remarks.say("--orders: the orders are counted again"),
            _ => {}
        }
        status = status.after(&orders, read.is_ok(), &policy);
        board.ordered(&status);
        tokio::time::sleep(PACE).await;
    }
}
