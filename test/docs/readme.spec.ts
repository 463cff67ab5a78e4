/**
 * Every command that README.md and its companions show has to be one that exists: npm scripts and their flags, the
 * command-line tool's commands and options (asked from its own --help), Nest projects, files. The example producer has to
 * say what the delivered policy makes of a producer. What the commands do is for the system tests and .ci/run.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fixedPorts } from '@everseal/local';
import { identityOf, maySource, mayWrite, readPolicy, submitSubject } from '@everseal/policy';
import { runProgram } from '../../apps/cli/src/program.js';
import { Terminal } from '../../apps/cli/src/terminal.js';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/operations/install.md',
  'docs/operations/local-development.md',
  'docs/operations/certificates.md',
];
const readme = read('README.md');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const { projects } = JSON.parse(read('nest-cli.json')) as { projects: Record<string, unknown> };

/** Where the options of an npm script are read. */
const SOURCES: Readonly<Record<string, string>> = {
  start: 'scripts/start.mjs',
  demo: 'demo/src/main.ts',
  bench: 'bench/src/main.ts',
  reset: 'scripts/reset.mjs',
  'test:soak': 'test/soak/src/main.ts',
  'test:tamper': 'scripts/tamper.mjs',
  'drill:certs': 'test/soak/src/certificate-drill-main.ts',
};

/** The words of every command in the `sh` fences, and of the npm commands in running text. */
function commands(text: string): string[][] {
  const fenced = fencesOf(text, 'sh').flatMap((fence) => fence.replaceAll('\\\n', ' ').split('\n'));
  const inline = [...text.matchAll(/`(np[mx] [^`]+|node scripts\/[^`]+)`/g)].map(([, command]) => String(command));
  return [...fenced, ...inline].map((line) => wordsOf(line)).filter((words) => words.length > 0);
}

function fencesOf(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, fence]) =>
    String(fence),
  );
}

