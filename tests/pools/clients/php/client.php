<?php
declare(strict_types=1);

/** Application of one set-up: `client.php SETUP`. It forks workers, as a PHP server does. */

foreach (['setup', 'events', 'session', 'pdo', 'pgsql', 'work', 'worker'] as $file) {
    require __DIR__ . "/$file.php";
}

const FORKED = ['steady', 'prefork', 'validated', 'refill', 'rare', 'standby', 'drain', 'half-dead', 'lost-task', 'lost-transaction',
    'pool-reload', 'pool-per-request', 'global', 'batch', 'listener', 'leader'];

/** Ends a worker whose master is gone. */
function exitWithMaster(): void
{
    if (posix_getppid() !== MASTER) {
        exit(0);
    }
}

/** Starts a process that does this; returns its id. */
function worker(callable $task): int
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        fclose(STDIN);
        $task();
        // No orderly end: the process is gone, and its sockets with it.
        posix_kill(getmypid(), SIGKILL);
    }
    return $pid;
}

$setup = Setup::parse($argv[1]);
$start = microtime(true);
define('MASTER', getmypid());
/** @var array<int, callable> tasks of running workers */
$running = [];
$begin = function (callable $task) use (&$running): void {
    $running[worker($task)] = $task;
};
$id = crc32($setup->id) % 1000;
$held = [
    'batch' => fn (Worker $worker) => $worker->batch(),
    'listener' => fn (Worker $worker) => $worker->hold("listen changes_$id"),
    'leader' => fn (Worker $worker) => $worker->hold("select pg_advisory_lock($id)"),
][$setup->behaviour] ?? null;

if (in_array($setup->behaviour, FORKED, true)) {
    for ($number = 0; $number < $setup->workers; $number++) {
        $begin($held && $number === 0 ? (fn () => $held(new Worker($setup, 0, $start))) : (fn () => (new Worker($setup, $number, $start))->run()));
    }
} elseif ($setup->behaviour !== 'cron') {
    fwrite(STDERR, "no behaviour {$setup->behaviour}\n");
    exit(1);
}
usleep(300_000);
event('ready');

$hangs = in_array($setup->behaviour, ['lost-task', 'lost-transaction'], true) ? $setup->lose : 0;
$nextLoss = $start + $setup->first_loss_s;
$nextJob = $start;
while (true) {
    $read = [STDIN];
    $none = null;
    if (stream_select($read, $none, $none, 0, 200_000) && fread(STDIN, 100) === '' && feof(STDIN)) {
        break;
    }
    $now = microtime(true);
    if ($hangs > 0 && $now > $nextLoss) {
        $number = 20 + $hangs--;
        $begin(fn () => (new Worker($setup, $number, $start))->hang());
        $nextLoss = $now + $setup->loss_every_s;
    }
    if ($setup->behaviour === 'cron' && $now > $nextJob) {
        worker(fn () => (new Worker($setup, 40, $start))->job());
        $nextJob = $now + $setup->period_s;
    }
    // A server replaces workers that have ended.
    while (($ended = pcntl_waitpid(-1, $status, WNOHANG)) > 0) {
        if (isset($running[$ended])) {
            $task = $running[$ended];
            unset($running[$ended]);
            $begin($task);
        }
    }
}
foreach (array_keys($running) as $pid) {
    posix_kill($pid, SIGKILL);
}
event('end');
