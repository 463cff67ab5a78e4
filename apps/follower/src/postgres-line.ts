/**
 * One line of Postgres's JSON log (`log_destination = 'jsonlog'`), as far as it is written down: who came as whom, who was refused, whose
 * handshake failed, what was not permitted, statements that change schema, roles or grants (`log_statement = 'ddl'`), and when the
 * server started, stopped and took up other settings.
 *
 * What may hold secrets stays in the server's log: literals and comments of statements (sql-outline.ts), parameters, values of settings,
 * lines of pg_hba.conf. The log's own words are English (`lc_messages = 'C'`); another language is not understood and says so by
 * telling nothing but what the SQLSTATE tells.
 *
 * A name of an application may hold anything printable, ` SSL enabled (…)` included; the pg_hba.conf that is rendered lets nobody in
 * without TLS, so what it could feign is a version.
 *
 * Source: PostgreSQL 18, `src/backend/utils/error/jsonlog.c`, `libpq/auth.c`, `utils/init/postinit.c`, `tcop/postgres.c`.
 */
import type { EngineFact } from '@everseal/audit-core';
import { factOf, timeOf, type LineReading } from './line-reading.js';
import { outlineSql } from './sql-outline.js';

type Fields = Readonly<Record<string, unknown>>;
type Said = Pick<EngineFact, 'actor' | 'target' | 'address'> & { message: string; fields: Fields };

const TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) (?:UTC|GMT)$/;
const SERVER = { actor: 'postgres', target: 'postgres' };

const AUTHENTICATED = /^connection authenticated: (?:identity|user)="(.*)" method=([a-z0-9-]+) \(.*\)$/s;
const AUTHORIZED =
  /^(replication )?connection authorized: user=.*?(?: application_name=(.*?))?(?: SSL enabled \(protocol=(\S+), cipher=(\S+), bits=\d+\))?$/s;
const NO_HANDSHAKE = /^could not accept SSL connection: (.*)$/s;
const ASKED = /^(?:statement|execute [\w<>./-]{1,200}): (.*)$/s;
/** Named so that nobody can tell where the statement begins: its text is not told. */
const ASKED_SOMEHOW = /^execute /;
const UNMAPPED = /^no match in usermap "[^"]*" for user "(.*)" authenticated as "(.*)"$/s;
const SETTING = /^parameter "([^"]{1,128})" (?:changed to|removed from)/;

/** SQLSTATE of a session that ends before it began: class 28, no such database, not permitted there, too many. */
const NOT_LET_IN = /^(?:28|3D000|42501|53300)/;
const NOT_PERMITTED = '42501';

const LIFE: readonly { says: RegExp; action: string; outcome: EngineFact['outcome'] }[] = [
  { says: /^database system is ready to accept /, action: 'postgres.start', outcome: 'allowed' },
  { says: /^received (?:smart|fast|immediate) shutdown request$/, action: 'postgres.stop', outcome: 'asked' },
  { says: /^received SIGHUP, reloading configuration files$/, action: 'postgres.reload', outcome: 'asked' },
  { says: / was not reloaded$| contains errors; /, action: 'postgres.reload', outcome: 'failed' },
];

/** @param line without its line feed */
export function readPostgresLine(line: string): LineReading | null {
  const fields = objectIn(line);
  if (fields === null) return null;
  const time = timeIn(textOf(fields, 'timestamp'));
  if (time === null || textOf(fields, 'error_severity') === '') return null;
  return { time, fact: factIn(fields) };
}

function factIn(fields: Fields): EngineFact | null {
  const said = {
    actor: textOf(fields, 'user') || 'unknown',
    target: textOf(fields, 'dbname') || 'unknown',
    address: textOf(fields, 'remote_host'),
    message: textOf(fields, 'message'),
    fields,
  };
  switch (textOf(fields, 'error_severity')) {
    case 'LOG':
      return handshakeFact(said) ?? loginFact(said) ?? statementFact(said) ?? serverFact(said);
    case 'FATAL':
      return refusalFact(said, NOT_LET_IN, 'postgres.login');
    case 'ERROR':
      return refusalFact(said, new RegExp(`^${NOT_PERMITTED}$`), 'postgres.permission');
    default:
      return null;
  }
}

function loginFact({ message, actor, target, address }: Said): EngineFact | null {
  const who = { actor, target, address };
  const unmapped = UNMAPPED.exec(message);
  if (unmapped !== null) {
    const [, role, identity] = unmapped as unknown as [string, string, string];
    const reason = 'not mapped to that role';
    return factOf({
      address,
      actor: identity,
      target: role,
      action: 'postgres.authenticate',
      outcome: 'refused',
      reason,
    });
  }
  const authenticated = AUTHENTICATED.exec(message);
  if (authenticated !== null) {
    const [, identity, method] = authenticated as unknown as [string, string, string];
    const details = { database: target, method };
    return factOf({
      address,
      actor: identity,
      target: actor,
      action: 'postgres.authenticate',
      outcome: 'allowed',
      details,
    });
  }
  const authorized = AUTHORIZED.exec(message);
  if (authorized === null) return null;
  const [, replication, application, protocol, cipher] = authorized;
  const details = {
    ...(application === undefined ? {} : { application }),
    tls: protocol === undefined ? 'none' : `${protocol} ${cipher}`,
    ...(replication === undefined ? {} : { replication: 'yes' }),
  };
  return factOf({ ...who, action: 'postgres.login', outcome: 'allowed', details });
}

function handshakeFact({ message, fields, address }: Said): EngineFact | null {
  const failed = NO_HANDSHAKE.exec(message);
  if (failed === null) return null;
  const certificate = textOf(fields, 'detail').split('\n').join(' ');
  const details: Record<string, string> = certificate === '' ? {} : { certificate };
  return factOf({
    target: 'postgres',
    address,
    action: 'postgres.handshake',
    outcome: 'failed',
    reason: failed[1]!,
    details,
  });
}

function statementFact({ message, actor, target, address, fields }: Said): EngineFact | null {
  const asked = ASKED.exec(message);
  if (asked === null && !ASKED_SOMEHOW.test(message)) return null;
  const { text, actions } = outlineSql(asked?.[1] ?? '');
  const application = textOf(fields, 'application_name');
  const details = {
    statement: text,
    ...(actions.length > 1 ? { actions: actions.join(' ') } : {}),
    ...(application === '' ? {} : { application }),
  };
  const [only = 'statement'] = actions.length > 1 ? ['several'] : actions;
  return factOf({ actor, target, address, action: `postgres.${only}`, outcome: 'asked', details });
}

function serverFact({ message, address }: Said): EngineFact | null {
  if (address !== '') return null;
  const setting = SETTING.exec(message)?.[1];
  // Not its value: primary_conninfo may hold a password.
  if (setting !== undefined) {
    return factOf({ ...SERVER, target: setting, action: 'postgres.configure', outcome: 'asked' });
  }
  const life = LIFE.find(({ says }) => says.test(message));
  return life === undefined ? null : factOf({ ...SERVER, action: life.action, outcome: life.outcome });
}

/** Messages of these states name roles, databases and objects, and hold no values. */
function refusalFact({ message, fields, ...who }: Said, states: RegExp, action: string): EngineFact | null {
  if (!states.test(textOf(fields, 'state_code'))) return null;
  const { actor, target, address } = who;
  return factOf({ actor, target, address, action, outcome: 'refused', reason: message });
}

function objectIn(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

/** Null for another form, another zone, or a day that there is not. */
function timeIn(text: string): number | null {
  const parts = TIME.exec(text);
  return parts === null ? null : timeOf(`${parts[1]}T${parts[2]}Z`);
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}
