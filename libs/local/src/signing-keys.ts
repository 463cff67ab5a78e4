/**
 * The Ed25519 keys of an installation, and what others trust because of them:
 *
 *   <dir>/keys/log-<ledger>.skey             checkpoints, blocks, key sets of one ledger
 *   <dir>/keys/operator-<name>.skey          key sets; belongs on a stick in a safe, not on the machine of the services
 *   <dir>/keys/ingest-<name>.skey            frames
 *   <dir>/keys/verifier-<name>.skey          cosignatures (type 0x04)
 *   <dir>/keys/alerts-<service>-<name>.skey  alerts
 *   <dir>/keys/deploy.skey                   what was agreed on for the database; for whoever runs the deploy step
 *   <dir>/trust/<ledger>/genesis.note        entry 0 of the ledger: the key set that everything else is checked from
 *   <dir>/trust/<ledger>/keys/*.note         orders for later key sets, of which its verifiers are told (everseal keys rotate)
 *   <dir>/trust/alerts.vkeys                 public keys of all who may raise alerts, one a line
 *   <dir>/trust/deploy.vkey                  public key of the deploy step
 *   <dir>/trust/catalog.note                 what was agreed on for the database, written and signed by the deploy step (deploy.ts)
 *
 * A genesis note is written once and never again: it is the ledger's first entry. A key that it names must still be the one in its
 * file; where it is missing or another, that is an error and no new key is made, for a new key could not continue the ledger.
 * Where keys were rotated, one that a later key set names is as good; a file holds two while its key is rotated.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  alertKeyName,
  COSIGNATURE_KEY,
  deployKeyName,
  formatTimestamp,
  ingestKeyName,
  type KeySet,
  keySetOfNote,
  type KeyType,
  logKeyName,
  NOTE_KEY,
  openGenesis,
  operatorKeyName,
  originOf,
  parseKeyFile,
  parseVkey,
  signKeySet,
  SigningKey,
  type VerifierKey,
  verifierKeyName,
  ZERO_HASH,
} from '@everseal/audit-core';
import type { Policy } from '@everseal/policy';
import { randomBytes } from 'node:crypto';
import { LocalError } from './local-error.js';
import { readPrivateText, replaceFile } from '@everseal/tls';

/** Name of the operator key of a one-machine installation. */
export const OPERATOR = 'local';

const SERVICES = ['ingest', 'sealer', 'verifier'] as const;

/** Where keys and trust of an installation are. */
export class KeyFolder {
  constructor(readonly dir: string) {}

  log = (ledger: string): string => this.key(`log-${ledger}`);
  operator = (name: string): string => this.key(`operator-${name}`);
  ingest = (name: string): string => this.key(`ingest-${name}`);
  verifier = (name: string): string => this.key(`verifier-${name}`);
  alerts = (service: string, name: string): string => this.key(`alerts-${service}-${name}`);
  genesis = (ledger: string): string => path.join(this.dir, 'trust', ledger, 'genesis.note');
  keySets = (ledger: string): string => path.join(this.dir, 'trust', ledger, 'keys');
  alertKeys = (): string => path.join(this.dir, 'trust', 'alerts.vkeys');
  deploy = (): string => this.key('deploy');
  deployKey = (): string => path.join(this.dir, 'trust', 'deploy.vkey');
  agreement = (): string => path.join(this.dir, 'trust', 'catalog.note');

  private key(name: string): string {
    return path.join(this.dir, 'keys', `${name}.skey`);
  }
}

/**
 * Makes the keys, genesis notes and list of alert keys that are missing. Returns notices for the operator: services that a ledger's first
 * key set does not name yet. LocalError `key-mismatch` where a key file is not the key that a ledger began with.
 */
export function ensureKeys(policy: Policy, folder: KeyFolder, now: number): string[] {
  const notices = policy.ledgers.flatMap(({ name }) => ensureLedger(policy, name, folder, now));
  ensureAlertKeys(policy, folder);
  ensureDeployKey(policy, folder);
  return notices;
}

function ensureLedger(policy: Policy, ledger: string, folder: KeyFolder, now: number): string[] {
  const origin = originOf(policy.domain, ledger);
  const file = folder.genesis(ledger);
  const genesis = existsSync(file)
    ? withLaterKeys(openGenesis(readFileSync(file), origin), folder.keySets(ledger))
    : null;
  const key = (keyFile: string, name: string, type: KeyType, named: readonly VerifierKey[] = []) =>
    ensureKey(keyFile, name, type, { file, keys: named });

  const log = key(folder.log(ledger), logKeyName(origin), NOTE_KEY, genesis?.logs);
  const operator = key(
    folder.operator(OPERATOR),
    operatorKeyName(policy.domain, OPERATOR),
    NOTE_KEY,
    genesis?.operators,
  );
  const ingesters = policy.ledgers.find(({ name }) => name === ledger)?.ingesters ?? [];
  const ingest = ingesters.map((name) =>
    key(folder.ingest(name), ingestKeyName(policy.domain, name), NOTE_KEY, genesis?.ingest),
  );
  const verifiers = policy.verifiers.map(({ name }) =>
    key(folder.verifier(name), verifierKeyName(policy.domain, name), COSIGNATURE_KEY, genesis?.verifiers),
  );
  if (genesis) return [...unnamed(ingest, genesis.ingest, ledger), ...unnamed(verifiers, genesis.verifiers, ledger)];

  const set: KeySet = {
    origin,
    previous: ZERO_HASH,
    time: formatTimestamp(now),
    log: log.verifier,
    operators: [operator.verifier],
    ingest: ingest.map(({ verifier }) => verifier),
    verifiers: verifiers.map(({ verifier }) => verifier),
  };
  mkdirSync(path.dirname(file), { recursive: true });
  replaceFile(file, signKeySet(set, log, operator), 0o644);
  return [];
}

