// Statements of the applications: several services, each with a few code paths. `?` stands for a parameter.

const SERVICES = {
  catalog: [
    ["select id, name from items where id = ?"],
    ["select name, stock from items where id > ? order by id limit 12", "select count(*) from items where stock > ?"],
    ["select i.name, max(o.at) from items i left join orders o on o.item = i.id where i.id = ? group by i.name"],
  ],
  checkout: [
    ["select stock from items where id = ? for update", "update items set stock = stock - 2 where id = ?"],
    ["insert into orders (item, quantity) values (?, 2) returning id, at"],
    ["select id, quantity from orders where item = ? order by id desc limit 3"],
  ],
  mailer: [
    ["select id, payload from jobs where not done and id > ? limit 5"],
    ["insert into jobs (payload, done) values (concat('mail ', ?::int), false)"],
    ["update jobs set done = true where id = ?"],
  ],
  metrics: [
    ["select count(*), avg(quantity) from orders where item = ?"],
    ["select percentile_cont(0.5) within group (order by stock) from items where id < ?"],
  ],
  sessions: [
    ["select max(id) from jobs where id < ?", "delete from jobs where done and id < ? - 500"],
    ["select payload from jobs where id = ?"],
    ["select id, done from jobs where id between ? and ? + 10"],
  ],
};

/** Returns a generator of numbers from 0 to 1 (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Draws pieces of work of one service. */
export class Work {
  constructor(service, seed) {
    const names = Object.keys(SERVICES).sort();
    this.paths = SERVICES[service ?? names[Math.floor(seed / 100) % names.length]];
    this.random = dice(seed);
  }

  /** Returns the statements of a code path with their parameters. */
  draw() {
    const path = this.paths[Math.floor(this.random() * this.paths.length)];
    const number = 1 + Math.floor(this.random() * 980);
    return path.map((sql) => [sql, Array(sql.split("?").length - 1).fill(number)]);
  }
}

/** Returns a statement with numbered parameters. */
export function numbered(sql) {
  let count = 0;
  return sql.replace(/\?/g, () => `$${++count}`);
}