/** Splits as a shell does, as far as these documents need it. */
function wordsOf(line: string): string[] {
  return (line.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? []).map((word) => word.replace(/^(['"])(.*)\1$/, '$2'));
}

/** What is wrong with a command, or null. */
async function problemOf(words: readonly string[]): Promise<string | null> {
  const [program, ...args] = words;
  if (program === 'npm') return problemOfScript(args);
  if (program === 'npx') return problemOfNest(args);
  if (program === 'node') return args[0] === 'producer.mjs' ? null : problemOfFile(args[0] ?? '');
  if (program === 'docker') return problemOfFile('docker-compose.yml');
  // The nats tool is compared with the policy below; curl and assignments of the shell are what they are.
  return program === 'nats' || program === 'curl' || program?.includes('=') ? null : `unknown program ${program}`;
}

async function problemOfScript(words: readonly string[]): Promise<string | null> {
  const [script, ...args] = words[0] === 'run' ? words.slice(1) : words;
  if (script === undefined || !(script in scripts)) return `package.json has no script ${script}`;
  const own = args[0] === '--' ? args.slice(1) : args;
  if (own.length > 0 && args[0] !== '--') return `npm takes the arguments of ${script} for itself: put -- before them`;
  if (script === 'everseal') return problemOfTool(own);
  if (script === 'test') return null;
  const source = read(SOURCES[script] ?? 'package.json');
  const has = (flag: string): boolean =>
    new RegExp(`[\\s{]'?${flag.slice(2)}'?: `).test(source) || source.includes(`'${flag}'`);
  const unknown = flagsOf(own).find((flag) => !has(flag));
  return unknown === undefined ? null : `${script} has no option ${unknown}`;
}

function problemOfNest([nest, start, project]: readonly string[]): string | null {
  return nest === 'nest' && start === 'start' && project !== undefined && project in projects
    ? null
    : `the Nest CLI has no project ${project}`;
}

/** Built files are looked for as sources. */
function problemOfFile(file: string): string | null {
  const source = file.replace(/^dist\/(.*)\.js$/, '$1.ts');
  const name = source.replace('<service>', 'ingest');
  return existsSync(path.join(root, name)) ? null : `there is no ${file}`;
}

async function problemOfTool(args: readonly string[]): Promise<string | null> {
  const names = args
    .slice(0, args[0] === 'access' || args[0] === 'certs' ? 2 : 1)
    .filter((arg) => !arg.startsWith('-') && !arg.startsWith('<'));
  const help = await helpOf(names);
  if (help === null) return `everseal has no command ${names.join(' ')}`;
  const unknown = flagsOf(args).find((flag) => !help.includes(`${flag} `) && !help.includes(`${flag}\n`));
  return unknown === undefined ? null : `everseal ${names.join(' ')} has no option ${unknown}`;
}

async function helpOf(names: readonly string[]): Promise<string | null> {
  let text = '';
  const output = { write: (chunk: string) => ((text += chunk), true), isTTY: false } as unknown as NodeJS.WriteStream;
  const terminal = new Terminal(output, output, false);
  const { signal } = new AbortController();
  const host = { terminal, stdin: (async function* () {})(), now: Date.now, signal, dir: undefined };
  return (await runProgram([...names, '--help'], host)) === 0 &&
    text.startsWith(['Usage: everseal', ...names].join(' '))
    ? text
    : null;
}

function flagsOf(args: readonly string[]): string[] {
  return args.filter((arg) => arg.startsWith('--') && arg !== '--');
}

describe.each(DOCUMENTS)('%s', (document) => {
  it('shows commands that exist', async () => {
    const found = [];
    for (const words of commands(read(document))) {
      const problem = await problemOf(words);
      if (problem !== null) found.push(`${words.join(' ')}: ${problem}`);
    }
    expect(found).toEqual([]);
  });
});

describe('the check of commands', () => {
  it.each([
    'npm run nonsense',
    'npm start -- --nonsense',
    'npm start --infra',
    'npm run everseal -- nonsense',
    'npm run everseal -- submit --nonsense x',
    'npx nest start nonsense',
    'node scripts/nonsense.mjs',
  ])('control: refuses %s', async (command) => {
    expect(await problemOf(wordsOf(command))).not.toBeNull();
  });
});

describe('the example producer', () => {
  const policy = readPolicy(path.join(root, 'everseal.yaml'));
  const { commonName, inboxPrefix } = identityOf(policy.domain, 'producer', 'billing');
  const address = [`tls://localhost:${fixedPorts(policy).nats}`, `.everseal/pki/client/${commonName}`];
  const [withClient = '', ...others] = fencesOf(readme, 'ts');
  const examples = [...others, ...fencesOf(readme, 'sh').filter((fence) => fence.includes('nats request'))];

  it('stands there three times: with the client, with any NATS client, and for the nats tool', () => {
    expect(examples).toHaveLength(2);
    expect(withClient).toContain('libs/client');
  });

  // That it runs is shown by libs/client/src/readme-example.spec.ts.
  it('with the client is a producer of the delivered policy, at the address of npm start', () => {
    for (const text of [...address, '.everseal/trust/main/genesis.note']) expect(withClient).toContain(text);
    const source = /source: '([^']+)'/.exec(withClient)?.[1] ?? '';
    expect({ source, may: maySource(policy, 'billing', 'main', source) }).toEqual({ source, may: true });
    const [, built = ''] = /from '\.\/dist\/([^']+)\.js'/.exec(withClient) ?? [];
    expect(existsSync(path.join(root, `${built}.ts`))).toBe(true);
  });

  it.each(examples)('is a producer of the delivered policy, at the address of npm start', (example) => {
    const wanted = [...address, String(inboxPrefix), submitSubject('main', 'billing')];
    for (const text of wanted) expect(example).toContain(text);
    const source = /"?source"?: ?['"]([^'"]+)['"]/.exec(example)?.[1] ?? '';
    expect({ source, may: maySource(policy, 'billing', 'main', source) }).toEqual({ source, may: true });
    expect(mayWrite(policy, 'billing', 'main')).toBe(true);
  });
});
