import { describe, expect, it } from '@jest/globals';
import { LabBroker, PolicyBroker } from './broker.fixture.js';
import { askDurability, parseDurability } from './sync-always.js';

describe('askDurability', () => {
  it('proves a server that syncs before it acknowledges, and finds out one that does not', async () => {
    for (const sync of ['always', 'default'] as const) {
      const lab = await LabBroker.start({ sync });
      const servers = await askDurability(await lab.link());
      await lab.stop();
      expect(servers).toEqual([{ server: 'lab-1', version: expect.any(String), syncAlways: sync === 'always' }]);
    }
  });

  it('works for ingest with the rights of the policy', async () => {
    const broker = await PolicyBroker.start();
    const servers = await askDurability(await broker.link('ingest', 'a'));
    await broker.stop();
    expect(servers).toMatchObject([{ server: 'everseal-1', syncAlways: true }]);
  });
});

describe('parseDurability', () => {
  const answer = (config: unknown) =>
    Buffer.from(JSON.stringify({ server: { name: 'n1', ver: '2.15.1' }, data: { config } }));

  it('takes nothing but a plain true for a yes', () => {
    expect(parseDurability(answer({ sync_always: true })).syncAlways).toBe(true);
    for (const config of [{}, { sync_always: 'true' }, { sync_always: 1 }, { sync_interval: 0 }, null, undefined]) {
      expect(parseDurability(answer(config)).syncAlways).toBe(false);
    }
  });

  it('refuses an answer of another kind', () => {
    expect(() => parseDurability(Buffer.from('{}'))).toThrow(expect.objectContaining({ code: 'answer.malformed' }));
  });
});
