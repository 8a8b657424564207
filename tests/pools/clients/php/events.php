<?php
declare(strict_types=1);

/** Writes a line to the runner; workers share its pipe, and short lines are written at once. */
function event(string $event, array $fields = []): void
{
    fwrite(STDOUT, json_encode(['event' => $event] + $fields) . "\n");
}

function lost(int $pid, string $how): void
{
    event('lost', ['pid' => $pid, 'at_us' => (int) (microtime(true) * 1e6), 'how' => $how]);
}
