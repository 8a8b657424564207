<?php
declare(strict_types=1);

/** Session of a request. */
abstract class Session
{
    private ?int $asked = null;

    /** Opens the library's connection; a key makes it another one than those without. */
    public static function open(Setup $setup, string $key = ''): self
    {
        $session = match ($setup->library) {
            'pdo' => new PdoSession($setup, $key, false),
            'pdo-persistent' => new PdoSession($setup, $key, true),
            'pgsql-persistent' => new PgsqlSession($setup, $key),
        };
        // The runner cannot find a connection that lives for one request.
        if ($setup->library === 'pdo' && $setup->direct()) {
            event('session', ['pid' => $session->driverPid()]);
        }
        return $session;
    }

    /** Runs a statement with numbers as parameters; returns the first column of the first row. */
    abstract public function run(string $sql, int ...$parameters): ?string;

    abstract public function begin(): void;

    abstract public function commit(): void;

    /** Returns the server process as the protocol has it, which is the pooler's invention behind one. */
    abstract protected function driverPid(): int;

    public function pid(Setup $setup): int
    {
        if ($setup->direct()) {
            return $this->driverPid();
        }
        return $this->asked ??= (int) $this->run('SELECT pg_backend_pid()');
    }
}
