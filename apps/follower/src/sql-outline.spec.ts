import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { outlineSql } from './sql-outline.js';

const SECRET = 'hunter2';

describe('the outline of a statement', () => {
  it.each([
    ['CREATE TABLE a (b int)', 'CREATE TABLE a (b int)', ['create.table']],
    ["ALTER ROLE x PASSWORD 'hunter2'", "ALTER ROLE x PASSWORD '...'", ['alter.role']],
    [
      'create  or\treplace\nfunction f() returns int',
      'create or replace function f() returns int',
      ['create.function'],
    ],
    ['CREATE UNIQUE INDEX CONCURRENTLY i ON t (c)', 'CREATE UNIQUE INDEX CONCURRENTLY i ON t (c)', ['create.index']],
    ['GRANT SELECT ON TABLE a TO b', 'GRANT SELECT ON TABLE a TO b', ['grant']],
    [
      'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x',
      'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x',
      ['alter'],
    ],
    [
      'SELECT 1; DROP ROLE x; ALTER TABLE "a;b" OWNER TO c',
      'SELECT 1; DROP ROLE x; ALTER TABLE "a;b" OWNER TO c',
      ['drop.role', 'alter.table'],
    ],
    ['SELECT 1', 'SELECT 1', []],
    ['', '', []],
  ])('of %j', (sql, text, actions) => {
    expect(outlineSql(sql)).toEqual({ text, actions });
  });

  it.each([
    `ALTER ROLE x PASSWORD '${SECRET}'`,
    `ALTER ROLE x PASSWORD 'a''${SECRET}'`,
    `ALTER ROLE x PASSWORD E'a\\'${SECRET}'`,
    `ALTER ROLE x PASSWORD e'\\\\' VALID UNTIL '${SECRET}'`,
    `ALTER ROLE x PASSWORD U&'${SECRET}' UESCAPE '!'`,
    `ALTER ROLE x PASSWORD N'${SECRET}'`,
    `ALTER ROLE x PASSWORD $$${SECRET}$$`,
    `ALTER ROLE x PASSWORD $t$ $$ ${SECRET} $u$ $t$`,
    `ALTER ROLE x PASSWORD $é$${SECRET}$é$`,
    // By standard_conforming_strings it ends at the quote in front of the secret, or goes on.
    `ALTER ROLE x PASSWORD 'a\\' ${SECRET} '`,
    `ALTER ROLE x PASSWORD 'a\\'${SECRET}'`,
    `ALTER ROLE x PASSWORD '${SECRET}`,
    `ALTER ROLE x PASSWORD E'\\'${SECRET}`,
    `ALTER ROLE x PASSWORD $t$${SECRET}$T$`,
    `ALTER ROLE x /* ' */ PASSWORD /* ${SECRET} /* ' */ ${SECRET} */ '${SECRET}'`,
    `ALTER ROLE x -- it's\n PASSWORD '${SECRET}' -- ${SECRET}`,
    `ALTER ROLE x /* ${SECRET}`,
    `ALTER ROLE "it's" PASSWORD '${SECRET}'`,
    `ALTER ROLE "a""'b" PASSWORD '${SECRET}'`,
    `ALTER ROLE a$b$ PASSWORD '${SECRET}' -- $b$`,
    `ALTER ROLE x PASSWORD'${SECRET}'`,
    `CREATE SUBSCRIPTION s CONNECTION 'password=${SECRET}' PUBLICATION p`,
    `DO $$ BEGIN EXECUTE 'ALTER ROLE x PASSWORD ''${SECRET}'''; END $$`,
    `SELECT $1$$${SECRET}$$`,
  ])('holds no literal and no comment: %j', (sql) => {
    expect(outlineSql(sql).text).not.toContain(SECRET);
  });

  it('control: what is no literal stays', () => {
    expect(outlineSql(`ALTER ROLE ${SECRET}`).text).toContain(SECRET);
    expect(outlineSql(`ALTER ROLE "${SECRET}"`).text).toContain(SECRET);
    expect(outlineSql(`ALTER ROLE a$b$ NOLOGIN; GRANT ${SECRET} TO b$b$`).text).toContain(SECRET);
  });

  it('never shows what was quoted, whatever stands around it', () => {
    // No word of the noise is in the secret's alphabet, and each quoting is whole in itself.
    const noise = fc.stringMatching(/^[a-m0-9 ;(),.$"-]{0,12}$/).filter((text) => !/["$]|--/.test(text));
    const secret = fc.stringMatching(/^[N-Z]{6}$/);
    const quoted = secret.chain((text) =>
      fc.constantFrom(
        `'${text}'`,
        ` E'\\'${text}'`,
        ` $q$${text}$q$`,
        `/*${text}*/`,
        `'${text}''${text}'`,
        `--${text}\n`,
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(noise, quoted), { maxLength: 20 }), (pieces) => {
        expect(outlineSql(pieces.join(' ')).text).not.toMatch(/[N-Z]/);
      }),
    );
  });

  it('ends for anything, in bounded time', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (sql) => expect(typeof outlineSql(sql).text).toBe('string')));
    for (const piece of ["'", "''", '"', '""', '$$', '$a', '/*', '--', '\\', "e'", 'a', ' ', ';', "'\\'"]) {
      expect(outlineSql(piece.repeat(200_000)).actions).toEqual([]);
    }
  });
});
