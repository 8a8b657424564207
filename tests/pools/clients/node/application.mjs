// The behaviours of an application, for any pool library with these functions:
//
//   open(size)            a pool, whose list `opened` gets the identity of each physical session
//   acquire(pool)         a checked-out session; throws Exhausted after a timeout
//   release(pool, one)    returns it
//   work(one, path)       runs a piece of work and completes its transaction
//   begin(one, path)      runs a piece of work and leaves its transaction open
//   execute(one, sql)     runs a statement without a transaction
//   leaveResult(one), finishResult(one, result)    reads the first rows of a large result; closes it
//   connect(), close(one) a connection outside any pool
//   identity(one)         its `pid`, or its `port` where a pooler is between
//   serverPid(one)        the server process, asked for within a transaction

import { emit, lost, sleep } from "./protocol.mjs";
import { dice, Work } from "./statements.mjs";

/** Mean pauses of the workers of `uneven`, in turn. */
const UNEVEN_S = [1, 5, 15, 30];

/** A checkout has timed out. */
export class Exhausted extends Error {}

/** Identities of the physical sessions that a pool has opened; each is reported when it is added. */
export class Sessions extends Array {
  push(identity) {
    if (identity.pid) emit("session", identity);
    return super.push(identity);
  }
}

/** Tasks that use the pool as the set-up's behaviour says. */
export class Application {
  constructor(setup, adapter) {
    Object.assign(this, { setup, adapter, kept: [], seed: setup.seed, begin: performance.now(), pool: null });
    this.resting = null;
    this.toldExhausted = false;
  }

  async run() {
    const { behaviour, size } = this.setup;
    if (!["cron", "rare"].includes(behaviour)) this.pool = await this.adapter.open(size);
    await this[behaviour.replace(/-(.)/g, (_, letter) => letter.toUpperCase())]();
    emit("ready");
  }

  elapsed = () => (performance.now() - this.begin) / 1000;

  task(promise) {
    promise.catch((error) => {
      console.error(error);
      emit("error", { text: String(error).slice(0, 300) });
    });
  }

  draws = () => new Work(this.setup.options.service, this.seed++);

  /** One request: checkout, work, return. */
  async request(work, holdS = 0) {
    const pool = this.pool;
    let one;
    try {
      one = await this.adapter.acquire(pool);
    } catch (error) {
      if (!(error instanceof Exhausted)) throw error;
      if (!this.toldExhausted) emit("exhausted", { at_us: Date.now() * 1000 });
      this.toldExhausted = true;
      return;
    }
    try {
      await this.adapter.work(one, work.draw());
      await sleep(holdS);
    } finally {
      await this.adapter.release(pool, one);
    }
  }

  async worker(paceS, untilS = Infinity, holdS = 0) {
    const [work, random] = [this.draws(), dice(this.seed++)];
    while (this.elapsed() < untilS) {
      await this.resting;
      await this.request(work, holdS);
      await sleep(paceS * (0.5 + random()));
    }
  }

  workers(number = this.setup.workers, untilS = Infinity) {
    for (let n = 0; n < number; n++) this.task(this.worker(this.setup.pace_ms / 1000, untilS));
  }

  /** Calls a function at the time of each loss. */
  atLosses(lose) {
    const losses = async () => {
      for (let number = 0; number < this.setup.lose; number++) {
        await sleep(this.setup.first_loss_s + number * this.setup.loss_every_s - this.elapsed());
        await lose(number);
      }
    };
    this.task(losses());
  }

  /** Uses the whole pool for five seconds. */
  fill() {
    for (let n = 0; n < this.setup.size; n++) this.task(this.worker(0.3, this.elapsed() + 5, 0.3));
  }

  // Healthy behaviours.

  steady() {
    this.workers();
  }

  validated = this.steady;
  refill = this.steady;
  prefork = this.steady;
  halfDead = this.steady;

  burst() {
    this.fill();
    this.workers();
  }

  keepalive = this.burst;

  bursts() {
    const repeat = async () => {
      for (;;) {
        this.fill();
        await sleep(this.setup.period_s);
      }
    };
    this.task(repeat());
    this.workers(1);
  }

  holdS = () => (this.setup.options.hold_ms ?? 300) / 1000;

  /** Workers end one by one until a fast and a slow one are left; the sessions stay in the pool. */
  ebb() {
    const { workers, pace_ms, first_loss_s, loss_every_s, options } = this.setup;
    const [slow, paceS, slowS] = [options.slow ?? 1, pace_ms / 1000, (options.slow_ms ?? 14000) / 1000];
    for (const staysS of [paceS, slowS]) this.task(this.worker(staysS, Infinity, this.holdS()));
    const leaving = [...Array(workers - slow - 1).fill(paceS), ...Array(slow - 1).fill(slowS)];
    for (const [number, leavesS] of leaving.entries()) {
      this.task(this.worker(leavesS, first_loss_s + number * loss_every_s, this.holdS()));
    }
  }

  uneven() {
    for (let n = 0; n < this.setup.workers; n++) {
      this.task(this.worker(UNEVEN_S[n % UNEVEN_S.length], Infinity, this.holdS()));
    }
  }

  async standby() {
    const one = await this.adapter.acquire(this.pool);
    await this.adapter.execute(one, "SELECT 1");
    await this.adapter.release(this.pool, one);
  }

