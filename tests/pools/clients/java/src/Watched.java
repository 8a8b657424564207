import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.DriverPropertyInfo;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.logging.Logger;
import org.postgresql.PGConnection;

/** pgjdbc, which notes the connections of each pool: `jdbc:watched:POOL:postgresql://…`. */
public final class Watched implements Driver {
    private static final String PREFIX = "jdbc:watched:";
    private static final Map<Integer, List<Connection>> OPENED = new java.util.HashMap<>();
    private static final Map<Connection, Integer> PIDS = new IdentityHashMap<>();
    private static final Map<Integer, String> FORGOTTEN = new java.util.HashMap<>();
    /** Driver's pid is the pooler's invention: ask the server when a connection is opened. */
    private static boolean asks;
    private static int pools;
    private final Driver driver = new org.postgresql.Driver();

    static void register(Setup setup) throws SQLException {
        asks = setup.mode.equals("bouncer-session");
        DriverManager.registerDriver(new Watched());
    }

    /** Returns the URL of another pool. */
    static synchronized String url(String jdbc) {
        pools++;
        return PREFIX + pools + jdbc.substring("jdbc".length());
    }

    /** Returns the number of the pool that was opened last. */
    static synchronized int latest() {
        return pools;
    }

    /** Returns the server process of a driver's connection. */
    static int pid(Connection raw) {
        synchronized (Watched.class) {
            return PIDS.get(raw);
        }
    }

    /** Reports all connections of a pool as lost, and those that it opens later. */
    static void forget(int pool, String how) throws SQLException {
        synchronized (Watched.class) {
            FORGOTTEN.put(pool, how);
            for (Connection raw : OPENED.getOrDefault(pool, List.of())) {
                if (!raw.isClosed()) {
                    Events.lost(PIDS.get(raw), how);
                }
            }
        }
    }

    @Override
    public Connection connect(String url, Properties properties) throws SQLException {
        if (!acceptsURL(url)) {
            return null;
        }
        int colon = url.indexOf(':', PREFIX.length());
        int pool = Integer.parseInt(url.substring(PREFIX.length(), colon));
        Connection raw = driver.connect("jdbc" + url.substring(colon), properties);
        int pid = asks ? ask(raw) : raw.unwrap(PGConnection.class).getBackendPID();
        synchronized (Watched.class) {
            PIDS.put(raw, pid);
            Events.session(pid);
            OPENED.computeIfAbsent(pool, key -> new ArrayList<>()).add(raw);
            if (FORGOTTEN.containsKey(pool)) {
                Events.lost(pid, FORGOTTEN.get(pool));
            }
        }
        return raw;
    }

    static int ask(Connection connection) throws SQLException {
        try (var statement = connection.createStatement();
            var rows = statement.executeQuery("SELECT pg_backend_pid()")) {
            rows.next();
            return rows.getInt(1);
        }
    }

    @Override
    public boolean acceptsURL(String url) {
        return url.startsWith(PREFIX);
    }

    @Override
    public DriverPropertyInfo[] getPropertyInfo(String url, Properties properties) {
        return new DriverPropertyInfo[0];
    }

    @Override
    public int getMajorVersion() {
        return driver.getMajorVersion();
    }

    @Override
    public int getMinorVersion() {
        return driver.getMinorVersion();
    }

    @Override
    public boolean jdbcCompliant() {
        return false;
    }

    @Override
    public Logger getParentLogger() {
        return Logger.getGlobal();
    }
}
