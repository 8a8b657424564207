<?php
declare(strict_types=1);

/** Set-up of this process, as PROTOCOL.md describes it. */
final class Setup
{
    private function __construct(public readonly object $given)
    {
        $this->seed(0);
    }

    public static function parse(string $text): self
    {
        return new self(json_decode($text, false, 512, JSON_THROW_ON_ERROR));
    }

    public function __get(string $name): mixed
    {
        return $this->given->$name ?? null;
    }

    public function option(string $name): mixed
    {
        return ((array) $this->given->options)[$name] ?? null;
    }

    public function direct(): bool
    {
        return $this->mode === 'direct';
    }

    /** Each worker has numbers of its own. */
    public function seed(int $worker): void
    {
        mt_srand($this->given->seed * 1000 + $this->given->instance * 50 + $worker);
    }

    /** Returns the name to set, or null: libpq sets none. */
    public function name(): ?string
    {
        $name = $this->application_name;
        return $name === null || $name === '' ? null : str_replace('{pid}', (string) getmypid(), $name);
    }

    /** Returns a number from 0 to the limit, exclusively. */
    public function draw(int $limit): int
    {
        return mt_rand(0, $limit - 1);
    }

    /** Pauses for half to one and a half of the mean, or until the runner is gone. */
    public function pause(float $seconds): void
    {
        $end = microtime(true) + $seconds * (0.5 + mt_rand() / mt_getrandmax());
        while (($left = $end - microtime(true)) > 0) {
            exitWithMaster();
            usleep((int) (min($left, 0.5) * 1e6));
        }
    }
}
