import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Requests of one application. Its texts differ from those of other set-ups. */
final class Work {
    private final Setup setup;
    private final String alias;
    private final int limit;

    Work(Setup setup) {
        this.setup = setup;
        int hash = Math.floorMod(setup.id.hashCode(), 10_000);
        // The digit keeps it from being a key word.
        alias = "" + (char) ('a' + hash % 26) + (char) ('a' + hash / 26 % 26) + hash % 10;
        limit = 3 + hash % 40;
    }

    /** Runs one to three statements, and a transaction in one of four requests. */
    void request(Connection connection) throws SQLException {
        int kind = setup.draw(4);
        if (!connection.getAutoCommit()) {
            if (kind == 0) {
                order(connection);
            } else {
                look(connection, kind);
            }
            connection.commit();
        } else if (kind == 0) {
            connection.setAutoCommit(false);
            try {
                order(connection);
                connection.commit();
            } finally {
                connection.setAutoCommit(true);
            }
        } else {
            look(connection, kind);
        }
    }

    /** Reads as a page of this application does. */
    void look(Connection connection, int kind) throws SQLException {
        if (kind == 1) {
            rows(connection, "SELECT " + alias + ".id, " + alias + ".name FROM items " + alias + " WHERE " + alias
                + ".stock > ? ORDER BY " + alias + ".id LIMIT " + limit, setup.draw(50));
        } else {
            rows(connection, "SELECT " + alias + ".name, " + alias + ".stock FROM items AS " + alias + " WHERE "
                + alias + ".id = ?", 1 + setup.draw(1_000));
            if (kind == 3) {
                rows(connection, "SELECT count(*) AS " + alias + " FROM orders WHERE item = ?", 1 + setup.draw(1_000));
            }
        }
    }

    /** Writes an order within the caller's transaction. */
    void order(Connection connection) throws SQLException {
        int item = 1 + setup.draw(1_000);
        try (PreparedStatement insert =
            connection.prepareStatement("INSERT INTO orders (item, quantity) VALUES (?, ?) /* " + alias + " */")) {
            insert.setInt(1, item);
            insert.setInt(2, 1 + setup.draw(5));
            insert.executeUpdate();
        }
        rows(connection, "SELECT " + alias + ".stock FROM items " + alias + " WHERE " + alias + ".id = ?", item);
    }

    /** Runs a statement that fails, as a request with bad input does. */
    void fail(Connection connection) throws SQLException {
        rows(connection, "SELECT stock / (? - 7) AS " + alias + " FROM items WHERE id = 3", 7);
    }

    void rows(Connection connection, String sql, int parameter) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setInt(1, parameter);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    rows.getString(1);
                }
            }
        }
    }

    static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
