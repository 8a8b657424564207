<?php
declare(strict_types=1);

/** `pg_pconnect`: a connection for each connection string, which stays open after the request. */
final class PgsqlSession extends Session
{
    private PgSql\Connection $connection;

    public function __construct(Setup $setup, string $key)
    {
        $info = "host={$setup->host} port={$setup->port} dbname={$setup->database} user={$setup->user} password={$setup->password}";
        if ($setup->name() !== null) {
            $info .= " application_name='{$setup->name()}'";
        }
        if ($key !== '') {
            $info .= " connect_timeout=$key";
        }
        $this->connection = pg_pconnect($info) ?: throw new RuntimeException('no connection');
    }

    public function run(string $sql, int ...$parameters): ?string
    {
        $count = 0;
        $sql = preg_replace_callback('/\?/', function () use (&$count) {
            return '$' . ++$count;
        }, $sql);
        $result = $parameters === [] ? pg_query($this->connection, $sql) : pg_query_params($this->connection, $sql, $parameters);
        if ($result === false) {
            throw new RuntimeException(pg_last_error($this->connection));
        }
        $row = pg_fetch_row($result);
        return $row ? $row[0] : null;
    }

    public function begin(): void
    {
        $this->run('BEGIN');
    }

    public function commit(): void
    {
        $this->run('COMMIT');
    }

    protected function driverPid(): int
    {
        return pg_get_pid($this->connection);
    }
}
