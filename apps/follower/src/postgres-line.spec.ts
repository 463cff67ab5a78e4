import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readPostgresLine } from './postgres-line.js';

const LINE = {
  timestamp: '2026-11-30 09:30:07.250 UTC',
  user: 'everseal_sealer',
  dbname: 'everseal',
  pid: 4711,
  remote_host: '127.0.0.1',
  remote_port: 41_544,
  session_id: '6a1b.1267',
  line_num: 3,
  ps: 'authentication',
  error_severity: 'LOG',
  backend_type: 'client backend',
};
const TIME = Date.parse('2026-11-30T09:30:07.250Z');

const read = (fields: object) => readPostgresLine(JSON.stringify({ ...LINE, ...fields }));
const fact = (fields: object) => read(fields)?.fact;

describe('a line of Postgres', () => {
  it('says who came as whom', () => {
    const message =
      'connection authenticated: identity="CN=sealer-s1" method=cert (/etc/postgresql/18/main/pg_hba.conf:3)';
    expect(read({ message })).toEqual({
      time: TIME,
      fact: {
        action: 'postgres.authenticate',
        actor: 'CN=sealer-s1',
        target: 'everseal_sealer',
        outcome: 'allowed',
        reason: '',
        address: '127.0.0.1',
        details: { database: 'everseal', method: 'cert' },
      },
    });
    const login =
      'connection authorized: user=everseal_sealer database=everseal application_name=sealer-s1 ' +
      'SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)';
    expect(fact({ message: login })).toMatchObject({
      action: 'postgres.login',
      actor: 'everseal_sealer',
      target: 'everseal',
      outcome: 'allowed',
      details: { application: 'sealer-s1', tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384' },
    });
    expect(fact({ message: 'connection authorized: user=x database=y' })?.details).toEqual({ tls: 'none' });
    const replication = 'replication connection authorized: user=x application_name=standby';
    expect(fact({ message: replication })?.details).toEqual({
      application: 'standby',
      tls: 'none',
      replication: 'yes',
    });
  });

  it.each([
    ['28000', 'pg_hba.conf rejects connection for host "127.0.0.1", user "x", database "y", no encryption'],
    ['28000', 'connection requires a valid client certificate'],
    ['28000', 'certificate authentication failed for user "everseal_sealer"'],
    ['28000', 'role "nobody" does not exist'],
    ['28P01', 'password authentication failed for user "x"'],
    ['3D000', 'database "nothing" does not exist'],
    ['53300', 'too many connections for role "x"'],
  ])('says who was not let in: %s %s', (state_code, message) => {
    const detail = 'Connection matched file "pg_hba.conf" line 3: "host all all all ldap ldapbindpasswd=s3cret"';
    const refused = fact({ error_severity: 'FATAL', state_code, message, detail });
    expect(refused).toMatchObject({
      action: 'postgres.login',
      actor: 'everseal_sealer',
      outcome: 'refused',
      reason: message,
    });
    expect(JSON.stringify(refused)).not.toContain('s3cret');
  });

  it('says whose certificate is not for the role', () => {
    const message = 'no match in usermap "everseal" for user "postgres" authenticated as "ingest-a"';
    expect(fact({ user: 'postgres', message })).toMatchObject({
      action: 'postgres.authenticate',
      actor: 'ingest-a',
      target: 'postgres',
      outcome: 'refused',
    });
  });

  it('says whose handshake failed, with what it knows of the certificate', () => {
    const message = 'could not accept SSL connection: certificate verify failed';
    const detail =
      'Client certificate verification failed at depth 0: unable to get local issuer certificate.\nFailed certificate data (unverified): subject "/CN=x"';
    expect(fact({ user: undefined, dbname: undefined, message, detail })).toMatchObject({
      action: 'postgres.handshake',
      actor: 'unknown',
      outcome: 'failed',
      reason: 'certificate verify failed',
      details: { certificate: detail.replace('\n', ' ') },
    });
  });

  it('says what was asked to be changed, without the secrets in it', () => {
    const message = "statement: ALTER ROLE x PASSWORD 'hunter2'";
    expect(fact({ message, application_name: 'psql', detail: "Parameters: $1 = 'hunter2'" })).toEqual({
      action: 'postgres.alter.role',
      actor: 'everseal_sealer',
      target: 'everseal',
      outcome: 'asked',
      reason: '',
      address: '127.0.0.1',
      details: { statement: "ALTER ROLE x PASSWORD '...'", application: 'psql' },
    });
    expect(fact({ message: 'execute <unnamed>: CREATE TABLE a ()' })?.action).toBe('postgres.create.table');
    const several = fact({ message: 'statement: CREATE TABLE a (); DROP TABLE b' });
    expect([several?.action, several?.details['actions']]).toEqual(['postgres.several', 'create.table drop.table']);
    const hidden = fact({ message: "execute it's: ALTER ROLE x PASSWORD 'hunter2'" });
    expect([hidden?.action, JSON.stringify(hidden)]).toEqual([
      'postgres.statement',
      expect.not.stringContaining('hunter2'),
    ]);
  });

  it('says what was not permitted', () => {
    const error = { error_severity: 'ERROR', state_code: '42501', message: 'permission denied for table block' };
    expect(fact({ ...error, statement: "UPDATE block SET x = 'hunter2'" })).toMatchObject({
      action: 'postgres.permission',
      outcome: 'refused',
      reason: 'permission denied for table block',
      details: {},
    });
    expect(fact({ ...error, state_code: '42P01' })).toBeNull();
  });

  it('says what became of the server and its settings, without their values', () => {
    const server = (message: string) => {
      const one = fact({
        user: undefined,
        dbname: undefined,
        remote_host: undefined,
        backend_type: 'postmaster',
        message,
      });
      return one && [one.action, one.target, one.outcome];
    };
    expect(server('database system is ready to accept connections')).toEqual(['postgres.start', 'postgres', 'allowed']);
    expect(server('received fast shutdown request')).toEqual(['postgres.stop', 'postgres', 'asked']);
    expect(server('received SIGHUP, reloading configuration files')).toEqual(['postgres.reload', 'postgres', 'asked']);
    expect(server('SSL configuration was not reloaded')).toEqual(['postgres.reload', 'postgres', 'failed']);
    const setting = 'parameter "primary_conninfo" changed to "password=hunter2"';
    expect(server(setting)).toEqual(['postgres.configure', 'primary_conninfo', 'asked']);
    expect(fact({ message: setting })).toBeNull();
  });

  it('tells nothing of all else, and says so', () => {
    for (const message of ['connection received: host=127.0.0.1 port=1', 'checkpoint starting: time', '']) {
      expect(read({ message })).toEqual({ time: TIME, fact: null });
    }
    expect(
      read({ error_severity: 'FATAL', state_code: '57P03', message: 'the database system is starting up' }),
    ).toEqual({
      time: TIME,
      fact: null,
    });
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '{}',
    '2026-11-30 09:30:07.250 UTC [4711] LOG:  statement: CREATE TABLE a ()',
    JSON.stringify({ ...LINE, timestamp: '2026-11-30 09:30:07.250 CET' }),
    JSON.stringify({ ...LINE, timestamp: '2026-02-30 09:30:07.250 UTC' }),
    JSON.stringify({ ...LINE, timestamp: '0000-02-01 09:30:07.250 UTC' }),
    JSON.stringify({ ...LINE, timestamp: 7 }),
    JSON.stringify({ ...LINE, error_severity: undefined }),
  ])('is none: %j', (line) => {
    expect(readPostgresLine(line)).toBeNull();
  });

  it('is read or not, whatever it is', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('FATAL', '28000', 'statement: ', "execute x: '", '42501'));
    const fields = fc.dictionary(fc.constantFrom(...Object.keys(LINE), 'message', 'detail', 'state_code'), value);
    fc.assert(
      fc.property(fields, (over) => {
        const reading = read(over);
        expect(reading?.fact === null || typeof (reading?.fact?.action ?? '') === 'string').toBe(true);
      }),
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (line) => expect(readPostgresLine(line) ?? null).toBeNull()));
  });
});
