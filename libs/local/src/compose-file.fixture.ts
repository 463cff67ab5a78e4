/**
 * Reads docker-compose.yml the way a container engine would, as far as this file uses the Compose specification: its shape by a JSON schema,
 * and every name in it (variable, path, volume, secret, service, build stage, program) resolved against what is really there.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';

type Condition = 'service_started' | 'service_healthy' | 'service_completed_successfully';

export interface ComposeService {
  image: string;
  build?: { context: string; target: string };
  command: string[];
  user: string;
  restart: string;
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  secrets?: (string | { source: string; target: string })[];
  depends_on?: Record<string, { condition: Condition }>;
  healthcheck?: { test: string[] };
}

export interface ComposeFile {
  services: Record<string, ComposeService>;
  volumes: Record<string, null>;
  secrets: Record<string, { file: string }>;
}

const strings = { type: 'array', items: { type: 'string' }, minItems: 1 } as const;
const duration = { type: 'string', pattern: '^[0-9]+(ms|s|m|h)$' } as const;
const name = '^[a-zA-Z0-9._-]+$';

/** The parts of the Compose specification that docker-compose.yml may use; whatever else it says is a mistake or needs a line here. */
const SERVICE = {
  type: 'object',
  additionalProperties: false,
  required: ['image', 'command', 'user', 'restart', 'cap_drop', 'security_opt', 'stop_grace_period'],
  properties: {
    image: { type: 'string', pattern: '^[a-z0-9-]+:[A-Za-z0-9._-]+$' },
    build: {
      type: 'object',
      additionalProperties: false,
      required: ['context', 'target'],
      properties: { context: { const: '.' }, target: { type: 'string' } },
    },
    command: strings,
    user: { type: 'string', pattern: '^[0-9]+:[0-9]+$' },
    restart: { enum: ['no', 'unless-stopped'] },
    read_only: { type: 'boolean' },
    init: { type: 'boolean' },
    cap_drop: { const: ['ALL'] },
    security_opt: { const: ['no-new-privileges:true'] },
    stop_grace_period: duration,
    shm_size: { type: 'string', pattern: '^[0-9]+(kb|mb|gb)$' },
    tmpfs: strings,
    environment: { type: 'object', additionalProperties: { type: 'string' } },
    // To this machine only: what is published to a network is the operator's decision.
    ports: { type: 'array', items: { type: 'string', pattern: '^127\\.0\\.0\\.1:[0-9]+:[0-9]+$' } },
    volumes: { type: 'array', items: { type: 'string', pattern: '^[^:]+:/[^:]+(:ro)?$' } },
    secrets: {
      type: 'array',
      items: {
        oneOf: [
          { type: 'string' },
          {
            type: 'object',
            additionalProperties: false,
            required: ['source', 'target'],
            properties: { source: { type: 'string' }, target: { type: 'string', pattern: '^/' } },
          },
        ],
      },
    },
    depends_on: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        required: ['condition'],
        properties: { condition: { enum: ['service_started', 'service_healthy', 'service_completed_successfully'] } },
      },
    },
    healthcheck: {
      type: 'object',
      additionalProperties: false,
      required: ['test', 'interval', 'timeout', 'retries'],
      properties: {
        test: {
          type: 'array',
          items: [{ enum: ['CMD', 'CMD-SHELL'] }],
          additionalItems: { type: 'string' },
          minItems: 2,
        },
        interval: duration,
        timeout: duration,
        retries: { type: 'integer', minimum: 1 },
      },
    },
  },
} as const;

const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  patternProperties: { '^x-': { type: 'object' } },
  required: ['name', 'services', 'volumes', 'secrets'],
  properties: {
    name: { type: 'string', pattern: '^[a-z0-9][a-z0-9_-]*$' },
    services: { type: 'object', additionalProperties: false, patternProperties: { [name]: SERVICE } },
    volumes: { type: 'object', additionalProperties: false, patternProperties: { [name]: { type: 'null' } } },
    secrets: {
      type: 'object',
      additionalProperties: false,
      patternProperties: {
        [name]: {
          type: 'object',
          additionalProperties: false,
          required: ['file'],
          properties: { file: { type: 'string' } },
        },
      },
    },
  },
};

/** Where the repository is and what `--env-file` says. */
export interface ComposePlace {
  root: string;
  variables: Readonly<Record<string, string>>;
  dockerfile: string;
}

/** The file with anchors merged and variables put in. Throws on an unset variable. */
export function readCompose(text: string, variables: Readonly<Record<string, string>>): ComposeFile {
  const filled = text.replaceAll(
    /\$\{([A-Z_]+)(?::([?-])([^}]*))?\}/g,
    (_, variable: string, kind?: string, fallback?: string) => {
      const value = variables[variable] ?? (kind === '-' ? fallback : undefined);
      if (value === undefined) throw new Error(`variable ${variable} is not set`);
      return value;
    },
  );
  return parse(filled, { merge: true }) as ComposeFile;
}

