import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;

/** Behaviours that lose nothing. */
final class Healthy {
    private final Client client;
    private final Setup setup;

    Healthy(Client client) {
        this.client = client;
        setup = client.setup;
    }

    void start() throws Exception {
        switch (setup.behaviour) {
            case "steady":
            case "prefork":
            case "validated":
            case "refill":
            case "half-dead":
                client.workers(setup.workers);
                break;
            case "burst":
            case "keepalive":
                Client.spawn(() -> {
                    client.burst(5);
                    client.workers(Math.min(setup.workers, 2));
                });
                break;
            case "bursts":
                Client.spawn(() -> {
                    while (true) {
                        client.burst(4);
                        setup.pause(setup.period_s * 1_000);
                    }
                });
                client.workers(1);
                break;
            case "ebb":
                new Paces(client).ebb();
                break;
            case "uneven":
                new Paces(client).uneven();
                break;
            case "standby":
                client.serve();
                break;
            case "rare":
                for (int worker = 0; worker < setup.workers; worker++) {
                    Client.spawn(this::workRarely);
                }
                break;
            case "cron":
                client.pool.close();
                Client.spawn(this::runJobs);
                break;
            case "batch":
                Client.spawn(this::runBatch);
                client.workers(setup.workers - 1);
                break;
            case "listener":
                hold("LISTEN changes_" + Math.floorMod(setup.id.hashCode(), 100));
                client.workers(setup.workers);
                break;
            case "leader":
                hold("SELECT pg_advisory_lock(" + Math.floorMod(setup.id.hashCode(), 100_000) + ")");
                client.workers(setup.workers);
                break;
            case "drain":
                Client.spawn(this::drain);
                break;
            case "streaming":
                Client.spawn(this::stream);
                client.workers(setup.workers);
                break;
            default:
                throw new IllegalArgumentException("no healthy behaviour " + setup.behaviour);
        }
    }

    private void workRarely() throws Exception {
        Thread.sleep(setup.draw(5_000));
        while (true) {
            client.serve();
            setup.pause(setup.period_s * 1_000);
        }
    }

    private void runJobs() throws Exception {
        while (true) {
            client.pool = client.library.open();
            for (int step = 0; step < 6; step++) {
                client.serve();
                Thread.sleep(250);
            }
            client.pool.close();
            setup.pause(setup.period_s * 1_000);
        }
    }

    private void runBatch() throws Exception {
        while (true) {
            try (Connection connection = client.take()) {
                connection.setAutoCommit(false);
                for (int step = 0; step < 60; step++) {
                    client.work.order(connection);
                    setup.pause(1_500);
                }
                connection.commit();
                connection.setAutoCommit(true);
            }
        }
    }

    /** Holds a session for as long as the program runs; its thread polls nothing. */
    private void hold(String sql) throws Exception {
        Connection connection = client.take();
        Work.run(connection, sql);
        Client.spawn(() -> {
            synchronized (connection) {
                while (true) {
                    connection.wait();
                }
            }
        });
    }

    private void drain() throws Exception {
        long end = System.nanoTime() + (long) (setup.period_s * 1e9);
        while (System.nanoTime() < end) {
            client.burst(2);
        }
    }

    private void stream() throws Exception {
        while (true) {
            try (Connection connection = client.take()) {
                connection.setAutoCommit(false);
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(40);
                    try (ResultSet rows = statement.executeQuery("SELECT id, name, stock FROM items ORDER BY name")) {
                        while (rows.next()) {
                            rows.getString(2);
                            Thread.sleep(30);
                        }
                    }
                }
                connection.commit();
                connection.setAutoCommit(true);
            }
            setup.pause(setup.pace_ms);
        }
    }
}
