/** What somebody does at the engines of an installation that their logs should tell: each act leaves a mark that it can be found by. */
import path from 'node:path';
import { expect } from '@jest/globals';
import { DevPki, type LocalInstallation } from '@everseal/local';
import { identityOf } from '@everseal/policy';
import { natsTlsOptions } from '@everseal/tls';
import { connect } from '@nats-io/transport-node';
import { Client } from 'pg';

/** What no event may hold. */
export const SECRET = 'hunter2';

/** The engines have written all of it when this resolves. */
export async function actAtEngines(installation: LocalInstallation, mark: string, strangers: string): Promise<void> {
  await forbidden(installation, mark);
  await unknownName(installation);
  await foreignCertificate(installation, path.join(strangers, mark));
  await logIn(installation, mark);
  await otherRole(installation);
  await withoutTls(installation, mark);
}

/** Publishes and subscribes where nobody may. */
async function forbidden({ logins }: LocalInstallation, mark: string): Promise<void> {
  const nc = await connect({ ...logins.nats('producer', 'orders'), reconnect: false });
  nc.publish(`forbidden.publish.${mark}`);
  nc.subscribe(`forbidden.subscribe.${mark}`, { callback: () => {} });
  await nc.flush();
  await nc.close();
}

/** A genuine certificate of nobody. */
async function unknownName({ logins, layout, policy }: LocalInstallation): Promise<void> {
  const pki = await DevPki.open(layout.pki);
  const identity = identityOf(policy.domain, 'sealer', 's9');
  const tls = natsTlsOptions(await pki.ensureClient(identity));
  await expect(connect({ ...logins.nats('sealer', 's1'), tls, reconnect: false })).rejects.toThrow();
}

async function foreignCertificate({ logins, policy }: LocalInstallation, folder: string): Promise<void> {
  const foreign = await DevPki.open(folder);
  const files = await foreign.ensureClient(identityOf(policy.domain, 'sealer', 's1'));
  const { caFile } = logins.certificate('sealer', 's1');
  const tls = natsTlsOptions({ ...files, caFile });
  await expect(connect({ ...logins.nats('sealer', 's1'), tls, reconnect: false })).rejects.toThrow();
}

/** Changes roles and tables, and takes it back. */
async function logIn({ logins }: LocalInstallation, mark: string): Promise<void> {
  const dba = new Client({ ...(await logins.superuser()), application_name: `acts-${mark}` });
  await dba.connect();
  await dba.query('BEGIN');
  await dba.query(`CREATE TABLE public.acts_${mark} (word text DEFAULT '${SECRET}')`);
  await dba.query(`CREATE ROLE acts_${mark}`);
  await dba.query(`ALTER ROLE acts_${mark} PASSWORD '${SECRET}' -- not ${SECRET}`);
  await dba.query('ROLLBACK');
  await dba.end();
}

/** The certificate of one role, and another role asked for. */
async function otherRole({ logins }: LocalInstallation): Promise<void> {
  await expectRefused(new Client({ ...(await logins.postgres('ops', 'ops')), user: 'everseal_sealer' }));
}

async function withoutTls({ ports }: LocalInstallation, mark: string): Promise<void> {
  const place = { host: '127.0.0.1', port: ports.postgres, database: 'everseal' };
  await expectRefused(new Client({ ...place, user: `nobody_${mark}`, ssl: false }));
}

async function expectRefused(client: Client): Promise<void> {
  client.on('error', () => {});
  await expect(client.connect()).rejects.toMatchObject({ code: '28000' });
}
