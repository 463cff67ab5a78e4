import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@everseal/local';
import { listen, serve, type NatsLink } from '@everseal/messaging';
import { heartbeatSubject, resendSubject } from '@everseal/policy';
import { createLogger } from '@everseal/process';
import { PolicyBroker } from '../../../libs/messaging/src/broker.fixture.js';
import { askFrame } from './ask.js';

let broker: PolicyBroker;
let sealer: NatsLink;
let ingest: NatsLink;
beforeAll(async () => {
  broker = await PolicyBroker.start();
  [sealer, ingest] = await Promise.all([broker.link('sealer', 's1'), broker.link('ingest', 'a')]);
});
afterAll(() => broker.stop());

const onFault = (error: Error): void => {
  throw error;
};

describe('asking for a frame, with the rights that the policy gives', () => {
  const subject = resendSubject('main', 'a');

  it('is no answer while nobody serves it', async () => {
    expect(await askFrame(sealer, subject, 2)).toBeNull();
  });

  it('brings what the ingester holds, byte for byte, and null for what it does not hold or cannot say', async () => {
    const large = Buffer.alloc(786_432, 'frame');
    const answers: Record<string, () => Buffer> = {
      '{"number":2}': () => large,
      '{"number":3}': () => Buffer.alloc(0),
    };
    const serving = serve(ingest, subject, {
      handler: ({ data }) => Promise.resolve(answers[data.toString()]!()),
      logger: createLogger('ingest', 'a', 'silent'),
      onFault,
    });
    await ingest.nc.flush();
    expect((await askFrame(sealer, subject, 2))?.equals(large)).toBe(true);
    expect(await askFrame(sealer, subject, 3)).toBeNull();
    expect(await askFrame(sealer, subject, 4)).toBeNull(); // the handler throws
    await serving.stop();
  });

  it('goes to that ingester alone, and its heartbeat is heard', async () => {
    expect(await askFrame(sealer, resendSubject('main', 'b'), 2)).toBeNull();
    const heard: string[] = [];
    listen(sealer, heartbeatSubject('ingest', '*'), {
      onMessage: ({ subject: from }) => void heard.push(from),
      onFault,
    });
    await sealer.nc.flush();
    ingest.nc.publish(heartbeatSubject('ingest', 'a'), '{"frames":[]}');
    await waitUntil(() => heard.length > 0, { what: 'a heartbeat' });
    expect(heard).toEqual(['audit.heartbeat.ingest.a']);
  });
});
