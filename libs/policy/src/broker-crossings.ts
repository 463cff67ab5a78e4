/**
 * Where a message crosses from one NATS account into another: the list that exports and imports are made from, so that
 * the two sides cannot disagree.
 *
 * One account per service, because subject permissions inside a shared account do not protect a stream: the server
 * publishes to any reply subject a client names, so a reader there can have a stream deleted (confused-deputy.spec.ts
 * shows it on a server with one shared account). Here every account holds only the crossings of its own service, and a
 * reply stays in the account that asked.
 *
 * - service: a request goes from a user's account into the owner's, its answers come back. JetStream's API is imported
 *   under `JSA.` (unchanged, the server would answer "JetStream not enabled" for the service's own account).
 * - stream: messages go from the owner's account out to the users'.
 *
 * A message that entered AUDIT through a service is stored there but goes on to nobody; the account that published it
 * therefore exports the same subject as a stream, and one publish does both.
 */
import type { Policy } from './policy.js';
import {
  ALERTS,
  alertSubject,
  ANNOUNCEMENTS,
  announceSubject,
  BROKER_SAYS,
  API_PREFIX,
  claimSubject,
  framesStream,
  framesSubject,
  gapsSubject,
  keysSubject,
  heartbeatSubject,
  holdSubject,
  nudgeSubject,
  resendSubject,
  SERVER_JETSTREAM,
  submitSubject,
  witnessSubject,
} from './subjects.js';
import { systemProducers } from './system-producers.js';

/** The accounts of services, one a kind. */
export const SERVICE_ACCOUNTS = ['INGEST', 'SEALER', 'VERIFIER', 'OPS', 'READER', 'FOLLOWER'] as const;

export type ServiceAccount = (typeof SERVICE_ACCOUNTS)[number];

export interface Crossing {
  kind: 'service' | 'stream';
  owner: 'SYS' | 'AUDIT' | ServiceAccount;
  /** Subject in the owner's account. */
  subject: string;
  /** Accounts that import it; `producers` are all of them, each with its own name as the subject's last token. */
  users: ServiceAccount[] | 'producers';
  /** Subject in the users' accounts, if it is another one there. */
  as?: string;
  /** The service answers more than once. */
  many?: true;
}

const API = '$JS.API';

function api(call: string, users: ServiceAccount[], many?: true): Crossing {
  const crossing: Crossing = {
    kind: 'service',
    owner: 'AUDIT',
    subject: `${API}.${call}`,
    users,
    as: `${API_PREFIX}.${call}`,
  };
  return many === true ? { ...crossing, many } : crossing;
}

function service(owner: Crossing['owner'], subject: string, users: Crossing['users']): Crossing {
  return { kind: 'service', owner, subject, users };
}

function live(owner: ServiceAccount, subject: string, users: ServiceAccount[], as?: string): Crossing {
  return as === undefined ? { kind: 'stream', owner, subject, users } : { kind: 'stream', owner, subject, users, as };
}

function ledgerCrossings(ledger: string): Crossing[] {
  const stream = framesStream(ledger);
  const lanes = framesSubject(ledger, '*');
  return [
    service('AUDIT', lanes, ['INGEST']),
    api(`STREAM.INFO.${stream}`, ['INGEST', 'SEALER', 'VERIFIER', 'OPS']),
    api(`DIRECT.GET.${stream}`, ['INGEST', 'SEALER', 'VERIFIER'], true),
    api(`DIRECT.GET.${stream}.${lanes}`, ['INGEST', 'VERIFIER']),
  ];
}

function alertCrossings(): Crossing[] {
  const code = '*.*';
  const publishers = ['INGEST', 'SEALER', 'VERIFIER'] as const;
  return [
    service('AUDIT', alertSubject(code), [...publishers]),
    ...publishers.map((owner) => live(owner, alertSubject(code), ['OPS'], `audit.alerts.${owner.toLowerCase()}.$1.$2`)),
    api(`STREAM.INFO.${ALERTS}`, ['VERIFIER', 'OPS']),
    api(`DIRECT.GET.${ALERTS}`, ['VERIFIER', 'OPS'], true),
    api(`DIRECT.GET.${ALERTS}.${alertSubject(code)}`, ['VERIFIER', 'OPS']),
  ];
}

function announcementCrossings(): Crossing[] {
  const any = announceSubject('*');
  return [
    service('AUDIT', any, ['SEALER']),
    live('SEALER', any, ['INGEST', 'VERIFIER', 'OPS']),
    api(`STREAM.INFO.${ANNOUNCEMENTS}`, ['VERIFIER', 'OPS']),
    api(`DIRECT.GET.${ANNOUNCEMENTS}`, ['VERIFIER', 'OPS'], true),
    api(`DIRECT.GET.${ANNOUNCEMENTS}.${any}`, ['INGEST', 'SEALER', 'VERIFIER', 'OPS', 'READER', 'FOLLOWER']),
  ];
}

/**
 * What services submit to the system ledger, one subject an instance. Ingest's own goes nowhere: it stays in the account
 * of those who serve it. `account_token_position` cannot hold a service to its name, because the instances of a service
 * share an account; here the export names one subject, and the user's permission which of them is whose.
 */
function systemCrossings(policy: Policy): Crossing[] {
  const { systemLedger } = policy;
  if (systemLedger === undefined) return [];
  const accounts = {
    ingest: null,
    sealer: 'SEALER',
    verifier: 'VERIFIER',
    reader: 'READER',
    follower: 'FOLLOWER',
  } as const;
  return systemProducers(policy).flatMap(({ service: kind, producer }) => {
    const account = accounts[kind];
    return account === null ? [] : [service('INGEST', submitSubject(systemLedger, producer), [account])];
  });
}

/** What the broker says about itself, to those who bring it into the system ledger. */
function brokerCrossings({ systemLedger }: Policy): Crossing[] {
  if (systemLedger === undefined) return [];
  const { api: calls, ...connections } = BROKER_SAYS;
  return [
    ...Object.values(connections).map((subject): Crossing => ({
      kind: 'stream',
      owner: 'SYS',
      subject,
      users: ['VERIFIER'],
    })),
    { kind: 'stream', owner: 'AUDIT', subject: calls, users: ['VERIFIER'] },
  ];
}

/** Every crossing of an installation. */
export function crossingsOf(policy: Policy): Crossing[] {
  return [
    { kind: 'service', owner: 'SYS', subject: SERVER_JETSTREAM, users: ['INGEST'], many: true },
    service('INGEST', submitSubject('*', '*'), 'producers'),
    service('VERIFIER', claimSubject('*', '*'), 'producers'),
    ...policy.ledgers.flatMap(({ name }) => ledgerCrossings(name)),
    ...systemCrossings(policy),
    ...brokerCrossings(policy),
    ...announcementCrossings(),
    ...alertCrossings(),
    live('INGEST', nudgeSubject('*'), ['SEALER']),
    service('INGEST', resendSubject('*', '*'), ['SEALER']),
    service('SEALER', gapsSubject('*', '*'), ['OPS']),
    service('SEALER', keysSubject('*', '*'), ['OPS']),
    service('VERIFIER', holdSubject('*', '*'), ['SEALER']),
    service('VERIFIER', witnessSubject('*'), ['SEALER']),
    live('INGEST', heartbeatSubject('ingest', '*'), ['SEALER', 'VERIFIER', 'OPS']),
    live('SEALER', heartbeatSubject('sealer', '*'), ['VERIFIER', 'OPS']),
    live('VERIFIER', heartbeatSubject('verifier', '*'), ['SEALER', 'OPS']),
  ];
}
