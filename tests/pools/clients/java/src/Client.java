import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.locks.LockSupport;

/** Application of one set-up: `Client SETUP`. */
public final class Client {
    final Setup setup;
    final Library library;
    final Work work;
    volatile Library.Pool pool;

    private Client(Setup setup) throws Exception {
        this.setup = setup;
        library = Library.of(setup);
        work = new Work(setup);
        pool = library.open();
    }

    public static void main(String[] arguments) throws Exception {
        exitWithRunner();
        Setup setup = Setup.parse(arguments[0]);
        Watched.register(setup);
        Client client = new Client(setup);
        if (client.setup.lose > 0) {
            new Leaks(client).start();
        } else {
            new Healthy(client).start();
        }
        Events.ready();
        Thread.currentThread().join();
    }

    /** Ends this process at once when stdin closes. */
    private static void exitWithRunner() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException error) {
                error.printStackTrace();
            }
            Events.print("{\"event\":\"end\"}");
            Runtime.getRuntime().halt(0);
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Code of a thread. */
    interface Task {
        void run() throws Exception;
    }

    static void spawn(Task task) {
        Thread thread = new Thread(() -> {
            try {
                task.run();
            } catch (Exception error) {
                error.printStackTrace();
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    Connection take() throws SQLException {
        try {
            return pool.take();
        } catch (SQLException error) {
            Events.exhausted();
            throw error;
        }
    }

    /** Serves one request, as it should be done. */
    void serve() {
        serve(() -> {
            if (setup.draw(3) == 0) {
                Thread.sleep(setup.draw(150));
            }
        });
    }

    /** Serves one request, which does something else before it returns its session. */
    void serve(Task computes) {
        try (Connection connection = take()) {
            work.request(connection);
            computes.run();
        } catch (Exception error) {
            System.err.println(error);
        }
    }

    void workers(int count) {
        for (int worker = 0; worker < count; worker++) {
            spawn(() -> {
                while (true) {
                    serve();
                    setup.pause(setup.pace_ms);
                }
            });
        }
    }

    /** Takes sessions all at once and works with each, for this time. */
    void burst(double seconds) throws InterruptedException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        Thread[] threads = new Thread[setup.size];
        for (int index = 0; index < threads.length; index++) {
            threads[index] = new Thread(() -> {
                while (System.nanoTime() < end) {
                    try (Connection connection = take()) {
                        work.request(connection);
                        Thread.sleep(200);
                    } catch (Exception error) {
                        System.err.println(error);
                        LockSupport.parkNanos(200_000_000);
                    }
                }
            });
            threads[index].setDaemon(true);
            threads[index].start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
    }

    /** Returns the server process of a session; in transaction mode within the caller's transaction. */
    int pid(Library.Pool from, Connection pooled) throws Exception {
        return setup.mode.equals("bouncer-transaction") ? Watched.ask(pooled) : Watched.pid(from.raw(pooled));
    }
}
