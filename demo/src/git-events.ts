/**
 * This clone's history as audit events: who committed what, when. Real data that everybody who runs the demo has, and an
 * honest example of the audit vocabulary (actor, action, target, outcome).
 */

import { spawnSync } from 'node:child_process';

const FIELD = '\u001f';
const RECORD = '\u001e';
const FORMAT = ['%H', '%an', '%ae', '%aI', '%s', '%P'].join(FIELD) + RECORD;
const MOST_COMMITS = 500;

/** One CloudEvent a commit as NDJSON, oldest first. Empty when this is no git clone. */
export function gitEvents(folder: string): string[] {
  const git = spawnSync('git', ['log', '--reverse', `--max-count=${MOST_COMMITS}`, `--format=${FORMAT}`], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (git.status !== 0) return [];
  const commits = git.stdout.split(RECORD).map((record) => record.trim().split(FIELD));
  return commits.filter((fields) => fields.length === 6).map((fields) => commitEvent(fields as CommitFields));
}

type CommitFields = [hash: string, name: string, email: string, time: string, title: string, parents: string];

function commitEvent([hash, name, email, time, title, parents]: CommitFields): string {
  return JSON.stringify({
    specversion: '1.0',
    id: hash,
    source: 'urn:git:everseal',
    type: 'git.commit',
    time,
    subject: hash,
    data: {
      actor: { id: email, name },
      action: parents.includes(' ') ? 'merge' : 'commit',
      target: { id: hash },
      outcome: 'success',
      context: { title, parents: parents === '' ? [] : parents.split(' ') },
    },
  });
}
