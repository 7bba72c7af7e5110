// Writes the pages of docs/ that are made of tables in the source: directives.md and reasons.md. Usage: agw_docs DIR
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "agw/model/reason.h"

#include "nginx/config/directive_table.h"

namespace {

using namespace agw;
using namespace agw::nginx;

constexpr std::string_view generated = "<!-- Generated from the source by `make docs`; change the table there. -->\n\n";

/// A `|` would end the cell.
std::string cell(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out.empty() ? "–" : out;
}

std::string contexts(unsigned where) {
  std::string out;
  for (auto [bit, name] : {std::pair{in_http, "http"}, {in_server, "server"}, {in_location, "location"}}) {
    if ((where & bit) == 0) continue;
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

void parameters(std::ostream& out, std::span<const ParameterRow> rows) {
  out << "\n| parameter | value | default | what it does |\n|---|---|---|---|\n";
  for (const ParameterRow& row : rows) {
    out << "| `" << row.name << "` | `" << cell(row.syntax) << '`';
    if (!row.unit.empty()) out << ", " << cell(row.unit);
    out << " | " << cell(row.fallback) << " | " << cell(row.summary) << (row.repeatable ? " May be repeated." : "")
        << " |\n";
  }
}

void parameters_without(std::ostream& out, unsigned block) {
  out << "\nIts parameters are those of `agent_tool`";
  std::string_view before = ", without `";
  for (const ParameterRow& row : route_parameters()) {
    if ((row.blocks & block) != 0) continue;
    out << before << row.name << '`';
    before = ", `";
  }
  out << ".\n";
}

void directive(std::ostream& out, const DirectiveRow& row) {
  out << "## " << row.name << "\n\n| | |\n|---|---|\n| syntax | `" << row.name;
  if (!row.syntax.empty()) out << ' ' << cell(row.syntax);
  out << (row.block ? "" : ";") << "` |\n| context | " << contexts(row.contexts) << " |\n";
  if (!row.unit.empty()) out << "| unit | " << cell(row.unit) << " |\n";
  if (!row.fallback.empty()) out << "| default | " << cell(row.fallback) << " |\n";
  if (row.repeatable) out << "| | may be repeated |\n";
  out << "| since | " << row.since << " |\n\n" << row.summary << '\n';
  if (row.id == Directive::issuer) parameters(out, issuer_parameters());
  if (row.id == Directive::tool) parameters(out, route_parameters());
  if (row.id == Directive::operation) parameters_without(out, of_operation);
  if (row.id == Directive::prompt) parameters_without(out, of_prompt);
  if (row.id == Directive::mcp_resource) parameters_without(out, of_resource);
  if (!row.example.empty()) out << "\n```nginx\n" << row.example << "\n```\n";
  out << '\n';
}

void write_directives(std::ostream& out) {
  out << generated
      << "# Directives\n\n"
         "Everything that can be checked is checked by `nginx -t`, with file, line and what to write instead.\n"
         "What stands in a location holds in the locations, `if` and `limit_except` inside it; lists replace, as in "
         "nginx.\n\n";
  for (const DirectiveRow& row : directives()) out << "- [`" << row.name << "`](#" << row.name << ")\n";
  out << '\n';
  for (const DirectiveRow& row : directives()) directive(out, row);
}

std::string_view told_as(Disposition disposition) {
  switch (disposition) {
    case Disposition::allowed: return "the backend's answer";
    case Disposition::challenge: return "401 and a challenge";
    case Disposition::forbidden: return "403";
    case Disposition::scope: return "403 `insufficient_scope`";
    case Disposition::unknown: return "MCP: 200, as unknown; REST: 404";
    case Disposition::denied: return "MCP: 200 and a readable error, or as unknown if it isn't visible; REST: 403";
    case Disposition::malformed: return "400";
    case Disposition::method: return "405";
    case Disposition::too_large: return "413";
    case Disposition::unavailable: return "503 and `Retry-After`";
    case Disposition::backend: return "502";
    case Disposition::limited: return "429, `Retry-After` and `RateLimit`";
    case Disposition::conflict: return "MCP: 200 and a readable error; REST: 409";
    case Disposition::unprocessable: return "MCP: 200 and a readable error; REST: 422";
  }
  return {};
}

void write_reasons(std::ostream& out) {
  out << generated
      << "# Reasons\n\n"
         "The closed list of what a decision can say: in audit events (`reason`), in refusals (`data.reason`, and "
         "`reason` of a problem document), in metrics and in `agwctl explain`. The check is the one that it fails.\n\n"
         "| reason | check | the caller gets | in words |\n|---|---|---|---|\n";
  for (const ReasonRow& row : reasons()) {
    out << "| `" << row.code << "` | " << (row.disposition == Disposition::allowed ? "–" : to_string(row.check))
        << " | " << told_as(row.disposition) << " | " << row.sentence << " |\n";
  }
}

template <class Writer>
bool page(const std::string& path, Writer write) {
  std::ofstream out(path, std::ios::trunc);
  write(out);
  out.close();
  if (out) return true;
  std::cerr << "agw_docs: can't write " << path << '\n';
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: agw_docs DIR\n";
    return 2;
  }
  const std::string dir = argv[1];
  return page(dir + "/directives.md", write_directives) && page(dir + "/reasons.md", write_reasons) ? 0 : 1;
}
