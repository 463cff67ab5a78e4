/**
 * Real nats-servers for the specs of this folder, with TLS and client certificates: one with the accounts and rights that
 * a policy gives (what services meet), and one with a single account where everything is allowed (to forge, to send what
 * no service could).
 */
import type { CertificateFiles } from '@everseal/local';
import { identityOf, parsePolicy, provisionStreams, renderNats } from '@everseal/policy';
import type { Service } from '@everseal/policy';
import { TestNats } from '@everseal/testing';
import type { NatsPlace, TemporaryFolder } from '@everseal/testing';
import { connectNats } from './connect.js';
import type { NatsLink, NatsOptions } from './connect.js';

/** Two ingesters, the smallest ring. */
const POLICY = `
domain: audit.example.com
ledgers: [{ name: main, ingesters: [a, b], spoolBytes: 1048576, frames: { maxBytes: 4194304 } }]
producers: [{ name: billing, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }, { name: b }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;

const LAB = 'spiffe://audit.example.com/svc/lab/x';

export interface Who {
  commonName: string;
  uri: string;
  inboxPrefix: string;
}

const LAB_USER: Who = { commonName: 'lab-x', uri: LAB, inboxPrefix: '_INBOX_lab' };

/** Certificate files and options to connect with. */
export async function connectOptions(nats: TestNats, who: Who, more: Partial<NatsOptions> = {}): Promise<NatsOptions> {
  return {
    name: who.commonName,
    servers: [nats.server],
    tls: await nats.pki.ensureClient(who),
    inboxPrefix: who.inboxPrefix,
    logger: { info: () => {}, warn: () => {}, error: () => {} },
    firstConnectMs: 10_000,
    onClosed: () => {},
    ...more,
  };
}

/** A server with the policy's accounts, and its streams. */
export class PolicyBroker {
  private readonly links: NatsLink[] = [];

  private constructor(readonly nats: TestNats) {}

  static async start(): Promise<PolicyBroker> {
    const policy = parsePolicy(POLICY, 'everseal.yaml');
    const nats = await TestNats.start({
      config: (place) =>
        renderNats(policy, {
          serverName: 'everseal-1',
          port: Number(place.listen.split(':')[1]),
          storeDir: place.storeDir,
          ...place.server,
        }),
    });
    const broker = new PolicyBroker(nats);
    const provisioner = await broker.link('provisioner', 'deploy');
    await provisionStreams(provisioner.nc, policy);
    await provisioner.close();
    return broker;
  }

  who(service: Service, name: string): Who {
    const { commonName, uri, inboxPrefix } = identityOf('audit.example.com', service, name);
    return { commonName, uri, inboxPrefix: inboxPrefix ?? '' };
  }

  /** Connects as one of the policy's identities. */
  async link(service: Service, name: string, more: Partial<NatsOptions> = {}): Promise<NatsLink> {
    const link = await connectNats(await connectOptions(this.nats, this.who(service, name), more));
    this.links.push(link);
    return link;
  }

  async stop(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()));
    await this.nats.stop();
  }
}

/** A server with one account that may do everything, JetStream's API and the servers' state included. */
export class LabBroker {
  private readonly links: NatsLink[] = [];

  private constructor(readonly nats: TestNats) {}

  /** @param folder where its files go, in `nats/store` (the caller removes it); a temporary folder unless given */
  static async start({
    sync = 'always',
    folder,
  }: { sync?: 'always' | 'default'; folder?: TemporaryFolder } = {}): Promise<LabBroker> {
    const config = (place: NatsPlace) => labConfig(place, sync);
    return new LabBroker(await TestNats.start({ config, ...(folder ? { folder } : {}) }));
  }

  /** Of the one user. */
  certificate(): Promise<CertificateFiles> {
    return this.nats.pki.ensureClient(LAB_USER);
  }

  async link(more: Partial<NatsOptions> = {}): Promise<NatsLink> {
    const link = await connectNats(await connectOptions(this.nats, LAB_USER, more));
    this.links.push(link);
    return link;
  }

  async stop(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()));
    await this.nats.stop();
  }
}

function labConfig({ listen, storeDir, server }: NatsPlace, sync: 'always' | 'default'): string {
  return `
server_name: lab-1
listen: "${listen}"
max_payload: 1MB
system_account: SYS
jetstream { store_dir: "${storeDir}", max_mem: 16MB, max_file: 1GB ${sync === 'always' ? ', sync_interval: always' : ''} }
tls { cert_file: "${server.certFile}", key_file: "${server.keyFile}", ca_file: "${server.caFile}"
  verify_and_map: true, handshake_first: true, min_version: "1.3" }
accounts {
  SYS { users: [ { user: "spiffe://audit.example.com/svc/sys/x" } ]
    exports: [ { service: "$SYS.REQ.SERVER.PING.JSZ", response_type: stream } ] }
  LAB { jetstream: enabled, users: [ { user: "${LAB}" } ]
    imports: [ { service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ" } } ] }
}
`;
}
