/**
 * The database's own description of itself, as lines of text that can be compared: what a superuser would have to change
 * to get past the guards without touching a row (disabled triggers, rules, policies, grants, new superusers, ways in). It
 * needs no rights beyond SELECT on the system catalogs, and EXECUTE on the two functions that show pg_hba.conf and
 * pg_ident.conf.
 *
 * Two parts. `schema` is the same in every installation and stands in schema-catalog.ts. `installation` is what a
 * deployment decides (other schemas, roles and their settings, event triggers, who gets in). What was agreed on for both is
 * signed by the deploy step (audit-core, catalog-note.ts). A line is one fact, `<kind> <name>: <what>`; the lines of a part are sorted and unique.
 *
 * The partitions of event_index come with time. What they have in common is given once, with `#` for the number; the lines
 * of one that differs keep its number.
 */
import type { Pool, PoolClient } from 'pg';
import { onConnection } from '../transaction.js';

export interface Catalog {
  schema: string[];
  installation: string[];
  /** Partitions of event_index, numbered from 0. */
  partitions: number;
}

/** Grants beyond the owner's own, as `role=PRIVILEGE,…`. */
const grants = (acl: string, owner: string): string => `coalesce((
  SELECT string_agg(who || '=' || what, ' ' ORDER BY who) FROM (
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS who,
           string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ',' ORDER BY privilege_type) AS what
    FROM aclexplode(${acl}) WHERE grantee <> ${owner} GROUP BY grantee) AS g), '-')`;

const IN_SCHEMA = "relnamespace = to_regnamespace('everseal')";

/** Each gives rows of one column `line`. The names in them are those of pg_catalog. */
const SCHEMA_FACTS = [
  `SELECT format('schema everseal: owner %s, %s', nspowner::regrole, ${grants('nspacl', 'nspowner')})
   FROM pg_namespace WHERE nspname = 'everseal'`,

  `SELECT format('relation %s: kind %s, owner %s, persistence %s, row security %s/%s, options %s, bound %s, %s', relname, relkind,
     relowner::regrole, relpersistence, relrowsecurity, relforcerowsecurity, coalesce(reloptions::text, '-'),
     coalesce(pg_get_expr(relpartbound, oid), '-'), ${grants('relacl', 'relowner')})
   FROM pg_class WHERE ${IN_SCHEMA} AND relkind NOT IN ('i', 'I')`,

  `SELECT format('column %s.%s: %s %s, null %s, default %s, generated %s, identity %s, collation %s, storage %s, %s', relname,
     lpad(attnum::text, 2, '0'), attname, format_type(atttypid, atttypmod), NOT attnotnull,
     coalesce(pg_get_expr(adbin, adrelid), '-'), attgenerated, attidentity,
     coalesce((SELECT collname FROM pg_collation c WHERE c.oid = attcollation), '-'), attstorage,
     ${grants('attacl', 'relowner')})
   FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
   WHERE ${IN_SCHEMA} AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 AND NOT attisdropped`,

  // NOT NULL is a constraint of its own from Postgres 18 on; the columns above say it for every version.
  `SELECT format('constraint %s.%s: %s, valid %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
   FROM pg_constraint WHERE connamespace = to_regnamespace('everseal') AND contype <> 'n'`,

  `SELECT format('index %s: %s, valid %s, ready %s', c.relname, pg_get_indexdef(indexrelid), indisvalid, indisready)
   FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE ${IN_SCHEMA}`,

  `SELECT format('trigger %s.%s: %s, fires %s', tgrelid::regclass, tgname, pg_get_triggerdef(t.oid), tgenabled)
   FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE ${IN_SCHEMA} AND NOT tgisinternal`,

  // The triggers behind foreign keys, counted by state: they have no names of their own.
  `SELECT format('key triggers of %s: %s', tgrelid::regclass, string_agg(DISTINCT tgenabled::text, ''))
   FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE ${IN_SCHEMA} AND tgisinternal GROUP BY tgrelid`,

  `SELECT format('rule %s.%s: %s', ev_class::regclass, rulename, pg_get_ruledef(r.oid))
   FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE ${IN_SCHEMA}`,

  `SELECT format('policy %s.%s: %s %s', polrelid::regclass, polname, polcmd, pg_get_expr(polqual, polrelid))
   FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE ${IN_SCHEMA}`,

  `SELECT format('function %s(%s): owner %s, definer %s, settings %s, body %s, %s', proname,
     pg_get_function_identity_arguments(p.oid), proowner::regrole, prosecdef, coalesce(proconfig::text, '-'),
     encode(sha256(convert_to(prosrc, 'UTF8')), 'hex'),
     ${grants("coalesce(proacl, acldefault('f', proowner))", 'proowner')})
   FROM pg_proc p WHERE pronamespace = to_regnamespace('everseal')`,
];

