import java.sql.Connection;
import java.sql.SQLException;

/** Pool library in the configuration of a set-up. */
interface Library {
    /** Opens another pool. */
    Pool open() throws Exception;

    /** Open pool. */
    interface Pool {
        Connection take() throws SQLException;

        /** Returns the driver's connection behind a pooled one. */
        Connection raw(Connection pooled) throws Exception;

        void close();
    }

    static Library of(Setup setup) {
        switch (setup.library) {
            case "hikari":
                return () -> new Hikari(setup);
            case "dbcp2":
                return () -> new Dbcp(setup);
            case "c3p0":
                return () -> new C3p0(setup);
            case "tomcat-jdbc":
                return () -> new TomcatJdbc(setup);
            default:
                throw new IllegalArgumentException("no library " + setup.library);
        }
    }
}
