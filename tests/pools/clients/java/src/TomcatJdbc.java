import java.sql.Connection;
import java.sql.SQLException;
import org.apache.tomcat.jdbc.pool.DataSource;
import org.apache.tomcat.jdbc.pool.PoolProperties;

/** Tomcat's JDBC pool: first in, first out, ten sessions from the start, no validation by default. */
final class TomcatJdbc implements Library.Pool {
    private final DataSource source;

    TomcatJdbc(Setup setup) {
        PoolProperties properties = new PoolProperties();
        properties.setDriverClassName("Watched");
        properties.setUrl(setup.url());
        properties.setUsername(setup.user);
        properties.setPassword(setup.password);
        properties.setMaxActive(setup.size);
        properties.setMaxIdle(setup.size);
        properties.setMaxWait(5_000);
        properties.setInitialSize(Math.min(10, setup.size));
        properties.setMinIdle(Math.min(10, setup.size));
        if (setup.min != null) {
            properties.setInitialSize(setup.min);
            properties.setMinIdle(setup.min);
        }
        if (setup.flag("autoCommitOff")) {
            properties.setDefaultAutoCommit(false);
            properties.setRollbackOnReturn(true);
        }
        switch (setup.behaviour) {
            case "refill":
                properties.setMaxAge(15_000);
                properties.setTimeBetweenEvictionRunsMillis(5_000);
                break;
            case "keepalive":
                properties.setTestWhileIdle(true);
                properties.setValidationQuery("SELECT 1");
                properties.setValidationInterval(1_000);
                properties.setTimeBetweenEvictionRunsMillis(3_000);
                break;
            case "validated":
                properties.setTestOnBorrow(true);
                properties.setValidationQuery("SELECT 1");
                properties.setValidationInterval(1_000);
                break;
            default:
        }
        source = new DataSource(properties);
    }

    @Override
    public Connection take() throws SQLException {
        return source.getConnection();
    }

    @Override
    public Connection raw(Connection pooled) throws SQLException {
        return ((javax.sql.PooledConnection) pooled).getConnection();
    }

    @Override
    public void close() {
        source.close();
    }
}
