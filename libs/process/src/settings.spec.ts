import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { descriptionAt, filePath, namesAt, resolvePaths, settingsFields } from './settings.js';

const schema = z.strictObject({
  name: z.string().describe('Name.'),
  spool: z.strictObject({
    folder: filePath('Spool folder.'),
    bytes: z.int().default(1024).describe('Bound, bytes. Default 1024.'),
  }),
  level: z.enum(['info', 'warn']).default('info').describe('Level.'),
  verifiers: z.array(z.strictObject({ name: z.string().describe('Verifier.'), key: filePath('Its key.') })),
  anchors: z.record(z.string(), z.strictObject({ url: z.string().describe('Address.') })).optional(),
  sources: z.array(z.string()).describe('Sources.'),
});

describe('settingsFields', () => {
  it('lists every field with type, need, default and description', () => {
    expect(
      settingsFields(schema).map(({ path, type, required, default: value }) => [path, type, required, value]),
    ).toEqual([
      ['name', 'string', true, undefined],
      ['spool.folder', 'string', true, undefined],
      ['spool.bytes', 'integer', false, '1024'],
      ['level', 'info|warn', false, '"info"'],
      ['verifiers[].name', 'string', true, undefined],
      ['verifiers[].key', 'string', true, undefined],
      ['anchors.<name>.url', 'string', true, undefined],
      ['sources', 'array', true, undefined],
    ]);
  });

  it('refuses a field without description and an object that is not strict', () => {
    expect(() => settingsFields(z.strictObject({ a: z.number() }))).toThrow('settings a: add .describe');
    expect(() => settingsFields(z.strictObject({ a: z.array(z.string()) }))).toThrow('settings a: add .describe');
    expect(() => settingsFields(z.strictObject({ a: z.object({}) }))).toThrow('settings a: use z.strictObject');
  });
});

describe('namesAt and descriptionAt', () => {
  it('look into objects, lists and maps', () => {
    expect(namesAt(schema, ['spool'])).toEqual(['folder', 'bytes']);
    expect(namesAt(schema, ['verifiers', 3])).toEqual(['name', 'key']);
    expect(descriptionAt(schema, ['anchors', 'tsa', 'url'])).toBe('Address.');
    expect(descriptionAt(schema, ['nothing', 'here'])).toBe('');
  });
});

describe('resolvePaths', () => {
  it('makes path fields absolute and leaves every other string alone', () => {
    const value = {
      name: './name',
      spool: { folder: 'spool', bytes: 1 },
      level: 'info' as const,
      verifiers: [{ name: 'v1', key: '../keys/v1' }],
      anchors: { tsa: { url: 'tsa' } },
      sources: ['/billing/*'],
    };
    expect(resolvePaths(schema, value, '/etc/everseal')).toEqual({
      ...value,
      spool: { folder: '/etc/everseal/spool', bytes: 1 },
      verifiers: [{ name: 'v1', key: '/etc/keys/v1' }],
    });
    const absolute = { ...value, spool: { folder: '/var/spool', bytes: 1 } };
    expect(resolvePaths(schema, absolute, '/etc').spool.folder).toBe('/var/spool');
  });
});
