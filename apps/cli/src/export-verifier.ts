/**
 * The verifier that an export brings along: `verify.mjs` and the folder `verifier/`, the very files that this tool itself checks with, as
 * they were built. They need Node and nothing else.
 *
 *   verifier/core            libs/audit-core
 *   verifier/timestamps      libs/timestamps, where the export has time stamps
 *   verifier/node_modules    the packages that it reads ASN.1 with, their code and licences as they are
 */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { usage } from './cli-failure.js';
import type { ExportFolder } from './export-folder.js';

const SOURCE_MAP = /^\/\/# sourceMappingURL=.*$/gm;
/** Of files in apps/cli, and of a library beside the core: what they import of ours. */
const CORE_IMPORT = /(["'])(?:\.\.\/)+(?:libs\/)?audit-core\/src\/index\.js\1/g;
const TIMESTAMPS_IMPORT = /(["'])(?:\.\.\/)+libs\/timestamps\/src\/index\.js\1/g;
const OWN_IMPORT = /(["'])\.\/(folder-files|exported-stamps)\.js\1/g;
/** What libs/timestamps imports of others. */
const ASN_PACKAGES = ['@peculiar/asn1-cms', '@peculiar/asn1-schema', '@peculiar/asn1-tsp', '@peculiar/asn1-x509'];
/** Of a package: what Node loads of it, and its licence. */
const PACKAGE_FILES = /(?:^|\/)(?:package\.json|[^/]+\.js)$/;
const LICENCE = /^licen[cs]e/i;

/**
 * @param stamps whether the export has time stamps
 * @param built where this file stands when it was built: `apps/cli/src` of the build
 */
export async function writeVerifier(folder: ExportFolder, stamps: boolean, built = import.meta.dirname): Promise<void> {
  const libs = path.join(built, '..', '..', '..', 'libs');
  await writeLibrary(folder, path.join(libs, 'audit-core', 'src'), 'core');
  const own = stamps ? ['folder-files.js', 'exported-stamps.js'] : ['folder-files.js'];
  for (const name of own) {
    const source = await sourceOf(path.join(built, name));
    const core = source.replace(CORE_IMPORT, '"./core/index.js"');
    await folder.write(`verifier/${name}`, core.replace(TIMESTAMPS_IMPORT, '"./timestamps/index.js"'));
  }
  if (stamps) {
    await writeLibrary(folder, path.join(libs, 'timestamps', 'src'), 'timestamps');
    await writePackages(folder, path.join(libs, 'timestamps', 'src', 'index.js'));
  }
  await folder.write('verifier/package.json', '{ "type": "module" }\n');
  const main = await sourceOf(path.join(built, 'verify-export-main.js'));
  const core = main.replace(CORE_IMPORT, '"./verifier/core/index.js"');
  await folder.write('verify.mjs', core.replace(OWN_IMPORT, '"./verifier/$2.js"'));
}

/** The built files of a library. */
async function writeLibrary(folder: ExportFolder, library: string, into: string): Promise<void> {
  const names = (await readdir(library)).filter((name) => name.endsWith('.js') && !name.endsWith('.fixture.js'));
  if (names.length === 0)
    throw usage('everseal export runs from the build (npm run everseal): it brings its compiled verifier along');
  for (const name of names) {
    const source = await sourceOf(path.join(library, name));
    await folder.write(`verifier/${into}/${name}`, source.replace(CORE_IMPORT, '"../core/index.js"'));
  }
}

/** The packages, and those that these need, side by side. */
async function writePackages(folder: ExportFolder, importer: string): Promise<void> {
  const places = new Map<string, string>();
  const waiting = ASN_PACKAGES.map((name) => ({ name, importer }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const manifest = createRequire(next.importer).resolve(`${next.name}/package.json`);
    const place = path.dirname(manifest);
    const known = places.get(next.name);
    if (known !== undefined && known !== place)
      throw usage(`${next.name} is installed twice, in ${known} and ${place}`);
    if (known !== undefined) continue;
    places.set(next.name, place);
    await writePackage(folder, next.name, place);
    const { dependencies = {} } = JSON.parse(await readFile(manifest, 'utf8')) as { dependencies?: object };
    waiting.push(...Object.keys(dependencies).map((name) => ({ name, importer: manifest })));
  }
}

async function writePackage(folder: ExportFolder, name: string, place: string): Promise<void> {
  const files = await readdir(place, { recursive: true });
  for (const file of files.map((one) => one.split(path.sep).join('/'))) {
    if (!LICENCE.test(file) && (!PACKAGE_FILES.test(file) || isUnused(file))) continue;
    await folder.write(`verifier/node_modules/${name}/${file}`, await readFile(path.join(place, file)));
  }
}

/** The same code once more, for bundlers: Node takes the CommonJS form of these packages. */
function isUnused(file: string): boolean {
  return /^build\/(?:es2015|esm|types)\/|\.(?:es|es6)\.js$/.test(file);
}

async function sourceOf(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(SOURCE_MAP, '');
}