/** Everything that is wrong, one line each; empty when all is well. */
export function composeProblems(file: ComposeFile, place: ComposePlace): string[] {
  const ajv = new Ajv({ allErrors: true, strict: false });
  if (!ajv.validate(SCHEMA, file))
    return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  const used = { volumes: new Set<string>(), secrets: new Set<string>() };
  const problems = Object.entries(file.services).flatMap(([id, service]) =>
    [
      ...dependencyProblems(service, file),
      ...volumeProblems(service, file, place, used.volumes),
      ...secretProblems(service, file, used.secrets),
      ...programProblems(service, place),
    ].map((problem) => `${id}: ${problem}`),
  );
  for (const [secret, { file: source }] of Object.entries(file.secrets)) {
    if (!existsSync(source)) problems.push(`secret ${secret}: ${source} does not exist`);
    else if ((statSync(source).mode & 0o077) !== 0) problems.push(`secret ${secret}: ${source} is open to others`);
  }
  const unused = [
    ...Object.keys(file.volumes).filter((volume) => !used.volumes.has(volume)),
    ...Object.keys(file.secrets).filter((secret) => !used.secrets.has(secret)),
  ];
  return [...problems, ...unused.map((what) => `${what} is declared and not used`)];
}

function dependencyProblems({ depends_on: needs = {} }: ComposeService, { services }: ComposeFile): string[] {
  return Object.entries(needs).flatMap(([id, { condition }]) => {
    const other = services[id];
    if (!other) return [`depends on ${id}, which is no service`];
    if (condition === 'service_healthy' && !other.healthcheck)
      return [`waits for ${id} to be healthy, which has no health check`];
    if (condition === 'service_completed_successfully' && other.restart !== 'no')
      return [`waits for the end of ${id}, which is restarted`];
    return [];
  });
}

function volumeProblems(
  { volumes = [] }: ComposeService,
  file: ComposeFile,
  { root }: ComposePlace,
  used: Set<string>,
): string[] {
  return volumes.flatMap((volume) => {
    const source = volume.slice(0, volume.indexOf(':'));
    if (source.startsWith('/') || source.startsWith('.')) {
      return existsSync(path.resolve(root, source)) ? [] : [`${source} does not exist`];
    }
    used.add(source);
    return source in file.volumes ? [] : [`volume ${source} is not declared`];
  });
}

function secretProblems({ secrets = [] }: ComposeService, file: ComposeFile, used: Set<string>): string[] {
  return secrets.flatMap((secret) => {
    const source = typeof secret === 'string' ? secret : secret.source;
    used.add(source);
    return source in file.secrets ? [] : [`secret ${source} is not declared`];
  });
}

/** The stage exists, and each file of this project that the container runs is one that the Dockerfile puts there. */
function programProblems(
  { build, command, healthcheck }: ComposeService,
  { root, dockerfile }: ComposePlace,
): string[] {
  if (!build) return [];
  if (!new RegExp(`^FROM \\S+ AS ${build.target}$`, 'm').test(dockerfile))
    return [`the Dockerfile has no stage ${build.target}`];
  const files = [...command, ...(healthcheck?.test ?? [])].filter((word) => /^(dist|scripts)\//.test(word));
  if (build.target === 'service' && files.length === 0) return ['runs no program of this project'];
  return files.flatMap((file) => (isInImage(file, root, dockerfile) ? [] : [`${file} is not in the image`]));
}

function isInImage(file: string, root: string, dockerfile: string): boolean {
  const source = file.replace(/^dist\//, '').replace(/\.js$/, '.ts');
  const built = file.startsWith('dist/') && dockerfile.includes('COPY --from=build /app/dist dist\n');
  const copied = dockerfile.includes(`COPY ${file} ${path.dirname(file)}/\n`);
  return existsSync(path.join(root, source)) && (built || copied);
}

/** Where a container sees what: mount points and secrets. */
export function visiblePaths({ volumes = [], secrets = [] }: ComposeService): string[] {
  const mounts = volumes.map((volume) => volume.split(':')[1] as string);
  return [
    ...mounts,
    ...secrets.map((secret) => (typeof secret === 'string' ? `/run/secrets/${secret}` : secret.target)),
  ];
}

/** The `COPY` sources of the Dockerfile that come from the repository. */
export function copiedFiles(dockerfile: string): string[] {
  const copies = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)];
  return copies.flatMap(([, words]) => (words as string).split(' ').slice(0, -1));
}

export function readText(root: string, file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}
