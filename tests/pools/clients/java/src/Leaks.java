import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

/** Behaviours that lose sessions. */
final class Leaks {
    /** References that an application keeps without a use, against the collector. */
    private static final List<Object> KEPT = new ArrayList<>();

    private final Client client;
    private final Setup setup;

    Leaks(Client client) {
        this.client = client;
        setup = client.setup;
    }

    void start() throws Exception {
        Client.Task loss;
        switch (setup.behaviour) {
            case "lost-checkout":
            case "exhausted":
                loss = this::loseCheckout;
                break;
            case "lost-transaction":
                loss = this::loseTransaction;
                break;
            case "lost-result":
                loss = this::loseResult;
                break;
            case "lost-task":
                loss = this::loseTask;
                break;
            case "lost-prepared":
                loss = this::losePrepared;
                break;
            case "global":
                loss = this::keepGlobally;
                break;
            case "pool-reload":
                loss = this::reload;
                break;
            case "pool-per-request":
                loss = this::openForRequest;
                break;
            default:
                throw new IllegalArgumentException("no leak " + setup.behaviour);
        }
        if (setup.flag("burst")) {
            Client.spawn(() -> {
                client.burst(4);
                client.workers(setup.workers);
            });
        } else {
            client.workers(setup.workers);
        }
        Client.spawn(() -> {
            Thread.sleep((long) (setup.first_loss_s * 1_000));
            for (int count = 0; count < setup.lose; count++) {
                loss.run();
                setup.pause(setup.loss_every_s * 1_000);
            }
        });
    }

    private void loseCheckout() throws Exception {
        Connection connection = client.take();
        int pid = client.pid(client.pool, connection);
        String path = setup.text("path", new String[] {"error", "return", "throw"}[setup.draw(3)]);
        switch (path) {
            case "error":
                try {
                    client.work.fail(connection);
                } catch (SQLException | RuntimeException expected) {
                    // c3p0 wraps it.
                    System.err.println(expected);
                }
                break;
            case "return":
                client.work.look(connection, 2);
                break;
            default:
                client.work.request(connection);
        }
        lost(pid, "checkout never returned (" + path + ")");
    }

    private void loseTransaction() throws Exception {
        Connection connection = client.take();
        connection.setAutoCommit(false);
        int pid = client.pid(client.pool, connection);
        client.work.order(connection);
        lost(pid, "transaction left open by a request that failed");
    }

    /** A stream of rows keeps its connection and portal, as an unclosed `Stream` of Spring does. */
    private void loseResult() throws Exception {
        Connection connection = client.take();
        connection.setAutoCommit(false);
        int pid = client.pid(client.pool, connection);
        Statement statement = connection.createStatement();
        statement.setFetchSize(20);
        ResultSet rows = statement.executeQuery("SELECT id, name FROM items WHERE stock >= 0 ORDER BY id");
        for (int row = 0; row < 30 && rows.next(); row++) {
            rows.getString(2);
        }
        KEPT.add(rows);
        lost(pid, "result set neither read to its end nor closed");
    }

    private void loseTask() {
        Client.spawn(() -> {
            Connection connection = client.take();
            int pid = client.pid(client.pool, connection);
            client.work.request(connection);
            lost(pid, "its thread waits for ever");
            new CountDownLatch(1).await();
            connection.close();
        });
    }

    private void losePrepared() throws Exception {
        Connection connection = client.take();
        int pid = client.pid(client.pool, connection);
        Work.run(connection, "SET search_path TO reports, public");
        client.work.look(connection, 1);
        KEPT.add(connection);
        lost(pid, "taken out for a report with its own settings and forgotten");
    }

    private void keepGlobally() throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", setup.user);
        properties.setProperty("password", setup.password);
        Connection connection = DriverManager.getConnection(setup.url(), properties);
        int pid = Watched.pid(connection);
        Work.run(connection, "SELECT count(*), max(id) FROM items");
        KEPT.add(connection);
        lost(pid, "opened at the start and kept in a global");
    }

    /** Opens a new pool; the old one stays open and is never used again. */
    private void reload() throws Exception {
        Library.Pool old = client.pool;
        int number = Watched.latest();
        client.pool = client.library.open();
        KEPT.add(old);
        // Requests in progress still return their sessions to the old pool.
        Thread.sleep(1_000);
        Watched.forget(number, "its pool was replaced and not closed");
    }

    private void openForRequest() throws Exception {
        Library.Pool own = client.library.open();
        try (Connection connection = own.take()) {
            client.work.request(connection);
        }
        KEPT.add(own);
        int number = Watched.latest();
        // Pools fill themselves in the background.
        Thread.sleep(1_500);
        Watched.forget(number, "its pool was made for one request");
    }

    private void lost(int pid, String how) {
        Events.lost(pid, how);
    }
}
