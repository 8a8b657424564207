/** Healthy workers, each with a pace of its own. */
final class Paces {
    /** Mean pauses of the workers of `uneven`, in turn. */
    private static final int[] UNEVEN_MS = {1_000, 5_000, 15_000, 30_000};
    private final Client client;
    private final Setup setup;

    Paces(Client client) {
        this.client = client;
        setup = client.setup;
    }

    /** Starts workers that end one by one until a fast and a slow one are left; the sessions stay in the pool. */
    void ebb() {
        int slow = setup.number("slow", 1);
        int slowMs = setup.number("slow_ms", 14_000);
        work(setup.pace_ms, Double.POSITIVE_INFINITY);
        work(slowMs, Double.POSITIVE_INFINITY);
        for (int number = 0; number < setup.workers - 2; number++) {
            int paceMs = number < setup.workers - slow - 1 ? setup.pace_ms : slowMs;
            work(paceMs, setup.first_loss_s + number * setup.loss_every_s);
        }
    }

    void uneven() {
        for (int number = 0; number < setup.workers; number++) {
            work(UNEVEN_MS[number % UNEVEN_MS.length], Double.POSITIVE_INFINITY);
        }
    }

    /** Starts a worker, whose thread ends after this time. */
    private void work(int paceMs, double seconds) {
        long begin = System.nanoTime();
        int heldMs = setup.number("hold_ms", 300);
        Client.spawn(() -> {
            while (System.nanoTime() - begin < seconds * 1e9) {
                client.serve(() -> Thread.sleep(heldMs));
                setup.pause(paceMs);
            }
        });
    }
}
