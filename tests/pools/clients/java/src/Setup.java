import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.util.Random;

/** Set-up of this process, as PROTOCOL.md describes it. */
final class Setup {
    String id;
    String library;
    String behaviour;
    String host;
    int port;
    String user;
    String password;
    String database;
    String mode;
    String application_name;
    int size;
    Integer min;
    int workers;
    int pace_ms;
    long seed;
    int lose;
    double first_loss_s;
    double loss_every_s;
    double period_s;
    int instance;
    JsonObject options = new JsonObject();
    private transient Random random;

    static Setup parse(String json) {
        Setup setup = new Gson().fromJson(json, Setup.class);
        if (setup.options == null) {
            setup.options = new JsonObject();
        }
        setup.random = new Random(setup.seed * 1_000 + setup.instance);
        return setup;
    }

    /** Returns the URL of another pool, for pgjdbc. Its default name stays unless the set-up has one. */
    String url() {
        String url = "jdbc:postgresql://" + host + ":" + port + "/" + database;
        String separator = "?";
        if (application_name != null) {
            String pid = Long.toString(ProcessHandle.current().pid());
            url += separator + "ApplicationName=" + application_name.replace("{pid}", pid);
            separator = "&";
        }
        if (mode.equals("bouncer-transaction")) {
            url += separator + "prepareThreshold=0";
        }
        return Watched.url(url);
    }

    boolean flag(String name) {
        return options.has(name) && options.get(name).getAsBoolean();
    }

    int number(String name, int otherwise) {
        return options.has(name) ? options.get(name).getAsInt() : otherwise;
    }

    String text(String name, String otherwise) {
        return options.has(name) ? options.get(name).getAsString() : otherwise;
    }

    /** Returns a number from 0 to the limit, exclusively. */
    synchronized int draw(int limit) {
        return random.nextInt(limit);
    }

    /** Pauses for half to one and a half of the mean. */
    void pause(double meanMs) throws InterruptedException {
        double factor;
        synchronized (this) {
            factor = 0.5 + random.nextDouble();
        }
        Thread.sleep((long) (meanMs * factor));
    }
}
