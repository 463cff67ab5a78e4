/**
 * Compiles the sources of this repository into a folder, so that a test can run and kill a real process without the build. Like
 * the build it makes `@everseal/<lib>` a relative import; packages are found through a link to node_modules.
 */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@everseal/local';
import { transformSync } from '@swc/core';

const LIB = /(["'])@everseal\/([a-z-]+)\1/g;

/** @returns path of the compiled main file of an app */
export function buildSources(folder: string, app: string): string {
  const root = repositoryRoot();
  for (const part of [`apps/${app}`, ...readdirSync(path.join(root, 'libs')).map((lib) => `libs/${lib}`)]) {
    const from = path.join(root, part, 'src');
    for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || /\.(d|spec|fixture)\.ts$/.test(name)) continue;
      const to = path.join(folder, part, 'src', name.replace(/\.ts$/, '.js'));
      mkdirSync(path.dirname(to), { recursive: true });
      writeFileSync(to, compile(path.join(from, name), path.dirname(to), folder));
    }
  }
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  return path.join(folder, 'apps', app, 'src', 'main.js');
}

function compile(file: string, to: string, folder: string): string {
  const { code } = transformSync(readFileSync(file, 'utf8'), {
    swcrc: false,
    filename: file,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      target: 'es2023',
      keepClassNames: true,
    },
    module: { type: 'es6' },
  });
  return code.replaceAll(LIB, (_, quote: string, lib: string) => {
    const index = path.relative(to, path.join(folder, 'libs', lib, 'src', 'index.js'));
    return `${quote}${index}${quote}`;
  });
}
