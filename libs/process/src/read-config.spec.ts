import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ConfigError, readConfig } from './read-config.js';
import { logSettings, natsSettings, operationsSettings, postgresSettings } from './service-settings.js';
import { filePath, settingsFields } from './settings.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'everseal-config-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z]+$/, 'must be lower-case letters')
    .describe('Name of this instance.'),
  log: logSettings,
  spool: z.strictObject({
    folder: filePath('Where frames wait.'),
    bytes: z.int().min(1).default(100).describe('Bound, bytes. Default 100.'),
  }),
});

function read(text: string) {
  const file = join(folder, 'ingest.yaml');
  writeFileSync(file, text);
  return readConfig(file, schema);
}

function problems(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
  }
  return [];
}

describe('readConfig', () => {
  it('fills in defaults and makes paths absolute', () => {
    expect(read('name: a\nspool: { folder: spool }\n')).toEqual({
      name: 'a',
      log: { level: 'info' },
      spool: { folder: join(folder, 'spool'), bytes: 100 },
    });
  });

  it('tells every problem at once, by line, with what to do', () => {
    const text = ['nmae: a', 'name: A1', 'spool:', '  bytes: many', '  folders: x', 'log: { level: loud }', ''].join(
      '\n',
    );
    expect(problems(text)).toEqual([
      'ingest.yaml:1: nmae: unknown setting: did you mean "name"?',
      'ingest.yaml:2: name: must be lower-case letters. Name of this instance.',
      'ingest.yaml:3: spool.folder: missing: set it. Path, relative to this file. Where frames wait.',
      'ingest.yaml:4: spool.bytes: invalid input: expected number, received string. Bound, bytes. Default 100.',
      'ingest.yaml:5: spool.folders: unknown setting: did you mean "folder"?',
      expect.stringMatching(/^ingest.yaml:6: log.level: invalid option: expected one of .* Default info\.$/),
    ]);
  });

  it('names what there is when nothing is alike', () => {
    expect(problems('name: a\nspool: { folder: x, compression: zstd }\n')).toEqual([
      'ingest.yaml:2: spool.compression: unknown setting: remove it; there is folder, bytes',
    ]);
  });

  it('refuses what YAML lets through in silence: repeated keys, tags, a second document, broken syntax', () => {
    const good = 'name: a\nspool: { folder: x }\n';
    expect(() => read(good)).not.toThrow();
    for (const text of [`name: b\n${good}`, `${good}---\n${good}`, `${good}log: !level {}\n`, `${good}log: [`]) {
      expect(() => read(text)).toThrow(expect.objectContaining({ code: 'config.yaml' }));
    }
  });

  it('reads an empty file as settings that are missing', () => {
    expect(problems('')).toEqual(['ingest.yaml:1: invalid input: expected object, received null']);
  });

  it('says which file is missing or too large', () => {
    const missing = join(folder, 'missing.yaml');
    expect(() => readConfig(missing, schema)).toThrow(`${missing}: cannot be read: there is no such file`);
    const large = join(folder, 'large.yaml');
    writeFileSync(large, '#'.repeat(1024 * 1024 + 1));
    expect(() => readConfig(large, schema)).toThrow(expect.objectContaining({ code: 'config.unreadable' }));
  });
});

describe('the settings of every service', () => {
  it('are documented', () => {
    const all = z.strictObject({
      log: logSettings,
      operations: operationsSettings,
      nats: natsSettings,
      postgres: postgresSettings,
    });
    expect(settingsFields(all).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['log.level', 'operations.port', 'nats.servers', 'nats.firstConnectMs', 'postgres.user']),
    );
  });

  it('take only tls:// servers', () => {
    const nats = { certFile: 'c', keyFile: 'k', caFile: 'a' };
    expect(natsSettings.safeParse({ ...nats, servers: ['tls://nats.example.com:4222'] }).success).toBe(true);
    for (const server of ['nats://h:4222', 'tls://h', 'h:4222', 'tls://u@h:4222/x y']) {
      expect(natsSettings.safeParse({ ...nats, servers: [server] }).success).toBe(false);
    }
  });
});
