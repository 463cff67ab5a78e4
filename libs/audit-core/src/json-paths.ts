/**
 * Finds the strings at a fixed list of paths in one walk over the tape, each object's members looked at once whatever
 * the number of paths. A path is member names joined by dots, each optionally followed by `[0]`, the first element of
 * an array: `data.targets[0].id`. Own members only, as a tape has no others.
 */
import { JsonKind } from './json-node.js';
import type { JsonTape } from './json-tape.js';
import { MemberNames } from './member-names.js';

/** What is wanted of a value: itself when it is a string (`slot`), its first element, its members. */
interface Branch {
  slot: number;
  first: Branch | null;
  names: MemberNames;
  members: Branch[];
}

export class JsonPaths {
  private readonly root: Branch;

  constructor(paths: readonly string[]) {
    this.root = branchOf(paths.map((path, slot) => ({ slot, steps: path.replaceAll('[0]', '.[0]').split('.') })));
  }

  /** Sets found[i] to the string node at paths[i], or to -1 where there is no string. The root is node 0. */
  find(tape: JsonTape, found: Int32Array): void {
    found.fill(-1);
    visit(tape, 0, this.root, found);
  }
}

function branchOf(paths: readonly { slot: number; steps: readonly string[] }[]): Branch {
  const under = new Map<string, { slot: number; steps: readonly string[] }[]>();
  for (const { slot, steps } of paths) {
    const [step, ...rest] = steps;
    if (step !== undefined) under.set(step, [...(under.get(step) ?? []), { slot, steps: rest }]);
  }
  const first = under.get('[0]');
  under.delete('[0]');
  return {
    slot: paths.find(({ steps }) => steps.length === 0)?.slot ?? -1,
    first: first === undefined ? null : branchOf(first),
    names: new MemberNames([...under.keys()]),
    members: [...under.values()].map(branchOf),
  };
}

/** As deep as the longest path, not as the input. */
function visit(tape: JsonTape, node: number, branch: Branch, found: Int32Array): void {
  const kind = tape.kind(node);
  if (kind === JsonKind.string) {
    if (branch.slot >= 0) found[branch.slot] = node;
  } else if (kind === JsonKind.array) {
    const element = branch.first === null ? -1 : tape.firstElement(node);
    if (element >= 0) visit(tape, element, branch.first!, found);
  } else if (branch.members.length > 0) {
    for (let name = tape.firstName(node); name >= 0; name = tape.nextName(node, name)) {
      const index = tape.nameIndex(name, branch.names);
      if (index >= 0) visit(tape, tape.valueOf(name), branch.members[index]!, found);
    }
  }
}
