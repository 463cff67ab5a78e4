import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { PolicyBroker } from './broker.fixture.js';
import { signOfLife } from './sign-of-life.js';

/** None comes by the period while this spec runs. */
const HOUR_MS = 3_600_000;

let broker: PolicyBroker;
beforeAll(async () => void (broker = await PolicyBroker.start()));
afterAll(() => broker.stop());

it('is given at the start and after every break, and not any more once it is stopped', async () => {
  const link = await broker.link('sealer', 's1');
  const breaks: string[] = [];
  link.listen({ reconnected: () => breaks.push('over') });
  let said = 0;
  const life = signOfLife(link, HOUR_MS, () => void (said += 1));
  expect(said).toBe(0);
  life.start();
  expect(said).toBe(1);

  await link.reconnect();
  await waitUntil(() => said === 2, { what: 'the sign after a reconnection' });
  broker.nats.process.kill();
  await broker.nats.process.process.exited;
  await broker.nats.restart();
  await waitUntil(() => said === 3, { what: 'the sign after a restart of nats-server' });

  life.stop();
  await link.reconnect();
  await waitUntil(() => breaks.length === 3, { what: 'the third reconnection' });
  expect(said).toBe(3);
});

it('is given in every period', async () => {
  const link = await broker.link('sealer', 's1');
  let said = 0;
  const life = signOfLife(link, 10, () => void (said += 1));
  life.start();
  await waitUntil(() => said >= 4, { what: 'three periods' });
  life.stop();
});
