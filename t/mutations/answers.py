"""What of an MCP server's answer reaches its caller."""
from mutation import Mutation

SIGHT = "src/gateway/sight.cpp"
EDIT = "src/gateway/list_edit.cpp"
COURSE = "src/gateway/response_course.cpp"
LISTING = "src/response/listing.cpp"
TOOL_LISTING = "src/response/tool_listing.cpp"
STREAM = "src/mcp/event_stream.cpp"
REWRITING = "src/nginx/request/rewriting.cpp"

ALL = [
    Mutation("a list shows what its caller may not see", [
        (SIGHT, "seen = policy::evaluate(question, *facts_).visible ?",
         "seen = !policy::evaluate(question, *facts_).visible || true ?")], ["test_mcp_lists.py"]),
    Mutation("what no block names is listed", [
        (SIGHT, "return route == nullptr ? call_.location->mode != Mode::enforce : sees(*route);",
         "return route == nullptr || sees(*route);")], ["test_mcp_lists.py"]),
    Mutation("one caller's list is another's", [
        (SIGHT, "if (entry->location != &location || !same(entry->facts, facts) || !same(entry->principal, principal)) "
         "continue;", "if (entry->location != &location) continue;")], ["test_mcp_lists.py"]),
    Mutation("lists that come again on another stream pass", [
        (EDIT, "if (way == ResponseCourse::Way::events || is_stream || call.category == mcp::Category::list)",
         "if (call.category == mcp::Category::list)")], ["test_mcp_lists.py"]),
    Mutation("an encoded answer passes", [
        (COURSE, "if (head.encoded && (stands_between(call) || lists)) return fail(Reason::answer_encoded);",
         "if (head.encoded) return std::optional<Way>();")], ["test_mcp_lists.py"]),
    Mutation("a list of another media type passes", [
        (COURSE, "if (lists && good) return fail(Reason::answer_malformed);", "static_cast<void>(good);")],
        ["test_mcp_lists.py"]),
    Mutation("members in other letters are no list", [
        (LISTING, 'if (has_lookalike(result, result_names())) return "the result has a key that looks like a list\'s";',
         "static_cast<void>(result_names());")], ["test_mcp_lists.py"]),
    Mutation("the look at the bytes doesn't see escapes", [
        (LISTING, "const bool escape = (before == '\\\\') & (c == 'u');", "const bool escape = false;")],
        ["test_mcp_lists.py"]),
    Mutation("the comma of an item that is taken out stays", [
        ("src/response/splices.cpp", "const std::size_t to = last ? end_of(size - 1) : begin_of(next);",
         "const std::size_t to = end_of(next - 1);")], ["test_mcp_lists.py"]),
    Mutation("an event may be of any size", [
        (STREAM, "if (taken.size() > most_ - std::min(most_, held_.size())) {", "if (taken.size() > most_) {")],
        ["test_mcp_lists.py"]),
    Mutation("a stream goes on after its refusal", [
        (COURSE, "ResponseCourse::Step ResponseCourse::feed(std::string_view bytes, std::string& out) {\n"
         "  if (refused_) return Step::refused;",
         "ResponseCourse::Step ResponseCourse::feed(std::string_view bytes, std::string& out) {")],
        ["test_mcp_lists.py"]),
    Mutation("a search shows what its caller may not see", [
        (TOOL_LISTING, "if (sifted->count.hidden > 0) remove_elements(*sifted->list, text_, sifted->taken, splices_);", "")],
        ["test_mcp_tool_lists.py"]),
    Mutation("the text beside a search's list says it all the same", [
        (TOOL_LISTING, "if (sifted->count.hidden == 0) return std::nullopt;",
         "if (sifted->count.hidden < text_.size()) return std::nullopt;")], ["test_mcp_tool_lists.py"]),
    Mutation("a search's answer in prose passes", [
        (TOOL_LISTING, 'if (!root) return unless_other("a text of its content isn\'t JSON");',
         "if (!root) return std::nullopt;")], ["test_mcp_tool_lists.py"]),
    Mutation("a search inside another tool shows all", [
        ("src/gateway/tool_lists.cpp", "if (const auto* inner = enforced_listing_of(one.route)) out.push_back(inner);",
         "static_cast<void>(one);")], ["test_mcp_tool_lists.py"]),
    Mutation("a list may be kept for as long as the server likes", [
        (LISTING, "if (*given > caching.most_ms)", "if (*given < 0)")], ["test_mcp_lists.py"]),
    Mutation("what breaks off is passed on", [
        (REWRITING, "if (!broken) return NGX_OK;\n  course_->broke_off();\n  return send_refusal(r);",
         "static_cast<void>(broken);\n  return NGX_OK;")], ["test_mcp_lists.py"]),
]