/** The two functions about files need a grant, which the set-up of the database gives to the verifier. */
const INSTALLATION_FACTS = [
  `SELECT format('database: owner %s, %s', datdba::regrole, ${grants("coalesce(datacl, acldefault('d', datdba))", 'datdba')})
   FROM pg_database WHERE datname = current_database()`,

  `SELECT format('schema %s: owner %s, %s', nspname, nspowner::regrole, ${grants('nspacl', 'nspowner')})
   FROM pg_namespace WHERE nspname NOT IN ('everseal', 'pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'`,

  `SELECT format('extension %s: %s', extname, extversion) FROM pg_extension`,

  `SELECT format('event trigger %s: %s, %s, fires %s', evtname, evtevent, evtfoid::regproc, evtenabled) FROM pg_event_trigger`,

  `SELECT format('role %s: superuser %s, bypass %s, create role %s, create database %s, replication %s, login %s, inherit %s',
     rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin, rolinherit)
   FROM pg_roles WHERE rolname ~ '^everseal_' OR rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication`,

  `SELECT format('member %s of %s: admin %s', member::regrole, roleid::regrole, admin_option) FROM pg_auth_members
   WHERE roleid::regrole::text !~ '^pg_' OR member::regrole::text !~ '^pg_'`,

  `SELECT format('setting for role %s in database %s: %s', CASE setrole WHEN 0 THEN 'any' ELSE setrole::regrole::text END,
     coalesce((SELECT datname FROM pg_database d WHERE d.oid = setdatabase), 'any'), setting)
   FROM pg_db_role_setting, unnest(setconfig) AS setting
   WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`,

  // Large objects are writes that no table privilege covers; others of these read the server's files.
  `SELECT format('system function %s: %s', oid::regprocedure, ${grants("coalesce(proacl, acldefault('f', proowner))", 'proowner')})
   FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
     AND (proacl IS NOT NULL OR proname ~ '^lo_' OR proname IN ('loread', 'lowrite'))`,

  // The words that this description itself is made of: whoever may replace them could let the catalog lie.
  `SELECT format('system functions: %s', encode(sha256(convert_to(string_agg(concat_ws(' ', p.oid::text, proname, prolang::text,
     prorettype::text, proargtypes::text, proowner::text, prosecdef::text, proconfig::text, prosrc, probin), chr(10) ORDER BY p.oid),
     'UTF8')), 'hex'))
   FROM pg_proc p WHERE pronamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,

  `SELECT format('system views: %s', encode(sha256(convert_to(string_agg(concat_ws(' ', relname, ev_type::text, ev_enabled::text,
     md5(ev_action::text)), chr(10) ORDER BY relname, rulename), 'UTF8')), 'hex'))
   FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class
   WHERE relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,

  // Who gets in. What the files say now: a server that was not told to reload them may still work by older ones.
  `SELECT format('hba %s: %s, database %s, user %s, address %s, mask %s, method %s, options %s, error %s', lpad(rank::text, 3, '0'),
     type, database::text, user_name::text, coalesce(address, '-'), coalesce(netmask, '-'), auth_method,
     coalesce(regexp_replace(options::text, '(passwd|secrets?)=[^,}]*', '\\1=(not shown)', 'g'), '-'), coalesce(error, '-'))
   FROM pg_hba_file_rules() WITH ORDINALITY AS rules (rule, file, line, type, database, user_name, address, netmask, auth_method,
     options, error, rank)`,

  `SELECT format('ident %s: certificate %s is role %s, error %s', coalesce(map_name, '-'), coalesce(sys_name, '-'),
     coalesce(pg_username, '-'), coalesce(error, '-'))
   FROM pg_ident_file_mappings() AS mappings (number, file, line, map_name, sys_name, pg_username, error)`,
];

/** Reads the catalog in one snapshot. @throws StoreError */
export async function readCatalog(pool: Pool): Promise<Catalog> {
  return onConnection(pool, 'reading the catalog', async (client) => {
    // Names are written with their schema where that is not in the path: nothing of ours may depend on it.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog');
    const { rows } = await client.query<{ partitions: number }>(
      `SELECT count(*)::integer AS partitions FROM pg_inherits WHERE inhparent = to_regclass('everseal.event_index')`,
    );
    const schema = await linesOf(client, SCHEMA_FACTS);
    const installation = await linesOf(client, INSTALLATION_FACTS);
    await client.query('COMMIT');
    const partitions = rows[0]!.partitions;
    return { schema: foldPartitions(schema), installation: installation.sort(), partitions };
  });
}

async function linesOf(client: PoolClient, facts: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const fact of facts) {
    const { rows } = await client.query<[string]>({ text: fact, rowMode: 'array' });
    for (const [line] of rows) lines.push(line.replaceAll(UNPRINTABLE, escaped));
  }
  return lines;
}

/** A line is one line, whatever somebody has put into a name or a body. */
const UNPRINTABLE = /[\p{Cc}\\]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Lines about partitions, with `#` for their number and their bounds checked. What most of them have in common is given once,
 * whoever does not have it is named; what only some have keeps their numbers.
 */
function foldPartitions(lines: readonly string[]): string[] {
  const numbers = new Set(lines.flatMap((line) => /^relation event_index_p(\d+):/.exec(line)?.[1] ?? []));
  const folded = new Map<string, Map<string, string>>();
  const rest: string[] = [];
  const add = (more: Iterable<string>): void => {
    for (const line of more) rest.push(line);
  };
  for (const line of lines) {
    const number = /\bevent_index_p(\d+)/.exec(line)?.[1];
    if (number === undefined) {
      rest.push(line);
      continue;
    }
    const bound = `FROM ('${BigInt(number) << 25n}') TO ('${(BigInt(number) + 1n) << 25n}')`;
    const same = line.replaceAll(`event_index_p${number}`, 'event_index_p#').replace(bound, 'FROM # TO #');
    folded.set(same, (folded.get(same) ?? new Map<string, string>()).set(number, line));
  }
  for (const [same, having] of folded) {
    if (having.size * 2 <= numbers.size) add(having.values());
    else {
      const without = [...numbers].filter((number) => !having.has(number));
      add([same, ...lacking(same, without)]);
    }
  }
  return rest.sort();
}

function lacking(line: string, numbers: readonly string[]): string[] {
  return numbers.map((number) => `partition event_index_p${number}: lacks ${line}`);
}