  drain() {
    this.workers(this.setup.workers, this.setup.period_s);
  }

  /** Workers with a connection of their own, each of which works once in a period. */
  rare() {
    const { period_s, workers } = this.setup;
    const worker = async (number) => {
      const [work, random] = [this.draws(), dice(this.seed++)];
      const one = await this.adapter.connect();
      this.kept.push(one);
      await this.adapter.work(one, work.draw());
      await sleep((period_s * number) / workers);
      for (;;) {
        await this.adapter.work(one, work.draw());
        await sleep(period_s * (0.9 + random() / 5));
      }
    };
    for (let number = 0; number < workers; number++) this.task(worker(number));
  }

  cron() {
    const job = async () => {
      const work = this.draws();
      for (;;) {
        const one = await this.adapter.connect();
        for (let n = 0; n < (this.setup.options.steps ?? 4); n++) {
          await this.adapter.work(one, work.draw());
          await sleep(0.4);
        }
        await this.adapter.close(one);
        await sleep(this.setup.period_s);
      }
    };
    this.task(job());
  }

  batch() {
    const job = async () => {
      const [work, random] = [this.draws(), dice(this.seed++)];
      const one = await this.adapter.acquire(this.pool);
      for (;;) {
        await this.adapter.begin(one, work.draw().slice(0, 1));
        await sleep(0.5 + 1.5 * random());
      }
    };
    this.task(job());
    this.workers();
  }

  /** A session for one purpose, which is kept in reach. */
  async withSpecial(sql) {
    const one = await this.adapter.acquire(this.pool);
    await this.adapter.execute(one, sql);
    this.kept.push(one);
    this.workers();
  }

  listener = () => this.withSpecial("LISTEN changes");
  leader = () => this.withSpecial("SELECT pg_advisory_lock(4712)");

  streaming() {
    const stream = async () => {
      for (;;) {
        const pool = this.pool;
        const one = await this.adapter.acquire(pool);
        const result = await this.adapter.leaveResult(one);
        await sleep(6);
        await this.adapter.finishResult(one, result);
        await this.adapter.release(pool, one);
        await sleep(4);
      }
    };
    this.task(stream());
    this.workers();
  }

  // Leaks.

  /** Checks out a session and works with it; returns its identity. */
  async take(inTransaction) {
    const one = await this.adapter.acquire(this.pool);
    this.kept.push(one);
    let identity = await this.adapter.identity(one);
    if (inTransaction && this.setup.mode === "bouncer-transaction") identity = { pid: await this.adapter.serverPid(one) };
    await this.adapter[inTransaction ? "begin" : "work"](one, this.draws().draw());
    return identity;
  }

  lostCheckout() {
    this.burst();
    this.atLosses(async () => lost(await this.take(false), "checkout never returned"));
  }

  exhausted() {
    this.workers();
    this.atLosses(async () => lost(await this.take(false), "checkout never returned, until none was left"));
  }

  lostTransaction() {
    this.workers();
    this.atLosses(async () => lost(await this.take(true), "transaction left open"));
  }

  lostResult() {
    this.workers();
    this.atLosses(async () => {
      const one = await this.adapter.acquire(this.pool);
      const identity = await this.adapter.identity(one);
      this.kept.push(one, await this.adapter.leaveResult(one));
      lost(identity, "result neither read to its end nor closed");
    });
  }

  /** A request awaits what never comes, with the session in its hands. */
  lostTask() {
    this.workers();
    this.atLosses(async (number) => {
      lost(await this.take(number % 2 === 1), "promise that is never settled");
      this.kept.push(new Promise(() => {}));
    });
  }

  lostPrepared() {
    this.workers();
    this.atLosses(async () => {
      const one = await this.adapter.acquire(this.pool);
      this.kept.push(one);
      const identity = await this.adapter.identity(one);
      await this.adapter.execute(one, "SET statement_timeout = '30s'");
      lost(identity, "taken out of the pool for a special purpose");
    });
  }

  async global() {
    for (let n = 0; n < this.setup.lose; n++) {
      const one = await this.adapter.connect();
      this.kept.push(one);
      const identity = await this.adapter.identity(one);
      await this.adapter.work(one, this.draws().draw());
      lost(identity, "connection of the start-up kept in a global");
    }
    this.workers();
  }

  /** Replaces the pool without closing the old one. */
  poolReload() {
    this.burst();
    this.atLosses(async () => {
      let go;
      this.resting = new Promise((resolve) => (go = resolve));
      await sleep(0.5);
      const old = this.pool;
      this.kept.push(old);
      this.pool = await this.adapter.open(this.setup.size);
      for (const identity of old.opened) lost(identity, "pool replaced without closing it");
      go();
    });
  }

  poolPerRequest() {
    this.workers();
    this.atLosses(async () => {
      const pool = await this.adapter.open(this.setup.options.request_size ?? 1);
      this.kept.push(pool);
      for (let n = 0; n < 2; n++) {
        const one = await this.adapter.acquire(pool);
        await this.adapter.work(one, this.draws().draw());
        await this.adapter.release(pool, one);
        await sleep(0.2);
      }
      for (const identity of pool.opened) lost(identity, "pool of one request forgotten");
    });
  }
}
