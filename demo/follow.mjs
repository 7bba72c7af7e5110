// node follow.mjs AUDIT_LOG: one line for each new event, until interrupted.
import { follow } from './audit-log.mjs';
import { print_event } from './table.mjs';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort());
for await (const event of follow(process.argv[2], stop.signal)) print_event(event);
