/** Plain JetStream publish with fsync on a nats-server of its own: one event a message, the same TLS, the same disk. */

import path from 'node:path';
import { findNatsServer, freePort, startNatsServer } from '@everseal/local';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type ConnectionOptions } from '@nats-io/transport-node';
import { publishEach } from './baselines.js';

/** @param login of an installation; its certificates serve the second server as well */
export async function publishBaseline(
  dir: string,
  login: ConnectionOptions,
  seconds: number,
  event: string,
): Promise<number> {
  const port = await freePort();
  const pki = path.join(dir, 'pki');
  const config = `
listen: "127.0.0.1:${port}"
jetstream { store_dir: "${path.join(dir, 'baseline-nats')}", sync_interval: always, max_file: 4GB }
tls {
  cert_file: "${path.join(pki, 'server', 'nats', 'cert.pem')}"
  key_file: "${path.join(pki, 'server', 'nats', 'key.pem')}"
  ca_file: "${path.join(pki, 'server', 'nats', 'ca.pem')}"
  verify: true
  handshake_first: true
  min_version: "1.3"
}`;
  const server = await startNatsServer({ dir: path.join(dir, 'baseline'), config, port, bin: await findNatsServer() });
  try {
    const nc = await connect({ ...login, servers: [`tls://localhost:${port}`], inboxPrefix: '_INBOX' });
    const manager = await jetstreamManager(nc);
    await manager.streams.add({ name: 'BASELINE', subjects: ['baseline.>'], storage: 'file' });
    const rate = await publishEach(jetstream(nc), 'baseline.event', 256, seconds, Buffer.from(event));
    await nc.close();
    return rate;
  } finally {
    await server.stop();
  }
}
