/**
 * The two deploy-time steps as a program, for the one-shot containers of docker-compose.yml:
 *
 *   node deploy-main.js migrate   --policy <everseal.yaml> --certificates <folder> --at <host:port>
 *   node deploy-main.js provision --policy <everseal.yaml> --certificates <folder> --at <host:port>
 *
 * <folder> holds one folder a client certificate, as dev-pki.ts lays them out. Both may be run again at every start.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { DEPLOY, identityOf, readPolicy, type Service } from '@everseal/policy';
import { type Login, prepareDatabase, prepareStreams } from './deploy.js';
import { filesIn } from './dev-pki.js';
import { DATABASE } from './installation-logins.js';
import { describeFailure } from './local-error.js';

async function main(): Promise<string> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { policy: { type: 'string' }, certificates: { type: 'string' }, at: { type: 'string' } },
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
    const ran = await prepareDatabase(policy, database, login('admin'), login('migrator'));
    return ran.length > 0 ? `migrated: ${ran.join(', ')}` : 'the schema is up to date';
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
