/** Lines to the runner. */
final class Events {
    private Events() {}

    static synchronized void print(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void ready() {
        print("{\"event\":\"ready\"}");
    }

    static void session(int pid) {
        print("{\"event\":\"session\",\"pid\":" + pid + "}");
    }

    static void lost(int pid, String how) {
        print("{\"event\":\"lost\",\"pid\":" + pid + ",\"at_us\":" + now() + ",\"how\":\"" + how + "\"}");
    }

    static void exhausted() {
        print("{\"event\":\"exhausted\",\"at_us\":" + now() + "}");
    }

    private static long now() {
        return System.currentTimeMillis() * 1_000;
    }
}
