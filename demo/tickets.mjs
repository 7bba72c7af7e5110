// The tickets, and what can be done with them; the MCP server and the REST API are two doors to it.
const tickets = new Map([
  ['T-391', { title: 'Printer on fire', status: 'open' }],
  ['T-412', { title: 'Cannot log in', status: 'open' }],
]);
const pages = ['Getting started', 'How to close a ticket', 'When a printer burns'];

export const read_ticket = (id) => tickets.has(id) ? { id, ...tickets.get(id) } : undefined;

export function close_ticket(id) {
  if (!tickets.has(id)) return undefined;
  tickets.get(id).status = 'closed';
  return read_ticket(id);
}

export const search_docs = (query) => pages.filter((page) => page.toLowerCase().includes(query.toLowerCase()));
