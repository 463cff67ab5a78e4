/**
 * The two deploy-time steps as a program, for the one-shot containers of docker-compose.yml:
 *
 *   node deploy-main.js migrate   --policy <everseal.yaml> --certificates <folder> --at <host:port>
 *                                 --deploy-key <deploy.skey> --agreement <catalog.note> [--accept-catalog]
 *   node deploy-main.js provision --policy <everseal.yaml> --certificates <folder> --at <host:port>
 *
 * <folder> holds one folder a client certificate, as dev-pki.ts lays them out. Both may be run again at every start.
 *
 * migrate writes what the verifiers compare the database with into <catalog.note>, signed by the deploy key. It adds only what it
 * changed itself; --accept-catalog takes the database as it is found, after you have looked at it.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { DEPLOY, identityOf, readPolicy, type Service } from '@everseal/policy';
import { type Login, prepareDatabase, prepareStreams } from './deploy.js';
import { filesIn } from '@everseal/pki';
import { DATABASE } from './installation-logins.js';
import { describeFailure } from './local-error.js';
import { readDeployKey } from './signing-keys.js';

async function main(): Promise<string> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      policy: { type: 'string' },
      certificates: { type: 'string' },
      at: { type: 'string' },
      'deploy-key': { type: 'string' },
      agreement: { type: 'string' },
      'accept-catalog': { type: 'boolean' },
    },
  });
  const { policy: policyFile, certificates, at } = values;
  const place = /^([a-z0-9.-]+):(\d+)$/.exec(at ?? '');
  if (!policyFile || !certificates || !place)
    throw new Error('give --policy <file> --certificates <folder> --at <host:port>');
  const policy = readPolicy(policyFile);
  const login = (service: Service): Login => {
    const identity = identityOf(policy.domain, service, DEPLOY);
    return { identity, files: filesIn(path.join(certificates, identity.commonName)) };
  };
  if (positionals[0] === 'migrate') {
    const database = { host: place[1] as string, port: Number(place[2]), database: DATABASE };
    const { 'deploy-key': keyFile, agreement: file, 'accept-catalog': accept = false } = values;
    if (!keyFile || !file) throw new Error('give --deploy-key <deploy.skey> --agreement <catalog.note>');
    const agreement = { file, key: readDeployKey(keyFile, policy.domain), accept };
    const logins = { admin: login('admin'), migrator: login('migrator') };
    const { migrations, notices } = await prepareDatabase(policy, database, logins, agreement);
    const done = migrations.length > 0 ? `migrated: ${migrations.join(', ')}` : 'the schema is up to date';
    return [done, ...notices].join('\n');
  }
  if (positionals[0] === 'provision') {
    const made = await prepareStreams(policy, at as string, login('provisioner'));
    return made.length > 0 ? `streams created: ${made.join(', ')}` : 'the streams are as the policy says';
  }
  throw new Error('say migrate or provision');
}

try {
  console.log(await main());
} catch (error) {
  console.error(`everseal deploy: ${describeFailure(error)}`);
  process.exitCode = 1;
}
