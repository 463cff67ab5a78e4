/**
 * What people do today, measured in the same run on the same machine: an audit row per INSERT, many rows per INSERT, and
 * a JetStream publish per event with fsync. The table has the columns and the three secondary indexes that such tables
 * have; nothing here is chained, signed or verified.
 */

import type { JetStreamClient } from '@nats-io/jetstream';
import pg from 'pg';

export const AUDIT_TABLE = `
  CREATE TABLE audit_row (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), event_id text NOT NULL,
    actor text NOT NULL, action text NOT NULL, target text NOT NULL, payload jsonb NOT NULL);
  CREATE UNIQUE INDEX ON audit_row (event_id);
  CREATE INDEX ON audit_row (actor, at);
  CREATE INDEX ON audit_row (target, at);`;

const INSERT = 'INSERT INTO audit_row (event_id, actor, action, target, payload) VALUES ';

let serial = 0;

function row(event: string): string[] {
  return [`event-${process.pid}-${serial++}`, 'user-1138', 'payment.approve', 'payment-4711', event];
}

/** Rows a second with one row per INSERT on so many connections. */
export async function insertEach(
  config: pg.ClientConfig,
  connections: number,
  seconds: number,
  event: string,
): Promise<number> {
  return overConnections(config, connections, seconds, async (client) => {
    await client.query(`${INSERT}($1, $2, $3, $4, $5)`, row(event));
    return 1;
  });
}

/** Rows a second with `rows` rows per INSERT on one connection. */
export async function insertMany(
  config: pg.ClientConfig,
  rows: number,
  seconds: number,
  event: string,
): Promise<number> {
  const values = Array.from({ length: rows }, (_, i) => `(${[1, 2, 3, 4, 5].map((k) => `$${i * 5 + k}`).join(', ')})`);
  return overConnections(config, 1, seconds, async (client) => {
    await client.query(INSERT + values.join(', '), Array.from({ length: rows }, () => row(event)).flat());
    return rows;
  });
}

async function overConnections(
  config: pg.ClientConfig,
  connections: number,
  seconds: number,
  once: (client: pg.Client) => Promise<number>,
): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client(config);
      await client.connect();
      return client;
    }),
  );
  const start = performance.now();
  const end = start + seconds * 1_000;
  let rows = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < end) {
        const written = await once(client); // not `rows += await`: that reads `rows` before the wait
        rows += written;
      }
    }),
  );
  const rate = rows / ((performance.now() - start) / 1_000);
  await Promise.all(clients.map((client) => client.end()));
  return rate;
}

/** Acknowledged messages a second, one event a message, so many in flight. */
export async function publishEach(
  js: JetStreamClient,
  subject: string,
  inFlight: number,
  seconds: number,
  event: Buffer,
): Promise<number> {
  const start = performance.now();
  const end = start + seconds * 1_000;
  let messages = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < end) {
        await js.publish(subject, event);
        messages++;
      }
    }),
  );
  return messages / ((performance.now() - start) / 1_000);
}
