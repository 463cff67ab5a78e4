import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { identify } from '@everseal/local';
import { connect } from '@nats-io/transport-node';
import { Client } from 'pg';
import { temporaryFolder } from './temporary-folder.js';
import { type NatsPlace, TestNats } from './test-nats.js';
import { TestPostgres } from './test-postgres.js';

const USER = 'spiffe://audit.example.com/svc/ingest/a';

const config = ({ listen, storeDir, server }: NatsPlace): string => `
  listen: "${listen}"
  jetstream { store_dir: "${storeDir}", sync_interval: always }
  tls {
    cert_file: "${server.certFile}", key_file: "${server.keyFile}", ca_file: "${server.caFile}"
    verify_and_map: true, handshake_first: true, min_version: "1.3"
  }
  authorization { users: [ { user: "${USER}" } ] }
`;

describe('TestPostgres', () => {
  it('gives databases from a template, logins by certificate, and is gone after stop', async () => {
    const folder = temporaryFolder('servers');
    const postgres = await TestPostgres.start({ folder, ident: '', settings: { max_connections: 20 } });
    try {
      // A copy of the template, which nobody has used.
      const databases = await postgres.query('select datname from pg_database order by datname');
      expect(databases.map(({ datname }) => datname)).toEqual(['postgres', 'template0', 'template1']);
      await postgres.createDatabase('template_store');
      await postgres.query(
        'create role reader login; create table kept (word text); insert into kept values (1)',
        'template_store',
      );
      const copy = await postgres.createDatabase('store', 'template_store');
      expect(await postgres.query('select word from kept', copy)).toEqual([{ word: '1' }]);
      const client = new Client(postgres.connection('reader', await postgres.client('reader')));
      await client.connect();
      expect((await client.query('select current_user as me')).rows).toEqual([{ me: 'reader' }]);
      await client.end();
    } finally {
      await postgres.stop();
    }
    expect(identify(postgres.process.pid)).toBeNull();
    expect(existsSync(folder.path)).toBe(true);
    folder.remove();
    expect(existsSync(folder.path)).toBe(false);
  });
});

describe('TestNats', () => {
  it('comes back at the same port with its data after kill -9', async () => {
    const nats = await TestNats.start({ config });
    try {
      const { port } = nats;
      const files = await nats.pki.ensureClient({ commonName: 'ingest-a', uri: USER });
      const tls = { certFile: files.certFile, keyFile: files.keyFile, caFile: files.caFile, handshakeFirst: true };
      await nats.restart();
      expect(nats.port).toBe(port);
      const connection = await connect({ servers: nats.server, tls, reconnect: false });
      expect(connection.info?.jetstream).toBe(true);
      await connection.close();
    } finally {
      await nats.stop();
    }
    expect(identify(nats.process.pid)).toBeNull();
  });
});
