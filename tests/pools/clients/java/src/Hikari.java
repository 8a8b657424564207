import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import org.postgresql.jdbc.PgConnection;

/** HikariCP. By default it keeps as many idle sessions as it may open, and validates those unused for 500 ms. */
final class Hikari implements Library.Pool {
    private final HikariDataSource source;

    Hikari(Setup setup) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(setup.url());
        config.setUsername(setup.user);
        config.setPassword(setup.password);
        config.setMaximumPoolSize(setup.size);
        config.setConnectionTimeout(5_000);
        if (setup.min != null) {
            config.setMinimumIdle(setup.min);
        }
        if (setup.flag("autoCommitOff")) {
            config.setAutoCommit(false);
        }
        if (setup.behaviour.equals("refill")) {
            // The smallest one that it accepts.
            config.setMaxLifetime(30_000);
        }
        if (setup.behaviour.equals("validated")) {
            config.setConnectionTestQuery("SELECT 1");
        }
        source = new HikariDataSource(config);
    }

    @Override
    public Connection take() throws SQLException {
        return source.getConnection();
    }

    @Override
    public Connection raw(Connection pooled) throws SQLException {
        return pooled.unwrap(PgConnection.class);
    }

    @Override
    public void close() {
        source.close();
    }
}
