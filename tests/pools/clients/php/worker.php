<?php
declare(strict_types=1);

/** Worker process of a PHP server, or a daemon that handles jobs. */
final class Worker
{
    /** What a daemon keeps without a use. */
    private static array $kept = [];
    private readonly Work $work;
    private int $lost = 0;
    private string $key = '';

    public function __construct(private readonly Setup $setup, private readonly int $number, private readonly float $start)
    {
        $this->work = new Work($setup);
        $setup->seed($number);
    }

    /** Serves requests until this process is ended; `refill` ends it after some, as `pm.max_requests` does. */
    public function run(): void
    {
        $pause = $this->setup->behaviour === 'rare' ? $this->setup->period_s : $this->setup->pace_ms / 1000;
        if ($this->setup->behaviour === 'rare') {
            usleep($this->setup->draw(5_000_000));
        }
        for ($count = 0; $this->setup->behaviour !== 'refill' || $count < 10; $count++) {
            $this->losses();
            $this->serve();
            $drained = $this->setup->behaviour === 'drain' && microtime(true) > $this->start + $this->setup->period_s;
            if ($drained || $this->setup->behaviour === 'standby') {
                $this->wait();
            }
            $this->setup->pause($pause);
        }
    }

    /** Handles one request, as it should be done: a session that is not persistent ends with it. */
    private function serve(): void
    {
        try {
            $session = $this->session();
            if ($this->setup->behaviour === 'validated') {
                $session->run('select 1');
            }
            $this->work->request($session);
        } catch (Exception $error) {
            fwrite(STDERR, $error->getMessage() . "\n");
        }
    }

    /** Returns the session of a request. A daemon without persistent ones keeps one for itself. */
    private function session(): Session
    {
        if ($this->setup->option('daemon')) {
            return self::$kept['default'] ??= Session::open($this->setup, $this->key);
        }
        return Session::open($this->setup, $this->key);
    }

    /** Runs one job with a connection of its own. */
    public function job(): void
    {
        for ($step = 0; $step < 5; $step++) {
            $this->serve();
            usleep(300_000);
        }
    }

    /** Works in one long transaction. */
    public function batch(): void
    {
        while (true) {
            $session = $this->session();
            $session->begin();
            for ($step = 0; $step < 60; $step++) {
                $this->work->order($session);
                $this->setup->pause(1.5);
            }
            $session->commit();
        }
    }

    /** Holds a session for as long as the program runs. */
    public function hold(string $sql): void
    {
        $session = $this->session();
        $session->run($sql);
        $this->wait();
    }

    /** Loses the session in its hands: the worker hangs, and its manager starts another one. */
    public function hang(): void
    {
        $session = $this->session();
        $pid = $session->pid($this->setup);
        if ($this->setup->behaviour === 'lost-transaction') {
            $session->begin();
            if ($this->setup->mode === 'bouncer-transaction') {
                $pid = (int) $session->run('select pg_backend_pid()');
            }
            $this->work->order($session);
            lost($pid, 'the worker waits for ever for another service, within a transaction');
        } else {
            $this->work->request($session);
            lost($pid, 'the worker waits for ever for another service');
        }
        $this->wait();
    }

    /** Loses what a worker that lives on loses by now. */
    private function losses(): void
    {
        $due = $this->setup->lose > $this->lost
            && microtime(true) > $this->start + $this->setup->first_loss_s + $this->lost * $this->setup->loss_every_s;
        if (!$due) {
            return;
        }
        switch ($this->setup->behaviour) {
            case 'pool-reload':
                $this->reload();
                break;
            case 'pool-per-request':
            case 'global':
                // One of the workers has the faulty path.
                if ($this->number === 0) {
                    $this->openAnother();
                }
                break;
        }
        $this->lost++;
    }

    /** Uses other connection settings from now on: the session with the old ones stays open. */
    private function reload(): void
    {
        $old = $this->session();
        $pid = $old->pid($this->setup);
        if ($this->setup->option('daemon')) {
            self::$kept[] = self::$kept['default'];
            unset(self::$kept['default']);
        }
        $this->key = (string) (10 + $this->lost);
        lost($pid, 'the configuration was read again, and the old connection stays');
    }

    /** Opens a connection under a key that never comes again. */
    private function openAnother(): void
    {
        $session = Session::open($this->setup, (string) (100 + $this->lost));
        $pid = $session->pid($this->setup);
        if ($this->setup->behaviour === 'global') {
            $session->run('select count(*), min(id) from items');
        } else {
            $this->work->request($session);
        }
        self::$kept[] = $session;
        lost($pid, "{$this->setup->behaviour}: a connection under a name of its own is never used again");
    }

    private function wait(): never
    {
        while (true) {
            exitWithMaster();
            usleep(500_000);
        }
    }
}
