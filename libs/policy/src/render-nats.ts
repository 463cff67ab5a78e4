/**
 * Renders nats-server's config from the policy: transport, JetStream, and one account per service and per producer.
 *
 * Transport: TLS 1.3 from the first byte (`handshake_first`), client certificate required, its URI SAN is the user
 * (`verify_and_map`; every user is a `spiffe://` URI, so no other SAN and no subject name maps to anybody), a
 * post-quantum group first. No monitoring port: it has no authentication. No websocket, MQTT or leaf node listener.
 * JetStream: `sync_interval: always`, so that a PubAck means fsync. Options that only consumers need are left out,
 * there being no consumer.
 *
 * Rights: a user may publish, subscribe and answer as broker-rights.ts says, the account may import as
 * broker-crossings.ts says; a message passes only if both allow it.
 */
import { brokerRightsOf, REPLY_WITHIN_MS } from './broker-rights.js';
import { crossingsOf, type Crossing } from './broker-crossings.js';
import { identitiesOf, type Identity } from './identities.js';
import { ConfigWriter, quoted } from './nats-config.js';
import type { Policy } from './policy.js';
import { expectedStreams, MAX_PAYLOAD_BYTES } from './streams.js';

export interface NatsOptions {
  /** The server's name, unique in a cluster. */
  serverName: string;
  /** Address to listen on; default 127.0.0.1, so that nothing is reachable from outside unless asked for. */
  host?: string;
  /** Port, default 4222; -1 lets the system choose one. */
  port?: number;
  /** Directory for the streams. */
  storeDir: string;
  /** The server's certificate with its intermediates, its key, and the root that signed the clients' certificates. */
  certFile: string;
  keyFile: string;
  caFile: string;
}

/** `verify_and_map`'s groups: hybrid post-quantum first, then the two everybody has. */
const GROUPS = ['X25519MLKEM768', 'X25519', 'CurveP256'];

/** JetStream keeps a little beside the streams' messages; without room for it the last stream cannot be created. */
const STORE_SLACK_BYTES = 64 * 1024 * 1024;

/** The whole config file. `replicas` above 1 needs a cluster, which this does not render. */
export function renderNats(policy: Policy, options: NatsOptions): string {
  const out = new ConfigWriter();
  const maxStore = storeBytes(policy);
  out.line('# Rendered from the policy; change the policy and render again.');
  out.entry('server_name', quoted(options.serverName));
  out.entry('listen', quoted(`${options.host ?? '127.0.0.1'}:${options.port ?? 4222}`));
  out.entry('max_payload', MAX_PAYLOAD_BYTES);
  out.entry('max_connections', policy.broker.maxConnections);
  out.entry('write_deadline', quoted(`${policy.broker.writeDeadlineMs}ms`));
  out.entry('ping_interval', quoted(`${policy.broker.pingIntervalMs}ms`));
  out.entry('ping_max', 2);
  out.entry('system_account', 'SYS');
  out.block('jetstream', () => {
    out.entry('store_dir', quoted(options.storeDir));
    out.entry('sync_interval', 'always');
    out.entry('strict', true);
    out.entry('max_mem', MAX_PAYLOAD_BYTES);
    out.entry('max_file', maxStore);
  });
  renderTls(out, policy, options);
  out.block('accounts', () => renderAccounts(out, policy, maxStore));
  return out.text();
}

function storeBytes(policy: Policy): number {
  const streams = expectedStreams(policy).reduce((sum, { max_bytes: bytes }) => sum + bytes, 0);
  return streams * policy.replicas + STORE_SLACK_BYTES;
}

function renderTls(out: ConfigWriter, policy: Policy, { certFile, keyFile, caFile }: NatsOptions): void {
  out.block('tls', () => {
    out.entry('cert_file', quoted(certFile));
    out.entry('key_file', quoted(keyFile));
    out.entry('ca_file', quoted(caFile));
    out.entry('verify_and_map', true);
    out.entry('handshake_first', true);
    out.entry('min_version', quoted('1.3'));
    out.entry('curve_preferences', `[${GROUPS.map(quoted).join(', ')}]`);
    out.entry('timeout', policy.broker.tlsTimeoutMs / 1000);
  });
}

