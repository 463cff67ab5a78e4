import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readPolicy } from '@everseal/policy';
import { readConfig } from '@everseal/process';
import { cliSettings } from '../../../apps/cli/src/config.js';
import { ingestSettings } from '../../../apps/ingest/src/config.js';
import { followerSettings } from '../../../apps/follower/src/config.js';
import { readerSettings } from '../../../apps/reader/src/config.js';
import { sealerSettings } from '../../../apps/sealer/src/config.js';
import { verifierSettings } from '../../../apps/verifier/src/config.js';
import { fixedPorts, InstallationLayout, servicesOf } from './installation-layout.js';
import { repositoryRoot } from './repository-root.js';
import { LOOPBACK, writeCliSettings, writeSettings } from './service-settings.js';
import { KeyFolder } from './signing-keys.js';

const schemas = {
  ingest: ingestSettings,
  sealer: sealerSettings,
  verifier: verifierSettings,
  reader: readerSettings,
  follower: followerSettings,
};
const policyFile = path.join(repositoryRoot(), 'everseal.yaml');
const policy = readPolicy(policyFile);

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-settings-'));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function place(): Parameters<typeof writeSettings>[0] {
  const layout = new InstallationLayout(dir);
  const keys = new KeyFolder(dir);
  return { layout, keys, policy, policyFile, ports: fixedPorts(policy), database: 'everseal', hosts: LOOPBACK };
}

describe('the settings files', () => {
  it.each(servicesOf(policy))('$id: its app reads them, and every path leads where the files are', (instance) => {
    const { layout, keys } = place();
    writeSettings(place(), instance);
    const settings = readConfig<{
      name: string;
      policyFile: string;
      alertKeyFile?: string;
      nats: { certFile: string };
    }>(layout.configFile(instance.id), schemas[instance.service] as never);
    expect(settings.name).toBe(instance.name);
    expect(settings.policyFile).toBe(policyFile);
    const { service } = instance;
    const raises = service !== 'reader' && service !== 'follower';
    const alertKey = raises ? keys.alerts(service, instance.name) : undefined;
    expect(settings.alertKeyFile).toBe(alertKey);
    expect(settings.nats.certFile).toBe(path.join(layout.pki, 'client', instance.id, 'cert.pem'));
  });

  it('cli: the command-line tool reads them, and every path leads where the files are', () => {
    const { layout, keys } = place();
    writeCliSettings(place());
    const settings = readConfig(layout.configFile('cli'), cliSettings);
    expect(settings.policyFile).toBe(policyFile);
    expect(settings.alertKeysFile).toBe(keys.alertKeys());
    const trusted = (name: string) => ({ name, genesisFile: keys.genesis(name), keySetsDir: keys.keySets(name) });
    expect(settings.ledgers).toEqual(policy.ledgers.map(({ name }) => trusted(name)));
    expect(settings.producers.map(({ name, keyFile }) => [name, keyFile])).toEqual(
      policy.producers.map(({ name }) => [name, path.join(layout.pki, 'client', `producer-${name}`, 'key.pem')]),
    );
    expect(settings.ops?.certFile).toBe(path.join(layout.pki, 'client', 'ops-ops', 'cert.pem'));
    expect(settings.postgres).toMatchObject({ user: 'everseal_reader', certFile: settings.ops?.certFile });
    expect(settings.services.map(({ service, name }) => `${service}-${name}`)).toEqual(
      servicesOf(policy).map(({ id }) => id),
    );
  });
});
