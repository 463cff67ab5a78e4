/**
 * Who exists in an installation: one identity a running process, each with a certificate of its own.
 *
 * A client certificate carries the identity twice, because its two readers look in different places: NATS maps the one
 * URI SAN to a user, Postgres maps the common name to a role (it never reads SANs).
 *
 * - URI: `spiffe://<domain>/svc/<service>/<name>`, producers `spiffe://<domain>/producer/<name>`, auditors
 *   `spiffe://<domain>/auditor/<name>`.
 * - common name: `<service>-<name>`, producers `producer-<name>`. No service name holds a hyphen, so two identities
 *   never share one; a producer called `sealer-s1` is `producer-sealer-s1` and no sealer. At most 64 bytes (X.520).
 * - generation: 1 unless the policy says more; from the second on it ends both, `…/<name>/2` and `<service>-<name>.2`. Neither character
 *   can stand in a name. A stolen certificate is locked out by raising it: what the thief has names nobody any more, at NATS, at Postgres
 *   and at the readers, and what the name stands for in the log stays the same (docs/operations/certificates.md).
 * - inbox prefix: `_INBOX_<service>-<name>`, producers `_INBOX_<name>`; nobody may subscribe to another's.
 *
 * `provisioner`, `migrator` and `admin` are for deploy time: they create the streams, migrate the schema, and create roles
 * and database. No service holds their certificates while it runs.
 */
import type { Named, Policy } from './policy.js';

export type Service =
  | 'ingest'
  | 'sealer'
  | 'verifier'
  | 'ops'
  | 'reader'
  | 'follower'
  | 'provisioner'
  | 'migrator'
  | 'admin'
  | 'producer'
  | 'auditor';

/** The database's superuser. */
export const SUPERUSER = 'postgres';

/** Database roles that somebody may log in as. The owner of the schema is `everseal_owner`, which nobody logs in as. */
export type LoginRole =
  'everseal_migrator' | 'everseal_sealer' | 'everseal_verifier' | 'everseal_reader' | typeof SUPERUSER;

export interface Identity {
  service: Service;
  name: string;
  /** The certificate's only subject alternative name, and the NATS user. */
  uri: string;
  /** The certificate's common name. */
  commonName: string;
  /** Name of the folder that its certificates are kept in: the same in every generation. */
  folder: string;
  /** NATS account, null for one that does not connect to the broker. */
  account: string | null;
  /** The client option `inboxPrefix`, null with the account. */
  inboxPrefix: string | null;
  /** Database role it may log in as, null for none. */
  role: LoginRole | null;
}

/** Name of the one provisioner, the one migrator and the one admin. */
export const DEPLOY = 'deploy';

const PLACES: Record<Exclude<Service, 'producer' | 'auditor'>, { account: string | null; role: LoginRole | null }> = {
  ingest: { account: 'INGEST', role: null },
  sealer: { account: 'SEALER', role: 'everseal_sealer' },
  verifier: { account: 'VERIFIER', role: 'everseal_verifier' },
  ops: { account: 'OPS', role: 'everseal_reader' },
  reader: { account: 'READER', role: 'everseal_reader' },
  follower: { account: 'FOLLOWER', role: null },
  provisioner: { account: 'AUDIT', role: null },
  migrator: { account: null, role: 'everseal_migrator' },
  admin: { account: null, role: SUPERUSER },
};

/** The common name of a certificate; checked by the policy to be at most 64 bytes. */
export function commonNameOf(service: Service, name: string, generation = 1): string {
  return generation === 1 ? `${service}-${name}` : `${service}-${name}.${generation}`;
}

/** An auditor meets readers alone, over HTTPS. */
const NOWHERE = { account: null, inboxPrefix: null, role: null };

/** The one name in the certificate of an auditor. */
export function auditorUri(domain: string, name: string, generation = 1): string {
  return uriOf(domain, 'auditor', name, generation);
}

function uriOf(domain: string, service: Service, name: string, generation: number): string {
  const kind = service === 'producer' || service === 'auditor' ? service : `svc/${service}`;
  return `spiffe://${domain}/${kind}/${name}${generation === 1 ? '' : `/${generation}`}`;
}

/**
 * The identity of one service instance, of a producer or of an auditor. Does not ask whether the policy names it.
 * @param generation as the policy says; what a process itself needs to know (its inbox, its role) is the same in all
 */
export function identityOf(domain: string, service: Service, name: string, generation = 1): Identity {
  const folder = commonNameOf(service, name);
  const commonName = commonNameOf(service, name, generation);
  const who = { service, name, uri: uriOf(domain, service, name, generation), commonName, folder };
  if (service === 'producer') return { ...who, account: name, inboxPrefix: `_INBOX_${name}`, role: null };
  if (service === 'auditor') return { ...who, ...NOWHERE };
  const { account, role } = PLACES[service];
  return { ...who, account, inboxPrefix: account === null ? null : `_INBOX_${folder}`, role };
}

/** Everybody the policy names, services first, and the three of deploy time: the list a PKI issues certificates from. */
export function identitiesOf(policy: Policy): Identity[] {
  const of = (service: Service, all: readonly Named[]): Identity[] =>
    all.map(({ name, generation }) => identityOf(policy.domain, service, name, generation));
  const deploy = [{ name: DEPLOY, generation: policy.deploy?.generation }];
  return [
    ...of('ingest', policy.ingest),
    ...of('sealer', policy.sealers),
    ...of('verifier', policy.verifiers),
    ...of('ops', policy.ops),
    ...of('reader', policy.readers),
    ...of('follower', policy.followers),
    ...of('provisioner', deploy),
    ...of('migrator', deploy),
    ...of('admin', deploy),
    ...of('producer', policy.producers),
    ...of('auditor', policy.auditors),
  ];
}
