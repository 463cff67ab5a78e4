/**
 * `npm run pack:client`: assembles the npm package `@everseal/client` in dist/packages/client, and packs it: the compiled
 * files that the client reaches, their type declarations, and a package.json with the same pinned dependencies as here.
 * It publishes nothing.
 *
 *     --no-tarball   the folder only
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, runScript, setup, SetupFailure } from './setup.mjs';

const DIST = path.join(ROOT, 'dist');
const PACKAGE = path.join(DIST, 'packages', 'client');
const ENTRY = 'libs/client/src/index';
const IMPORT = /(\bfrom\s+|\bimport\s*\(\s*|^import\s+)(["'])([^"']+)\2/gm;
const README = `# @everseal/client

Records audit events with Everseal, a tamper-evident audit log, and gives a verified proof back for each.
Types and docstrings come with it; options, the outbox and failures are described in docs/operations/producers.md of the project.
`;

await runScript(() => {
  const { values } = parseArgs({ options: { 'no-tarball': { type: 'boolean' } } });
  setup({});
  rmSync(PACKAGE, { recursive: true, force: true });
  const code = reached(path.join(DIST, `${ENTRY}.js`));
  for (const file of code.files) put(file, readFileSync(file, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, ''));
  const types = declarations();
  const declared = reached(path.join(types, `${ENTRY}.d.ts`));
  for (const file of declared.files) put(file, readFileSync(file, 'utf8'), types);
  rmSync(types, { recursive: true, force: true });
  const bare = new Set([...code.bare, ...declared.bare].filter((name) => !name.startsWith('node:')));
  writeFileSync(path.join(PACKAGE, 'package.json'), `${JSON.stringify(manifest([...bare].sort()), null, 2)}\n`);
  writeFileSync(path.join(PACKAGE, 'README.md'), README);
  copyFileSync(path.join(ROOT, 'LICENSE'), path.join(PACKAGE, 'LICENSE'));
  console.log(`${code.files.length} files, ${declared.files.length} declarations in ${path.relative(ROOT, PACKAGE)}`);
  if (!values['no-tarball']) run('npm', ['pack', '--silent', '--pack-destination', path.dirname(PACKAGE)], PACKAGE);
});

/** A file and all that it imports from beside it, and the names of packages that these import. */
function reached(entry) {
  const [files, bare] = [new Set(), new Set()];
  const visit = (file) => {
    if (files.has(file)) return;
    files.add(file);
    for (const [, , , name] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      if (!name.startsWith('.')) bare.add(name);
      else visit(path.resolve(path.dirname(file), file.endsWith('.d.ts') ? name.replace(/\.js$/, '.d.ts') : name));
    }
  };
  visit(entry);
  return { files: [...files], bare: [...bare] };
}

/** Declarations of the client and of the libs it is made of, which name each other by relative paths. */
function declarations() {
  const out = path.join(DIST, 'packages', 'types');
  const tsc = path.join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc');
  const flags = ['--declaration', '--emitDeclarationOnly', '--noEmit', 'false', '--sourceMap', 'false'];
  run(process.execPath, [tsc, ...flags, '--outDir', out, '-p', 'libs/client/tsconfig.lib.json'], ROOT);
  const relate = (file) => {
    const here = path.dirname(file);
    const text = readFileSync(file, 'utf8').replace(/(["'])@everseal\/([a-z-]+)\1/g, (_, quote, lib) => {
      const target = path.relative(here, path.join(out, 'libs', lib, 'src', 'index.js'));
      return `${quote}${target.startsWith('.') ? target : `./${target}`}${quote}`;
    });
    writeFileSync(file, text);
    return text;
  };
  const done = new Set();
  const visit = (file) => {
    if (done.has(file)) return;
    done.add(file);
    for (const [, , , name] of relate(file).matchAll(IMPORT)) {
      if (name.startsWith('.')) visit(path.resolve(path.dirname(file), name.replace(/\.js$/, '.d.ts')));
    }
  };
  visit(path.join(out, `${ENTRY}.d.ts`));
  return out;
}

function put(file, text, from = DIST) {
  const target = path.join(PACKAGE, path.relative(from, file));
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}

function manifest(names) {
  const { version, license, engines, dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const pinned = names.map((name) => {
    if (!dependencies[name]) throw new SetupFailure(`the client imports ${name}, which package.json does not pin`);
    return [name, dependencies[name]];
  });
  return {
    name: '@everseal/client',
    version,
    description: 'Records audit events with Everseal and gives verified proofs back',
    license,
    type: 'module',
    engines,
    exports: { '.': { types: `./${ENTRY}.d.ts`, default: `./${ENTRY}.js` } },
    dependencies: Object.fromEntries(pinned),
  };
}

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new SetupFailure(`${path.basename(command)} ${args[0]} ended with code ${status}`);
}
