// SPDX-License-Identifier: Apache-2.0
// Rules → the document: a table for each topic, kube-proxy beside bpfsvc. Pure.

import { USUAL } from '../../test/semantics/environments.ts';
import { MISSING } from '../../test/semantics/pending.ts';
import type { Held, Rule, Sight, Topic } from '../../test/semantics/rule.ts';
import { givenText } from './given.ts';
import { seenText } from './seen.ts';

export function emitSemantics(topics: readonly Topic[]): string {
  const rules = topics.flatMap((topic) => topic.rules);
  const rows = rules.flatMap(sightsOf).length;
  return [
    '# Semantics',
    '',
    '<!-- Written by tools/semantics from test/semantics/cases: run `make semantics` after a change there. -->',
    '',
    INTRODUCTION,
    '',
    `${rules.length} rules, seen in ${rows} ways, each over IPv4 and IPv6, TCP and UDP, where they differ.`,
    '',
    ...notYet(topics),
    ...topics.flatMap(topicLines),
  ].join('\n');
}

// --- internal ---

const INTRODUCTION = `Each rule is a row, and each row is run on a kernel: \`make test ARGS=test/semantics\`. The numbers are sections of the
specification, kube-proxy 1.36 in iptables and nftables mode. Where bpfsvc does otherwise the row says what, and why.

The stage has two nodes. \`near1\` and \`near2\` are endpoints on this node, \`far1\` and \`far2\` on the other; \`host1\` and \`host2\`
are endpoints in the host network of the two. \`near1:8081\` is the same pod by a second port.

| who asks   | is                                                        | by                         |
| ---------- | --------------------------------------------------------- | -------------------------- |
| \`pod\`      | a pod on this node                                        | socket, and packet         |
| \`near1\`    | a pod on this node that is an endpoint as well            | socket, and packet         |
| \`host\`     | a process of this node                                    | socket                     |
| \`outside\`  | a host behind a router, to which Services are routed      | packet                     |
| \`far\`      | a pod on the other node, where it asks this node          | packet                     |
| \`far host\` | a process of the other node, where it asks this node      | packet                     |

_Socket_: the destination is chosen in \`connect()\` or \`sendmsg()\`. _Packet_: it is chosen where the packet enters this node, by
the device of the pod or by the uplink. What is said without a path holds for both.

_refused_: at once, by bpfsvc: \`ECONNREFUSED\`, a TCP reset, ICMP port unreachable. _dropped_: where kube-proxy drops: a
\`connect()\` fails at once with \`EHOSTUNREACH\`, a packet gets no answer. _shut out_: dropped where \`connect()\` cannot know it, because that
depends on the source address: one of the two. _untouched_: left to the network or the host, as if there
were no Service; where the address of the host outside was claimed, \`outside\` itself answers.

Unless something else is said a Service has TCP and UDP on port 80, and a backend sees the client's own address; from \`outside\`,
\`far\` and \`far host\`, the client's own on this node, and this node's on the other.`;

function sightsOf({ seen = [], steps = [] }: Rule): (Sight | Held)[] {
  return [...seen, ...steps.flatMap((step) => step.seen)];
}

function notYet(topics: readonly Topic[]): string[] {
  const marks = topics.flatMap(({ rules }) =>
    rules.flatMap((rule) =>
      sightsOf(rule).flatMap((sight) => {
        const mark = sight.pending ?? rule.pending;
        return mark === undefined ? [] : typeof mark === 'string' ? [mark] : Object.values(mark);
      }),
    ),
  );
  const features = [...new Set([...marks, ...MISSING.map(({ feature }) => feature)])];
  if (features.length === 0) return [];
  return [`Not yet: ${features.sort().join(', ')}.`, ''];
}

function topicLines({ title, text, environment = USUAL, rules }: Topic): string[] {
  const settings = JSON.stringify(environment.kubeProxy ?? {});
  return [
    `## ${title}`,
    '',
    ...(text === undefined ? [] : [text, '']),
    ...(environment === USUAL ? [] : [`Settings: \`${settings}\``, '']),
    // Columns as wide as their widest cell would be thousands of characters wide.
    '<!-- prettier-ignore-start -->',
    '',
    '| rule | given | kube-proxy | bpfsvc | seen |',
    '| --- | --- | --- | --- | --- |',
    ...rules.map(ruleLine),
    '',
    '<!-- prettier-ignore-end -->',
    '',
  ];
}

function ruleLine(rule: Rule): string {
  const { title, reference, kubeProxy = 'as said', why } = rule;
  const bpfsvc = rule.bpfsvc === undefined ? 'the same' : [rule.bpfsvc, why ?? ''].join(' ').trim();
  const cells = [`${title} (${reference})`, givenText(rule), kubeProxy, bpfsvc, seenText(rule)];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', '<br>')).join(' | ')} |`;
}
