import java.sql.Connection;
import java.sql.SQLException;
import org.apache.commons.dbcp2.BasicDataSource;
import org.apache.commons.dbcp2.DelegatingConnection;

/** Commons DBCP 2: last in, first out, and validated by default when a session is taken. */
final class Dbcp implements Library.Pool {
    private final BasicDataSource source = new BasicDataSource();

    Dbcp(Setup setup) {
        source.setUrl(setup.url());
        source.setUsername(setup.user);
        source.setPassword(setup.password);
        source.setMaxTotal(setup.size);
        source.setMaxWaitMillis(5_000);
        source.setAccessToUnderlyingConnectionAllowed(true);
        if (setup.min != null) {
            source.setMinIdle(setup.min);
            source.setInitialSize(setup.min);
        }
        if (setup.flag("autoCommitOff")) {
            source.setDefaultAutoCommit(false);
        }
        if (setup.flag("fifo")) {
            source.setLifo(false);
        }
        switch (setup.behaviour) {
            case "refill":
                source.setMaxConnLifetimeMillis(15_000);
                source.setTimeBetweenEvictionRunsMillis(5_000);
                source.setMinIdle(setup.min == null ? 2 : setup.min);
                break;
            case "keepalive":
                source.setTestWhileIdle(true);
                source.setTimeBetweenEvictionRunsMillis(3_000);
                source.setNumTestsPerEvictionRun(setup.size);
                source.setValidationQuery("SELECT 1");
                break;
            case "validated":
                source.setValidationQuery("SELECT 1");
                break;
            default:
        }
    }

    @Override
    public Connection take() throws SQLException {
        return source.getConnection();
    }

    @Override
    public Connection raw(Connection pooled) {
        return ((DelegatingConnection<?>) pooled).getInnermostDelegate();
    }

    @Override
    public void close() {
        try {
            source.close();
        } catch (SQLException error) {
            error.printStackTrace();
        }
    }
}
