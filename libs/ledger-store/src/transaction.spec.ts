import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestPostgres } from '@everseal/testing';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Pool, PoolClient } from 'pg';
import { blockAfterHead, CURSOR, expectHead, nextBlock, SpecStore } from './store.fixture.js';
import { commitBlock } from './sql/block.js';
import { readHead } from './sql/head.js';
import { acquireLease, renewLease } from './sql/lease.js';
import { createLedger } from './sql/ledger.js';
import { CommitUnknown, StoreUnavailable } from './store-error.js';
import { autocommit, inTransaction, onConnection } from './transaction.js';

/** A network between a client and Postgres that can be cut, or keep the server's answers to itself. */
class Wire {
  private readonly sockets = new Set<Socket>();
  private answers: 'pass' | 'swallow' = 'pass';

  private constructor(private readonly server: Server) {}

  static async open(target: number): Promise<Wire> {
    const server = createServer();
    const wire = new Wire(server);
    server.on('connection', (client) => wire.join(client, connect(target, '127.0.0.1')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  private join(client: Socket, database: Socket): void {
    for (const socket of [client, database]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        database.destroy();
        this.sockets.delete(socket);
      });
    }
    client.on('data', (bytes) => database.write(bytes));
    database.on('data', (bytes) => {
      if (this.answers === 'pass') client.write(bytes);
    });
  }

  swallowAnswers(): void {
    this.answers = 'swallow';
  }

  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
    this.answers = 'pass';
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let server: TestPostgres;
let store: SpecStore;
let wire: Wire;
/** Goes through the wire, and around it. */
let pool: Pool;
let direct: Pool;
let ledgers = 0;
let ledgerId: number;

beforeAll(async () => {
  server = await TestPostgres.start();
  store = await SpecStore.create(server, 'transaction');
  direct = await store.sealer();
  wire = await Wire.open(server.port);
});
beforeEach(async () => {
  pool = await store.sealer({ port: wire.port });
  ledgerId = await createLedger(direct, `audit.example.com/l${ledgers++}`, CURSOR);
  await acquireLease(direct, ledgerId, 's1', 600_000);
});
afterAll(async () => {
  await store.close();
  await wire.close();
  await server.stop();
});

/** Runs `before` when a statement that begins like this is about to be sent on any connection of the pool. */
function beforeStatement(text: string, before: () => void): void {
  const plain = pool.connect.bind(pool) as () => Promise<PoolClient>;
  const patched = async (): Promise<PoolClient> => {
    const client = await plain();
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      if (typeof args[0] === 'string' && args[0].startsWith(text)) before();
      return query(...args);
    }) as typeof client.query;
    return client;
  };
  pool.connect = patched as Pool['connect'];
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt++) if (await condition()) return;
  throw new Error('this never happened');
}

describe('COMMIT without an answer', () => {
  it('is unknown when it never arrived, and the head tells that nothing was stored', async () => {
    const write = await blockAfterHead(direct, ledgerId);
    beforeStatement('COMMIT', () => wire.cut());
    await expect(commitBlock(pool, write)).rejects.toThrow(CommitUnknown);
    expect(await readHead(direct, ledgerId)).toMatchObject({ height: -1, size: 0 });
    // Recovery is what happens anyway: read the head, go on from there.
    await commitBlock(direct, nextBlock(expectHead(await readHead(direct, ledgerId))));
  });

  it('is unknown when it was carried out, and the head tells that the block is stored', async () => {
    const write = await blockAfterHead(direct, ledgerId);
    beforeStatement('COMMIT', () => wire.swallowAnswers());
    const committing = commitBlock(pool, write);
    const settled = committing.catch((error: unknown) => error);
    await until(async () => (await readHead(direct, ledgerId)).height === 0);
    wire.cut();
    expect(await settled).toMatchObject({ code: 'store.commit-unknown', fate: 're-read' });
    expect(await readHead(direct, ledgerId)).toMatchObject({ height: 0, previous: write.block.hash });
    // Control: whoever repeats the write without reading the head is refused, not stored twice.
    await expect(commitBlock(direct, write)).rejects.toMatchObject({ code: 'store.head-moved' });
  });

  it('is unknown when nothing comes any more, and nobody closes the connection', async () => {
    const impatient = await store.sealer({ port: wire.port, silenceMs: 1_000 });
    // Control: without the bound it waits for as long as the network says nothing.
    const patient = await store.sealer({ port: wire.port, transactions: 'long' });
    let hasEnded = false;
    await impatient.query('SELECT 1');
    await patient.query('SELECT 1');
    wire.swallowAnswers();
    const waiting = patient.query('SELECT 1').catch(() => {});
    void waiting.then(() => (hasEnded = true));
    await expect(autocommit(impatient, 'spec', 'SELECT 1', [])).rejects.toMatchObject({
      code: 'store.commit-unknown',
      cause: { message: 'Postgres has been silent for 1 s: the connection is given up' },
    });
    expect(hasEnded).toBe(false);
    wire.cut();
    await waiting;
    // A connection that only lies in the pool may be silent for longer.
    const { rows } = await impatient.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await impatient.query('SELECT pg_backend_pid() AS pid')).rows).toEqual(rows);
  });

  it('is unknown when the server ends the session at that moment', async () => {
    const write = await blockAfterHead(direct, ledgerId);
    const failed = inTransaction(pool, 'spec', async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await store.sql(`SELECT pg_terminate_backend(${rows[0]!.pid}, 5000)`);
      return write;
    });
    await expect(failed).rejects.toThrow(CommitUnknown);
  });

  it('of a single statement is unknown as well', async () => {
    beforeStatement('SELECT 1', () => wire.cut());
    await expect(autocommit(pool, 'spec', 'SELECT 1', [])).rejects.toThrow(CommitUnknown);
  });
});

describe('everything before COMMIT', () => {
  it.each(['UPDATE ledger_head SET height', 'WITH new_block AS'])(
    'fails without a trace when the network is cut before %s',
    async (statement) => {
      const write = await blockAfterHead(direct, ledgerId);
      beforeStatement(statement, () => wire.cut());
      await expect(commitBlock(pool, write)).rejects.toThrow(StoreUnavailable);
      // The lock of the broken transaction goes with its session: the next commit needs it.
      await until(async () => renewLease(direct, ledgerId, 1, 600_000).catch(() => false));
      await commitBlock(direct, write);
    },
  );

  it('that cannot connect is to be tried later', async () => {
    const { port } = wire;
    await wire.close();
    await expect(readHead(pool, ledgerId)).rejects.toMatchObject({ code: 'store.unavailable', fate: 'retry' });
    wire = await Wire.open(server.port);
    expect(wire.port).not.toBe(port);
  });

  it('that the database refuses for good stops the process', async () => {
    const refused = onConnection(direct, 'spec', (client) => client.query('DELETE FROM block'));
    await expect(refused).rejects.toMatchObject({ code: 'store.refused', fate: 'stop' });
  });

  it('whose failure was swallowed is not taken for committed', async () => {
    const failed = inTransaction(direct, 'spec', async (client) => {
      await client.query('SELECT 1 / 0').catch(() => {});
    });
    await expect(failed).rejects.toMatchObject({ code: 'store.refused' });
  });

  it('and a connection that breaks while nobody asks it anything ends no process', async () => {
    const result = onConnection(pool, 'spec', async (client) => {
      wire.cut();
      await until(() =>
        client.query('SELECT 1').then(
          () => false,
          () => true,
        ),
      );
    });
    await expect(result).resolves.toBeUndefined();
    expect(await readHead(pool, ledgerId)).toMatchObject({ height: -1 });
  });
});
