"""What the gateway believes of its stores, and what it writes down."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
SEALER = "src/audit/sealer.cpp"
VERIFY = "src/audit/verify.cpp"

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
]
