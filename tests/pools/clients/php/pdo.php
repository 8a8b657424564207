<?php
declare(strict_types=1);

/** PDO: prepares each statement under a name, and deallocates it after use. */
final class PdoSession extends Session
{
    private PDO $pdo;

    public function __construct(Setup $setup, string $key, bool $persistent)
    {
        $dsn = "pgsql:host={$setup->host};port={$setup->port};dbname={$setup->database}";
        if ($setup->name() !== null) {
            $dsn .= ";application_name={$setup->name()}";
        }
        if ($key !== '') {
            $dsn .= ";connect_timeout=$key";
        }
        $attributes = [PDO::ATTR_PERSISTENT => $persistent, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION];
        if ($setup->mode === 'bouncer-transaction') {
            $attributes[PDO::PGSQL_ATTR_DISABLE_PREPARES] = true;
        }
        $this->pdo = new PDO($dsn, $setup->user, $setup->password, $attributes);
    }

    public function run(string $sql, int ...$parameters): ?string
    {
        if ($parameters === []) {
            $statement = $this->pdo->query($sql);
        } else {
            $statement = $this->pdo->prepare($sql);
            $statement->execute($parameters);
        }
        $rows = $statement->columnCount() > 0 ? $statement->fetchAll(PDO::FETCH_NUM) : [];
        return isset($rows[0][0]) ? (string) $rows[0][0] : null;
    }

    public function begin(): void
    {
        $this->pdo->beginTransaction();
    }

    public function commit(): void
    {
        $this->pdo->commit();
    }

    protected function driverPid(): int
    {
        return $this->pdo->pgsqlGetPid();
    }
}
