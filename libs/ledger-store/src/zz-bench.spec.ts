import { afterAll, beforeAll, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { TestPostgres } from '@everseal/testing';
import { SpecStore, CURSOR, expectHead, nextBlock, specHash } from './store.fixture.js';
import { createLedger } from './sql/ledger.js';
import { acquireLease } from './sql/lease.js';
import { readHead } from './sql/head.js';
import { commitBlock } from './sql/block.js';
import { readBodies } from './sql/body.js';
import { EventIndexWriter, findSameIdentity, readIndexRows } from './sql/event-index.js';
import type { IndexRow } from './copy/index-row.js';

let server: TestPostgres;
let store: SpecStore;
beforeAll(async () => {
  server = await TestPostgres.start({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } });
  store = await SpecStore.create(server, 'bench');
});
afterAll(async () => {
  await store.close();
  await server.stop();
});
const BLOCKS = 40,
  ENTRIES = 8192,
  ENTRY = 386 + 106;
it('bench', async () => {
  const pool = await store.sealer();
  const id = await createLedger(pool, 'audit.example.com/main', CURSOR);
  await acquireLease(pool, id, 's1', 600_000);
  const body = randomBytes(ENTRIES * (ENTRY + 2));
  let t = process.hrtime.bigint();
  const ms = () => {
    const n = process.hrtime.bigint();
    const d = Number(n - t) / 1e6;
    t = n;
    return d;
  };
  let frames = 1;
  for (let b = 0; b < BLOCKS; b++) {
    const head = await readHead(pool, id);
    const w = nextBlock(expectHead(head), ENTRIES);
    const tiles = [];
    const from = Math.floor(head.size / 256),
      to = Math.floor((head.size + ENTRIES + 1) / 256);
    for (let n = from; n < to; n++) tiles.push({ level: 0, number: n, data: randomBytes(8192), root: specHash(n) });
    const fr = [];
    for (let i = 0; i < 82; i++)
      fr.push({
        ingester: 'a',
        number: frames,
        hash: specHash(frames),
        position: head.size + 1 + i * 100,
        sequence: frames++,
      });
    await commitBlock(pool, { ...w, body, tiles, frames: fr });
  }
  const c = ms();
  console.log(
    `commit ${BLOCKS} blocks ${c.toFixed(0)} ms, ${(((BLOCKS * ENTRIES) / c) * 1000).toFixed(0)} entries/s, ${((BLOCKS * body.length) / c / 1000).toFixed(0)} MB/s`,
  );
  const v = await store.verifier();
  for (let round = 0; round < 3; round++) {
    ms();
    let bytes = 0,
      ev = 0;
    for await (const block of readBodies(v, id, 0, BLOCKS)) {
      bytes += block.body!.length;
      ev += block.entries;
    }
    const r = ms();
    console.log(
      `bodies out ${r.toFixed(0)} ms ${(bytes / r / 1000).toFixed(0)} MB/s ${((ev / r) * 1000).toFixed(0)} entries/s rss ${(process.memoryUsage().rss / 1e6).toFixed(0)}`,
    );
  }
  // index
  const writer = new EventIndexWriter(pool, id);
  const make = (p: number): IndexRow => {
    const n = (p * 7919) % 100000;
    return {
      position: p,
      accepted: 1795392000000000n + BigInt(p) * 20n,
      occurred: 1795392000000000n + BigInt(p) * 20n,
      identity: randomBytes(16),
      duplicateOf: null,
      producer: 'billing',
      eventId: randomUUID(),
      source: '/billing/invoices',
      type: 'com.example.invoice.paid',
      subject: `invoice/${p}`,
      actor: `user-${n % 5000}`,
      action: 'invoice.pay',
      target: `invoice-${p}`,
      outcome: 'success',
    };
  };
  let at = 0;
  let enc = 0,
    wrote = 0,
    find = 0,
    n = 0;
  for (let b = 0; b < BLOCKS; b++) {
    const rows: IndexRow[] = [];
    for (let i = 0; i < ENTRIES; i++) if (i % 101) rows.push(make(at + i));
    ms();
    await findSameIdentity(
      pool,
      id,
      0,
      rows.map((r) => r.identity!),
    );
    find += ms();
    await writer.write({ from: at, to: at + ENTRIES, rows });
    const w = ms();
    wrote += w;
    n += rows.length;
    at += ENTRIES;
  }
  console.log(
    `index ${n} rows: write ${wrote.toFixed(0)} ms = ${((n / wrote) * 1000).toFixed(0)} rows/s; find ${find.toFixed(0)} ms = ${((n / find) * 1000).toFixed(0)} /s`,
  );
  ms();
  let rr = 0;
  for await (const rows of readIndexRows(v, id, 0, at)) rr += rows.length;
  const ro = ms();
  console.log(`index out ${rr} rows ${((rr / ro) * 1000).toFixed(0)} rows/s`);
  const events = n;
  const sizes = await store.sql(
    `SELECT c.relname, c.relkind, pg_relation_size(c.oid) AS bytes, (SELECT relname FROM pg_class t JOIN pg_index i ON i.indrelid = t.oid WHERE i.indexrelid = c.oid) AS of FROM pg_class c WHERE (c.relnamespace = 'everseal'::regnamespace OR c.relnamespace = 'pg_toast'::regnamespace AND c.oid IN (SELECT reltoastrelid FROM pg_class WHERE relnamespace='everseal'::regnamespace UNION SELECT i.indexrelid FROM pg_index i WHERE i.indrelid IN (SELECT reltoastrelid FROM pg_class WHERE relnamespace='everseal'::regnamespace))) AND pg_relation_size(c.oid) > 100000 ORDER BY 3 DESC`,
  );
  let total = 0;
  for (const s of sizes) {
    total += Number(s.bytes);
    console.log(`${s.relname} ${s.of ?? ''} ${(Number(s.bytes) / events).toFixed(1)} B/event`);
  }
  console.log(`total ${(total / events).toFixed(1)} B/event = ${(total / events / 386).toFixed(2)}x`);
}, 300_000);
