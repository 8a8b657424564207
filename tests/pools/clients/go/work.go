package main

import (
	"fmt"
	"hash/fnv"
)

// work is what one application requests. Its texts differ from those of other set-ups.
type work struct {
	setup            *setup
	page, item, sold string
	add, stock, fail string
}

func newWork(s *setup) *work {
	hash := fnv.New32a()
	hash.Write([]byte(s.ID))
	number := int(hash.Sum32() % 10_000)
	alias := string([]byte{byte('a' + number%26), byte('a' + number/26%26), '1'})
	return &work{
		setup: s,
		page: fmt.Sprintf("select %[1]s.id, %[1]s.name from items %[1]s where %[1]s.stock < $1 order by %[1]s.stock limit %[2]d",
			alias, 2+number%30),
		item:  fmt.Sprintf("select name as %s, stock from items where id = $1", alias),
		sold:  fmt.Sprintf("select sum(%[1]s.quantity) from orders %[1]s where %[1]s.item = $1", alias),
		add:   fmt.Sprintf("insert into orders (item, quantity) values ($1, %d) returning id", 1+number%7),
		stock: fmt.Sprintf("select %[1]s.stock from items %[1]s where %[1]s.id = $1", alias),
		fail:  fmt.Sprintf("select 100 / (stock - stock) as %s from items where id = $1", alias),
	}
}

// request runs one to three statements, and a transaction in one of four requests.
func (w *work) request(s session) error {
	switch w.setup.draw(4) {
	case 0:
		if err := s.begin(); err != nil {
			return err
		}
		if err := w.order(s); err != nil {
			return err
		}
		return s.commit()
	case 1:
		return s.run(w.page, w.setup.draw(60))
	case 2:
		if err := s.run(w.item, 1+w.setup.draw(1000)); err != nil {
			return err
		}
		return s.run(w.sold, 1+w.setup.draw(1000))
	}
	return s.run(w.item, 1+w.setup.draw(1000))
}

// order writes within the caller's transaction.
func (w *work) order(s session) error {
	item := 1 + w.setup.draw(1000)
	if err := s.run(w.add, item); err != nil {
		return err
	}
	return s.run(w.stock, item)
}
