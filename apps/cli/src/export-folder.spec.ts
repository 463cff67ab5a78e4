import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '@everseal/testing';
import { ExportFolder } from './export-folder.js';

const temporary = temporaryFolder('export-folder');
afterAll(() => temporary.remove());
const place = (...names: string[]): string => path.join(temporary.path, ...names);

describe('the folder of an export', () => {
  it('holds whole files, and nothing beside them, once it has settled', async () => {
    const folder = new ExportFolder(place('good'));
    const names = Array.from({ length: 60 }, (_, i) => `tile/${i % 3}/${i}`);
    for (const name of names) await folder.write(name, name);
    await folder.settle();
    for (const name of names) expect(readFileSync(place('good', name), 'utf8')).toBe(name);
    expect(await folder.list('tile/0')).toHaveLength(20);
    expect(await folder.has('tile/0/0')).toBe(true);
    expect(await folder.has('tile/0/1')).toBe(false);
    await folder.remove('tile');
    expect(await folder.list('tile')).toEqual([]);
  });

  it('says at the latest when it settles that something could not be written', async () => {
    writeFileSync(place('file'), 'in the way');
    const folder = new ExportFolder(place('file'));
    await folder.write('checkpoint', 'x').catch(() => undefined);
    await expect(folder.settle()).rejects.toMatchObject({ code: 'EEXIST' });
    expect(existsSync(place('file', 'checkpoint'))).toBe(false);
  });

  it('reads files only, of a bounded size', async () => {
    const folder = new ExportFolder('/dev');
    await expect(folder.read('zero')).rejects.toMatchObject({ code: 'export.file' });
    expect(await folder.read('nothing-of-this-name')).toBeNull();
    writeFileSync(place('large'), Buffer.alloc(67_108_865));
    await expect(new ExportFolder(temporary.path).read('large')).rejects.toMatchObject({ code: 'export.size' });
  });
});