/** The keys that a ledger began with, and those that any key set names which verifiers were told of. */
type NamedKeys = Readonly<Record<'logs' | 'operators' | 'ingest' | 'verifiers', readonly VerifierKey[]>>;

function withLaterKeys(genesis: KeySet, keySets: string): NamedKeys {
  const files = existsSync(keySets) ? readdirSync(keySets).filter((name) => name.endsWith('.note')) : [];
  const sets = [genesis, ...files.map((name) => keySetOfNote(readFileSync(path.join(keySets, name))))];
  return {
    logs: sets.map(({ log }) => log),
    operators: sets.flatMap(({ operators }) => operators),
    ingest: sets.flatMap(({ ingest }) => ingest),
    verifiers: sets.flatMap(({ verifiers }) => verifiers),
  };
}

function unnamed(keys: readonly SigningKey[], named: readonly VerifierKey[], ledger: string): string[] {
  const late = keys.filter(({ verifier }) => !named.some(({ vkey }) => vkey === verifier.vkey));
  return late.map(
    ({ name }) =>
      `${name} was added after ledger ${ledger} began: it takes part once a key set that names it is sealed`,
  );
}

function ensureAlertKeys(policy: Policy, folder: KeyFolder): void {
  const instances = { ingest: policy.ingest, sealer: policy.sealers, verifier: policy.verifiers };
  const keys = SERVICES.flatMap((service) =>
    instances[service].map(({ name }) =>
      ensureKey(folder.alerts(service, name), alertKeyName(policy.domain, service, name), NOTE_KEY, null),
    ),
  );
  const lines = keys.map(({ verifier }) => verifier.vkey).sort();
  replaceFile(folder.alertKeys(), `${lines.join('\n')}\n`, 0o644);
}

/** Made once: verifiers are told of its public half, and a new one would make every agreement before it worthless. */
function ensureDeployKey(policy: Policy, folder: KeyFolder): void {
  const file = folder.deployKey();
  const told = existsSync(file) ? [parseVkey(readFileSync(file, 'utf8').trim())] : [];
  const key = ensureKey(folder.deploy(), deployKeyName(policy.domain), NOTE_KEY, { file, keys: told });
  if (told.length === 0) replaceFile(file, `${key.verifier.vkey}\n`, 0o644);
}

/** The key that signs what was agreed on for the database. LocalError `key-mismatch` when the file does not hold it. */
export function readDeployKey(file: string, domain: string): SigningKey {
  return readKey(file, deployKeyName(domain), NOTE_KEY, []);
}

/** Reads a key file, or makes it. `trust`: the note and the keys in it; if one of those has this name, it must be this key. */
function ensureKey(
  file: string,
  name: string,
  type: KeyType,
  trust: { file: string; keys: readonly VerifierKey[] } | null,
): SigningKey {
  const named = trust?.keys.filter((key) => key.name === name) ?? [];
  const key = existsSync(file) ? readKey(file, name, type, named) : null;
  const isNamed = named.length === 0 || named.some(({ vkey }) => vkey === key?.verifier.vkey);
  if (!isNamed) {
    const what = key ? 'is not the key' : 'is missing, the key';
    throw new LocalError(
      'key-mismatch',
      `${file} ${what} of ${name}${named.length > 0 ? ` that ${trust?.file} names` : ''}: put the right file back, or begin anew with npm run reset`,
    );
  }
  if (key) return key;
  const made = SigningKey.fromSeed(name, randomBytes(32), type);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  replaceFile(file, `${made.skey}\n`, 0o600);
  return made;
}

/** The newest key of the file, or the newest that is named if there is one. */
function readKey(file: string, name: string, type: KeyType, named: readonly VerifierKey[]): SigningKey {
  try {
    const keys = parseKeyFile(readPrivateText(file), name, type);
    return keys.find(({ verifier }) => named.some(({ vkey }) => vkey === verifier.vkey)) ?? keys[0]!;
  } catch (cause) {
    throw new LocalError('key-mismatch', `${file}: ${(cause as Error).message}`, { cause });
  }
}
