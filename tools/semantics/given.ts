// SPDX-License-Identifier: Apache-2.0
// What a rule gives, in words for a cell of a table. Pure.

import type { EndpointGiven, Given, PortGiven, Rule, SliceGiven } from '../../test/semantics/rule.ts';

/** Lines, the first Service first. */
export function givenText({ given, others = {} }: Rule): string {
  return [serviceText(given), ...Object.entries(others).map(([name, of]) => `${name}: ${serviceText(of)}`)].join('\n');
}

export function serviceText(given: Given): string {
  const { type, spec = {}, labels, annotations, status, families, service, ports, endpoints, slices } = given;
  const parts = [
    ...(service === false ? ['no Service'] : []),
    ...(type === undefined ? [] : [type]),
    ...(families === undefined ? [] : [`only IPv${families.join(', IPv')}`]),
    ...Object.entries(spec).map(([field, value]) => code(`${field}: ${compact(value)}`)),
    ...Object.entries(labels ?? {}).map(([key, value]) => `label ${code(`${key}=${value}`)}`),
    ...Object.entries(annotations ?? {}).map(([key, value]) => `annotation ${code(`${key}=${value}`)}`),
    ...(status === undefined ? [] : [code(`status: ${compact(status)}`)]),
    ...(ports === undefined ? [] : [`ports ${ports.map(portText).join(', ')}`]),
    ...(endpoints === undefined ? [] : [endpoints.length === 0 ? 'no endpoint' : endpointTexts(endpoints)]),
    ...(slices === undefined ? [] : [slices.length === 0 ? 'no slice' : slices.map(sliceText).join('; ')]),
  ];
  return parts.join('; ');
}

// --- internal ---

function portText({ name, protocol = 'TCP', port, endpointPort, nodePort }: PortGiven): string {
  const numbers = `${port}${endpointPort === undefined ? '' : ` → ${endpointPort}`}`;
  return `${name === '' ? '(no name)' : name} ${numbers}/${protocol}${nodePort ? ` NodePort ${nodePort}` : ''}`;
}

function endpointTexts(endpoints: readonly EndpointGiven[]): string {
  return endpoints.map(endpointText).join(', ');
}

function endpointText(given: EndpointGiven): string {
  if (typeof given === 'string') return given;
  const { at, conditions, nodeName, zone, hints } = given;
  const zones = hints?.forZones?.map(({ name }) => name);
  const nodes = hints?.forNodes?.map(({ name }) => name);
  const notes = [
    ...(conditions === undefined ? [] : [conditionText(conditions)]),
    ...(nodeName === undefined ? [] : [nodeName === null ? 'no nodeName' : `on ${nodeName}`]),
    ...(zone === undefined ? [] : [`in ${zone}`]),
    ...(nodes === undefined ? [] : [`for ${nodes.join(', ')}`]),
    ...(zones === undefined ? [] : [zones.length === 0 ? 'for no zone' : `for ${zones.join(', ')}`]),
  ].filter((note) => note !== '');
  return notes.length === 0 ? at : `${at} (${notes.join(', ')})`;
}

function conditionText(conditions: Readonly<Record<string, boolean | undefined>>): string {
  const said = Object.entries(conditions);
  if (said.length === 0) return 'nothing said';
  if (said.length === 1 && conditions['ready'] === true) return '';
  const [ready, serving, terminating] = ['ready', 'serving', 'terminating'].map((each) => conditions[each]);
  if (said.length === 3 && ready === false) {
    if (serving === false) return terminating === true ? 'no longer serving' : 'not ready';
    if (terminating === true) return 'drains';
  }
  return said.map(([name, value]) => `${name} ${value ? 'yes' : 'no'}`).join(', ');
}

function sliceText({ endpoints, ports, labels = {}, namespace, addressType, addresses }: SliceGiven): string {
  const notes = [
    ...(addressType === undefined ? [] : [addressType]),
    ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
    ...Object.entries(labels).map(([key, value]) => (value === null ? `no label ${key}` : `label ${key}=${value}`)),
    ...(ports === undefined ? [] : [ports.length === 0 ? 'no ports' : `ports ${ports.map(slicePortText).join(', ')}`]),
    ...(addresses === undefined ? [] : [`addresses ${addresses.join(', ')}`]),
  ];
  const of = endpoints.length === 0 ? 'nobody' : endpointTexts(endpoints);
  return `slice of ${of}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
}

function slicePortText({
  name = '(no name)',
  port,
  protocol = 'TCP',
}: NonNullable<SliceGiven['ports']>[number]): string {
  return `${name} ${port === undefined ? 'without a number' : `${port}/${protocol}`}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function compact(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
