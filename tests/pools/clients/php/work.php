<?php
declare(strict_types=1);

/** Requests of one application. Its texts differ from those of other set-ups. */
final class Work
{
    private readonly string $columns;
    private readonly int $limit;

    public function __construct(private readonly Setup $setup)
    {
        $number = crc32($setup->id) % 10_000;
        $this->columns = ['id, name', 'name, stock', 'stock, id', '*'][$number % 4];
        $this->limit = 4 + $number % 31;
    }

    /** Runs one to three statements, and a transaction in one of four requests. */
    public function request(Session $session): void
    {
        switch ($this->setup->draw(4)) {
            case 0:
                $session->begin();
                $this->order($session);
                $session->commit();
                break;
            case 1:
                $this->page($session);
                break;
            case 2:
                $this->item($session);
                $session->run("select avg(quantity) from orders where item = ? and quantity < {$this->limit}", $this->some());
                break;
            default:
                $this->item($session);
        }
    }

    public function item(Session $session): void
    {
        $session->run("select {$this->columns} from items where id = ? limit {$this->limit}", $this->some());
    }

    public function page(Session $session): void
    {
        $session->run("select {$this->columns} from items where stock > ? order by stock desc limit {$this->limit}", $this->setup->draw(60));
    }

    /** Writes within the caller's transaction. */
    public function order(Session $session): void
    {
        $session->run("insert into orders (item, quantity) values (?, {$this->limit})", $this->some());
        $session->run("insert into jobs (payload, done) values ('mail {$this->limit} for ' || ?::int, false)", $this->some());
    }

    private function some(): int
    {
        return 1 + $this->setup->draw(1000);
    }
}
