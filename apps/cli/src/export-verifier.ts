/**
 * The verifier that an export brings along: `verify.mjs` and the folder `verifier/`, the very files of audit-core that this tool
 * itself checks with, as they were built. They need Node and nothing else.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { usage } from './cli-failure.js';
import type { ExportFolder } from './export-folder.js';

const CORE_IMPORT = /(["'])(?:\.\.\/)+libs\/audit-core\/src\/index\.js\1/g;
const FILES_IMPORT = /(["'])\.\/folder-files\.js\1/g;
const SOURCE_MAP = /^\/\/# sourceMappingURL=.*$/gm;

/** @param built where this file stands when it was built: `apps/cli/src` of the build */
export async function writeVerifier(folder: ExportFolder, built = import.meta.dirname): Promise<void> {
  const core = path.join(built, '..', '..', '..', 'libs', 'audit-core', 'src');
  const names = (await readdir(core)).filter((name) => name.endsWith('.js') && !name.endsWith('.fixture.js'));
  if (names.length === 0)
    throw usage('everseal export runs from the build (npm run everseal): it brings its compiled verifier along');
  for (const name of names) await folder.write(`verifier/core/${name}`, await sourceOf(path.join(core, name)));
  const files = await sourceOf(path.join(built, 'folder-files.js'));
  await folder.write('verifier/folder-files.js', files.replace(CORE_IMPORT, '"./core/index.js"'));
  await folder.write('verifier/package.json', '{ "type": "module" }\n');
  const main = await sourceOf(path.join(built, 'verify-export-main.js'));
  await folder.write(
    'verify.mjs',
    main.replace(CORE_IMPORT, '"./verifier/core/index.js"').replace(FILES_IMPORT, '"./verifier/folder-files.js"'),
  );
}

async function sourceOf(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(SOURCE_MAP, '');
}
