import com.mchange.v2.c3p0.C3P0ProxyConnection;
import com.mchange.v2.c3p0.ComboPooledDataSource;
import com.mchange.v2.log.MLevel;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.SQLException;

/** c3p0: opens sessions three at a time and never shrinks by default. */
public final class C3p0 implements Library.Pool {
    private final ComboPooledDataSource source = new ComboPooledDataSource();

    C3p0(Setup setup) throws Exception {
        com.mchange.v2.log.MLog.getLogger().setLevel(MLevel.WARNING);
        source.setDriverClass("Watched");
        source.setJdbcUrl(setup.url());
        source.setUser(setup.user);
        source.setPassword(setup.password);
        source.setMaxPoolSize(setup.size);
        source.setCheckoutTimeout(5_000);
        if (setup.min != null) {
            source.setMinPoolSize(setup.min);
            source.setInitialPoolSize(setup.min);
        }
        switch (setup.behaviour) {
            case "refill":
                source.setMaxConnectionAge(15);
                break;
            case "keepalive":
                source.setIdleConnectionTestPeriod(3);
                source.setPreferredTestQuery("SELECT 1");
                break;
            case "validated":
                source.setTestConnectionOnCheckout(true);
                source.setPreferredTestQuery("SELECT 1");
                break;
            default:
        }
    }

    @Override
    public Connection take() throws SQLException {
        return source.getConnection();
    }

    /** Hands the connection out of c3p0, which knows no `unwrap` yet. */
    @Override
    public Connection raw(Connection pooled) throws Exception {
        Method same = C3p0.class.getDeclaredMethod("same", Connection.class);
        Object[] arguments = {C3P0ProxyConnection.RAW_CONNECTION};
        return (Connection) ((C3P0ProxyConnection) pooled).rawConnectionOperation(same, null, arguments);
    }

    public static Connection same(Connection raw) {
        return raw;
    }

    @Override
    public void close() {
        source.close();
    }
}
