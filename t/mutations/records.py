"""What the gateway believes of its stores, and what it writes down."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
SEALER = "src/audit/sealer.cpp"
VERIFY = "src/audit/verify.cpp"
PAGE = "src/status/page.cpp"
STATUS = "src/agwctl/status_view.cpp"

ALL = [
    Mutation("what was asked before an edit is still believed", [
        ("src/grants/file_store.cpp", "      memory.clear();\n", "")], ["test_policy_file.py"]),
    Mutation("a newline goes into the audit log as it is", [
        ("src/audit/cursor.h", 'return (v < 0x20) | (v == \'"\')', 'return (v == \'"\')')], ["test_audit.py"]),
    Mutation("what a dead worker left isn't recovered", [
        (SEALER, "const std::size_t unfinished = here->recover();", "const std::size_t unfinished = 0;"),
        ("src/audit/writer.cpp", "      segment->recover();\n", "")], ["test_audit_journal.py"]),
    Mutation("a batch that was half written is written again", [
        (SEALER, "const std::size_t from = found_again(*file, text);",
         "const std::size_t from = 0;\n  static_cast<void>(&State::found_again);")], ["test_audit_journal.py"]),
    Mutation("a token stands in the error log", [
        (GATEWAY, "line += call.request_id;", "line += call.request_id;\n  line += call.token;")],
        ["test_secrets.py"]),
    Mutation("a worker that missed a good edit goes on", [
        ("src/grants/file_store.cpp", "behind = newest && (!current || newest->bytes != current->digest());",
         "behind = newest && !current;")], ["test_policy_file.py"]),
    Mutation("a Redis's certificate isn't checked", [
        ("src/nginx/adapters/stream.cpp", "SSL_CTX_set_verify(ssl_.ctx, SSL_VERIFY_PEER, nullptr);",
         "SSL_CTX_set_verify(ssl_.ctx, SSL_VERIFY_NONE, nullptr);"),
        ("src/nginx/adapters/stream.cpp",
         "if (!connection->ssl->handshaked || SSL_get_verify_result(connection->ssl->connection) != X509_V_OK) {",
         "if (!connection->ssl->handshaked) {")], ["test_redis_store.py"]),
    Mutation("a line's MAC isn't tied to the line before", [
        (SEALER, "state.mac = mac.of(state.mac, std::string_view(out).substr(begin));",
         "state.mac = mac.of({}, std::string_view(out).substr(begin));")], ["test_audit_journal.py"]),
    Mutation("a removed line isn't found", [
        (VERIFY, "if (tail.seq > chain.next) {", "if (tail.seq > chain.next && chain.closed) {")],
        ["test_audit_journal.py"]),
    Mutation("a cut end isn't found", [
        (VERIFY, "if (last != end.seq || other_mac)", "if (other_mac)")], ["test_audit_journal.py"]),
    Mutation("a report is written over the one before", [
        (PAGE, "std::memcpy(&layout_->reports[next & 1U], &report, sizeof report);",
         "std::memcpy(&layout_->reports[0], &report, sizeof report);"),
        (PAGE, "return layout_->reports[turn & 1U].process;", "return layout_->reports[0].process;"),
        (PAGE, "head_bytes + (head.turn & 1U) * sizeof(Report)", "head_bytes")]),
    Mutation("a successor doesn't tell who died in its place", [
        (PAGE, "process.deaths = before->deaths + 1;", "process.deaths = 0;")], ["test_status.py"]),
    Mutation("a dead worker's page is taken for a living one's", [
        ("src/agwctl/status.cpp", "if (!owned) told.life = Told::Life::dead;", "")], ["test_status.py"]),
    Mutation("a worker that doesn't hear of changes is well", [
        (STATUS, "if (is_told(store.kind) && store.hears == 0)",
         "if (is_told(store.kind) && store.hears == 0 && store.connects == ~std::uint64_t{0})")],
        ["test_status.py"]),
    Mutation("a worker that tells nothing any more is well", [
        ("src/agwctl/status_view.h", "silent_after{5000}", "silent_after{5000000}")]),
    Mutation("a worker that is replaced is judged like its successor", [
        (STATUS, "return told.report.draining != 0 || told.report.process.generation < newest_;",
         "return told.report.draining != 0;")]),
    Mutation("the sealer interrupts workers", [
        ("src/nginx/sealing.cpp", "::sched_setscheduler(0, SCHED_BATCH, &none)", "::sched_setscheduler(0, SCHED_OTHER, &none)")],
        ["test_audit_journal.py"]),
    Mutation("the sealer yields while the journal fills", [
        (SEALER, "told.fullest < told.slots / told.segments / yielding_part;",
         "told.fullest <= told.slots * yielding_part;")]),
]
