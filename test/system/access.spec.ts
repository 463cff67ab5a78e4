/**
 * The assembled system refuses for real: strangers at every door, producers beside their own subject, services beside their
 * own tables. (Every single right is tested with policy and store; here it is what was rendered and started that counts.)
 * Each refusal has its control: the same by somebody who may.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { parseAnswer } from '@everseal/audit-core';
import { DevPki, type NatsLogin } from '@everseal/local';
import { InstalledSystem, temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { natsTlsOptions } from '@everseal/tls';
import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { Client, type ClientConfig } from 'pg';

const START_MS = 180_000;

let system: InstalledSystem;
let folder: TemporaryFolder;
/** Certificates of the same names by somebody else's authority. */
let strangers: DevPki;

beforeAll(async () => {
  system = await InstalledSystem.start();
  folder = temporaryFolder('strangers');
  strangers = await DevPki.open(folder.path);
}, START_MS);

afterAll(async () => {
  await system?.stop();
  folder?.remove();
}, START_MS);

/** What a connection attempt comes to: 'in', or the code of the refusal. */
async function natsAttempt(login: object): Promise<string> {
  let nc: NatsConnection;
  try {
    nc = await connect({ ...(login as NatsLogin), reconnect: false, timeout: 5_000 });
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
  await nc.close();
  return 'in';
}

async function postgresAttempt(config: ClientConfig, sql = 'SELECT 1'): Promise<string> {
  const client = new Client({ ...config, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message;
  }
  try {
    await client.query(sql);
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message;
  } finally {
    await client.end();
  }
}

describe('the broker', () => {
  it('lets nobody in without a certificate, with one of another authority, or with one that the policy does not name', async () => {
    const { logins } = system.installation;
    const login = logins.nats('producer', 'orders');
    expect(await natsAttempt(login)).toBe('in');

    const { caFile } = logins.certificate('producer', 'orders');
    expect(await natsAttempt({ ...login, tls: { caFile, handshakeFirst: true } })).not.toBe('in');

    const uri = 'spiffe://audit.example.com/producer/orders';
    const forged = await strangers.ensureClient({ commonName: 'producer-orders', uri });
    expect(await natsAttempt({ ...login, tls: natsTlsOptions({ ...forged, caFile }) })).not.toBe('in');

    // Genuine, from the installation's own authority, for a producer that nobody has named.
    const own = await DevPki.open(system.installation.layout.pki);
    const unknown = await own.ensureClient({
      commonName: 'producer-nobody',
      uri: 'spiffe://audit.example.com/producer/nobody',
    });
    expect(await natsAttempt({ ...login, tls: natsTlsOptions({ ...unknown, caFile }) })).not.toBe('in');
  });

  it("gives a producer its own subject and nothing else: no other producer's, no frames, no JetStream", async () => {
    const { logins } = system.installation;
    const nc = await connect({ ...logins.nats('producer', 'orders'), reconnect: false });
    const event = (source: string): string =>
      JSON.stringify({ specversion: '1.0', id: `access-${source}`, source, type: 't', data: {} });
    const ask = (subject: string, body: string): Promise<string> =>
      nc.request(subject, body, { timeout: 3_000 }).then(
        ({ data }) => {
          const answer = parseAnswer(data, Buffer.from(body));
          return 'receipt' in answer ? 'receipt' : answer.refusal.code;
        },
        ({ cause }: Error) => (cause instanceof errors.PermissionViolationError ? 'forbidden' : 'no answer'),
      );
    try {
      const own = 'audit.submit.main.orders';
      expect(await ask(own, event('https://orders.example.com/x'))).toBe('receipt');
      // Its own subject, but the source of another one: ingest refuses.
      expect(await ask(own, event('https://billing.example.com/x'))).toBe('event.forbidden');
      // The others never leave the broker.
      for (const subject of [
        'audit.submit.main.billing',
        'audit.submit.orders.orders',
        'audit.frames.main.a',
        'audit.hold.main.v1',
        'JSA.STREAM.INFO.FRAMES_main',
        '$JS.API.STREAM.DELETE.FRAMES_main',
        '$SYS.REQ.SERVER.PING.JSZ',
      ]) {
        expect([subject, await ask(subject, event('https://billing.example.com/x'))]).toEqual([subject, 'forbidden']);
      }
    } finally {
      await nc.close();
    }
  });
});

describe('the database', () => {
  it('lets nobody in without a certificate, with one of another authority, or as another role than its own', async () => {
    const { logins } = system.installation;
    const reader = await logins.postgres('ops', 'ops');
    expect(await postgresAttempt(reader)).toBe('done');

    const { ca } = reader.ssl as { ca: Buffer };
    expect(await postgresAttempt({ ...reader, ssl: { ca } })).not.toBe('done');
    const forged = await strangers.ensureClient({
      commonName: 'sealer-s1',
      uri: 'spiffe://audit.example.com/svc/sealer/s1',
    });
    const stolen = { ca, cert: readFileSync(forged.certFile), key: readFileSync(forged.keyFile) };
    expect(await postgresAttempt({ ...reader, user: 'everseal_sealer', ssl: stolen })).not.toBe('done');
    for (const user of ['everseal_sealer', 'everseal_owner', 'everseal_migrator', 'postgres']) {
      expect([user, await postgresAttempt({ ...reader, user })]).not.toEqual([user, 'done']);
    }
    // Ingest has no business there at all.
    const ingest = logins.certificate('ingest', 'a');
    const ssl = { ca, cert: readFileSync(ingest.certFile), key: readFileSync(ingest.keyFile) };
    expect(await postgresAttempt({ ...reader, ssl })).not.toBe('done');
  });

  it('gives the sealer no change of what stands, and verifier and ops no write at all', async () => {
    const { logins } = system.installation;
    const sealer = await logins.postgres('sealer', 's1');
    const refused = '42501';
    const changes = [
      `UPDATE everseal.block_body SET body = body`,
      'DELETE FROM everseal.block',
      'TRUNCATE everseal.event_index',
      `UPDATE everseal.event_index SET actor = 'nobody'`,
      'UPDATE everseal.checkpoint SET note = note',
      'ALTER TABLE everseal.block DISABLE TRIGGER ALL',
    ];
    for (const sql of changes) expect([sql, await postgresAttempt(sealer, sql)]).toEqual([sql, refused]);
    const insert = `INSERT INTO everseal.ledger (origin) VALUES ('audit.example.com/forged')`;
    for (const login of [await logins.postgres('verifier', 'v1'), await logins.postgres('ops', 'ops')]) {
      expect(await postgresAttempt(login, 'SELECT count(*) FROM everseal.block')).toBe('done');
      expect(await postgresAttempt(login, `BEGIN READ WRITE; ${insert}`)).toBe(refused);
    }
    // Control: the sealer may, and what it wrote is not kept.
    expect(await postgresAttempt(sealer, `BEGIN; ${insert}; ROLLBACK`)).toBe('done');
  });
});

describe("a service's own endpoints", () => {
  it('answer a certificate of this installation and nobody else', async () => {
    const { installation } = system;
    const { certFile, keyFile, caFile } = installation.logins.certificate('ops', 'ops');
    const ca = readFileSync(caFile);
    const forged = await strangers.ensureClient({
      commonName: 'ops-ops',
      uri: 'spiffe://audit.example.com/svc/ops/ops',
    });
    const files = (cert: string, key: string): object => ({ ca, cert: readFileSync(cert), key: readFileSync(key) });
    for (const [id, port] of Object.entries(installation.ports.operations)) {
      expect([id, await httpsAttempt(port, files(certFile, keyFile))]).toEqual([id, 200]);
      expect([id, await httpsAttempt(port, { ca })]).not.toEqual([id, 200]);
      expect([id, await httpsAttempt(port, files(forged.certFile, forged.keyFile))]).not.toEqual([id, 200]);
    }
  });
});

/** The status of `/metrics`, or the code of the failure. */
function httpsAttempt(port: number, tls: object): Promise<number | string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: 'localhost', port, path: '/metrics', agent: false, ...tls }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    asked.end();
  });
}
