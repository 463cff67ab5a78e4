import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { auditorByNames } from './auditors.js';
import { DEPLOY, identitiesOf, type Service } from './identities.js';
import { parsePolicy } from './parse-policy.js';
import { raiseGeneration } from './raise-generation.js';
import { renderNats } from './render-nats.js';
import { renderPostgres } from './render-postgres.js';

const FILE = path.resolve(import.meta.dirname, '../../../everseal.yaml');
const TEXT = readFileSync(FILE, 'utf8');
const TLS = { certFile: 'c', keyFile: 'k', caFile: 'a', serverName: 'n', storeDir: 's' };

const linesOf = (text: string): string[] => text.split('\n');
const raised = (service: Service, name: string, text = TEXT): string => {
  const change = raiseGeneration(text, FILE, { service, name });
  if (change === null) throw new Error(`${service} ${name} is not there`);
  return change.text;
};

describe('raising the generation of a name', () => {
  it.each([
    ['ingest', 'a'],
    ['sealer', 's1'],
    ['verifier', 'v1'],
    ['ops', 'ops'],
    ['reader', 'r1'],
    ['producer', 'orders'],
    ['auditor', 'auditor'],
  ] as const)('adds one line for %s %s, and then changes it', (service, name) => {
    const once = raised(service, name);
    const added = linesOf(once).filter((line) => !linesOf(TEXT).includes(line));
    expect({ added, lines: linesOf(once).length }).toEqual({
      added: ['    generation: 2'],
      lines: linesOf(TEXT).length + 1,
    });
    expect(linesOf(raised(service, name, once)).filter((line) => !linesOf(once).includes(line))).toEqual([
      '    generation: 3',
    ]);
  });

  it('is one for all certificates of deploy time, and none for who is not there', () => {
    const policy = parsePolicy(raised('admin', DEPLOY), FILE);
    const names = identitiesOf(policy).filter(({ name }) => name === DEPLOY);
    expect(names.map(({ commonName }) => commonName)).toEqual([
      'provisioner-deploy.2',
      'migrator-deploy.2',
      'admin-deploy.2',
    ]);
    expect(raiseGeneration(TEXT, FILE, { service: 'sealer', name: 's9' })).toBeNull();
    expect(raiseGeneration(TEXT, FILE, { service: 'admin', name: 's9' })).toBeNull();
  });
});

describe('the second generation of a name', () => {
  const before = parsePolicy(TEXT, FILE);
  const after = parsePolicy(raised('sealer', 's1', raised('auditor', 'auditor')), FILE);

  it('is another user at NATS and another certificate at Postgres, and the former is nobody', () => {
    expect(renderNats(before, TLS)).toContain('"spiffe://audit.example.com/svc/sealer/s1"');
    expect(renderNats(after, TLS)).toContain('"spiffe://audit.example.com/svc/sealer/s1/2"');
    expect(renderNats(after, TLS)).not.toContain('"spiffe://audit.example.com/svc/sealer/s1"');
    expect(linesOf(renderPostgres(after).ident)).toContain('everseal sealer-s1.2 everseal_sealer');
    expect(linesOf(renderPostgres(after).ident)).not.toContain('everseal sealer-s1 everseal_sealer');
  });

  it('is another auditor to the readers', () => {
    const uri = 'URI:spiffe://audit.example.com/auditor/auditor';
    expect(auditorByNames(before, [uri])?.name).toBe('auditor');
    expect(auditorByNames(after, [uri])).toBeNull();
    expect(auditorByNames(after, [`${uri}/2`])?.name).toBe('auditor');
  });

  it('changes nothing else: inbox, role, rights, folder', () => {
    const rest = (policy: typeof before) =>
      identitiesOf(policy).map((identity) => ({ ...identity, commonName: '', uri: '' }));
    expect(rest(after)).toEqual(rest(before));
    const users = (policy: typeof before) => renderNats(policy, TLS).replaceAll(/user: .*/g, '');
    expect(users(after)).toBe(users(before));
  });

  it('is no other name: what stands after it cannot stand in one', () => {
    for (const bad of ['s1.2', 's1/2']) {
      expect(() => parsePolicy(TEXT.replace('name: s1', `name: '${bad}'`), FILE)).toThrow(
        expect.objectContaining({ name: 'PolicyError' }),
      );
    }
  });
});
