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
import { crossingsOf, SERVICE_ACCOUNTS, type Crossing } from './broker-crossings.js';
import { identitiesOf, type Identity } from './identities.js';
import { ConfigWriter, quoted } from './nats-config.js';
import type { Policy } from './policy.js';
import { expectedStreams, MAX_PAYLOAD_BYTES } from './streams.js';

/** A certificate with its intermediates, its key, and the root of those it must be shown. */
export interface NatsTlsFiles {
  certFile: string;
  keyFile: string;
  caFile: string;
}

/** What a server needs to know beside the policy. The TLS files are its own certificate and the root of the clients'. */
export interface NatsOptions extends NatsTlsFiles {
  /** The server's name, unique in a cluster. */
  serverName: string;
  /** Address to listen on; default 127.0.0.1, so that nothing is reachable from outside unless asked for. */
  host?: string;
  /** Port, default 4222; -1 lets the system choose one. */
  port?: number;
  /** Directory for the streams. */
  storeDir: string;
  /** File of its log, which it then rotates itself beside it; default none: standard error. */
  logFile?: string | undefined;
  /** Needed as soon as the policy wants more than one replica. */
  cluster?: NatsCluster;
}

/** How servers of a cluster meet. Their certificates here are for both ends: EKU serverAuth and clientAuth, a name for each host. */
export interface NatsCluster extends NatsTlsFiles {
  name: string;
  /** Address to listen on for the other servers, default 127.0.0.1. */
  host?: string;
  port: number;
  /** `host:port` of every server, this one included if that is simpler. */
  routes: string[];
}

/** One file of the log, and how many are kept. */
const LOG_FILE_BYTES = 64 * 1024 * 1024;
const LOG_FILES = 16;

/** Key exchange: hybrid post-quantum first, then the two that every TLS 1.3 client has. */
const GROUPS = ['X25519MLKEM768', 'X25519', 'CurveP256'];

/** A full ring is one message over its limit for a moment; what refuses a message must never be a limit above the streams'. */
const STORE_SLACK_BYTES = 64 * 1024 * 1024;

/** The whole config file of one server. Throws when the policy wants more than one replica and no cluster is given. */
export function renderNats(policy: Policy, options: NatsOptions): string {
  if (policy.replicas > 1 && options.cluster === undefined) {
    throw new Error(
      `the policy wants ${policy.replicas} replicas of each stream: that needs a cluster, and none is given`,
    );
  }
  const out = new ConfigWriter();
  out.line('# Rendered from the policy; change the policy and render again.');
  out.entry('server_name', quoted(options.serverName));
  out.entry('listen', quoted(`${options.host ?? '127.0.0.1'}:${options.port ?? 4222}`));
  out.entry('max_payload', MAX_PAYLOAD_BYTES);
  out.entry('max_connections', policy.broker.maxConnections);
  out.entry('write_deadline', quoted(`${policy.broker.writeDeadlineMs}ms`));
  out.entry('ping_interval', quoted(`${policy.broker.pingIntervalMs}ms`));
  out.entry('ping_max', 2);
  out.entry('system_account', 'SYS');
  renderLog(out, options);
  out.block('jetstream', () => {
    out.entry('store_dir', quoted(options.storeDir));
    out.entry('sync_interval', 'always');
    out.entry('strict', true);
    out.entry('max_mem', MAX_PAYLOAD_BYTES);
    out.entry('max_file', storeBytes(policy, 1));
  });
  renderTls(out, policy, options, 'verify_and_map');
  if (options.cluster !== undefined) renderCluster(out, policy, options.cluster);
  out.block('accounts', () => renderAccounts(out, policy));
  return out.text();
}

/** In UTC, because nothing in a line says another zone; whole files of it stay for a follower to read. */
function renderLog(out: ConfigWriter, { logFile }: NatsOptions): void {
  out.entry('logtime_utc', true);
  if (logFile === undefined) return;
  out.entry('log_file', quoted(logFile));
  out.entry('logfile_size_limit', LOG_FILE_BYTES);
  out.entry('logfile_max_num', LOG_FILES);
}

/** Room for all streams: once for a server, which holds one copy of each, `replicas` times for the account. */
function storeBytes(policy: Policy, copies: number): number {
  return expectedStreams(policy).reduce((sum, { max_bytes: bytes }) => sum + bytes, 0) * copies + STORE_SLACK_BYTES;
}

function renderTls(
  out: ConfigWriter,
  policy: Policy,
  { certFile, keyFile, caFile }: NatsTlsFiles,
  verify: 'verify_and_map' | 'verify',
): void {
  out.block('tls', () => {
    out.entry('cert_file', quoted(certFile));
    out.entry('key_file', quoted(keyFile));
    out.entry('ca_file', quoted(caFile));
    out.entry(verify, true);
    if (verify === 'verify_and_map') out.entry('handshake_first', true);
    out.entry('min_version', quoted('1.3'));
    out.entry('curve_preferences', `[${GROUPS.map(quoted).join(', ')}]`);
    out.entry('timeout', policy.broker.tlsTimeoutMs / 1000);
  });
}

function renderCluster(out: ConfigWriter, policy: Policy, cluster: NatsCluster): void {
  out.block('cluster', () => {
    out.entry('name', quoted(cluster.name));
    out.entry('listen', quoted(`${cluster.host ?? '127.0.0.1'}:${cluster.port}`));
    out.list(
      'routes',
      cluster.routes.map((route) => quoted(`nats-route://${route}`)),
    );
    renderTls(out, policy, cluster, 'verify');
  });
}

function renderAccounts(out: ConfigWriter, policy: Policy): void {
  const crossings = crossingsOf(policy);
  const identities = identitiesOf(policy);
  const producers = policy.producers.map(({ name }) => name);
  for (const account of ['SYS', 'AUDIT', ...SERVICE_ACCOUNTS, ...producers]) {
    out.block(quoted(account), () => {
      if (account === 'AUDIT') renderAccountStore(out, policy);
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

function renderAccountStore(out: ConfigWriter, policy: Policy): void {
  out.block('jetstream', () => {
    out.entry('max_mem', 0);
    out.entry('max_file', storeBytes(policy, policy.replicas));
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
