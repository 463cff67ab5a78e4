import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { readPolicy } from '@everseal/policy';
import { parse } from 'yaml';
import {
  type ComposeFile,
  composeProblems,
  copiedFiles,
  readCompose,
  readText,
  visiblePaths,
} from './compose-file.fixture.js';
import { prepareContainers } from './containers.js';
import { servicesOf } from './installation-layout.js';
import { repositoryRoot } from './repository-root.js';

const root = repositoryRoot();
const text = readText(root, 'docker-compose.yml');
const dockerfile = readText(root, 'Dockerfile');
const policyFile = path.join(root, 'everseal.yaml');
const services = servicesOf(readPolicy(policyFile));

let dir: string;
let variables: Record<string, string>;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'everseal-compose-'));
  expect(await prepareContainers(dir, policyFile)).toEqual([]);
  variables = parseEnv(readFileSync(path.join(dir, '.env'), 'utf8')) as Record<string, string>;
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const compose = () => readCompose(text, variables);
const problems = (file: ComposeFile) => composeProblems(file, { root, variables, dockerfile });

/** Every value of a settings file that names a file or folder. */
function pathsIn(settings: object): string[] {
  return Object.entries(settings).flatMap(([field, value]) => {
    if (typeof value === 'object' && value !== null) return pathsIn(value as object);
    return /(File|Dir)$/.test(field) ? [value as string] : [];
  });
}

describe('docker-compose.yml', () => {
  it('is well-formed and names only what exists', () => {
    expect(problems(compose())).toEqual([]);
  });

  it('uses every variable it is given, and says what to do when one is not set', () => {
    expect(Object.keys(variables).filter((name) => !text.includes(`\${${name}`))).toEqual([]);
    expect(() => readCompose(text, {})).toThrow('EVERSEAL_UID is not set');
    for (const name of Object.keys(variables)) expect(text).toContain(`\${${name}:?run node scripts/compose.mjs}`);
  });

  it('runs the services of the delivered policy, each under the name that its certificate carries', () => {
    const running = Object.keys(compose().services).filter((id) =>
      /^(ingest|sealer|verifier|reader|follower)-/.test(id),
    );
    expect(running.sort()).toEqual(services.map(({ id }) => id).sort());
    for (const name of ['nats', 'postgres', ...running]) {
      const certificate = new X509Certificate(readFileSync(path.join(dir, 'pki', 'server', name, 'cert.pem')));
      expect(certificate.subjectAltName).toContain(`DNS:${name},`);
    }
  });

  it.each(services)('shows $id every file that its settings name, and no key of another', ({ service, id }) => {
    const container = compose().services[id]!;
    const [program, settingsFile] = container.command as [string, string];
    expect(program).toBe(`dist/apps/${service}/src/main.js`);
    const settings = parse(readFileSync(path.join(dir, path.relative('/everseal', settingsFile)), 'utf8')) as {
      nats: { servers: string[] };
      postgres?: { host: string };
    };
    const visible = visiblePaths(container);
    const named = pathsIn(settings).map((file) => path.posix.resolve(path.posix.dirname(settingsFile), file));
    const hidden = [settingsFile, ...named].filter(
      (file) => !visible.some((place) => file === place || file.startsWith(`${place}/`)),
    );
    expect(hidden).toEqual([]);
    expect(settings.nats.servers).toEqual(['tls://nats:4222']);
    expect(settings.postgres?.host ?? 'postgres').toBe('postgres');
    const others = services.filter((other) => other.id !== id).map((other) => other.id);
    expect(visible.filter((place) => others.some((other) => place.includes(other)))).toEqual([]);
    expect(visible.some((place) => place.includes('operator'))).toBe(false);
  });

  it('holds no password but the one that initdb insists on, which is random, kept, and of no use', async () => {
    const environments = Object.values(compose().services).flatMap(({ environment = {} }) => Object.keys(environment));
    expect(environments.filter((name) => /PASSWORD|SECRET|TOKEN/.test(name))).toEqual(['POSTGRES_PASSWORD_FILE']);
    const password = readFileSync(path.join(dir, 'postgres', 'password'), 'utf8');
    expect(Buffer.from(password, 'base64')).toHaveLength(32);
    await prepareContainers(dir, policyFile);
    expect(readFileSync(path.join(dir, 'postgres', 'password'), 'utf8')).toBe(password);
    expect(readFileSync(path.join(dir, 'postgres', 'pg_hba.conf'), 'utf8')).not.toMatch(
      /trust|password|md5|scram|peer|ident\b/,
    );
  });

  it.each<[string, (file: ComposeFile) => void, string]>([
    [
      'a volume that is not declared',
      (file) => delete file.volumes['nats-data'],
      'nats: volume nats-data is not declared',
    ],
    [
      'a path that does not exist',
      (file) => file.services['nats']!.volumes!.push('./nothing:/x:ro'),
      'nats: ./nothing does not exist',
    ],
    [
      'a secret that is not declared',
      (file) => delete file.secrets['log-main'],
      'sealer-s1: secret log-main is not declared',
    ],
    ['a secret nobody uses', (file) => (file.services['sealer-s1']!.secrets = []), 'log-main is declared and not used'],
    [
      'a secret without a file',
      (file) => (file.secrets['log-main']!.file = '/nothing'),
      'secret log-main: /nothing does not exist',
    ],
    [
      'a dependency on nothing',
      (file) => delete file.services['migrate'],
      'sealer-s1: depends on migrate, which is no service',
    ],
    [
      'a health condition without a check',
      (file) => delete file.services['nats']!.healthcheck,
      'provision: waits for nats to be healthy, which has no health check',
    ],
    [
      'a program that is not built',
      (file) => (file.services['ingest-a']!.command[0] = 'dist/no.js'),
      'ingest-a: dist/no.js is not in the image',
    ],
    [
      'a stage that is not there',
      (file) => (file.services['nats']!.build!.target = 'gone'),
      'nats: the Dockerfile has no stage gone',
    ],
    [
      'a port open to the network',
      (file) => (file.services['nats']!.ports = ['4222:4222']),
      '/services/nats/ports/0 must match pattern',
    ],
    [
      'a setting that Compose does not have',
      (file) => Object.assign(file.services['nats']!, { comand: [] }),
      '/services/nats must NOT have additional',
    ],
  ])('the check itself finds %s', (_, spoil, problem) => {
    const file = compose();
    spoil(file);
    expect(problems(file).join('\n')).toContain(problem);
  });
});

describe('Dockerfile', () => {
  it('copies only what exists and what .dockerignore lets through', () => {
    const files = copiedFiles(dockerfile);
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
    const passed = readText(root, '.dockerignore').split('\n');
    expect(files.filter((file) => !passed.includes(`!${file}`))).toEqual([]);
  });
});