function renderAccounts(out: ConfigWriter, policy: Policy, maxStore: number): void {
  const crossings = crossingsOf(policy);
  const identities = identitiesOf(policy);
  const producers = policy.producers.map(({ name }) => name);
  for (const account of ['SYS', 'AUDIT', 'INGEST', 'SEALER', 'VERIFIER', 'OPS', ...producers]) {
    out.block(quoted(account), () => {
      if (account === 'AUDIT') renderAccountStore(out, policy, maxStore);
      if (producers.includes(account)) {
        out.block('limits', () => out.entry('max_connections', policy.broker.maxConnectionsPerProducer));
      }
      out.list('exports', crossings.filter(({ owner }) => owner === account).map(renderExport));
      out.list(
        'imports',
        crossings.flatMap((crossing) => renderImport(crossing, account, producers)),
      );
      const users = identities.filter((identity) => identity.account === account);
      out.list(
        'users',
        users.map((identity) => renderUser(policy, identity)),
      );
    });
  }
}

function renderAccountStore(out: ConfigWriter, policy: Policy, maxStore: number): void {
  out.block('jetstream', () => {
    out.entry('max_mem', 0);
    out.entry('max_file', maxStore);
    out.entry('max_streams', expectedStreams(policy).length);
    out.entry('max_consumers', 1);
    out.entry('max_bytes_required', true);
  });
}

/**
 * One export. That of a producers' service is public, held to the account's own name by `account_token_position` (the
 * last token); every other names the accounts that may import it.
 */
function renderExport({ kind, subject, users, many }: Crossing): string {
  const fields = [`${kind}: ${quoted(subject)}`];
  if (users === 'producers') fields.push(`account_token_position: ${subject.split('.').length}`);
  else fields.push(`accounts: [${users.join(', ')}]`);
  if (many === true) fields.push('response_type: stream');
  return `{ ${fields.join(', ')} }`;
}

function renderImport({ kind, owner, subject, users, as }: Crossing, account: string, producers: string[]): string[] {
  const importsIt = users === 'producers' ? producers.includes(account) : users.some((user) => user === account);
  if (!importsIt) return [];
  const own = users === 'producers' ? subject.replace(/\*$/, account) : subject;
  const to = as === undefined ? '' : `, to: ${quoted(as)}`;
  return [`{ ${kind}: { account: ${owner}, subject: ${quoted(own)} }${to} }`];
}

function renderUser(policy: Policy, identity: Identity): string {
  const rights = brokerRightsOf(policy, identity);
  const heard = rights.filter(({ way }) => way === 'subscribe' || way === 'serve');
  const sent = rights.filter(({ way }) => way !== 'subscribe' && way !== 'serve');
  const subscribe = [
    `${identity.inboxPrefix ?? ''}.>`,
    ...heard.map(({ subject, queue }) => (queue === undefined ? subject : `${subject} ${queue}`)),
  ];
  const lines = [
    `user: ${quoted(identity.uri)}`,
    'allowed_connection_types: ["STANDARD"]',
    'permissions: {',
    `  publish: { allow: [${unique(sent.map(({ subject }) => subject))}] }`,
    `  subscribe: { allow: [${unique(subscribe)}] }`,
  ];
  const serves = rights.some(({ way }) => way === 'serve');
  if (serves) lines.push(`  allow_responses: { max: 1, expires: ${quoted(`${REPLY_WITHIN_MS}ms`)} }`);
  return `{\n${[...lines, '}'].map((line) => `  ${line}`).join('\n')}\n}`;
}

function unique(subjects: string[]): string {
  return [...new Set(subjects)].map(quoted).join(', ');
}
